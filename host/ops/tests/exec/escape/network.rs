//! Sockets: families that were ways into the kernel, and raw ones on the machine's network.

use lapstrake_llb::NetworkMode;
use lapstrake_ops::exec::Network;

use super::{answer, probing, refused};
use crate::needs_probe;

fn socket(family: i32, kind: i32, protocol: i32) -> [String; 4] {
    [
        "socket".into(),
        family.to_string(),
        kind.to_string(),
        protocol.to_string(),
    ]
}

fn said(op: NetworkMode, real: Network, args: &[String; 4]) -> String {
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    answer(probing(&args).with(|r| {
        r.op.network = op;
        r.network = real;
    }))
}

/// `AF_PACKET`, `SOCK_RAW`, all protocols in network order.
const PACKET: (i32, i32, i32) = (libc::AF_PACKET, libc::SOCK_RAW, 0x0300);
const RAW: (i32, i32, i32) = (libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP);

#[test]
fn the_machines_network_cannot_be_read_raw_where_it_stands_in_for_a_sandbox() {
    needs_probe!();
    for (family, kind, protocol) in [PACKET, RAW] {
        let args = socket(family, kind, protocol);
        assert_eq!(said(NetworkMode::Sandbox, Network::Host, &args), "EPERM");
    }
}

/// As Docker has it: ping and the like work.
#[test]
fn a_network_of_its_own_can_be_read_raw() {
    needs_probe!();
    for (family, kind, protocol) in [PACKET, RAW] {
        let args = socket(family, kind, protocol);
        assert_eq!(said(NetworkMode::None, Network::Loopback, &args), "ok");
    }
}

#[test]
fn without_a_network_the_machines_cannot_be_seen() {
    needs_probe!();
    let ran = crate::support::Step::sh(
        "cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' '; cat /proc/net/unix | tail -n +2 | wc -l",
    )
    .with(|r| r.network = Network::Loopback)
    .succeed();
    assert!(ran.stdout.starts_with("lo\n"), "{}", ran.stdout);
    // Other interfaces that a new namespace has are not up and lead nowhere.
    assert!(
        ran.stdout.ends_with("\n0\n"),
        "no abstract socket of the machine: {}",
        ran.stdout
    );
}

#[test]
fn a_socket_of_the_kernels_cryptography_is_refused() {
    needs_probe!();
    refused("EPERM", &["socket", "38", "5", "0"]);
}

#[test]
fn a_socket_to_the_hypervisor_is_refused() {
    needs_probe!();
    refused("EPERM", &["socket", "40", "1", "0"]);
}

#[test]
fn ordinary_sockets_work() {
    needs_probe!();
    for (family, kind) in [
        (libc::AF_INET, libc::SOCK_STREAM),
        (libc::AF_INET6, libc::SOCK_DGRAM),
        (libc::AF_UNIX, libc::SOCK_STREAM),
        (libc::AF_NETLINK, libc::SOCK_RAW),
    ] {
        let args = socket(family, kind, 0);
        assert_eq!(said(NetworkMode::Sandbox, Network::Host, &args), "ok", "{family}");
    }
}

#[test]
fn interfaces_cannot_be_changed() {
    needs_probe!();
    let ran =
        crate::support::Step::sh("ip link set lo down 2>&1; ip addr add 10.9.8.7/32 dev lo 2>&1; echo end")
            .with(|r| r.network = Network::Loopback)
            .succeed();
    assert_eq!(ran.stdout.matches("not permitted").count(), 2, "{}", ran.stdout);
}
