//! System calls that no safe wrapper exists for, each behind a safe function of the least extent.
//! The only file of the crate with `unsafe`. Knows nothing of containers.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_long};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// Attributes of a mount, `MOUNT_ATTR_*` of mount_setattr(2).
pub(crate) mod mount_attr {
    pub(crate) const READ_ONLY: u64 = 0x01;
    pub(crate) const NO_SUID: u64 = 0x02;
    pub(crate) const NO_DEV: u64 = 0x04;
    pub(crate) const NO_EXEC: u64 = 0x08;
    pub(crate) const STRICT_ATIME: u64 = 0x20;
}

/// What [`clone_process`] returned in.
pub(crate) enum Cloned {
    /// In the caller: the new process.
    Parent { pid: Pid, pidfd: OwnedFd },
    /// In the new process.
    Child,
}

/// clone3(2) without shared memory, like fork(2), in new namespaces (`CLONE_NEW*`), and in the cgroup of
/// version 2 that
/// `cgroup` is open on.
///
/// The caller MUST have only one thread, or the child MUST do nothing but exec: the other threads' locks stay
/// locked.
pub(crate) fn clone_process(namespaces: UnshareFlags, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Cloned> {
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let mut pidfd: c_int = -1;
    let mut args = CloneArgs {
        flags: u64::from(namespaces.bits()) | libc::CLONE_PIDFD as u64,
        pidfd: &raw mut pidfd as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: `args` is a valid clone_args of the size given; without CLONE_VM and with no stack the child
    // goes on with a copy of this stack, as after fork. The kernel writes one descriptor to `pidfd`, which
    // nobody else owns.
    unsafe {
        match libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) {
            -1 => Err(io::Error::last_os_error()),
            0 => Ok(Cloned::Child),
            pid => match Pid::from_raw(pid as i32) {
                Some(pid) => Ok(Cloned::Parent {
                    pid,
                    pidfd: OwnedFd::from_raw_fd(pidfd),
                }),
                None => Err(io::ErrorKind::InvalidData.into()),
            },
        }
    }
}

/// `struct clone_args` of linux/sched.h, as of Linux 5.7.
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Ends the process at once: no destructors, no handlers, nothing flushed. For a child that shares its
/// parent's memory image.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` takes any number and does not return.
    unsafe { libc::_exit(code) }
}

/// unshare(2). `flags` MUST be namespaces: no `FILES`.
pub(crate) fn unshare_namespaces(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: only `CLONE_FILES` is dangerous, and it is taken out.
    unsafe { rustix::thread::unshare_unsafe(flags.difference(UnshareFlags::FILES)) }?;
    Ok(())
}

/// execve(2). Returns only when it failed.
pub(crate) fn execve(program: &CStr, args: &[CString], env: &[CString]) -> io::Error {
    let argv = pointers(args);
    let envp = pointers(env);
    // SAFETY: both arrays end with null and point to strings that live as long as the call.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    io::Error::last_os_error()
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings
        .iter()
        .map(|s| s.as_ptr())
        .chain([std::ptr::null()])
        .collect()
}

/// dup2(2) to one of the descriptors 0, 1 and 2.
pub(crate) fn replace_stdio(fd: BorrowedFd<'_>, target: u8) -> io::Result<()> {
    if target > 2 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: the standard descriptors are owned by nobody in this program, so replacing one breaks no owner.
    match unsafe { libc::dup2(fd.as_raw_fd(), c_int::from(target)) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Closes every descriptor but 0, 1, 2 and `kept`. What else owns one MUST not be used or dropped any more.
///
/// Closing at exec is not enough: the kernel looks the program and its interpreter up before, so that with a path of
/// `/proc/self/fd/N/..` they could be any file that can be reached from an open directory.
pub(crate) fn close_others(kept: BorrowedFd<'_>) -> io::Result<()> {
    let kept = c_long::from(kept.as_raw_fd());
    let close = |first: c_long, last: c_long| {
        if first > last {
            return Ok(());
        }
        // SAFETY: the caller answers for the owners of the descriptors.
        check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0 as c_long) })
    };
    close(3, kept - 1)?;
    close(kept.max(2) + 1, c_long::from(u32::MAX))
}

