//! What the tests share: images as OCI layouts, a real registry, and one whose answers a test makes up.
#![allow(dead_code, reason = "every test binary uses its own part")]

pub mod graph;
pub mod layout;
pub mod scripted;
pub mod server;

use std::path::Path;
use std::process::Command;

use lapstrake_llb::Platform;
use lapstrake_ops::source::credentials::CredentialOptions;
use lapstrake_ops::source::image::{ImageOptions, ImagePlace, ImageRequest, ImageStore};
use lapstrake_ops::source::registry::RegistryConfig;
use lapstrake_store::Store;

/// A platform by its name.
pub fn platform(text: &str) -> Platform {
    let mut parts = text.split('/');
    Platform {
        os: parts.next().unwrap_or_default().to_owned(),
        architecture: parts.next().unwrap_or_default().to_owned(),
        variant: parts.next().map(str::to_owned),
        os_version: None,
        os_features: Vec::new(),
    }
}

/// Whether a program is there; says that the test is skipped if it is not.
pub fn has(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output()
        .unwrap();
    if !found.status.success() {
        println!("skipped: {program} is not installed");
    }
    found.status.success()
}

/// Options for amd64 and nothing else.
pub fn options() -> ImageOptions {
    ImageOptions {
        registries: RegistryConfig::default(),
        credentials: CredentialOptions::default(),
        layouts: Default::default(),
        offline: false,
        platform: platform("linux/amd64"),
    }
}

/// An image store over a new store in `directory`.
pub fn images(directory: &Path, options: ImageOptions) -> (Store, ImageStore) {
    let store = Store::open(&directory.join("store")).unwrap();
    (store.clone(), ImageStore::new(store, options))
}

/// Asks a registry.
pub fn request(reference: &str) -> ImageRequest {
    ImageRequest {
        reference: reference.to_owned(),
        place: ImagePlace::Registry,
        platform: None,
        mode: Default::default(),
    }
}

/// An error with all its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
