//! One member of an archive.
//! Knows nothing of how it is written down.

use std::path::PathBuf;

use lapstrake_llb::Timestamp;

use super::sparse::Extent;
use crate::tree::{Entry, FileKind, Xattrs};

/// One member of an archive, without its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Path as the archive has it, without a slash at its end.
    pub path: PathBuf,
    /// What it is.
    pub kind: MemberKind,
    /// Permission bits with set-user-id, set-group-id and sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time.
    pub mtime: Timestamp,
    /// Length of a regular file.
    pub size: u64,
    /// What a symbolic link says, or the path of the member that a hard link names.
    pub link: PathBuf,
    /// Device number.
    pub rdev: u64,
    /// Extended attributes.
    pub xattrs: Xattrs,
    /// The parts of a sparse file that are in the archive; none: the whole file is.
    pub extents: Option<Vec<Extent>>,
}

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberKind {
    /// A file.
    Inode(FileKind),
    /// Another name of a file that came before.
    HardLink,
}

impl Member {
    /// The member for a file.
    pub fn of(entry: &Entry, xattrs: Xattrs) -> Self {
        Self {
            path: entry.path.clone(),
            kind: MemberKind::Inode(entry.kind),
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime,
            size: entry.size,
            link: entry.link_target.clone().unwrap_or_default(),
            rdev: entry.rdev,
            xattrs,
            extents: None,
        }
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.kind == MemberKind::Inode(FileKind::Dir)
    }
}
