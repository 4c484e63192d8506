//! Tests of local directories: the common suite, and what is selected.

mod changes;

use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicUsize, Ordering};

use lapstrake_store::tree::{FileKind, MemoryNode, MemoryTree, suite, timestamps};
use rustix::fs::{AtFlags, CWD, FileType, Mode};

use super::*;

fn never() -> bool {
    false
}

fn source() -> LocalSource {
    LocalSource {
        name: "context".to_owned(),
        include_patterns: Vec::new(),
        exclude_patterns: Vec::new(),
        follow_paths: Vec::new(),
        shared_key_hint: None,
        differ: LocalDiffer::Metadata,
    }
}

fn list(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

fn open(dir: &Path) -> LocalTree {
    LocalTree::open(dir, &source(), None, &never).unwrap()
}

fn select(dir: &Path, include: &[&str], exclude: &[&str], follow: &[&str]) -> LocalTree {
    let source = LocalSource {
        include_patterns: list(include),
        exclude_patterns: list(exclude),
        follow_paths: list(follow),
        ..source()
    };
    LocalTree::open(dir, &source, None, &never).unwrap()
}

/// All paths, with `/` behind directories.
fn paths(tree: &LocalTree) -> Vec<String> {
    let mut found = Vec::new();
    let mut dirs = vec![PathBuf::new()];
    while let Some(dir) = dirs.pop() {
        for entry in tree.read_dir(&dir).unwrap() {
            assert_eq!(tree.entry(&entry.path).unwrap().as_ref(), Some(&entry));
            found.push(format!(
                "{}{}",
                entry.path.display(),
                if entry.is_dir() { "/" } else { "" }
            ));
            dirs.extend(entry.is_dir().then_some(entry.path));
        }
    }
    found.sort();
    found
}

fn sample() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut tree = MemoryTree::default();
    for path in [
        "a.txt",
        "b.md",
        "src/main.c",
        "src/lib/x.c",
        "src/lib/x.h",
        "node_modules/m/index.js",
        "log/1.log",
    ] {
        tree.insert(path, MemoryNode::file(path));
    }
    tree.insert("empty", MemoryNode::dir());
    tree.insert("link", MemoryNode::symlink("src/lib"));
    tree.insert("out", MemoryNode::symlink("../../../src/main.c"));
    tree.insert("absolute", MemoryNode::symlink("/link/x.h"));
    tree.insert("loop", MemoryNode::symlink("loop"));
    suite::write(&tree, dir.path());
    dir
}

#[test]
fn is_a_tree() {
    let dir = tempfile::tempdir().unwrap();
    suite::write(&suite::specimen(), dir.path());
    suite::run(&open(dir.path()));
}

#[test]
fn belongs_to_root_whoever_owns_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut tree = MemoryTree::default();
    tree.insert(
        "d/f",
        MemoryNode {
            uid: 1000,
            gid: 1000,
            mode: 0o600,
            ..MemoryNode::file("x")
        },
    );
    *tree.node_mut("").unwrap() = MemoryNode {
        uid: 1000,
        mode: 0o700,
        ..MemoryNode::dir()
    };
    suite::write(&tree, dir.path());
    let tree = open(dir.path());
    let root = tree.entry(Path::new("")).unwrap().unwrap();
    assert_eq!((root.mode, root.uid, root.kind), (0o755, 0, FileKind::Dir));
    let file = tree.entry(Path::new("d/f")).unwrap().unwrap();
    assert_eq!((file.mode, file.uid, file.gid), (0o600, 0, 0));
}

