//! What sources share that come over the network, but not from a registry: proxies and limits.
//! Knows nothing of any protocol.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

pub use lapstrake_llb::credentials::redact;

use crate::secret::SecretSource;

/// How servers are reached. Nothing of it is read from the environment here.
#[derive(Debug, Clone)]
pub struct RemoteOptions {
    /// Proxies.
    pub proxies: Proxies,
    /// Size of the largest file that is downloaded, bytes.
    pub largest: u64,
    /// Where programs are looked for, in the form of `PATH`. None: where the system looks.
    pub search_path: Option<OsString>,
    /// A PEM file with the certificate authorities that git trusts instead of the system's.
    pub authorities: Option<PathBuf>,
    /// Files with the keys of SSH hosts, in the format of `known_hosts`.
    pub known_hosts: Vec<PathBuf>,
}

impl Default for RemoteOptions {
    /// No proxies, files of up to 1 TiB.
    fn default() -> Self {
        Self {
            proxies: Proxies::default(),
            largest: 1 << 40,
            search_path: None,
            authorities: None,
            known_hosts: Vec::new(),
        }
    }
}

/// What a source works with to reach servers.
#[derive(Clone)]
pub struct Reach {
    /// How servers are reached.
    pub options: RemoteOptions,
    /// Servers are not asked; what is not in the store is missing.
    pub offline: bool,
    /// The build's secrets and SSH agents.
    pub secrets: Arc<dyn SecretSource>,
}

/// Proxies, as the usual environment variables have them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// `HTTP_PROXY`: for `http` addresses.
    pub http: Option<String>,
    /// `HTTPS_PROXY`: for `https` addresses.
    pub https: Option<String>,
    /// `ALL_PROXY`: for what has no other.
    pub all: Option<String>,
    /// `NO_PROXY`: hosts that are reached without.
    pub no: Option<String>,
}
