//! What is asked of the executor, and what it answers: plain data.
//! Directories are given as paths. Knows nothing of stores, trees, caches or how secrets are found.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use lapstrake_llb::{ExecOp, LinuxResources};
use serde::{Deserialize, Serialize};

use crate::cdi::DeviceNode;

/// A command to run, with everything it needs already on this machine.
#[derive(Clone, Serialize, Deserialize)]
pub struct ExecRequest {
    /// The command. Its mounts and secrets are ignored: `root`, `mounts` and `secret_env` stand for them. The
    /// entitlement for
    /// `security: insecure` and `network: host` MUST have been checked.
    pub op: ExecOp,
    /// Limits of the command's processes.
    pub resources: Option<LinuxResources>,
    /// What the command sees as `/`.
    pub root: RootMount,
    /// What else it sees, in the order in which it is mounted.
    pub mounts: Vec<PreparedMount>,
    /// Variables made of secrets; they win over the others.
    pub secret_env: Vec<(String, String)>,
    /// An existing directory of the caller, on the file system of the layers, for what is needed while
    /// commands run. Steps can share it, also at the same time. Nothing else that a request names may be in
    /// it. Two empty directories may stay in it.
    pub state_dir: PathBuf,
    /// Devices besides those of every container.
    pub devices: Vec<DeviceNode>,
    /// Groups besides those of the user.
    pub groups: Vec<u32>,
    /// Network.
    pub network: Network,
    /// After this time the command is killed.
    pub timeout: Option<Duration>,
    /// Whether set-user-ID programs and file capabilities are without effect. Breaks `sudo`.
    pub no_new_privileges: bool,
}

impl fmt::Debug for ExecRequest {
    /// Leaves the secrets out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecRequest")
            .field("op", &self.op)
            .field("resources", &self.resources)
            .field("root", &self.root)
            .field("mounts", &self.mounts)
            .field("state_dir", &self.state_dir)
            .field("devices", &self.devices)
            .field("groups", &self.groups)
            .field("network", &self.network)
            .field("timeout", &self.timeout)
            .field("no_new_privileges", &self.no_new_privileges)
            .finish_non_exhaustive()
    }
}

/// The network that a command is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// The machine's.
    Host,
    /// One of its own with nothing but loopback.
    Loopback,
    /// One of its own, connected to the machine's when the command first needs that. Where no program is
    /// there that could connect it, the machine's, with a warning.
    Isolated,
}

/// A root file system made of layers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RootMount {
    /// Directories of the layers below, the lowest first. Empty: nothing below.
    pub lower: Vec<PathBuf>,
    /// An empty directory that becomes the layer of what the command changes.
    pub upper: PathBuf,
    /// An empty directory on the file system of `upper`. It is removed.
    pub work: PathBuf,
    /// Whether writing fails.
    pub read_only: bool,
}

/// Something mounted below the root.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PreparedMount {
    /// Absolute path in the container. It is resolved inside the container's root and made where it is
    /// missing.
    pub target: String,
    /// Whether writing fails.
    pub read_only: bool,
    /// What is mounted.
    pub source: MountSource,
}

/// What is mounted.
#[derive(Clone, Serialize, Deserialize)]
pub enum MountSource {
    /// A tree made of layers.
    Tree {
        /// Directories of the layers, the lowest first. Empty: an empty tree.
        lower: Vec<PathBuf>,
        /// Path in the tree of what is mounted; empty: all of it.
        selector: String,
        /// Where writes go.
        writes: TreeWrites,
    },
    /// A directory that keeps what is written, such as a cache.
    Directory {
        /// The directory.
        path: PathBuf,
        /// Path in it of what is mounted; empty: all of it. It cannot lead out of the directory.
        selector: String,
    },
    /// A directory in memory.
    Tmpfs {
        /// Largest size in bytes; none: the kernel's default.
        size: Option<u64>,
    },
    /// A file in memory, such as a secret. Never written to disk.
    File {
        /// Contents.
        data: Vec<u8>,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
        /// Permission bits.
        mode: u32,
    },
    /// A socket of this machine.
    Socket {
        /// The socket.
        path: PathBuf,
    },
}

