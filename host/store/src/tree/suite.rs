//! What every [`FileTree`] has to do, as one test that is run over each of them.
//! Knows nothing of a backend but how to make one.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use lapstrake_llb::Digest;
use rustix::fs::{AtFlags, Gid, Mode, Uid, XattrFlags};

use super::ownership::{MEANT, Meant};
use super::{Entry, FileKind, FileTree, MemoryNode, MemoryTree, Powers, TreeError, timestamps};

/// The tree that the suite asks a backend for.
pub fn specimen() -> MemoryTree {
    let mut tree = MemoryTree::default();
    let mtime = lapstrake_llb::Timestamp {
        seconds: 1_600_000_000,
        nanoseconds: 123_456_789,
    };
    tree.insert(
        "bin/tool",
        MemoryNode {
            mode: 0o4755,
            mtime,
            ..MemoryNode::file("#!/bin/sh\n")
        },
    );
    tree.insert("empty", MemoryNode::file(""));
    tree.insert("dir/sub/file", MemoryNode::file(vec![7u8; 300_000]));
    tree.insert("dir/-", MemoryNode::file("sorts first"));
    tree.insert(
        "dir/sub.d",
        MemoryNode::file("sorts before sub/file's parent's end"),
    );
    tree.insert(
        Path::new(OsStr::from_bytes(b"dir/\xff\xfe")),
        MemoryNode::file("not UTF-8"),
    );
    tree.insert(
        "private",
        MemoryNode {
            mode: 0o700,
            ..MemoryNode::dir()
        },
    );
    tree.insert(
        "pipe",
        MemoryNode {
            mode: 0o620,
            ..MemoryNode::new(FileKind::Fifo)
        },
    );
    for (path, target) in [
        ("lib", "usr/lib"),
        ("usr/lib/x", "../../bin/tool"),
        ("absolute", "/dir/sub"),
        ("up", "../../../etc/../bin"),
        ("loop", "loop2"),
        ("loop2", "loop"),
        ("dangling", "nowhere/at/all"),
        ("chain0", "empty"),
    ] {
        tree.insert(path, MemoryNode::symlink(target));
    }
    for i in 1..=255 {
        tree.insert(
            format!("chain{i}"),
            MemoryNode::symlink(format!("chain{}", i - 1)),
        );
    }
    tree.insert(
        "bin/same",
        MemoryNode {
            inode: Some(1),
            ..MemoryNode::file("two names")
        },
    );
    tree.insert(
        "dir/same",
        MemoryNode {
            inode: Some(1),
            ..MemoryNode::file("two names")
        },
    );
    tree
}

