//! The kernel's files: what Docker masks and protects in /proc and /sys, and cgroups.

use lapstrake_llb::SecurityMode;

use super::{answer, probing, refused};
use crate::support::Step;
use crate::{needs_containers, needs_probe};

/// Where a container may not write, with what would be harmless to write.
macro_rules! protected {
    ($($name:ident: $path:literal, $text:literal;)*) => { $(
        #[test]
        fn $name() {
            needs_probe!();
            if !std::path::Path::new($path).exists() {
                return println!("skipped: this kernel has no {}", $path);
            }
            refused("EROFS", &["open", $path, "w"]);
            let said = answer(probing(&["write", $path, $text]));
            assert_eq!(said, "EROFS");
        }
    )* };
}

protected! {
    the_program_for_core_dumps_cannot_be_set: "/proc/sys/kernel/core_pattern", "|/probe";
    the_program_that_loads_modules_cannot_be_set: "/proc/sys/kernel/modprobe", "/probe";
    the_program_for_hotplug_cannot_be_set: "/sys/kernel/uevent_helper", "/probe";
    binary_formats_cannot_be_registered: "/proc/sys/fs/binfmt_misc/register", "x";
    the_magic_key_cannot_be_pressed: "/proc/sysrq-trigger", "h";
    panics_cannot_be_configured: "/proc/sys/kernel/panic_on_oops", "0";
    caches_cannot_be_dropped: "/proc/sys/vm/drop_caches", "0";
    interrupts_cannot_be_moved: "/proc/irq/default_smp_affinity", "1";
    the_machine_cannot_be_put_to_sleep: "/sys/power/state", "x";
    a_processor_cannot_be_switched_off: "/sys/devices/system/cpu/cpu1/online", "1";
}

#[test]
fn nothing_at_all_below_proc_sys_can_be_written() {
    needs_containers!();
    let script = "find /proc/sys /proc/irq /proc/bus /proc/fs /sys -type f 2>/dev/null | while read f; do
            case $(dd if=/dev/null of=$f bs=1 count=0 conv=notrunc 2>&1 | tail -1) in
                *Read-only*|*denied*|*'not permitted'*|*'No such'*) ;; *) echo writable $f;; esac; done | head -5
        find /proc/sys -type f | wc -l";
    let ran = Step::sh(script).succeed();
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 1, "{}", ran.stdout);
    assert!(
        lines[0].parse::<u32>().unwrap() > 100,
        "there was something to try"
    );
}

/// What a container may not read: nothing comes out of it, whether or not it can be opened.
macro_rules! masked {
    ($($name:ident: $path:literal;)*) => { $(
        #[test]
        fn $name() {
            needs_probe!();
            if std::fs::metadata($path).is_err() {
                return println!("skipped: this kernel has no {}", $path);
            }
            let said = answer(probing(&["read", $path]));
            assert!(said == "ok" || said == "EACCES" || said == "EISDIR", "{said}");
            let listed = Step::new(&["find", $path, "-mindepth", "1"]).run().stdout;
            assert_eq!(listed, "", "a masked directory is empty");
            let stat = Step::new(&["stat", "-f", "-c", "%T", $path]).succeed().stdout;
            assert_eq!(stat, "tmpfs\n", "something else is in front of it");
        }
    )* };
}

masked! {
    memory_as_a_file_is_hidden: "/proc/kcore";
    the_list_of_keys_is_hidden: "/proc/keys";
    the_list_of_timers_is_hidden: "/proc/timer_list";
    the_list_of_interrupts_is_hidden: "/proc/interrupts";
    the_schedulers_state_is_hidden: "/proc/sched_debug";
    acpi_is_hidden: "/proc/acpi";
    scsi_is_hidden: "/proc/scsi";
    firmware_is_hidden: "/sys/firmware";
    the_power_meter_is_hidden: "/sys/devices/virtual/powercap";
}

#[test]
fn a_mask_is_on_the_way_to_what_it_hides_by_any_path() {
    needs_probe!();
    for path in ["/proc/self/../kcore", "/proc/1/root/proc/kcore", "/dev/core"] {
        let said = answer(probing(&["read", path]));
        // A kernel may have none.
        assert!(
            said == "ok" || said == "EACCES" || said == "ENOENT",
            "{path}: {said}"
        );
    }
    for path in [
        "/proc/1/root/proc/sys/vm/drop_caches",
        "/proc/self/cwd/proc/sys/vm/drop_caches",
        "/proc/thread-self/root/proc/irq/default_smp_affinity",
    ] {
        assert_eq!(answer(probing(&["open", path, "w"])), "EROFS", "{path}");
    }
}

#[test]
fn no_cgroup_can_be_changed_from_inside() {
    needs_containers!();
    let script = "grep -E ' cgroup2? ' /proc/self/mountinfo | grep -v ' ro,'
        for name in release_agent notify_on_release devices.allow cgroup.procs tasks memory.max cgroup.subtree_control; do
            find /sys/fs/cgroup -name $name 2>/dev/null | while read f; do
                ( : >> $f ) 2>/dev/null && echo writable $f; done; done
        mkdir /sys/fs/cgroup/x 2>/dev/null && echo made; echo end";
    assert_eq!(Step::sh(script).succeed().stdout, "end\n");
}

#[test]
fn the_cgroup_is_seen_as_the_root_of_all() {
    needs_containers!();
    let ran = Step::sh("cat /proc/self/cgroup").succeed();
    for line in ran.stdout.lines() {
        assert!(
            line.ends_with(":/"),
            "{line}: the names of the machine's cgroups are not told"
        );
    }
}

/// An image can bring mount targets of its own; those of the kernel stay protected.
#[test]
fn a_mount_of_the_build_does_not_lift_a_protection() {
    needs_probe!();
    use lapstrake_ops::exec::MountSource::Tmpfs;
    for target in ["/proc/sys/kernel", "/proc/irq", "/proc/bus"] {
        let step = probing(&["open", "/proc/sys/vm/drop_caches", "w"]);
        assert_eq!(
            answer(step.mount(target, false, Tmpfs { size: None })),
            "EROFS",
            "{target}"
        );
    }
    let step = probing(&["read", "/proc/timer_list"]);
    let said = answer(step.mount("/proc/irq", false, Tmpfs { size: None }));
    assert!(said == "ok" || said == "EACCES" || said == "ENOENT", "{said}");
}

#[test]
fn insecure_lifts_them() {
    needs_probe!();
    let insecure = |args: &[&str]| answer(probing(args).with(|r| r.op.security = SecurityMode::Insecure));
    assert_eq!(insecure(&["open", "/proc/sys/vm/drop_caches", "w"]), "ok");
    assert_eq!(insecure(&["open", "/proc/irq/default_smp_affinity", "w"]), "ok");
    assert!(insecure(&["read", "/proc/interrupts"]).starts_with("ok "));
}
