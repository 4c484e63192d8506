//! What the environment says of reaching servers: proxies, certificates, known hosts and where programs are.
//! Knows nothing of who asks servers.

use std::path::PathBuf;

use lapstrake_ops::source::remote::{Proxies, RemoteOptions};

/// Reads the environment.
pub fn options() -> RemoteOptions {
    RemoteOptions {
        proxies: Proxies {
            http: either("http_proxy", "HTTP_PROXY"),
            https: either("https_proxy", "HTTPS_PROXY"),
            all: either("all_proxy", "ALL_PROXY"),
            no: either("no_proxy", "NO_PROXY"),
        },
        search_path: std::env::var_os("PATH"),
        authorities: path("GIT_SSL_CAINFO").or_else(|| path("SSL_CERT_FILE")),
        known_hosts: known_hosts(),
        ..RemoteOptions::default()
    }
}

fn either(one: &str, other: &str) -> Option<String> {
    let read = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    read(one).or_else(|| read(other))
}

fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
}

/// The caller's and the system's, those that are there.
fn known_hosts() -> Vec<PathBuf> {
    let own = path("HOME").map(|home| home.join(".ssh/known_hosts"));
    let all = own.into_iter().chain([PathBuf::from("/etc/ssh/ssh_known_hosts")]);
    all.filter(|path| path.is_file()).collect()
}
