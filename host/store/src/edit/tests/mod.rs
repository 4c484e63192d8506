//! Tests of the layer editor: what it leaves, one thing at a time.

mod overlayfs;

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::*;
use crate::tree::{FileKind, LayeredView, MemoryNode, MemoryTree, suite};

fn below() -> MemoryTree {
    let mut tree = MemoryTree::default();
    tree.insert("d/sub/f", MemoryNode::file("below"));
    tree.insert("d/g", MemoryNode::file("below"));
    tree.insert(
        "file",
        MemoryNode {
            mode: 0o4711,
            uid: 5,
            ..MemoryNode::file("below")
        },
    );
    tree.insert("link", MemoryNode::symlink("d"));
    let mtime = Timestamp {
        seconds: 1000,
        nanoseconds: 5,
    };
    let xattrs = vec![("user.k".into(), b"v".to_vec())];
    *tree.node_mut("d").unwrap() = MemoryNode {
        mode: 0o2750,
        uid: 7,
        gid: 8,
        mtime,
        xattrs,
        ..MemoryNode::dir()
    };
    *tree.node_mut("").unwrap() = MemoryNode {
        mode: 0o751,
        uid: 1,
        mtime,
        ..MemoryNode::dir()
    };
    tree
}

/// Runs `change` on a layer over [`below`] and shows what came of it.
fn edit(change: impl FnOnce(&mut LayerEditor<'_>)) -> (tempfile::TempDir, MemoryTree) {
    let dir = tempfile::tempdir().unwrap();
    let tree = below();
    let mut editor = LayerEditor::new(dir.path(), Lower::Tree(&tree)).unwrap();
    change(&mut editor);
    let lost = editor.finish().unwrap();
    assert!(lost.is_empty(), "{lost:?}");
    (dir, tree)
}

fn put_file(editor: &mut LayerEditor<'_>, path: &str, data: &str) -> Result<()> {
    let path = Path::new(path);
    let mut file = editor.create_file(path)?;
    file.write_all(data.as_bytes()).unwrap();
    editor.close_file(path, &file, &metadata(0o644))
}

fn metadata(mode: u32) -> Metadata {
    let mtime = Timestamp {
        seconds: 77,
        nanoseconds: 7,
    };
    Metadata {
        mode,
        uid: 3,
        gid: 4,
        mtime,
        xattrs: vec![("user.x".into(), b"y".to_vec())],
    }
}

/// The layer's own files: kind, or the mark that they are.
fn own(dir: &tempfile::TempDir) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = vec![dir.path().to_owned()];
    while let Some(path) = rest.pop() {
        let metadata = path.symlink_metadata().unwrap();
        let kind = FileKind::of_mode(metadata.mode());
        let name = path.strip_prefix(dir.path()).unwrap().display().to_string();
        if kind == FileKind::Dir {
            rest.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        }
        found.push(match kind {
            FileKind::Dir if Marks::current().read_opaque(&path) == crate::tree::marks::Opaque::Yes => {
                format!("{name} opaque")
            }
            FileKind::CharDevice if metadata.rdev() == 0 => format!("{name} deleted"),
            _ => name,
        });
    }
    found.sort();
    found.retain(|name| !name.is_empty());
    found
}

#[test]
fn parents_are_copied_up_with_all_they_have() {
    let (dir, tree) = edit(|editor| put_file(editor, "d/sub/new/deep/x", "x").unwrap());
    assert_eq!(
        own(&dir),
        ["d", "d/sub", "d/sub/new", "d/sub/new/deep", "d/sub/new/deep/x"]
    );
    let layer = LayeredView::new([dir.path().to_owned()]);
    for path in ["", "d", "d/sub"] {
        let (found, expected) = (
            layer.entry(Path::new(path)).unwrap().unwrap(),
            tree.entry(Path::new(path)).unwrap().unwrap(),
        );
        assert_eq!(
            (found.mode, found.uid, found.gid),
            (expected.mode, expected.uid, expected.gid),
            "{path}"
        );
        assert_eq!(found.mtime, expected.mtime, "{path}");
        assert_eq!(
            layer.xattrs(&found).unwrap(),
            tree.xattrs(&expected).unwrap(),
            "{path}"
        );
    }
    let new = layer.entry(Path::new("d/sub/new")).unwrap().unwrap();
    assert_eq!((new.mode, new.uid, new.mtime.seconds), (0o755, 0, 0));
}

