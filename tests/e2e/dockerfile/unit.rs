//! What makes a copy another one: the contents of all that its patterns match. And what is lost on the way, and told.

use std::fs::File;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use lapstrake_tests::{Place, Ran, find_program, is_root, skip};

/// Whether the step of that name was taken from the cache, or not even needed.
fn is_known(ran: &Ran, step: &str) -> bool {
    let found = ran.stderr.lines().find(|line| line.ends_with(step));
    let number = found
        .and_then(|line| line.split(' ').next())
        .unwrap_or_else(|| panic!("{}", ran.stderr));
    ["CACHED", "SKIPPED"]
        .iter()
        .any(|state| ran.stderr.contains(&format!("{number} {state}")))
}

#[test]
fn all_that_is_matched_is_one_unit_and_only_contents_count() {
    let place = Place::new();
    place
        .file("1.c", "1")
        .file("2.c", "2")
        .file("dir/x/f", "f")
        .file("3.h", "3");
    let copies = [
        "COPY *.c /wild/",
        "COPY dir /dir/",
        "COPY --parents link/x/f /parents/",
    ];
    std::os::unix::fs::symlink("dir", place.path("context/link")).unwrap();
    place.dockerfile(&format!("FROM scratch\n{}\n", copies.join("\n")));
    let known = || {
        let ran = place.build(&["-o", "type=cacheonly", "--network", "none"]).ok();
        copies.map(|step| is_known(&ran, step))
    };
    assert_eq!(known(), [false; 3]);
    // Times do not count, nor does what is not matched.
    for path in ["1.c", "dir/x/f", "dir/x"] {
        let file = File::open(place.path("context").join(path)).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000))
            .unwrap();
    }
    place.file("3.h", "another").file("dirt", "");
    assert_eq!(known(), [true; 3]);
    // One more, one less and another one are another set each.
    place.file("0.c", "0");
    assert!(!known()[0]);
    std::fs::remove_file(place.path("context/0.c")).unwrap();
    assert_eq!(known(), [true; 3], "the set of before is known");
    place.file("2.c", "two");
    assert!(!known()[0]);
    // The directory and the link lead to the same file.
    place.file("dir/x/f", "changed");
    assert_eq!(known()[1..], [false; 2]);
}

#[test]
fn an_attribute_that_cannot_be_set_is_told_and_the_rest_is_copied() {
    if !is_root() || find_program("unshare").is_none() {
        skip!("a file system without extended attributes needs a mount");
    }
    let place = Place::new();
    place.file("a", "a").dockerfile("FROM scratch\nCOPY a /a\n");
    let file = place.path("context/a");
    let flags = rustix::fs::XattrFlags::empty();
    if rustix::fs::setxattr(&file, "user.of-ours", b"value", flags).is_err() {
        skip!("the file system of the tests has no extended attributes itself");
    }
    let plain = place.command();
    let store = place.path("store");
    std::fs::create_dir(&store).unwrap();
    // In a mount namespace of its own, so that nothing is left.
    let script = "mount -t ramfs none \"$0\" && exec \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", script])
        .arg(&store)
        .arg(plain.get_program());
    command.env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(plain.get_current_dir().unwrap());
    command
        .args(["build", "context", "--progress", "plain", "--root"])
        .arg(&store);
    command.args(["-o", "type=local,dest=out/copied"]);
    let ran = Ran::of(command.output().unwrap()).ok();
    assert!(
        ran.stderr
            .contains("1 extended attributes could not be set (\"user.of-ours\" of \"a\")"),
        "{}",
        ran.stderr
    );
    assert_eq!(std::fs::read_to_string(place.path("out/copied/a")).unwrap(), "a");
}
