//! What a command sees and how its end is told.

use std::time::Instant;

use lapstrake_llb::{HostIp, Ulimit};
use lapstrake_ops::exec::{ExecError, Exit, MountSource, Network, ProgramError, SetupError, TreeWrites};

use crate::needs_containers;
use crate::support::{Step, names};

#[test]
fn exit_codes_and_signals() {
    needs_containers!();
    assert_eq!(Step::new(&["true"]).run().status.exit, Exit::Code(0));
    assert_eq!(Step::new(&["false"]).run().status.exit, Exit::Code(1));
    let ran = Step::sh("exit 42").run();
    assert_eq!(ran.status.exit, Exit::Code(42));
    assert!(ran.status.is_success(&[42]) && !ran.status.is_success(&[]));
    // The first process of a pid namespace cannot kill itself, so that another one does the dying.
    assert_eq!(
        Step::sh("sh -c 'kill -9 $$'; exit $?").run().status.exit,
        Exit::Code(137)
    );
}

#[test]
fn streams_are_told_apart() {
    needs_containers!();
    let ran = Step::sh("echo out; echo err >&2; cat; printf tail").succeed();
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        ("out\ntail", "err\n"),
        "stdin is empty"
    );
}

#[test]
fn stdin_is_empty_whatever_dev_is() {
    needs_containers!();
    let rdev = Step::sh("stat -L -c %F /proc/self/fd/0").succeed();
    assert_eq!(rdev.stdout, "character special file\n");
    let empty = MountSource::Tree {
        lower: vec![],
        selector: String::new(),
        writes: TreeWrites::Discard,
    };
    assert_eq!(
        Step::sh("cat; echo end")
            .mount("/dev", false, empty)
            .succeed()
            .stdout,
        "end\n"
    );
}

#[test]
fn environment_user_and_working_directory() {
    needs_containers!();
    let ran = Step::new(&["env"])
        .with(|r| r.op.env = vec![("A".into(), "1 2".into())])
        .succeed();
    let mut lines: Vec<_> = ran.stdout.lines().collect();
    lines.sort_unstable();
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(
        lines,
        ["A=1 2", "HOME=/root", path],
        "nothing of this process' environment"
    );

    let script = "id -u; id -g; id -G; echo $HOME; pwd; umask; touch made; stat -c '%u %g' made";
    let ran = Step::sh(script)
        .with(|r| {
            r.op.user = Some("app".into());
            r.op.cwd = "/home/app/new/deep".into();
        })
        .succeed();
    assert_eq!(
        ran.stdout,
        "1000\n1001\n1001 10\n/home/app\n/home/app/new/deep\n0022\n1000 1001\n"
    );
    assert_eq!(
        ran.layer(),
        [
            "home",
            "home/app",
            "home/app/new",
            "home/app/new/deep",
            "home/app/new/deep/made"
        ]
    );

    let ran = Step::sh("id -u; id -g; id -G; echo $HOME")
        .with(|r| r.op.user = Some("4000:50".into()))
        .succeed();
    assert_eq!(ran.stdout, "4000\n50\n50\n/\n");
}

