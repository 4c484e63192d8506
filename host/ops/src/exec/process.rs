//! Turns the calling process, which is already inside the container, into the one of a specification: limits,
//! privileges, user, program. Knows nothing of namespaces and mounts.

use std::ffi::CString;

use oci_spec::runtime::{PosixRlimitType, Process};
use rustix::fs::{Gid, Uid};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

use super::capabilities::bits;
use super::container::Machine;
use super::error::{ProgramError, SetupError};
use super::network::GateKey;
use super::plan::DEFAULT_PATH;
use super::sys::{self, SockFilter};

/// What looks at the system calls of a command.
#[derive(Debug)]
pub(crate) struct Filters<'a> {
    /// Refuses some. Empty: none.
    profile: &'a [SockFilter],
    gate: Option<(GateKey<'a>, &'a [SockFilter])>,
}

impl<'a> Filters<'a> {
    pub(crate) fn new(machine: &'a Machine, insecure: bool, gate: Option<GateKey<'a>>) -> Filters<'a> {
        // A privileged command may want to listen to calls itself, which only one can.
        let (profile, hold) = match insecure {
            true => (&[][..], &[][..]),
            false => (&machine.filter[..], &machine.gate_filter[..]),
        };
        Filters {
            profile,
            gate: gate.map(|gate| (gate, hold)),
        }
    }

    /// Has the command's network connected, if it has one of its own.
    pub(crate) fn connect_now(&self) -> Result<(), SetupError> {
        match &self.gate {
            Some((gate, _)) => gate.connect_now(),
            None => Ok(()),
        }
    }

    /// Loads them. Takes a privilege, or a process that can get none any more.
    fn load(&self) -> Result<(), SetupError> {
        if let Some((gate, hold)) = &self.gate {
            gate.connect_when_needed(hold)?;
        }
        if !self.profile.is_empty() {
            sys::install_seccomp(self.profile)
                .map_err(SetupError::system("install the system call filter"))?;
        }
        Ok(())
    }
}

/// Drops to the limits, privileges and user of `process`.
pub(crate) fn restrict(process: &Process, filters: Filters<'_>) -> Result<(), SetupError> {
    for limit in process.rlimits().iter().flatten() {
        let value = |limit: u64| (limit != u64::MAX).then_some(limit);
        let new = Rlimit {
            current: value(limit.soft()),
            maximum: value(limit.hard()),
        };
        setrlimit(resource(limit.typ()), new)
            .map_err(SetupError::system(&format!("set the ulimit {}", limit.typ())))?;
    }
    // Keys are a nicety: a kernel may have none.
    let _ = sys::new_session_keyring();
    if process.no_new_privileges() == Some(true) {
        set_no_new_privs(true).map_err(SetupError::system("forbid new privileges"))?;
    }
    // The privilege goes next, and everything from here on is allowed by the filters.
    filters.load()?;
    drop_privileges(process)
}

