//! Digests and how Nix writes them: base 16, its own base 32, base 64 and SRI. Knows nothing of store paths.

use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::{Engine, alphabet};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use crate::error::{Error, ErrorKind};

/// Nix's digits of base 32: without `e`, `o`, `t` and `u`.
const DIGITS: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// Finds one by its name.
    pub fn find(name: &str) -> Result<Self, HashError> {
        match name {
            "md5" => Ok(Algorithm::Md5),
            "sha1" => Ok(Algorithm::Sha1),
            "sha256" => Ok(Algorithm::Sha256),
            "sha512" => Ok(Algorithm::Sha512),
            _ => Err(HashError::Unknown(name.to_owned())),
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "md5",
            Algorithm::Sha1 => "sha1",
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        }
    }

    /// Length of a digest, bytes.
    pub fn size(self) -> usize {
        match self {
            Algorithm::Md5 => 16,
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
            Algorithm::Sha512 => 64,
        }
    }

    /// The digest of some bytes.
    pub fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Algorithm::Md5 => Md5::digest(data).to_vec(),
            Algorithm::Sha1 => Sha1::digest(data).to_vec(),
            Algorithm::Sha256 => Sha256::digest(data).to_vec(),
            Algorithm::Sha512 => Sha512::digest(data).to_vec(),
        }
    }
}

/// Writes bytes in base 16.
pub fn base16(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes bytes in Nix's base 32: five bits a digit, the last ones first.
pub fn base32(bytes: &[u8]) -> String {
    let digit = |index: usize| {
        let (byte, shift) = (index * 5 / 8, index * 5 % 8);
        let low = u16::from(bytes[byte]) >> shift;
        let high = bytes
            .get(byte + 1)
            .map_or(0, |next| u16::from(*next) << (8 - shift));
        char::from(DIGITS[usize::from((low | high) & 0x1f)])
    };
    (0..base32_length(bytes.len())).rev().map(digit).collect()
}

/// Writes bytes in base 64.
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Digits of a number of bytes in Nix's base 32.
pub(crate) fn base32_length(size: usize) -> usize {
    (size * 8).div_ceil(5)
}

/// Reads Nix's base 32. None: it is none, or has more bits than `size` bytes.
pub(crate) fn from_base32(text: &str, size: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0_u8; size];
    for (index, digit) in text.bytes().rev().enumerate() {
        let value = DIGITS.iter().position(|known| *known == digit)? as u16;
        let (byte, shift) = (index * 5 / 8, index * 5 % 8);
        let value = value << shift;
        *bytes.get_mut(byte)? |= (value & 0xff) as u8;
        match bytes.get_mut(byte + 1) {
            Some(next) => *next |= (value >> 8) as u8,
            None if value >> 8 != 0 => return None,
            None => {}
        }
    }
    Some(bytes)
}

/// Reads base 16. None: there is something else than digits.
pub(crate) fn from_base16(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| Some((digit(pair[0])? * 16 + digit(pair[1])?) as u8))
        .collect()
}

/// Base 64 of SRI, whose padding Nix does not ask for.
const SRI: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads a digest in any of the ways in which Nix writes them: `sha256-…` (SRI, W3C Subresource Integrity), `sha256:…`,
/// or without a name where the algorithm is known. But for SRI the length says the base.
///
/// # Errors
/// It is none, or one of another algorithm than `algorithm`.
pub fn parse(text: &str, algorithm: Option<Algorithm>) -> Result<(Algorithm, Vec<u8>), HashError> {
    let (named, digits, is_sri) = match text.split_once([':', '-']) {
        Some((name, digits)) => (
            Some(Algorithm::find(name)?),
            digits,
            !text[name.len()..].starts_with(':'),
        ),
        None => (None, text, false),
    };
    let found = match (named, algorithm) {
        (Some(found), Some(wanted)) if found != wanted => {
            return Err(HashError::Other {
                text: text.to_owned(),
                wanted: wanted.name(),
            });
        }
        (Some(found), _) | (None, Some(found)) => found,
        (None, None) => return Err(HashError::Nameless(text.to_owned())),
    };
    let size = found.size();
    let bytes = match digits.len() {
        _ if is_sri => SRI.decode(digits).ok(),
        length if length == size * 2 => from_base16(digits),
        length if length == base32_length(size) => from_base32(digits, size),
        _ => STANDARD.decode(digits).ok(),
    };
    let wrong = || HashError::Digits {
        text: text.to_owned(),
        algorithm: found.name(),
    };
    let bytes = bytes.filter(|bytes| bytes.len() == size).ok_or_else(wrong)?;
    Ok((found, bytes))
}

/// A text that is no hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// An algorithm that there is not.
    #[error("unknown hash algorithm '{0}'")]
    Unknown(String),
    /// Digits that could be any algorithm's.
    #[error("'{0}' is not a hash")]
    Nameless(String),
    /// A hash of another algorithm.
    #[error("hash '{text}' is not of type {wanted}")]
    Other {
        /// The hash.
        text: String,
        /// The algorithm that is needed.
        wanted: &'static str,
    },
    /// Not the digits of a hash.
    #[error("hash '{text}' has wrong length or digits for {algorithm}")]
    Digits {
        /// The hash.
        text: String,
        /// Its algorithm.
        algorithm: &'static str,
    },
}

impl HashError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "there are md5, sha1, sha256 and sha512",
            Self::Nameless(_) => "say which algorithm: sha256:… or sha256-…",
            Self::Other { .. } | Self::Digits { .. } => {
                "hashes are written sha256-BASE64, sha256:DIGITS, or DIGITS in base 16, 32 or 64"
            }
        }
    }
}

impl From<HashError> for Error {
    fn from(error: HashError) -> Self {
        Error::new(ErrorKind::Value, error.to_string()).help(error.hint())
    }
}
