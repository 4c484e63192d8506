//! What a frontend can ask of the host, each function called by a real component: tests/guests/rust in its friendly ways.
//! Nested builds are in chains.rs and frontend/nested_lock.rs.

use lapstrake_tests::gated::Gated;
use lapstrake_tests::guests::{self, NOT_BUILT};
use lapstrake_tests::{Place, layout, skip};
use serde_json::json;

use crate::dockerfile::image;

/// A place whose build file names the guest. None: it is not built.
fn place() -> Option<Place> {
    let place = guests::place()?;
    place
        .file("greeting", "hello, harbour")
        .file("boats/one", "1")
        .file("boats/two", "22");
    Some(place)
}

/// What the guest says in a label, when it goes this way with these options.
#[track_caller]
fn label(place: &Place, way: &str, name: &str, options: &[&str]) -> String {
    let mut words = vec!["--target", way];
    for option in options {
        words.extend(["--build-arg", option]);
    }
    let config = image(place, &words).config;
    config["config"]["Labels"][name].as_str().unwrap().to_owned()
}

#[test]
fn the_request_reaches_the_frontend() {
    let Some(place) = place() else {
        skip!("{NOT_BUILT}")
    };
    let text = label(&place, "echo", "request", &["WIND=west"]);
    for part in ["own.wasm", "WIND", "west", "\"echo\"", "\"Dockerfile\""] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    place.build(&["--target", "good"]).ok();
}

#[test]
fn files_and_directories_are_read() {
    let Some(place) = place() else {
        skip!("{NOT_BUILT}")
    };
    std::os::unix::fs::symlink("greeting", place.path("context/link")).unwrap();
    let read = |options: &[&str]| label(&place, "read", "text", options);
    let whole = read(&["path=/greeting"]);
    assert!(
        whole.contains("size: 14") && whole.contains("hello, harbour"),
        "{whole}"
    );
    // As BuildKit's gateway does, a link is followed, and what is told is of the file.
    let linked = read(&["path=/link"]);
    assert!(
        linked.contains("FileKind::Regular") && linked.contains("hello, harbour"),
        "{linked}"
    );
    assert_eq!(read(&["path=/greeting", "part=7:4"]), "harb");
    // Fewer bytes come back at the end, and none behind it.
    assert_eq!(read(&["path=/greeting", "part=11:100"]), "our");
    assert_eq!(read(&["path=/greeting", "part=100:1"]), "");
    let names = |text: &str| {
        let found = text.split("name: \"").skip(1);
        let names: Vec<_> = found
            .map(|rest| rest.split('"').next().unwrap().to_owned())
            .collect();
        names
    };
    assert_eq!(names(&read(&["dir=/boats"])), ["one", "two"]);
    assert_eq!(names(&read(&["dir=/boats", "pattern=t*"])), ["two"]);
    assert!(read(&["dir=/"]).contains("link-target: Some(\"greeting\")"));
    for (option, said) in [
        ("path=/none", "NotFound"),
        ("path=/boats", "NotAFile"),
        ("dir=/greeting", "NotADirectory"),
    ] {
        let ran = place.build(&["--target", "read", "--build-arg", option]);
        ran.fails(1, &[said]);
    }
    place.file("bytes", b"\xff\xfe");
    place
        .build(&["--target", "read", "--build-arg", "path=/bytes"])
        .fails(1, &["NotUtf8"]);
}

#[test]
fn images_are_resolved_in_one_batch_in_their_order() {
    let Some(place) = place() else {
        skip!("{NOT_BUILT}")
    };
    let folder = place.path("layout");
    let registry = Gated::start(&folder);
    let mut asked = Vec::new();
    for name in ["two", "one", "three"] {
        let config = json!({ "Env": [format!("BOAT={name}")] });
        let manifest = layout::image(&folder, ("linux", "amd64"), config, &[]);
        registry.tag(&format!("{name}:1"), &manifest);
        asked.push(format!("{}/{name}:1", registry.host));
    }
    // No answer comes before all three have asked.
    registry.hold(3);
    let all = format!("image={}", asked.join(","));
    let text = label(&place, "resolve", "image", &[&all]);
    assert!(registry.came_together());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    for (line, (reference, name)) in lines.iter().zip(asked.iter().zip(["two", "one", "three"])) {
        assert!(
            line.contains(&format!("{reference}@sha256:")) && line.contains(&format!("\"{name}\"")),
            "{name}: {line}"
        );
    }
}

#[test]
fn a_person_is_told_of_logs_warnings_and_progress() {
    let Some(place) = place() else {
        skip!("{NOT_BUILT}")
    };
    let ran = place.build(&["--target", "tell"]).ok();
    for text in [
        "all hands on deck",
        "fog ahead",
        "[internal] hoisting sails",
        "two is wrong",
        "--> guest.txt:2:1",
    ] {
        assert!(ran.stderr.contains(text), "{text:?} is not in\n{}", ran.stderr);
    }
    // What is for the author is shown to who asks for it.
    assert!(!ran.stderr.contains("sounding the depth"), "{}", ran.stderr);
    let ran = place.build(&["--target", "tell", "--debug", "--build-arg", "anew=1"]);
    assert!(ran.ok().stderr.contains("sounding the depth"));
    // The warnings are a part of the result, and shown with a kept one, too.
    let again = place.build(&["--target", "tell"]).ok();
    assert!(again.stderr.contains("two is wrong"), "{}", again.stderr);
    assert!(!again.stderr.contains("fog ahead"), "{}", again.stderr);
}

#[test]
fn sub_graphs_are_solved_and_looked_into() {
    let Some(place) = place() else {
        skip!("{NOT_BUILT}")
    };
    let web = lapstrake_tests::web::Web::new();
    web.put("tide", lapstrake_tests::web::Page::of("high"));
    let url = format!("url={}", web.url("tide"));
    assert_eq!(label(&place, "fetch", "text", &[&url]), "high");
    // It is solved again in each build: what it shows may have changed.
    web.put("tide", lapstrake_tests::web::Page::of("low"));
    assert_eq!(label(&place, "fetch", "text", &[&url]), "low");
    let none = format!("url={}", web.url("none"));
    place
        .build(&["--target", "fetch", "--build-arg", &none])
        .fails(3, &["404"]);
}
