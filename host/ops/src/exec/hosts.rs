//! The text of /etc/hosts and /etc/resolv.conf of a container.
//! Pure but for reading the machine's resolver files. Knows nothing of how the files get into the container.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};

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

/// Where a container asks for names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolving {
    /// In the machine's network.
    Machine,
    /// In another one, where a loopback address of the machine means somebody else. The address, if there is
    /// one, is answered by the machine's resolver.
    Elsewhere(Option<Ipv4Addr>),
}

/// Reads the machine's resolver configuration and makes a container's of it. A missing file counts as an
/// empty one.
pub fn resolv_conf(place: Resolving) -> String {
    let read = |path: &str| fs::read(path).map(|b| String::from_utf8_lossy(&b).into_owned());
    let text = read(RESOLV_CONF).unwrap_or_default();
    let upstream = if only_systemd_stub(&text) {
        read(SYSTEMD_UPSTREAM).ok()
    } else {
        None
    };
    container_resolv_conf(&text, upstream.as_deref(), place)
}

/// Whether a container's resolv.conf names a server.
pub fn has_name_server(text: &str, server: Ipv4Addr) -> bool {
    name_servers(text).any(|s| s == server.to_string())
}

/// Makes a container's resolv.conf of the machine's `text`.
///
/// In the machine's network every server can be reached: the text stays as it is. In another one `upstream`
/// (what the local resolver asks) is taken instead, and loopback servers go. Where none is left, the machine's
/// resolver is asked through an address of that network if there is one. A text that has no server at all
/// gets public ones.
fn container_resolv_conf(text: &str, upstream: Option<&str>, place: Resolving) -> String {
    let forwarder = match place {
        Resolving::Machine if name_servers(text).next().is_some() => return text.to_owned(),
        Resolving::Machine => None,
        Resolving::Elsewhere(forwarder) => forwarder,
    };
    let text = match (upstream, place) {
        (Some(upstream), Resolving::Elsewhere(_)) => upstream,
        _ => text,
    };
    let mut kept: String = text
        .lines()
        .filter(|line| !name_server(line).is_some_and(is_loopback))
        .flat_map(|line| [line, "\n"])
        .collect();
    if name_servers(&kept).next().is_none() {
        let was_local = name_servers(text).next().is_some();
        match forwarder.filter(|_| was_local) {
            Some(forwarder) => kept.push_str(&format!("nameserver {forwarder}\n")),
            None => PUBLIC_NAME_SERVERS
                .iter()
                .for_each(|server| kept.push_str(&format!("nameserver {server}\n"))),
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
        assert_eq!(container_resolv_conf(text, None, Resolving::Machine), text);
        assert!(
            container_resolv_conf("search lan\n", None, Resolving::Machine)
                .starts_with("search lan\nnameserver 8.8.8.8\n")
        );
    }

    #[test]
    fn another_network_gets_no_loopback_resolver() {
        let text = "nameserver 127.0.0.53\nnameserver ::1\nnameserver 9.9.9.9\noptions edns0\n";
        assert_eq!(
            container_resolv_conf(text, None, Resolving::Elsewhere(None)),
            "nameserver 9.9.9.9\noptions edns0\n"
        );
        let stub = "nameserver 127.0.0.53\nsearch lan\n";
        assert!(only_systemd_stub(stub));
        assert_eq!(
            container_resolv_conf(stub, Some("nameserver 10.1.1.1\n"), Resolving::Elsewhere(None)),
            "nameserver 10.1.1.1\n"
        );
        let fallback = container_resolv_conf(stub, None, Resolving::Elsewhere(None));
        assert_eq!(name_servers(&fallback).collect::<Vec<_>>(), PUBLIC_NAME_SERVERS);
        assert!(fallback.contains("search lan"));
        let forwarder = Resolving::Elsewhere(Some(Ipv4Addr::new(10, 9, 8, 7)));
        assert_eq!(
            container_resolv_conf(stub, None, forwarder),
            "search lan\nnameserver 10.9.8.7\n"
        );
        let both = container_resolv_conf(text, None, forwarder);
        assert_eq!(
            both, "nameserver 9.9.9.9\noptions edns0\n",
            "it can be reached itself"
        );
        assert!(!has_name_server(&both, Ipv4Addr::new(10, 9, 8, 7)));
        assert!(has_name_server(&both, Ipv4Addr::new(9, 9, 9, 9)));
        let nothing = container_resolv_conf("", None, forwarder);
        assert_eq!(name_servers(&nothing).collect::<Vec<_>>(), PUBLIC_NAME_SERVERS);
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
