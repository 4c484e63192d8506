//! Several frontends in one syntax line, and frontends that build with others: what one says of a line is told with the file
//! that the line is in.

use std::fs;

use lapstrake_tests::gated::Gated;
use lapstrake_tests::servers::Registry;
use lapstrake_tests::{Place, base, guests, layout, skip};
use serde_json::json;

/// A place with the example components in its context.
fn place() -> Option<Place> {
    let place = Place::new();
    for name in ["include-source", "mirror"] {
        let component = fs::read(guests::built(&format!("examples/{name}"))?).unwrap();
        place.file(format!("{name}.wasm"), component);
    }
    Some(place)
}

const NOT_BUILT: &str = "examples/frontends are not built: run `make frontends`";

#[test]
fn what_a_later_frontend_says_of_a_line_is_told_with_its_file() {
    let Some(place) = place() else {
        skip!("{NOT_BUILT}")
    };
    place
        .dockerfile(
            "# syntax=./include-source.wasm | docker/dockerfile:1\nFROM scratch\nINCLUDE parts/files\nCOPY last /\n",
        )
        .file("parts/files", "# from another file\nCOPY first /\nINCLUDE parts/more\n")
        .file("parts/more", "ENV A=1\n")
        .file("first", "1")
        .file("last", "2");
    let (out, _) = place.build_local(&[]);
    assert_eq!(fs::read_to_string(out.join("first")).unwrap(), "1");
    assert_eq!(fs::read_to_string(out.join("last")).unwrap(), "2");

    let graph = place.run(["llb", "context", "--format", "json"]).ok().stdout;
    let graph: serde_json::Value = serde_json::from_str(&graph).unwrap();
    let text = graph.to_string();
    assert!(text.contains("parts/files"), "{text}");

    // An error, a warning and a failed step, each in a file that was included.
    place.file("parts/more", "COPPY a b\n");
    place.build(&[]).fails(
        1,
        &["--> parts/more:1:1", " 1 | COPPY a b", "^^^^^", "did you mean"],
    );
    place.file("parts/more", "MAINTAINER somebody\n");
    let warned = place.build(&[]).ok();
    assert!(warned.stderr.contains("parts/more:1:1"), "{}", warned.stderr);
    place.file("parts/more", "COPY missing /\n");
    place.build(&[]).fails(1, &["parts/more:1", "COPY missing /"]);
    place.file("parts/more", "INCLUDE parts/files\n");
    place.build(&[]).fails(
        1,
        &["error[IncludeCycle]", "parts/more:1:1", "INCLUDE parts/files"],
    );

    // What stays and what does not is seen in the next build, too: the includes are read again.
    place.file("parts/more", "ENV A=2\n");
    place.build(&[]).ok();
    place.assert_clean();
}

#[test]
fn other_questions_go_through_the_chain() {
    let Some(place) = place() else {
        skip!("{NOT_BUILT}")
    };
    place
        .dockerfile("FROM scratch AS first\nINCLUDE more\n")
        .file("more", "ARG VERSION=1\nFROM scratch AS second\nCOPY a b\n");
    let chain = ["--frontend", "context/include-source.wasm | dockerfile"];
    let call = |what: &str| {
        let arguments = [&["build", "context", "--call", what], &chain[..]].concat();
        place.run(arguments).ok().stdout
    };
    assert!(
        call("targets").contains("second (default)"),
        "{}",
        call("targets")
    );
    assert!(
        call("describe").starts_with("dockerfile "),
        "{}",
        call("describe")
    );
    place.file("more", "FROM scratch AS Second\n");
    // Findings are no success, as with docker buildx.
    let arguments = [&["build", "context", "--check"], &chain[..]].concat();
    let checked = place.run(arguments);
    assert_eq!(checked.code, 1, "{}", checked.stderr);
    assert!(
        checked.stdout.contains("StageNameCasing") && checked.stdout.contains("\nmore:1\n"),
        "{}",
        checked.stdout
    );
}

