//! Platforms by name, and this machine's.

use lapstrake_llb::Platform;
pub use lapstrake_ops::source::platform::{name, normalise};

/// The platform of this machine.
pub fn host() -> Platform {
    of(std::env::consts::OS, std::env::consts::ARCH, None)
}

/// A platform in its normal form, whatever words were given.
pub fn of(os: &str, architecture: &str, variant: Option<&str>) -> Platform {
    normalise(&Platform {
        os: os.to_owned(),
        architecture: architecture.to_owned(),
        variant: variant.map(str::to_owned),
        os_version: None,
        os_features: Vec::new(),
    })
}
