//! Solves build graphs: finds what is known already, and executes the rest in the best order.
//!
//! A [`Solver`] has a [`Worker`], which knows the ops, and [`Records`] of earlier results. Knows no kinds of ops, no files,
//! no OCI, no Wasm and no terminal.
//!
//! # Cache keys
//! A vertex's key is made of its op's own digest ([`CacheMap::digest`]) and, for each input, the identity of its result:
//!
//! 1. The *definition key* takes the definition keys of the inputs. All of them are known before anything runs; only
//!    sources need I/O for theirs, all at the same time. The roots are looked up, and a hit ends everything below.
//! 2. Where a vertex is not found, its inputs are solved first. The *resolved key* takes the ids of the records that they
//!    were found in or stored as, so that a result which came from another definition leads to what was made of it.
//! 3. Where the op asks for it ([`InputKey::content`]), the *content key* takes a digest of what the op sees of an input in
//!    place of the input's id.
//! 4. Only then is the vertex executed. The result is stored under all its keys; a record found under one of them gets the
//!    others too, so that the next equal build ends at 1. The record's id is the content key where there is one, else the
//!    resolved key: it does not depend on which of several equal vertices came first, or in which build.
//!
//! [`Solver::explain`] goes the same way without executing anything, and compares with what earlier records were made of:
//! the parts of keys are told by the walk that hashes them ([`Parts`]) and kept as [`Account`]s of what was executed.
//!
//! A vertex with [`ignore_cache`](lapstrake_llb::Metadata::ignore_cache) is never looked up, and nothing above it by
//! definition key: its new result has an identity of its own.
#![warn(missing_docs)]

mod account;
mod cancel;
mod error;
mod event;
mod flight;
mod graph;
mod key;
mod memory;
mod part;
mod session;
mod solve;
mod state;
mod step;
mod why;
mod worker;

pub use account::{Account, AccountInput, Told, ToldInput, split_name};
pub use cancel::{CancelGuard, CancelToken};
pub use error::{SolveError, StepError};
pub use event::{Ending, Event, Events, Stream};
pub use key::{Difference, Identity, InputPart, KeyParts};
pub use memory::MemoryRecords;
pub use part::{Part, PartChange, PartHasher, Parts, Role, Value, changes};
pub use session::Session;
pub use solve::{Options, Solver};
pub use step::StepContext;
pub use why::{Cause, Explained, Found, Reason, Verdict, What};
pub use worker::{CacheMap, InputKey, Known, Made, Record, Records, Worker};
