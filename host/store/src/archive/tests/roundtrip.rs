//! Layers that are packed and unpacked are the layers that they were.

use proptest::prelude::*;

use super::*;
use crate::edit::{LayerEditor, Metadata};
use crate::tree::overlay::assert_same;
use crate::tree::{MemoryNode, MemoryTree, suite};

/// Packs a layer and unpacks it over others.
fn again(layer: &Path, below: &[PathBuf], options: &PackOptions) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let bytes = pack(layer, Vec::new(), options).unwrap().0;
    let lower = LayeredView::new(below.to_vec());
    unpack(&bytes[..], dir.path(), Lower::Tree(&lower), &Limits::default()).unwrap();
    dir
}

#[test]
fn a_tree_of_everything() {
    let dir = tempfile::tempdir().unwrap();
    let mut specimen = suite::specimen();
    let xattrs: Xattrs = vec![("user.a".into(), vec![0, 10, 61]), ("user.b".into(), vec![])];
    specimen.insert(
        "x/attrs",
        MemoryNode {
            xattrs: xattrs.clone(),
            uid: 5,
            gid: 3_000_000,
            ..MemoryNode::file("x")
        },
    );
    specimen.insert(
        "x/dir",
        MemoryNode {
            xattrs,
            mode: 0o3771,
            ..MemoryNode::dir()
        },
    );
    let device = |kind, rdev| MemoryNode {
        rdev,
        mode: 0o660,
        gid: 6,
        ..MemoryNode::new(kind)
    };
    specimen.insert(
        "x/block",
        device(FileKind::BlockDevice, rustix::fs::makedev(8, 1)),
    );
    specimen.insert("x/char", device(FileKind::CharDevice, rustix::fs::makedev(1, 5)));
    suite::write(&specimen, dir.path());
    let options = PackOptions {
        sub_second: true,
        ..PackOptions::default()
    };
    let unpacked = again(dir.path(), &[], &options);
    suite::agrees(
        &LayeredView::new([unpacked.path().to_owned()]),
        &LayeredView::new([dir.path().to_owned()]),
    );
    suite::run(&{
        // What the suite expects is the specimen alone.
        std::fs::remove_dir_all(unpacked.path().join("x")).unwrap();
        LayeredView::new([unpacked.path().to_owned()])
    });
}

#[test]
fn a_whole_tree_is_packed_as_its_layers_show_it() {
    let below = layer(&[file("d/gone", ""), file("d/stays", "1"), file("e", "old")]);
    let over = layer_over(
        &[file("d/.wh.gone", ""), file("e", "new"), hard_link("f", "e")],
        &[&below],
    );
    let tree = view(&[&below, &over]);
    let (bytes, _) = pack_tree(&tree, Vec::new(), &PackOptions::default()).unwrap();
    assert_eq!(listing(&bytes), ["d/", "d/stays", "e", "f == e"]);
    suite::agrees(&view(&[&unpack_over(&bytes, &[])]), &tree);
}

#[test]
fn files_that_layers_share_are_not_hard_links() {
    let (low, high) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(low.path().join("a"), "data").unwrap();
    std::fs::hard_link(low.path().join("a"), high.path().join("b")).unwrap();
    assert_eq!(listing(&packed(high.path())), ["b"]);
    let tree = LayeredView::new([low.path().to_owned(), high.path().to_owned()]);
    assert_eq!(
        listing(&pack_tree(&tree, Vec::new(), &PackOptions::default()).unwrap().0),
        ["a", "b"]
    );
}

#[test]
fn the_order_of_creation_does_not_matter() {
    let mut packs = Vec::new();
    for reverse in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let mut paths = vec!["a", "b", "c/d", "c/e", "f/g/h"];
        if reverse {
            paths.reverse();
        }
        for path in paths {
            let mut tree = MemoryTree::default();
            tree.insert(path, MemoryNode::file(path));
            for (path, node) in tree.nodes().skip(1) {
                match node.kind {
                    FileKind::Dir => std::fs::create_dir_all(dir.path().join(path)).unwrap(),
                    _ => std::fs::write(dir.path().join(path), &node.data).unwrap(),
                }
            }
        }
        let clamp = Some(Timestamp {
            seconds: 0,
            nanoseconds: 0,
        });
        packs.push(
            pack(
                dir.path(),
                Vec::new(),
                &PackOptions {
                    clamp_mtime: clamp,
                    sub_second: false,
                },
            )
            .unwrap()
            .0,
        );
    }
    assert_eq!(packs[0], packs[1]);
}

