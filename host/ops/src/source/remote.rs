//! What sources share that come over the network, but not from a registry: proxies, limits, and to whom secrets go.
//! Knows nothing of any protocol.

use std::ffi::OsString;
use std::net::IpAddr;
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

/// Whether nobody on the way to an address can read what it is sent: not by plain http, unless it is on this machine.
pub(crate) fn is_confidential(address: &str) -> bool {
    let scheme = address.split_once("://").map_or("", |(scheme, _)| scheme);
    if !scheme.eq_ignore_ascii_case("http") {
        return true;
    }
    let Ok(url) = reqwest::Url::parse(address) else {
        return false;
    };
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) => ip.to_canonical().is_loopback(),
        Ok(IpAddr::V4(ip)) => ip.is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

/// Host, port and path of an address, without scheme and login. One that is not understood is given as it stands.
pub fn place(address: &str) -> String {
    let Ok(url) = reqwest::Url::parse(address) else {
        return address.to_owned();
    };
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}{}", url.host_str().unwrap_or_default(), url.path())
}

/// What is said where a secret is there and is not sent.
pub(crate) fn kept_back(id: &str, address: &str) -> String {
    format!(
        "warning: the secret {id:?} is not sent to {}: by plain http all on the way could read it",
        redact(address)
    )
}

#[cfg(test)]
mod tests {
    use super::is_confidential;

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for good in [
            "https://h/x",
            "HTTPS://h",
            "ssh://h/x",
            "http://localhost/x",
            "http://a.localhost:8/x",
            "http://127.0.0.1:80",
            "http://127.1.2.3/",
            "http://127.1/",
            "http://[::1]:8/x",
            "http://[::ffff:127.0.0.1]/",
            "http://user:pw@localhost/x",
        ] {
            assert!(is_confidential(good), "{good}");
        }
        for bad in [
            "http://h/x",
            "HTTP://h/x",
            "http://localhost@h/x",
            "http://localhost.h/",
            "http://notlocalhost/",
            "http://128.0.0.1/",
            "http://[::2]/",
            "http://",
            "http://127.0.0.1.example.com/",
        ] {
            assert!(!is_confidential(bad), "{bad}");
        }
    }
}
