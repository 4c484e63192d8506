//! Frontends that are none, cannot be had, or misbehave: each is told with its name, the place that names it and what it
//! did, and harms nothing. And what a frontend of one's own looks like when all is well.

mod answers;
mod limits;

use std::fs;

use lapstrake_tests::{Place, guests, skip};

/// Where the syntax line names the frontend.
const PLACE: &str = "Dockerfile:1:10";

/// A place with a frontend in its context, named by the syntax line, and a build of the built-in frontend that is done.
fn place_with(frontend: &[u8]) -> Place {
    let place = Place::new();
    place
        .file("own.wasm", frontend)
        .dockerfile("# syntax=./own.wasm\n");
    place
        .file("sound", "FROM base\nCOPY kept /kept\n")
        .file("kept", "as it was");
    place.build(&["-f", "context/sound"]).ok();
    place
}

/// Fails the test unless the store has what it had, takes new things, and nothing is left behind.
#[track_caller]
fn assert_unharmed(place: &Place) {
    place.assert_clean();
    let again = place.build(&["-f", "context/sound"]).ok();
    assert!(
        again.count("CACHED") > 0,
        "what was built before is gone:\n{}",
        again.stderr
    );
    place.file("kept", "as it is now");
    let (out, _) = place.build_local(&["-f", "context/sound"]);
    assert_eq!(fs::read_to_string(out.join("kept")).unwrap(), "as it is now");
    place.assert_clean();
}

