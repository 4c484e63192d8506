//! Images: what a reference means, which layers it has, and its configuration.
//!
//! Manifests and configurations are kept in the store under their digests, so that of a registry only a moving tag is
//! asked, with one HEAD request. Layers become lazy layers of the store: nothing of them is fetched before somebody
//! wants their files.
//! Knows nothing of the graph, and of registries and layouts only what it asks them.

mod resolve;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use lapstrake_llb::{Digest, ImageConfig, Platform, ResolveMode};
use lapstrake_store::compress::Compression;
use lapstrake_store::{BlobDescriptor, LayerBlob, LayerId, LazyLayer, Store, Tree};

use super::credentials::CredentialOptions;
use super::fetch::{Fetcher, ImageOrigin, LayerOrigin};
use super::oci_layout::Layout;
use super::progress::Progress;
use super::reference::Reference;
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
    pub origin: ImageOrigin,
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
        let registry = Arc::new(Registry::new(
            options.registries.clone(),
            options.credentials.clone(),
        ));
        Self::with_registry(store, options, registry)
    }

    /// As [`ImageStore::new`], with connections and logins that another one has used before.
    pub fn with_registry(store: Store, options: ImageOptions, registry: Arc<Registry>) -> Self {
        let fetcher = Fetcher::new(store.clone(), Arc::clone(&registry), options.offline);
        Self {
            inner: Arc::new(Inner {
                store,
                options,
                registry,
                fetcher,
                resolved: Mutex::default(),
            }),
        }
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
            let question = (
                request.reference.clone(),
                request.place.clone(),
                request.platform.clone(),
                local,
            );
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
                    thread
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
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
        let mut layers = Vec::new();
        for layer in image.limited(limit) {
            let origin = LayerOrigin {
                image: image.origin.clone(),
                below: layers.last().copied(),
            };
            let origin = serde_json::to_string(&origin).map_err(|source| Error::LayerOrigin {
                image: image.reference.clone(),
                source,
            })?;
            let lazy = LazyLayer {
                chain_id: layer.chain_id,
                diff_id: layer.diff_id,
                compression: layer.compression,
                descriptor: layer.descriptor.clone(),
                origin,
                below: layers.last().copied(),
                description: image.reference.clone(),
            };
            layers.push(self.inner.store.add_lazy_layer(&lazy)?);
        }
        Ok(Tree { layers })
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
