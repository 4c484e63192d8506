//! What the kinds of progress show.

use lapstrake_tests::{Place, can_run_containers, skip};

#[test]
fn plain_looks_as_buildkits() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile("FROM base\nRUN echo hi\n");
    let log = place.build(&[]).ok().stderr;
    for text in [
        "#1 [internal] load build definition from Dockerfile\n",
        "RUN echo hi\n",
        " hi\n",
        " DONE ",
    ] {
        assert!(log.contains(text), "{text:?} is not in\n{log}");
    }
}

#[test]
fn rawjson_is_nothing_but_json_on_standard_output() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile("FROM base\nRUN echo hi\n");
    let ran = place.build(&["--progress", "rawjson"]).ok();
    let mut names = Vec::new();
    let mut logs = 0;
    for line in ran.stdout.lines() {
        let status: serde_json::Value = serde_json::from_str(line).expect(line);
        for vertex in status["vertexes"].as_array().into_iter().flatten() {
            names.push(vertex["name"].as_str().unwrap().to_owned());
        }
        logs += status["logs"].as_array().map_or(0, Vec::len);
    }
    assert!(names.iter().any(|name| name.contains("RUN echo hi")), "{names:?}");
    assert_eq!(logs, 1);
}

#[test]
fn a_terminal_is_drawn_in_place() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile("FROM base\nRUN echo hi; sleep 0.4\n");
    let base = lapstrake_tests::base::context();
    let command = format!(
        "{} build context --progress tty --build-context {base}",
        lapstrake_tests::place::program().display()
    );
    // script(1) gives the program a terminal.
    let output = std::process::Command::new("script")
        .args(["-q", "-e", "-c", &command, "/dev/null"])
        .env("LAPSTRAKE_ROOT", place.state())
        .env("TERM", "xterm")
        .current_dir(place.path(""))
        .stdin(std::process::Stdio::null())
        .output();
    let Ok(output) = output else {
        skip!("script(1) is not installed")
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("[+] Building") && text.contains("FINISHED"),
        "{text}"
    );
    assert!(text.contains("\u{1b}["), "nothing is drawn over:\n{text}");
    assert!(
        text.contains(" => => # hi"),
        "no log of the running step:\n{text}"
    );
}

#[test]
fn quiet_says_nothing_unless_something_fails() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile("FROM base\nRUN echo hi\n");
    let ran = place.build(&["--progress", "quiet", "-o", "type=cacheonly"]).ok();
    assert_eq!(ran.stderr, "");
    place.dockerfile("FROM base\nRUN echo the-log; exit 1\n");
    place
        .build(&["--progress", "quiet"])
        .fails(1, &["the-log", "exit code: 1"]);
}

#[test]
fn the_whole_log_of_a_failed_step() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile("FROM base\nRUN seq 1 5000; exit 1\n");
    let ran = place.build(&["--progress", "quiet"]).fails(1, &[]);
    for n in [1, 2500, 5000] {
        assert!(
            ran.stderr.lines().any(|line| line.ends_with(&format!(" {n}"))),
            "{n} is missing"
        );
    }
}