#[test]
fn files_get_their_metadata() {
    let (dir, _) = edit(|editor| {
        put_file(editor, "f", "data").unwrap();
        editor
            .put_symlink(
                Path::new("s"),
                Path::new("/t"),
                &Metadata {
                    xattrs: vec![],
                    ..metadata(0)
                },
            )
            .unwrap();
        let node = Metadata {
            xattrs: vec![],
            ..metadata(0o4620)
        };
        editor.put_node(Path::new("p"), FileKind::Fifo, 0, &node).unwrap();
        editor
            .put_node(
                Path::new("c"),
                FileKind::CharDevice,
                rustix::fs::makedev(1, 3),
                &node,
            )
            .unwrap();
        editor
            .put_node(
                Path::new("b"),
                FileKind::BlockDevice,
                rustix::fs::makedev(7, 300),
                &node,
            )
            .unwrap();
        editor.put_dir(Path::new("n"), &metadata(0o1777)).unwrap();
        put_file(editor, "n/x", "").unwrap();
    });
    let layer = LayeredView::new([dir.path().to_owned()]);
    for (path, mode, rdev) in [
        ("f", 0o644, 0),
        ("s", 0o777, 0),
        ("p", 0o4620, 0),
        ("c", 0o4620, rustix::fs::makedev(1, 3)),
        ("b", 0o4620, rustix::fs::makedev(7, 300)),
        ("n", 0o1777, 0),
    ] {
        let entry = layer.entry(Path::new(path)).unwrap().unwrap();
        assert_eq!(
            (entry.mode, entry.uid, entry.gid, entry.rdev),
            (mode, 3, 4, rdev),
            "{path}"
        );
        assert_eq!(
            entry.mtime,
            Timestamp {
                seconds: 77,
                nanoseconds: 7
            },
            "{path}"
        );
        let xattrs = layer.xattrs(&entry).unwrap();
        assert_eq!(xattrs.len(), usize::from(matches!(path, "f" | "n")), "{path}");
    }
}

#[test]
fn set_user_id_bits_and_capabilities_survive_the_owner() {
    // Version 2, cap_net_raw effective and permitted.
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let (dir, _) = edit(|editor| {
        let path = Path::new("ping");
        let file = editor.create_file(path).unwrap();
        let xattrs = vec![("security.capability".into(), capability.to_vec())];
        editor
            .close_file(
                path,
                &file,
                &Metadata {
                    xattrs,
                    ..metadata(0o6755)
                },
            )
            .unwrap();
    });
    let layer = LayeredView::new([dir.path().to_owned()]);
    let entry = layer.entry(Path::new("ping")).unwrap().unwrap();
    assert_eq!((entry.mode, entry.uid), (0o6755, 3));
    assert_eq!(layer.xattrs(&entry).unwrap()[0].1, capability);
}

#[test]
fn removal_leaves_marks_only_where_something_is_below() {
    for (remove, there, marks) in [
        ("file", true, &["file deleted"][..]),
        ("d", true, &["d deleted"]),
        ("d/sub/f", true, &["d", "d/sub", "d/sub/f deleted"]),
        ("nothing", false, &[]),
        ("d/nothing", false, &[]),
        ("nothing/x", false, &[]),
        ("file/x", false, &[]),
        ("link/g", false, &[]),
        ("link", true, &["link deleted"]),
    ] {
        let (dir, _) =
            edit(|editor| assert_eq!(editor.remove(Path::new(remove)).unwrap(), there, "{remove}"));
        assert_eq!(own(&dir), marks, "{remove}");
    }
    let (dir, _) = edit(|editor| {
        put_file(editor, "new/x", "x").unwrap();
        assert!(editor.remove(Path::new("new")).unwrap());
        assert!(!editor.remove(Path::new("new")).unwrap());
        assert!(editor.remove(Path::new("")).is_err());
    });
    assert!(own(&dir).is_empty());
}

#[test]
fn what_comes_again_hides_what_was_there() {
    let (dir, tree) = edit(|editor| {
        editor.remove(Path::new("d")).unwrap();
        assert_eq!(editor.entry(Path::new("d/g")).unwrap(), None);
        put_file(editor, "d/new", "n").unwrap();
        assert_eq!(editor.read_dir(Path::new("d")).unwrap().len(), 1);
        assert_eq!(editor.entry(Path::new("d/g")).unwrap(), None);
        editor.remove(Path::new("file")).unwrap();
        editor.put_dir(Path::new("file"), &metadata(0o755)).unwrap();
    });
    assert_eq!(own(&dir), ["d opaque", "d/new", "file"]);
    drop(tree);
    let (dir, _) = edit(|editor| {
        put_file(editor, "d", "a file").unwrap();
        editor.put_dir(Path::new("d"), &metadata(0o755)).unwrap();
        assert!(editor.read_dir(Path::new("d")).unwrap().is_empty());
    });
    assert_eq!(own(&dir), ["d opaque"]);
}

#[test]
fn directories_merge() {
    let (dir, _) = edit(|editor| {
        editor.put_dir(Path::new("d"), &metadata(0o700)).unwrap();
        assert_eq!(
            editor.read_dir(Path::new("d")).unwrap().len(),
            2,
            "what is below shows"
        );
        assert!(editor.shows_through(Path::new("d")));
        editor.put_dir(Path::new("file"), &metadata(0o700)).unwrap();
        assert!(!editor.shows_through(Path::new("file")));
    });
    assert_eq!(own(&dir), ["d", "file"]);
}

