//! What can go wrong in a file op.

use std::io;
use std::path::PathBuf;

use lapstrake_store::archive::ArchiveError;
use lapstrake_store::tree::TreeError;

/// What can go wrong in a file op. Paths are those inside of trees.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// Nobody wants the result any more.
    #[error("cancelled")]
    Cancelled,
    /// The store gave or took something not.
    #[error(transparent)]
    Store(#[from] lapstrake_store::Error),
    /// A tree could not be read or written.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A source is not there.
    #[error("{path:?} does not exist in the source of the copy")]
    SourceMissing {
        /// The path, as the op says it.
        path: String,
    },
    /// A wildcard matches nothing.
    #[error("nothing matches {pattern:?} in the source of the copy")]
    NothingMatches {
        /// The wildcard, as the op says it.
        pattern: String,
    },
    /// A path that must exist does not.
    #[error("the required path {path:?} does not exist in the source of the copy")]
    RequiredMissing {
        /// The path.
        path: String,
    },
    /// The directory that something is to be put into is not there.
    #[error("the directory {path:?} does not exist")]
    ParentMissing {
        /// The directory.
        path: PathBuf,
    },
    /// A file is in the way of a directory.
    #[error("cannot copy the directory {source_path:?} over {path:?}, which is not one")]
    DirOverFile {
        /// What is copied.
        source_path: PathBuf,
        /// Where to.
        path: PathBuf,
    },
    /// A directory is in the way of a file.
    #[error("cannot copy {source_path:?} over the directory {path:?}")]
    FileOverDir {
        /// What is copied.
        source_path: PathBuf,
        /// Where to.
        path: PathBuf,
    },
    /// Something is there already.
    #[error("{path:?} exists")]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// Something else than a directory is in the way.
    #[error("{path:?} exists and is not a directory")]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// There is nothing to remove.
    #[error("{path:?} does not exist, so it cannot be removed")]
    NothingToRemove {
        /// The path or wildcard.
        path: String,
    },
    /// The root of a tree cannot be removed.
    #[error("the root of a tree cannot be removed")]
    RemoveRoot,
    /// A user or group is not known.
    #[error("there is no {what} {name:?} in {file} of the tree that is changed")]
    UnknownOwner {
        /// `user` or `group`.
        what: &'static str,
        /// The name.
        name: String,
        /// Where it was looked for.
        file: &'static str,
    },
    /// Permission bits are not in chmod's words.
    #[error("{mode:?} is not a mode as chmod takes it, such as u=rwX,go=rX")]
    BadMode {
        /// The text.
        mode: String,
    },
    /// A file could not be copied.
    #[error("cannot copy {path:?}")]
    Copy {
        /// The file in the source.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An archive could not be unpacked.
    #[error("cannot unpack {path:?}")]
    Unpack {
        /// The archive in the source.
        path: PathBuf,
        /// Why.
        source: Box<ArchiveError>,
    },
    /// A member of an archive could not be unpacked.
    #[error("cannot unpack {member:?} of the archive {path:?}")]
    UnpackMember {
        /// The archive in the source.
        path: PathBuf,
        /// The member, as the archive names it.
        member: PathBuf,
        /// Why.
        source: Box<FileError>,
    },
    /// A member of an archive is what no archive may hold.
    #[error(transparent)]
    Member(#[from] ArchiveError),
    /// Two actions want an input of a kind that the op has not.
    #[error("internal error: a file action has no input {index}")]
    NoInput {
        /// Its number.
        index: u32,
    },
}

impl FileError {
    /// Whether the machine failed, and not what the op says.
    pub fn is_environment(&self) -> bool {
        match self {
            Self::Store(_) | Self::Copy { .. } => true,
            Self::Tree(error) => matches!(error, TreeError::Io { .. }),
            Self::Unpack { source, .. } => source.is_disk_full(),
            Self::UnpackMember { source, .. } => source.is_environment(),
            _ => false,
        }
    }
}
