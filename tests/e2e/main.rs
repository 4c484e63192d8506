//! End-to-end tests over the real program: what a person types, and what comes out.
#![allow(clippy::unwrap_used)]

mod bad_frontends;
mod bad_input;
mod bad_sources;
mod cache;
mod commands;
mod files;
mod history;
mod interruption;
mod llb;
mod outputs;
mod progress;
mod registry;
mod secrets;
mod timings;
