//! WebAssembly components in registries: found and kept in the store by their digests, and put there.
//!
//! Of a registry only a moving tag is asked, with one HEAD request; what was seen once is there without it.
//! Knows nothing of what components are for.

mod document;
mod signature;

use lapstrake_llb::Digest;
use lapstrake_store::Store;

use self::document::Found;
pub use self::document::World;
pub use self::signature::{KeyError, PublicKey, Signed};
use super::credentials::CredentialOptions;
use super::manifest::Descriptor;
use super::progress::Progress;
use super::reference::{self, Reference};
use super::registry::{Registry, RegistryConfig};
use crate::error::{Error, Result};

/// Kind of the store's values that hold manifests by digest.
const DOCUMENTS: &str = "component-document";
/// Kind of the store's values that hold what a tag meant when it was last asked for.
const TAGS: &str = "component-tag";
/// Largest component that is fetched, bytes. As the host's own limit.
const LARGEST: u64 = 256 << 20;
/// An index may be in an index so often.
const MAX_DEPTH: usize = 4;

/// Components in registries.
#[derive(Debug)]
pub struct Components {
    store: Store,
    registry: Registry,
    offline: bool,
}

/// A component, found: its bytes are a blob of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// The full reference with the digest of what it names.
    pub reference: String,
    /// Digest of what the reference names.
    pub manifest: Digest,
    /// Digest of the component.
    pub digest: Digest,
    /// Its size, bytes.
    pub size: u64,
    /// The name of its file, where the artifact says one.
    pub title: Option<String>,
}

/// What was put into a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The full reference with the digest of the manifest.
    pub reference: String,
    /// Digest of the manifest.
    pub manifest: Digest,
    /// Digest of the component.
    pub digest: Digest,
}

impl Components {
    /// Makes it; nobody is asked yet. With `offline`, nobody ever is.
    pub fn new(
        store: Store,
        registries: RegistryConfig,
        credentials: CredentialOptions,
        offline: bool,
    ) -> Self {
        Self {
            store,
            registry: Registry::new(registries, credentials),
            offline,
        }
    }

    /// Finds the component that a reference names, and fetches it unless it is in the store.
    ///
    /// # Errors
    /// The registry cannot be reached or has no such thing; it is no component; it is not what its digest says.
    pub fn find(&self, reference: &str, progress: &dyn Progress) -> Result<Component> {
        let image = reference::parse(reference)?;
        let manifest = self.root(&image, progress)?;
        let pinned = reference::pinned(&image, &manifest).whole();
        let mut digest = manifest;
        for _ in 0..MAX_DEPTH {
            let bytes = self.document(&image, &digest, progress)?;
            match document::find(&bytes, &pinned)? {
                Found::Manifest(inner) => digest = inner,
                Found::Component { blob, title } => {
                    self.ensure(&image, &blob, progress)?;
                    return Ok(Component {
                        reference: pinned,
                        manifest,
                        digest: blob.digest,
                        size: blob.size,
                        title,
                    });
                }
            }
        }
        Err(Error::NestedIndex { image: pinned })
    }

    /// The signatures that cosign put beside an artifact: `sha256-….sig` in the same repository. None of them is checked.
    ///
    /// # Errors
    /// As [`Components::find`].
    pub fn signatures(&self, component: &Component, progress: &dyn Progress) -> Result<Vec<Signed>> {
        let image = reference::parse(&component.reference)?;
        let beside = Reference::with_tag(
            image.registry().to_owned(),
            image.repository().to_owned(),
            format!("sha256-{}.sig", component.manifest.hex()),
        );
        let manifest = match self.root(&beside, progress) {
            Err(Error::NotFound { .. }) => return Ok(Vec::new()),
            other => self.document(&beside, &other?, progress)?,
        };
        let mut signed = Vec::new();
        for (payload, signature) in signature::find(&manifest, &beside.whole())? {
            self.ensure(&beside, &payload, progress)?;
            signed.push(Signed {
                payload: self.store.blob_bytes(&payload.digest)?,
                signature,
            });
        }
        Ok(signed)
    }

