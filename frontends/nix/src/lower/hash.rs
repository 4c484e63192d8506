//! Hashes with their functions, as what is fetched and built has them. Knows nothing of what is hashed, nor how hashes are
//! written.

use sha2::{Digest as _, Sha256};

use crate::hash::{self, HashError, base16, base32, base64};

pub use crate::hash::Algorithm;

/// A hash with its function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hash {
    /// The function.
    pub algorithm: Algorithm,
    /// As many as the function gives.
    pub bytes: Vec<u8>,
}

impl Hash {
    /// The SHA-256 of some bytes.
    pub fn sha256(data: &[u8]) -> Self {
        Self {
            algorithm: Algorithm::Sha256,
            bytes: Sha256::digest(data).to_vec(),
        }
    }

    /// Reads a hash: `sha256:…`, `sha256-…`, or, where the function is known, the digits alone in any base.
    ///
    /// # Errors
    /// It is none, or one of another function.
    pub fn parse(text: &str, known: Option<Algorithm>) -> Result<Self, HashError> {
        let (algorithm, bytes) = hash::parse(text, known)?;
        Ok(Self { algorithm, bytes })
    }

    /// Base 16.
    pub fn hex(&self) -> String {
        base16(&self.bytes)
    }

    /// Nix's base 32.
    pub fn base32(&self) -> String {
        base32(&self.bytes)
    }

    /// As Subresource Integrity has it.
    pub fn sri(&self) -> String {
        format!("{}-{}", self.algorithm.name(), base64(&self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the empty text, as `nix hash` writes it.
    const EMPTY: [&str; 4] = [
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",
        "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    ];

    #[test]
    fn every_notation_is_the_same_hash() {
        let hash = Hash::sha256(b"");
        for text in EMPTY {
            assert_eq!(Hash::parse(text, None).unwrap(), hash, "{text}");
            assert_eq!(
                Hash::parse(text, Some(Algorithm::Sha256)).unwrap(),
                hash,
                "{text}"
            );
        }
        assert_eq!(format!("sha256:{}", hash.hex()), EMPTY[0]);
        assert_eq!(format!("sha256:{}", hash.base32()), EMPTY[1]);
        assert_eq!(hash.sri(), EMPTY[3]);
        let bare = &EMPTY[1]["sha256:".len()..];
        assert_eq!(Hash::parse(bare, Some(Algorithm::Sha256)).unwrap(), hash);
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        let bare = &EMPTY[0]["sha256:".len()..];
        for (text, known) in [
            (bare, None),
            (bare, Some(Algorithm::Sha1)),
            (EMPTY[0], Some(Algorithm::Sha512)),
            ("sha256:", None),
            ("crc:00", None),
            ("sha256-47DEQ", None),
            (
                "sha256:zmdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",
                None,
            ),
            (
                "sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c7u",
                None,
            ),
        ] {
            assert!(Hash::parse(text, known).is_err(), "{text}");
        }
    }
}
