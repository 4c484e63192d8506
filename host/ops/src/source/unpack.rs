//! The files of one layer, out of its archive: from the store if it is there, else while it comes in.
//! Knows nothing of where archives come from or of the other layers of an image.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, sync_channel};

use lapstrake_llb::Digest;
use lapstrake_store::edit::Lower;
use lapstrake_store::{LayerBlob, LayerDraft, LayerInfo, Tree, archive, compress};
use sha2::{Digest as _, Sha256};

use super::fetch::{Fetcher, original};
use super::progress::Progress;
use crate::error::{Error, Result};
use crate::view::view;

/// Pieces that may wait between download and unpacking.
const QUEUE: usize = 32;

/// The unpacking of one layer.
pub(super) struct Unpacking<'a> {
    pub(super) fetcher: &'a Fetcher,
    pub(super) info: &'a LayerInfo,
    pub(super) progress: &'a dyn Progress,
}

impl Unpacking<'_> {
    /// Unpacks into a new directory.
    pub(super) fn run(&self) -> Result<LayerDraft> {
        let store = self.fetcher.store();
        let here = |blob: &&LayerBlob| store.has_blob(&blob.descriptor.digest);
        let stored = self.info.blobs.iter().find(here);
        let blob = stored
            .or(original(self.info))
            .ok_or(Error::NoArchive { layer: self.info.id })?;
        let digest = blob.descriptor.digest;
        let _guard = self.fetcher.lock_blob(&digest, self.progress)?;
        if store.has_blob(&digest) {
            let draft = store.new_layer()?;
            let failure = match store.open_blob(&digest) {
                Ok(file) => match self.extract(blob, file, &draft) {
                    Ok(()) => return Ok(draft),
                    Err(Error::Cancelled) => return Err(Error::Cancelled),
                    Err(error) => Some(error),
                },
                Err(lapstrake_store::Error::CorruptBlob { .. }) => None,
                Err(error) => return Err(error.into()),
            };
            if let Some(failure) = failure {
                match store.open_blob_verified(&digest) {
                    // It was damaged on disk, and is no longer in the store: it is fetched anew.
                    Err(lapstrake_store::Error::CorruptBlob { .. }) => {}
                    Ok(_) => return Err(failure),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        match self.fetch_and_extract(blob, true) {
            Err(Error::DigestMismatch { .. }) if self.fetcher.has_mirrors(self.info) => {
                self.fetch_and_extract(blob, false)
            }
            other => other,
        }
    }

    fn fetch_and_extract(&self, blob: &LayerBlob, mirrors: bool) -> Result<LayerDraft> {
        let draft = self.fetcher.store().new_layer()?;
        let (sender, receiver) = sync_channel(QUEUE);
        let (fetched, extracted) = std::thread::scope(|scope| {
            let fetching = scope.spawn(move || {
                self.fetcher
                    .fetch(self.info, blob, mirrors, self.progress, Some(&sender))
            });
            // The receiver goes when this returns; the download then ends without a listener.
            let extracted = self.extract(blob, Pieces::new(receiver), &draft);
            (fetching.join(), extracted)
        });
        // An archive that broke off or is corrupt cannot be unpacked either: the first is the reason.
        fetched.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        extracted?;
        Ok(draft)
    }

    /// Unpacks an archive and checks what was in it.
    fn extract(&self, blob: &LayerBlob, packed: impl Read, draft: &LayerDraft) -> Result<()> {
        let digest = blob.descriptor.digest;
        let name = format!("extracting {digest}");
        self.progress.advance(&name, 0, None, false);
        let unreadable = |source: io::Error| match self.progress.cancelled() {
            true => Error::Cancelled,
            false => Error::ReadArchive { digest, source },
        };
        let plain = compress::reader(packed).map_err(unreadable)?;
        let mut content = Content {
            inner: plain,
            hash: Sha256::new(),
            progress: self.progress,
        };
        let layers = self.fetcher.below(self.info)?.into_iter().rev().collect();
        let below = view(self.fetcher.store(), &Tree { layers })?;
        let limits = archive::Limits::default();
        let unpacked = archive::unpack(&mut content, draft.dir(), Lower::Tree(&below), &limits);
        unpacked.map_err(|source| match self.progress.cancelled() {
            true => Error::Cancelled,
            false => Error::Unpack {
                digest,
                source: Box::new(source),
            },
        })?;
        // The digest is of everything, also of what follows the archive's end.
        io::copy(&mut content, &mut io::sink()).map_err(unreadable)?;
        let actual = Digest::from_bytes(content.hash.finalize().into());
        if actual != blob.diff_id {
            return Err(Error::DiffIdMismatch {
                digest,
                expected: blob.diff_id,
                actual,
            });
        }
        self.progress.advance(&name, 0, None, true);
        Ok(())
    }
}

/// Digests what is read, as long as somebody wants it.
struct Content<'a, R> {
    inner: R,
    hash: Sha256,
    progress: &'a dyn Progress,
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.progress.cancelled() {
            return Err(io::Error::other("cancelled"));
        }
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

/// What comes through a channel, as one stream.
struct Pieces {
    receiver: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    position: usize,
}

impl Pieces {
    fn new(receiver: Receiver<Vec<u8>>) -> Self {
        Self {
            receiver,
            piece: Vec::new(),
            position: 0,
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.position == self.piece.len() {
            match self.receiver.recv() {
                Ok(piece) => (self.piece, self.position) = (piece, 0),
                Err(_) => return Ok(0),
            }
        }
        let count = buffer.len().min(self.piece.len() - self.position);
        buffer[..count].copy_from_slice(&self.piece[self.position..self.position + count]);
        self.position += count;
        Ok(count)
    }
}
