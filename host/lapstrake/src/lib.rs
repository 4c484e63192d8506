//! Lapstrake as a library: the engine that wires the crates together, and the command line over it.
//!
//! Knows no build language, no op and no file format: those are the other crates'.

pub mod cli;
pub mod config;
pub mod engine;
pub mod error;
pub mod gc;
mod git_address;
pub mod history;
pub mod lock;
pub mod lsp;
pub mod options;
pub mod platform;
pub mod policy;
pub mod progress;
pub mod project;
pub mod report;
pub mod spec;
mod suggest;
pub mod timings;
pub mod trust;
pub mod why;
