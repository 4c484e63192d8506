//! The Nix frontend: evaluates an expression of the Nix language, and what it evaluates to is what is built.
//!
//! Text becomes code ([`compile`]), a machine runs it lazily ([`eval`]) with the functions that the language has
//! ([`builtins`]), and those that describe builds ([`primitives`]) note what depends on what. Knows nothing of how the
//! graph is executed.

pub mod builtins;
pub mod compile;
pub mod error;
pub mod eval;
pub mod evaluation;
pub mod hash;
pub mod lower;
pub mod path;
pub mod position;
pub mod primitives;
pub mod sources;
pub mod span;
mod suggest;

pub use evaluation::Evaluation;
