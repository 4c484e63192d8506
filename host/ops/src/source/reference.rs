//! Image references as people write them, and their full form (distribution project, reference grammar).
//! Knows nothing of registries, layouts or what is behind a name.

use std::fmt;

use lapstrake_llb::Digest;
use oci_client::ParseError;
pub use oci_client::Reference;

use crate::error::{Error, Result};

/// The registry of names without one.
const DOCKER_HUB: &str = "docker.io";
const MAX_NAME: usize = 255;
const MAX_TAG: usize = 128;

/// Reads a reference to an image in a registry: `alpine` is `docker.io/library/alpine:latest`.
///
/// # Errors
/// Not of the form `[host/]path[:tag][@digest]`, or a digest that is not SHA-256.
pub fn parse(text: &str) -> Result<Reference> {
    // The library's own parser compiles a regular expression first, which takes longer than a whole cached build.
    let bad = |source| Error::BadReference {
        reference: text.to_owned(),
        source,
    };
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    let (name, tag) = split_tag(rest);
    if let Some(tag) = tag {
        check_tag(tag).map_err(bad)?;
    }
    let (registry, repository) = split_registry(name).map_err(bad)?;
    let digest = digest.map(|digest| {
        digest
            .parse::<Digest>()
            .map_err(|source| Error::UnsupportedDigest {
                image: text.to_owned(),
                source,
            })
    });
    let tag = || tag.unwrap_or("latest").to_owned();
    Ok(match digest.transpose()? {
        None => Reference::with_tag(registry, repository, tag()),
        Some(digest) if rest.len() == name.len() => {
            Reference::with_digest(registry, repository, digest.to_string())
        }
        Some(digest) => Reference::with_tag_and_digest(registry, repository, tag(), digest.to_string()),
    })
}

/// Splits at the colon of a tag; one before the last slash belongs to a port.
fn split_tag(text: &str) -> (&str, Option<&str>) {
    match text.rfind(':').filter(|colon| !text[*colon..].contains('/')) {
        Some(colon) => (&text[..colon], Some(&text[colon + 1..])),
        None => (text, None),
    }
}

fn check_tag(tag: &str) -> Result<(), ParseError> {
    let word = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    let good = tag.len() <= MAX_TAG
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|c| word(c) || matches!(c, b'.' | b'-'));
    if good {
        Ok(())
    } else {
        Err(ParseError::TagInvalidFormat)
    }
}

/// Registry and repository of a name without tag.
fn split_registry(name: &str) -> Result<(String, String), ParseError> {
    if name.is_empty() {
        return Err(ParseError::NameEmpty);
    }
    let (registry, path) = match name.split_once('/') {
        // No path has capitals, so that is a host too.
        Some((first, rest))
            if first == "localhost"
                || first.contains(['.', ':'])
                || first.bytes().any(|c| c.is_ascii_uppercase()) =>
        {
            (first, rest)
        }
        _ => (DOCKER_HUB, name),
    };
    if !is_host(registry) {
        return Err(ParseError::ReferenceInvalidFormat);
    }
    if path.len() > MAX_NAME {
        return Err(ParseError::NameTooLong);
    }
    if !path.split('/').all(is_component) {
        let upper = path.bytes().any(|c| c.is_ascii_uppercase());
        return Err(if upper {
            ParseError::NameContainsUppercase
        } else {
            ParseError::ReferenceInvalidFormat
        });
    }
    let registry = if registry == "index.docker.io" {
        DOCKER_HUB
    } else {
        registry
    };
    let path = match registry == DOCKER_HUB && !path.contains('/') {
        true => format!("library/{path}"),
        false => path.to_owned(),
    };
    Ok((registry.to_owned(), path))
}

/// `name[.name]…[:port]`, or an IPv6 address in brackets.
fn is_host(text: &str) -> bool {
    let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            return address.parse::<std::net::Ipv6Addr>().is_ok()
                && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port));
        }
        None => text
            .split_once(':')
            .map_or((text, None), |(name, port)| (name, Some(port))),
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
    };
    name.split('.').all(label) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit())
}

/// Runs of lower-case letters and digits, between them one `.`, one or two `_`, or any number of `-`.
fn is_component(text: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !text.starts_with(word) || !text.ends_with(word) {
        return false;
    }
    text.split(word)
        .filter(|between| !between.is_empty())
        .all(|between| matches!(between, "." | "_" | "__") || between.bytes().all(|c| c == b'-'))
}

/// The digest that a reference names.
///
/// # Errors
/// One that is not SHA-256.
pub fn digest(reference: &Reference) -> Result<Option<Digest>> {
    let parsed = reference.digest().map(str::parse).transpose();
    parsed.map_err(|source| Error::UnsupportedDigest {
        image: reference.whole(),
        source,
    })
}

/// The same image, pinned to a digest; the tag is kept for people.
pub fn pinned(reference: &Reference, digest: &Digest) -> Reference {
    let (registry, repository) = (reference.registry().to_owned(), reference.repository().to_owned());
    match reference.tag() {
        Some(tag) => Reference::with_tag_and_digest(registry, repository, tag.to_owned(), digest.to_string()),
        None => Reference::with_digest(registry, repository, digest.to_string()),
    }
}

