//! The Wasm host: finds, compiles, limits and calls frontends.
//!
//! A build file's syntax line ([`syntax::detect`]) names a frontend, [`resolve`] says where its component is,
//! [`Frontends::load`] takes it, and a [`Frontend`] turns the build file into a graph, asking the [`Gateway`] for what
//! it cannot know. What a guest gives is converted and validated in one place, `convert`, so that nothing unchecked
//! leaves this crate. [`results`] lets a build whose answers are all the same skip the guest.
//!
//! Knows nothing of ops, stores, terminals, or any build language.
#![warn(missing_docs)]

mod bindings;
mod builtin;
mod call;
mod chain;
mod compiled;
mod convert;
mod engine_config;
mod error;
mod frontends;
mod gateway;
mod host;
mod images;
mod inspect;
mod known;
mod limits;
mod origins;
mod precompiled;
mod request;
mod resolve;
pub mod results;
mod stop;
pub mod syntax;
mod watch;
mod world;

pub use builtin::{BuiltIn, built_in};
pub use chain::{Asking, Chain, Link};
pub use error::*;
pub use frontends::{Frontend, Frontends};
pub use gateway::*;
pub use inspect::Inspection;
pub use limits::{Limits, MAX_READ};
pub use request::*;
pub use resolve::{FrontendPlace, FrontendSource, ResolveError, Speaker, alike, resolve};
pub use watch::Cancel;
