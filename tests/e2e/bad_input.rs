//! Build files and command lines that are wrong: each is told with its place and a remedy, and leaves nothing behind.

use lapstrake_tests::Place;

#[test]
fn no_such_build_file() {
    let place = Place::new();
    place
        .build(&[])
        .fails(1, &["Dockerfile", "no such file", "--file"]);
    place
        .build(&["-f", "context/other"])
        .fails(1, &["context/other", "no such file"]);
    place.assert_clean();
}

#[test]
fn no_such_context() {
    let place = Place::new();
    place
        .run(["build", "nowhere"])
        .fails(1, &["nowhere", "No such file"]);
}

#[test]
fn a_directory_is_no_build_file() {
    let place = Place::new();
    std::fs::create_dir(place.path("context/Dockerfile")).unwrap();
    place.build(&[]).fails(1, &["Dockerfile", "is a directory"]);
}

#[test]
fn an_empty_build_file() {
    for text in ["", "\n\n", "# just a comment\n"] {
        let place = Place::new();
        place
            .dockerfile(text)
            .build(&[])
            .fails(1, &["Dockerfile", "no instructions"]);
    }
}

#[test]
fn not_utf8() {
    let place = Place::new();
    place.file("Dockerfile", b"FROM scratch\nLABEL a=\xff\n");
    place.build(&[]).fails(1, &["Dockerfile:2:9", "UTF-8"]);
}

#[test]
fn an_unknown_instruction() {
    let place = Place::new();
    place.dockerfile("FROM scratch\nCOPPY a b\n");
    place
        .build(&[])
        .fails(1, &["Dockerfile:2:1", "COPPY", "^^^^^", "did you mean", "COPY"]);
}

#[test]
fn several_errors_are_told_at_once() {
    let place = Place::new();
    place.dockerfile("FROM scratch\nCOPPY a b\nENVV a=b\n");
    place.build(&[]).fails(1, &["Dockerfile:2:1", "Dockerfile:3:1"]);
}

#[test]
fn a_missing_argument() {
    for (text, place_of) in [
        ("FROM scratch\nCOPY a\n", ":2:"),
        ("FROM\n", ":1:"),
        ("FROM scratch\nWORKDIR\n", ":2:"),
    ] {
        let place = Place::new();
        let name = format!("Dockerfile{place_of}");
        place
            .dockerfile(text)
            .build(&[])
            .fails(1, &[&name, "error[", "help: "]);
    }
}

#[test]
fn an_unknown_stage_and_an_unknown_target() {
    let place = Place::new();
    place.dockerfile("FROM base AS build\nFROM scratch\nCOPY --from=9 /a /b\n");
    place.build(&[]).fails(1, &["Dockerfile:3:", "9"]);
    place.dockerfile("FROM base AS build\n");
    place.build(&["--target", "biuld"]).fails(1, &["biuld", "build"]);
}

#[test]
fn a_cycle_of_stages() {
    let place = Place::new();
    place.dockerfile("FROM base AS a\nCOPY --from=b /x /x\nFROM base AS b\nCOPY --from=a /x /x\n");
    place.build(&[]).fails(1, &["Dockerfile", "a", "b"]);
}

#[test]
fn an_unknown_flag_of_an_instruction() {
    let place = Place::new();
    place.dockerfile("FROM scratch\nCOPY --form=a /b /c\n");
    place
        .build(&[])
        .fails(1, &["Dockerfile:2:6", "--form", "did you mean", "from"]);
}

#[test]
fn an_unknown_option_of_the_command() {
    let place = Place::new();
    place
        .run(["build", "context", "--targett", "x"])
        .fails(2, &["--targett", "--target"]);
    place.run(["biuld"]).fails(2, &["biuld", "build"]);
    place.run(["build"]).fails(2, &["CONTEXT"]);
    place
        .run(["build", "context", "-o", "type=ocy,dest=x"])
        .fails(2, &["--output", "ocy", "did you mean"]);
    place
        .run(["build", "context", "--progress", "loud"])
        .fails(2, &["--progress", "loud", "plain"]);
    place
        .run(["build", "context", "--platform", "x"])
        .fails(2, &["--platform", "linux/amd64"]);
    place
        .run(["build", "context", "--jobs", "0"])
        .fails(2, &["--jobs"]);
}

#[test]
fn a_bad_configuration_file() {
    let place = Place::new();
    place.config("jobz = 1\n").dockerfile("FROM scratch\n");
    place.build(&[]).fails(2, &["lapstrake.toml", "jobz"]);
    place
        .run(["build", "context", "--config", "none.toml"])
        .fails(2, &["none.toml"]);
}

