//! Layers of images that are not here yet: their archives come from a registry or a layout, their files out of the
//! archives, each once, however many threads and processes want it.
//!
//! Files are unpacked while the archive comes in; nothing counts before its digests are checked.
//! Knows nothing of manifests or of what the files are for.

use std::collections::{HashMap, HashSet};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};

use lapstrake_llb::Digest;
use lapstrake_store::{LayerBlob, LayerId, LayerInfo, Store, Tree};
use serde::{Deserialize, Serialize};

use super::manifest::Descriptor;
use super::oci_layout::Layout;
use super::progress::Progress;
use super::reference;
use super::registry::Registry;
use super::unpack::Unpacking;
use crate::error::{Error, Result};
use crate::locks::{Guard, Locks};

/// Archives that are fetched at once, beside the one that is being unpacked.
const PARALLEL: usize = 4;
/// Bytes that are read at once.
const CHUNK: usize = 256 << 10;

/// Where the archives of an image's layers come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageOrigin {
    /// A repository, `host/path`.
    Registry(String),
    /// An OCI layout, by its absolute path.
    OciLayout(PathBuf),
}

/// Where a layer comes from. Kept in the store as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerOrigin {
    /// The place of the image.
    pub image: ImageOrigin,
    /// The layer below it in its image. It may lie on others where trees are merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<LayerId>,
}

impl LayerOrigin {
    fn of(info: &LayerInfo) -> Option<Self> {
        serde_json::from_str(info.origin.as_deref()?).ok()
    }
}

/// Takes an archive piece by piece.
type Sink<'a> = &'a mut dyn FnMut(&[u8]) -> Result<()>;

/// Fetches layers.
#[derive(Debug)]
pub struct Fetcher {
    store: Store,
    registry: Arc<Registry>,
    offline: bool,
    layouts: Mutex<HashMap<PathBuf, Arc<Layout>>>,
    locks: Locks,
    /// Layers that are known to be unpacked.
    here: Mutex<HashSet<LayerId>>,
}

impl Fetcher {
    /// Makes a fetcher. `offline`: registries are not asked.
    pub fn new(store: Store, registry: Arc<Registry>, offline: bool) -> Self {
        let locks = Locks::new(store.root().join("locks"));
        Self {
            store,
            registry,
            offline,
            layouts: Mutex::default(),
            locks,
            here: Mutex::default(),
        }
    }

    /// Opens a layout, once.
    ///
    /// # Errors
    /// As of [`Layout::open`].
    pub fn layout(&self, path: &Path) -> Result<Arc<Layout>> {
        let mut layouts = self.layouts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(layout) = layouts.get(path) {
            return Ok(Arc::clone(layout));
        }
        let layout = Arc::new(Layout::open(path)?);
        layouts.insert(path.to_owned(), Arc::clone(&layout));
        Ok(layout)
    }

    /// Sees to it that an archive of a layer is in the store: the one it came as, where it came as one.
    ///
    /// # Errors
    /// The layer has none that could be fetched, or what fetching it says.
    pub fn ensure_blob(&self, id: LayerId, progress: &dyn Progress) -> Result<LayerBlob> {
        let info = self.store.layer(id)?;
        let Some(blob) = original(&info) else {
            let here = |blob: &&LayerBlob| self.store.has_blob(&blob.descriptor.digest);
            return info
                .blobs
                .iter()
                .find(here)
                .cloned()
                .ok_or(Error::NoArchive { layer: id });
        };
        if !self.store.has_blob(&blob.descriptor.digest) {
            let _guard = self.lock_blob(&blob.descriptor.digest, progress)?;
            if !self.store.has_blob(&blob.descriptor.digest) {
                self.fetch(&info, blob, true, progress, None)?;
            }
        }
        Ok(blob.clone())
    }

