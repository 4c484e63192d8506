//! The worker: executes sources, commands and file changes over the store.
//!
//! Knows nothing of scheduling, of how cache keys are combined, or of any build language.
#![warn(missing_docs)]

mod advice;
pub mod cdi;
mod diff;
pub mod doctor;
mod error;
pub mod exec;
pub mod file;
mod key_agent;
mod locks;
mod merge;
mod records;
pub mod rootless;
mod secret;
pub mod source;
mod view;
mod worker;

pub use error::{Error, Result};
pub use file::FileError;
pub use key_agent::{KeyAgent, KeyAgentError};
pub use records::StoreRecords;
pub use secret::{KnownSecrets, SecretSource};
pub use worker::{
    AllowedDevices, Entitlements, LocalWorker, NestedError, NestedSolver, Output, WorkerOptions,
};
