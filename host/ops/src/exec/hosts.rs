//! The text of /etc/hosts and /etc/resolv.conf of a container.
//! Pure but for reading the machine's resolver files. Knows nothing of how the files get into the container.

use std::fs;
use std::net::IpAddr;

use lapstrake_llb::HostIp;

/// Host name of a container that was given none. BuildKit's.
pub const DEFAULT_HOSTNAME: &str = "buildkitsandbox";

/// Name servers for a container that cannot reach any of the machine's, as Docker has them.
const PUBLIC_NAME_SERVERS: [&str; 4] = [
    "8.8.8.8",
    "8.8.4.4",
    "2001:4860:4860::8888",
    "2001:4860:4860::8844",
];

const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Where systemd-resolved writes the servers that it asks itself.
const SYSTEMD_UPSTREAM: &str = "/run/systemd/resolve/resolv.conf";

/// Makes the text of /etc/hosts: loopback names with the container's own, then `extra`.
pub fn hosts_file(hostname: &str, extra: &[HostIp]) -> String {
    let mut text = format!("127.0.0.1\tlocalhost {hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    for host in extra {
        text.push_str(&format!("{}\t{}\n", host.ip, host.host));
    }
    text
}

/// Reads the machine's resolver configuration and makes a container's of it. A missing file counts as an
/// empty one.
pub fn resolv_conf(host_network: bool) -> String {
    let read = |path: &str| fs::read(path).map(|b| String::from_utf8_lossy(&b).into_owned());
    let text = read(RESOLV_CONF).unwrap_or_default();
    let upstream = if only_systemd_stub(&text) {
        read(SYSTEMD_UPSTREAM).ok()
    } else {
        None
    };
    container_resolv_conf(&text, upstream.as_deref(), host_network)
}

/// Makes a container's resolv.conf of the machine's `text`.
///
/// In the machine's network every server can be reached: the text stays as it is. In another one a server on
/// a loopback address is somebody else: `upstream` (what the local resolver asks) is taken instead, loopback
/// servers go, and where none is left there are public ones. A text without any server gets them too.
fn container_resolv_conf(text: &str, upstream: Option<&str>, host_network: bool) -> String {
    if host_network && name_servers(text).next().is_some() {
        return text.to_owned();
    }
    let text = match upstream {
        Some(upstream) if !host_network => upstream,
        _ => text,
    };
    let mut kept: String = text
        .lines()
        .filter(|line| !name_server(line).is_some_and(is_loopback))
        .flat_map(|line| [line, "\n"])
        .collect();
    if name_servers(&kept).next().is_none() {
        for server in PUBLIC_NAME_SERVERS {
            kept.push_str(&format!("nameserver {server}\n"));
        }
    }
    kept
}

fn only_systemd_stub(text: &str) -> bool {
    let mut servers = name_servers(text).peekable();
    servers.peek().is_some() && servers.all(|s| s == "127.0.0.53")
}

fn name_servers(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(name_server)
}

fn name_server(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    (words.next() == Some("nameserver"))
        .then(|| words.next())
        .flatten()
}

fn is_loopback(server: &str) -> bool {
    // `fe80::1%eth0` has a scope that is no part of the address.
    let address = server.split('%').next().unwrap_or(server);
    address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_name_the_container_and_the_extra_ones() {
        let extra = [
            HostIp {
                host: "db".into(),
                ip: "10.0.0.7".into(),
            },
            HostIp {
                host: "v6".into(),
                ip: "fd00::1".into(),
            },
        ];
        assert_eq!(
            hosts_file("box", &extra),
            "127.0.0.1\tlocalhost box\n::1\tlocalhost ip6-localhost ip6-loopback\n10.0.0.7\tdb\nfd00::1\tv6\n"
        );
    }

    #[test]
    fn the_machines_network_keeps_its_resolver() {
        let text = "# mine\nnameserver 127.0.0.1\nsearch lan\n";
        assert_eq!(container_resolv_conf(text, None, true), text);
        assert!(
            container_resolv_conf("search lan\n", None, true).starts_with("search lan\nnameserver 8.8.8.8\n")
        );
    }

    #[test]
    fn another_network_gets_no_loopback_resolver() {
        let text = "nameserver 127.0.0.53\nnameserver ::1\nnameserver 9.9.9.9\noptions edns0\n";
        assert_eq!(
            container_resolv_conf(text, None, false),
            "nameserver 9.9.9.9\noptions edns0\n"
        );
        let stub = "nameserver 127.0.0.53\nsearch lan\n";
        assert!(only_systemd_stub(stub));
        assert_eq!(
            container_resolv_conf(stub, Some("nameserver 10.1.1.1\n"), false),
            "nameserver 10.1.1.1\n"
        );
        let fallback = container_resolv_conf(stub, None, false);
        assert_eq!(name_servers(&fallback).collect::<Vec<_>>(), PUBLIC_NAME_SERVERS);
        assert!(fallback.contains("search lan"));
    }

    #[test]
    fn odd_lines_are_no_servers() {
        assert_eq!(
            name_servers("nameserver\nnameserverx 1.1.1.1\n;nameserver 1.1.1.1\n").count(),
            0
        );
        assert!(!is_loopback("fe80::1%eth0"));
        assert!(is_loopback("127.9.9.9"));
        assert!(!is_loopback("not an address"));
    }
}
