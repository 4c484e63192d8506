//! Exporters: what a build made becomes an OCI image, a Docker archive, a directory or a tar.
//!
//! [`export`] does any of them. [`image`] is pure, [`assemble`] puts the blobs of an image into the store, [`archive`] and
//! [`layout`] write them down.
//! Knows nothing of solving and of registries.
#![warn(missing_docs)]

pub mod archive;
pub mod assemble;
mod destination;
mod document;
mod error;
pub mod image;
mod json;
mod layers;
pub mod layout;
pub mod local;
mod names;
mod observer;
mod output;
pub mod tar;

pub use assemble::{Assembled, AssembledImage, ImageOptions};
pub use destination::Destination;
pub use document::{Descriptor, PlatformDocument};
pub use error::{Error, FetchError, NameProblem, Result};
pub use image::{Annotations, ImageInput, PackedLayer};
pub use layers::{LayerFetcher, LayerOptions};
pub use names::ImageName;
pub use observer::{Observer, Omission, Part};
pub use output::{Exported, Output, Target, export};
