//! Frontends that are not one, or misbehave: each is told with what it did and how a limit is raised.

use std::path::PathBuf;

use lapstrake_tests::{Place, place::program, skip};

/// A component of tests/guests, as the build script made it.
fn guest(name: &str) -> Option<PathBuf> {
    let target = program().ancestors().find(|folder| folder.ends_with("target"))?.to_owned();
    Some(target.join("frontends/guests").join(name)).filter(|file| file.is_file())
}

fn run(place: &Place, frontend: &str, target: &str, more: &[&str]) -> lapstrake_tests::Ran {
    let mut arguments = vec!["build", "context", "--frontend", frontend, "--target", target, "--progress", "plain"];
    arguments.extend(more);
    place.dockerfile("anything\n").run(arguments)
}

#[test]
fn what_is_no_component() {
    let place = Place::new();
    place.file("x.wasm", "not Wasm at all");
    run(&place, "context/x.wasm", "x", &[]).fails(1, &["context/x.wasm", "not", "WebAssembly"]);
    // An empty core module.
    place.file("core.wasm", b"\0asm\x01\0\0\0");
    run(&place, "context/core.wasm", "x", &[]).fails(1, &["core module", "component"]);
    // An empty component.
    place.file("empty.wasm", b"\0asm\x0d\0\x01\0");
    run(&place, "context/empty.wasm", "x", &[]).fails(1, &["lapstrake:frontend"]);
    run(&place, "context/none.wasm", "x", &[]).fails(1, &["none.wasm", "No such file"]);
    run(&place, "dockerfil", "x", &[]).fails(1, &["dockerfil", "dockerfile"]);
    place.assert_clean();
}

#[test]
fn the_syntax_line_names_a_component_in_the_context() {
    let Some(file) = guest("misbehave.wasm") else { skip!("tests/guests are not built") };
    let place = Place::new();
    std::fs::copy(file, place.path("context/own.wasm")).unwrap();
    place.dockerfile("# syntax=./own.wasm\n");
    place.run(["build", "context", "--target", "panic"]).fails(1, &["own.wasm"]);
    place.dockerfile("# syntax=./none.wasm\n");
    place.run(["build", "context"]).fails(1, &["none.wasm", "Dockerfile:1:10"]);
}