    /// Sees to it that the files of a tree's layers are in the store.
    ///
    /// A layer is unpacked when those below it are, because its archive may link to their files; the archives of the
    /// next ones come in meanwhile.
    ///
    /// # Errors
    /// Of the first layer that cannot be had.
    pub fn ensure_unpacked(&self, tree: &Tree, progress: &dyn Progress) -> Result<()> {
        let missing = self.missing(tree)?;
        let Some((first, others)) = missing.split_first() else {
            return Ok(());
        };
        if others.is_empty() {
            return self.unpack(*first, progress);
        }
        let watch = Watch {
            progress,
            stopped: AtomicBool::new(false),
        };
        let first_error = Mutex::new(None);
        let check = |result: Result<()>| {
            let Err(error) = result else { return true };
            watch.stopped.store(true, Ordering::Relaxed);
            let mut slot = first_error.lock().unwrap_or_else(PoisonError::into_inner);
            // Those that were stopped because of an error are not the reason.
            if matches!(*slot, None | Some(Error::Cancelled)) {
                *slot = Some(error);
            }
            false
        };
        let next = AtomicUsize::new(0);
        let prefetch = || {
            while let Some(id) = others.get(next.fetch_add(1, Ordering::Relaxed)) {
                if !check(self.ensure_blob(*id, &watch).map(drop)) {
                    return;
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..others.len().min(PARALLEL) {
                scope.spawn(prefetch);
            }
            let _ = missing.iter().all(|id| check(self.unpack(*id, &watch)));
        });
        match first_error.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// The layers that have to be unpacked: those of a tree, and those below them in their images, the lowest first.
    fn missing(&self, tree: &Tree) -> Result<Vec<LayerId>> {
        let unknown: Vec<LayerId> = {
            let here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
            tree.layers
                .iter()
                .copied()
                .filter(|id| !here.contains(id))
                .collect()
        };
        let mut missing: Vec<LayerId> = Vec::new();
        let mut unpacked = Vec::new();
        for info in self.store.layers(&unknown)? {
            if info.unpacked {
                unpacked.push(info.id);
                continue;
            }
            let mut stack = vec![info.id];
            for below in self.below(&info)? {
                if !self.store.layer(below)?.unpacked {
                    stack.push(below);
                }
            }
            stack.retain(|id| !missing.contains(id));
            missing.extend(stack.into_iter().rev());
        }
        self.here
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(unpacked);
        Ok(missing)
    }

    /// The layers below a layer in its image, the nearest first.
    pub(super) fn below(&self, info: &LayerInfo) -> Result<Vec<LayerId>> {
        let mut list = Vec::new();
        let mut next = LayerOrigin::of(info).and_then(|origin| origin.below);
        while let Some(id) = next {
            // Nobody writes a circle; a damaged row is not to make one.
            if id == info.id || list.contains(&id) {
                break;
            }
            list.push(id);
            next = LayerOrigin::of(&self.store.layer(id)?).and_then(|origin| origin.below);
        }
        Ok(list)
    }

    /// Unpacks one layer. The files of those below it are here.
    fn unpack(&self, id: LayerId, progress: &dyn Progress) -> Result<()> {
        let _guard = self
            .locks
            .lock(&format!("layer-{id}"), &|| progress.cancelled())?;
        let info = self.store.layer(id)?;
        if info.unpacked {
            return Ok(());
        }
        let draft = Unpacking {
            fetcher: self,
            info: &info,
            progress,
        }
        .run()?;
        Ok(self.store.fill_layer(id, draft)?)
    }

    pub(super) fn lock_blob(&self, digest: &Digest, progress: &dyn Progress) -> Result<Guard<'_>> {
        self.locks
            .lock(&format!("blob-{}", digest.hex()), &|| progress.cancelled())
    }

    /// Whether a mirror may have sent a layer's archive.
    pub(super) fn has_mirrors(&self, info: &LayerInfo) -> bool {
        match LayerOrigin::of(info).map(|origin| origin.image) {
            Some(ImageOrigin::Registry(repository)) => {
                reference::parse(&repository).is_ok_and(|image| self.registry.has_mirrors(&image))
            }
            _ => false,
        }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Brings an archive into the store; every piece goes to `copy` too. A mirror that gives something else than what
    /// was asked for is passed over, unless it has been copied: then the caller has to begin again, without mirrors.
    /// The caller MUST hold the blob's lock.
    pub(super) fn fetch(
        &self,
        info: &LayerInfo,
        blob: &LayerBlob,
        mirrors: bool,
        progress: &dyn Progress,
        copy: Option<&SyncSender<Vec<u8>>>,
    ) -> Result<()> {
        let origin = LayerOrigin::of(info).ok_or(Error::NoArchive { layer: info.id })?;
        match origin.image {
            ImageOrigin::OciLayout(path) => {
                let layout = self.layout(&path)?;
                let name = layout.blob_path(&blob.descriptor.digest).display().to_string();
                let mut file = layout.blob(&blob.descriptor.digest)?;
                self.receive(blob, &name, progress, copy, &mut |sink| {
                    let mut buffer = vec![0; CHUNK];
                    loop {
                        let failed = |source| Error::ReadLayout {
                            path: name.clone().into(),
                            source,
                        };
                        match file.read(&mut buffer).map_err(failed)? {
                            0 => return Ok(()),
                            count => sink(&buffer[..count])?,
                        }
                    }
                })
            }
            ImageOrigin::Registry(repository) => {
                let what = format!("blob {} of {repository}", blob.descriptor.digest);
                if self.offline {
                    return Err(Error::Offline { what });
                }
                let image = reference::parse(&repository)?;
                let descriptor = descriptor(blob);
                let name = format!("registry {}", image.registry());
                let attempt = |mirrors| {
                    self.receive(blob, &name, progress, copy, &mut |sink| {
                        self.registry.blob(&image, &descriptor, mirrors, progress, sink)
                    })
                };
                match attempt(mirrors) {
                    Err(Error::DigestMismatch { .. })
                        if mirrors && copy.is_none() && self.registry.has_mirrors(&image) =>
                    {
                        attempt(false)
                    }
                    other => other,
                }
            }
        }
    }

    /// Writes what `send` gives into the store and checks it.
    fn receive(
        &self,
        blob: &LayerBlob,
        origin: &str,
        progress: &dyn Progress,
        copy: Option<&SyncSender<Vec<u8>>>,
        send: &mut dyn FnMut(Sink<'_>) -> Result<()>,
    ) -> Result<()> {
        let (digest, size) = (blob.descriptor.digest, blob.descriptor.size);
        let name = digest.to_string();
        let mut writer = self.store.blob_writer()?;
        let mut shown = 0;
        send(&mut |data| {
            if progress.cancelled() {
                return Err(Error::Cancelled);
            }
            writer
                .write_all(data)
                .map_err(|source| Error::WriteBlob { digest, source })?;
            if let Some(copy) = copy {
                // Nobody listens any more: then the archive alone is fetched to its end, to know whether it is whole.
                let _ = copy.send(data.to_vec());
            }
            if writer.size() > size {
                return Err(Error::BlobSize {
                    digest,
                    origin: origin.to_owned(),
                    expected: size,
                });
            }
            if writer.size() - shown >= 1 << 20 {
                shown = writer.size();
                progress.advance(&name, shown, Some(size), false);
            }
            Ok(())
        })?;
        let committed = writer.commit(Some(&digest), Some(size));
        let origin = || origin.to_owned();
        committed.map_err(|error| match error {
            lapstrake_store::Error::DigestMismatch { actual, .. } => Error::DigestMismatch {
                digest,
                actual,
                origin: origin(),
            },
            lapstrake_store::Error::SizeMismatch { .. } => Error::BlobSize {
                digest,
                origin: origin(),
                expected: size,
            },
            other => other.into(),
        })?;
        progress.advance(&name, size, Some(size), true);
        Ok(())
    }
}

/// The archive that a layer came as.
pub(super) fn original(info: &LayerInfo) -> Option<&LayerBlob> {
    info.blobs.iter().find(|blob| blob.original)
}

fn descriptor(blob: &LayerBlob) -> Descriptor {
    Descriptor {
        media_type: blob.descriptor.media_type.clone(),
        digest: blob.descriptor.digest,
        size: blob.descriptor.size,
        platform: None,
        annotations: Vec::new(),
    }
}

/// Stops the others when one has failed.
struct Watch<'a> {
    progress: &'a dyn Progress,
    stopped: AtomicBool,
}

impl Progress for Watch<'_> {
    fn advance(&self, name: &str, current: u64, total: Option<u64>, done: bool) {
        self.progress.advance(name, current, total, done);
    }

    fn cancelled(&self) -> bool {
        self.stopped.load(Ordering::Relaxed) || self.progress.cancelled()
    }
}
