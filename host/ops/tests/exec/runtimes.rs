//! Commands run by another OCI runtime.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use lapstrake_llb::LinuxResources;
use lapstrake_ops::exec::{
    DeviceControl, ExecError, Exit, MountSource, Network, ProgramError, Runner, Runtime, TreeWrites,
};

use crate::needs_containers;
use crate::support::{Step, options, processes_with, step_cgroups, wait_until};

fn runc() -> Option<&'static Runner> {
    static RUNNER: OnceLock<Option<Runner>> = OnceLock::new();
    RUNNER
        .get_or_init(|| {
            let path = ["/usr/sbin/runc", "/usr/bin/runc", "/usr/local/sbin/runc"].map(PathBuf::from);
            let runtime = Runtime::External(path.into_iter().find(|p| p.exists())?);
            Some(Runner::new(options(DeviceControl::Auto, runtime)))
        })
        .as_ref()
}

macro_rules! needs_runc {
    () => {{
        needs_containers!();
        match runc() {
            Some(runner) => runner,
            None => return println!("skipped: no runc"),
        }
    }};
}

#[test]
fn the_same_container() {
    let runner = needs_runc!();
    let script = "id -u; id -G; pwd; hostname; cat /etc/hosts | head -1; echo $A; grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status
        cat /t/file; echo x > /t/y; cat /s; ls /sys/class/net; exit 7";
    let step = Step::sh(script);
    let lower = step.new_dir("lower");
    std::fs::write(lower.join("file"), "tree\n").unwrap();
    let tree = MountSource::Tree {
        lower: vec![lower],
        selector: String::new(),
        writes: TreeWrites::Discard,
    };
    let secret = MountSource::File {
        data: b"secret\n".to_vec(),
        uid: 0,
        gid: 0,
        mode: 0o400,
    };
    let step = step.mount("/t", false, tree).mount("/s", true, secret).with(|r| {
        r.op.cwd = "/srv/new".into();
        r.op.env = vec![("A".into(), "b".into())];
        r.network = Network::Loopback;
    });
    let ran = step.try_run_with(runner).unwrap();
    assert_eq!(ran.status.exit, Exit::Code(7), "{}", ran.stderr);
    assert_eq!(
        ran.stdout,
        "0\n0 10\n/srv/new\nbuildkitsandbox\n127.0.0.1\tlocalhost buildkitsandbox\nb\nCapEff:\t00000000a80425fb\n\
         NoNewPrivs:\t1\nSeccomp:\t2\ntree\nsecret\nlo\n"
    );
    assert_eq!(ran.layer(), ["srv", "srv/new"]);
}

#[test]
fn its_errors_are_told() {
    let runner = needs_runc!();
    let error = Step::new(&["no-such-tool"]).try_run_with(runner).err().unwrap();
    assert!(
        matches!(&error, ExecError::Program(ProgramError::NotInPath { program, .. }) if program == "no-such-tool"),
        "{error:?}"
    );
    let odd = Runner::new(options(
        DeviceControl::Auto,
        Runtime::External("/no/such/runtime".into()),
    ));
    let error = Step::new(&["true"]).try_run_with(&odd).err().unwrap();
    assert!(matches!(&error, ExecError::Setup { .. }), "{error:?}");
}

#[test]
fn it_is_killed_with_all_it_runs() {
    let runner = needs_runc!();
    let marker = format!("8{}77", std::process::id());
    let limits = LinuxResources {
        memory_bytes: Some(64 << 20),
        ..LinuxResources::default()
    };
    let step = Step::sh(&format!("(setsid sleep {marker} &); sleep {marker}")).with(|r| {
        r.timeout = Some(Duration::from_millis(800));
        r.resources = Some(limits);
    });
    let error = step.try_run_with(runner).err().unwrap();
    assert!(matches!(error, ExecError::TimedOut { .. }), "{error:?}");
    assert_eq!(processes_with(&marker), [] as [&str; 0]);
    // Other tests have some for a moment.
    assert!(wait_until(|| step_cgroups() == 0));
}
