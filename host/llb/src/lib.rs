//! LLB: the build graph that frontends make and the solver executes.
//!
//! Types, digests, validation, printing and BuildKit's protobuf. Knows nothing of I/O, threads, Wasm or any build
//! language.
#![warn(missing_docs)]

pub mod credentials;
mod diagnostic;
mod digest;
mod error;
mod image;
mod op;
mod order;
mod paths;
pub mod patterns;
pub mod pb;
pub mod print;
#[cfg(test)]
mod testing;
mod validate;

pub use diagnostic::*;
pub use digest::*;
pub use error::*;
pub use image::*;
pub use op::*;
pub use validate::{Limits, validate};
