//! Projects in Python and JavaScript, from `new` to a built image, with the tools that sdk/tools.sh installs; and what is said
//! where there are none. Nothing is fetched: the SDK is in the program.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use lapstrake_tests::{Place, Ran, find_program, skip};

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools")
}

/// The program in a folder, with these programs before the system's.
fn run(place: &Place, folder: &Path, path: &OsString, words: &[&str]) -> Ran {
    let mut command = place.command();
    command.env("PATH", path).current_dir(folder).args(words);
    Ran::of(command.output().unwrap())
}

/// `PATH` with a folder before the rest.
fn before(folder: &Path) -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path))).unwrap()
}

/// Makes a project; `ready` does what its README says is done once. Then the loop: build, test, run, and an image.
fn loops(language: &str, path: &OsString, ready: impl FnOnce(&Path)) {
    let place = Place::new();
    let here = place.path(".");
    let run = |folder: &Path, words: &[&str]| run(&place, folder, path, words);
    run(&here, &["frontend", "new", "greeting", "--lang", language]).ok();
    let project = place.path("greeting");
    ready(&project);
    let built = run(&project, &["frontend", "build"]).ok().stdout;
    assert!(built.starts_with("build/greeting.wasm ("), "{built}");
    let tested = run(&project, &["frontend", "test", "--no-build"]).ok().stdout;
    assert_eq!(tested, "ok       hello\nok       mistake\n2 cases, all good\n");

    std::fs::write(
        project.join("hello.greeting"),
        "# syntax=./build/greeting.wasm\nsay Hello, harbour\ninto /motd\n",
    )
    .unwrap();
    run(&project, &["build", "-f", "hello.greeting", "-o", "image", "."]).ok();
    let text = std::fs::read_to_string(project.join("image/motd")).unwrap();
    assert_eq!(text, "Hello, harbour\n");
    std::fs::write(
        project.join("hello.greeting"),
        "# syntax=./build/greeting.wasm\nsya\n",
    )
    .unwrap();
    run(&project, &["build", "-f", "hello.greeting", "."]).fails(
        1,
        &[
            "error[UnknownWord]",
            "hello.greeting:2:1",
            "did you mean \"say\"?",
        ],
    );
    place.assert_clean();
}

#[test]
fn a_project_in_python_goes_from_new_to_an_image() {
    let bin = tools().join("python/bin");
    if !bin.join("componentize-py").is_file() {
        skip!("componentize-py is not there: run sdk/tools.sh");
    }
    loops("python", &before(&bin), |_| {});
}

#[test]
fn a_project_in_javascript_goes_from_new_to_an_image() {
    let modules = tools().join("node/node_modules");
    if find_program("node").is_none() || !modules.join("componentize-qjs").is_dir() {
        skip!("node or componentize-qjs is not there: run sdk/tools.sh");
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    loops("javascript", &path, |project| {
        // As `npm install` does it, without a registry.
        let own = project.join("node_modules");
        std::fs::create_dir_all(own.join("@lapstrake")).unwrap();
        let sdk = project.join("vendor/sdk/javascript");
        std::os::unix::fs::symlink(sdk, own.join("@lapstrake/sdk")).unwrap();
        for name in ["componentize-qjs", "rolldown"] {
            let module = modules.join(name).canonicalize().unwrap();
            std::os::unix::fs::symlink(module, own.join(name)).unwrap();
        }
    });
}

#[test]
fn tools_that_are_missing_are_told_with_what_to_do() {
    let place = Place::new();
    let empty = place.path("empty");
    std::fs::create_dir(&empty).unwrap();
    for (language, said) in [
        (
            "python",
            [
                "python3 is needed and not there",
                "help: install Python 3.11 or newer, and componentize-py: pip install componentize-py==",
            ],
        ),
        (
            "javascript",
            [
                "node is needed and not there",
                "help: install Node.js 20 or newer, then run: npm install",
            ],
        ),
    ] {
        let none = OsString::from(&empty);
        run(
            &place,
            &place.path("."),
            &none,
            &["frontend", "new", language, "--lang", language],
        )
        .ok();
        run(&place, &place.path(language), &none, &["frontend", "build"]).fails(1, &said);
    }
}