#[test]
fn unknown_users_are_named() {
    needs_containers!();
    let error = Step::new(&["true"])
        .with(|r| r.op.user = Some("ghost".into()))
        .try_run()
        .err()
        .unwrap();
    let ExecError::Setup {
        source: SetupError::User { user, source },
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(
        (user.as_str(), source.to_string().as_str()),
        ("ghost", "no user `ghost` in /etc/passwd of the image")
    );
}

#[test]
fn programs_that_cannot_be_run_are_named() {
    needs_containers!();
    let error = |args: &[&str]| Step::new(args).try_run().err().unwrap();
    let not_found = error(&["no-such-tool", "x"]);
    assert_eq!(
        not_found.to_string(),
        "executable `no-such-tool` not found in PATH (/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)"
    );
    assert_eq!(
        error(&["/no/such"]).to_string(),
        "executable `/no/such` not found"
    );
    assert!(matches!(
        error(&["/etc/passwd"]),
        ExecError::Program(ProgramError::Other { .. })
    ));
    assert!(matches!(
        error(&["/etc"]),
        ExecError::Program(ProgramError::Other { .. })
    ));

    let with_file = |text: &str| {
        let step = Step::new(&["/script"]);
        let layer = step.new_dir("layer");
        std::fs::write(layer.join("script"), text).unwrap();
        rustix::fs::chmod(layer.join("script"), rustix::fs::Mode::from_raw_mode(0o755)).unwrap();
        step.with(|r| r.root.lower.push(layer)).try_run().err().unwrap()
    };
    assert!(matches!(
        with_file("no shebang\n"),
        ExecError::Program(ProgramError::Format { .. })
    ));
    assert!(matches!(
        with_file("#!/bin/nope\n"),
        ExecError::Program(ProgramError::InterpreterNotFound { .. })
    ));
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    needs_containers!();
    let refused = |step: Step| matches!(step.request_error(), ExecError::InvalidRequest { .. });
    assert!(refused(Step::new(&[])));
    assert!(refused(
        Step::new(&["true"]).with(|r| r.op.cwd = "relative".into())
    ));
    assert!(refused(
        Step::new(&["true"]).with(|r| r.root.upper = "relative".into())
    ));
    let nul = Step::new(&["echo", "a\0b"]).try_run().err().unwrap();
    assert!(
        matches!(
            nul,
            ExecError::Setup {
                source: SetupError::Nul { .. }
            }
        ),
        "{nul}"
    );
}

impl Step {
    fn request_error(self) -> ExecError {
        let cancel = lapstrake_ops::exec::CancelToken::new().unwrap();
        crate::support::runner()
            .run(&self.request, &mut |_| {}, &cancel)
            .unwrap_err()
    }
}

#[test]
fn host_name() {
    needs_containers!();
    assert_eq!(Step::new(&["hostname"]).succeed().stdout, "buildkitsandbox\n");
    let ran = Step::sh("hostname; cat /etc/hosts")
        .with(|r| r.op.hostname = Some("box".into()))
        .succeed();
    assert!(
        ran.stdout.starts_with("box\n127.0.0.1\tlocalhost box\n"),
        "{}",
        ran.stdout
    );
}

#[test]
fn hosts_and_resolver_are_seen_but_never_in_the_layer() {
    needs_containers!();
    let ran = Step::sh("cat /etc/hosts; echo --; cat /etc/resolv.conf; echo x >> /etc/hosts")
        .with(|r| {
            r.op.extra_hosts = vec![HostIp {
                host: "db".into(),
                ip: "10.9.8.7".into(),
            }]
        })
        .run();
    let (hosts, resolver) = ran.stdout.split_once("--\n").unwrap();
    assert_eq!(
        hosts,
        "127.0.0.1\tlocalhost buildkitsandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n10.9.8.7\tdb\n"
    );
    assert!(resolver.contains("nameserver"), "{resolver}");
    assert!(ran.stderr.contains("Read-only file system"), "{}", ran.stderr);
    assert_eq!(ran.layer(), [] as [&str; 0]);
}

#[test]
fn devices_and_shared_memory() {
    needs_containers!();
    let listed = Step::new(&["ls", "/dev"]).succeed().stdout;
    let expected = [
        "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout",
        "tty", "urandom", "zero",
    ];
    assert_eq!(listed.split_whitespace().collect::<Vec<_>>(), expected);
    let script = "stat -c '%a %t:%T' /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty
        echo x > /dev/null && head -c 3 /dev/zero | wc -c && head -c 5 /dev/urandom | wc -c
        stat -f -c '%T %b*%S' /dev/shm; stat -c %a /dev/shm; ls -l /dev/ptmx | sed 's/.*-> //'; echo 1 > /dev/shm/x";
    let ran = Step::sh(script).succeed();
    assert_eq!(
        ran.stdout,
        "666 1:3\n666 1:5\n666 1:7\n666 1:8\n666 1:9\n666 5:0\n3\n5\ntmpfs 16384*4096\n1777\npts/ptmx\n"
    );
    assert_eq!(ran.layer(), [] as [&str; 0]);
}

#[test]
fn pseudo_terminals_work() {
    needs_containers!();
    let ran = Step::sh("script -qc 'tty' /dev/null || true; ls /dev/pts").succeed();
    assert!(
        ran.stdout.contains("/dev/pts/0") || ran.stderr.contains("script"),
        "{} {}",
        ran.stdout,
        ran.stderr
    );
}

#[test]
fn the_command_is_alone() {
    needs_containers!();
    let ran = Step::sh(
        "echo $$; ls /proc | grep -c '^[0-9]*$'; cat /proc/1/comm; cat /proc/self/cgroup | grep -c lapstrake",
    )
    .run();
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines[0], "1", "first of its pid namespace");
    assert!(lines[1].parse::<u32>().unwrap() <= 4, "{}", ran.stdout);
    assert_eq!(lines[3], "0", "a cgroup namespace hides where it is");
}

