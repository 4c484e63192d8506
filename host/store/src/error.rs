//! What can go wrong in the store.
//! Knows nothing of what a build wanted from it.

use std::io;
use std::path::{Path, PathBuf};

use lapstrake_llb::Digest;

use crate::LayerId;

/// What can go wrong in the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory of the store could not be worked with.
    #[error("cannot {action} {path:?}")]
    Io {
        /// What was tried, such as `rename`.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The database refused a query.
    #[error("cannot {action} in the store's database")]
    Database {
        /// What was tried, such as `save a record`.
        action: &'static str,
        /// Why not.
        source: rusqlite::Error,
    },
    /// The database file is damaged beyond what SQLite can read.
    #[error("the store's database {path:?} is damaged; it is mended when the store is opened the next time")]
    DamagedDatabase {
        /// The database file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The database file is damaged, and cannot be mended while others use it.
    #[error(
        "the store's database {path:?} is damaged, and running builds use it; it can be mended when they have ended"
    )]
    DamagedInUse {
        /// The database file.
        path: PathBuf,
    },
    /// The database belongs to another program.
    #[error("{path:?} was made by another program, so its folder is not a store")]
    ForeignDatabase {
        /// The database file.
        path: PathBuf,
    },
    /// The store was written by a later version of this program.
    #[error("the store {path:?} has format {found}; this program knows formats up to {known}")]
    NewerFormat {
        /// The store's folder.
        path: PathBuf,
        /// Format of the store.
        found: i64,
        /// Latest format that this program can read.
        known: i64,
    },
    /// The files of the store's layers belong to others than this process could give them to.
    #[error(
        "the files in the state directory {} belong to {found}, but this process works as {own}",
        path.display()
    )]
    OtherOwners {
        /// The store's folder.
        path: PathBuf,
        /// Whose they are.
        found: String,
        /// Whose this process would make them.
        own: String,
    },
    /// No blob of this digest is in the store.
    #[error("blob {0} is not in the store")]
    NoSuchBlob(Digest),
    /// A stored blob has changed on disk. It has been removed.
    #[error(
        "blob {digest} was corrupt, its content has the digest {actual}; it has been removed from the store"
    )]
    CorruptBlob {
        /// Name of the blob.
        digest: Digest,
        /// Digest of what the file holds.
        actual: Digest,
    },
    /// Content that was to be stored is not what it should be. Nothing has been stored.
    #[error("content that should have the digest {expected} has {actual}")]
    DigestMismatch {
        /// The digest asked for.
        expected: Digest,
        /// The digest of what came.
        actual: Digest,
    },
    /// Content that was to be stored has another length than it should have. Nothing has been stored.
    #[error("content that should have {expected} bytes has {actual}")]
    SizeMismatch {
        /// The length asked for.
        expected: u64,
        /// The length of what came.
        actual: u64,
    },
    /// No layer of this id is in the store.
    #[error("layer {0} is not in the store")]
    NoSuchLayer(LayerId),
    /// The layer is known, but its files have not been fetched.
    #[error("layer {0} is not unpacked")]
    NotUnpacked(LayerId),
    /// Files of a layer are lost. The layer has been removed.
    #[error("layer {0} has lost files; it has been removed from the store")]
    DamagedLayer(LayerId),
    /// A text is not a layer id.
    #[error("{0:?} is not a layer id: base 36 digits, the first not zero")]
    ParseLayerId(String),
}

/// A result of the store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Whether the disk or a quota is full.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Error::Io { source, .. } => {
                matches!(
                    source.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                )
            }
            // Where the shared memory of the log cannot be made, SQLite says no more than that.
            Error::Database {
                source: rusqlite::Error::SqliteFailure(code, _),
                ..
            } => {
                code.code == rusqlite::ErrorCode::DiskFull
                    || code.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
            }
            _ => false,
        }
    }

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
}

/// What went wrong inside a transaction: the database gets its subject when the transaction ends.
#[derive(Debug)]
pub(crate) enum Fault {
    /// SQLite's error.
    Sql(rusqlite::Error),
    /// Another one.
    Store(Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Fault::Sql(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Store(error)
    }
}
