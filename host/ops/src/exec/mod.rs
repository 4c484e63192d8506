//! Runs commands in containers.
//!
//! A [`Runner`] starts, once, a small helper process of the same program and sends it the commands. For each
//! the helper makes a process in new namespaces; that one mounts the layers ([`RootMount`]) with overlayfs,
//! makes a plan, which is an OCI runtime specification, and carries it out on itself, or has another runtime
//! do so. Nothing is mounted in the machine's own namespace. When [`Runner::run`] returns, the upper
//! directories are layers.
//!
//! Knows nothing of the store, the graph, caches and entitlements: the caller gives directories.

pub(crate) mod attempt;
mod bundle;
mod cancel;
mod capabilities;
mod cgroup;
mod container;
mod error;
mod external;
mod helper;
mod hosts;
mod layer;
mod message;
mod mounts;
mod network;
mod overlay;
mod plan;
mod process;
mod pump;
mod request;
mod run;
mod seccomp;
mod state;
pub(crate) mod sys;
mod target;
mod user;

pub use cancel::CancelToken;
pub(crate) use cgroup::hierarchies;
pub use error::{Errno, ExecError, ProgramError, SetupError};
pub use helper::helper_main;
pub(crate) use network::tun_is_usable;
pub use network::{NetworkTool, NetworkTools};
pub use request::{
    ExecRequest, ExecStatus, Exit, MountSource, Network, Output, PreparedMount, RootMount, Stream,
    TreeWrites, Warning,
};
pub use run::{DeviceControl, HelperCommand, Runner, RunnerOptions, Runtime};
pub use user::{ResolvedUser, UserError, resolve_user};
