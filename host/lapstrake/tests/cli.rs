//! The program itself, in a sealed environment: help, version and what is wrong usage. What builds do is tested end to
//! end in the folder tests; that this file exists also makes `cargo test` build the program for them.

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lapstrake"))
        .env_clear()
        .args(arguments)
        .output()
        .expect("the program runs")
}

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let output = run(&["--help"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success());
    for word in ["build", "llb", "version", "Exit codes", "130"] {
        assert!(text.contains(word), "{word:?} is not in\n{text}");
    }
}

#[test]
fn every_option_of_build_is_documented() {
    let output = run(&["build", "--help"]);
    let help = String::from_utf8_lossy(&output.stdout);
    let docs = include_str!("../../../docs/cli.md");
    let options = help
        .lines()
        .filter_map(|line| line.trim().split("--").nth(1)?.split([' ', '[', '=', ',']).next());
    for option in options.filter(|option| !matches!(*option, "help" | "version")) {
        assert!(
            docs.contains(&format!("--{option}")),
            "docs/cli.md does not speak of --{option}"
        );
    }
}

#[test]
fn version() {
    let output = run(&["version"]);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        concat!("lapstrake ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn wrong_usage_has_exit_code_2() {
    for arguments in [&["nonsense"][..], &["build"], &["build", ".", "--nonsense"], &[]] {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn without_a_home_a_state_directory_must_be_named() {
    if rustix::process::geteuid().is_root() {
        eprintln!("skipped: root has a state directory of its own");
        return;
    }
    let output = run(&["build", "."]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--root"));
}
