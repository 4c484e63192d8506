//! The Nix frontend: evaluates an expression of the Nix language, and what it evaluates to is what is built.
//!
//! Text becomes code ([`compile`]), a machine runs it lazily ([`eval`]) with the functions that the language has
//! ([`builtins`]), and those that describe builds ([`primitives`]) note what depends on what. Knows nothing of how the
//! graph is executed.

mod arguments;
pub mod builtins;
pub mod compile;
#[cfg(all(target_arch = "wasm32", feature = "component"))]
mod component;
pub mod editor;
pub mod error;
pub mod eval;
mod evaluated;
pub mod evaluation;
pub mod frontend;
pub mod hash;
pub mod host_io;
pub mod lint;
pub mod lower;
mod outline;
pub mod path;
pub mod position;
pub mod primitives;
pub mod report;
pub mod run;
pub mod sources;
pub mod span;
mod suggest;

pub use evaluation::Evaluation;
pub use frontend::NixFrontend;
