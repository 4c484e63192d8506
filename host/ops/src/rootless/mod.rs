//! Builds without privilege: enters a user namespace in which this process is root, with the subordinate ids of its user
//! where there are any, else with one user alone.
//!
//! Which way is taken is found by trying, before anything depends on it: a process that has entered a namespace can
//! never leave it. Knows nothing of containers and of how files keep their owners.

mod ids;
mod mapper;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::process::{WaitOptions, getegid, geteuid, waitpid};
use rustix::thread::{CapabilitySet, UnshareFlags};

pub use ids::{Range, Ranges};

use crate::exec::sys::{self, Cloned};
pub(crate) use mapper::find_program;
use mapper::{Map, Mappers};

/// Which way is to be taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wish {
    /// The best that works.
    #[default]
    Auto,
    /// A user namespace of one user, whatever else there is.
    Single,
    /// No user namespace: only files are changed, and no command can run.
    Plain,
}

/// What is known of the user besides what the kernel says.
#[derive(Debug, Clone, Default)]
pub struct User {
    /// Directories of programs, as in `PATH`.
    pub path: Option<OsString>,
    /// Name, for one that /etc/passwd does not have.
    pub name: Option<String>,
}

/// How this process stands after [`enter`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It may mount already: it is root, or somebody made a user namespace for it.
    Privileged,
    /// In a user namespace with all ids that its user may have.
    Subordinate,
    /// In a user namespace of one user.
    Single(NoIds),
    /// In none.
    Plain(Refusal),
}

/// Why there are no subordinate ids.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoIds {
    /// They were not wanted.
    #[error("one user was asked for")]
    Unwanted,
    /// The administrator gave none.
    #[error("{0} has no line for this user")]
    NoRange(&'static str),
    /// The program that hands them out is missing.
    #[error("the program {0} is not installed")]
    NoProgram(&'static str),
    /// The program did not do it.
    #[error("{program} failed: {message}")]
    Failed {
        /// Name of the program.
        program: &'static str,
        /// What it said.
        message: String,
    },
}

/// Why there is no user namespace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It was not wanted.
    #[error("no user namespace was asked for")]
    Unwanted,
    /// The kernel makes none, or one without rights.
    #[error("this machine forbids it")]
    Forbidden,
}

/// Why a user namespace that works for others does not for this process.
#[derive(Debug, thiserror::Error)]
pub enum RootlessError {
    /// A child could not be started.
    #[error("cannot start a process to set up a user namespace")]
    Start {
        /// Cause.
        source: io::Error,
    },
    /// It was made, but got no ids.
    #[error("cannot set the ids of a user namespace")]
    Map {
        /// Cause.
        source: io::Error,
    },
    /// The users were mapped, the groups not.
    #[error("{program} failed, so that users and groups do not go together: {message}")]
    Groups {
        /// Name of the program.
        program: &'static str,
        /// What it said.
        message: String,
    },
}

/// Enters a user namespace, if this process has not the rights of root already.
///
/// MUST be called while this process has one thread, and before anything asks who it is.
///
/// # Errors
/// The namespace was made but cannot be used. This process is good for nothing then.
pub fn enter(wish: Wish, user: &User) -> Result<Standing, RootlessError> {
    if has(CapabilitySet::SYS_ADMIN) {
        return Ok(Standing::Privileged);
    }
    if wish == Wish::Plain {
        return Ok(Standing::Plain(Refusal::Unwanted));
    }
    if !user_namespaces_work()? {
        return Ok(Standing::Plain(Refusal::Forbidden));
    }
    let maps = if wish == Wish::Single {
        Err(NoIds::Unwanted)
    } else {
        maps_of(user)
    };
    match maps {
        Ok(maps) => enter_mapped(&maps),
        Err(why) => {
            let own = (geteuid().as_raw(), getegid().as_raw());
            unshare()?;
            map_single(own)?;
            Ok(Standing::Single(why))
        }
    }
}

fn has(wanted: CapabilitySet) -> bool {
    rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(wanted))
}

fn unshare() -> Result<(), RootlessError> {
    sys::unshare_namespaces(UnshareFlags::NEWUSER).map_err(|source| RootlessError::Map { source })
}

