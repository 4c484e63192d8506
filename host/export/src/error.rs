//! What can go wrong in an export.
//! Knows nothing of exit codes.

use std::io;
use std::path::{Path, PathBuf};

use lapstrake_llb::Digest;
use lapstrake_store::LayerId;
use lapstrake_store::archive::ArchiveError;

/// An error of whoever fetches layers.
pub type FetchError = Box<dyn std::error::Error + Send + Sync>;

/// A result of an export.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in an export.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store could not give or take something.
    #[error(transparent)]
    Store(#[from] lapstrake_store::Error),
    /// A file tree could not be read.
    #[error(transparent)]
    Tree(#[from] lapstrake_store::tree::TreeError),
    /// A file or directory of the output could not be worked with.
    #[error("cannot {action} {path:?}")]
    Io {
        /// What was tried, such as `write`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The stream that the output goes to, such as standard output, took no more.
    #[error("cannot write the output")]
    Stream {
        /// Why not.
        source: io::Error,
    },
    /// The archive of a layer could not be made.
    #[error("cannot pack layer {layer}")]
    Pack {
        /// The layer.
        layer: LayerId,
        /// Why not.
        source: ArchiveError,
    },
    /// The archive of a layer could not be compressed anew.
    #[error("cannot compress layer {layer}")]
    Compress {
        /// The layer.
        layer: LayerId,
        /// Why not.
        source: io::Error,
    },
    /// The tar of a tree could not be made.
    #[error("cannot pack the files of the result")]
    PackTree {
        /// Why not.
        source: ArchiveError,
    },
    /// The archive of a layer could not be fetched.
    #[error("cannot fetch layer {layer}")]
    Fetch {
        /// The layer.
        layer: LayerId,
        /// Why not.
        source: FetchError,
    },
    /// The archive that a layer came as does not hold what it should.
    #[error("the archive of layer {layer} unpacks to content of digest {actual}, not {expected}")]
    WrongContent {
        /// The layer.
        layer: LayerId,
        /// Digest that the uncompressed archive should have.
        expected: Digest,
        /// Digest that it has.
        actual: Digest,
    },
    /// There is nothing to export.
    #[error("the build made no result to export")]
    NoResult,
    /// A Docker archive holds one platform only.
    #[error("an output of type docker takes one platform, not {0}; use type=oci")]
    SeveralPlatforms(usize),
    /// Two results are for one platform.
    #[error("two results are for the platform {0}")]
    PlatformTwice(String),
    /// An image name is malformed.
    #[error("image name {name:?} is not valid: {problem}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: NameProblem,
    },
    /// A directory is where a file is to be written.
    #[error("{0:?} is a directory; the output is a file")]
    IsDirectory(PathBuf),
    /// Something else is where a directory is to be written.
    #[error("{0:?} is not a directory; the output is one")]
    NotADirectory(PathBuf),
    /// The index of an existing OCI layout cannot be understood.
    #[error("{path:?} is not the index of an OCI image layout")]
    LayoutIndex {
        /// The index.
        path: PathBuf,
        /// Why not.
        source: serde_json::Error,
    },
    /// A document could not be written as JSON.
    #[error("cannot write the image's {0} as JSON")]
    Json(&'static str, #[source] serde_json::Error),
    /// A time cannot be written as RFC 3339 has it.
    #[error("{0} seconds from 1970 is no time that an image can have")]
    Time(i64),
    /// The caller has cancelled the export. Nothing is left of it.
    #[error("the export was cancelled")]
    Cancelled,
}

/// What is wrong with an image name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameProblem {
    /// Nothing is there.
    #[error("it is empty")]
    Empty,
    /// The path has upper-case letters.
    #[error("the repository must be lower case")]
    UpperCase,
    /// The registry's host is malformed.
    #[error("the registry is not a host name with an optional port")]
    Registry,
    /// A component of the path is malformed.
    #[error("the repository has a malformed component")]
    Repository,
    /// The tag is malformed.
    #[error("the tag is malformed")]
    Tag,
    /// There is a digest.
    #[error("a name to give cannot have a digest")]
    Digest,
    /// It has more than 255 characters.
    #[error("it is too long")]
    TooLong,
    /// It would be taken for an image id.
    #[error("64 hexadecimal digits are an image id, not a name")]
    ImageId,
}

impl Error {
    /// Makes the closure that turns an I/O error into one that names its subject.
    pub(crate) fn io<'a, E: Into<io::Error>>(
        action: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(E) -> Self + 'a {
        move |source| Error::Io {
            action,
            path: path.to_owned(),
            source: source.into(),
        }
    }

    /// Whether the disk or a quota is full.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Error::Store(error) => error.is_disk_full(),
            Error::Pack { source, .. } | Error::PackTree { source } => source.is_disk_full(),
            Error::Io { source, .. } | Error::Stream { source } | Error::Compress { source, .. } => {
                matches!(
                    source.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                )
            }
            _ => false,
        }
    }
}
