//! End-to-end tests over the real program: what a person types, and what comes out.
#![allow(clippy::unwrap_used)]

mod bad_frontends;
mod bad_input;
mod bad_sources;
mod cache;
mod calls;
mod chains;
mod commands;
mod contexts;
mod credentials;
mod devices;
mod dockerfile;
mod files;
mod filesystem;
mod frontend;
mod git;
mod git_addresses;
mod history;
mod http;
mod idioms;
mod include;
mod interruption;
mod keys;
mod languages;
mod limits;
mod llb;
mod mockerfile;
mod mockerfile_layers;
mod mockerfile_packages;

mod mounts;
mod network;
mod nix;
mod nix_example;
mod nix_language;
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
