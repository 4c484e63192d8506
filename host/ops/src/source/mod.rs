//! Sources: files that come into a build from outside. One file a kind, and what they share.
//! Knows nothing of the graph.

pub mod component;
pub mod config;
pub mod credentials;
pub mod fetch;
pub mod git;
pub mod http;
pub mod image;
pub mod local;
pub mod manifest;
pub mod oci_layout;
pub mod platform;
pub mod progress;
pub mod reference;
pub mod registry;
pub mod remote;
mod runtime;
mod unpack;
