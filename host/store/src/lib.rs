//! The store: blobs, layers, content digests and cache records on disk, shared by any number of processes.
//!
//! Knows nothing of graphs, scheduling and registries.
#![warn(missing_docs)]

mod account;
mod blob;
mod collect;
mod db;
mod draft;
mod error;
mod last_use;
mod layer;
mod lease;
mod measure;
mod mend;
mod named_lock;
mod notice;
mod owners;
mod record;
mod remove;
mod reserve;
mod state;
mod store;
mod sweep;
mod temp;
mod took;
mod value;

pub use account::{Account, Subject};
pub use blob::{BlobDescriptor, BlobReader, BlobWriter};
pub use collect::{Compare, Filter, Item, Kind, Limits, PruneOptions, Pruned, Space, bytes_on_disk};
pub use draft::LayerDraft;
pub use error::{Error, Result};
pub use layer::{LayerBlob, LayerId, LayerInfo, LayerMeta, LazyLayer, Tree};
pub use notice::Notice;
pub use record::Record;
pub use remove::remove_tree;
pub use store::Store;
pub use sweep::Swept;
pub use temp::TempDir;

// Trees, archives and content digests.
pub mod archive;
pub mod compress;
pub mod content;
pub mod edit;
pub mod parallel;
pub mod tree;
