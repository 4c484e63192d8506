//! `lapstrake history`: what is recorded of a build, and how it is shown, found and removed.

use std::path::PathBuf;
use std::process::Child;

use lapstrake_tests::place::{own_seconds, wait};
use lapstrake_tests::{Place, Ran, can_run_containers, skip};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// One JSON object a line.
fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect()
}

fn list(place: &Place, more: &[&str]) -> Vec<Value> {
    let words = [&["history", "ls", "--format", "json"], more].concat();
    lines(&place.run(words).ok().stdout)
}

fn inspect(place: &Place, more: &[&str]) -> Value {
    let words = [&["history", "inspect", "--format", "json"], more].concat();
    serde_json::from_str(&place.run(words).ok().stdout).unwrap()
}

/// The state of the step whose name contains a text.
fn state(build: &Value, name: &str) -> String {
    let steps = build["Steps"].as_array().unwrap();
    let step = steps
        .iter()
        .find(|step| step["Name"].as_str().unwrap().contains(name));
    let step = step.unwrap_or_else(|| panic!("no step {name}: {build:#}"));
    step["State"].as_str().unwrap().to_owned()
}

/// Starts a build and waits until its log has a text.
fn running(place: &Place, until: &str) -> Child {
    let child = place.begin();
    wait(|| records(place).iter().any(|path| read(path).contains(until)));
    child
}

fn read(path: &PathBuf) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn records(place: &Place) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(place.state().join("history")) else {
        return Vec::new();
    };
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id() as i32).unwrap(), signal).unwrap();
}

#[test]
fn a_build_is_recorded_with_all_that_was_asked() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    std::fs::write(place.path("token"), "the-secret-value").unwrap();
    place.dockerfile(
        "FROM base AS one\nARG WHO\nRUN --mount=type=secret,id=tok echo hello $WHO; echo oops >&2\nRUN echo second\n",
    );
    let words = [
        "--target",
        "one",
        "--build-arg",
        "WHO=you",
        "--build-arg",
        "http_proxy=http://me:pass@proxy:1",
        "--secret",
        "id=tok,src=token",
        "-t",
        "name:tag",
        "-o",
        "type=oci,dest=out/image.tar",
    ];
    place.build(&words).ok();
    let build = inspect(&place, &[]);
    assert_eq!(build["Status"], "completed");
    assert_eq!(build["Name"], "context (one)");
    assert_eq!(build["Target"], "one");
    assert_eq!(build["Context"], place.path("context").to_str().unwrap());
    assert_eq!(build["BuildArgs"][0]["Name"], "WHO");
    assert_eq!(build["BuildArgs"][0]["Value"], "you");
    assert_eq!(build["BuildArgs"][1]["Value"], "http://xxxxx@proxy:1");
    assert_eq!(build["Secrets"][0], "tok");
    assert!(
        build["Results"][0]["digest"]
            .as_str()
            .unwrap()
            .starts_with("sha256:")
    );
    assert!(
        build["Results"][0]["names"][0]
            .as_str()
            .unwrap()
            .ends_with("name:tag")
    );
    assert_eq!(state(&build, "echo second"), "done");
    for path in records(&place) {
        let text = read(&path);
        assert!(
            !text.contains("the-secret-value") && !text.contains("me:pass"),
            "{text}"
        );
    }
    let logs = place.run(["history", "logs"]).ok().stdout;
    for text in [" hello you\n", " oops\n", "RUN echo second\n", " DONE "] {
        assert!(logs.contains(text), "{text:?} is not in\n{logs}");
    }
    let replayed = lines(
        &place
            .run(["history", "logs", "--progress", "rawjson"])
            .ok()
            .stdout,
    );
    let written: Vec<&Value> = replayed
        .iter()
        .flat_map(|status| status["logs"].as_array().into_iter().flatten())
        .collect();
    assert_eq!(written.len(), 3, "{written:?}");
    let text = place.run(["history", "inspect"]).ok().stdout;
    for part in ["completed", "WHO=you", "RUN echo second", "name:tag"] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

