//! Layer archives: tar files in the form of the OCI image specification (layer.md) to and from layers' directories.
//!
//! [`unpack`] turns an archive into an overlayfs layer, [`pack`] a layer into an archive whose bytes depend on the layer
//! only, [`pack_tree`] a whole tree. [`Archive`] and [`Builder`] read and write tar files one member at a time: ustar,
//! PAX and GNU's long names and sparse files.
//! Knows nothing of compression.

mod build;
mod error;
mod field;
mod limits;
mod member;
mod pack;
mod pax;
mod read;
mod sparse;
mod unpack;

pub use build::Builder;
pub use error::{ArchiveError, Result};
pub use limits::{Count, Limits};
pub use member::{Member, MemberKind};
pub use pack::{PackOptions, Packed, pack, pack_tree};
pub use read::Archive;
pub use sparse::Extent;
pub use unpack::{Unpacked, inside, unpack, unpack_files};

/// Tar's unit: headers are one, data is filled up to the next.
const BLOCK: usize = 512;

/// Bytes that data is moved in.
const BUFFER: usize = 128 << 10;

/// The prefix of a whiteout's name (layer.md, "Whiteouts").
const WHITEOUT: &[u8] = b".wh.";
/// The name of what makes a directory opaque ("Opaque Whiteout").
const OPAQUE: &[u8] = b".wh..wh..opq";
/// The prefix of names that aufs kept for itself.
const AUFS: &[u8] = b".wh..wh.";

#[cfg(test)]
mod tests;
