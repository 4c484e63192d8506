//! Limits by control groups.

use std::fs;

use lapstrake_llb::LinuxResources;
use lapstrake_ops::exec::{Exit, Warning};

use crate::needs_containers;
use crate::support::{Step, names, step_cgroups, wait_until};

fn has_controller(name: &str) -> bool {
    let v1 = fs::read_to_string("/proc/self/mountinfo")
        .unwrap()
        .lines()
        .any(|l| l.contains(&format!("- cgroup cgroup rw,{name}")));
    let v2 = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers")
        .unwrap_or_default()
        .split_whitespace()
        .any(|c| c == name);
    v1 || v2
}

#[test]
fn memory() {
    needs_containers!();
    if !has_controller("memory") {
        return println!("skipped: no memory controller");
    }
    let limits = LinuxResources {
        memory_bytes: Some(32 << 20),
        ..LinuxResources::default()
    };
    let small = Step::new(&["true"])
        .with(|r| r.resources = Some(limits.clone()))
        .succeed();
    assert!(!small.status.out_of_memory);
    assert_eq!(small.status.warnings, []);
    // `tail` keeps the last line, which never ends.
    let ran = Step::sh("tail /dev/zero; exit $?")
        .with(|r| r.resources = Some(limits))
        .run();
    assert_eq!(ran.status.exit, Exit::Code(137));
    assert!(ran.status.out_of_memory);
    // Other tests have some for a moment.
    assert!(wait_until(|| step_cgroups() == 0));
}

#[test]
fn cpu_and_a_parent_group() {
    needs_containers!();
    if !has_controller("cpu") {
        return println!("skipped: no cpu controller");
    }
    let limits = LinuxResources {
        cpu_quota_us: Some(50_000),
        cpu_period_us: Some(100_000),
        cpu_shares: Some(512),
        cpuset_cpus: Some("0".into()),
        ..LinuxResources::default()
    };
    let parent = format!("lapstrake-test-{}", std::process::id());
    // Half of one processor for about 200 ms of work.
    let script =
        "grep Cpus_allowed_list /proc/self/status; i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done";
    let start = std::time::Instant::now();
    let ran = Step::sh(script)
        .with(|r| {
            r.resources = Some(limits);
            r.op.cgroup_parent = Some(parent.clone());
        })
        .succeed();
    println!("{:?}", start.elapsed());
    assert_eq!(ran.stdout, "Cpus_allowed_list:\t0\n");
    assert_eq!(ran.status.warnings, []);
    for hierarchy in names("/sys/fs/cgroup".as_ref()) {
        let dir = std::path::Path::new("/sys/fs/cgroup")
            .join(hierarchy)
            .join(&parent);
        if dir.exists() {
            let left: Vec<_> = names(&dir)
                .into_iter()
                .filter(|n| n.starts_with("lapstrake-"))
                .collect();
            assert_eq!(
                left,
                [] as [&str; 0],
                "the step's group is gone, the parent is its owner's"
            );
            fs::remove_dir(dir).unwrap();
        }
    }
}

#[test]
fn what_cannot_be_limited_is_a_warning() {
    needs_containers!();
    let limits = LinuxResources {
        cpuset_cpus: Some("9999".into()),
        memory_bytes: Some(1 << 30),
        ..LinuxResources::default()
    };
    let ran = Step::new(&["true"]).with(|r| r.resources = Some(limits)).run();
    assert!(
        matches!(&ran.status.warnings[..], [Warning::LimitIgnored { limit, .. }] if limit == "cpuset"),
        "{:?}",
        ran.status.warnings
    );
    assert_eq!(ran.status.exit, Exit::Code(0));
    let ran = Step::new(&["true"])
        .with(|r| r.op.cgroup_parent = Some("/../../etc".into()))
        .run();
    assert!(!ran.status.warnings.is_empty());
    assert_eq!(ran.status.exit, Exit::Code(0));
}
