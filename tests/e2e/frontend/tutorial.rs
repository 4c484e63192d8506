//! docs/writing-a-frontend.md, command by command, without a network; and what a project's author sees on the way.
//! One project serves all of it, as its first build compiles a standard library where there is none.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lapstrake_tests::place::program;
use lapstrake_tests::{Place, Ran, guests, skip};

const TUTORIAL: &str = include_str!("../../../docs/writing-a-frontend.md");

/// The commands of the page, in order.
fn commands() -> Vec<&'static str> {
    let blocks = TUTORIAL.split("```sh\n").skip(1);
    let blocks = blocks.filter_map(|block| block.split("```").next());
    blocks
        .flat_map(str::lines)
        .filter(|line| !line.is_empty())
        .collect()
}

/// The program in a project, with a toolchain that asks nobody and shares what it compiled with the frontends of this tree.
fn author(place: &Place, folder: &Path) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap();
    let bin = place.path("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let link = bin.join("lapstrake");
    if !link.exists() {
        std::os::unix::fs::symlink(program(), &link).unwrap();
    }
    let own = |name: &str| std::env::var_os(name);
    let home = own("HOME").map_or_else(|| "/root".into(), PathBuf::from);
    let cargo_home = own("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    let rustup_home = own("RUSTUP_HOME").map_or_else(|| home.join(".rustup"), PathBuf::from);
    // As frontends/build.sh has it, so that the standard library and the macros are compiled once.
    let flags = format!(
        "--remap-path-prefix={}=/cargo\u{1f}--remap-path-prefix={}=/lapstrake",
        cargo_home.display(),
        root.display()
    );
    let mut command = place.command();
    let path = own("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&path))).unwrap();
    command
        .env("PATH", path)
        .env("CARGO_HOME", cargo_home)
        .env("RUSTUP_HOME", rustup_home)
        .env("CARGO_NET_OFFLINE", "true")
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_TARGET_DIR", root.join("target/wasm"))
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .current_dir(folder);
    command
}

/// Runs the commands of the page in one shell.
fn follow(place: &Place) -> Ran {
    let mut shell = Command::new("sh");
    let author = author(place, &place.path("."));
    shell
        .args(["-exc", &commands().join("\n")])
        .env_clear()
        .envs(author.get_envs().filter_map(|(key, value)| Some((key, value?))))
        .current_dir(place.path("."));
    Ran::of(shell.output().unwrap())
}

#[test]
fn the_tutorial_leads_to_an_image() {
    if guests::built("examples/hello").is_none() {
        skip!("the components are not built, so there may be no compiler for them: run `make frontends`");
    }
    assert!((5..=10).contains(&commands().len()), "{:?}", commands());
    let place = Place::new();
    let ran = follow(&place).ok();
    for text in [
        "greeting/ is a frontend in rust",
        "build/greeting.wasm",
        "say it in /hello.txt",
        "2 cases, all good",
    ] {
        assert!(ran.stdout.contains(text), "{text:?} is not in\n{}", ran.stdout);
    }
    assert!(ran.stdout.contains("blessed  hello"), "{}", ran.stdout);
    let project = place.path("greeting");
    assert_eq!(
        std::fs::read_to_string(project.join("image/motd")).unwrap(),
        "Hello, harbour\n"
    );
    cases_tell_what_differs(&place, &project);
    a_mistake_is_shown_with_its_place(&place, &project);
    a_changed_file_is_run_again(&place, &project);
    place.assert_clean();
}

fn run(place: &Place, project: &Path, arguments: &[&str]) -> Ran {
    Ran::of(author(place, project).args(arguments).output().unwrap())
}

fn cases_tell_what_differs(place: &Place, project: &Path) {
    let graph = project.join("cases/hello/graph.txt");
    let right = std::fs::read_to_string(&graph).unwrap();
    std::fs::write(&graph, right.replace("/motd", "/elsewhere")).unwrap();
    let ran = run(place, project, &["frontend", "test", "--no-build"]);
    assert_eq!(ran.code, 1);
    for text in [
        "FAILED   hello",
        "ok       mistake",
        "graph.txt: - expected, + found",
        "/elsewhere",
    ] {
        assert!(ran.stdout.contains(text), "{text:?} is not in\n{}", ran.stdout);
    }
    let ran = run(
        place,
        project,
        &["frontend", "test", "--no-build", "--bless", "hello"],
    )
    .ok();
    assert_eq!(ran.stdout, "blessed  hello\n1 cases, all good\n");
    assert_eq!(std::fs::read_to_string(&graph).unwrap(), right);
    run(place, project, &["frontend", "test", "--no-build", "none"])
        .fails(2, &["there is no case \"none\"; there are: hello, mistake"]);
}

fn a_mistake_is_shown_with_its_place(place: &Place, project: &Path) {
    run(place, project, &["frontend", "run", "cases/mistake/input"]).fails(
        1,
        &["there is no word \"sya\"", "input:2:1", "did you mean \"say\"?"],
    );
}

fn a_changed_file_is_run_again(place: &Place, project: &Path) {
    let file = project.join("watched.greeting");
    std::fs::write(&file, "say one\n").unwrap();
    let mut command = author(place, project);
    command.args(["frontend", "run", "--watch", "watched.greeting"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let mut wait_for = |text: &str| lines.any(|line| line.contains(text));
    let first = wait_for("one");
    std::fs::write(&file, "say another\n").unwrap();
    let second = wait_for("another");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(first && second);
}

#[test]
fn what_is_missing_is_told_with_what_to_do() {
    let place = Place::new();
    let run = |arguments: &[&str]| place.run(arguments);
    run(&["frontend", "build"]).fails(2, &["in no frontend's project", "lapstrake frontend new"]);
    run(&["frontend", "new", "Greeting", "--lang", "rust"]).fails(2, &["lower-case letters"]);
    run(&["frontend", "new", "x", "--lang", "cobol"]).fails(2, &["rust, python, javascript, go or c"]);
    run(&["frontend", "new", "x", "--lang", "rust"]).ok();
    run(&["frontend", "new", "x", "--lang", "rust"]).fails(1, &["x is there already"]);
    run(&["frontend", "test", "--no-build", "--project", "x"]).fails(1, &["x.wasm is not there"]);
    // Another language's tool.
    std::fs::write(
        place.path("x/lapstrake-frontend.toml"),
        "[frontend]\nname = \"x\"\nlanguage = \"python\"\ncomponent = \"x.wasm\"\n\
         [[build]]\nrun = [\"no-such-tool\", \"x\"]\nadvice = \"pip install no-such-tool\"\n",
    )
    .unwrap();
    run(&["frontend", "build", "--project", "x"]).fails(
        1,
        &[
            "no-such-tool is needed and not there",
            "help: pip install no-such-tool",
        ],
    );
}
