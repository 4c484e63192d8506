//! What frontends answer: graphs that are none, and the errors of the contract.

use lapstrake_tests::skip;

use super::{Case, PLACE, assert_unharmed, guest, misbehaves, place_with};

/// tests/guests/rust in some of its ways that give graphs which are none.
#[track_caller]
fn bad_graph(cases: &[(&str, &str)]) {
    let words: Vec<_> = cases
        .iter()
        .map(|(way, text)| (["--target", *way], ["own.wasm made an invalid graph: ", *text]))
        .collect();
    let cases: Vec<Case<'_>> = words
        .iter()
        .map(|(more, texts)| (&more[..], &texts[..]))
        .collect();
    misbehaves(&cases);
}

#[test]
fn a_graph_with_a_cycle() {
    bad_graph(&[
        (
            "cycle",
            "vertex 0 (merge): inputs[0]: names vertex 1, which is not before it",
        ),
        (
            "self-edge",
            "vertex 0 (merge): inputs[0]: names vertex 0, which is not before it",
        ),
        (
            "forward-edge",
            "vertex 0 (merge): inputs[0]: names vertex 1, which is not before it",
        ),
    ]);
}

#[test]
fn an_edge_to_nothing() {
    bad_graph(&[
        (
            "dangling-edge",
            "vertex 1 (merge): inputs[1]: names vertex 7, but there are 2 vertices",
        ),
        (
            "output-out-of-range",
            "vertex 1 (exec): mounts[0].input: names output 3 of vertex 0, which has 1",
        ),
    ]);
}

#[test]
fn bad_mounts() {
    bad_graph(&[
        (
            "relative-mount",
            "vertex 1 (exec): mounts[1].target: path \"hello.txt\" is not absolute",
        ),
        (
            "dotted-mount",
            "vertex 1 (exec): mounts[1].target: path \"/a/../../etc\" has a `..`",
        ),
        (
            "no-root-mount",
            "vertex 1 (exec): mounts: 0 mounts have the target `/`",
        ),
        (
            "two-root-mounts",
            "vertex 1 (exec): mounts: 2 mounts have the target `/`",
        ),
    ]);
}

#[test]
fn bad_paths() {
    bad_graph(&[
        ("nul-in-path", "vertex 0 (file): actions[0].path: has a NUL byte"),
        (
            "relative-path",
            "vertex 0 (file): actions[0].path: path \"hello.txt\" is not absolute",
        ),
    ]);
}

#[test]
fn bad_steps() {
    bad_graph(&[
        ("no-actions", "vertex 0 (file): actions: is empty"),
        ("no-arguments", "vertex 0 (exec): args: is empty"),
        (
            "later-action",
            "vertex 0 (file): actions[0].base: names action 5, which is not an earlier one",
        ),
        ("bad-range", "vertex 0 (file): ranges[0]: "),
    ]);
}

#[test]
fn no_graph_is_printed_of_a_bad_one() {
    let Some(guest) = guest() else {
        skip!("tests/guests are not built: run `make frontends`")
    };
    let place = place_with(&guest);
    let ran = place
        .run(["llb", "context", "--target", "cycle"])
        .fails(1, &["own.wasm made an invalid graph", PLACE]);
    assert_eq!(ran.stdout, "");
    assert_unharmed(&place);
}

// ---- Errors that the contract knows ----

#[test]
fn diagnostics_are_shown_with_their_place() {
    let Some(guest) = guest() else {
        skip!("tests/guests are not built: run `make frontends`")
    };
    let place = place_with(&guest);
    let shown = "error[TwoIsWrong]: two is wrong\n  --> guest.txt:2:1\n   |\n 2 | two\n   | ^^^\n  help: write three\n";
    place.build(&["--target", "error-invalid"]).fails(1, &[shown]);
    // The message stays when its place makes no sense.
    place
        .build(&["--target", "error-bad-range"])
        .fails(1, &["error[TwoIsWrong]: two is wrong", "write three"]);
    assert_unharmed(&place);
}

#[test]
fn other_errors_of_the_contract() {
    misbehaves(&[
        (
            &["--target", "error-unsupported"],
            &["own.wasm does not support this: anchors"],
        ),
        (
            &["--target", "error-internal"],
            &["own.wasm failed, which is a bug in it: the mast broke"],
        ),
    ]);
    let Some(guest) = guest() else { return };
    let place = place_with(&guest);
    place
        .build(&["--target", "error-unknown-target"])
        .fails(1, &["there is no target \"harbour\" in the build file"]);
    place
        .build(&["--target", "error-host-failed"])
        .fails(1, &["says: the harbour is closed"]);
    assert_unharmed(&place);
}
