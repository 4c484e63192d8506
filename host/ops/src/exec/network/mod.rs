//! The network that a command has for itself: which program connects it to the machine's, how that is called,
//! and which addresses there are. Pure, but for looking for the program.
//!
//! A command begins with loopback alone. The first call that has to do with a network is held by a seccomp
//! filter until the program is there ([`gate`]), so that commands which use none, most of them, do not wait
//! for one and never start it. Knows nothing of containers.

mod attach;
mod gate;

use std::ffi::{OsStr, OsString};
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use rustix::fs::Access;
use serde::{Deserialize, Serialize};

pub(crate) use attach::Attachment;
pub(crate) use gate::{Gate, GateEvent, GateKey, gate_of};

/// A program that connects a network namespace to the machine's network, as an ordinary process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkTool {
    /// passt's pasta.
    Pasta,
    /// slirp4netns.
    Slirp4netns,
}

impl NetworkTool {
    /// Those that there are, the better one first.
    pub const ALL: [NetworkTool; 2] = [NetworkTool::Pasta, NetworkTool::Slirp4netns];

    /// Name of the program.
    pub fn program(self) -> &'static str {
        match self {
            NetworkTool::Pasta => "pasta",
            NetworkTool::Slirp4netns => "slirp4netns",
        }
    }

    /// Looks for the program in the directories of `path`, which has the form of the variable PATH.
    pub fn find(self, path: &OsStr) -> Option<PathBuf> {
        std::env::split_paths(path)
            .filter(|directory| directory.is_absolute())
            .map(|directory| directory.join(self.program()))
            .find(|program| program.is_file() && rustix::fs::access(program, Access::EXEC_OK).is_ok())
    }

    /// The address in the namespace that asks the machine's own resolver.
    pub(crate) fn resolver(self) -> Ipv4Addr {
        match self {
            NetworkTool::Pasta => PASTA_RESOLVER,
            // It cannot be chosen.
            NetworkTool::Slirp4netns => Ipv4Addr::new(10, 0, 2, 3),
        }
    }
}

/// Which tools may be used, and where they are looked for, when the first command needs one.
#[derive(Debug, Clone, Default)]
pub struct NetworkTools {
    /// The only one; none: the first that is there, and none at all is a warning.
    pub only: Option<NetworkTool>,
    /// Directories, in the form of the variable PATH.
    pub path: OsString,
}

impl NetworkTools {
    /// Looks for a tool. Without a usable /dev/net/tun none would connect anything, and it counts as missing, unless it
    /// is the only one that may be: then it says itself what is wrong.
    pub(crate) fn find(&self) -> Option<FoundTool> {
        if self.only.is_none() && !tun_is_usable() {
            return None;
        }
        self.search()
    }

    /// Looks for the programs.
    fn search(&self) -> Option<FoundTool> {
        let wanted = NetworkTool::ALL
            .into_iter()
            .filter(|tool| self.only.is_none_or(|only| only == *tool));
        wanted.into_iter().find_map(|tool| {
            let program = tool.find(&self.path)?;
            Some(FoundTool { tool, program })
        })
    }
}

/// Whether this process may make network interfaces of its own, as both tools do in a command's network.
pub(crate) fn tun_is_usable() -> bool {
    rustix::fs::access("/dev/net/tun", Access::READ_OK | Access::WRITE_OK).is_ok()
}

/// A tool that is on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FoundTool {
    pub(crate) tool: NetworkTool,
    pub(crate) program: PathBuf,
}

/// What a command's network is connected with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Connection {
    pub(crate) found: FoundTool,
    /// Whether the machine's own resolver has to be asked through the tool.
    pub(crate) forward_names: bool,
}

/// Name of the interface in the namespace.
const INTERFACE: &str = "eth0";

// Addresses in the namespace. Those of the machine would be in the way of what listens on the machine. These
// are of blocks that are nobody's: 192.0.0.0/29 of RFC 7335, and a unique local one.
const PASTA_ADDRESS: &str = "192.0.0.2";
const PASTA_GATEWAY: &str = "192.0.0.1";
const PASTA_RESOLVER: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 3);
const PASTA_ADDRESS_6: &str = "fd6c:6170:7374:7261::2";
const PASTA_GATEWAY_6: &str = "fd6c:6170:7374:7261::1";

