//! File trees that are read without mounting anything.
//!
//! [`FileTree`] is what digests, copies and archives read; [`LayeredView`] shows overlayfs layers as the kernel would,
//! [`MemoryTree`] holds a tree in memory. Paths are bytes, relative to the root of the tree, and never leave it.
//! Knows nothing of how trees are made.

mod digests;
mod error;
mod filter;
mod layered;
pub(crate) mod marks;
mod memory;
#[cfg(test)]
pub(crate) mod overlay;
pub(crate) mod ownership;
mod resolve;
pub(crate) mod root;
#[cfg(any(test, feature = "suite"))]
pub mod suite;
mod wildcard;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};

use lapstrake_llb::{Digest, Timestamp};
use rustix::fs::{FileType, Stat};

pub use digests::{DigestIndex, KnownDigest, digest_file};
pub use error::{Result, TreeError};
pub use filter::{Filter, Verdict};
pub use layered::{LayerDir, LayeredView};
pub use marks::{Marks, is_overlay_xattr, is_portable_xattr};
pub use memory::{MemoryNode, MemoryTree};
pub use ownership::Powers;
pub use resolve::on_the_way;
pub use root::{Root, describe_at, has_xattrs};
pub use wildcard::{Expansion, expand, has_wildcards};

/// Extended attributes, sorted by name.
pub type Xattrs = Vec<(OsString, Vec<u8>)>;

/// A tree of files.
///
/// A path is relative to the root, a leading `/` means nothing, and no component of it is followed if it is a symbolic
/// link, except by [`FileTree::resolve`]. The root is the empty path.
pub trait FileTree: Send + Sync {
    /// What is at a path; none: nothing.
    fn entry(&self, path: &Path) -> Result<Option<Entry>>;

    /// What is in a directory, sorted by the bytes of the names.
    fn read_dir(&self, dir: &Path) -> Result<Vec<Entry>>;

    /// Opens a regular file for reading.
    fn open(&self, entry: &Entry) -> Result<File>;

    /// The extended attributes that belong to the tree ([`is_portable_xattr`]).
    fn xattrs(&self, entry: &Entry) -> Result<Xattrs>;

    /// Digest of what a regular file holds.
    fn data_digest(&self, entry: &Entry) -> Result<Digest>;

    /// Digests of several regular files, in their order.
    fn data_digests(&self, entries: &[&Entry]) -> Result<Vec<Digest>> {
        entries.iter().map(|entry| self.data_digest(entry)).collect()
    }

    /// Whether whoever reads a file has to digest what it reads, and give the digest to [`FileTree::verify`].
    fn must_digest(&self, _entry: &Entry) -> bool {
        false
    }

    /// Says whether an open file, read to its end, is still what the tree says it is. `read` is the digest of what was
    /// read, where [`FileTree::must_digest`] asked for it.
    fn verify(&self, _entry: &Entry, _file: &File, _read: Option<&Digest>) -> Result<()> {
        Ok(())
    }

    /// The path that `path` leads to when symbolic links are followed, inside the root: absolute targets start at the
    /// root of the tree, and `..` never leaves it. What does not exist is taken as it is written.
    ///
    /// # Errors
    /// [`TreeError::TooManyLinks`] after 255 links.
    fn resolve(&self, path: &Path, follow_last: bool) -> Result<PathBuf> {
        resolve::resolve(self, path, follow_last)
    }

    /// What a path leads to when all links, the last one too, are followed.
    fn follow(&self, path: &Path) -> Result<Option<Entry>> {
        self.entry(&self.resolve(path, true)?)
    }
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path, without a leading `/`; empty: the root.
    pub path: PathBuf,
    /// What it is.
    pub kind: FileKind,
    /// Permission bits with set-user-id, set-group-id and sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Length of a regular file in bytes, 0 for all others.
    pub size: u64,
    /// Time of the last change of the data.
    pub mtime: Timestamp,
    /// Device number of a device, 0 for all others.
    pub rdev: u64,
    /// Inode on the host.
    pub ino: u64,
    /// File system of the inode.
    pub dev: u64,
    /// Number of names that the inode has on the host.
    pub nlink: u64,
    /// Index of the layer that it comes from, the lowest is 0.
    pub layer: u32,
    /// What a symbolic link says.
    pub link_target: Option<PathBuf>,
}

/// Kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// Regular file.
    File,
    /// Directory.
    Dir,
    /// Symbolic link.
    Symlink,
    /// Character device.
    CharDevice,
    /// Block device.
    BlockDevice,
    /// Named pipe.
    Fifo,
    /// Socket.
    Socket,
}

impl FileKind {
    /// The kind in the mode of an inode.
    pub fn of_mode(mode: u32) -> Self {
        match FileType::from_raw_mode(mode) {
            FileType::Directory => Self::Dir,
            FileType::Symlink => Self::Symlink,
            FileType::CharacterDevice => Self::CharDevice,
            FileType::BlockDevice => Self::BlockDevice,
            FileType::Fifo => Self::Fifo,
            FileType::Socket => Self::Socket,
            FileType::RegularFile | FileType::Unknown => Self::File,
        }
    }

    /// Whether it is a character or block device.
    pub fn is_device(self) -> bool {
        matches!(self, Self::CharDevice | Self::BlockDevice)
    }
}

impl Entry {
    /// Describes an inode. A symbolic link's target has to be given.
    pub fn new(path: PathBuf, stat: &Stat, layer: u32, link_target: Option<PathBuf>) -> Self {
        let kind = FileKind::of_mode(stat.st_mode);
        Self {
            path,
            kind,
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: if kind == FileKind::File {
                stat.st_size.unsigned_abs()
            } else {
                0
            },
            mtime: timestamp(stat.st_mtime, stat.st_mtime_nsec),
            rdev: if kind.is_device() { stat.st_rdev } else { 0 },
            ino: stat.st_ino,
            dev: stat.st_dev,
            nlink: stat.st_nlink,
            layer,
            link_target,
        }
    }

    /// The root of a tree without files: as a new layer's, of 1970.
    pub fn empty_root() -> Self {
        Self {
            path: PathBuf::new(),
            kind: FileKind::Dir,
            mode: 0o755,
            uid: 0,
            gid: 0,
            size: 0,
            mtime: Timestamp {
                seconds: 0,
                nanoseconds: 0,
            },
            rdev: 0,
            ino: 0,
            dev: 0,
            nlink: 1,
            layer: 0,
            link_target: None,
        }
    }

    /// The last component of the path; of the root: nothing.
    pub fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_default()
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.kind == FileKind::Dir
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.kind == FileKind::File
    }

    /// Names of one inode in one layer are one file: hard links that somebody made on purpose. A file that two layers
    /// share to save space is not.
    pub fn link_id(&self) -> LinkId {
        LinkId {
            layer: self.layer,
            dev: self.dev,
            ino: self.ino,
        }
    }
}

/// What names of one file have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LinkId {
    layer: u32,
    dev: u64,
    ino: u64,
}

/// A moment as the kernel gives it.
#[allow(
    clippy::useless_conversion,
    reason = "the types of the fields differ between architectures"
)]
pub(crate) fn timestamp(seconds: i64, nanoseconds: impl TryInto<u32>) -> Timestamp {
    Timestamp {
        seconds: seconds.into(),
        nanoseconds: nanoseconds.try_into().unwrap_or(0),
    }
}

/// The moment as the kernel takes it.
pub fn timespec(time: Timestamp) -> rustix::fs::Timespec {
    rustix::fs::Timespec {
        tv_sec: time.seconds,
        tv_nsec: time.nanoseconds.min(999_999_999).into(),
    }
}

/// Access and modification time, both the same.
pub fn timestamps(time: Timestamp) -> rustix::fs::Timestamps {
    rustix::fs::Timestamps {
        last_access: timespec(time),
        last_modification: timespec(time),
    }
}

/// The path without a leading `/` and without `.`; `..` takes away what stands before it and never leaves the root.
///
/// Only for paths whose parents are known to be no links.
pub fn clean(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    clean
}

/// Whether [`clean`] would return the path as it is.
pub(crate) fn is_clean(path: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let bytes = path.as_os_str().as_bytes();
    bytes.is_empty()
        || bytes
            .split(|b| *b == b'/')
            .all(|part| !matches!(part, b"" | b"." | b".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleans_paths() {
        for (path, expected) in [
            ("", ""),
            ("/", ""),
            ("a/./b//c/", "a/b/c"),
            ("/../../a", "a"),
            ("a/../../b", "b"),
            ("./a/b/..", "a"),
        ] {
            assert_eq!(clean(Path::new(path)), Path::new(expected), "{path}");
            assert_eq!(is_clean(Path::new(path)), path == expected, "{path}");
        }
    }
}
