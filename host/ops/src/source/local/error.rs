//! What can go wrong with a local directory.
//! Knows nothing of steps.

use std::path::PathBuf;

use lapstrake_store::tree::TreeError;

/// What can go wrong with a local directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// Nobody wants the result any more.
    #[error("cancelled")]
    Cancelled,
    /// The directory is not there.
    #[error("the directory {path:?} of the build context {name:?} does not exist")]
    Missing {
        /// Name of the context.
        name: String,
        /// The directory.
        path: PathBuf,
    },
    /// Something else is there.
    #[error("{path:?}, given as the build context {name:?}, is not a directory")]
    NotADirectory {
        /// Name of the context.
        name: String,
        /// The path.
        path: PathBuf,
    },
    /// A file or directory could not be read, or a pattern is malformed.
    #[error(transparent)]
    Tree(#[from] TreeError),
}