#[test]
fn a_failed_build_says_what_and_where() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile("FROM base\nRUN echo the-log; exit 3\nRUN echo never\n");
    place.build(&[]).fails(1, &["exit code: 3"]);
    let build = inspect(&place, &[]);
    assert_eq!(build["Status"], "failed");
    assert_eq!(build["Error"]["Code"], 1);
    assert_eq!(build["Error"]["Line"], 2);
    assert!(
        build["Error"]["Message"]
            .as_str()
            .unwrap()
            .contains("exit code: 3")
    );
    assert_eq!(state(&build, "exit 3"), "failed");
    assert_eq!(state(&build, "echo never"), "cancelled");
    // A Dockerfile that cannot be read is a build, too.
    place.dockerfile("FRUM base\n");
    place.build(&[]).fails(1, &[]);
    let build = inspect(&place, &[]);
    assert_eq!(
        (&build["Status"], &build["Error"]["Line"]),
        (&"failed".into(), &1.into())
    );
    assert_eq!(list(&place, &["--filter", "status=failed"]).len(), 2);
    assert_eq!(list(&place, &["--filter", "status=completed"]).len(), 0);
}

#[test]
fn states_are_honest() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.file("used", "1").file("other", "1");
    place.dockerfile("FROM base\nRUN echo one\nCOPY used /used\nRUN echo two\n");
    place.build(&[]).ok();
    // The same again: the last step is found, and nobody asks for the others.
    let ran = place.build(&[]).ok();
    assert_eq!(
        (ran.count("CACHED"), ran.count("SKIPPED")),
        (1, 2),
        "{}",
        ran.stderr
    );
    let build = inspect(&place, &[]);
    assert_eq!(state(&build, "RUN echo two"), "cached");
    assert_eq!(state(&build, "RUN echo one"), "skipped");
    assert_eq!(state(&build, "COPY used"), "skipped");
    assert_eq!(build["NumCachedSteps"], 1);
    assert_eq!(build["NumSkippedSteps"], 2);
    // The context changed, what the first copy takes did not: it is found by content.
    place.dockerfile("FROM base\nCOPY used /used\nRUN echo two\nCOPY other /other\n");
    place.build(&[]).ok();
    place.file("other", "2");
    let ran = place.build(&[]).ok();
    assert!(ran.stderr.contains(" CACHED by content\n"), "{}", ran.stderr);
    let build = inspect(&place, &[]);
    assert_eq!(state(&build, "COPY used"), "cached");
    assert_eq!(state(&build, "RUN echo two"), "cached");
    assert_eq!(state(&build, "COPY other"), "done");
    let steps = build["Steps"].as_array().unwrap();
    let by_content = steps.iter().filter(|step| step["FoundBy"] == "content");
    assert_eq!(by_content.count(), 1, "{build:#}");
}

#[test]
fn rawjson_never_calls_a_skipped_or_cancelled_step_cached() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile("FROM base\nRUN echo one\nRUN echo two\n");
    place.build(&[]).ok();
    let ran = place.build(&["--progress", "rawjson"]).ok();
    let vertex = |text: &str, name: &str| -> Value {
        let all = lines(text);
        let mut told = all
            .iter()
            .flat_map(|status| status["vertexes"].as_array().into_iter().flatten());
        told.rfind(|vertex| vertex["name"].as_str().unwrap().contains(name))
            .unwrap_or_else(|| panic!("no {name} in\n{text}"))
            .clone()
    };
    assert_eq!(vertex(&ran.stdout, "echo two")["cached"], true);
    let skipped = vertex(&ran.stdout, "echo one");
    assert!(
        skipped["cached"].is_null() && skipped["completed"].is_null(),
        "{skipped}"
    );
    place.dockerfile("FROM base\nRUN echo one\nRUN false\nRUN echo later\n");
    let ran = place.build(&["--progress", "rawjson"]).fails(1, &[]);
    assert_eq!(vertex(&ran.stdout, "echo one")["cached"], true);
    assert!(
        vertex(&ran.stdout, "false")["error"]
            .as_str()
            .unwrap()
            .contains("exit code")
    );
    let cancelled = vertex(&ran.stdout, "echo later");
    assert_eq!(cancelled["error"], "context canceled");
    assert!(
        cancelled["cached"].is_null() && cancelled["started"].is_null(),
        "{cancelled}"
    );
}