/// Writes a tree into a directory of the host. Owners are only set where they are not root.
pub fn write(tree: &MemoryTree, dir: &Path) {
    let mut names: Vec<(u64, PathBuf)> = Vec::new();
    for (path, node) in tree.nodes() {
        let whole = dir.join(path);
        let mode = Mode::from_raw_mode(node.mode);
        if let Some((_, first)) = node
            .inode
            .and_then(|inode| names.iter().find(|(other, _)| *other == inode))
        {
            std::fs::hard_link(dir.join(first), &whole).unwrap();
            continue;
        }
        names.extend(node.inode.map(|inode| (inode, path.to_owned())));
        match node.kind {
            FileKind::Dir if path.as_os_str().is_empty() => {}
            FileKind::Dir => std::fs::create_dir(&whole).unwrap(),
            FileKind::File => std::fs::write(&whole, &node.data).unwrap(),
            FileKind::Symlink => std::os::unix::fs::symlink(&node.target, &whole).unwrap(),
            kind if kind.is_device() && !Powers::current().is_full() => std::fs::write(&whole, "").unwrap(),
            kind => {
                let kind = match kind {
                    FileKind::CharDevice => rustix::fs::FileType::CharacterDevice,
                    FileKind::BlockDevice => rustix::fs::FileType::BlockDevice,
                    FileKind::Socket => rustix::fs::FileType::Socket,
                    _ => rustix::fs::FileType::Fifo,
                };
                rustix::fs::mknodat(rustix::fs::CWD, &whole, kind, mode, node.rdev).unwrap();
            }
        }
        if !Powers::current().is_full() && (node.kind.is_device() || (node.uid, node.gid) != (0, 0)) {
            say_what_is_meant(node, &whole);
        } else if (node.uid, node.gid) != (0, 0) {
            let (uid, gid) = (Uid::from_raw(node.uid), Gid::from_raw(node.gid));
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            rustix::fs::chownat(rustix::fs::CWD, &whole, Some(uid), Some(gid), flags).unwrap();
        }
        let is_stand_in = node.kind.is_device() && !Powers::current().is_full();
        if node.kind != FileKind::Symlink && !is_stand_in {
            rustix::fs::chmodat(rustix::fs::CWD, &whole, mode, AtFlags::empty()).unwrap();
        }
        for (name, value) in &node.xattrs {
            rustix::fs::lsetxattr(&whole, name, value, XattrFlags::empty()).unwrap();
        }
    }
    for (path, node) in tree.nodes().collect::<Vec<_>>().into_iter().rev() {
        let times = timestamps(node.mtime);
        rustix::fs::utimensat(rustix::fs::CWD, dir.join(path), &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}

/// Writes beside a file, as a layer's writer does that may not make it so, what it is meant to be.
fn say_what_is_meant(node: &MemoryNode, whole: &Path) {
    assert_ne!(node.kind, FileKind::Symlink, "a link has no attributes");
    let meant = Meant {
        kind: node.kind,
        mode: node.mode,
        owner: (node.uid, node.gid),
        rdev: node.rdev,
    };
    rustix::fs::lsetxattr(whole, MEANT, meant.encode().as_bytes(), XattrFlags::empty()).unwrap();
}

/// Runs the suite over a backend that shows [`specimen`].
pub fn run(tree: &dyn FileTree) {
    shows_entries(tree);
    lists_directories(tree);
    resolves(tree);
    reads(tree);
    refuses(tree);
    agrees(tree, &specimen());
}

fn entry(tree: &dyn FileTree, path: &str) -> Entry {
    tree.entry(Path::new(path))
        .unwrap()
        .unwrap_or_else(|| panic!("{path} is missing"))
}

fn shows_entries(tree: &dyn FileTree) {
    let root = entry(tree, "");
    assert_eq!(
        (root.kind, root.path.as_path(), root.name()),
        (FileKind::Dir, Path::new(""), OsStr::new(""))
    );
    let tool = entry(tree, "bin/tool");
    assert_eq!(
        (tool.kind, tool.mode, tool.size, tool.uid, tool.gid),
        (FileKind::File, 0o4755, 10, 0, 0)
    );
    assert_eq!(
        (tool.mtime.seconds, tool.mtime.nanoseconds),
        (1_600_000_000, 123_456_789)
    );
    assert_eq!(
        (tool.path.as_path(), tool.name()),
        (Path::new("bin/tool"), OsStr::new("tool"))
    );
    assert_eq!(entry(tree, "/bin//./tool"), tool);
    let link = entry(tree, "lib");
    assert_eq!((link.kind, link.size), (FileKind::Symlink, 0));
    assert_eq!(link.link_target.as_deref(), Some(Path::new("usr/lib")));
    assert_eq!(entry(tree, "private").mode, 0o700);
    let pipe = entry(tree, "pipe");
    assert_eq!((pipe.kind, pipe.mode, pipe.rdev), (FileKind::Fifo, 0o620, 0));
    for path in [
        "nothing",
        "bin/nothing",
        "bin/tool/x",
        "lib/x",
        "dangling/x",
        "loop/x",
    ] {
        assert_eq!(
            tree.entry(Path::new(path)).unwrap(),
            None,
            "{path}: links are not followed"
        );
    }
    assert_eq!(
        entry(tree, "bin/same").link_id(),
        entry(tree, "dir/same").link_id()
    );
    assert!(entry(tree, "bin/same").nlink >= 2);
    assert_ne!(entry(tree, "bin/same").link_id(), tool.link_id());
}

fn lists_directories(tree: &dyn FileTree) {
    let names: Vec<OsString> = tree
        .read_dir(Path::new("dir"))
        .unwrap()
        .iter()
        .map(|e| e.name().to_owned())
        .collect();
    let mut expected: Vec<OsString> = ["-", "same", "sub", "sub.d"].map(OsString::from).to_vec();
    expected.push(OsString::from_vec(b"\xff\xfe".to_vec()));
    assert_eq!(names, expected, "sorted by bytes");
    for listed in tree.read_dir(Path::new("dir")).unwrap() {
        assert_eq!(tree.entry(&listed.path).unwrap().as_ref(), Some(&listed));
    }
    assert!(tree.read_dir(Path::new("private")).unwrap().is_empty());
}

fn resolves(tree: &dyn FileTree) {
    for (path, follow, expected) in [
        ("", true, ""),
        ("/", true, ""),
        ("bin/../dir", true, "dir"),
        ("../../dir", true, "dir"),
        ("lib", false, "lib"),
        ("lib", true, "usr/lib"),
        ("lib/x", false, "usr/lib/x"),
        ("lib/x", true, "bin/tool"),
        ("absolute/file", true, "dir/sub/file"),
        ("up/tool", true, "bin/tool"),
        ("absolute/..", true, "dir"),
        ("dangling", true, "nowhere/at/all"),
        ("dangling/more", true, "nowhere/at/all/more"),
        ("new/../other", true, "other"),
        ("bin/tool/x", true, "bin/tool/x"),
        ("loop", false, "loop"),
        ("chain254", true, "empty"),
    ] {
        assert_eq!(
            tree.resolve(Path::new(path), follow).unwrap(),
            Path::new(expected),
            "{path} {follow}"
        );
    }
    for path in ["loop", "loop/x", "chain255"] {
        assert!(
            matches!(
                tree.resolve(Path::new(path), true),
                Err(TreeError::TooManyLinks(_))
            ),
            "{path}"
        );
    }
    assert_eq!(
        tree.follow(Path::new("lib/x")).unwrap().unwrap().path,
        Path::new("bin/tool")
    );
    assert_eq!(tree.follow(Path::new("dangling")).unwrap(), None);
}

fn reads(tree: &dyn FileTree) {
    for (path, data) in [
        ("bin/tool", &b"#!/bin/sh\n"[..]),
        ("empty", b""),
        ("dir/sub/file", &[7u8; 300_000]),
    ] {
        let entry = entry(tree, path);
        let mut file = tree.open(&entry).unwrap();
        let mut read = Vec::new();
        file.read_to_end(&mut read).unwrap();
        assert!(read == data, "{path}");
        let digest = Digest::of(data);
        assert_eq!(tree.data_digest(&entry).unwrap(), digest, "{path}");
        tree.verify(&entry, &file, tree.must_digest(&entry).then_some(&digest))
            .unwrap();
    }
    let entries = [
        entry(tree, "empty"),
        entry(tree, "bin/same"),
        entry(tree, "dir/same"),
    ];
    let digests = tree.data_digests(&entries.iter().collect::<Vec<_>>()).unwrap();
    assert_eq!(
        digests,
        ["", "two names", "two names"].map(|data| Digest::of(data.as_bytes()))
    );
}

fn refuses(tree: &dyn FileTree) {
    let read_dir = |path: &str| tree.read_dir(Path::new(path)).unwrap_err();
    assert!(matches!(read_dir("nothing"), TreeError::NotFound(_)));
    assert!(matches!(read_dir("empty"), TreeError::NotADirectory(_)));
    assert!(matches!(read_dir("lib"), TreeError::NotADirectory(_)));
    for path in ["dir", "lib", "pipe"] {
        let entry = entry(tree, path);
        assert!(
            matches!(tree.open(&entry).unwrap_err(), TreeError::NotAFile(_)),
            "{path}"
        );
        assert!(
            matches!(tree.data_digest(&entry).unwrap_err(), TreeError::NotAFile(_)),
            "{path}"
        );
    }
}

/// Compares a tree with another one, file by file. Inodes, link counts and the root's own metadata may differ.
pub fn agrees(tree: &dyn FileTree, expected: &dyn FileTree) {
    let (found, wanted) = (dump(tree), dump(expected));
    for (a, b) in found.iter().zip(&wanted) {
        assert_eq!(a, b);
    }
    assert_eq!(
        found.len(),
        wanted.len(),
        "{:?}",
        found.get(wanted.len()).or(wanted.get(found.len()))
    );
}

/// All that a tree says, a line a file; hard links by the first of their names.
pub fn dump(tree: &dyn FileTree) -> Vec<String> {
    let mut lines = Vec::new();
    let mut names = std::collections::HashMap::new();
    let mut dirs = vec![PathBuf::new()];
    while let Some(dir) = dirs.pop() {
        for entry in tree.read_dir(&dir).unwrap() {
            let digest = entry.is_file().then(|| tree.data_digest(&entry).unwrap().short());
            let first = names
                .entry(entry.link_id())
                .or_insert_with(|| entry.path.clone())
                .clone();
            let link = (!entry.is_dir() && first != entry.path).then_some(first);
            lines.push(format!(
                "{:?} {:?} {:o} {}:{} {}.{:09} {:x} {} {:?} {:?} {:?} {:?}",
                entry.path,
                entry.kind,
                entry.mode,
                entry.uid,
                entry.gid,
                entry.mtime.seconds,
                entry.mtime.nanoseconds,
                entry.rdev,
                entry.size,
                entry.link_target,
                digest,
                tree.xattrs(&entry).unwrap(),
                link
            ));
            if entry.is_dir() {
                dirs.push(entry.path);
            }
        }
    }
    lines
}