/// What a reference inside of an OCI layout says: `[name][:tag][@digest]`, every part optional.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutReference {
    /// What stands before tag and digest.
    pub name: String,
    /// The tag.
    pub tag: Option<String>,
    /// The digest.
    pub digest: Option<Digest>,
}

impl LayoutReference {
    /// Reads one.
    ///
    /// # Errors
    /// A digest that is not SHA-256.
    pub fn parse(text: &str) -> Result<Self> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let parsed = digest.parse().map_err(|source| Error::UnsupportedDigest {
                    image: text.to_owned(),
                    source,
                })?;
                (rest, Some(parsed))
            }
            None => (text, None),
        };
        let (name, tag) = split_tag(rest);
        let tag = tag.filter(|tag| !tag.is_empty()).map(str::to_owned);
        Ok(Self {
            name: name.to_owned(),
            tag,
            digest,
        })
    }
}

impl fmt::Display for LayoutReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn short_names_are_of_the_docker_hub() {
        let cases = [
            ("alpine", "docker.io/library/alpine:latest"),
            ("alpine:3", "docker.io/library/alpine:3"),
            ("user/app", "docker.io/user/app:latest"),
            ("index.docker.io/alpine", "docker.io/library/alpine:latest"),
            ("localhost/x", "localhost/x:latest"),
            ("localhost:5000/x", "localhost:5000/x:latest"),
            ("127.0.0.1:5000/a/b:t", "127.0.0.1:5000/a/b:t"),
            ("example.com/a", "example.com/a:latest"),
            ("Host/a", "Host/a:latest"),
            ("[::1]:5000/a", "[::1]:5000/a:latest"),
            ("a__b---d/e_f.g", "docker.io/a__b---d/e_f.g:latest"),
        ];
        for (text, whole) in cases {
            assert_eq!(parse(text).unwrap().whole(), whole);
        }
        let pinned_name = format!("alpine:3@sha256:{HEX}");
        assert_eq!(
            parse(&pinned_name).unwrap().whole(),
            format!("docker.io/library/{pinned_name}")
        );
    }

    #[test]
    fn refuses_what_is_no_reference() {
        for text in [
            "",
            "a b",
            ":tag",
            "a@sha256:00",
            "-/x",
            "a:b:c",
            "a/",
            "/a",
            "a..b",
            "a:",
            "-a.b/c",
            "a.b:x/c",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        let upper = parse("Alpine").unwrap_err();
        assert!(matches!(
            upper,
            Error::BadReference {
                source: ParseError::NameContainsUppercase,
                ..
            }
        ));
        assert!(parse(&"a".repeat(256)).is_err());
        assert!(parse(&format!("a:{}", "t".repeat(129))).is_err());
        let upper = format!("a@sha256:{}", HEX.to_uppercase());
        assert!(matches!(parse(&upper), Err(Error::UnsupportedDigest { .. })));
    }

    #[test]
    fn a_pin_keeps_the_tag() {
        let digest: Digest = format!("sha256:{HEX}").parse().unwrap();
        let reference = pinned(&parse("alpine:3").unwrap(), &digest);
        assert_eq!(
            reference.whole(),
            format!("docker.io/library/alpine:3@sha256:{HEX}")
        );
        assert_eq!(self::digest(&reference).unwrap(), Some(digest));
    }

    #[test]
    fn layout_references_have_optional_parts() {
        let read = |text: &str| {
            let reference = LayoutReference::parse(text).unwrap();
            assert_eq!(reference.to_string(), text.trim_end_matches(':'));
            (reference.name, reference.tag, reference.digest.is_some())
        };
        let tag = |text: &str| Some(text.to_owned());
        assert_eq!(read(""), (String::new(), None, false));
        assert_eq!(read("base"), ("base".to_owned(), None, false));
        assert_eq!(read("base:1"), ("base".to_owned(), tag("1"), false));
        assert_eq!(read(":1"), (String::new(), tag("1"), false));
        assert_eq!(read("h:5000/base"), ("h:5000/base".to_owned(), None, false));
        assert_eq!(
            read(&format!("b:1@sha256:{HEX}")),
            ("b".to_owned(), tag("1"), true)
        );
        assert!(LayoutReference::parse("b@sha256:xyz").is_err());
    }

    proptest! {
        /// Where the library's parser knows an answer, this one has the same.
        #[test]
        fn agrees_with_the_library(text in "[az0._/:@-]{1,12}", host in "(localhost|a\\.b|h:5)?", tail in "(:t1)?") {
            for text in [text.clone(), format!("{host}/{text}{tail}")] {
                // It takes `a_b.c` for a host, which cannot exist.
                let theirs = text.parse::<Reference>().ok().filter(|found| is_host(found.registry()));
                let ours = parse(&text).ok();
                prop_assert_eq!(ours.as_ref(), theirs.as_ref(), "{}", text);
            }
        }
    }
}
