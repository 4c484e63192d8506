//! A frontend that extends the Dockerfile language, examples/frontends/dockerfile-include, named by the syntax line: its
//! images are right, and what goes wrong is shown in the file where it stands.

use std::fs;

use lapstrake_tests::{Place, can_run_containers, guests, skip};

/// A place with the frontend in its context.
fn place() -> Option<Place> {
    let wasm = guests::built("examples/dockerfile-include")?;
    let place = Place::new();
    place.file("dockerfile-include.wasm", fs::read(wasm).unwrap());
    place.dockerfile(
        "# syntax=./dockerfile-include.wasm\nFROM base\nINCLUDE parts/tools.docker\nENV LAST=yes\n",
    );
    Some(place)
}

#[test]
fn included_instructions_are_built() {
    let Some(place) = place() else {
        skip!("frontends/build.sh has not made examples/dockerfile-include");
    };
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    place.file(
        "parts/tools.docker",
        "RUN echo one > /one\nINCLUDE parts/more.docker",
    );
    place.file("parts/more.docker", "COPY parts/more.docker /two\n");
    let (out, _) = place.build_local(&[]);
    assert_eq!(fs::read_to_string(out.join("one")).unwrap(), "one\n");
    assert!(out.join("two").is_file());

    // What the frontend read is part of what its answer depends on.
    assert!(place.build(&[]).ok().count("CACHED") > 0);
    place.file("parts/more.docker", "RUN echo other > /two\n");
    let (out, _) = place.build_local(&[]);
    assert_eq!(fs::read_to_string(out.join("two")).unwrap(), "other\n");
}

#[test]
fn an_error_is_shown_in_the_included_file() {
    let Some(place) = place() else {
        skip!("frontends/build.sh has not made examples/dockerfile-include");
    };
    place.file("parts/tools.docker", "# tools\nENV A=b\nCOPPY x /x\n");
    place.build(&[]).fails(
        1,
        &[
            "parts/tools.docker:3:1",
            "3 | COPPY x /x",
            "^^^^^",
            "did you mean `COPY`?",
        ],
    );
    place.file("parts/tools.docker", "INCLUDE parts/none.docker\n");
    place.build(&[]).fails(
        1,
        &[
            "parts/tools.docker:1:9",
            "`parts/none.docker` is not in the context",
            "^^^^^",
        ],
    );
    place.file("parts/tools.docker", "ARG A\nINCLUDE parts/tools.docker\n");
    let cycle = "Dockerfile -> parts/tools.docker -> parts/tools.docker";
    place.build(&[]).fails(1, &["parts/tools.docker:2:9", cycle]);
    let checked = place.run(["build", "context", "--check"]);
    assert_eq!(checked.code, 1, "{}", checked.stderr);
    assert!(
        checked.stdout.contains("parts/tools.docker:2"),
        "{}",
        checked.stdout
    );
    place.assert_clean();
}

#[test]
fn a_failing_command_is_shown_in_the_included_file() {
    let Some(place) = place() else {
        skip!("frontends/build.sh has not made examples/dockerfile-include");
    };
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    place.file("parts/tools.docker", "ENV A=b\n\nRUN exit 7\n");
    place.build(&[]).fails(
        1,
        &["parts/tools.docker:3:1", "3 | RUN exit 7", "^^^^", "exit code: 7"],
    );
    place.assert_clean();
}
