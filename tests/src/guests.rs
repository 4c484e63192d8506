//! The components that `frontends/build.sh` makes, and those of tests/guests that are written in WebAssembly's text format.

use std::path::{Path, PathBuf};

use crate::Place;

/// The tests' own folder.
fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A component by its name there (`guests/rust`, `examples/hello`), if it is built.
pub fn built(name: &str) -> Option<PathBuf> {
    let file = folder().join("../target/frontends").join(format!("{name}.wasm"));
    file.is_file().then_some(file)
}

/// A place with the component that goes any way, and a build file that names it. None: it is not built.
pub fn place() -> Option<Place> {
    let guest = std::fs::read(built("guests/rust")?).unwrap();
    let place = Place::new();
    place.file("own.wasm", guest).dockerfile("# syntax=./own.wasm\n");
    Some(place)
}

/// What is said where [`place`] has none.
pub const NOT_BUILT: &str = "tests/guests are not built: run `make frontends`";

/// A file of tests/guests as bytes; the text format is made binary.
pub fn read(name: &str) -> Vec<u8> {
    let file = folder().join("guests").join(name);
    if name.ends_with(".wat") {
        wat::parse_file(file).unwrap()
    } else {
        std::fs::read(file).unwrap()
    }
}
