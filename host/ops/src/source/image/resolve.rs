//! From a reference to an image: what a tag means, which manifest fits, and what its documents say.
//! Knows nothing of how layers are fetched.

use std::collections::BTreeSet;

use lapstrake_llb::{Digest, Platform, ResolveMode};
use lapstrake_store::BlobDescriptor;
use lapstrake_store::compress::Compression;

use super::{
    DOCUMENTS, Documents, ImageLayer, ImagePlace, ImageRequest, Inner, MAX_DEPTH, ResolvedImage, TAGS,
};
use crate::error::{Error, Result};
use crate::source::config::{self, ReadConfig};
use crate::source::fetch::ImageOrigin;
use crate::source::manifest::{self, CONFIG_LIMIT, Descriptor, Document, MANIFEST_LIMIT};
use crate::source::platform;
use crate::source::progress::Progress;
use crate::source::reference::{self, LayoutReference, Reference};

impl Inner {
    pub(super) fn resolve(&self, request: &ImageRequest, progress: &dyn Progress) -> Result<ResolvedImage> {
        let wanted = request.platform.as_ref().unwrap_or(&self.options.platform);
        match &request.place {
            ImagePlace::Registry => {
                let image = reference::parse(&request.reference)?;
                let digest = self.root(&image, request.mode, progress)?;
                let pinned = reference::pinned(&image, &digest).whole();
                let origin = ImageOrigin::Registry(format!("{}/{}", image.registry(), image.repository()));
                let documents = Documents::Registry { image: &image };
                self.assemble(&documents, pinned, digest, wanted, origin, progress)
            }
            ImagePlace::Layout(name) => {
                let path = self.options.layouts.get(name);
                let path = path.ok_or_else(|| Error::NoSuchLayout { name: name.clone() })?;
                let layout = self.fetcher.layout(path)?;
                let mut image = LayoutReference::parse(&request.reference)?;
                let digest = layout.find(&image, wanted)?;
                image.digest = Some(digest);
                let origin = ImageOrigin::OciLayout(layout.path().to_owned());
                let documents = Documents::Layout(&layout);
                self.assemble(&documents, image.to_string(), digest, wanted, origin, progress)
            }
        }
    }

    /// The digest of what a reference to a registry names.
    fn root(&self, image: &Reference, mode: ResolveMode, progress: &dyn Progress) -> Result<Digest> {
        if let Some(digest) = reference::digest(image)? {
            return Ok(digest);
        }
        let key = image.whole();
        let offline = self.options.offline;
        if offline || mode == ResolveMode::PreferLocal {
            let known = self.store.get_value(TAGS, &key)?;
            let known = known.and_then(|value| String::from_utf8(value).ok()?.parse().ok());
            match known {
                Some(digest) => return Ok(digest),
                None if offline => return Err(Error::Offline { what: key }),
                None => {}
            }
        }
        let digest = self.registry.resolve(image, progress)?;
        let text = digest.to_string();
        if self.store.get_value(TAGS, &key)?.as_deref() != Some(text.as_bytes()) {
            self.store.set_value(TAGS, &key, text.as_bytes())?;
        }
        Ok(digest)
    }

    /// Follows indexes to the manifest, and reads it and the configuration.
    fn assemble(
        &self,
        documents: &Documents<'_>,
        name: String,
        digest: Digest,
        wanted: &Platform,
        origin: ImageOrigin,
        progress: &dyn Progress,
    ) -> Result<ResolvedImage> {
        let mut manifest_digest = digest;
        let mut depth = 0;
        let (config, layers) = loop {
            let bytes = self.document(documents, &manifest_digest, None, progress)?;
            match manifest::parse(&bytes, &name)? {
                Document::Image { config, layers } => break (config, layers),
                Document::Index(_) if depth == MAX_DEPTH => return Err(Error::NestedIndex { image: name }),
                Document::Index(list) => manifest_digest = chosen(&list, wanted, &name)?,
            }
            depth += 1;
        };
        let config_json = self.document(documents, &config.digest, Some(&config), progress)?;
        let ReadConfig {
            config,
            has_platform,
            diff_ids,
        } = config::read(&config_json, &name, wanted)?;
        if has_platform && platform::rank(wanted, &config.platform).is_none() {
            return Err(Error::WrongPlatform {
                image: name,
                platform: platform::name(wanted),
                found: platform::name(&config.platform),
            });
        }
        if diff_ids.len() != layers.len() {
            return Err(Error::LayerCount {
                image: name,
                layers: layers.len(),
                diff_ids: diff_ids.len(),
            });
        }
        let chain_ids = config::chain_ids(&diff_ids);
        let layers = layers.into_iter().zip(diff_ids).zip(chain_ids);
        let layers = layers.map(|((layer, diff_id), chain_id)| ImageLayer {
            compression: compression(&layer.media_type),
            descriptor: BlobDescriptor {
                media_type: layer.media_type,
                digest: layer.digest,
                size: layer.size,
            },
            diff_id,
            chain_id,
        });
        Ok(ResolvedImage {
            layers: layers.collect(),
            reference: name,
            digest,
            manifest_digest,
            config_json: config_json.into(),
            config,
            origin,
        })
    }

