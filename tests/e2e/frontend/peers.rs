//! Frontends go through a real registry from and to other programs: wkg, the Bytecode Alliance's, and oras, the CNCF's.

use std::path::{Path, PathBuf};
use std::process::Command;

use lapstrake_tests::servers::Registry;
use lapstrake_tests::{Place, find_program, skip};

use super::{builds, hello, write};

const NOT_BUILT: &str = "the components are not built: run `make frontends`";

/// A place with a component, a registry beside it, and a configuration that allows plain HTTP to it.
fn beside(registry: &Registry) -> Option<Place> {
    let place = hello()?;
    place.config(&format!("[registry.\"{}\"]\nhttp = true\n", registry.host));
    Some(place)
}

/// Runs a program of somebody else to its good end.
#[track_caller]
fn run(place: &Place, command: &mut Command) {
    let output = command
        .env("HOME", place.path("home"))
        .current_dir(place.path("out"))
        .output()
        .unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (said(&output.stdout), said(&output.stderr));
    assert!(output.status.success(), "{command:?}: {out}{err}");
}

#[track_caller]
fn assert_same(one: &Path, other: &Path) {
    let read = |path: &Path| std::fs::read(path).unwrap();
    assert!(
        read(one) == read(other),
        "{} and {}",
        one.display(),
        other.display()
    );
}

/// What somebody pushed can be pulled, looked at and named by a build file.
#[track_caller]
fn is_usable(place: &Place, name: &str) {
    place.run(["frontend", "pull", name, "-o", "theirs.wasm"]).ok();
    assert_same(&place.path("theirs.wasm"), &place.path("hello.wasm"));
    let looked = place.run(["frontend", "inspect", name]).ok().stdout;
    assert!(looked.contains("lapstrake:frontend@0.1.0"), "{looked}");
    write(place, Some(name));
    builds(place, &[]);
}

#[test]
fn wkg_reads_what_was_pushed_and_what_it_pushes_works() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let own = root.join("target/tools/wkg/bin/wkg");
    let Some(wkg) = find_program("wkg").or(own.is_file().then_some(own)) else {
        skip!("wkg is not installed: cargo install wkg --root target/tools/wkg takes ten minutes");
    };
    let folder = Place::new();
    let Some(registry) = Registry::start(&folder.path("out"), None) else {
        skip!("docker-registry is not installed");
    };
    let Some(place) = beside(&registry) else {
        skip!("{NOT_BUILT}")
    };
    let host = &registry.host;
    let (ours, theirs) = (format!("{host}/ours:1"), format!("{host}/theirs:1"));
    place.run(["frontend", "push", &ours, "hello.wasm"]).ok();
    let back = place.path("out/back.wasm");
    let mut command = Command::new(&wkg);
    command
        .args(["oci", "pull", "--insecure", host, &ours, "-o"])
        .arg(&back);
    run(&place, &mut command);
    assert_same(&back, &place.path("hello.wasm"));

    let mut command = Command::new(&wkg);
    command
        .args(["oci", "push", "--insecure", host, "--author", "somebody", &theirs])
        .arg(place.path("hello.wasm"));
    run(&place, &mut command);
    is_usable(&place, &theirs);
}

/// `oras pull` and `oras push`, as its library for Python does them.
const ORAS: &str = "
import sys, oras.client
verb, host, name, path = sys.argv[1:]
client = oras.client.OrasClient(hostname=host, insecure=True)
target = host + '/' + name
if verb == 'pull':
    client.pull(target=target, outdir=path)
else:
    open('config.json', 'w').write('{}')
    config = 'config.json:application/vnd.wasm.config.v0+json'
    client.push(target=target, files=[path + ':application/wasm'], manifest_config=config, disable_path_validation=True)
";

#[test]
fn oras_reads_what_was_pushed_and_what_it_pushes_works() {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/python/bin/python");
    let has_oras = |python: &PathBuf| {
        let mut command = Command::new(python);
        let found = command.args(["-c", "import oras.client"]).output();
        found.is_ok_and(|output| output.status.success())
    };
    let Some(python) = Some(tools).filter(has_oras) else {
        skip!("oras is not installed: sdk/tools.sh does that");
    };
    let folder = Place::new();
    let Some(registry) = Registry::start(&folder.path("out"), None) else {
        skip!("docker-registry is not installed");
    };
    let Some(place) = beside(&registry) else {
        skip!("{NOT_BUILT}")
    };
    let host = &registry.host;
    place
        .run(["frontend", "push", &format!("{host}/ours:1"), "hello.wasm"])
        .ok();
    let oras = |verb: &str, name: &str, path: &Path| {
        let mut command = Command::new(&python);
        command.args(["-c", ORAS, verb, host, name]).arg(path);
        run(&place, &mut command);
    };
    oras("pull", "ours:1", &place.path("out"));
    assert_same(&place.path("out/hello.wasm"), &place.path("hello.wasm"));
    oras("push", "theirs:1", &place.path("hello.wasm"));
    is_usable(&place, &format!("{host}/theirs:1"));
}