/// Gives every signal its default action and blocks none. What is ignored or blocked would stay so over exec.
pub(crate) fn reset_signals() {
    // `struct sigaction` of the kernel is shorter than this on every architecture; all zero is the default action.
    let default = [0u64; 8];
    // SAFETY: default actions call no code of ours; a signal whose action cannot be changed only makes the
    // call fail. The call is made directly because the C library keeps two signals for itself, which may be
    // ignored by whoever started this process.
    unsafe {
        for signal in 1..65 as c_long {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                std::ptr::null::<u64>(),
                8 as c_long,
            );
        }
        let mut none = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// mount_setattr(2) on what `fd` names: sets `set`, clears nothing. `recursive`: also on all mounts below.
pub(crate) fn set_mount_attributes(fd: impl AsFd, set: u64, recursive: bool) -> io::Result<()> {
    let attributes: [u64; 4] = [set, 0, 0, 0];
    let flags = libc::AT_EMPTY_PATH
        | if recursive {
            0x8000 /* AT_RECURSIVE */
        } else {
            0
        };
    // SAFETY: the array has the layout of `struct mount_attr`: four u64; the path is an empty C string.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
            attributes.as_ptr(),
            size_of_val(&attributes),
        )
    })
}

/// `struct sock_filter`: one instruction of classic BPF.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SockFilter {
    pub(crate) code: u16,
    pub(crate) jt: u8,
    pub(crate) jf: u8,
    pub(crate) k: u32,
}

/// seccomp(2), `SECCOMP_SET_MODE_FILTER`: from here on the process and its children may call only what
/// `program` allows.
pub(crate) fn install_seccomp(program: &[SockFilter]) -> io::Result<()> {
    load_filter(program, 0).map(drop)
}

/// The same, for a program that holds calls (`SECCOMP_RET_USER_NOTIF`): gives what they are heard of by.
/// Fails where somebody listens to this process already, and on old kernels.
pub(crate) fn install_seccomp_listener(program: &[SockFilter]) -> io::Result<OwnedFd> {
    const NEW_LISTENER: c_long = 1 << 3;
    // A call that somebody has heard of is not interrupted by signals but deadly ones. Since Linux 5.19.
    const WAIT_KILLABLE: c_long = 1 << 5;
    let descriptor = match load_filter(program, NEW_LISTENER | WAIT_KILLABLE) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => load_filter(program, NEW_LISTENER)?,
        other => other?,
    };
    // SAFETY: with this flag the call returns a new descriptor, which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor as c_int) })
}

