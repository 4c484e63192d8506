//! What can go wrong while a tree is read.
//! Knows nothing of why it was read.

use std::io;
use std::path::{Path, PathBuf};

use lapstrake_llb::PatternError;

/// A result of reading a tree.
pub type Result<T, E = TreeError> = std::result::Result<T, E>;

/// What can go wrong while a tree is read. Paths are those inside the tree where nothing else is said.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// The system refused something.
    #[error("cannot {action} {path:?}")]
    Io {
        /// What was tried, such as `read`.
        action: &'static str,
        /// The path on the host.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Nothing is at the path.
    #[error("{0:?} does not exist")]
    NotFound(PathBuf),
    /// The path is something else than a directory.
    #[error("{0:?} is not a directory")]
    NotADirectory(PathBuf),
    /// The path is something else than a regular file.
    #[error("{0:?} is not a regular file")]
    NotAFile(PathBuf),
    /// Symbolic links lead to each other, or to too many others.
    #[error("too many symbolic links on the way to {0:?}")]
    TooManyLinks(PathBuf),
    /// A file changed between two looks at it.
    #[error("{0:?} was changed during the build")]
    Changed(PathBuf),
    /// An include, exclude or wildcard pattern is malformed.
    #[error("cannot select files")]
    Pattern(#[from] PatternError),
}

impl TreeError {
    /// Makes the closure that turns a system error into one that names its subject.
    pub fn io<'a, E: Into<io::Error>>(action: &'static str, path: &'a Path) -> impl FnOnce(E) -> Self + 'a {
        move |source| TreeError::Io {
            action,
            path: path.to_owned(),
            source: source.into(),
        }
    }
}
