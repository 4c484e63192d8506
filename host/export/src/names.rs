//! Names of images, as Docker's tools write and shorten them: `x` is `docker.io/library/x:latest`.
//! The grammar is that of the distribution project's reference package. Knows nothing of registries.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, NameProblem};

const DEFAULT_REGISTRY: &str = "docker.io";
const OFFICIAL: &str = "library/";

/// Name of an image with its tag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageName {
    registry: String,
    repository: String,
    tag: String,
}

impl ImageName {
    /// The tag; `latest` where none was written.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Host and port of the registry.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Path of the image in the registry.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The name as `docker images` shows it: without what it takes for granted, but with the tag.
    pub fn familiar(&self) -> String {
        let (registry, repository, tag) = (&self.registry, &self.repository, &self.tag);
        if registry != DEFAULT_REGISTRY {
            return self.to_string();
        }
        let short = repository
            .strip_prefix(OFFICIAL)
            .filter(|rest| !rest.contains('/'));
        format!("{}:{tag}", short.unwrap_or(repository))
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.registry, self.repository, self.tag)
    }
}

impl FromStr for ImageName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text).map_err(|problem| Error::Name {
            name: text.to_owned(),
            problem,
        })
    }
}

fn parse(text: &str) -> Result<ImageName, NameProblem> {
    if text.is_empty() {
        return Err(NameProblem::Empty);
    }
    if text.contains('@') {
        return Err(NameProblem::Digest);
    }
    if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(NameProblem::ImageId);
    }
    let (registry, rest) = match text.split_once('/') {
        Some((first, rest)) if is_registry(first) => (first, rest),
        _ => (DEFAULT_REGISTRY, text),
    };
    let registry = if registry == "index.docker.io" {
        DEFAULT_REGISTRY
    } else {
        registry
    };
    if !is_host(registry) {
        return Err(NameProblem::Registry);
    }
    let (repository, tag) = rest.rsplit_once(':').unwrap_or((rest, "latest"));
    if repository.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(NameProblem::UpperCase);
    }
    if !repository.split('/').all(is_component) {
        return Err(NameProblem::Repository);
    }
    let first = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let later = |b: u8| first(b) || matches!(b, b'.' | b'-');
    if !tag.bytes().next().is_some_and(first) || !tag.bytes().all(later) || tag.len() > 128 {
        return Err(NameProblem::Tag);
    }
    let official = registry == DEFAULT_REGISTRY && !repository.contains('/');
    let repository = if official {
        format!("{OFFICIAL}{repository}")
    } else {
        repository.to_owned()
    };
    if registry.len() + 1 + repository.len() > 255 {
        return Err(NameProblem::TooLong);
    }
    Ok(ImageName {
        registry: registry.to_owned(),
        repository,
        tag: tag.to_owned(),
    })
}

/// Whether what stands before the first slash is a host and not the beginning of a path.
fn is_registry(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || first.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, "")) => return is_address(address),
            Some((address, rest)) => {
                return is_address(address) && rest.strip_prefix(':').is_some_and(is_port);
            }
            None => return false,
        },
        None => text
            .split_once(':')
            .map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let label = |label: &str| {
        let ends = label.bytes().next().zip(label.bytes().last());
        ends.is_some_and(|(a, b)| a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    host.split('.').all(label) && port.is_none_or(is_port)
}

fn is_address(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b':')
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Lower-case letters and digits, between which `.`, `_`, `__` or dashes may stand.
fn is_component(text: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends = text.bytes().next().zip(text.bytes().last());
    if !ends.is_some_and(|(a, b)| alphanumeric(a) && alphanumeric(b)) {
        return false;
    }
    let separators = text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    separators
        .into_iter()
        .all(|s| matches!(s, "" | "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_and_shortened() {
        for (text, full, familiar) in [
            ("x", "docker.io/library/x:latest", "x:latest"),
            ("x:1.0_a-b", "docker.io/library/x:1.0_a-b", "x:1.0_a-b"),
            ("a/b", "docker.io/a/b:latest", "a/b:latest"),
            ("docker.io/x", "docker.io/library/x:latest", "x:latest"),
            ("index.docker.io/library/x:2", "docker.io/library/x:2", "x:2"),
            (
                "library/a/b",
                "docker.io/library/a/b:latest",
                "library/a/b:latest",
            ),
            ("localhost/x", "localhost/x:latest", "localhost/x:latest"),
            ("localhost:5000/x:y", "localhost:5000/x:y", "localhost:5000/x:y"),
            (
                "ghcr.io/a/b__c/d---e:v",
                "ghcr.io/a/b__c/d---e:v",
                "ghcr.io/a/b__c/d---e:v",
            ),
            ("[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x:latest"),
            ("HOST/x", "HOST/x:latest", "HOST/x:latest"),
        ] {
            let name: ImageName = text.parse().unwrap();
            assert_eq!(name.to_string(), full, "{text}");
            assert_eq!(name.familiar(), familiar, "{text}");
            assert_eq!(full.parse::<ImageName>().unwrap(), name);
        }
    }

    #[test]
    fn malformed_names_are_refused_with_a_reason() {
        let hex = "0123456789abcdef".repeat(4);
        let long = "a".repeat(250);
        for (text, expected) in [
            ("", NameProblem::Empty),
            ("X", NameProblem::UpperCase),
            ("a/B", NameProblem::UpperCase),
            ("a//b", NameProblem::Repository),
            ("-a", NameProblem::Repository),
            ("a___b", NameProblem::Repository),
            ("a..b", NameProblem::Repository),
            ("a b", NameProblem::Repository),
            ("x:", NameProblem::Tag),
            ("x:.a", NameProblem::Tag),
            ("x:a b", NameProblem::Tag),
            ("x@sha256:abc", NameProblem::Digest),
            ("-.example/x", NameProblem::Registry),
            ("a.b:port/x", NameProblem::Registry),
            (hex.as_str(), NameProblem::ImageId),
            (long.as_str(), NameProblem::TooLong),
        ] {
            match text.parse::<ImageName>() {
                Err(Error::Name { name, problem }) => assert_eq!((name.as_str(), problem), (text, expected)),
                other => panic!("{text:?}: {other:?}"),
            }
        }
    }
}
