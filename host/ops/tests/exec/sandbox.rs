//! What a command must not be able to do, and what `security: insecure` opens.

use std::fs;
use std::os::unix::fs::MetadataExt;

use lapstrake_llb::{NetworkMode, SecurityMode};
use lapstrake_ops::exec::{DeviceControl, MountSource, Runner, Runtime, TreeWrites};

use crate::support::{Step, options};
use crate::{needs_containers, needs_probe};

fn status_field(step: Step, field: &str) -> String {
    let ran = step.succeed();
    let line = ran
        .stdout
        .lines()
        .find(|l| l.starts_with(&format!("{field}:")))
        .unwrap()
        .to_owned();
    line.split_whitespace().nth(1).unwrap().to_owned()
}

fn status() -> Step {
    Step::new(&["cat", "/proc/self/status"]).with(|r| r.op.network = NetworkMode::Host)
}

#[test]
fn privileges_are_dockers() {
    needs_containers!();
    for field in ["CapEff", "CapPrm", "CapBnd"] {
        assert_eq!(status_field(status(), field), "00000000a80425fb", "{field}");
    }
    for field in ["CapInh", "CapAmb"] {
        assert_eq!(status_field(status(), field), "0000000000000000", "{field}");
    }
    assert_eq!(status_field(status(), "Seccomp"), "2");
    assert_eq!(status_field(status(), "NoNewPrivs"), "1");
    let app = || status().with(|r| r.op.user = Some("app".into()));
    assert_eq!(status_field(app(), "CapEff"), "0000000000000000");
    assert_eq!(status_field(app(), "CapPrm"), "0000000000000000");
    assert_eq!(status_field(app(), "CapBnd"), "00000000a80425fb");
    let allowed = status().with(|r| r.no_new_privileges = false);
    assert_eq!(status_field(allowed, "NoNewPrivs"), "0");
    let filtered = app().with(|r| r.no_new_privileges = false);
    assert_eq!(status_field(filtered, "Seccomp"), "2", "also without");
}

#[test]
fn set_user_id_programs_are_without_effect() {
    needs_probe!();
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let program = dir.path().join("probe");
    fs::copy(crate::escape::probe().unwrap().join("probe"), &program).unwrap();
    rustix::fs::chmod(&program, rustix::fs::Mode::from_raw_mode(0o4755)).unwrap();
    let geteuid = libc::SYS_geteuid.to_string();
    let step = |no_new_privileges| {
        Step::new(&["/probe", "call", &geteuid]).with(|r| {
            r.root.lower.push(dir.path().to_owned());
            r.op.user = Some("app".into());
            r.no_new_privileges = no_new_privileges;
        })
    };
    assert_eq!(step(true).succeed().stdout, "ok 1000\n");
    assert_eq!(step(false).succeed().stdout, "ok\n");
}

#[test]
fn insecure_opens_everything() {
    needs_containers!();
    let insecure = |step: Step| step.with(|r| r.op.security = SecurityMode::Insecure);
    let own = fs::read_to_string("/proc/self/status").unwrap();
    let own = own
        .lines()
        .find_map(|l| l.strip_prefix("CapEff:"))
        .unwrap()
        .trim()
        .to_owned();
    assert_eq!(
        status_field(insecure(status()), "CapEff"),
        own,
        "all that this process has"
    );
    assert_eq!(status_field(insecure(status()), "Seccomp"), "0");
    assert_eq!(status_field(insecure(status()), "NoNewPrivs"), "0");
    let script = "mkdir /tmp/m && mount -t tmpfs none /tmp/m && touch /tmp/m/x && umount /tmp/m && echo mounted
        [ -w /proc/sys/kernel/domainname ] && echo written > /proc/sys/kernel/domainname && cat /proc/sys/kernel/domainname
        head -c 1 /proc/timer_list > /dev/null && echo read";
    assert_eq!(
        insecure(Step::sh(script)).succeed().stdout,
        "mounted\nwritten\nread\n"
    );
}

