//! The archives of layers: those that are there are taken, the others made or fetched, several at once.
//!
//! Which archive a layer gets depends on the layer and the options only, never on earlier exports: a layer that was made
//! here is compressed as asked; one that was pulled keeps its archive, unless all are to be compressed anew.
//! Knows nothing of images.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use lapstrake_llb::Digest;
use lapstrake_store::compress::{self, Compression};
use lapstrake_store::{BlobDescriptor, BlobWriter, LayerBlob, LayerId, LayerInfo, Store, archive};
use sha2::{Digest as _, Sha256};

use crate::document::Family;
use crate::error::{Error, FetchError, Result};
use crate::image::PackedLayer;
use crate::observer::{Observer, go_on};

/// Brings what the store has not.
pub trait LayerFetcher: Sync {
    /// Brings the archive that a lazy layer came as into the store.
    fn blob(&self, layer: LayerId) -> Result<LayerBlob, FetchError>;

    /// Gives lazy layers their files.
    fn unpacked(&self, layers: &[LayerId]) -> Result<(), FetchError>;
}

/// How layers are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LayerOptions {
    /// The compression of layers that are made here.
    pub compression: Compression,
    /// Its level; none: the compression's own.
    pub level: Option<i32>,
    /// Whether layers that were pulled are compressed anew if they are compressed in another way.
    pub force: bool,
}

impl LayerOptions {
    /// The level as archives remember it: one that is the compression's own is none.
    fn level(&self) -> Option<i32> {
        let levels = self.compression.levels();
        let level = self.level?.clamp(*levels.start(), *levels.end());
        (level != self.compression.default_level()).then_some(level)
    }
}

/// Where the archive of a layer comes from.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    /// It is in the store.
    Ready(LayerBlob),
    /// It is to be fetched.
    Fetch,
    /// Another archive is compressed anew.
    Convert(LayerBlob),
    /// The other archive has to be fetched before.
    FetchAndConvert,
    /// The files are packed.
    Pack,
}

/// Sees to it that every layer has its archive in the store.
pub(crate) fn prepare(
    store: &Store,
    ids: &[LayerId],
    options: &LayerOptions,
    fetcher: &dyn LayerFetcher,
    observer: &dyn Observer,
) -> Result<BTreeMap<LayerId, PackedLayer>> {
    let mut distinct = ids.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let mut ready = BTreeMap::new();
    let mut work = Vec::new();
    for info in store.layers(&distinct)? {
        match plan(store, &info, options) {
            Plan::Ready(blob) => {
                ready.insert(info.id, packed(&info, blob));
            }
            _ => work.push(info),
        }
    }
    // The largest first, so that none of them is begun last.
    work.sort_by_key(|info| std::cmp::Reverse(info.bytes));
    let job = Job {
        store,
        options,
        fetcher,
        observer,
    };
    ready.extend(in_parallel(&work, |info| {
        Ok((info.id, packed(info, job.run(info)?)))
    })?);
    Ok(ready)
}

fn packed(info: &LayerInfo, blob: LayerBlob) -> PackedLayer {
    PackedLayer {
        digest: blob.descriptor.digest,
        size: blob.descriptor.size,
        compression: blob.compression,
        diff_id: blob.diff_id,
        description: info.description.clone(),
        created: info.created,
    }
}

fn plan(store: &Store, info: &LayerInfo, options: &LayerOptions) -> Plan {
    // A file that is shorter or longer is damaged: it is made anew.
    let here = |blob: &&LayerBlob| {
        store
            .blob_size(&blob.descriptor.digest)
            .is_ok_and(|size| size == blob.descriptor.size)
    };
    let original = info.blobs.iter().find(|blob| blob.original);
    let keeps = original.is_some_and(|blob| !options.force || blob.compression == options.compression);
    if let Some(original) = original.filter(|_| keeps) {
        return if here(&original) {
            Plan::Ready(original.clone())
        } else {
            Plan::Fetch
        };
    }
    let wanted = |blob: &&LayerBlob| {
        !blob.original && blob.compression == options.compression && blob.level == options.level()
    };
    if let Some(blob) = info.blobs.iter().filter(wanted).find(here) {
        return Plan::Ready(blob.clone());
    }
    match original {
        // The files alone would not give the same bytes again.
        Some(original) if here(&original) => Plan::Convert(original.clone()),
        Some(_) => Plan::FetchAndConvert,
        None => Plan::Pack,
    }
}

struct Job<'a> {
    store: &'a Store,
    options: &'a LayerOptions,
    fetcher: &'a dyn LayerFetcher,
    observer: &'a dyn Observer,
}

