//! Images: what a reference means, which layers it has, and its configuration.
//!
//! Manifests and configurations are kept in the store under their digests, so that of a registry only a moving tag is
//! asked, with one HEAD request. Layers become lazy layers of the store: nothing of them is fetched before somebody
//! wants their files.
//! Knows nothing of the graph, and of registries and layouts only what it asks them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use lapstrake_llb::{Digest, ImageConfig, Platform, ResolveMode};
use lapstrake_store::compress::Compression;
use lapstrake_store::{BlobDescriptor, LayerBlob, LayerId, LazyLayer, Store, Tree};

use super::config::{self, ReadConfig};
use super::credentials::CredentialOptions;
use super::fetch::{Fetcher, LayerOrigin};
use super::manifest::{self, CONFIG_LIMIT, Descriptor, Document, MANIFEST_LIMIT};
use super::oci_layout::Layout;
use super::platform;
use super::progress::Progress;
use super::reference::{self, LayoutReference, Reference};
use super::registry::{Registry, RegistryConfig};
use crate::error::{Error, Result};

/// Kind of the store's values that hold manifests, indexes and configurations by digest.
const DOCUMENTS: &str = "image-document";
/// Kind of the store's values that hold what a tag meant when it was last asked for.
const TAGS: &str = "image-tag";
/// An index may be in an index so often.
const MAX_DEPTH: usize = 4;

/// What an [`ImageStore`] works with.
#[derive(Debug, Clone)]
pub struct ImageOptions {
    /// What is known of registries.
    pub registries: RegistryConfig,
    /// Where credentials are looked for.
    pub credentials: CredentialOptions,
    /// The build's OCI layouts: directories or archives, by name.
    pub layouts: BTreeMap<String, PathBuf>,
    /// Registries are not asked; what is not in the store is missing.
    pub offline: bool,
    /// The platform of who asks for none.
    pub platform: Platform,
}

/// Where an image is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ImagePlace {
    /// In the registry that its reference names.
    Registry,
    /// In one of the build's layouts.
    Layout(String),
}

/// What image is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRequest {
    /// Its reference.
    pub reference: String,
    /// Where it is.
    pub place: ImagePlace,
    /// For which platform; none: the one of the options.
    pub platform: Option<Platform>,
    /// Whether what the store knows of a tag is good.
    pub mode: ResolveMode,
}

/// An image, found.
#[derive(Debug, Clone)]
pub struct ResolvedImage {
    /// The full reference with the digest of what it names.
    pub reference: String,
    /// Digest of what the reference names: an index, or the manifest itself.
    pub digest: Digest,
    /// Digest of the manifest of the chosen platform.
    pub manifest_digest: Digest,
    /// Configuration, as it is in the image.
    pub config_json: Arc<[u8]>,
    /// Configuration, read.
    pub config: ImageConfig,
    /// Layers, the lowest first.
    pub layers: Vec<ImageLayer>,
    /// Where the layers come from.
    pub origin: LayerOrigin,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageLayer {
    /// The archive.
    pub descriptor: BlobDescriptor,
    /// How it is compressed, by its media type.
    pub compression: Compression,
    /// Digest of the uncompressed archive.
    pub diff_id: Digest,
    /// Digest of this layer with all below it.
    pub chain_id: Digest,
}

impl ResolvedImage {
    /// The layers that an op takes: all, or only some of the lowest.
    pub fn limited(&self, limit: Option<u32>) -> &[ImageLayer] {
        let all = self.layers.len();
        &self.layers[..limit.map_or(all, |limit| all.min(limit as usize))]
    }

    /// What identifies the files of the lowest layers; none: there are no layers.
    pub fn chain_id(&self, limit: Option<u32>) -> Option<Digest> {
        self.limited(limit).last().map(|layer| layer.chain_id)
    }
}

/// Finds images and fetches their layers. Clones are the same.
///
/// What a tag meant is remembered as long as it lives: make one for a build.
#[derive(Debug, Clone)]
pub struct ImageStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    options: ImageOptions,
    registry: Arc<Registry>,
    fetcher: Fetcher,
    resolved: Mutex<HashMap<Question, Arc<Slot>>>,
}

