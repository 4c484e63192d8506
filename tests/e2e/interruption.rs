//! Ctrl-C and kill -9: nothing is left behind, and the next build works.

use lapstrake_tests::place::{own_seconds, processes_with, wait};
use lapstrake_tests::{Place, can_run_containers, skip};
use rustix::process::{Pid, Signal, kill_process};

/// Starts a build whose step sleeps, and waits until it does.
fn sleeping(place: &Place, mark: &str) -> std::process::Child {
    place.dockerfile(&format!(
        "FROM base\nRUN (sleep {mark} &); echo begun; sleep {mark}\n"
    ));
    let child = place.begin();
    wait(|| {
        processes_with(&format!("sleep {mark}"))
            .iter()
            .filter(|line| line.starts_with("sleep"))
            .count()
            >= 2
    });
    child
}

fn signal(child: &std::process::Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id() as i32).unwrap(), signal).unwrap();
}

#[test]
fn ctrl_c_ends_the_whole_tree() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let mark = own_seconds();
    let child = sleeping(&place, &mark);
    signal(&child, Signal::INT);
    lapstrake_tests::Ran::of(child.wait_with_output().unwrap()).fails(130, &["interrupted"]);
    assert_eq!(processes_with(&mark), Vec::<String>::new());
    place.assert_clean();
    place.dockerfile("FROM base\nRUN echo again\n").build(&[]).ok();
}

#[test]
fn kill_9_leaves_no_mount_and_no_process() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let mark = own_seconds();
    let mut child = sleeping(&place, &mark);
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    wait(|| processes_with(&mark).is_empty());
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(place.path("").to_str().unwrap()), "{mounts}");
    // The next process sweeps what the killed one had under way.
    place.dockerfile("FROM base\nRUN echo again\n").build(&[]).ok();
    place.assert_clean();
}