#[test]
fn the_digest_is_that_of_the_content() {
    let (one, two) = (sample(), sample());
    let digest = open(one.path()).digest();
    assert_eq!(open(two.path()).digest(), digest, "the place does not count");
    assert_eq!(
        content::digest(&open(one.path()), &Selection::path("")).unwrap(),
        digest
    );
    let time = timestamps(Timestamp {
        seconds: 5,
        nanoseconds: 5,
    });
    rustix::fs::utimensat(CWD, two.path().join("a.txt"), &time, AtFlags::empty()).unwrap();
    assert_eq!(open(two.path()).digest(), digest, "the time does not count");
    std::fs::write(two.path().join("a.txt"), "b.txt").unwrap();
    assert_ne!(open(two.path()).digest(), digest);
    assert_eq!(
        select(two.path(), &[], &["a.txt"], &[]).digest(),
        select(one.path(), &[], &["a.txt"], &[]).digest()
    );
}

#[test]
fn patterns_select() {
    let dir = sample();
    let found = |include: &[&str], exclude: &[&str]| paths(&select(dir.path(), include, exclude, &[]));
    assert_eq!(
        found(&["*.txt", "src/**/*.h"], &[]),
        ["a.txt", "src/", "src/lib/", "src/lib/x.h"]
    );
    assert_eq!(found(&["src"], &["**/*.c"]), ["src/", "src/lib/", "src/lib/x.h"]);
    assert_eq!(found(&["e*"], &[]), ["empty/"]);
    assert_eq!(
        found(&["node_modules/x"], &[]),
        Vec::<String>::new(),
        "no directory without anything wanted in it"
    );
    let most = found(
        &[],
        &[
            "node_modules",
            "log/*",
            "!log/1.log",
            "src",
            "*link",
            "out",
            "absolute",
            "loop",
        ],
    );
    assert_eq!(most, ["a.txt", "b.md", "empty/", "log/", "log/1.log"]);
    assert_eq!(
        select(dir.path(), &["**"], &[], &[]).digest(),
        open(dir.path()).digest()
    );
    let bad = LocalSource {
        exclude_patterns: list(&["["]),
        ..source()
    };
    assert!(LocalTree::open(dir.path(), &bad, None, &never).is_err());
}

#[test]
fn paths_are_followed() {
    let dir = sample();
    let found = |follow: &[&str]| paths(&select(dir.path(), &[], &[], follow));
    assert_eq!(found(&["a.txt"]), ["a.txt"]);
    assert_eq!(
        found(&["/src/lib/"]),
        ["src/", "src/lib/", "src/lib/x.c", "src/lib/x.h"]
    );
    assert_eq!(found(&["link/x.c"]), ["link", "src/", "src/lib/", "src/lib/x.c"]);
    assert_eq!(
        found(&["link"]),
        ["link", "src/", "src/lib/", "src/lib/x.c", "src/lib/x.h"]
    );
    assert_eq!(
        found(&["out"]),
        ["out", "src/", "src/main.c"],
        "a link out of the directory stays inside"
    );
    assert_eq!(
        found(&["absolute"]),
        ["absolute", "link", "src/", "src/lib/", "src/lib/x.h"]
    );
    let wildcards = ["b.md", "link", "loop", "src/", "src/lib/", "src/lib/x.c"];
    assert_eq!(
        found(&["*.md", "l*/*.c"]),
        wildcards,
        "links that match on the way, wherever they lead"
    );
    assert_eq!(found(&["loop", "nothing", "nothing/*"]), ["loop"]);
    assert_eq!(found(&["src/../a.txt"]), ["a.txt"]);
    assert_eq!(found(&["."]).len(), paths(&open(dir.path())).len());
    let both = select(dir.path(), &["b.md"], &["**/*.h"], &["link"]);
    assert_eq!(paths(&both), ["b.md", "link", "src/", "src/lib/", "src/lib/x.c"]);
}

