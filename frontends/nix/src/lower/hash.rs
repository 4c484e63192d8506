//! Hashes as Nix writes them: base 16, its own base 32, base 64, and SRI (`sha256-…`, W3C Subresource Integrity).
//! Knows nothing of what is hashed.

use sha2::{Digest as _, Sha256};

use super::error::LowerError;
use crate::hash::{base16, base32, base32_length, base64, from_base16, from_base32};

/// RFC 4648, section 4.
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Only where nothing better is known.
    Md5,
    /// As git has it.
    Sha1,
    /// What everything here is named by.
    Sha256,
    /// Longer.
    Sha512,
}

/// A hash with its function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hash {
    /// The function.
    pub algorithm: Algorithm,
    /// As many as the function gives.
    pub bytes: Vec<u8>,
}

impl Algorithm {
    const ALL: [Self; 4] = [Self::Md5, Self::Sha1, Self::Sha256, Self::Sha512];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Bytes of a hash.
    pub fn size(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// Finds one by its name.
    pub fn find(name: &str) -> Result<Self, LowerError> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.name() == name);
        found.ok_or_else(|| LowerError::UnknownAlgorithm(name.to_owned()))
    }
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
    pub fn parse(text: &str, known: Option<Algorithm>) -> Result<Self, LowerError> {
        let bad = || LowerError::BadHash(text.to_owned());
        let (algorithm, digits, sri) = if let Some((name, digits)) = text.split_once(':') {
            (Algorithm::find(name)?, digits, false)
        } else if let Some((name, digits)) = text.split_once('-') {
            (Algorithm::find(name)?, digits, true)
        } else {
            (known.ok_or_else(bad)?, text, false)
        };
        if known.is_some_and(|known| known != algorithm) {
            return Err(bad());
        }
        let size = algorithm.size();
        let bytes = match digits.len() {
            _ if sri => from_base64(digits),
            length if length == size * 2 => from_base16(digits),
            length if length == base32_length(size) => from_base32(digits, size),
            _ => from_base64(digits),
        };
        match bytes {
            Some(bytes) if bytes.len() == size => Ok(Self { algorithm, bytes }),
            _ => Err(bad()),
        }
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

/// Reads base 64, with its padding or without.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) && text.len() != digits.len() {
        return None;
    }
    let (mut out, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for digit in digits.bytes() {
        let value = BASE64.iter().position(|known| *known == digit)? as u32;
        bits = bits << 6 | value;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 255) as u8);
            bits &= (1 << count) - 1;
        }
    }
    (bits == 0).then_some(out)
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
