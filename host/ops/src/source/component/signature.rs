//! Signatures as `cosign sign --key` makes them: ECDSA over P-256 and SHA-256, of a small document that names the digest
//! of what is signed (sigstore, "Signature Specification" and "Simple Signing").
//! Knows nothing of registries, certificates or transparency logs.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lapstrake_llb::Digest;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::source::manifest::Descriptor;

const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// Largest document that is signed, bytes.
const LARGEST: u64 = 1 << 20;
/// Most signatures that are looked at.
const MOST: usize = 100;

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";
/// What comes before the point in a public key of P-256 (RFC 5480, `SubjectPublicKeyInfo` in DER).
const PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// Length of an uncompressed point.
const POINT: usize = 65;

/// A document and a signature of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// What is signed.
    pub payload: Vec<u8>,
    /// The signature in base64.
    pub signature: String,
}

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Another kind of file.
    #[error("it is no public key in PEM (cosign.pub)")]
    NotPem,
    /// Another kind of key.
    #[error("it is no ECDSA key of the curve P-256, which cosign makes")]
    OtherKind,
}

/// Whom a signature is to be of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(Vec<u8>);

impl PublicKey {
    /// Reads a `cosign.pub`.
    ///
    /// # Errors
    /// Not PEM, or another kind of key.
    pub fn from_pem(text: &str) -> std::result::Result<Self, KeyError> {
        let inner = text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
        let (inner, _) = inner.ok_or(KeyError::NotPem)?;
        let digits: String = inner.split_whitespace().collect();
        let der = BASE64_STANDARD.decode(digits).map_err(|_| KeyError::NotPem)?;
        match der.strip_prefix(&PREFIX) {
            Some(point) if point.len() == POINT && point[0] == 4 => Ok(Self(point.to_vec())),
            _ => Err(KeyError::OtherKind),
        }
    }

    /// Whether this key has signed that `manifest` is meant.
    pub fn signed(&self, signed: &Signed, manifest: &Digest) -> bool {
        let Ok(signature) = BASE64_STANDARD.decode(signed.signature.trim()) else {
            return false;
        };
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.0);
        key.verify(&signed.payload, &signature).is_ok() && names(&signed.payload) == Some(*manifest)
    }
}

/// The digest that a signed document names.
fn names(payload: &[u8]) -> Option<Digest> {
    #[derive(Deserialize)]
    struct Payload {
        critical: Critical,
    }
    #[derive(Deserialize)]
    struct Critical {
        image: Image,
        #[serde(rename = "type")]
        kind: String,
    }
    #[derive(Deserialize)]
    struct Image {
        #[serde(rename = "docker-manifest-digest")]
        digest: String,
    }
    let payload: Payload = serde_json::from_slice(payload).ok()?;
    // What is signed as something else must not pass for this.
    let is_signature = payload.critical.kind == "cosign container image signature";
    payload
        .critical
        .image
        .digest
        .parse()
        .ok()
        .filter(|_| is_signature)
}

/// The signed documents of a manifest of signatures, each with its signature.
pub(super) fn find(manifest: &[u8], reference: &str) -> Result<Vec<(Descriptor, String)>> {
    #[derive(Deserialize)]
    struct Manifest {
        #[serde(default)]
        layers: Vec<Layer>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Layer {
        #[serde(default)]
        media_type: String,
        digest: String,
        size: u64,
        #[serde(default)]
        annotations: Option<std::collections::BTreeMap<String, String>>,
    }
    let manifest: Manifest = serde_json::from_slice(manifest).map_err(|source| Error::BadManifest {
        image: reference.to_owned(),
        source,
    })?;
    let signed = |layer: Layer| {
        let signature = layer.annotations?.remove(SIGNATURE)?;
        let digest = layer.digest.parse().ok()?;
        (layer.media_type == PAYLOAD && layer.size <= LARGEST).then_some((
            Descriptor {
                media_type: layer.media_type,
                digest,
                size: layer.size,
                platform: None,
                annotations: Vec::new(),
            },
            signature,
        ))
    };
    Ok(manifest
        .layers
        .into_iter()
        .take(MOST)
        .filter_map(signed)
        .collect())
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

    use super::*;

    fn pair() -> EcdsaKeyPair {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random).unwrap()
    }

    fn pem(pair: &EcdsaKeyPair) -> String {
        let der = [&PREFIX, pair.public_key().as_ref()].concat();
        format!("{BEGIN}\n{}\n{END}\n", BASE64_STANDARD.encode(der))
    }

    fn sign(pair: &EcdsaKeyPair, payload: &str) -> Signed {
        let signature = pair.sign(&SystemRandom::new(), payload.as_bytes()).unwrap();
        Signed {
            payload: payload.as_bytes().to_vec(),
            signature: BASE64_STANDARD.encode(signature),
        }
    }

    fn payload(digest: &Digest, kind: &str) -> String {
        format!(
            r#"{{"critical":{{"identity":{{"docker-reference":""}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"{kind}"}},"optional":null}}"#
        )
    }

    const KIND: &str = "cosign container image signature";

    #[test]
    fn a_signature_is_of_one_key_and_for_one_digest() {
        let (mine, other) = (pair(), pair());
        let key = PublicKey::from_pem(&pem(&mine)).unwrap();
        let digest = Digest::of(b"x");
        let good = sign(&mine, &payload(&digest, KIND));
        assert!(key.signed(&good, &digest));
        assert!(!key.signed(&good, &Digest::of(b"y")));
        assert!(!key.signed(&sign(&other, &payload(&digest, KIND)), &digest));
        assert!(!key.signed(&sign(&mine, &payload(&digest, "something else")), &digest));
        let changed = Signed {
            payload: payload(&Digest::of(b"y"), KIND).into_bytes(),
            ..good
        };
        assert!(!key.signed(&changed, &Digest::of(b"y")));
    }

    #[test]
    fn other_keys_are_refused() {
        assert_eq!(PublicKey::from_pem("ssh-rsa AAAA"), Err(KeyError::NotPem));
        let other = format!("{BEGIN}\n{}\n{END}", BASE64_STANDARD.encode([0x30, 0x2a]));
        assert_eq!(PublicKey::from_pem(&other), Err(KeyError::OtherKind));
    }
}
