//! lapstrake.lock: what a build takes from elsewhere stays as it was, and nothing else is taken.

use lapstrake_tests::gated::Gated;
use lapstrake_tests::repository::Repository;
use lapstrake_tests::web::{Page, Web};
use lapstrake_tests::{Place, find_program, layout, skip};
use serde_json::json;

use super::{hello, write};

/// A tar with one file.
fn tar(name: &str, text: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append_data(&mut header, name, text.as_bytes()).unwrap();
    builder.into_inner().unwrap()
}

fn image(place: &Place, text: &str) -> serde_json::Value {
    let folder = place.path("layout");
    layout::image(&folder, ("linux", "amd64"), json!({}), &[tar("version", text)])
}

fn lock(place: &Place) -> String {
    std::fs::read_to_string(place.path("context/lapstrake.lock")).unwrap()
}

#[test]
fn a_locked_build_is_what_it_was() {
    let (place, web) = (Place::new(), Web::new());
    let (old, new) = (image(&place, "old"), image(&place, "new"));
    let registry = Gated::start(&place.path("layout"));
    registry.tag("base:1", &old);
    web.put("file", Page::of("old"));
    place.dockerfile(&format!(
        "FROM {}/base:1\nADD {} /file\n",
        registry.host,
        web.url("file")
    ));
    place.build(&["--locked"]).fails(
        1,
        &[
            "there is no context/lapstrake.lock",
            "help: lapstrake lock writes it",
        ],
    );
    let said = place.run(["lock", "context"]).ok().stdout;
    assert!(said.contains("1 images, 1 files, 0 git references"), "{said}");
    let text = lock(&place);
    for part in [
        "version = 1",
        "[[frontend]]\nreference = \"docker/dockerfile:1\"",
        "world = \"0.1.0\"",
        &format!(
            "reference = \"{}/base:1\"\ndigest = {}",
            registry.host, old["digest"]
        ),
        &format!(
            "url = \"{}\"\ndigest = \"{}\"",
            web.url("file"),
            layout::digest(b"old")
        ),
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    // Nothing else tells about the time or the machine.
    place.run(["lock", "context"]).ok();
    assert_eq!(lock(&place), text);

    let read = |more: &[&str]| {
        let (out, _) = place.build_local(more);
        let file = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
        [file("version"), file("file")]
    };
    assert_eq!(read(&["--locked"]), ["old", "old"]);
    // The registry's tag moves on; the lock does not.
    registry.tag("base:1", &new);
    registry.take_asked();
    assert_eq!(read(&["--locked"]), ["old", "old"]);
    assert_eq!(read(&["--locked", "--offline"]), ["old", "old"]);
    assert_eq!(read(&[]), ["old", "old"]);
    assert_eq!(registry.take_asked(), [""; 0]);
    // The file changed at its address: what the lock says is still there, but not in a new store.
    web.put("file", Page::of("new"));
    assert_eq!(read(&["--locked"]), ["old", "old"]);
    std::fs::remove_dir_all(place.state()).unwrap();
    place.build(&["--locked"]).fails(1, &["checksum"]);
    place.run(["lock", "context"]).ok();
    assert_eq!(read(&["--locked"]), ["new", "new"]);
    place.assert_clean();
}

#[test]
fn what_is_not_in_the_lock_is_told_with_its_line() {
    let (place, web) = (Place::new(), Web::new());
    web.put("file", Page::of("x"));
    place.dockerfile("FROM scratch\nCOPY Dockerfile /\n");
    place.run(["lock", "context"]).ok();
    place.dockerfile(&format!("FROM scratch\nADD {} /file\n", web.url("file")));
    place.build(&["--locked"]).fails(
        1,
        &[
            "error[NotLocked]: the file",
            "Dockerfile:2:5",
            "help: lapstrake lock",
        ],
    );
    place.build(&[]).ok();
    // A lock of something else is no lock.
    let text = lock(&place);
    let path = place.path("context/lapstrake.lock");
    std::fs::write(&path, text.replace("version = 1", "version = 9")).unwrap();
    place.build(&[]).fails(1, &["has version 9", "writes it anew"]);
    std::fs::write(&path, "x").unwrap();
    place.build(&[]).fails(1, &["lapstrake.lock is not right"]);
    let other = text.replace("docker/dockerfile:1", "nix");
    std::fs::write(&path, other).unwrap();
    place
        .build(&["--locked"])
        .fails(1, &["docker/dockerfile:1 is not in the lock file"]);
}

#[test]
fn a_locked_branch_is_a_commit() {
    if find_program("git").is_none() {
        skip!("git is not installed");
    }
    let (place, web) = (Place::new(), Web::new());
    let repository = Repository::new(&place.path("repositories/x.git"));
    repository.file("f", "old").commit();
    web.serve_git(&place.path("repositories"), None);
    let url = web.url("git/x.git");
    place.dockerfile(&format!("FROM scratch\nADD {url}#main /\n"));
    place.run(["lock", "context"]).ok();
    let pinned = format!(
        "ref = \"main\"\ncommit = \"{}\"",
        repository.git(&["rev-parse", "HEAD"]).trim()
    );
    assert!(lock(&place).contains(&pinned), "{}", lock(&place));
    repository.file("f", "new").commit();
    let (out, _) = place.build_local(&["--locked"]);
    assert_eq!(std::fs::read_to_string(out.join("f")).unwrap(), "old");
}

#[test]
fn a_locked_frontend_is_what_it_was() {
    let Some(place) = hello() else {
        skip!("the components are not built: run `make frontends`")
    };
    write(&place, Some("./own.wasm"));
    std::fs::copy(place.path("hello.wasm"), place.path("context/own.wasm")).unwrap();
    let build = ["-f", "context/greeting.hello", "--frontend-policy", "locked"];
    place.build(&build).fails(1, &["the frontend policy is locked"]);
    place
        .run(["lock", "context", "-f", "context/greeting.hello"])
        .ok();
    let wasm = std::fs::read(place.path("hello.wasm")).unwrap();
    assert!(lock(&place).contains(&layout::digest(&wasm)), "{}", lock(&place));
    place.build(&build).ok();
    place.build(&[&build[..2], &["--locked"]].concat()).ok();
    // Another component of the same name.
    let other = lapstrake_tests::guests::built("guests/rust").unwrap();
    std::fs::copy(other, place.path("context/own.wasm")).unwrap();
    for more in [["--frontend-policy", "locked"].as_slice(), &["--locked"]] {
        place
            .build(&[&build[..2], more].concat())
            .fails(1, &["but the lock file has sha256:", "greeting.hello:1:10"]);
    }
}
