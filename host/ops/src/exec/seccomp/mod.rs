//! The default seccomp profile: which system calls a process with given capabilities may use, as Docker has
//! it, and the profile as the OCI runtime specification writes it. Pure. Knows nothing of how a filter is
//! loaded.

mod filter;
mod hold;
mod syscalls;

use oci_spec::OciSpecError;
use oci_spec::runtime::{
    Arch, Capability, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder,
    LinuxSeccompBuilder, LinuxSeccompOperator, LinuxSyscallBuilder,
};

pub(crate) use filter::compile;
pub(crate) use hold::hold_network_calls;
use syscalls::{Abi, CLONE, CLONE3, PERSONALITY, SOCKET, SYSCALLS, SyscallRow};

/// What a filter says of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Allow,
    /// The call fails with this error number.
    Errno(u32),
    /// Allowed where one of the conditions holds for the first argument, else `EPERM`.
    FirstArgument(&'static [Condition]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Below(u32),
    Equal(u32),
    /// None of these bits is set. Bits above the 32nd are not looked at.
    NoneOf(u32),
}

use Condition::{Below, Equal, NoneOf};

/// Address families. Left out are those that have been ways into the kernel and that no build needs, such as
/// `AF_ALG` (38) and
/// `AF_VSOCK` (40).
const SOCKET_FAMILIES: &[Condition] = &[
    Below(12),
    Equal(13),
    Equal(14),
    Equal(15),
    Equal(16),
    Equal(17),
    Equal(18),
    Equal(21),
    Equal(22),
    Equal(24),
    Equal(26),
    Equal(27),
    Equal(28),
    Equal(29),
    Equal(30),
    Equal(31),
    Equal(32),
    Equal(33),
    Equal(35),
    Equal(36),
    Equal(39),
    Equal(41),
    Equal(42),
    Equal(43),
    Equal(44),
    Equal(45),
];

/// Linux, 32-bit Linux, both with `UNAME26`, and the question what it is.
const PERSONALITIES: &[Condition] = &[
    Equal(0),
    Equal(8),
    Equal(0x20000),
    Equal(0x20008),
    Equal(u32::MAX),
];

/// `CLONE_NEWNS`, `NEWCGROUP`, `NEWUTS`, `NEWIPC`, `NEWUSER`, `NEWPID` and `NEWNET`.
const NO_NAMESPACES: &[Condition] = &[NoneOf(0x7E02_0000)];

/// Every call that is not answered with `EPERM`, and how.
fn rules(capabilities: &[Capability]) -> impl Iterator<Item = (&'static SyscallRow, Verdict)> {
    let has = |c: &Capability| capabilities.contains(c);
    let allowed: Vec<_> = SYSCALLS
        .iter()
        .filter(|row| row.capabilities.is_empty() || row.capabilities.iter().any(has))
        .map(|row| (row, Verdict::Allow))
        .collect();
    let admin = has(&Capability::SysAdmin);
    allowed.into_iter().chain([
        (&SOCKET, Verdict::FirstArgument(SOCKET_FAMILIES)),
        (&PERSONALITY, Verdict::FirstArgument(PERSONALITIES)),
        (
            &CLONE,
            if admin {
                Verdict::Allow
            } else {
                Verdict::FirstArgument(NO_NAMESPACES)
            },
        ),
        (
            &CLONE3,
            if admin {
                Verdict::Allow
            } else {
                Verdict::Errno(libc::ENOSYS as u32)
            },
        ),
    ])
}

/// The ABIs that this machine's kernel runs, its own first. Empty: there is no table for this machine.
fn native_abis() -> &'static [Abi] {
    if cfg!(target_arch = "x86_64") {
        &[Abi::X86_64, Abi::X86]
    } else if cfg!(target_arch = "aarch64") {
        &[Abi::Aarch64, Abi::Arm]
    } else if cfg!(target_arch = "riscv64") {
        &[Abi::Riscv64]
    } else {
        &[]
    }
}