fn drop_privileges(process: &Process) -> Result<(), SetupError> {
    let failed = SetupError::system::<Errno>;
    let wanted = process
        .capabilities()
        .as_ref()
        .and_then(|c| c.bounding().as_ref())
        .map_or(0, bits);
    let before = capabilities(None).map_err(failed("read the capabilities"))?;
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match capability_is_in_bounding_set(capability) {
            Ok(true) if wanted & 1 << number == 0 => {
                remove_capability_from_bounding_set(capability).map_err(failed("drop a capability"))?;
            }
            Ok(_) => {}
            // The kernel knows no more.
            Err(_) => break,
        }
    }
    clear_ambient_capability_set().map_err(failed("drop the ambient capabilities"))?;

    let user = process.user();
    let groups: Vec<Gid> = user
        .additional_gids()
        .iter()
        .flatten()
        .map(|gid| Gid::from_raw(*gid))
        .collect();
    let (uid, gid) = (Uid::from_raw(user.uid()), Gid::from_raw(user.gid()));
    match set_thread_groups(&groups) {
        // A user namespace of one user has no other groups.
        Err(Errno::PERM)
            if std::fs::read_to_string("/proc/self/setgroups").is_ok_and(|s| s.trim() == "deny") => {}
        Err(Errno::INVAL) => {
            let unknown = groups
                .iter()
                .map(|gid| gid.as_raw())
                .find(|gid| !is_mapped("gid", *gid));
            return Err(unmapped("group", unknown.unwrap_or_default()));
        }
        other => other.map_err(failed("set the supplementary groups"))?,
    }
    match set_thread_res_gid(gid, gid, gid) {
        Err(Errno::INVAL) => return Err(unmapped("group", user.gid())),
        other => other.map_err(failed("set the group"))?,
    }
    match set_thread_res_uid(uid, uid, uid) {
        Err(Errno::INVAL) => return Err(unmapped("user", user.uid())),
        other => other.map_err(failed("set the user"))?,
    }

    // Another user than root has lost them by that already.
    let kept = if user.uid() == 0 {
        before.permitted.bits() & wanted
    } else {
        0
    };
    let kept = CapabilitySet::from_bits_retain(kept);
    set_capabilities(
        None,
        CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: CapabilitySet::empty(),
        },
    )
    .map_err(failed("set the capabilities"))
}

fn unmapped(kind: &str, id: u32) -> SetupError {
    SetupError::Unmapped {
        kind: kind.to_owned(),
        id,
    }
}

/// Whether a user namespace has an id; `kind` is `uid` or `gid`.
fn is_mapped(kind: &str, id: u32) -> bool {
    let map = std::fs::read_to_string(format!("/proc/self/{kind}_map")).unwrap_or_default();
    map.lines().any(|line| {
        let numbers: Vec<u32> = line.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        matches!(numbers[..], [inside, _, count] if id.checked_sub(inside).is_some_and(|at| at < count))
    })
}

fn resource(kind: PosixRlimitType) -> Resource {
    match kind {
        PosixRlimitType::RlimitCpu => Resource::Cpu,
        PosixRlimitType::RlimitFsize => Resource::Fsize,
        PosixRlimitType::RlimitData => Resource::Data,
        PosixRlimitType::RlimitStack => Resource::Stack,
        PosixRlimitType::RlimitCore => Resource::Core,
        PosixRlimitType::RlimitRss => Resource::Rss,
        PosixRlimitType::RlimitNproc => Resource::Nproc,
        PosixRlimitType::RlimitNofile => Resource::Nofile,
        PosixRlimitType::RlimitMemlock => Resource::Memlock,
        PosixRlimitType::RlimitAs => Resource::As,
        PosixRlimitType::RlimitLocks => Resource::Locks,
        PosixRlimitType::RlimitSigpending => Resource::Sigpending,
        PosixRlimitType::RlimitMsgqueue => Resource::Msgqueue,
        PosixRlimitType::RlimitNice => Resource::Nice,
        PosixRlimitType::RlimitRtprio => Resource::Rtprio,
        PosixRlimitType::RlimitRttime => Resource::Rttime,
    }
}

/// The strings of a program, as the kernel takes them.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    /// What PATH is, if `name` is to be looked up there.
    path: Option<String>,
    candidates: Vec<CString>,
    args: Vec<CString>,
    env: Vec<CString>,
}