#[test]
fn hiding_keeps_the_layer_s_own() {
    let (dir, _) = edit(|editor| {
        put_file(editor, "d/new", "n").unwrap();
        editor.hide(Path::new("d")).unwrap();
        editor.hide(Path::new("file")).unwrap();
        editor.hide(Path::new("nothing")).unwrap();
        put_file(editor, "link", "mine").unwrap();
        editor.hide(Path::new("link")).unwrap();
    });
    assert_eq!(own(&dir), ["d opaque", "d/new", "file deleted", "link"]);
    let (dir, _) = edit(|editor| {
        put_file(editor, "mine", "").unwrap();
        editor.make_opaque(Path::new("")).unwrap();
        editor.make_opaque(Path::new("none")).unwrap();
    });
    assert_eq!(
        own(&dir),
        ["d deleted", "file deleted", "link deleted", "mine", "none"]
    );
}

/// What the layer itself has at a path.
fn looks(dir: &tempfile::TempDir, path: &str) -> Entry {
    let layer = LayeredView::new([dir.path().to_owned()]);
    layer.entry(Path::new(path)).unwrap().unwrap()
}

#[test]
fn hard_links() {
    let (dir, _) = edit(|editor| {
        put_file(editor, "f", "f").unwrap();
        editor.put_link(Path::new("f"), Path::new("d/f")).unwrap();
        editor.put_link(Path::new("file"), Path::new("file2")).unwrap();
        editor.put_link(Path::new("link"), Path::new("link2")).unwrap();
        editor.put_link(Path::new("f"), Path::new("d/sub")).unwrap();
        editor.put_link(Path::new("f"), Path::new("f")).unwrap();
        assert!(matches!(
            editor.put_link(Path::new("none"), Path::new("x")),
            Err(TreeError::NotFound(_))
        ));
        assert!(matches!(
            editor.put_link(Path::new("d"), Path::new("x")),
            Err(TreeError::NotAFile(_))
        ));
    });
    assert_eq!(
        own(&dir),
        ["d", "d/f", "d/sub", "f", "file", "file2", "link", "link2"]
    );
    let metadata = |path: &str| dir.path().join(path).symlink_metadata().unwrap();
    assert_eq!(
        (metadata("f").nlink(), metadata("f").ino()),
        (3, metadata("d/sub").ino())
    );
    assert_eq!(
        (looks(&dir, "file").mode, looks(&dir, "file").uid),
        (0o4711, 5),
        "copied up as it was"
    );
    assert_eq!(metadata("file").ino(), metadata("file2").ino());
    assert_eq!(metadata("link").ino(), metadata("link2").ino());
}

#[test]
fn the_layer_s_own_files_are_in_the_way() {
    edit(|editor| {
        put_file(editor, "f", "f").unwrap();
        let error = put_file(editor, "f/x/y", "").unwrap_err();
        assert!(
            matches!(&error, TreeError::NotADirectory(path) if path == Path::new("f")),
            "{error}"
        );
    });
    let (dir, _) = edit(|editor| put_file(editor, "file/x", "").unwrap());
    assert_eq!(own(&dir), ["file", "file/x"], "what is below is not");
    let (dir, _) = edit(|editor| put_file(editor, "link/x", "").unwrap());
    let link = looks(&dir, "link");
    assert_eq!(
        (link.mode, link.uid),
        (0o2750, 7),
        "a link below gives the looks of what it leads to"
    );
}

#[test]
fn unknown_below() {
    let dir = tempfile::tempdir().unwrap();
    let mut editor = LayerEditor::new(dir.path(), Lower::Unknown).unwrap();
    editor.hide(Path::new("a/b")).unwrap();
    editor.make_opaque(Path::new("c")).unwrap();
    editor.put_dir(Path::new("e"), &metadata(0o755)).unwrap();
    editor.finish().unwrap();
    assert_eq!(own(&dir), ["a", "a/b deleted", "c opaque", "e"]);
}

#[test]
fn a_view_of_what_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let specimen = suite::specimen();
    let mut lower = specimen.clone();
    lower.remove("bin");
    lower.remove("dir/sub");
    lower.insert("gone/x", MemoryNode::file(""));
    lower.insert("dir/sub", MemoryNode::file("to be replaced"));
    let mut editor = LayerEditor::new(dir.path(), Lower::Tree(&lower)).unwrap();
    editor.remove(Path::new("gone")).unwrap();
    for (path, node) in specimen.nodes() {
        let wanted = path.starts_with("bin") || path.starts_with("dir/sub") || path == Path::new("dir/same");
        let metadata = Metadata {
            mode: node.mode,
            uid: node.uid,
            gid: node.gid,
            mtime: node.mtime,
            xattrs: vec![],
        };
        match node.kind {
            _ if !wanted => {}
            FileKind::Dir => editor.put_dir(path, &metadata).unwrap(),
            _ if path == Path::new("dir/same") => editor.put_link(Path::new("bin/same"), path).unwrap(),
            _ => {
                let mut file = editor.create_file(path).unwrap();
                file.write_all(&node.data).unwrap();
                editor.close_file(path, &file, &metadata).unwrap();
            }
        }
    }
    suite::run(&editor);
}
