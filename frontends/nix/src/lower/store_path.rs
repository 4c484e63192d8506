//! Names under /nix/store: a hash of what makes the thing, and a name for people. The same definition has the path that
//! Nix gives it (Nix manual, "Complete Store Path Calculation"). Knows nothing of what is there.

use std::fmt;

use super::error::LowerError;
use super::hash::{Algorithm, Hash};
use crate::hash::base32;

/// Where all of it is.
pub const STORE: &str = "/nix/store";
/// Bytes of a hash in a path.
const HASH_SIZE: usize = 20;
/// Digits of a hash in a path.
pub const HASH_LENGTH: usize = 32;
/// Longest name, bytes.
const MAX_NAME: usize = 211;

/// A path directly under /nix/store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StorePath {
    /// `<hash>-<name>`.
    base: String,
}

impl StorePath {
    /// Makes one of the kind of thing, the hash of what it is made of, and its name.
    fn make(kind: &str, inner: &Hash, name: &str) -> Result<Self, LowerError> {
        check_name(name)?;
        let algorithm = inner.algorithm.name();
        let fingerprint = format!("{kind}:{algorithm}:{}:{STORE}:{name}", inner.hex());
        let hash = base32(&compress(&Hash::sha256(fingerprint.as_bytes()).bytes));
        Ok(Self {
            base: format!("{hash}-{name}"),
        })
    }

    /// Of an output of a derivation whose definition has this hash.
    pub fn output(definition: &Hash, output: &str, name: &str) -> Result<Self, LowerError> {
        Self::make(
            &format!("output:{output}"),
            definition,
            &output_name(name, output),
        )
    }

    /// Of a text that refers to these paths, sorted.
    pub fn text(contents: &[u8], references: &[&StorePath], name: &str) -> Result<Self, LowerError> {
        let mut kind = "text".to_owned();
        for path in references {
            kind += &format!(":{path}");
        }
        Self::make(&kind, &Hash::sha256(contents), name)
    }

    /// Of something whose contents are known by a hash.
    pub fn fixed(hash: &Hash, mode: HashMode, name: &str) -> Result<Self, LowerError> {
        if mode == HashMode::Recursive && hash.algorithm == Algorithm::Sha256 {
            return Self::make("source", hash, name);
        }
        let text = format!(
            "fixed:out:{}{}:{}:",
            mode.prefix(),
            hash.algorithm.name(),
            hash.hex()
        );
        Self::make("output:out", &Hash::sha256(text.as_bytes()), name)
    }

    /// Of something that no other kind fits, by what describes it. Nix has none of these: `kind` MUST be a word that it
    /// does not use.
    pub fn described(kind: &str, description: &[u8], name: &str) -> Result<Self, LowerError> {
        Self::make(kind, &Hash::sha256(description), name)
    }

    /// Reads `/nix/store/<hash>-<name>`, and what may follow inside of it.
    pub fn parse(path: &str) -> Option<(Self, &str)> {
        let rest = path.strip_prefix(STORE)?.strip_prefix('/')?;
        let (base, inside) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (hash, name) = base.split_at_checked(HASH_LENGTH)?;
        let is_hash = hash.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase());
        let name = name.strip_prefix('-')?;
        (is_hash && check_name(name).is_ok()).then(|| {
            let path = Self {
                base: base.to_owned(),
            };
            (path, inside)
        })
    }

    /// `<hash>-<name>`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The digits of its hash: what a file that refers to it contains.
    pub fn hash(&self) -> &str {
        &self.base[..HASH_LENGTH]
    }

    /// Its name for people.
    pub fn name(&self) -> &str {
        &self.base[HASH_LENGTH + 1..]
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{STORE}/{}", self.base)
    }
}

/// How the contents of a thing are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashMode {
    /// The bytes of a file.
    Flat,
    /// A tree, as a Nix archive.
    Recursive,
}

impl HashMode {
    /// What stands before the function's name.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Flat => "",
            Self::Recursive => "r:",
        }
    }
}

/// The name of an output's path.
pub fn output_name(name: &str, output: &str) -> String {
    if output == "out" {
        name.to_owned()
    } else {
        format!("{name}-{output}")
    }
}

/// Checks a name.
///
/// # Errors
/// A path may not have it.
pub fn check_name(name: &str) -> Result<(), LowerError> {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"+-._?=".contains(&b);
    if name.is_empty() || name.len() > MAX_NAME || name.starts_with('.') || !name.bytes().all(is_allowed) {
        return Err(LowerError::BadName(name.to_owned()));
    }
    Ok(())
}

/// Makes a name of any text: what may not be in one becomes `-`.
pub fn plain_name(text: &str) -> String {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "+-._?=".contains(c);
    let name: String = text
        .trim_start_matches('.')
        .chars()
        .map(|c| if is_allowed(c) { c } else { '-' })
        .take(MAX_NAME)
        .collect();
    if name.is_empty() {
        "source".to_owned()
    } else {
        name
    }
}

/// Folds a hash to the bytes that a path has.
fn compress(hash: &[u8]) -> [u8; HASH_SIZE] {
    let mut out = [0; HASH_SIZE];
    for (index, byte) in hash.iter().enumerate() {
        out[index % HASH_SIZE] ^= byte;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_the_paths_that_nix_gives_them() {
        // builtins.toFile "foo" "bar"
        let path = StorePath::text(b"bar", &[], "foo").unwrap();
        assert_eq!(
            path.to_string(),
            "/nix/store/vxjiwkjkn7x4079qvh1jkl5pn05j2aw0-foo"
        );
        assert_eq!((path.hash().len(), path.name()), (HASH_LENGTH, "foo"));
    }

    #[test]
    fn names_are_checked() {
        let long = "x".repeat(212);
        for bad in ["", ".x", "a/b", "a b", "ä", &long] {
            assert_eq!(check_name(bad), Err(LowerError::BadName(bad.to_owned())));
        }
        assert_eq!(check_name("gcc-13.2+a_b?c=d"), Ok(()));
        assert_eq!(plain_name(".my dir/ä"), "my-dir--");
        assert_eq!(plain_name("..."), "source");
    }

    fn path_of_foo() -> StorePath {
        StorePath::text(b"bar", &[], "foo").unwrap()
    }

    #[test]
    fn paths_are_read_back() {
        let path = path_of_foo();
        let text = format!("{path}/bin/x");
        let (read, inside) = StorePath::parse(&text).unwrap();
        assert_eq!((read, inside), (path, "/bin/x"));
        let nameless = format!("/nix/store/{}", path_of_foo().hash());
        for bad in ["/nix/store", "/nix/store/short-x", "/usr/bin", nameless.as_str()] {
            assert_eq!(StorePath::parse(bad), None, "{bad}");
        }
    }
}
