//! Networks of commands' own.

use std::io::{BufRead, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lapstrake_llb::SecurityMode;
use lapstrake_ops::exec::{
    CancelToken, DeviceControl, ExecError, Exit, Network, NetworkTool, NetworkTools, Runner, Runtime, Stream,
    Warning,
};

use crate::needs_containers;
use crate::support::{Ran, Step, options, wait_until};
use crate::world::{self, INTERNET, INTERNET_6, MACHINE, answer_names};

fn tools(only: Option<NetworkTool>) -> NetworkTools {
    let path = std::env::var_os("PATH").unwrap_or_default();
    NetworkTools { only, path }
}

fn runner_with(network: NetworkTools, runtime: Runtime) -> Runner {
    let mut options = options(DeviceControl::Auto, runtime);
    options.network = network;
    Runner::new(options)
}

/// A runner with this tool, if it is there.
fn with_tool(tool: NetworkTool) -> Option<Runner> {
    world::find(tool.program()).map(|_| runner_with(tools(Some(tool)), Runtime::BuiltIn))
}

/// Does something with each tool that is there.
fn with_each_tool(mut test: impl FnMut(NetworkTool, &Runner)) {
    for tool in NetworkTool::ALL {
        match with_tool(tool) {
            Some(runner) => test(tool, &runner),
            None => eprintln!("skipped: no {}", tool.program()),
        }
    }
}

fn isolated(script: &str) -> Step {
    Step::sh(script).with(|r| r.network = Network::Isolated)
}

fn succeed(step: Step, runner: &Runner) -> Ran {
    let ran = step.try_run_with(runner).unwrap();
    assert_eq!(
        (ran.status.exit, &ran.status.warnings[..]),
        (Exit::Code(0), &[][..]),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
    ran
}

/// How many processes of tools there are in this pid namespace.
fn running_tools() -> usize {
    // pasta becomes another program, for the processor that it finds.
    let names = ["pasta", "passt", "slirp4netns"];
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter(|entry| {
            let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            names.iter().any(|tool| name.starts_with(tool))
        })
        .count()
}

#[test]
fn there_is_a_way_out() {
    needs_containers!();
    if !world::enter("network::there_is_a_way_out", INTERNET) {
        return;
    }
    with_each_tool(|tool, runner| {
        let script = format!(
            "cat /etc/resolv.conf; wget -q -O - http://{INTERNET}/; wget -q -O - http://far.test/;
             ls /sys/class/net; hostname -i > /dev/null; nslookup -type=a no.such.name && exit 9; exit 0"
        );
        let ran = succeed(isolated(&script), runner);
        assert_eq!(
            ran.stdout
                .lines()
                .filter(|line| !line.is_empty())
                .take(5)
                .collect::<Vec<_>>(),
            [&format!("nameserver {INTERNET}"), "far", "far", "eth0", "lo"],
            "{tool:?}"
        );
        // Another user, without any capability.
        let script = format!("wget -q -O - http://{INTERNET}/");
        let ran = succeed(isolated(&script).with(|r| r.op.user = Some("app".into())), runner);
        assert_eq!(ran.stdout, "far\n", "{tool:?}");
    });
    assert!(wait_until(|| running_tools() == 0));
}

#[test]
fn there_is_a_way_out_of_version_6() {
    needs_containers!();
    if !world::enter("network::there_is_a_way_out_of_version_6", INTERNET) {
        return;
    }
    if std::net::UdpSocket::bind("[fd77::1]:0").is_err() {
        return eprintln!("skipped: no IPv6");
    }
    with_each_tool(|tool, runner| {
        // slirp4netns gives the address away in its own time. The sending side stays open, for pasta of 2023
        // forgets connections that are closed on one side.
        let script = format!(
            "ask() {{ {{ printf 'GET / HTTP/1.0\\r\\n\\r\\n'; sleep 2; }} | nc -w 5 {INTERNET_6} 80; }}
             for i in 1 2 3 4 5 6 7 8 9; do ask | grep far && exit 0; sleep 1; done; exit 1"
        );
        assert_eq!(succeed(isolated(&script), runner).stdout, "far\n", "{tool:?}");
    });
}

#[test]
fn the_machines_loopback_is_out_of_reach_but_for_its_resolver() {
    needs_containers!();
    let test = "network::the_machines_loopback_is_out_of_reach_but_for_its_resolver";
    if !world::enter(test, "127.0.0.1") {
        return;
    }
    let resolver = UdpSocket::bind("127.0.0.1:53").unwrap();
    std::thread::spawn(move || answer_names(&resolver));
    let reached = Arc::new(AtomicUsize::new(0));
    let listen = |address: &str| {
        let (listener, reached) = (TcpListener::bind(address).unwrap(), reached.clone());
        std::thread::spawn(move || {
            for _ in listener.incoming() {
                reached.fetch_add(1, Ordering::Relaxed);
            }
        });
    };
    listen("127.0.0.1:7070");
    listen("[::1]:7070");
    listen(&format!("{MACHINE}:7071"));
    with_each_tool(|tool, runner| {
        reached.store(0, Ordering::Relaxed);
        let script = format!(
            "gateway=$(ip route | sed -n 's/^default via \\([^ ]*\\).*/\\1/p'); test -n \"$gateway\" || exit 7
             server=$(sed -n 's/^nameserver //p' /etc/resolv.conf)
             for address in 127.0.0.1 ::1 localhost 0.0.0.0 {MACHINE} $gateway $server 10.0.2.2 169.254.1.1 169.254.1.2; do
                 timeout 1 nc -w 1 $address 7070 < /dev/null > /dev/null 2>&1 && echo $address; done
             case $server in 127.*) exit 8;; esac; exit 0"
        );
        let ran = succeed(isolated(&script), runner);
        assert_eq!(reached.load(Ordering::Relaxed), 0, "{tool:?}: {}", ran.stdout);
        let ran = succeed(isolated("nslookup -type=a near.test"), runner);
        assert!(ran.stdout.contains("10.77.0.2"), "{tool:?}: {}", ran.stdout);
        // What does not hide is not hidden.
        let script = format!("timeout 60 nc -w 30 {MACHINE} 7071 < /dev/null || true");
        succeed(isolated(&script), runner);
        assert_eq!(reached.load(Ordering::Relaxed), 1, "{tool:?}");
        // And nothing of the command shows on the machine.
        let script = "nc -l -p 7272 & sleep 0.5; ip addr > /dev/null; sleep 1; kill $!; exit 0";
        let step = isolated(script);
        std::thread::scope(|scope| {
            let running = scope.spawn(|| step.try_run_with(runner).unwrap());
            std::thread::sleep(Duration::from_millis(1200));
            let connected = std::net::TcpStream::connect("127.0.0.1:7272");
            assert!(connected.is_err(), "{tool:?}");
            running.join().unwrap();
        });
    });
}

#[test]
fn a_tool_is_started_when_the_network_is_needed() {
    needs_containers!();
    if !world::enter("network::a_tool_is_started_when_the_network_is_needed", INTERNET) {
        return;
    }
    with_each_tool(|tool, runner| {
        // Names of users and a local socket are no network.
        let script = "ls -l /home > /dev/null; logger x; id app > /dev/null; ls /sys/class/net";
        assert_eq!(succeed(isolated(script), runner).stdout, "lo\n", "{tool:?}");
        // Routes are: `ip` asks by netlink.
        let ran = succeed(isolated("ip -o addr show eth0 | wc -l"), runner);
        assert_ne!(ran.stdout, "0\n", "{tool:?}");
        // All at once, in one command and in several.
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let script =
                        format!("for i in 1 2 3 4 5 6 7 8; do wget -q -O - http://{INTERNET}/ & done; wait");
                    let ran = succeed(isolated(&script), runner);
                    assert_eq!(ran.stdout, "far\n".repeat(8), "{tool:?}");
                });
            }
        });
        // Whoever gives up while it waits is no harm.
        let script = format!(
            "for i in 1 2 3 4; do (wget -q -O /dev/null http://{INTERNET}/ & pid=$!; usleep 1000; kill -9 $pid); done
             wget -q -O - http://{INTERNET}/"
        );
        assert_eq!(succeed(isolated(&script), runner).stdout, "far\n", "{tool:?}");
    });
    assert!(wait_until(|| running_tools() == 0));
}

