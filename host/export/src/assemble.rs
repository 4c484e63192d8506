//! Puts images together in the store: archives of the layers, configurations, manifests, and an index for several
//! platforms. What is there already is not written again.
//! Knows nothing of where the image goes.

use std::collections::BTreeMap;

use lapstrake_llb::{Digest, Timestamp};
use lapstrake_store::compress::Compression;
use lapstrake_store::{LayerId, Store};

use crate::document::{Descriptor, Family};
use crate::error::{Error, Result};
use crate::image::{self, Annotations, ImageInput, PackedLayer};
use crate::layers::{self, LayerFetcher, LayerOptions};
use crate::observer::{Observer, Part, go_on, part};

/// How images are written.
#[derive(Debug, Clone, Default)]
pub struct ImageOptions {
    /// How layers are compressed.
    pub layers: LayerOptions,
    /// Whether documents have OCI's media types, not Docker's. A layer in zstd makes it so in any case.
    pub oci_media_types: bool,
    /// No time is later than this one (SOURCE_DATE_EPOCH).
    pub epoch: Option<Timestamp>,
    /// The present time, for an image that has no other.
    pub now: Option<Timestamp>,
    /// Annotations of all platforms.
    pub annotations: Annotations,
}

impl ImageOptions {
    /// With OCI's media types and gzip.
    pub fn oci() -> Self {
        Self {
            oci_media_types: true,
            ..Self::default()
        }
    }

    /// With Docker's media types and gzip.
    pub fn docker() -> Self {
        Self::default()
    }
}

/// An image, or an index of several, whose blobs are in the store.
#[derive(Debug, Clone)]
pub struct Assembled {
    /// The manifest; of several platforms: the index.
    pub descriptor: Descriptor,
    /// The images.
    pub images: Vec<AssembledImage>,
    /// Time of the latest image.
    pub created: Timestamp,
}

/// One image.
#[derive(Debug, Clone)]
pub struct AssembledImage {
    /// Its manifest, with its platform.
    pub manifest: Descriptor,
    /// Its configuration.
    pub config: Descriptor,
    /// Its layers.
    pub layers: Vec<PackedLayer>,
}

impl Assembled {
    /// Digests and lengths of all blobs, each once.
    pub(crate) fn blobs(&self) -> BTreeMap<Digest, u64> {
        let mut blobs = BTreeMap::from([(self.descriptor.digest, self.descriptor.size)]);
        for image in &self.images {
            blobs.insert(image.manifest.digest, image.manifest.size);
            blobs.insert(image.config.digest, image.config.size);
            blobs.extend(image.layers.iter().map(|layer| (layer.digest, layer.size)));
        }
        blobs
    }
}

/// Puts the results of a build together: one becomes an image, several an index of images.
pub fn assemble(
    store: &Store,
    inputs: &[ImageInput],
    options: &ImageOptions,
    fetcher: &dyn LayerFetcher,
    observer: &dyn Observer,
) -> Result<Assembled> {
    if inputs.is_empty() {
        return Err(Error::NoResult);
    }
    check_platforms(inputs)?;
    let ids: Vec<LayerId> = inputs
        .iter()
        .flat_map(|input| input.layers.iter().copied())
        .collect();
    let packed = part(observer, &Part::Layers, || {
        layers::prepare(store, &ids, &options.layers, fetcher, observer)
    })?;
    let zstd = packed
        .values()
        .any(|layer| layer.compression == Compression::Zstd);
    let family = if options.oci_media_types || zstd {
        Family::Oci
    } else {
        Family::Docker
    };
    let writer = Writer {
        store,
        options,
        family,
        observer,
    };
    let mut images = Vec::with_capacity(inputs.len());
    let mut created = None;
    for input in inputs {
        go_on(observer)?;
        let (image, time) = writer.image(input, &packed)?;
        created = created.max(Some(time));
        images.push(image);
    }
    let descriptor = match images.as_slice() {
        [image] => image.manifest.clone(),
        several => writer.index(several)?,
    };
    Ok(Assembled {
        descriptor,
        images,
        created: created.unwrap_or(writer.now()),
    })
}

pub(crate) fn check_platforms(inputs: &[ImageInput]) -> Result<()> {
    for (index, input) in inputs.iter().enumerate() {
        if inputs[..index]
            .iter()
            .any(|other| other.platform == input.platform)
        {
            return Err(Error::PlatformTwice(image::platform_text(&input.platform)));
        }
    }
    Ok(())
}

struct Writer<'a> {
    store: &'a Store,
    options: &'a ImageOptions,
    family: Family,
    observer: &'a dyn Observer,
}

impl Writer<'_> {
    fn now(&self) -> Timestamp {
        self.options.epoch.or(self.options.now).unwrap_or_else(|| {
            let now = jiff::Timestamp::now();
            Timestamp {
                seconds: now.as_second(),
                nanoseconds: now.subsec_nanosecond().unsigned_abs(),
            }
        })
    }

    fn image(
        &self,
        input: &ImageInput,
        packed: &BTreeMap<LayerId, PackedLayer>,
    ) -> Result<(AssembledImage, Timestamp)> {
        let layer = |id: &LayerId| {
            packed
                .get(id)
                .cloned()
                .ok_or(Error::Store(lapstrake_store::Error::NoSuchLayer(*id)))
        };
        let layers: Vec<PackedLayer> = input.layers.iter().map(layer).collect::<Result<_>>()?;
        let diff_ids: Vec<Digest> = layers.iter().map(|layer| layer.diff_id).collect();
        let timeline = image::timeline(&input.config, &layers, self.options.epoch, self.now());
        let config = image::config(&input.config, &input.platform, &timeline, &diff_ids)?;
        let config = self.put(self.family.config(), &config, Part::Config)?;

        let common = &self.options.annotations;
        let of_config = input.config.annotations.iter().cloned().collect();
        let annotations = merged(&[&of_config, &common.manifest, &input.annotations.manifest]);
        let manifest = image::manifest(self.family, config.clone(), &layers, annotations)?;
        let manifest = self.put(self.family.manifest(), &manifest, Part::Manifest)?;
        let annotations = merged(&[
            &common.manifest_descriptor,
            &input.annotations.manifest_descriptor,
        ]);
        let manifest = image::for_platform(manifest, &input.platform, annotations);
        Ok((
            AssembledImage {
                manifest,
                config,
                layers,
            },
            timeline.created,
        ))
    }

    fn index(&self, images: &[AssembledImage]) -> Result<Descriptor> {
        let manifests = images.iter().map(|image| image.manifest.clone()).collect();
        let index = image::index(self.family, manifests, &self.options.annotations.index)?;
        let index = self.put(self.family.index(), &index, Part::Index)?;
        Ok(Descriptor {
            annotations: self.options.annotations.index_descriptor.clone(),
            ..index
        })
    }

    fn put(&self, media_type: &str, document: &[u8], name: impl Fn(Digest) -> Part) -> Result<Descriptor> {
        let name = name(Digest::of(document));
        let digest = part(self.observer, &name, || Ok(self.store.put_blob(document)?))?;
        Ok(image::descriptor(media_type, digest, document.len() as u64))
    }
}

/// Later ones win.
fn merged(maps: &[&BTreeMap<String, String>]) -> BTreeMap<String, String> {
    let all = maps.iter().flat_map(|map| map.iter());
    all.map(|(key, value)| (key.clone(), value.clone())).collect()
}
