//! From store paths to a graph. Pure but for what only the host knows: configurations of images, and what is in a tree.
//! Knows nothing of the language; `primitives` fills the [`store`].

pub mod derivation;
pub mod error;
pub mod exec;
pub mod hash;
mod image;
pub mod item;
pub mod layers;
pub mod lowering;
mod nar;
mod references;
mod sources;
pub mod store;
pub mod store_path;

pub use error::LowerError;
pub use lowering::Lowering;
pub use sources::escaped;
pub use store::Store;
pub use store_path::StorePath;