impl Connection {
    /// The arguments of the tool, whose stdin is the namespace. `ready` is where slirp4netns writes to when it
    /// is ready; pasta's first process ends then.
    pub(crate) fn arguments(&self, ready: &impl AsRawFd) -> Vec<OsString> {
        const NAMESPACE: &str = "/proc/self/fd/0";
        let own = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        match self.found.tool {
            NetworkTool::Pasta => {
                let mut words = own(&["--quiet", "--config-net", "--ns-ifname", INTERFACE]);
                // No port of one side appears on the other, and the gateway is not the machine's loopback.
                words.extend(own(&["-t", "none", "-u", "none", "-T", "none", "-U", "none"]));
                words.extend(own(&["--no-map-gw", "--no-dhcp", "--no-dhcpv6", "--no-ra"]));
                words.extend(own(&["-a", PASTA_ADDRESS, "-n", "29", "-g", PASTA_GATEWAY]));
                words.extend(own(&["-a", PASTA_ADDRESS_6, "-g", PASTA_GATEWAY_6]));
                if self.forward_names {
                    words.extend(own(&["--dns-forward", &PASTA_RESOLVER.to_string()]));
                }
                // It would become `nobody`, who may not enter the namespace. What it is left with by itself is
                // little: an empty root, a filter, and no capability but to enter.
                words.extend(own(&["--runas", "0:0", "--no-netns-quit", "--netns", NAMESPACE]));
                words
            }
            NetworkTool::Slirp4netns => {
                let mut words = own(&["--configure", "--mtu=65520", "--disable-host-loopback"]);
                words.extend(own(&["--enable-ipv6", "--enable-sandbox", "--enable-seccomp"]));
                if !self.forward_names {
                    words.extend(own(&["--disable-dns"]));
                }
                words.push(format!("--ready-fd={}", ready.as_raw_fd()).into());
                words.extend(own(&["--netns-type=path", NAMESPACE, INTERFACE]));
                words
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(tool: NetworkTool, forward_names: bool) -> String {
        let connection = Connection {
            found: FoundTool {
                tool,
                program: tool.program().into(),
            },
            forward_names,
        };
        let words = connection.arguments(&7);
        words.join(OsStr::new(" ")).into_string().unwrap()
    }

    #[test]
    fn nothing_of_the_machines_loopback_shows() {
        let pasta = arguments(NetworkTool::Pasta, false);
        assert!(pasta.contains("--no-map-gw") && pasta.contains("-t none -u none -T none -U none"));
        assert!(!pasta.contains("--dns-forward"));
        assert!(arguments(NetworkTool::Pasta, true).contains("--dns-forward 192.0.0.3"));
        let slirp = arguments(NetworkTool::Slirp4netns, false);
        assert!(slirp.contains("--disable-host-loopback") && slirp.contains("--disable-dns"));
        assert!(slirp.contains("--ready-fd=7"));
        assert!(!arguments(NetworkTool::Slirp4netns, true).contains("--disable-dns"));
    }

    #[test]
    fn the_first_tool_that_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let none = NetworkTools {
            only: None,
            path: std::env::join_paths(["/nowhere".as_ref(), directory.path()]).unwrap(),
        };
        let make = |tool: NetworkTool, mode: u32| {
            use std::os::unix::fs::PermissionsExt;
            let file = directory.path().join(tool.program());
            std::fs::write(&file, "").unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let found = |only| {
            let path = none.path.clone();
            NetworkTools { only, path }.search().map(|found| found.tool)
        };
        assert_eq!(found(None), None);
        make(NetworkTool::Slirp4netns, 0o755);
        make(NetworkTool::Pasta, 0o644);
        assert_eq!(found(None), Some(NetworkTool::Slirp4netns));
        make(NetworkTool::Pasta, 0o755);
        assert_eq!(found(None), Some(NetworkTool::Pasta));
        let slirp = Some(NetworkTool::Slirp4netns);
        assert_eq!(found(slirp), slirp);
    }
}
