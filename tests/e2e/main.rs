//! End-to-end tests over the real program: what a person types, and what comes out.
#![allow(clippy::unwrap_used)]

mod bad_frontends;
mod bad_input;
mod bad_sources;
mod cache;
mod chains;
mod commands;
mod contexts;
mod devices;
mod files;
mod filesystem;
mod git;
mod history;
mod http;
mod interruption;
mod keys;
mod languages;
mod limits;
mod llb;
mod mounts;
mod network;
mod outputs;
mod progress;
mod random;
mod registry;
mod rootless;
mod secrets;
mod ssh;
mod store_damage;
mod store_life;
mod timings;
mod why;