impl fmt::Debug for MountSource {
    /// Leaves the contents of files out, which are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MountSource::Tree {
                lower,
                selector,
                writes,
            } => f
                .debug_struct("Tree")
                .field("lower", lower)
                .field("selector", selector)
                .field("writes", writes)
                .finish(),
            MountSource::Directory { path, selector } => f
                .debug_struct("Directory")
                .field("path", path)
                .field("selector", selector)
                .finish(),
            MountSource::Tmpfs { size } => f.debug_struct("Tmpfs").field("size", size).finish(),
            MountSource::File { uid, gid, mode, .. } => f
                .debug_struct("File")
                .field("uid", uid)
                .field("gid", gid)
                .field("mode", mode)
                .finish_non_exhaustive(),
            MountSource::Socket { path } => f.debug_struct("Socket").field("path", path).finish(),
        }
    }
}

/// Where writes to a mounted tree go.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum TreeWrites {
    /// They are lost when the command ends.
    Discard,
    /// They become a layer.
    Keep {
        /// As [`RootMount::upper`].
        upper: PathBuf,
        /// As [`RootMount::work`].
        work: PathBuf,
    },
}

/// Where a piece of output was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

/// A piece of output as it came. Not necessarily whole lines, nor whole characters.
#[derive(Debug, Clone, Copy)]
pub struct Output<'a> {
    /// Where it was written to.
    pub stream: Stream,
    /// When it arrived.
    pub time: SystemTime,
    /// The bytes, never empty.
    pub data: &'a [u8],
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecStatus {
    /// Its first process.
    pub exit: Exit,
    /// Whether the kernel killed a process of it because of its memory limit.
    pub out_of_memory: bool,
    /// What was asked for and could not be done, without being an error.
    pub warnings: Vec<Warning>,
}

impl ExecStatus {
    /// Whether the end is a good one: an exit code of `valid`, or 0 where `valid` is empty.
    pub fn is_success(&self, valid: &[i32]) -> bool {
        match self.exit {
            Exit::Code(0) => valid.is_empty() || valid.contains(&0),
            Exit::Code(code) => valid.contains(&code),
            Exit::Signal(_) => valid.contains(&self.exit.code()),
        }
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// By itself.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

impl Exit {
    /// The code as a shell gives it: 128 and the number of the signal where there was one.
    pub fn code(self) -> i32 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
        }
    }
}

/// Something that was asked for and could not be done, without being an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Warning {
    /// A limit has no effect.
    #[error("the limit `{limit}` has no effect: {reason}")]
    LimitIgnored {
        /// Such as `memory`.
        limit: String,
        /// Why.
        reason: String,
    },
    /// No system call filter exists for this machine.
    #[error("there is no seccomp profile for this machine's architecture; commands run without a filter")]
    NoSeccomp,
    /// No program can connect a network of its own.
    #[error(
        "neither pasta nor slirp4netns can be used here: commands run in this machine's network (lapstrake doctor says \
         what is missing; `sandbox = \"host\"` under `[network]` in the configuration file wants it so)"
    )]
    HostNetwork,
    /// The command has loopback only.
    #[error("the command has no network but loopback: {tool}: {reason}")]
    NoWayOut {
        /// Program.
        tool: String,
        /// What it said.
        reason: String,
    },
    /// A device's specification wants a program to be run.
    #[error("a device wants {} to be run for the container, which is not done", path.display())]
    HookIgnored {
        /// The program.
        path: PathBuf,
    },
    /// The network went away while the command ran.
    #[error("{tool} ended while the command ran: it has no network any more")]
    NetworkLost {
        /// Program.
        tool: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let file = MountSource::File {
            data: b"hunter2".to_vec(),
            uid: 0,
            gid: 0,
            mode: 0o400,
        };
        assert_eq!(format!("{file:?}"), "File { uid: 0, gid: 0, mode: 256, .. }");
    }

    #[test]
    fn valid_codes() {
        let status = |exit| ExecStatus {
            exit,
            out_of_memory: false,
            warnings: Vec::new(),
        };
        assert!(status(Exit::Code(0)).is_success(&[]));
        assert!(!status(Exit::Code(0)).is_success(&[3]));
        assert!(status(Exit::Code(3)).is_success(&[0, 3]));
        assert!(!status(Exit::Code(1)).is_success(&[]));
        assert!(!status(Exit::Signal(9)).is_success(&[]));
        assert!(status(Exit::Signal(9)).is_success(&[137]));
    }
}
