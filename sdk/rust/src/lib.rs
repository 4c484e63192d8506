//! Write a Lapstrake frontend in Rust: types of the contract, a graph builder, diagnostics, and a host for tests.
//!
//! Compiles for wasm32, where [`register!`] makes a component of it, and for every other target, where a frontend's own
//! tests run. Knows nothing of any build language.
#![warn(missing_docs)]

#[cfg(any(test, target_family = "wasm"))]
mod allocator;
#[doc(hidden)]
pub mod bindings;
pub mod calls;
pub mod chmod;
mod diagnostics;
mod frontend;
pub mod git;
mod graph;
mod host;
pub mod ignore;
#[cfg(target_family = "wasm")]
mod imports;
pub mod options;
pub mod path;
mod platform;
pub mod reference;
mod rewrite;
pub mod testing;
mod text;
pub mod types;

pub use frontend::Frontend;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub use frontend::component;
pub use graph::{FileChanges, Graph, Ran, Run, State};
pub use host::{Host, Reference};
#[cfg(target_family = "wasm")]
pub use imports::Imports;
pub use platform::InvalidPlatform;
pub use rewrite::Rewriting;
pub use text::{LineIndex, did_you_mean, is_secret_name};
