//! What the store found damaged and removed by itself, for the user to know.
//! Knows nothing of how it is shown.

use lapstrake_llb::Digest;

use crate::LayerId;

/// Something that was damaged. It has been removed, and what needs it is made again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Notice {
    /// The content of a blob was not what its name says.
    #[error("blob {0} was corrupt and has been removed")]
    CorruptBlob(Digest),
    /// The payload of a record was not what was written.
    #[error("cache record {0} was corrupt and has been removed")]
    CorruptRecord(Digest),
    /// Files of a layer were lost in a crash of the machine.
    #[error("layer {0} lost files in a crash of the machine and has been removed")]
    DamagedLayer(LayerId),
}