#[test]
fn chains_that_make_no_sense_are_told() {
    let Some(place) = place() else {
        skip!("{NOT_BUILT}")
    };
    let cases: [(&str, &[&str]); 5] = [
        (
            "./include-source.wasm | ./mirror.wasm x",
            &["exactly one", "none of the frontends"],
        ),
        (
            "docker/dockerfile:1 | dockerfile",
            &["exactly one", "more than one"],
        ),
        (
            "docker/dockerfile:1 | ./include-source.wasm",
            &["stands before what reads them"],
        ),
        (
            "./include-source.wasm | ",
            &["the reference to a frontend is empty"],
        ),
        (
            "docker/dockerfile:1 | ./mirror.wasm",
            &["a mirror without a name"],
        ),
    ];
    for (chain, texts) in cases {
        place.dockerfile(&format!("# syntax={chain}\nFROM alpine\n"));
        place.build(&[]).fails(1, texts);
    }
    place.dockerfile("# syntax=docker/dockerfile:1 | ./none.wasm\nFROM scratch\n");
    place.build(&[]).fails(1, &["Dockerfile:1:32", "./none.wasm"]);
}

#[test]
fn base_images_come_from_a_mirror() {
    let Some(place) = place() else {
        skip!("{NOT_BUILT}")
    };
    let Some(registry) = Registry::start(&place.path("out"), None) else {
        skip!("docker-registry is not installed");
    };
    if !registry.push(base::busybox(), "hub/library/harbour:1", None) {
        skip!("skopeo is not installed");
    }
    let host = registry.host.clone();
    place
        .config(&format!("[registry.\"{host}\"]\nhttp = true\n"))
        .file("f", "f");
    // There is no such image anywhere else, and no network to ask.
    place.dockerfile(&format!(
        "# syntax=docker/dockerfile:1 | ./mirror.wasm {host}/hub\nFROM harbour:1\nCOPY f /f\n"
    ));
    place.run(["build", "context", "-o", "out/one"]).ok();
    assert_eq!(fs::read_to_string(place.path("out/one/f")).unwrap(), "f");
    assert!(place.path("out/one/bin/busybox").is_file());
    let graph = place.run(["llb", "context"]).ok().stdout;
    assert!(
        graph.contains(&format!("{host}/hub/library/harbour:1@sha256:")),
        "{graph}"
    );
}

#[test]
fn the_images_of_a_build_in_a_build_come_from_the_mirror_too() {
    let (Some(place), Some(guest)) = (place(), guests::built("guests/rust")) else {
        skip!("{NOT_BUILT}")
    };
    let folder = place.path("layout");
    let registry = Gated::start(&folder);
    let manifest = layout::image(&folder, ("linux", "amd64"), json!({}), &[]);
    registry.tag("hub/library/harbour:1", &manifest);
    let host = &registry.host;
    place
        .file("own.wasm", fs::read(guest).unwrap())
        .file("made", "made")
        .dockerfile(&format!("# syntax=./own.wasm | ./mirror.wasm {host}/hub\n"));
    // There is no such image anywhere else, and no network to ask.
    let (out, _) = place.build_local(&["--target", "nested", "--build-arg", "from=harbour:1"]);
    assert_eq!(fs::read_to_string(out.join("made")).unwrap(), "made");
    assert!(
        registry
            .take_asked()
            .iter()
            .any(|asked| asked.contains("hub/library/harbour"))
    );
}

#[test]
fn a_frontend_builds_a_file_that_a_step_made() {
    let Some(guest) = guests::built("guests/rust") else {
        skip!("tests/guests are not built: run `make frontends`")
    };
    let place = Place::new();
    place
        .file("own.wasm", fs::read(guest).unwrap())
        .file("made", "made")
        .dockerfile("# syntax=./own.wasm\n");
    for _ in 0..2 {
        let (out, ran) = place.build_local(&["--target", "nested"]);
        assert_eq!(fs::read_to_string(out.join("made")).unwrap(), "made");
        if !ran.stderr.contains("CACHED") {
            assert!(
                ran.stderr.contains("[internal] writing build files"),
                "{}",
                ran.stderr
            );
        }
    }
    place
        .build(&["--target", "nested-for-ever"])
        .fails(1, &["builds are nested too deep"]);
    place.assert_clean();
}