#[test]
fn the_network_of_none_is_loopback() {
    needs_containers!();
    let script = "ls /sys/class/net; ip addr show lo | grep -c 'inet 127.0.0.1'; wget -T 2 -q -O - http://192.0.2.1/ || echo unreachable";
    let ran = Step::sh(script).with(|r| r.network = Network::Loopback).succeed();
    assert_eq!(ran.stdout, "lo\n1\nunreachable\n", "{}", ran.stderr);
    let host = Step::new(&["ls", "/sys/class/net"]).succeed().stdout;
    let mut own = names("/sys/class/net".as_ref());
    own.sort();
    assert_eq!(
        host.split_whitespace().collect::<Vec<_>>(),
        own,
        "the machine's network"
    );
}

#[test]
fn limits_of_processes() {
    needs_containers!();
    let limit = |name: &str, soft, hard| Ulimit {
        name: name.into(),
        soft,
        hard,
    };
    let ran = Step::sh("ulimit -n; ulimit -Hn; ulimit -c")
        .with(|r| {
            r.op.ulimits = vec![
                limit("nofile", Some(77), Some(99)),
                limit("core", Some(0), Some(0)),
            ]
        })
        .succeed();
    assert_eq!(ran.stdout, "77\n99\n0\n");
    let error = Step::new(&["true"])
        .with(|r| r.op.ulimits = vec![limit("files", None, None)])
        .try_run()
        .err()
        .unwrap();
    assert!(
        matches!(
            error,
            ExecError::Setup {
                source: SetupError::UnknownUlimit { .. }
            }
        ),
        "{error}"
    );
}

#[test]
fn signals_have_their_default_actions() {
    needs_containers!();
    // Rust programs ignore SIGPIPE; what they start must not.
    let status = Step::new(&["grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"])
        .succeed()
        .stdout;
    for line in status.lines() {
        assert!(line.ends_with("0000000000000000"), "{status}");
    }
}

#[test]
fn no_descriptors_are_left_open() {
    needs_containers!();
    let ran = Step::new(&["ls", "/proc/self/fd"]).succeed();
    assert_eq!(ran.stdout, "0\n1\n2\n3\n", "3 is the directory itself");
}

/// Not a bound that could fail by chance, but printed: `cargo test -- --nocapture step_time`.
#[test]
fn step_time() {
    needs_containers!();
    Step::new(&["true"]).succeed();
    let start = Instant::now();
    for _ in 0..20 {
        Step::new(&["true"]).succeed();
    }
    println!("{:?} a step", start.elapsed() / 20);
}