    /// Puts a component into a registry. The artifact is a function of the component, its world and `title`.
    ///
    /// # Errors
    /// The registry cannot be reached or takes nothing.
    pub fn push(
        &self,
        reference: &str,
        component: &[u8],
        world: &World,
        title: &str,
        progress: &dyn Progress,
    ) -> Result<Pushed> {
        let image = reference::parse(reference)?;
        if self.offline {
            return Err(Error::Offline { what: image.whole() });
        }
        let config = document::config(component, world);
        let manifest = document::manifest(&config, component, title);
        let made = Digest::of(&manifest);
        if let Some(expected) = reference::digest(&image)?
            && expected != made
        {
            return Err(Error::DigestMismatch {
                digest: expected,
                actual: made,
                origin: "the component that is pushed".to_owned(),
            });
        }
        let digest = self.registry.push_blob(&image, component, progress)?;
        self.registry.push_blob(&image, &config, progress)?;
        let made = self
            .registry
            .push_manifest(&image, document::MANIFEST, &manifest, progress)?;
        Ok(Pushed {
            reference: reference::pinned(&image, &made).whole(),
            manifest: made,
            digest,
        })
    }

    /// The digest of what a reference names.
    fn root(&self, image: &Reference, progress: &dyn Progress) -> Result<Digest> {
        if let Some(digest) = reference::digest(image)? {
            return Ok(digest);
        }
        let key = image.whole();
        let known = self.store.get_value(TAGS, &key)?;
        if self.offline {
            let known = known.and_then(|value| String::from_utf8(value).ok()?.parse().ok());
            return known.ok_or(Error::Offline { what: key });
        }
        let digest = self.registry.resolve(image, progress)?;
        let text = digest.to_string();
        if known.as_deref() != Some(text.as_bytes()) {
            self.store.set_value(TAGS, &key, text.as_bytes())?;
        }
        Ok(digest)
    }

    fn document(&self, image: &Reference, digest: &Digest, progress: &dyn Progress) -> Result<Vec<u8>> {
        let key = digest.to_string();
        // A damaged value is fetched again.
        if let Some(bytes) = self.store.get_value(DOCUMENTS, &key)?
            && Digest::of(&bytes) == *digest
        {
            return Ok(bytes);
        }
        if self.offline {
            return Err(Error::Offline {
                what: format!("{key} of {}", image.whole()),
            });
        }
        let bytes = self.registry.manifest(image, digest, progress)?;
        self.store.set_value(DOCUMENTS, &key, &bytes)?;
        Ok(bytes)
    }

    /// Makes sure that a blob is in the store, whole.
    fn ensure(&self, image: &Reference, blob: &Descriptor, progress: &dyn Progress) -> Result<()> {
        let digest = blob.digest;
        if self.store.has_blob(&digest) && self.store.open_blob(&digest).is_ok() {
            return Ok(());
        }
        let origin = || format!("registry {}", image.registry());
        if blob.size > LARGEST {
            return Err(Error::TooLarge {
                digest,
                origin: origin(),
                limit: LARGEST,
            });
        }
        if self.offline {
            return Err(Error::Offline {
                what: format!("{digest} of {}", image.whole()),
            });
        }
        let attempt = |mirrors| -> Result<()> {
            let mut bytes = Vec::new();
            self.registry.blob(image, blob, mirrors, progress, &mut |data| {
                bytes.extend_from_slice(data);
                progress.advance(&digest.to_string(), bytes.len() as u64, Some(blob.size), false);
                Ok(())
            })?;
            let actual = Digest::of(&bytes);
            if actual != digest {
                return Err(Error::DigestMismatch {
                    digest,
                    actual,
                    origin: origin(),
                });
            }
            self.store.put_blob(&bytes)?;
            progress.advance(&digest.to_string(), blob.size, Some(blob.size), true);
            Ok(())
        };
        match attempt(true) {
            Err(Error::DigestMismatch { .. }) if self.registry.has_mirrors(image) => attempt(false),
            other => other,
        }
    }
}