/// What a build is given beside the frontend, and what it must say.
type Case<'a> = (&'a [&'a str], &'a [&'a str]);

/// A frontend that the syntax line names fails these builds, which say all of that and where the frontend is named.
#[track_caller]
fn refused(frontend: &[u8], cases: &[Case<'_>]) {
    let place = place_with(frontend);
    for (more, texts) in cases {
        let everywhere = ["context/own.wasm", PLACE, "# syntax=./own.wasm", "^^^^^^^^^^"];
        place.build(more).fails(1, &[&everywhere, *texts].concat());
    }
    assert_unharmed(&place);
}

/// The same of tests/guests/rust in some of its ways.
#[track_caller]
fn misbehaves(cases: &[Case<'_>]) {
    let Some(guest) = guest() else {
        skip!("tests/guests are not built: run `make frontends`")
    };
    refused(&guest, cases);
}

fn guest() -> Option<Vec<u8>> {
    guests::built("guests/rust").map(|file| fs::read(file).unwrap())
}

// ---- Not a frontend at all ----

#[test]
fn not_wasm() {
    refused(
        &guests::read("not-wasm.wasm"),
        &[(&[], &["is not a WebAssembly component: it is text"])],
    );
    refused(b"", &[(&[], &["is not a WebAssembly component: it is empty"])]);
    refused(
        b"\x7fELF\x02\x01\x01\0",
        &[(&[], &["is not a WebAssembly component: it is native code"])],
    );
    refused(b"(component)", &[(&[], &["text format", "wasm-tools parse"])]);
    refused(
        b"\0asm\x0d\0\x01\0broken",
        &[(&[], &["is not a valid WebAssembly component"])],
    );
}

#[test]
fn a_core_module() {
    let texts = [
        "core WebAssembly module, not a component",
        "wasm-tools component new",
    ];
    refused(&guests::read("core-module.wat"), &[(&[], &texts)]);
}

#[test]
fn a_component_of_another_world() {
    let missing = "is no lapstrake frontend: it does not export lapstrake:frontend/frontend@0.1.0";
    refused(&guests::read("empty.wat"), &[(&[], &[missing])]);
    refused(&guests::read("other-world.wat"), &[(&[], &[missing])]);
}

#[test]
fn a_component_of_another_version() {
    let texts = [
        "needs lapstrake >= 0.2",
        "made for lapstrake:frontend@0.2.0",
        "this lapstrake speaks 0.1",
    ];
    refused(&guests::read("other-version.wat"), &[(&[], &texts)]);
}

#[test]
fn a_component_with_other_types() {
    refused(
        &guests::read("wrong-types.wat"),
        &[(&[], &["another form of lapstrake:frontend@0.1.0"])],
    );
}

#[test]
fn a_component_that_wants_the_machines_files() {
    let texts = [
        "imports WASI (wasi:filesystem/preopens@0.2.0)",
        "build it without",
    ];
    refused(&guests::read("wants-files.wat"), &[(&[], &texts)]);
}

#[test]
fn a_file_that_is_too_large() {
    let place = place_with(b"");
    let file = fs::File::options()
        .write(true)
        .open(place.path("context/own.wasm"))
        .unwrap();
    file.set_len((256 << 20) + (1 << 20)).unwrap();
    place.build(&[]).fails(
        1,
        &["own.wasm has 257 MiB; a frontend has at most 256 MiB", PLACE],
    );
    fs::remove_file(place.path("context/own.wasm")).unwrap();
    assert_unharmed(&place);
}

// ---- Cannot be had ----

/// A reference that fails as the syntax line's and as the option's.
#[track_caller]
fn cannot_be_had(reference: &str, texts: &[&str]) {
    let place = place_with(b"");
    let texts = [&[reference], texts].concat();
    place
        .build(&["-f", "context/sound", "--frontend", reference])
        .fails(1, &texts);
    place.dockerfile(&format!("# syntax={reference}\n"));
    place
        .build(&[])
        .fails(1, &[&texts[..], &[PLACE, &"^".repeat(reference.len())]].concat());
    assert_unharmed(&place);
}

#[test]
fn no_such_file() {
    cannot_be_had(
        "./none.wasm",
        &["cannot find the frontend", "No such file or directory"],
    );
}

#[test]
fn a_directory_or_a_device() {
    cannot_be_had("./", &["cannot read the frontend", "not a regular file"]);
    let place = place_with(b"");
    place
        .build(&["--frontend", "/dev/zero"])
        .fails(1, &["/dev/zero", "not a regular file"]);
    assert_unharmed(&place);
}

#[test]
fn an_unknown_name() {
    cannot_be_had(
        "dockerfil",
        &[
            "names no frontend",
            "docker/dockerfile:1",
            "./frontend.wasm",
            "did you mean \"dockerfile\"?",
        ],
    );
}

#[test]
fn an_unknown_version_of_a_built_in_frontend() {
    cannot_be_had(
        "docker/dockerfile:2",
        &["the built-in dockerfile frontend is version 1"],
    );
}

#[test]
fn in_a_registry_that_is_not_asked() {
    let place = Place::new();
    for reference in ["registry.invalid/me/frontend:1", "oci:me/frontend"] {
        place.dockerfile(&format!("# syntax={reference}\n"));
        let said = format!("cannot get the frontend {reference}");
        place
            .build(&["--offline"])
            .fails(3, &[&said, PLACE, "build once without --offline"]);
    }
    place.dockerfile("# syntax=docker/dokerfile:1\n");
    place
        .build(&["--offline"])
        .fails(3, &["did you mean \"docker/dockerfile\"?"]);
    place.assert_clean();
}

#[test]
fn at_an_address_without_digest() {
    let texts = ["an address without a digest", "@sha256:"];
    cannot_be_had("https://host.invalid/frontend.wasm", &texts);
    cannot_be_had(
        "ftp://host.invalid/frontend.wasm",
        &["no address that frontends are fetched from"],
    );
}

#[test]
fn outside_of_the_context() {
    let place = place_with(b"");
    fs::write(place.path("outside.wasm"), "not read").unwrap();
    std::os::unix::fs::symlink("../outside.wasm", place.path("context/link.wasm")).unwrap();
    let absolute = place.path("outside.wasm");
    // A file that is not there gets the same answer: a build file cannot ask what exists elsewhere.
    for reference in [
        "../outside.wasm",
        "../none.wasm",
        "./link.wasm",
        "a/../../outside.wasm",
        absolute.to_str().unwrap(),
    ] {
        place.dockerfile(&format!("# syntax={reference}\n"));
        let texts = [reference, "outside of the build context", "--frontend", PLACE];
        let ran = place.build(&[]).fails(1, &texts);
        assert!(!ran.stderr.contains("No such file"), "{}", ran.stderr);
    }
    // Whoever types the command may name any file; this one is read.
    place
        .build(&["--frontend", "outside.wasm"])
        .fails(1, &["outside.wasm is not a WebAssembly component"]);
    assert_unharmed(&place);
}

// ---- All is well ----

#[test]
fn a_frontend_of_ones_own() {
    let Some(hello) = guests::built("examples/hello") else {
        skip!("the example is not built: run `make frontends`")
    };
    let place = place_with(&fs::read(&hello).unwrap());
    place
        .file("greeting", "say Hello, option\n")
        .dockerfile("# syntax=./own.wasm\nsay Hello, syntax line\n");
    for (more, text) in [
        (
            &["-f", "context/greeting", "--frontend", hello.to_str().unwrap()][..],
            "Hello, option\n",
        ),
        (&[], "Hello, syntax line\n"),
    ] {
        let (out, _) = place.build_local(more);
        assert_eq!(fs::read_to_string(out.join("hello.txt")).unwrap(), text);
        assert_eq!(
            place.build(more).ok().count("CACHED"),
            1,
            "the second build runs nothing"
        );
    }
    assert_unharmed(&place);
}

#[test]
fn a_mistake_in_the_language_of_ones_own() {
    let Some(hello) = guests::built("examples/hello") else {
        skip!("the example is not built: run `make frontends`")
    };
    let place = place_with(&fs::read(hello).unwrap());
    place.dockerfile("# syntax=./own.wasm\nsay Hello\nint /hello.txt\n");
    let shown = "error[UnknownWord]: there is no word \"int\"\n  --> Dockerfile:3:1\n   |\n 3 | int /hello.txt\n   | ^^^^^^^^^^^^^^\n  help: did you mean \"into\"?\n";
    place.build(&[]).fails(1, &[shown]);
    assert_unharmed(&place);
}