/// Whether a user namespace can be made, and gives rights. A security module may let one be made that has none.
///
/// # Errors
/// No process can be started to try it.
pub fn user_namespaces_work() -> Result<bool, RootlessError> {
    let own = (geteuid().as_raw(), getegid().as_raw());
    in_child(|| {
        unshare().is_ok() && map_single(own).is_ok() && sys::unshare_namespaces(UnshareFlags::NEWUTS).is_ok()
    })
    .map_err(|source| RootlessError::Start { source })
}

/// An error with its cause, on one line.
pub(crate) fn describe(error: &RootlessError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Tries something in a process of its own.
///
/// MUST be called while this process has one thread.
fn in_child(attempt: impl FnOnce() -> bool) -> io::Result<bool> {
    match sys::clone_process(UnshareFlags::empty(), None)? {
        Cloned::Child => {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(attempt));
            sys::exit_now(i32::from(!done.unwrap_or(false)))
        }
        Cloned::Parent { pid, .. } => {
            let ended = rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()))?;
            Ok(ended.is_some_and(|(_, status)| status.exit_status() == Some(0)))
        }
    }
}

/// The maps of users and groups that this process may have.
fn maps_of(user: &User) -> Result<[Map; 2], NoIds> {
    if geteuid().is_root() && has(CapabilitySet::SETUID | CapabilitySet::SETGID) {
        // Root that may not mount, such as a container's: it keeps the ids that it has.
        let same = |path: &str| ids::identity(&fs::read_to_string(path).unwrap_or_default());
        return Ok([
            Map::written("uid_map", same("/proc/self/uid_map")),
            Map::written("gid_map", same("/proc/self/gid_map")),
        ]);
    }
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    let ranges = Ranges::of(uid, user.name.as_deref())?;
    let directories = user.path.as_deref();
    Ok([
        Map::by_program("newuidmap", directories, &ids::with_own(uid, &ranges.users))?,
        Map::by_program("newgidmap", directories, &ids::with_own(gid, &ranges.groups))?,
    ])
}

fn enter_mapped(maps: &[Map; 2]) -> Result<Standing, RootlessError> {
    let own = (geteuid().as_raw(), getegid().as_raw());
    // They have to be outside of the namespace, so they are started first.
    let mappers = Mappers::start(maps).map_err(|source| RootlessError::Start { source })?;
    unshare()?;
    let [users, groups] = mappers.map().map_err(|source| RootlessError::Map { source })?;
    let [user_map, group_map] = maps;
    match (users, groups) {
        (Ok(()), Ok(())) => Ok(Standing::Subordinate),
        (Ok(()), Err(message)) => Err(RootlessError::Groups {
            program: group_map.name(),
            message,
        }),
        (Err(message), _) => {
            // Nothing was mapped yet, or only the groups: one user is what is left.
            map_single(own)?;
            Ok(Standing::Single(NoIds::Failed {
                program: user_map.name(),
                message,
            }))
        }
    }
}

/// Makes this process, which has just entered a user namespace, the only user and group in it.
fn map_single((uid, gid): (u32, u32)) -> Result<(), RootlessError> {
    let write = |file: &str, text: String| fs::write(format!("/proc/self/{file}"), text);
    let groups = || {
        // Groups that a file shuts out must not be dropped by who is in them.
        write("setgroups", "deny".to_owned())?;
        write("gid_map", format!("0 {gid} 1"))
    };
    let mapped = write("uid_map", format!("0 {uid} 1")).and_then(|()| match groups() {
        // A program has mapped them.
        Err(error) if error.raw_os_error() == Some(Errno::PERM.raw_os_error()) => {
            let map = fs::read_to_string("/proc/self/gid_map").unwrap_or_default();
            if map.is_empty() { Err(error) } else { Ok(()) }
        }
        other => other,
    });
    mapped.map_err(|source| RootlessError::Map { source })
}

/// Reads what is left in a pipe whose other ends are closed.
fn drain(pipe: impl AsFd) -> String {
    let mut text = Vec::new();
    let mut buffer = [0u8; 512];
    while let Ok(length @ 1..) = rustix::io::retry_on_intr(|| rustix::io::read(&pipe, &mut buffer)) {
        text.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8_lossy(&text).trim().to_owned()
}