/// Requests that are one: reference, place, platform, and whether what the store knows is good.
type Question = (String, ImagePlace, Option<Platform>, bool);

/// An answer that may still be on its way: who asks for the same meanwhile waits for it.
type Slot = Mutex<Option<Arc<ResolvedImage>>>;

/// Where documents come from.
enum Documents<'a> {
    Registry { image: &'a Reference },
    Layout(&'a Layout),
}

impl ImageStore {
    /// Makes an image store. Nothing is asked or opened yet.
    pub fn new(store: Store, options: ImageOptions) -> Self {
        let registry = Arc::new(Registry::new(options.registries.clone(), options.credentials.clone()));
        Self::with_registry(store, options, registry)
    }

    /// As [`ImageStore::new`], with connections and logins that another one has used before.
    pub fn with_registry(store: Store, options: ImageOptions, registry: Arc<Registry>) -> Self {
        let fetcher = Fetcher::new(store.clone(), Arc::clone(&registry), options.offline);
        Self { inner: Arc::new(Inner { store, options, registry, fetcher, resolved: Mutex::default() }) }
    }

    /// The registry client.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.inner.registry
    }

    /// The platform of who asks for none.
    pub fn platform(&self) -> &Platform {
        &self.inner.options.platform
    }

    /// Finds one image.
    ///
    /// # Errors
    /// The reference is none, or registry, layout or image are not as they should be.
    pub fn resolve(&self, request: &ImageRequest, progress: &dyn Progress) -> Result<Arc<ResolvedImage>> {
        let slot = {
            let mut resolved = self.inner.resolved.lock().unwrap_or_else(PoisonError::into_inner);
            let local = request.mode == ResolveMode::PreferLocal;
            let question = (request.reference.clone(), request.place.clone(), request.platform.clone(), local);
            Arc::clone(resolved.entry(question).or_default())
        };
        let mut answer = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(image) = &*answer {
            return Ok(Arc::clone(image));
        }
        let image = Arc::new(self.inner.resolve(request, progress)?);
        *answer = Some(Arc::clone(&image));
        Ok(image)
    }

    /// Finds several images at the same time; the answers are in the order of the requests.
    pub fn resolve_all(
        &self,
        requests: &[ImageRequest],
        progress: &dyn Progress,
    ) -> Vec<Result<Arc<ResolvedImage>>> {
        match requests {
            [] => Vec::new(),
            [only] => vec![self.resolve(only, progress)],
            _ => std::thread::scope(|scope| {
                let resolve = |request| scope.spawn(move || self.resolve(request, progress));
                let threads: Vec<_> = requests.iter().map(resolve).collect();
                let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                };
                threads.into_iter().map(join).collect()
            }),
        }
    }

    /// The files of an image: a tree of layers, none of which need be here. With a limit, of the lowest layers only.
    ///
    /// # Errors
    /// Of the store.
    pub fn tree(&self, image: &ResolvedImage, limit: Option<u32>) -> Result<Tree> {
        let origin = serde_json::to_string(&image.origin)
            .map_err(|source| Error::LayerOrigin { image: image.reference.clone(), source })?;
        let lazy = |layer: &ImageLayer| LazyLayer {
            chain_id: layer.chain_id,
            diff_id: layer.diff_id,
            compression: layer.compression,
            descriptor: layer.descriptor.clone(),
            origin: origin.clone(),
            description: image.reference.clone(),
        };
        let layers: Vec<_> = image.limited(limit).iter().map(lazy).collect();
        Ok(Tree { layers: self.inner.store.add_lazy_layers(&layers)? })
    }

    /// Sees to it that an archive of a layer is in the store.
    ///
    /// # Errors
    /// It has none that could be fetched, or fetching it failed.
    pub fn ensure_blob(&self, layer: LayerId, progress: &dyn Progress) -> Result<LayerBlob> {
        self.inner.fetcher.ensure_blob(layer, progress)
    }

    /// Sees to it that the files of all of a tree's layers are in the store.
    ///
    /// # Errors
    /// Of the first layer that cannot be fetched or unpacked.
    pub fn ensure_unpacked(&self, tree: &Tree, progress: &dyn Progress) -> Result<()> {
        self.inner.fetcher.ensure_unpacked(tree, progress)
    }
}