    /// A manifest, or with a descriptor a configuration.
    fn document(
        &self,
        documents: &Documents<'_>,
        digest: &Digest,
        config: Option<&Descriptor>,
        progress: &dyn Progress,
    ) -> Result<Vec<u8>> {
        let image = match documents {
            Documents::Layout(layout) => {
                return layout.document(
                    digest,
                    if config.is_some() {
                        CONFIG_LIMIT
                    } else {
                        MANIFEST_LIMIT
                    },
                );
            }
            Documents::Registry { image } => image,
        };
        let key = digest.to_string();
        // A damaged value is fetched again.
        if let Some(bytes) = self.store.get_value(DOCUMENTS, &key)?
            && Digest::of(&bytes) == *digest
        {
            return Ok(bytes);
        }
        if self.options.offline {
            return Err(Error::Offline {
                what: format!("{key} of {}", image.whole()),
            });
        }
        let bytes = match config {
            None => self.registry.manifest(image, digest, progress)?,
            Some(descriptor) => self.small_blob(image, descriptor, progress)?,
        };
        self.store.set_value(DOCUMENTS, &key, &bytes)?;
        Ok(bytes)
    }

    fn small_blob(
        &self,
        image: &Reference,
        descriptor: &Descriptor,
        progress: &dyn Progress,
    ) -> Result<Vec<u8>> {
        let (digest, origin) = (descriptor.digest, || format!("registry {}", image.registry()));
        if descriptor.size > CONFIG_LIMIT {
            return Err(Error::TooLarge {
                digest,
                origin: origin(),
                limit: CONFIG_LIMIT,
            });
        }
        let attempt = |mirrors| {
            let mut bytes = Vec::new();
            self.registry
                .blob(image, descriptor, mirrors, progress, &mut |data| {
                    bytes.extend_from_slice(data);
                    Ok(())
                })?;
            match Digest::of(&bytes) {
                actual if actual == digest => Ok(bytes),
                actual => Err(Error::DigestMismatch {
                    digest,
                    actual,
                    origin: origin(),
                }),
            }
        };
        match attempt(true) {
            Err(Error::DigestMismatch { .. }) if self.registry.has_mirrors(image) => attempt(false),
            other => other,
        }
    }
}

/// The manifest of an index that fits a platform.
fn chosen(list: &[Descriptor], wanted: &Platform, image: &str) -> Result<Digest> {
    // Attestations have the platform unknown/unknown: they fit nothing.
    let known: Vec<_> = list
        .iter()
        .filter_map(|d| Some((d, d.platform.as_ref()?)))
        .collect();
    if let Some(index) = platform::choose(wanted, known.iter().map(|(_, platform)| *platform)) {
        return Ok(known[index].0.digest);
    }
    // An index with one image that does not say for what: its configuration does.
    if let [only] = list
        && only.platform.is_none()
    {
        return Ok(only.digest);
    }
    let names: BTreeSet<_> = known
        .iter()
        .map(|(_, p)| platform::name(&platform::normalise(p)))
        .collect();
    Err(Error::NoPlatform {
        image: image.to_owned(),
        platform: platform::name(wanted),
        available: names
            .into_iter()
            .filter(|name| name != "unknown/unknown")
            .collect(),
    })
}

fn compression(media_type: &str) -> Compression {
    match media_type {
        text if text.ends_with("gzip") => Compression::Gzip,
        text if text.ends_with("zstd") => Compression::Zstd,
        _ => Compression::None,
    }
}