fn load_filter(program: &[SockFilter], flags: c_long) -> io::Result<c_long> {
    #[repr(C)]
    struct SockFprog {
        len: u16,
        filter: *const SockFilter,
    }
    const SECCOMP_SET_MODE_FILTER: c_long = 1;
    let len = u16::try_from(program.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let prog = SockFprog {
        len,
        filter: program.as_ptr(),
    };
    // SAFETY: `prog` is a valid sock_fprog for the time of the call; the kernel copies and checks the
    // program.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &raw const prog) };
    check(result).map(|()| result)
}

/// Takes the next call that a filter holds. None: whoever made it is gone.
pub(crate) fn next_held_call(listener: BorrowedFd<'_>) -> io::Result<Option<u64>> {
    // SECCOMP_IOCTL_NOTIF_RECV: for a `struct seccomp_notif` of 80 bytes, whose first field is the id.
    const RECEIVE: u64 = 0xC050_2100;
    let mut notification = [0u64; 32];
    // SAFETY: the buffer is all zero, as it has to be, aligned, and longer than what the kernel writes.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), RECEIVE as _, notification.as_mut_ptr()) };
    match check(result.into()) {
        Ok(()) => Ok(Some(notification[0])),
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINTR)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Lets a held call go on.
pub(crate) fn let_go_on(listener: BorrowedFd<'_>, call: u64) -> io::Result<()> {
    // SECCOMP_IOCTL_NOTIF_SEND, for a `struct seccomp_notif_resp`: id, result, error, flags.
    const SEND: u64 = 0xC018_2101;
    #[repr(C)]
    struct Answer {
        id: u64,
        result: i64,
        error: i32,
        flags: u32,
    }
    const CONTINUE: u32 = 1;
    let answer = Answer {
        id: call,
        result: 0,
        error: 0,
        flags: CONTINUE,
    };
    // SAFETY: the kernel reads the structure and keeps nothing.
    check(unsafe { libc::ioctl(listener.as_raw_fd(), SEND as _, &raw const answer) }.into())
}

/// Leaves the session keyring of the caller for a new, empty one, so that keys of the user are out of reach.
pub(crate) fn new_session_keyring() -> io::Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: c_long = 1;
    // SAFETY: the name is a C string; nothing else is passed.
    check(unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            KEYCTL_JOIN_SESSION_KEYRING,
            c"lapstrake".as_ptr(),
        )
    })
}

/// Switches the loopback interface of the network namespace on.
pub(crate) fn loopback_up() -> io::Result<()> {
    // SAFETY: `ifreq` is zeroed and has the interface's name; SIOCSIFFLAGS reads it and keeps nothing. The
    // socket is new and owned here.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        if socket < 0 {
            return Err(io::Error::last_os_error());
        }
        let socket = OwnedFd::from_raw_fd(socket);
        let mut request = std::mem::zeroed::<libc::ifreq>();
        request.ifr_name[0] = b'l' as c_char;
        request.ifr_name[1] = b'o' as c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request).into())
    }
}

/// Loads a program of type `BPF_PROG_TYPE_CGROUP_DEVICE` and attaches it to the cgroup (version 2) that
/// `cgroup` is open on. It lives as long as the cgroup.
pub(crate) fn attach_device_program(cgroup: BorrowedFd<'_>, instructions: &[u64]) -> io::Result<()> {
    const BPF_PROG_ATTACH: c_long = 8;
    const BPF_PROG_LOAD: c_long = 5;
    const TYPE_CGROUP_DEVICE: u32 = 15;
    const ATTACH_CGROUP_DEVICE: u32 = 6;
    const ALLOW_MULTI: u32 = 2;
    #[repr(C)]
    struct Load {
        prog_type: u32,
        insn_cnt: u32,
        insns: u64,
        license: u64,
        log_level: u32,
        log_size: u32,
        log_buf: u64,
        kern_version: u32,
        prog_flags: u32,
    }
    #[repr(C)]
    struct Attach {
        target_fd: u32,
        attach_bpf_fd: u32,
        attach_type: u32,
        attach_flags: u32,
    }
    let load = Load {
        prog_type: TYPE_CGROUP_DEVICE,
        insn_cnt: instructions.len() as u32,
        insns: instructions.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buf: 0,
        kern_version: 0,
        prog_flags: 0,
    };
    // SAFETY: both structures are prefixes of `union bpf_attr` for their commands, with the sizes given;
    // pointers in them live as long as the calls. The kernel verifies the program. The returned descriptor is
    // new and owned here.
    unsafe {
        let fd = libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, &raw const load, size_of::<Load>());
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let program = OwnedFd::from_raw_fd(fd as i32);
        let attach = Attach {
            target_fd: cgroup.as_raw_fd() as u32,
            attach_bpf_fd: program.as_raw_fd() as u32,
            attach_type: ATTACH_CGROUP_DEVICE,
            attach_flags: ALLOW_MULTI,
        };
        check(libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_ATTACH,
            &raw const attach,
            size_of::<Attach>(),
        ))
    }
}

fn check(result: c_long) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