#[test]
fn privileged_commands_and_other_runtimes_have_it_from_the_start() {
    needs_containers!();
    let test = "network::privileged_commands_and_other_runtimes_have_it_from_the_start";
    if !world::enter(test, INTERNET) {
        return;
    }
    let script = format!("ls /sys/class/net; wget -q -O - http://{INTERNET}/");
    with_each_tool(|tool, runner| {
        let step = isolated(&script).with(|r| r.op.security = SecurityMode::Insecure);
        assert_eq!(succeed(step, runner).stdout, "eth0\nlo\nfar\n", "{tool:?}");
        match world::find("runc") {
            Some(runc) => {
                let runner = runner_with(tools(Some(tool)), Runtime::External(runc));
                assert_eq!(
                    succeed(isolated(&script), &runner).stdout,
                    "eth0\nlo\nfar\n",
                    "{tool:?}"
                );
                let loopback = Step::sh("ls /sys/class/net").with(|r| r.network = Network::Loopback);
                assert_eq!(succeed(loopback, &runner).stdout, "lo\n");
            }
            None => eprintln!("skipped: no runc"),
        }
    });
}

#[test]
fn without_a_tool_it_is_the_machines_and_said_once() {
    needs_containers!();
    let nowhere = |only| NetworkTools {
        only,
        path: "/nowhere".into(),
    };
    let runner = runner_with(nowhere(None), Runtime::BuiltIn);
    let of_machine = std::fs::read_link("/proc/self/ns/net").unwrap();
    let run = || {
        isolated("readlink /proc/self/ns/net")
            .try_run_with(&runner)
            .unwrap()
    };
    let first = run();
    assert_eq!(first.stdout.trim(), of_machine.to_str().unwrap());
    assert_eq!(first.status.warnings, [Warning::HostNetwork]);
    assert_eq!(run().status.warnings, []);
    let runner = runner_with(nowhere(Some(NetworkTool::Pasta)), Runtime::BuiltIn);
    let error = isolated("true").try_run_with(&runner).err().unwrap();
    assert!(
        matches!(
            error,
            ExecError::NoNetworkTool {
                tool: NetworkTool::Pasta
            }
        ),
        "{error}"
    );
    // Who does not ask is not told.
    let step = Step::sh("true").with(|r| r.network = Network::Loopback);
    assert_eq!(step.try_run_with(&runner).unwrap().status.warnings, []);
}