impl Program {
    /// Takes the program out of a specification. Fails on NUL characters.
    pub(crate) fn new(process: &Process) -> Result<Program, SetupError> {
        let strings = |what: &str, strings: &Option<Vec<String>>| {
            let convert = |s: &String| {
                CString::new(s.as_str()).map_err(|_| SetupError::Nul {
                    what: what.to_owned(),
                })
            };
            strings
                .iter()
                .flatten()
                .map(convert)
                .collect::<Result<Vec<_>, _>>()
        };
        let args = strings("an argument", process.args())?;
        let env = strings("an environment variable", process.env())?;
        let name = process
            .args()
            .iter()
            .flatten()
            .next()
            .cloned()
            .unwrap_or_default();
        let path = if name.contains('/') {
            None
        } else {
            let mut variables = process.env().iter().flatten();
            Some(
                variables
                    .find_map(|v| v.strip_prefix("PATH="))
                    .unwrap_or(DEFAULT_PATH)
                    .to_owned(),
            )
        };
        let candidates = match &path {
            None => vec![name.clone()],
            Some(path) => path
                .split(':')
                .filter(|_| !name.is_empty())
                .map(|dir| format!("{}/{name}", if dir.is_empty() { "." } else { dir }))
                .collect(),
        };
        let candidates = candidates
            .into_iter()
            .filter_map(|c| CString::new(c).ok())
            .collect();
        Ok(Program {
            name,
            path,
            candidates,
            args,
            env,
        })
    }

    /// Becomes the program. Returns only when that fails, with the reason.
    pub(crate) fn execute(&self) -> ProgramError {
        let program = || self.name.clone();
        let mut best = match &self.path {
            Some(path) => ProgramError::NotInPath {
                program: program(),
                path: path.clone(),
            },
            None => ProgramError::NotFound { program: program() },
        };
        for candidate in &self.candidates {
            let error = sys::execve(candidate, &self.args, &self.env);
            match error.raw_os_error() {
                Some(libc::ENOENT) if rustix::fs::stat(candidate.as_c_str()).is_ok() => {
                    return ProgramError::InterpreterNotFound { program: program() };
                }
                Some(libc::ENOENT | libc::ENOTDIR) => {}
                // A later directory may have one that can be executed.
                Some(libc::EACCES) => {
                    best = ProgramError::Other {
                        program: program(),
                        source: error.into(),
                    }
                }
                Some(libc::ENOEXEC) => return ProgramError::Format { program: program() },
                _ => {
                    return ProgramError::Other {
                        program: program(),
                        source: error.into(),
                    };
                }
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::ProcessBuilder;

    fn program(args: &[&str], env: &[&str]) -> Result<Program, SetupError> {
        let owned = |s: &[&str]| s.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        Program::new(
            &ProcessBuilder::default()
                .args(owned(args))
                .env(owned(env))
                .cwd("/")
                .build()
                .unwrap(),
        )
    }

    fn candidates(program: &Program) -> Vec<&str> {
        program.candidates.iter().map(|c| c.to_str().unwrap()).collect()
    }

    #[test]
    fn programs_are_looked_up_in_the_containers_path() {
        let found = program(&["cc", "-c"], &["A=b", "PATH=/x::/y"]).unwrap();
        assert_eq!(candidates(&found), ["/x/cc", "./cc", "/y/cc"]);
        assert_eq!(candidates(&program(&["./cc"], &["PATH=/x"]).unwrap()), ["./cc"]);
        assert_eq!(
            candidates(&program(&[""], &["PATH=/x"]).unwrap()),
            [] as [&str; 0]
        );
        assert_eq!(candidates(&program(&["a"], &[]).unwrap()).len(), 6);
    }

    #[test]
    fn what_cannot_be_executed_is_said() {
        let missing = program(&["surely-not-there"], &["PATH=/nowhere:/etc"])
            .unwrap()
            .execute();
        assert_eq!(
            missing.to_string(),
            "executable `surely-not-there` not found in PATH (/nowhere:/etc)"
        );
        let denied = program(&["passwd"], &["PATH=/nowhere:/etc"]).unwrap().execute();
        assert!(matches!(denied, ProgramError::Other { source, .. } if source.0 == libc::EACCES));
        assert!(matches!(
            program(&["/nowhere/x"], &[]).unwrap().execute(),
            ProgramError::NotFound { .. }
        ));
        assert!(program(&["a\0b"], &[]).is_err());
    }
}
