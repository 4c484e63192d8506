//! Networks of commands: what `--network`, `--allow` and the configuration make of them.

use std::process::{Command, Stdio};

use lapstrake_tests::place::{own_seconds, processes_with, wait};
use lapstrake_tests::{Place, Ran, can_run_containers, skip};
use rustix::process::{Pid, Signal, kill_process};

const NAMESPACE: &str = "FROM base\nRUN readlink /proc/self/ns/net\n";

fn namespace_of_this_process() -> String {
    std::fs::read_link("/proc/self/ns/net")
        .unwrap()
        .display()
        .to_string()
}

fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// Builds where neither pasta nor slirp4netns can be found.
fn build_without_tools(place: &Place, more: &[&str]) -> Ran {
    let base = lapstrake_tests::base::context();
    let mut command = place.command();
    command
        .args([
            "build",
            "context",
            "--progress",
            "plain",
            "--build-context",
            &base,
        ])
        .args(more)
        .env("PATH", "/nowhere");
    Ran::of(command.output().unwrap())
}

#[test]
fn a_command_has_a_network_of_its_own() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    if !has("pasta") && !has("slirp4netns") {
        skip!("neither pasta nor slirp4netns");
    }
    let place = Place::new();
    place.dockerfile(&format!("{NAMESPACE}RUN ip -o addr show eth0 | wc -l\n"));
    let ran = place.build(&[]).ok();
    assert!(ran.stderr.contains("net:["), "{}", ran.stderr);
    assert!(
        !ran.stderr.contains(&namespace_of_this_process()),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
}

#[test]
fn the_network_of_the_machine_has_to_be_allowed() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile("FROM base\nRUN echo first-has-run\nRUN --network=host readlink /proc/self/ns/net\n");
    let refused = place
        .build(&[])
        .fails(1, &["network.host", "--allow network.host", "Dockerfile:3"]);
    assert!(
        !refused.stderr.contains(" first-has-run\n"),
        "something ran: {}",
        refused.stderr
    );
    let ran = place.build(&["--allow", "network.host"]).ok();
    assert!(
        ran.stderr.contains(&namespace_of_this_process()),
        "{}",
        ran.stderr
    );
}

#[test]
fn without_a_tool_there_is_one_warning_if_something_ran() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let warning = "neither pasta nor slirp4netns can be used";
    place.dockerfile(&format!("{NAMESPACE}RUN echo second\nRUN echo third\n"));
    let ran = build_without_tools(&place, &[]).ok();
    assert_eq!(ran.stderr.matches(warning).count(), 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains(&namespace_of_this_process()),
        "{}",
        ran.stderr
    );
    let cached = build_without_tools(&place, &[]).ok();
    assert!(!cached.stderr.contains(warning), "{}", cached.stderr);
    let none = build_without_tools(&place, &["--no-cache", "--network", "none"]).ok();
    assert!(!none.stderr.contains(warning), "{}", none.stderr);
}

#[test]
fn the_configuration_says_what_a_sandbox_is() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile("FROM base\nRUN readlink /proc/self/ns/net; ls /sys/class/net | tr '\\n' '/'\n");
    let own = namespace_of_this_process();
    place.config("[network]\nsandbox = \"none\"\n");
    let ran = build_without_tools(&place, &[]).ok();
    assert!(
        ran.stderr.contains(" lo/") && !ran.stderr.contains(&own),
        "{}",
        ran.stderr
    );
    place.config("[network]\nsandbox = \"host\"\n");
    let ran = build_without_tools(&place, &["--no-cache"]).ok();
    assert!(
        ran.stderr.contains(&own) && !ran.stderr.contains("warning"),
        "{}",
        ran.stderr
    );
    place.config("[network]\nsandbox = \"pasta\"\n");
    build_without_tools(&place, &["--no-cache"]).fails(1, &["`pasta` is not installed", "passt"]);
    place.config("[network]\nsandbox = \"bridge\"\n");
    build_without_tools(&place, &[]).fails(2, &["bridge", "slirp4netns"]);
}

#[test]
fn a_gateway_is_this_machine() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile("FROM base\nRUN grep -e me -e other /etc/hosts | tr '\\t\\n' '  '\n");
    place.config("[network]\nhost-gateway-ip = \"10.9.8.7\"\n");
    let hosts = [
        "--add-host",
        "me:host-gateway",
        "--add-host",
        "other:fd00::5",
        "--network",
        "none",
    ];
    let ran = place.build(&hosts).ok();
    assert!(ran.stderr.contains("10.9.8.7 me fd00::5 other"), "{}", ran.stderr);
}

/// The processes that this process has started, directly or not, whose name starts like a tool's.
fn tools_below(pid: u32) -> Vec<String> {
    let listed = Command::new("ps")
        .args(["-eo", "pid=,ppid=,comm="])
        .output()
        .unwrap()
        .stdout;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let rows: Vec<(u32, u32, &str)> = listed
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((
                words.next()?.parse().ok()?,
                words.next()?.parse().ok()?,
                words.next()?,
            ))
        })
        .collect();
    let mut below = vec![pid];
    let mut at = 0;
    while let Some(parent) = below.get(at).copied() {
        below.extend(rows.iter().filter(|row| row.1 == parent).map(|row| row.0));
        at += 1;
    }
    let is_tool = |name: &str| {
        ["passt", "pasta", "slirp"]
            .iter()
            .any(|tool| name.starts_with(tool))
    };
    rows.iter()
        .filter(|row| below.contains(&row.0) && is_tool(row.2))
        .map(|row| row.0.to_string())
        .collect()
}

#[test]
fn nothing_of_a_tool_is_left_when_a_build_is_interrupted_or_killed() {
    if !lapstrake_tests::is_root() {
        skip!("the processes of a user namespace are looked for as root only");
    }
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    if !has("pasta") && !has("slirp4netns") {
        skip!("neither pasta nor slirp4netns");
    }
    for how in [Signal::INT, Signal::KILL] {
        let mark = own_seconds();
        let place = Place::new();
        place.dockerfile(&format!(
            "FROM base\nRUN ip addr > /dev/null; sleep {mark}; echo {how:?}\n"
        ));
        let base = lapstrake_tests::base::context();
        let mut child = place
            .command()
            .args(["build", "context", "--build-context", &base])
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let sleeping = || {
            processes_with(&mark)
                .iter()
                .any(|line| line.starts_with(&format!("sleep {mark}")))
        };
        wait(sleeping);
        let tools = tools_below(child.id());
        assert!(!tools.is_empty(), "no tool has been started");
        kill_process(Pid::from_raw(child.id() as i32).unwrap(), how).unwrap();
        child.wait().unwrap();
        wait(|| {
            tools
                .iter()
                .all(|pid| !std::path::Path::new("/proc").join(pid).exists())
        });
    }
}
