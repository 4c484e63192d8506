//! What the store found damaged and removed by itself, for the user to know.
//! Knows nothing of how it is shown.

use std::path::PathBuf;

use lapstrake_llb::Digest;

use crate::LayerId;

/// Something that was damaged. It has been removed or mended, and what needs it is made again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Notice {
    /// The content of a blob was not what its name says.
    #[error("blob {0} was corrupt and has been removed")]
    CorruptBlob(Digest),
    /// The payload of a record was not what was written.
    #[error("cache record {0} was corrupt and has been removed")]
    CorruptRecord(Digest),
    /// Files of a layer were lost.
    #[error("layer {0} has lost files and has been removed")]
    DamagedLayer(LayerId),
    /// The database was damaged.
    #[error(
        "the database was damaged; a new one has the {rows} rows that could be read, the old one is {aside:?}"
    )]
    MendedDatabase {
        /// Where the damaged one is.
        aside: PathBuf,
        /// Rows that the new one has.
        rows: u64,
    },
}
