//! That nothing is left of a command, however it ends.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lapstrake_ops::exec::{
    CancelToken, DeviceControl, ExecError, Exit, MountSource, Runner, Runtime, Stream, TreeWrites,
};

use crate::needs_containers;
use crate::support::{
    PATIENCE, Step, cgroups, names, options, processes_with, runner, step_cgroups, wait_until,
};

/// Says to a started copy of this program that it is to be an engine that gets killed.
const ENGINE_VARIABLE: &str = "LAPSTRAKE_TEST_ENGINE";

/// A script that starts daemons which try not to be found, and waits for ever. `marker` is in all command
/// lines.
fn stubborn(marker: &str) -> String {
    format!(
        "trap '' TERM INT HUP; (setsid sleep {marker}1 &); (trap '' TERM HUP; setsid sh -c 'sleep {marker}2; :' &)
         nohup sleep {marker}3 >/dev/null 2>&1 & echo started; sleep {marker}4; :"
    )
}

/// A length of sleep that nobody else sleeps.
fn marker() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!(
        "7{}{:03}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

fn cgroups_of_this_process() -> Vec<String> {
    let own = format!("lapstrake-{}-", std::process::id());
    cgroups().into_iter().filter(|c| c.contains(&own)).collect()
}

/// Starts a step, waits until it says `started`, and calls `then` from another thread.
fn interrupted(
    runner: &Runner,
    step: Step,
    cancel: &CancelToken,
    then: impl FnOnce() + Send,
) -> Result<Exit, ExecError> {
    let (said, heard) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(move || {
            heard.recv_timeout(PATIENCE).unwrap();
            then();
        });
        let mut text = Vec::new();
        let mut output = |output: lapstrake_ops::exec::Output<'_>| {
            text.extend_from_slice(output.data);
            if text.starts_with(b"started") {
                let _ = said.send(());
            }
        };
        let result = runner.run(&step.request, &mut output, cancel);
        waiting.join().unwrap();
        result.map(|s| s.exit)
    })
}

#[test]
fn cancelling_kills_the_whole_tree_at_once() {
    needs_containers!();
    let marker = marker();
    let cancel = CancelToken::new().unwrap();
    let step = Step::sh(&stubborn(&marker));
    let result = interrupted(runner(), step, &cancel, || {
        assert!(wait_until(
            || processes_with(&format!("sleep {marker}")).len() >= 4
        ));
        cancel.cancel();
    });
    assert!(matches!(result, Err(ExecError::Cancelled)), "{result:?}");
    assert_eq!(processes_with(&marker), [] as [&str; 0]);
    assert!(matches!(
        Step::new(&["true"]).try_run_cancelled(&cancel),
        Err(ExecError::Cancelled)
    ));
}

impl Step {
    fn try_run_cancelled(self, cancel: &CancelToken) -> Result<Exit, ExecError> {
        runner().run(&self.request, &mut |_| {}, cancel).map(|s| s.exit)
    }
}

#[test]
fn a_command_that_takes_too_long_is_killed() {
    needs_containers!();
    let marker = marker();
    let start = Instant::now();
    let step = Step::sh(&stubborn(&marker)).with(|r| r.timeout = Some(Duration::from_millis(300)));
    let error = step.try_run().err().unwrap();
    assert!(
        matches!(error, ExecError::TimedOut { after } if after == Duration::from_millis(300)),
        "{error}"
    );
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert_eq!(processes_with(&marker), [] as [&str; 0]);
}

#[test]
fn daemons_end_with_the_command_and_hold_nothing_up() {
    needs_containers!();
    let marker = marker();
    // The daemons have the pipes open for longer than a step may take here.
    let ran = Step::sh(&format!(
        "(setsid sleep {marker} &); sleep {marker} & echo done; exit 3"
    ))
    .run();
    assert_eq!((ran.status.exit, ran.stdout.as_str()), (Exit::Code(3), "done\n"));
    assert_eq!(processes_with(&marker), [] as [&str; 0]);
}

#[test]
fn steps_side_by_side() {
    needs_containers!();
    let (started, ended) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for index in 0..16 {
            let (started, ended) = (&started, &ended);
            scope.spawn(move || {
                let step = Step::sh(&format!("echo {index}; sleep 0.4"));
                let mut output = |output: lapstrake_ops::exec::Output<'_>| {
                    assert_eq!(output.data, format!("{index}\n").as_bytes());
                    started.lock().unwrap().push(Instant::now());
                };
                let cancel = CancelToken::new().unwrap();
                let status = runner().run(&step.request, &mut output, &cancel).unwrap();
                assert!(status.is_success(&[]));
                ended.lock().unwrap().push(Instant::now());
            });
        }
    });
    let (started, ended) = (started.into_inner().unwrap(), ended.into_inner().unwrap());
    assert_eq!((started.len(), ended.len()), (16, 16));
    let first_end = ended.iter().min().unwrap();
    let before = started.iter().filter(|start| *start < first_end).count();
    assert!(before > 1, "one after the other");
}