impl Inner {
    fn resolve(&self, request: &ImageRequest, progress: &dyn Progress) -> Result<ResolvedImage> {
        let wanted = request.platform.as_ref().unwrap_or(&self.options.platform);
        match &request.place {
            ImagePlace::Registry => {
                let image = reference::parse(&request.reference)?;
                let digest = self.root(&image, request.mode, progress)?;
                let pinned = reference::pinned(&image, &digest).whole();
                let origin = LayerOrigin::Registry(format!("{}/{}", image.registry(), image.repository()));
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
                let origin = LayerOrigin::OciLayout(layout.path().to_owned());
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
        origin: LayerOrigin,
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
        let ReadConfig { config, has_platform, diff_ids } = config::read(&config_json, &name, wanted)?;
        if has_platform && platform::rank(wanted, &config.platform).is_none() {
            return Err(Error::WrongPlatform {
                image: name,
                platform: platform::name(wanted),
                found: platform::name(&config.platform),
            });
        }
        if diff_ids.len() != layers.len() {
            return Err(Error::LayerCount { image: name, layers: layers.len(), diff_ids: diff_ids.len() });
        }
        let chain_ids = config::chain_ids(&diff_ids);
        let layers = layers.into_iter().zip(diff_ids).zip(chain_ids);
        let layers = layers.map(|((layer, diff_id), chain_id)| ImageLayer {
            compression: compression(&layer.media_type),
            descriptor: BlobDescriptor { media_type: layer.media_type, digest: layer.digest, size: layer.size },
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
                return layout.document(digest, if config.is_some() { CONFIG_LIMIT } else { MANIFEST_LIMIT });
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
            return Err(Error::Offline { what: format!("{key} of {}", image.whole()) });
        }
        let bytes = match config {
            None => self.registry.manifest(image, digest, progress)?,
            Some(descriptor) => self.small_blob(image, descriptor, progress)?,
        };
        self.store.set_value(DOCUMENTS, &key, &bytes)?;
        Ok(bytes)
    }

    fn small_blob(&self, image: &Reference, descriptor: &Descriptor, progress: &dyn Progress) -> Result<Vec<u8>> {
        let (digest, origin) = (descriptor.digest, || format!("registry {}", image.registry()));
        if descriptor.size > CONFIG_LIMIT {
            return Err(Error::TooLarge { digest, origin: origin(), limit: CONFIG_LIMIT });
        }
        let attempt = |mirrors| {
            let mut bytes = Vec::new();
            self.registry.blob(image, descriptor, mirrors, progress, &mut |data| {
                bytes.extend_from_slice(data);
                Ok(())
            })?;
            match Digest::of(&bytes) {
                actual if actual == digest => Ok(bytes),
                actual => Err(Error::DigestMismatch { digest, actual, origin: origin() }),
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
    let known: Vec<_> = list.iter().filter_map(|d| Some((d, d.platform.as_ref()?))).collect();
    if let Some(index) = platform::choose(wanted, known.iter().map(|(_, platform)| *platform)) {
        return Ok(known[index].0.digest);
    }
    // An index with one image that does not say for what: its configuration does.
    if let [only] = list
        && only.platform.is_none()
    {
        return Ok(only.digest);
    }
    let names: BTreeSet<_> = known.iter().map(|(_, p)| platform::name(&platform::normalise(p))).collect();
    Err(Error::NoPlatform {
        image: image.to_owned(),
        platform: platform::name(wanted),
        available: names.into_iter().filter(|name| name != "unknown/unknown").collect(),
    })
}

fn compression(media_type: &str) -> Compression {
    match media_type {
        text if text.ends_with("gzip") => Compression::Gzip,
        text if text.ends_with("zstd") => Compression::Zstd,
        _ => Compression::None,
    }
}