#[test]
fn kernel_files_are_hidden_or_protected() {
    needs_containers!();
    let script = "
        for f in /proc/kcore /proc/keys /proc/timer_list /proc/sched_debug /proc/interrupts; do
            [ ! -e $f ] || [ \"$(head -c 1 $f 2>/dev/null | wc -c)\" = 0 ] || echo readable $f; done
        for d in /sys/firmware /proc/acpi /proc/scsi /sys/devices/virtual/powercap; do
            [ ! -e $d ] || [ -z \"$(ls -A $d)\" ] || echo listed $d; done
        for f in /proc/sys/kernel/hostname /proc/sys/kernel/core_pattern /proc/sys/vm/drop_caches /proc/sysrq-trigger \
                 /proc/irq/default_smp_affinity /sys/kernel/uevent_helper /sys/power/state; do
            [ ! -e $f ] || ! (echo h > $f) 2>/dev/null || echo written $f; done
        for d in /proc/x /sys/x /sys/fs/cgroup/x /proc/sys/x; do mkdir $d 2>/dev/null && echo made $d; done; echo end";
    assert_eq!(Step::sh(script).succeed().stdout, "end\n");
}

#[test]
fn mounting_and_namespaces_are_refused() {
    needs_containers!();
    let script = "
        mount -t tmpfs none /tmp 2>/dev/null && echo mount
        mount -o remount,rw /sys 2>/dev/null && echo remount
        mount -o bind /proc/sys /tmp 2>/dev/null && echo bind
        umount /proc/sys 2>/dev/null && echo umount
        umount /etc/hosts 2>/dev/null && echo umount
        unshare -U true 2>/dev/null && echo user namespace
        unshare -m true 2>/dev/null && echo mount namespace
        nsenter -t 1 -m true 2>/dev/null && echo nsenter
        hostname other 2>/dev/null && echo hostname
        insmod /bin/busybox 2>/dev/null && echo module
        mkdir /tmp/c; chroot / true && echo chroot";
    let ran = Step::sh(script).run();
    assert_eq!(ran.stdout, "chroot\n", "only what Docker allows");
}

/// The root file system's device, which would be a way to everything.
fn disk() -> Option<(u32, u32)> {
    let device = fs::metadata("/").unwrap().dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    fs::metadata(format!("/sys/dev/block/{major}:{minor}"))
        .ok()
        .map(|_| (major, minor))
}

fn devices_are_closed(control: DeviceControl, (major, minor): (u32, u32)) {
    let runner = Runner::new(options(control, Runtime::BuiltIn));
    let script = format!(
        "mknod /tmp/disk b {major} {minor} && echo made; head -c 1 /tmp/disk >/dev/null 2>&1 && echo read the disk
         mknod /dev/disk b {major} {minor} && echo made; head -c 1 /dev/disk >/dev/null 2>&1 && echo read the disk
         mknod /dev/shm/disk b {major} {minor}; head -c 1 /dev/shm/disk >/dev/null 2>&1 && echo read the disk
         mknod /t/disk b {major} {minor}; head -c 1 /t/disk >/dev/null 2>&1 && echo read the disk
         head -c 1 /image-disk >/dev/null 2>&1 && echo read the disk of the image
         mknod /tmp/mem c 1 1; head -c 1 /tmp/mem >/dev/null 2>&1 && echo read memory
         echo x > /dev/null && head -c 1 /dev/zero > /dev/null && echo fine"
    );
    let step = Step::sh(&script);
    let layer = step.new_dir("layer");
    let device = rustix::fs::makedev(major, minor);
    let (kind, mode) = (
        rustix::fs::FileType::BlockDevice,
        rustix::fs::Mode::from_raw_mode(0o666),
    );
    rustix::fs::mknodat(rustix::fs::CWD, layer.join("image-disk"), kind, mode, device).unwrap();
    let tree = MountSource::Tree {
        lower: vec![],
        selector: String::new(),
        writes: TreeWrites::Discard,
    };
    let ran = step
        .with(|r| r.root.lower.push(layer))
        .mount("/t", false, tree)
        .try_run_with(&runner)
        .unwrap();
    assert_eq!(ran.stdout, "made\nmade\nfine\n", "{control:?}: {}", ran.stderr);
}

#[test]
fn devices_by_cgroup_or_by_mounts() {
    needs_containers!();
    let Some(disk) = disk() else {
        return println!("skipped: the root is no disk");
    };
    for control in [
        DeviceControl::Auto,
        DeviceControl::CgroupV1,
        DeviceControl::CgroupV2,
        DeviceControl::Mounts,
    ] {
        devices_are_closed(control, disk);
    }
    let own_null = "mknod /tmp/n c 1 3 && echo x > /tmp/n && echo works";
    assert_eq!(
        Step::sh(own_null).run().stdout,
        "works\n",
        "debootstrap and others need that"
    );
    let runner = Runner::new(options(DeviceControl::Mounts, Runtime::BuiltIn));
    let before = fs::metadata("/dev/null").unwrap();
    let change =
        "chmod 600 /dev/null; chown 5:5 /dev/null; chmod 600 /proc/self/fd/0; echo x > /dev/null; echo done";
    assert_eq!(Step::sh(change).try_run_with(&runner).unwrap().stdout, "done\n");
    let after = fs::metadata("/dev/null").unwrap();
    assert_eq!(
        (before.mode(), before.uid()),
        (after.mode(), after.uid()),
        "the nodes are the machine's"
    );
    assert_eq!(
        Step::sh(own_null).try_run_with(&runner).unwrap().stdout,
        "",
        "the price of doing it by mounts"
    );
}

#[test]
fn other_processes_are_out_of_reach() {
    needs_containers!();
    let own = std::process::id();
    let script = format!(
        "kill -0 {own} 2>/dev/null && echo signalled; [ -e /proc/{own} ] && echo seen; ls /proc/1/root/ | grep -c busybox
         cat /proc/1/comm; ls -d /proc/[0-9]* | wc -l"
    );
    let ran = Step::sh(&script).run();
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(
        &lines[..2],
        ["0", "sh"],
        "its first process is the command itself, in the same root"
    );
    assert!(lines[2].parse::<u32>().unwrap() <= 4);
}