#[test]
fn a_killed_helper_takes_everything_with_it_and_is_replaced() {
    needs_containers!();
    let runner = Runner::new(options(DeviceControl::Auto, Runtime::BuiltIn));
    let marker = marker();
    let cancel = CancelToken::new().unwrap();
    let step = Step::sh(&stubborn(&marker));
    let result = interrupted(&runner, step, &cancel, || {
        assert!(wait_until(
            || processes_with(&format!("sleep {marker}")).len() >= 4
        ));
        // The first process of the command: its parent is the helper.
        let command = pid_of(&format!("sleep {marker}4; :"));
        let helper = parent_of(command);
        rustix::process::kill_process(
            rustix::process::Pid::from_raw(helper).unwrap(),
            rustix::process::Signal::KILL,
        )
        .unwrap();
    });
    assert!(matches!(result, Err(ExecError::HelperDied)), "{result:?}");
    assert!(wait_until(|| processes_with(&marker).is_empty()));
    assert_eq!(
        Step::new(&["echo", "again"])
            .try_run_with(&runner)
            .unwrap()
            .stdout,
        "again\n"
    );
}

fn pid_of(marker: &str) -> i32 {
    let mut pids = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(marker)
            && let Ok(pid) = entry.file_name().to_string_lossy().parse()
        {
            pids.push(pid);
        }
    }
    pids.into_iter().min().unwrap()
}

fn parent_of(pid: i32) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn dropping_the_runner_leaves_nothing() {
    needs_containers!();
    let runner = Runner::new(options(DeviceControl::Auto, Runtime::BuiltIn));
    Step::new(&["true"]).try_run_with(&runner).unwrap();
    let before = cgroups_of_this_process().len();
    drop(runner);
    assert!(
        cgroups_of_this_process().len() < before || before == 0,
        "{:?}",
        cgroups_of_this_process()
    );
}

#[test]
fn commands_that_cannot_be_started_leave_nothing() {
    needs_containers!();
    for _ in 0..3 {
        assert!(Step::new(&["no-such-program"]).try_run().is_err());
    }
    assert!(wait_until(|| step_cgroups() == 0));
}

/// Not a test of anything: what `killing_the_engine_leaves_nothing` starts and kills.
#[test]
fn engine() {
    let Some(marker) = std::env::var(ENGINE_VARIABLE).ok() else {
        return;
    };
    let step = Step::sh(&stubborn(&marker));
    println!("dir={}", step.dir.path().display());
    let (lower, limits) = (
        step.new_dir("lower"),
        lapstrake_llb::LinuxResources {
            memory_bytes: Some(64 << 20),
            ..lapstrake_llb::LinuxResources::default()
        },
    );
    let tree = MountSource::Tree {
        lower: vec![lower],
        selector: String::new(),
        writes: TreeWrites::Discard,
    };
    let step = step.mount("/t", false, tree).with(|r| r.resources = Some(limits));
    let cancel = CancelToken::new().unwrap();
    let mut output = |output: lapstrake_ops::exec::Output<'_>| {
        if output.stream == Stream::Stdout {
            println!(
                "pid={} {}",
                std::process::id(),
                String::from_utf8_lossy(output.data)
            );
        }
    };
    let _ = runner().run(&step.request, &mut output, &cancel);
}

#[test]
fn killing_the_engine_leaves_nothing() {
    needs_containers!();
    use std::io::{BufRead, BufReader};
    let marker = marker();
    let mut engine = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lifecycle::engine", "--nocapture"])
        .env(ENGINE_VARIABLE, &marker)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut dir = None;
    // Kept open: the engine is not to die of a closed pipe.
    let mut lines = BufReader::new(engine.stdout.take().unwrap()).lines();
    for line in lines.by_ref() {
        let line = line.unwrap();
        if let Some((_, path)) = line.split_once("dir=") {
            dir = Some(std::path::PathBuf::from(path));
        }
        if line.contains("started") {
            break;
        }
    }
    let dir = dir.unwrap();
    let of_engine = format!("lapstrake-{}-", engine.id());
    let own_cgroups = || {
        cgroups()
            .into_iter()
            .filter(|c| c.contains(&of_engine))
            .collect::<Vec<_>>()
    };
    assert!(wait_until(
        || processes_with(&format!("sleep {marker}")).len() >= 4
    ));
    let discards = || {
        names(&dir.join("state"))
            .into_iter()
            .filter(|n| n.starts_with("lapstrake-"))
            .count()
    };
    assert!(discards() == 1 && dir.join("upper").exists());
    engine.kill().unwrap();
    assert_eq!(engine.wait().unwrap().signal(), Some(9));
    let gone =
        wait_until(|| processes_with(&marker).is_empty() && own_cgroups().is_empty() && discards() == 0);
    assert!(gone, "{:?} {:?}", processes_with(&marker), own_cgroups());
    assert!(!dir.join("upper").exists() && !dir.join("work").exists());
    assert!(
        !fs::read_to_string("/proc/self/mountinfo")
            .unwrap()
            .contains(dir.to_str().unwrap())
    );
    // The directory itself is the caller's; here the caller is dead.
    fs::remove_dir_all(dir).unwrap();
}