#[test]
fn a_missing_source_of_a_copy() {
    let place = Place::new();
    place
        .dockerfile("FROM scratch\nCOPY present missing /\n")
        .file("present", "x");
    place.build(&[]).fails(1, &["Dockerfile:2:1", "missing", "^^^^"]);
    place.assert_clean();
}

#[test]
fn a_source_outside_of_the_context() {
    let place = Place::new();
    std::fs::write(place.path("secret"), "secret").unwrap();
    place.dockerfile("FROM scratch\nCOPY ../secret /\n");
    place.build(&[]).fails(1, &["Dockerfile:2:", "secret"]);

    // A link that leads out is resolved inside the context, where there is nothing.
    std::os::unix::fs::symlink("../secret", place.path("context/link")).unwrap();
    place.dockerfile("FROM scratch\nCOPY link/ /\n");
    place.build(&[]).fails(1, &["Dockerfile:2:"]);
    std::os::unix::fs::symlink("/etc", place.path("context/etc")).unwrap();
    place.dockerfile("FROM scratch\nCOPY etc/passwd /\n");
    place.build(&[]).fails(1, &["Dockerfile:2:", "etc/passwd"]);
}

#[test]
fn the_store_is_unharmed_by_all_that() {
    let place = Place::new();
    place
        .dockerfile("FROM base\nRUN echo one > /one\n")
        .build(&[])
        .ok();
    place.dockerfile("FROM base\nRUN echo one > /one\nRUN exit 3\n");
    place.build(&[]).fails(1, &["exit code: 3", "Dockerfile:3:1"]);
    place.dockerfile("FROM base\nCOPPY\n").build(&[]).fails(1, &[]);
    place.dockerfile("FROM base\nRUN echo one > /one\n");
    assert_eq!(place.build(&[]).ok().count("CACHED"), 1);
    place.assert_clean();
}

/// Pipes without a writer, and devices: whoever opens or reads them could wait for ever.
#[test]
fn pipes_and_devices_in_place_of_files_are_not_waited_for() {
    let place = Place::new();
    let made = std::process::Command::new("mkfifo")
        .args([place.path("context/own.wasm"), place.path("context/Pipe")])
        .status();
    assert!(made.unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(place.path("context/socket.wasm")).unwrap();
    for name in ["own.wasm", "socket.wasm"] {
        place.dockerfile(&format!("# syntax=./{name}\nFROM scratch\n"));
        place.build(&[]).fails(1, &[name, "not a regular file"]);
    }
    place.dockerfile("FROM scratch\n");
    for frontend in [
        "./context/own.wasm",
        "./context/socket.wasm",
        "/dev/zero",
        "/dev/null",
    ] {
        place
            .build(&["--frontend", frontend])
            .fails(1, &["not a regular file"]);
    }
    place
        .build(&["-f", "context/Pipe"])
        .fails(1, &["context/Pipe is not a regular file"]);
    place
        .build(&["-f", "/dev/zero"])
        .fails(1, &["larger than 64 MiB"]);
    place.assert_clean();
}

/// As with `-f <(...)` of a shell.
#[test]
fn a_pipe_that_somebody_writes_is_a_build_file() {
    let place = Place::new();
    place.file("f", "from a pipe");
    let mut command = std::process::Command::new("sh");
    command
        .arg("-c")
        .arg("printf 'FROM scratch\nCOPY f /\n' | { exec 7<&0 </dev/null; exec \"$0\" build context -f /dev/fd/7 -o out/x; }")
        .arg(lapstrake_tests::place::program())
        .current_dir(place.path(""))
        .env("HOME", place.path("home"))
        .env("LAPSTRAKE_ROOT", place.state());
    lapstrake_tests::Ran::of(command.output().unwrap()).ok();
    assert_eq!(
        std::fs::read_to_string(place.path("out/x/f")).unwrap(),
        "from a pipe"
    );
}

#[test]
fn why_says_which_options_mean_nothing_to_it() {
    let place = Place::new();
    place.dockerfile("FROM scratch\nCOPY Dockerfile /\n");
    let ran = place
        .run([
            "why",
            "context",
            "-o",
            "out/x",
            "--iidfile",
            "out/id",
            "-t",
            "n",
            "--timings",
        ])
        .ok();
    let warning = "warning: why builds nothing and writes nothing: it takes no notice of --output, --tag, --iidfile, --timings";
    assert_eq!(ran.stderr.lines().collect::<Vec<_>>(), [warning]);
    assert!(ran.stdout.contains("would run"), "{}", ran.stdout);
    assert_eq!(std::fs::read_dir(place.path("out")).unwrap().count(), 0);
    let quiet = place.run(["why", "context", "--build-arg", "A=b"]).ok();
    assert_eq!(quiet.stderr, "");
}
