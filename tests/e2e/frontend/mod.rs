//! Frontends of one's own: sharing them, trusting them, and writing them.

mod languages;
mod lock;
mod nested_lock;
mod peers;
mod policy;
mod scripting_languages;
mod share;
mod trust;
mod tutorial;

use lapstrake_tests::{Place, guests};

/// A place with a build file of the example language, and the component that reads it.
/// None: the components are not built.
fn hello() -> Option<Place> {
    let component = guests::built("examples/hello")?;
    let place = Place::new();
    std::fs::copy(component, place.path("hello.wasm")).unwrap();
    write(&place, None);
    Some(place)
}

/// Writes the build file, with a syntax line or none.
fn write(place: &Place, syntax: Option<&str>) {
    let line = syntax.map(|reference| format!("# syntax={reference}\n"));
    let text = format!("{}say Hello, harbour\ninto /motd\n", line.unwrap_or_default());
    place.file("greeting.hello", text);
}

/// Fails the test unless the build file builds, and writes what it says.
#[track_caller]
fn builds(place: &Place, more: &[&str]) -> lapstrake_tests::Ran {
    let (out, ran) = place.build_local(&[&["-f", "context/greeting.hello"], more].concat());
    let text = std::fs::read_to_string(out.join("motd")).unwrap();
    assert_eq!(text, "Hello, harbour\n");
    ran
}