/// The profile in the form of the OCI runtime specification (config-linux.md, "Seccomp"). None: there is no
/// table for this machine's architecture.
pub(crate) fn oci_profile(capabilities: &[Capability]) -> Result<Option<LinuxSeccomp>, OciSpecError> {
    let architectures = match native_abis().first() {
        Some(Abi::X86_64) => vec![Arch::ScmpArchX86_64, Arch::ScmpArchX86],
        Some(Abi::Aarch64) => vec![Arch::ScmpArchAarch64, Arch::ScmpArchArm],
        Some(Abi::Riscv64) => vec![Arch::ScmpArchRiscv64],
        _ => return Ok(None),
    };
    let entry = |names: Vec<String>, action, errno: Option<u32>, arg: Option<LinuxSeccompArg>| {
        let mut builder = LinuxSyscallBuilder::default().names(names).action(action);
        if let Some(errno) = errno {
            builder = builder.errno_ret(errno);
        }
        if let Some(arg) = arg {
            builder = builder.args(vec![arg]);
        }
        builder.build()
    };
    let mut plain = Vec::new();
    let mut entries = Vec::new();
    for (row, verdict) in rules(capabilities) {
        match verdict {
            Verdict::Allow => plain.push(row.name.to_owned()),
            Verdict::Errno(errno) => entries.push(entry(
                vec![row.name.to_owned()],
                LinuxSeccompAction::ScmpActErrno,
                Some(errno),
                None,
            )?),
            Verdict::FirstArgument(conditions) => {
                for condition in conditions {
                    let arg = Some(oci_condition(*condition)?);
                    entries.push(entry(
                        vec![row.name.to_owned()],
                        LinuxSeccompAction::ScmpActAllow,
                        None,
                        arg,
                    )?);
                }
            }
        }
    }
    entries.insert(0, entry(plain, LinuxSeccompAction::ScmpActAllow, None, None)?);
    LinuxSeccompBuilder::default()
        .default_action(LinuxSeccompAction::ScmpActErrno)
        .default_errno_ret(libc::EPERM as u32)
        .architectures(architectures)
        .syscalls(entries)
        .build()
        .map(Some)
}

fn oci_condition(condition: Condition) -> Result<LinuxSeccompArg, OciSpecError> {
    let builder = LinuxSeccompArgBuilder::default().index(0usize);
    match condition {
        Below(limit) => builder.value(limit).op(LinuxSeccompOperator::ScmpCmpLt),
        Equal(value) => builder.value(value).op(LinuxSeccompOperator::ScmpCmpEq),
        NoneOf(bits) => builder
            .value(bits)
            .value_two(0u64)
            .op(LinuxSeccompOperator::ScmpCmpMaskedEq),
    }
    .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::capabilities::DEFAULT_CAPABILITIES;

    #[test]
    fn no_call_is_listed_twice() {
        let mut names: Vec<_> = SYSCALLS.iter().map(|r| r.name).collect();
        names.extend([SOCKET.name, PERSONALITY.name, CLONE.name, CLONE3.name]);
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for abi in [Abi::X86_64, Abi::X86, Abi::Aarch64, Abi::Arm, Abi::Riscv64] {
            let mut numbers: Vec<_> = SYSCALLS.iter().filter_map(|r| r.number(abi)).collect();
            let count = numbers.len();
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers.len(), count, "two calls of one number on {abi:?}");
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_numbers_are_the_c_librarys() {
        let number = |name| {
            SYSCALLS
                .iter()
                .find(|r| r.name == name)
                .unwrap()
                .number(Abi::X86_64)
                .map(i64::from)
        };
        assert_eq!(number("openat2"), Some(libc::SYS_openat2));
        assert_eq!(number("mount"), Some(libc::SYS_mount));
        assert_eq!(number("execveat"), Some(libc::SYS_execveat));
        assert_eq!(number("chown32"), None);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_profile_for_other_runtimes_says_the_same() {
        let profile = oci_profile(DEFAULT_CAPABILITIES).unwrap().unwrap();
        let entries = profile.syscalls().clone().unwrap();
        let allowed = entries[0].names();
        assert!(
            allowed.contains(&"chroot".to_owned()),
            "CAP_SYS_CHROOT is one of the defaults"
        );
        assert!(!allowed.iter().any(|n| ["mount", "bpf", "keyctl", "ptrace_x", "init_module", "clone"].contains(&n.as_str())));
        assert_eq!(
            entries.iter().filter(|e| e.names() == &["socket"]).count(),
            SOCKET_FAMILIES.len()
        );
        let clone3 = entries.iter().find(|e| e.names() == &["clone3"]).unwrap();
        assert_eq!(
            (clone3.action(), clone3.errno_ret()),
            (LinuxSeccompAction::ScmpActErrno, Some(38))
        );
    }
}
