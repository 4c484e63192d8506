//! Frontends that crash or take too much: the message has the limit and how it is raised.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use lapstrake_tests::{Ran, skip};
use rustix::process::{Pid, Signal, kill_process};

use super::{PLACE, assert_unharmed, guest, misbehaves, place_with};

#[test]
fn a_crash() {
    misbehaves(&[
        (&["--target", "trap"], &["own.wasm crashed: ", "unreachable"]),
        (
            &["--target", "panic"],
            &["own.wasm crashed: ", "this guest panics when it is told to"],
        ),
        (
            &["--target", "panic", "--progress", "quiet"],
            &[
                "it said last: frontend panicked",
                "this guest panics when it is told to",
            ],
        ),
        (
            &["--target", "recurse"],
            &[
                "own.wasm crashed: ",
                "its stack is full: functions call each other without end",
            ],
        ),
    ]);
}

#[test]
fn an_endless_loop() {
    misbehaves(&[
        (
            &["--target", "loop", "--frontend-fuel", "100000000"],
            &[
                "did not finish with 100000000 units of fuel",
                "more with --frontend-fuel, or fuel under [frontend] in the configuration",
            ],
        ),
        (
            &["--target", "loop", "--frontend-timeout", "1"],
            &[
                "did not finish within 1s",
                "more with --frontend-timeout, or timeout under [frontend] in the configuration",
            ],
        ),
    ]);
}

#[test]
fn an_endless_loop_ends_with_ctrl_c() {
    let Some(guest) = guest() else {
        skip!("tests/guests are not built: run `make frontends`")
    };
    let place = place_with(&guest);
    let mut command = place.command();
    command
        .args(["build", "context", "--target", "loop", "--progress", "plain"])
        .args([
            "--frontend-fuel",
            "1000000000000000",
            "--frontend-timeout",
            "100000",
        ]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    // The build file is read: signals are listened to by now.
    let lines = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let mut lines = lines.skip_while(|line| !line.contains("DONE"));
    assert!(lines.next().is_some());
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_unharmed(&place);
}

#[test]
fn endless_memory() {
    let texts = [
        "needs more than 64 MiB of memory",
        "more with --frontend-memory, or memory under [frontend] in the configuration",
    ];
    misbehaves(&[(&["--target", "allocate", "--frontend-memory", "64m"], &texts)]);
}

#[test]
fn too_large_an_answer() {
    let texts = [
        "handed over more than 16 MiB in one call",
        "more with --frontend-output, or output under [frontend] in the configuration",
    ];
    let more = ["--target", "aliased-text", "--frontend-output", "16m"];
    misbehaves(&[(&more, &texts)]);
}

#[test]
fn more_than_the_host_does_for_one_frontend() {
    misbehaves(&[
        (
            &["--target", "warn", "--frontend-output", "1m"],
            &[
                "own.wasm asks too much of the host: too many warnings",
                "this limit is fixed",
            ],
        ),
        (
            &["--target", "resolve-many", "--build-arg", "count=20000"],
            &["own.wasm asks too much of the host: too many image requests"],
        ),
        (
            &[
                "--target",
                "log-much",
                "--build-arg",
                "size=33554432",
                "--frontend-output",
                "16m",
            ],
            &["handed over more than 16 MiB in one call"],
        ),
    ]);
}

/// Names and messages that would clear the screen or set its title, and names that would look like lines of the program's own.
#[test]
fn hostile_texts() {
    let Some(guest) = guest() else {
        skip!("tests/guests are not built: run `make frontends`")
    };
    let place = place_with(&guest);
    for progress in ["plain", "rawjson", "quiet"] {
        // Asked anew each time.
        let way = format!("progress={progress}");
        let words = [
            "--target",
            "hostile-texts",
            "--build-arg",
            &way,
            "--progress",
            progress,
        ];
        let ran = place
            .build(&[&words[..], &["-o", "type=cacheonly"]].concat())
            .ok();
        let shown = ran.stderr.bytes().chain(ran.stdout.bytes());
        let control = shown.filter(|byte| byte.is_ascii_control() && !matches!(byte, b'\n' | b'\t'));
        assert_eq!(control.count(), 0, "{progress}: {:?}", ran.stderr);
        let place_of_name = |line: &str| line.contains("--> ") || line.contains("[internal] ");
        let names = ran
            .stderr
            .lines()
            .filter(|line| place_of_name(line) && line.contains("done"));
        assert!(progress != "plain" || names.clone().count() > 1, "{}", ran.stderr);
        names.for_each(|line| assert!(line.contains("faked"), "{progress}: cut in two: {line}"));
    }
    assert_unharmed(&place);
}

#[test]
fn limits_of_the_configuration_file() {
    let Some(guest) = guest() else {
        skip!("tests/guests are not built: run `make frontends`")
    };
    let place = place_with(&guest);
    place.config("[frontend]\nmemory = \"32m\"\nfuel = 50000000\noutput = \"8m\"\ntimeout = 30\n");
    place
        .build(&["--target", "allocate"])
        .fails(1, &["more than 32 MiB of memory"]);
    place
        .build(&["--target", "loop"])
        .fails(1, &["50000000 units of fuel"]);
    place
        .build(&["--target", "aliased-text"])
        .fails(1, &["handed over more than 8 MiB"]);
    // The command line comes before it.
    place
        .build(&["--target", "allocate", "--frontend-memory", "16m"])
        .fails(1, &["more than 16 MiB of memory"]);
    assert_unharmed(&place);
}

#[test]
fn endless_logs() {
    let Some(guest) = guest() else {
        skip!("tests/guests are not built: run `make frontends`")
    };
    let place = place_with(&guest);
    let texts = [
        "asks too much of the host: too many calls",
        "more messages of the frontend are left out",
        PLACE,
    ];
    let ran = place.build(&["--target", "log"]).fails(1, &texts);
    // 256 KiB of messages, each with its step and time.
    assert!(ran.stderr.len() < 4 << 20, "{} bytes of logs", ran.stderr.len());
    assert_unharmed(&place);
}

#[test]
fn a_million_vertices_and_a_gigabyte_of_text() {
    // One after the other: each takes a gigabyte where that is allowed.
    for way in ["vertices", "text"] {
        misbehaves(&[
            (
                &["--target", way],
                &[
                    "needs more than 1 GiB of memory",
                    "more with --frontend-memory, or memory under [frontend] in the configuration",
                ],
            ),
            (
                &["--target", way, "--frontend-memory", "2g"],
                &["handed over more than 128 MiB"],
            ),
        ]);
    }
}

#[test]
fn a_gigabyte_of_text_in_little_memory() {
    let Some(guest) = guest() else {
        skip!("tests/guests are not built: run `make frontends`")
    };
    let place = place_with(&guest);
    let mut command = place.command();
    command.args([
        "build",
        "context",
        "--target",
        "aliased-text",
        "--frontend-memory",
        "64m",
        "--progress",
        "plain",
    ]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let watch = std::thread::spawn(move || {
        let mut peak = 0;
        // The file is without this line from the process's end on.
        while let Some(now) = fs::read_to_string(&status).ok().as_deref().and_then(peak_memory) {
            peak = now;
            std::thread::sleep(Duration::from_millis(2));
        }
        peak
    });
    let ran = Ran::of(child.wait_with_output().unwrap());
    ran.fails(1, &["own.wasm handed over more than 128 MiB", PLACE]);
    let peak = watch.join().unwrap();
    assert!(
        (1..600 << 10).contains(&peak),
        "the host took {peak} KiB to refuse it"
    );
    assert_unharmed(&place);
}

/// KiB, of `/proc/PID/status`.
fn peak_memory(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
