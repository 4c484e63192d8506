//! System calls that reach beyond the container: mounts, namespaces, keys, the clock, the kernel itself.

use super::{answer, probing, refused};
use crate::needs_probe;

/// Calls that are to be answered with an error, each a test.
macro_rules! refused_calls {
    ($($(#[$note:meta])* $name:ident: $number:ident ( $($argument:expr),* ) => $error:literal;)*) => { $(
        $(#[$note])*
        #[test]
        fn $name() {
            needs_probe!();
            let number = libc::$number.to_string();
            refused($error, &["call", number.as_str(), $($argument),*]);
        }
    )* };
}

/// `AT_FDCWD`.
const HERE: &str = "-100";
/// One page, or more than any structure of a call has.
const ZEROS: &str = "z:4096";

refused_calls! {
    // Mounts. The flags are MS_BIND (4096), MS_REMOUNT|MS_BIND (4128) and MS_PRIVATE (262144).
    a_new_file_system_cannot_be_mounted: SYS_mount("s:none", "s:/tmp", "s:tmpfs", "0", "0") => "EPERM";
    a_cgroup_file_system_cannot_be_mounted: SYS_mount("s:none", "s:/tmp", "s:cgroup", "0", "s:memory") => "EPERM";
    proc_cannot_be_mounted_anew: SYS_mount("s:none", "s:/tmp", "s:proc", "0", "0") => "EPERM";
    a_directory_cannot_be_bound_elsewhere: SYS_mount("s:/proc/sys", "s:/tmp", "s:", "4096", "0") => "EPERM";
    a_mount_cannot_be_made_writable: SYS_mount("s:none", "s:/sys", "s:", "4128", "0") => "EPERM";
    propagation_cannot_be_changed: SYS_mount("s:none", "s:/", "s:", "262144", "0") => "EPERM";
    a_protection_cannot_be_unmounted: SYS_umount2("s:/proc/sys", "2") => "EPERM";
    hosts_cannot_be_unmounted: SYS_umount2("s:/etc/hosts", "0") => "EPERM";
    the_root_cannot_be_exchanged: SYS_pivot_root("s:/tmp", "s:/tmp") => "EPERM";
    fsopen_is_refused: SYS_fsopen("s:tmpfs", "0") => "EPERM";
    fspick_is_refused: SYS_fspick(HERE, "s:/sys", "0") => "EPERM";
    open_tree_is_refused: SYS_open_tree(HERE, "s:/proc/sys", "1") => "EPERM";
    move_mount_is_refused: SYS_move_mount("f:/proc", "s:", HERE, "s:/tmp", "4") => "EPERM";
    mount_setattr_is_refused: SYS_mount_setattr(HERE, "s:/sys", "0", ZEROS, "32") => "EPERM";

    // Namespaces: a new user namespace would give every capability in it, and with them most of the kernel's doors.
    a_user_namespace_cannot_be_made: SYS_unshare("0x10000000") => "EPERM";
    a_mount_namespace_cannot_be_made: SYS_unshare("0x00020000") => "EPERM";
    a_network_namespace_cannot_be_made: SYS_unshare("0x40000000") => "EPERM";
    a_pid_namespace_cannot_be_made: SYS_unshare("0x20000000") => "EPERM";
    /// With ENOSYS the C library takes the older call, whose flags a filter can see.
    clone3_is_said_not_to_exist: SYS_clone3(ZEROS, "64") => "ENOSYS";
    a_namespace_cannot_be_entered: SYS_setns("f:/proc/self/ns/mnt", "0") => "EPERM";
    the_own_user_namespace_cannot_be_entered_anew: SYS_setns("f:/proc/self/ns/user", "0") => "EPERM";
    the_host_name_cannot_be_changed: SYS_sethostname("s:other", "5") => "EPERM";

    // Files by number instead of by name: the way that CVE-2014-3519 went ("shocker").
    a_file_cannot_be_opened_by_its_handle: SYS_open_by_handle_at(HERE, ZEROS, "0") => "EPERM";

    // Keys are not in a namespace: root's in the container are root's on the machine.
    keys_cannot_be_read: SYS_keyctl("11", "-4", ZEROS, "16") => "EPERM";
    keys_cannot_be_added: SYS_add_key("s:user", "s:lapstrake", "s:x", "1", "-3") => "EPERM";
    keys_cannot_be_requested: SYS_request_key("s:user", "s:lapstrake", "0", "-3") => "EPERM";

    // Large parts of the kernel that were ways out again and again.
    bpf_is_refused: SYS_bpf("0", ZEROS, "128") => "EPERM";
    perf_events_are_refused: SYS_perf_event_open(ZEROS, "0", "-1", "-1", "0") => "EPERM";
    userfaultfd_is_refused: SYS_userfaultfd("0") => "EPERM";
    io_uring_is_refused: SYS_io_uring_setup("1", ZEROS) => "EPERM";
    io_uring_cannot_be_entered: SYS_io_uring_enter("0", "0", "0", "0", "0") => "EPERM";

    // The machine.
    a_kernel_cannot_be_loaded: SYS_kexec_load("0", "0", "0", "0xffff") => "EPERM";
    a_kernel_file_cannot_be_loaded: SYS_kexec_file_load("-1", "-1", "0", "s:", "0xffff") => "EPERM";
    a_module_cannot_be_loaded: SYS_init_module(ZEROS, "1", "s:") => "EPERM";
    a_module_file_cannot_be_loaded: SYS_finit_module("f:/probe", "s:", "0") => "EPERM";
    a_module_cannot_be_removed: SYS_delete_module("s:lapstrake_none", "0") => "EPERM";
    the_machine_cannot_be_rebooted: SYS_reboot("0", "0", "0", "0") => "EPERM";
    swap_cannot_be_switched_on: SYS_swapon("s:/lapstrake-none", "0") => "EPERM";
    swap_cannot_be_switched_off: SYS_swapoff("s:/lapstrake-none") => "EPERM";
    quotas_cannot_be_set: SYS_quotactl("0x80000200", "s:/lapstrake-none", "0", "0") => "EPERM";
    accounting_cannot_be_switched: SYS_acct("s:/lapstrake-none") => "EPERM";
    the_time_cannot_be_set: SYS_settimeofday("0", "0") => "EPERM";
    the_clock_cannot_be_set: SYS_clock_settime("0", "0") => "EPERM";
    // ADJ_TICK, to a value that no clock takes.
    the_clock_cannot_be_tuned: SYS_clock_adjtime("0", "m:0x4000") => "EPERM";
    the_kernels_log_cannot_be_read: SYS_syslog("3", ZEROS, "16") => "EPERM";
}

#[cfg(target_arch = "x86_64")]
refused_calls! {
    input_and_output_ports_cannot_be_opened: SYS_iopl("3") => "EPERM";
    single_ports_cannot_be_opened: SYS_ioperm("0x80", "1", "1") => "EPERM";
    a_library_cannot_be_loaded_by_the_kernel: SYS_uselib("s:/probe") => "EPERM";
}

#[test]
fn the_personality_cannot_be_changed_to_one_without_address_randomisation() {
    needs_probe!();
    let number = libc::SYS_personality.to_string();
    // ADDR_NO_RANDOMIZE.
    refused("EPERM", &["call", &number, "0x0040000"]);
    // READ_IMPLIES_EXEC.
    refused("EPERM", &["call", &number, "0x0400000"]);
    assert_eq!(answer(probing(&["call", &number, "0"])), "ok", "Linux's own");
}

#[test]
fn a_call_that_is_newer_than_the_filter_is_said_not_to_exist() {
    needs_probe!();
    assert_eq!(answer(probing(&["call", "5000"])), "ENOSYS");
}

/// Nothing is given by it: a handle cannot be opened.
#[test]
fn a_handle_of_a_file_says_nothing() {
    needs_probe!();
    let number = libc::SYS_name_to_handle_at.to_string();
    let said = answer(probing(&[
        "call", &number, "-100", "s:/probe", "z:256", "z:8", "0",
    ]));
    assert_ne!(said, "ok", "without room for the handle");
}
