//! Names of images: `[host/]path[:tag][@digest]`, as Docker reads and completes them.
//! Knows nothing of registries.

use std::fmt;

/// An image's name, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    host: String,
    path: String,
    tag: Option<String>,
    digest: Option<String>,
}

impl Reference {
    /// Reads a name; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(check_digest(digest)?)),
            None => (text, None),
        };
        let last = rest.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match rest[last..].split_once(':') {
            Some((name, tag)) => (&rest[..last + name.len()], Some(check_tag(tag)?)),
            None => (rest, None),
        };
        if name.len() == 64
            && name
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        {
            return Err("64 hexadecimal digits are the number of an image, not a name".to_owned());
        }
        let is_host = |first: &str| {
            first.contains(['.', ':'])
                || first == "localhost"
                || first.chars().any(|c| c.is_ascii_uppercase())
        };
        let (host, path) = match name.split_once('/') {
            Some(("index.docker.io", path)) => ("docker.io", path.to_owned()),
            Some((first, path)) if is_host(first) => (first, path.to_owned()),
            _ => ("docker.io", name.to_owned()),
        };
        let path = if host == "docker.io" && !path.contains('/') {
            format!("library/{path}")
        } else {
            path
        };
        check_host(host)?;
        path.split('/').try_for_each(check_part)?;
        Ok(Self {
            host: host.to_owned(),
            path,
            tag,
            digest,
        })
    }

    /// Gives a name without tag and digest the tag `latest`.
    pub fn with_default_tag(mut self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some("latest".to_owned());
        }
        self
    }

    /// The name as people write it, without what is added by default: how named contexts are looked up.
    pub fn familiar(&self) -> String {
        let mut text = match self.host.as_str() {
            "docker.io" => self
                .path
                .strip_prefix("library/")
                .unwrap_or(&self.path)
                .to_owned(),
            host => format!("{host}/{}", self.path),
        };
        if let Some(tag) = self
            .tag
            .as_deref()
            .filter(|tag| *tag != "latest" || self.digest.is_some())
        {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(digest);
        }
        text
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.path)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

fn check_digest(digest: &str) -> Result<String, String> {
    let good = digest.split_once(':').is_some_and(|(algorithm, hex)| {
        let length = match algorithm {
            "sha256" => hex.len() == 64,
            "sha384" => hex.len() == 96,
            "sha512" => hex.len() == 128,
            _ => !algorithm.is_empty() && hex.len() >= 32,
        };
        length
            && hex
                .bytes()
                .all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
    });
    if good {
        Ok(digest.to_owned())
    } else {
        Err(format!("`{digest}` is no digest"))
    }
}

fn check_tag(tag: &str) -> Result<String, String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let good =
        tag.len() <= 128 && tag.starts_with(word) && tag.chars().all(|c| word(c) || matches!(c, '.' | '-'));
    if good {
        Ok(tag.to_owned())
    } else {
        Err(format!("`{tag}` is no tag"))
    }
}

fn check_host(host: &str) -> Result<(), String> {
    let name = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let name = name.map_or(host, |(name, _)| name);
    let plain = |label: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !label.is_empty() && label.chars().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    let address = name.starts_with('[') && name.ends_with(']');
    if address || name.split('.').all(plain) {
        Ok(())
    } else {
        Err(format!("`{host}` is no host"))
    }
}

/// Checks a part of the path: lower-case words joined by `.`, `_`, `__` or dashes.
fn check_part(part: &str) -> Result<(), String> {
    if part.chars().any(|c| c.is_ascii_uppercase()) {
        return Err("an image's name is in lower case".to_owned());
    }
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good = part.starts_with(word)
        && part.ends_with(word)
        && part
            .split(word)
            .filter(|gap| !gap.is_empty())
            .all(|gap| matches!(gap, "." | "_" | "__") || gap.chars().all(|c| c == '-'));
    if good {
        Ok(())
    } else {
        Err(format!("`{part}` cannot be a part of an image's name"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completes_names() {
        let full = |text: &str| Reference::parse(text).unwrap().with_default_tag().to_string();
        assert_eq!(full("alpine"), "docker.io/library/alpine:latest");
        assert_eq!(full("a/b:1"), "docker.io/a/b:1");
        assert_eq!(full("localhost:5000/x"), "localhost:5000/x:latest");
        assert_eq!(full("ghcr.io/a/b__c-d.e:v1"), "ghcr.io/a/b__c-d.e:v1");
        assert_eq!(full("index.docker.io/alpine"), "docker.io/library/alpine:latest");
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(
            full(&format!("x@{digest}")),
            format!("docker.io/library/x@{digest}")
        );
        assert_eq!(
            full(&format!("x:1@{digest}")),
            format!("docker.io/library/x:1@{digest}")
        );
    }

    #[test]
    fn familiar_names() {
        let familiar = |text: &str| Reference::parse(text).unwrap().familiar();
        assert_eq!(familiar("docker.io/library/alpine:latest"), "alpine");
        assert_eq!(familiar("alpine:3.20"), "alpine:3.20");
        assert_eq!(familiar("docker.io/a/b"), "a/b");
        assert_eq!(familiar("example.com/a:latest"), "example.com/a");
    }

    #[test]
    fn refuses_what_is_none() {
        for bad in [
            "",
            "A",
            "a//b",
            "a:",
            "a:b:c",
            "a@sha256:12",
            "-a",
            "a-",
            "a b",
            "a..b",
            "x/UP",
            "/a",
            &"a".repeat(64),
        ] {
            assert!(Reference::parse(bad).is_err(), "{bad}");
        }
    }
}
