//! lapstrake.lock and what is found only on the way: graphs that a frontend solves, builds inside of builds, and graphs that a
//! step writes.

use lapstrake_tests::gated::Gated;
use lapstrake_tests::guests::{self, NOT_BUILT};
use lapstrake_tests::web::{Page, Web};
use lapstrake_tests::{Place, layout, skip};
use serde_json::json;

/// A place whose build file names tests/guests/rust. None: it is not built.
fn place() -> Option<Place> {
    let place = guests::place()?;
    place.file("made", "made");
    Some(place)
}

fn lock(place: &Place) -> String {
    std::fs::read_to_string(place.path("context/lapstrake.lock")).unwrap()
}

/// Writes the lock file of a build, and gives its text.
#[track_caller]
fn locked(place: &Place, more: &[&str]) -> String {
    place.run([&["lock", "context"], more].concat()).ok();
    lock(place)
}

#[test]
fn what_a_frontend_solves_on_the_way_is_locked() {
    let (Some(place), web) = (place(), Web::new()) else {
        skip!("{NOT_BUILT}")
    };
    web.put("tide", Page::of("high")).put("wind", Page::of("west"));
    let (tide, wind) = (web.url("tide"), web.url("wind"));
    let build = |url: &str, more: &[&str]| {
        let option = format!("url={url}");
        place.build(&[&["--target", "fetch", "--build-arg", &option], more].concat())
    };
    let text = locked(
        &place,
        &["--target", "fetch", "--build-arg", &format!("url={tide}")],
    );
    let pinned = format!("url = \"{tide}\"\ndigest = \"{}\"", layout::digest(b"high"));
    assert!(text.contains(&pinned), "{text}");

    build(&tide, &["--locked"]).ok();
    build(&wind, &[]).ok();
    build(&wind, &["--locked"]).fails(1, &["not allowed", "wind is not in lapstrake.lock"]);
    // In a store that has not seen the file, it must be what it was.
    web.put("tide", Page::of("low"));
    std::fs::remove_dir_all(place.state()).unwrap();
    build(&tide, &["--locked"]).fails(1, &["checksum"]);
}

#[test]
fn images_that_are_not_in_the_lock_are_not_resolved() {
    let place = Place::new();
    let folder = place.path("layout");
    let registry = Gated::start(&folder);
    let manifest = layout::image(&folder, ("linux", "amd64"), json!({}), &[]);
    registry.tag("one:1", &manifest).tag("two:1", &manifest);
    let host = &registry.host;
    place.file("f", "f");
    place.dockerfile(&format!("FROM {host}/one:1\nCOPY f /\n"));
    locked(&place, &[]);
    place.build(&["--locked"]).ok();
    place.dockerfile(&format!("FROM {host}/two:1\nCOPY f /\n"));
    registry.take_asked();
    let said = format!("the image {host}/two:1 is not in lapstrake.lock");
    place
        .build(&["--locked"])
        .fails(1, &[&said, "Dockerfile:1", "lapstrake lock writes it anew"]);
    assert_eq!(registry.take_asked(), [""; 0]);
    // One that says its digest itself cannot change.
    let digest = manifest["digest"].as_str().unwrap();
    place.dockerfile(&format!("FROM {host}/two:1@{digest}\nCOPY f /\n"));
    place.build(&["--locked"]).ok();
}

#[test]
fn a_build_in_a_build_is_locked_with_its_frontend() {
    let Some(place) = place() else {
        skip!("{NOT_BUILT}")
    };
    let folder = place.path("layout");
    let registry = Gated::start(&folder);
    let old = layout::image(&folder, ("linux", "amd64"), json!({}), &[]);
    let new = layout::image(&folder, ("linux", "amd64"), json!({ "User": "new" }), &[]);
    registry.tag("base:1", &old).tag("other:1", &old);
    let from = |name: &str| format!("from={}/{name}:1", registry.host);
    let (base, other) = (from("base"), from("other"));
    let nested = ["--target", "nested", "--build-arg"];
    let text = locked(&place, &[&nested[..], &[&base]].concat());
    let pinned = format!("base:1\"\ndigest = {}", old["digest"]);
    for part in [
        &*pinned,
        "reference = \"./own.wasm\"",
        "reference = \"docker/dockerfile:1\"",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    registry.tag("base:1", &new);
    registry.take_asked();
    place.build(&[&nested[..], &[&base, "--locked"]].concat()).ok();
    assert_eq!(registry.take_asked(), [""; 0]);
    place
        .build(&[&nested[..], &[&other, "--locked"]].concat())
        .fails(1, &["other:1 is not in lapstrake.lock"]);
    // The frontend of the build inside must be in the lock, too.
    let path = place.path("context/lapstrake.lock");
    std::fs::write(&path, text.replace("docker/dockerfile:1", "docker/dockerfile:0")).unwrap();
    place
        .build(&[&nested[..], &[&base, "--locked"]].concat())
        .fails(1, &["docker/dockerfile:1 is not in the lock file"]);
}

#[test]
fn a_graph_that_a_step_writes_is_locked() {
    let (Some(place), web) = (place(), Web::new()) else {
        skip!("{NOT_BUILT}")
    };
    web.put("tide", Page::of("high")).put("wind", Page::of("west"));
    for name in ["tide", "wind"] {
        let text = format!("FROM scratch\nADD {} /{name}\n", web.url(name));
        place.file("inner", text);
        let graph = place
            .run(["llb", "context", "-f", "context/inner", "--format", "pb"])
            .ok();
        place.file(name, graph.bytes);
    }
    let graph = |name: &'static str| ["--target", "graph", "--build-arg", name];
    let text = locked(&place, &graph("path=/tide"));
    let pinned = format!("tide\"\ndigest = \"{}\"", layout::digest(b"high"));
    assert!(text.contains(&pinned), "{text}");
    let (out, _) = place.build_local(&[&graph("path=/tide")[..], &["--locked"]].concat());
    assert_eq!(std::fs::read_to_string(out.join("tide")).unwrap(), "high");
    place
        .build(&[&graph("path=/wind")[..], &["--locked"]].concat())
        .fails(1, &["wind is not in lapstrake.lock"]);
}