impl Job<'_> {
    fn run(&self, info: &LayerInfo) -> Result<LayerBlob> {
        go_on(self.observer)?;
        match plan(self.store, info, self.options) {
            Plan::Ready(blob) => Ok(blob),
            Plan::Fetch => self.fetch(info.id),
            Plan::Convert(blob) => match self.convert(info.id, &blob) {
                // It has been removed from the store; the place that it came from has a good one.
                Err(Error::Store(lapstrake_store::Error::CorruptBlob { .. })) => {
                    self.convert(info.id, &self.fetch(info.id)?)
                }
                other => other,
            },
            Plan::FetchAndConvert => self.convert(info.id, &self.fetch(info.id)?),
            Plan::Pack => self.pack(info.id),
        }
    }

    fn fetch(&self, layer: LayerId) -> Result<LayerBlob> {
        self.fetcher
            .blob(layer)
            .map_err(|source| Error::Fetch { layer, source })
    }

    fn pack(&self, layer: LayerId) -> Result<LayerBlob> {
        let dir = self.store.layer_dir(layer)?;
        let out = self.writer(layer)?;
        match archive::pack(&dir, out, &archive::PackOptions::default()) {
            Ok((out, _)) => self.finish(layer, out, None),
            Err(_) if self.observer.cancelled() => Err(Error::Cancelled),
            Err(source) => Err(Error::Pack { layer, source }),
        }
    }

    /// Compresses the content of another archive, which gives the same layer.
    fn convert(&self, layer: LayerId, blob: &LayerBlob) -> Result<LayerBlob> {
        let mut raw = self.store.read_blob(&blob.descriptor.digest)?;
        let mut out = self.writer(layer)?;
        let copied = decompress(&mut raw, &mut out);
        // The check of the digest comes with the end, which a decompressor leaves unread when it has found damage, and
        // may leave unread else.
        let checked = io::copy(&mut raw, &mut io::sink());
        checked.and(copied).map_err(|error| self.failure(layer, error))?;
        self.finish(layer, out, Some(&blob.diff_id))
    }

    fn writer(&self, layer: LayerId) -> Result<Content<'_>> {
        let blob = self.store.blob_writer()?;
        let writer = compress::writer(blob, self.options.compression, self.options.level);
        let writer = writer.map_err(|source| Error::Compress { layer, source })?;
        Ok(Content {
            writer,
            hash: Sha256::new(),
            observer: self.observer,
        })
    }

    fn finish(&self, layer: LayerId, content: Content<'_>, expected: Option<&Digest>) -> Result<LayerBlob> {
        let diff_id = Digest::from_bytes(content.hash.finalize().into());
        if let Some(expected) = expected
            && *expected != diff_id
        {
            return Err(Error::WrongContent {
                layer,
                expected: *expected,
                actual: diff_id,
            });
        }
        let blob = content
            .writer
            .finish()
            .map_err(|error| self.failure(layer, error))?;
        let (digest, size) = blob.commit(None, None)?;
        let compression = self.options.compression;
        let media_type = Family::Oci.layer(compression).to_owned();
        let descriptor = BlobDescriptor {
            media_type,
            digest,
            size,
        };
        let blob = LayerBlob {
            compression,
            descriptor,
            diff_id,
            level: self.options.level(),
            original: false,
        };
        self.store.set_layer_blob(layer, &blob)?;
        Ok(blob)
    }

    /// Finds the cause of a failed read or write: a corrupt blob comes as an error of the store inside of it.
    fn failure(&self, layer: LayerId, error: io::Error) -> Error {
        if self.observer.cancelled() {
            return Error::Cancelled;
        }
        match error.downcast::<lapstrake_store::Error>() {
            Ok(cause) => Error::Store(cause),
            Err(source) => Error::Compress { layer, source },
        }
    }
}

fn decompress(raw: &mut dyn Read, out: &mut dyn Write) -> io::Result<()> {
    let mut content = compress::reader(raw)?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match content.read(&mut buffer)? {
            0 => return Ok(()),
            count => out.write_all(&buffer[..count])?,
        }
    }
}

/// Takes the uncompressed archive of a layer.
struct Content<'a> {
    writer: compress::Writer<BlobWriter>,
    hash: Sha256,
    observer: &'a dyn Observer,
}

impl Write for Content<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        // Not `Interrupted`, after which a writer tries again.
        if self.observer.cancelled() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let count = self.writer.write(data)?;
        self.hash.update(&data[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Does the same for all items, as many at once as there are cores. The first error ends it.
pub(crate) fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let threads = std::thread::available_parallelism()
        .map_or(1, |count| count.get())
        .min(items.len());
    if threads < 2 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let done: Mutex<Vec<R>> = Mutex::default();
    let first: Mutex<Option<Error>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed)
                    && let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    match work(item) {
                        Ok(value) => lock(&done).push(value),
                        Err(error) => {
                            failed.store(true, Ordering::Relaxed);
                            lock(&first).get_or_insert(error);
                        }
                    }
                }
            });
        }
    });
    match lock(&first).take() {
        Some(error) => Err(error),
        None => Ok(std::mem::take(&mut *lock(&done))),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