#[test]
fn a_tool_that_fails_is_a_warning_and_no_deadlock() {
    needs_containers!();
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let pasta = directory.path().join("pasta");
    let write = |script: &str| {
        std::fs::write(&pasta, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&pasta, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    let runner = || {
        let path = directory.path().into();
        runner_with(NetworkTools { only: None, path }, Runtime::BuiltIn)
    };
    let script = "ls /sys/class/net; nc -w 2 10.1.1.1 80 < /dev/null 2> /dev/null; echo $?";
    write("echo 'No external interface' >&2; exit 1");
    let ran = isolated(script).try_run_with(&runner()).unwrap();
    assert_eq!(ran.stdout, "lo\n1\n");
    let [Warning::NoWayOut { tool, reason }] = &ran.status.warnings[..] else {
        panic!("{:?}", ran.status.warnings);
    };
    assert_eq!(
        (tool.as_str(), reason.as_str()),
        ("pasta", "No external interface")
    );
    // One that goes away in the middle.
    write("(sleep 0.5) < /dev/null > /dev/null 2>&1 & exit 0");
    let ran = isolated("ip addr > /dev/null; sleep 1; ip addr > /dev/null")
        .try_run_with(&runner())
        .unwrap();
    assert_eq!(ran.status.exit, Exit::Code(0));
    assert_eq!(
        ran.status.warnings,
        [Warning::NetworkLost { tool: "pasta".into() }]
    );
    // One that never gets ready does not outlive the command, nor hold its end up.
    write("exec sleep 7654321");
    let step = isolated("ip addr").with(|r| r.timeout = Some(Duration::from_millis(500)));
    let error = step.try_run_with(&runner()).err().unwrap();
    assert!(matches!(error, ExecError::TimedOut { .. }), "{error}");
    let gone = || crate::support::processes_with("sleep 7654321").is_empty();
    assert!(wait_until(gone));
}

/// What a command says before it is interrupted.
const CONNECTED: &str = "ip addr show eth0 > /dev/null && echo connected; sleep 60";

#[test]
fn nothing_is_left_of_a_cancelled_command() {
    needs_containers!();
    if !world::enter("network::nothing_is_left_of_a_cancelled_command", INTERNET) {
        return;
    }
    with_each_tool(|tool, runner| {
        let cancel = CancelToken::new().unwrap();
        let step = isolated(CONNECTED);
        let mut output = |output: lapstrake_ops::exec::Output<'_>| {
            if output.stream == Stream::Stdout {
                assert_eq!(output.data, b"connected\n");
                assert_ne!(running_tools(), 0, "{tool:?}");
                cancel.cancel();
            }
        };
        let ended = runner.run(&step.request, &mut output, &cancel);
        assert!(matches!(ended, Err(ExecError::Cancelled)), "{ended:?}");
        assert!(wait_until(|| running_tools() == 0), "{tool:?}");
    });
}

/// Not a test of anything: what `nothing_is_left_of_a_killed_engine` starts and kills.
#[test]
fn engine() {
    let Some(tool) = std::env::var_os("LAPSTRAKE_TEST_NETWORK_ENGINE") else {
        return;
    };
    let tool = NetworkTool::ALL.into_iter().find(|t| tool == t.program());
    let runner = runner_with(tools(tool), Runtime::BuiltIn);
    let step = isolated(CONNECTED);
    let said = |text: String| writeln!(std::io::stdout(), "{text}").unwrap();
    said(format!("dir={}", step.dir.path().display()));
    let mut output = |output: lapstrake_ops::exec::Output<'_>| {
        said(format!("said {}", String::from_utf8_lossy(output.data)));
    };
    let _ = runner.run(&step.request, &mut output, &CancelToken::new().unwrap());
}

#[test]
fn nothing_is_left_of_a_killed_engine() {
    needs_containers!();
    if !world::enter("network::nothing_is_left_of_a_killed_engine", INTERNET) {
        return;
    }
    with_each_tool(|tool, _| {
        let mut engine = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "network::engine", "--nocapture"])
            .env("LAPSTRAKE_TEST_NETWORK_ENGINE", tool.program())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut directory = None;
        let mut lines = std::io::BufReader::new(engine.stdout.take().unwrap()).lines();
        for line in lines.by_ref().map(Result::unwrap) {
            if let Some((_, path)) = line.split_once("dir=") {
                directory = Some(path.to_owned());
            }
            if line.contains("said connected") {
                break;
            }
        }
        assert_ne!(running_tools(), 0, "{tool:?}");
        engine.kill().unwrap();
        assert_eq!(engine.wait().unwrap().signal(), Some(9));
        assert!(wait_until(|| running_tools() == 0), "{tool:?}");
        std::fs::remove_dir_all(directory.unwrap()).unwrap();
    });
}