#[derive(Debug, Clone)]
enum Change {
    Put(String, u8),
    Link(String, String),
    Remove(String),
    Opaque(String),
}

fn any_changes() -> impl Strategy<Value = Vec<Change>> {
    let path = "[ab](/[ab]){0,2}";
    let change = prop_oneof![
        4 => (path, 0..5u8).prop_map(|(path, kind)| Change::Put(path, kind)),
        1 => (path, path).prop_map(|(old, new)| Change::Link(old, new)),
        2 => path.prop_map(Change::Remove),
        1 => path.prop_map(Change::Opaque),
    ];
    prop::collection::vec(change, 0..15)
}

/// Changes that make no sense are left out.
fn apply(editor: &mut LayerEditor<'_>, change: &Change) {
    let mtime = Timestamp {
        seconds: 12345,
        nanoseconds: 0,
    };
    let metadata = Metadata {
        mode: 0o640,
        uid: 1,
        gid: 2,
        mtime,
        xattrs: vec![("user.k".into(), b"v".to_vec())],
    };
    let bare = Metadata {
        xattrs: vec![],
        ..metadata.clone()
    };
    let fits = |editor: &LayerEditor<'_>, path: &Path| {
        path.ancestors()
            .skip(1)
            .all(|p| editor.entry(p).unwrap().is_none_or(|e| e.is_dir()))
    };
    match change {
        Change::Put(path, kind) => {
            let path = Path::new(path);
            if !fits(editor, path) {
                return;
            }
            match kind {
                0 => editor
                    .put_dir(
                        path,
                        &Metadata {
                            mode: 0o755,
                            ..metadata
                        },
                    )
                    .unwrap(),
                1 => editor.put_symlink(path, Path::new("b/a"), &bare).unwrap(),
                2 => editor.put_node(path, FileKind::Fifo, 0, &bare).unwrap(),
                n => {
                    let mut file = editor.create_file(path).unwrap();
                    std::io::Write::write_all(&mut file, &[*n; 2]).unwrap();
                    editor.close_file(path, &file, &metadata).unwrap();
                }
            }
        }
        Change::Link(old, new) => {
            let (old, new) = (Path::new(old), Path::new(new));
            let exists = editor.entry(old).unwrap().is_some_and(|e| !e.is_dir());
            if exists && fits(editor, new) && !old.starts_with(new) && !new.starts_with(old) {
                editor.put_link(old, new).unwrap();
            }
        }
        Change::Remove(path) => drop(editor.remove(Path::new(path)).unwrap()),
        Change::Opaque(path) => {
            let path = Path::new(path);
            if editor.entry(path).unwrap().is_some_and(|e| e.is_dir()) {
                editor.make_opaque(path).unwrap();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// A layer over others, packed and unpacked, gives the same tree and the same archive.
    #[test]
    fn random_layers(layers in prop::collection::vec(any_changes(), 1..4)) {
        let dir = tempfile::tempdir().unwrap();
        let (mut paths, mut again_paths) = (Vec::new(), Vec::new());
        for (index, changes) in layers.iter().enumerate() {
            let draft = dir.path().join(index.to_string());
            std::fs::create_dir(&draft).unwrap();
            let lower = LayeredView::new(paths.clone());
            let mut editor = LayerEditor::new(&draft, Lower::Tree(&lower)).unwrap();
            changes.iter().for_each(|change| apply(&mut editor, change));
            editor.finish().unwrap();
            let unpacked = again(&draft, &again_paths, &PackOptions::default());
            prop_assert_eq!(listing(&packed(&draft)), listing(&packed(unpacked.path())));
            prop_assert!(packed(&draft) == packed(unpacked.path()));
            paths.push(draft);
            again_paths.push(unpacked.keep());
            let tree = suite::dump(&LayeredView::new(paths.clone()));
            assert_same(&suite::dump(&LayeredView::new(again_paths.clone())), &tree, dir.path());
        }
        for path in again_paths {
            std::fs::remove_dir_all(path).unwrap();
        }
    }
}
