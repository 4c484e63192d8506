//! What sources share that come over the network, but not from a registry: proxies, limits, and how an address is shown.
//! Knows nothing of any protocol.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

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

/// An address without the name and password that may be in it, as it may be shown.
pub fn redact(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        return address.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        // The user of an SSH address is no secret.
        Some((user, _)) if scheme == "ssh" && !user.contains(':') => address.to_owned(),
        Some((_, host)) => format!("{scheme}://xxxxx@{host}{}", &rest[end..]),
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(
            redact("https://me:secret@example.com/a@b"),
            "https://xxxxx@example.com/a@b"
        );
        assert_eq!(redact("https://example.com/a@b"), "https://example.com/a@b");
        assert_eq!(redact("https://token@h?x"), "https://xxxxx@h?x");
        assert_eq!(redact("ssh://git@h/x"), "ssh://git@h/x");
        assert_eq!(redact("ssh://git:pw@h/x"), "ssh://xxxxx@h/x");
        assert_eq!(redact("git@h:x"), "git@h:x");
    }
}
