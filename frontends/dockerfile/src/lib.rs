//! The Dockerfile frontend: reads a Dockerfile and lowers it to a build graph, as BuildKit's does.
//!
//! Text becomes instructions ([`parse`], [`syntax`], [`instructions`]), instructions become stages ([`stages`]), and
//! stages become a graph with an image for each platform ([`lower`]). Each step is a function of its input; the host is
//! asked for images' configurations and the ignore file alone. Knows nothing of how the graph is executed.

#[cfg(all(target_arch = "wasm32", feature = "component"))]
mod component;
pub mod diagnostic;
pub mod document;
pub mod editor;
pub mod error;
pub mod expand;
pub mod frontend;
pub mod instructions;
pub mod lint;
pub mod lower;
pub mod outline;
pub mod parse;
pub mod pattern;
pub mod report;
pub mod source_map;
pub mod span;
pub mod stages;
pub mod suggest;
pub mod syntax;
pub mod unused;

pub use document::{Document, Extension, Replacement};
pub use frontend::DockerfileFrontend;
pub use lapstrake_sdk::{calls, reference};
