//! What can go wrong with an archive.
//! Knows nothing of where the archive came from.

use std::io;
use std::path::{Path, PathBuf};

use crate::tree::TreeError;

/// A result of working with an archive.
pub type Result<T, E = ArchiveError> = std::result::Result<T, E>;

/// What can go wrong with an archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The archive could not be read.
    #[error("cannot read the archive")]
    Read(#[source] io::Error),
    /// The archive could not be written.
    #[error("cannot write the archive")]
    Write(#[source] io::Error),
    /// The archive ends in the middle of something.
    #[error("the archive is cut off")]
    Truncated,
    /// The archive is not a tar file, or a damaged one.
    #[error("the archive is malformed: {problem}, at byte {offset}")]
    Malformed {
        /// What is wrong.
        problem: &'static str,
        /// Where the member's header starts.
        offset: u64,
    },
    /// A member is of a kind that no file system has.
    #[error("archive member {path:?} has the unknown type {typeflag:?}")]
    UnknownType {
        /// Path of the member.
        path: PathBuf,
        /// Type flag of the header.
        typeflag: char,
    },
    /// A member would be written outside of the directory.
    #[error("archive member {0:?} leads out of the archive")]
    Escapes(PathBuf),
    /// A hard link names a file that is not there.
    #[error("archive member {path:?} is a hard link to {target:?}, which does not exist")]
    DanglingLink {
        /// Path of the member.
        path: PathBuf,
        /// What it links to.
        target: PathBuf,
    },
    /// Something on the way to a member is no directory.
    #[error("archive member {path:?} is below {parent:?}, which is not a directory")]
    NotADirectory {
        /// Path of the member.
        path: PathBuf,
        /// What is in the way.
        parent: PathBuf,
    },
    /// The archive holds more than it may.
    #[error("the archive holds more than {limit} {what}")]
    TooLarge {
        /// How much is allowed.
        limit: u64,
        /// Of what.
        what: &'static str,
    },
    /// A file could not be written or read.
    #[error("cannot {action} {path:?}")]
    File {
        /// What was tried, such as `create`.
        action: &'static str,
        /// On which file; in the layer.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file is shorter or longer than it was a moment ago.
    #[error("{0:?} changed while it was packed")]
    Changed(PathBuf),
    /// A tree could not be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl ArchiveError {
    /// Makes the closure that turns a system error into one that names its subject.
    pub(super) fn file<'a, E: Into<io::Error>>(
        action: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(E) -> Self + 'a {
        move |source| ArchiveError::File {
            action,
            path: path.to_owned(),
            source: source.into(),
        }
    }

    /// Whether the disk or a quota is full.
    pub fn is_disk_full(&self) -> bool {
        let (ArchiveError::File { source, .. } | ArchiveError::Write(source)) = self else {
            return false;
        };
        matches!(
            source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    }
}