#[test]
fn what_ran_beside_a_failure_was_cancelled() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile(
        "FROM base AS slow\nRUN echo begun; sleep 600\n\
         FROM base AS bad\nRUN sleep 1; exit 4\n\
         FROM base\nCOPY --from=slow /etc/passwd /a\nCOPY --from=bad /etc/passwd /b\n",
    );
    let ran = place.build(&["-j", "2"]).fails(1, &["exit code: 4"]);
    assert_eq!(ran.count("CANCELED"), 1, "only what had begun: {}", ran.stderr);
    assert_eq!(
        (ran.count("ERROR:"), ran.count("CACHED"), ran.count("SKIPPED")),
        (1, 0, 0),
        "{}",
        ran.stderr
    );
    let build = inspect(&place, &[]);
    assert_eq!(state(&build, "sleep 600"), "cancelled");
    assert_eq!(state(&build, "COPY --from=slow"), "cancelled");
    assert_eq!(build["NumCancelledSteps"], 3);
}

#[test]
fn five_megabytes_of_a_failed_steps_log_are_printed_and_kept() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    // 78,000 lines of 64 bytes.
    place.dockerfile(
        "FROM base\nRUN i=0; while [ $i -lt 78000 ]; do printf '%063d\\n' $i; i=$((i+1)); done; exit 1\n",
    );
    let ran = place.build(&["--progress", "quiet"]).fails(1, &[]);
    let numbers = |text: &str| -> Vec<u64> {
        text.lines()
            .filter_map(|line| {
                line.split(' ')
                    .next_back()
                    .filter(|word| word.len() == 63)?
                    .parse()
                    .ok()
            })
            .collect()
    };
    let all: Vec<u64> = (0..78_000).collect();
    assert!(numbers(&ran.stderr) == all, "the log at the end is cut");
    let logs = place.run(["history", "logs"]).ok().stdout;
    assert!(numbers(&logs) == all, "the recorded log is cut");
}

#[test]
fn ctrl_c_is_cancelled() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let mark = own_seconds();
    place.dockerfile(&format!(
        "FROM base\nRUN echo begun; sleep {mark}\nRUN echo after\n"
    ));
    let child = running(&place, "begun\\n");
    signal(&child, Signal::INT);
    Ran::of(child.wait_with_output().unwrap()).fails(130, &["interrupted"]);
    let build = inspect(&place, &[]);
    assert_eq!(build["Status"], "cancelled");
    assert_eq!(build["Error"]["Code"], 130);
    assert_eq!(state(&build, &mark), "cancelled");
    assert_eq!(state(&build, "echo after"), "cancelled");
    assert_eq!(list(&place, &["--filter", "status=canceled"]).len(), 1);
}

#[test]
fn kill_9_is_interrupted_and_keeps_the_log() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let mark = own_seconds();
    place.dockerfile(&format!("FROM base\nRUN echo begun; echo more; sleep {mark}\n"));
    let mut child = running(&place, "more\\n");
    assert_eq!(inspect(&place, &[])["Status"], "running");
    let id = list(&place, &[])[0]["ref"].as_str().unwrap().to_owned();
    place
        .run(["history", "rm", &id])
        .fails(1, &["is running", "help:"]);
    place.run(["history", "rm", "--all"]).ok();
    assert_eq!(list(&place, &["--filter", "status=running"]).len(), 1);
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    let build = inspect(&place, &[]);
    assert_eq!(build["Status"], "interrupted");
    assert_eq!(state(&build, &mark), "cancelled");
    let logs = place.run(["history", "logs"]).ok().stdout;
    assert!(logs.contains(" begun\n") && logs.contains(" more\n"), "{logs}");
    assert!(!logs.contains("DONE 8"), "{logs}");
    place.run(["history", "rm", &id[..6]]).ok();
    assert_eq!(list(&place, &[]).len(), 0);
}