#[test]
fn names_that_are_not_text() {
    let dir = tempfile::tempdir().unwrap();
    let name = |bytes: &[u8]| PathBuf::from(std::ffi::OsStr::from_bytes(bytes));
    std::fs::create_dir(dir.path().join(name(b"d\xff"))).unwrap();
    std::fs::write(dir.path().join(name(b"d\xff/\xfe")), "odd").unwrap();
    std::fs::write(dir.path().join("[x]*"), "glob").unwrap();
    std::os::unix::fs::symlink(name(b"d\xff"), dir.path().join("l")).unwrap();
    let tree = select(dir.path(), &[], &[], &["l/*", "\\[x\\]\\*"]);
    assert_eq!(tree.read().files, 2);
    assert_eq!(
        tree.follow(&name(b"l/\xfe")).unwrap().unwrap().path,
        name(b"d\xff/\xfe")
    );
}

#[test]
fn what_is_no_content_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    rustix::fs::mknodat(
        CWD,
        dir.path().join("whiteout"),
        FileType::CharacterDevice,
        Mode::empty(),
        0,
    )
    .unwrap();
    rustix::fs::mknodat(
        CWD,
        dir.path().join("pipe"),
        FileType::Fifo,
        Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    assert_eq!(paths(&open(dir.path())), ["pipe"]);
}

#[test]
fn a_directory_that_is_none() {
    let dir = sample();
    let open = |path: PathBuf| {
        LocalTree::open(&path, &source(), None, &never)
            .map(|_| ())
            .unwrap_err()
    };
    let missing = open(dir.path().join("none"));
    assert!(
        matches!(&missing, LocalError::Missing { name, .. } if name == "context"),
        "{missing}"
    );
    assert!(
        missing
            .to_string()
            .contains("none\" of the build context \"context\" does not exist"),
        "{missing}"
    );
    assert!(matches!(
        open(dir.path().join("a.txt")),
        LocalError::NotADirectory { .. }
    ));
    LocalTree::open(&dir.path().join("link"), &source(), None, &never).unwrap();
}

#[test]
fn cancelled() {
    let dir = sample();
    let calls = AtomicUsize::new(0);
    for after in [0, 3] {
        calls.store(0, Ordering::Relaxed);
        let cancelled = || calls.fetch_add(1, Ordering::Relaxed) >= after;
        let result = LocalTree::open(dir.path(), &source(), None, &cancelled);
        assert!(
            matches!(result.map(|_| ()), Err(LocalError::Cancelled)),
            "{after}"
        );
    }
}

#[test]
fn attributes_are_content() {
    let dir = sample();
    let digest = open(dir.path()).digest();
    let flags = rustix::fs::XattrFlags::empty();
    for (path, name) in [("a.txt", "user.k"), ("src", "user.k")] {
        if rustix::fs::lsetxattr(dir.path().join(path), name, b"v", flags).is_err() {
            println!("skipped: no extended attributes here");
            return;
        }
        let tree = open(dir.path());
        assert_ne!(tree.digest(), digest, "{path}");
        let entry = tree.entry(Path::new(path)).unwrap().unwrap();
        assert_eq!(tree.xattrs(&entry).unwrap(), [("user.k".into(), b"v".to_vec())]);
        rustix::fs::lremovexattr(dir.path().join(path), name).unwrap();
    }
    rustix::fs::lsetxattr(dir.path(), "user.k", b"v", flags).unwrap();
    assert_eq!(
        open(dir.path()).digest(),
        digest,
        "the directory itself is the machine's"
    );
}

#[test]
fn many_directories_and_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut tree = MemoryTree::default();
    for i in 0..40 {
        for j in 0..10 {
            tree.insert(
                format!("d{i}/e{}/f{j}", i % 3),
                MemoryNode::file(format!("{i} {j}")),
            );
        }
    }
    suite::write(&tree, dir.path());
    suite::agrees(&open(dir.path()), &tree);
}

#[test]
fn the_name_of_the_index_is_that_of_the_directory() {
    let dir = sample();
    let link = dir.path().join("self");
    std::os::unix::fs::symlink(".", &link).unwrap();
    assert_eq!(LocalTree::index_name(dir.path()), LocalTree::index_name(&link));
    assert_ne!(
        LocalTree::index_name(dir.path()),
        LocalTree::index_name(&dir.path().join("src"))
    );
}
