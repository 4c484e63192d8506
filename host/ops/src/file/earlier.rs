//! What the last layer of the same copy holds: files that are wholly equal get another name of the inode that is there,
//! at the same path, instead of being read and written again. See docs/decisions/0009-links-between-layers.md.
//!
//! A layer of a copy has a list of its files beside it; a value of the store says which layer the copy made last.
//! Whatever is wrong with either, files are copied. Knows nothing of how.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use lapstrake_llb::Digest;
use lapstrake_store::edit::Metadata;
use lapstrake_store::tree::{Entry, FileKind, describe_at};
use lapstrake_store::{LayerDraft, LayerId, Store};
use rustix::fs::{AtFlags, Mode, OFlags};
use serde::{Deserialize, Serialize};

/// Kind of the store's values that say which layer a copy made last.
const LAST: &str = "copy-layer";
/// Name of a layer's list.
const LIST: &str = "copied";
/// A list is worth it for so many files,
const MANY: usize = 64;
/// or so many bytes.
const MUCH: u64 = 4 << 20;

/// All that makes two files equal, but for their paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Facts {
    size: u64,
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: (i64, u32),
    digest: [u8; 32],
}

impl Facts {
    fn of(entry: &Entry, metadata: &Metadata, digest: &Digest) -> Self {
        Self {
            size: entry.size,
            mode: metadata.mode,
            uid: metadata.uid,
            gid: metadata.gid,
            mtime: (metadata.mtime.seconds, metadata.mtime.nanoseconds),
            digest: *digest.as_bytes(),
        }
    }

    /// Whether what is at a path looks like it.
    fn fits(&self, found: &Entry) -> bool {
        let Self {
            size,
            mode,
            uid,
            gid,
            mtime,
            ..
        } = self;
        found.kind == FileKind::File
            && (found.size, found.mode, found.uid, found.gid) == (*size, *mode, *uid, *gid)
            && (found.mtime.seconds, found.mtime.nanoseconds) == *mtime
    }
}

/// The files that a copy wrote, each with a name of its own: what the list of its layer says.
#[derive(Debug, Default)]
pub(super) struct Written(HashMap<PathBuf, Facts>);

impl Written {
    /// Notes a file that is about to be written. Those with several names or extended attributes are left out.
    pub(super) fn note(&mut self, to: &Path, entry: &Entry, metadata: &Metadata, digest: &Digest) {
        if entry.nlink == 1 && metadata.xattrs.is_empty() {
            self.0.insert(to.to_owned(), Facts::of(entry, metadata, digest));
        }
    }

    /// Something else is put at a path.
    pub(super) fn forget(&mut self, to: &Path) {
        self.0.remove(to);
    }

    /// Keeps the list beside the layer. False: it is not worth it, or cannot be kept.
    pub(super) fn keep(self, draft: &LayerDraft) -> bool {
        let bytes: u64 = self.0.values().map(|facts| facts.size).sum();
        if self.0.len() < MANY && bytes < MUCH {
            return false;
        }
        let list: Vec<(Vec<u8>, Facts)> = self
            .0
            .into_iter()
            .map(|(path, facts)| (path.into_os_string().into_vec(), facts))
            .collect();
        postcard::to_allocvec(&list).is_ok_and(|bytes| std::fs::write(draft.beside(LIST), bytes).is_ok())
    }
}

/// Says that a layer is the last that a copy made. A note that is lost costs time.
pub(super) fn remember(store: &Store, copy: &Digest, layer: LayerId) {
    let _ = store.set_value(LAST, &copy.hex(), layer.to_string().as_bytes());
}

/// The last layer of the same copy.
pub(super) struct Earlier {
    root: OwnedFd,
    files: HashMap<Vec<u8>, Facts>,
}

/// One of its directories.
pub(super) struct EarlierDir<'a> {
    files: &'a HashMap<Vec<u8>, Facts>,
    dir: OwnedFd,
}

impl Earlier {
    /// Finds it. `base`: the layers below what is written; one of them is never taken, as both names of a file would be
    /// seen in one tree.
    pub(super) fn find(store: &Store, copy: &Digest, base: &[LayerId]) -> Option<Self> {
        let known = store.get_value(LAST, &copy.hex()).ok()??;
        let layer: LayerId = std::str::from_utf8(&known).ok()?.parse().ok()?;
        if base.contains(&layer) {
            return None;
        }
        let list = std::fs::read(store.beside_layer(layer, LIST)).ok()?;
        let list: Vec<(Vec<u8>, Facts)> = postcard::from_bytes(&list).ok()?;
        let dir = store.layer_dir(layer).ok()?;
        Some(Self {
            root: OwnedFd::from(File::open(dir).ok()?),
            files: list.into_iter().collect(),
        })
    }

    /// Opens a directory. None: it has no such one.
    pub(super) fn directory(&self, path: &Path) -> Option<EarlierDir<'_>> {
        // The store's own directories, component by component, so that no link is followed.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = |at: &OwnedFd, name: &OsStr| rustix::fs::openat(at, name, flags, Mode::empty()).ok();
        let mut dir = open(&self.root, OsStr::new("."))?;
        for component in path.components() {
            dir = open(&dir, component.as_os_str())?;
        }
        Some(EarlierDir {
            files: &self.files,
            dir,
        })
    }
}

impl EarlierDir<'_> {
    /// Gives an equal file of this directory a name in `dir`, which is the parent of `to` in the new layer. False:
    /// there is none, or its inode has as many names as it can have, and nothing is at the path.
    pub(super) fn link(
        &self,
        to: &Path,
        entry: &Entry,
        metadata: &Metadata,
        digest: &Digest,
        dir: &OwnedFd,
    ) -> bool {
        if entry.nlink != 1 || !metadata.xattrs.is_empty() {
            return false;
        }
        let wanted = Facts::of(entry, metadata, digest);
        if self.files.get(to.as_os_str().as_bytes()) != Some(&wanted) {
            return false;
        }
        let name = to.file_name().unwrap_or_default();
        if rustix::fs::linkat(&self.dir, name, dir, name, AtFlags::empty()).is_err() {
            return false;
        }
        // As what it is meant to be: without privilege that is not what it is.
        let same = describe_at(dir, name).is_ok_and(|found| wanted.fits(&found));
        if !same {
            // The list and the layer do not fit together: then neither counts. What cannot be removed is an error of the
            // copy, which wants the place.
            let _ = rustix::fs::unlinkat(dir, name, AtFlags::empty());
        }
        same
    }
}