#[test]
fn two_builds_at_once_are_two_records() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile("FROM base\nARG N\nRUN echo number-$N; sleep 1\n");
    std::thread::scope(|scope| {
        let build = |number: &'static str| place.build(&["--build-arg", number]).ok();
        scope.spawn(move || build("N=1"));
        scope.spawn(move || build("N=2"));
    });
    let all = list(&place, &["--filter", "status=completed"]);
    assert_eq!(all.len(), 2);
    for build in all {
        let id = build["ref"].as_str().unwrap();
        let number = inspect(&place, &[id])["BuildArgs"][0]["Value"]
            .as_str()
            .unwrap()
            .to_owned();
        let logs = place.run(["history", "logs", id]).ok().stdout;
        let (own, other) = if number == "1" {
            ("number-1", "number-2")
        } else {
            ("number-2", "number-1")
        };
        let has = |text: &str| {
            logs.lines()
                .any(|line| line.ends_with(&format!(" {text}")) && !line.contains("RUN"))
        };
        assert!(has(own) && !has(other), "{logs}");
    }
}

#[test]
fn builds_are_listed_found_and_removed() {
    let place = Place::new();
    place
        .run(["history", "inspect"])
        .fails(1, &["no build is recorded"]);
    assert_eq!(place.run(["history", "ls"]).ok().stdout.lines().count(), 1);
    place.dockerfile("FROM scratch\nCOPY Dockerfile /a\n");
    for _ in 0..3 {
        place.build(&[]).ok();
    }
    let all = list(&place, &[]);
    let ids: Vec<&str> = all.iter().map(|build| build["ref"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(inspect(&place, &["^1"])["Ref"], ids[1]);
    assert_eq!(inspect(&place, &[&ids[2][..8]])["Ref"], ids[2]);
    assert_eq!(
        list(&place, &["--filter", &format!("ref~={}", &ids[0][2..7])]).len(),
        1
    );
    assert_eq!(list(&place, &["--filter", "startedAt<1h"]).len(), 0);
    assert_eq!(list(&place, &["--filter", "startedAt>1h"]).len(), 3);
    let text = place.run(["history", "ls"]).ok().stdout;
    assert!(
        text.starts_with("BUILD ID") && text.contains(ids[0]) && text.contains("completed"),
        "{text}"
    );
    // One letter is wrong.
    let wrong: String = ids[1]
        .char_indices()
        .map(|(at, c)| if at == 5 { 'u' } else { c })
        .collect();
    let hint = format!("did you mean {}?", ids[1]);
    place.run(["history", "logs", &wrong]).fails(1, &[&hint]);
    place
        .run(["history", "ls", "--filter", "state=x"])
        .fails(2, &["did you mean status?"]);
    // Nothing is removed if one word is wrong.
    place.run(["history", "rm", ids[0], "uuuu"]).fails(1, &["uuuu"]);
    assert_eq!(list(&place, &[]).len(), 3);
    assert_eq!(place.run(["history", "rm", ids[0]]).ok().stdout.trim(), ids[0]);
    place.run(["history", "rm", "--all"]).ok();
    assert_eq!(records(&place), Vec::<PathBuf>::new());
}

#[test]
fn old_builds_leave_nothing() {
    let place = Place::new();
    place.config("[history]\nmax-entries = 2\n");
    place.dockerfile("FROM scratch\nCOPY Dockerfile /a\n");
    for _ in 0..4 {
        place.build(&[]).ok();
    }
    assert_eq!(records(&place).len(), 2);
    place.config("[history]\nmax-age = \"soon\"\n");
    place.build(&[]).fails(2, &["history.max-age", "soon"]);
}

#[test]
fn a_history_that_cannot_be_written_stops_no_build() {
    let place = Place::new();
    place.dockerfile("FROM scratch\nCOPY Dockerfile /a\n");
    place.build(&[]).ok();
    let folder = place.state().join("history");
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    let ran = place.build(&[]).ok();
    assert!(
        ran.stderr.contains("history of builds is not kept"),
        "{}",
        ran.stderr
    );
}
