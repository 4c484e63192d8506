//! Tests of the layered view: the common suite, overlayfs's rules one by one, and random layers against the kernel.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rustix::fs::{CWD, FileType, Mode, XattrFlags};

use super::*;
use crate::tree::overlay::{Overlay, assert_same, in_own_mounts};
use crate::tree::{MemoryNode, MemoryTree, suite};

/// Layers in a temporary directory.
struct Layers {
    dir: tempfile::TempDir,
    paths: Vec<PathBuf>,
}

impl Layers {
    fn new(count: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..count).map(|i| dir.path().join(i.to_string())).collect();
        paths.iter().for_each(|path| std::fs::create_dir(path).unwrap());
        Self { dir, paths }
    }

    fn dir(&self, layer: usize, path: &str) {
        std::fs::create_dir_all(self.paths[layer].join(path)).unwrap();
    }

    fn file(&self, layer: usize, path: &str, data: &str) {
        let path = self.paths[layer].join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, data).unwrap();
    }

    fn whiteout(&self, layer: usize, path: &str) {
        let path = self.paths[layer].join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        rustix::fs::mknodat(CWD, path, FileType::CharacterDevice, Mode::empty(), 0).unwrap();
    }

    fn opaque(&self, layer: usize, path: &str) {
        self.dir(layer, path);
        Marks::current()
            .set_opaque(&self.paths[layer].join(path))
            .unwrap();
    }

    fn view(&self) -> LayeredView {
        LayeredView::new(self.paths.clone())
    }
}

fn names(view: &LayeredView, dir: &str) -> Vec<String> {
    let entries = view.read_dir(Path::new(dir)).unwrap();
    entries
        .iter()
        .map(|e| e.name().to_string_lossy().into_owned())
        .collect()
}

fn text(view: &LayeredView, path: &str) -> Option<String> {
    let entry = view.entry(Path::new(path)).unwrap()?;
    Some(std::io::read_to_string(view.open(&entry).unwrap()).unwrap())
}

#[test]
fn one_layer_is_a_tree() {
    let layers = Layers::new(1);
    suite::write(&suite::specimen(), &layers.paths[0]);
    suite::run(&layers.view());
}

#[test]
fn many_layers_are_a_tree() {
    // Every file in a layer of its own, and things in the way below and above.
    let specimen = suite::specimen();
    let layers = Layers::new(4);
    let mut parts = vec![MemoryTree::default(); 3];
    for (index, (path, node)) in specimen.nodes().enumerate() {
        let linked = node.data == b"two names";
        let node = MemoryNode {
            inode: linked.then_some(1),
            ..node.clone()
        };
        if node.kind == FileKind::Dir {
            parts.iter_mut().for_each(|part| part.insert(path, node.clone()));
        } else {
            parts[if linked { 1 } else { index % 3 }].insert(path, node);
        }
    }
    parts
        .iter()
        .zip(&layers.paths[1..])
        .for_each(|(part, path)| suite::write(part, path));
    layers.file(0, "bin/tool/was-a-dir", "x");
    layers.file(0, "lib/was-a-dir", "x");
    layers.dir(0, "empty");
    layers.file(0, "dir/sub/gone", "x");
    layers.whiteout(3, "dir/sub/gone");
    layers.file(0, "private/old", "x");
    layers.opaque(3, "private");
    rustix::fs::chmodat(
        CWD,
        layers.paths[3].join("private"),
        Mode::from_raw_mode(0o700),
        rustix::fs::AtFlags::empty(),
    )
    .unwrap();
    let time = crate::tree::timestamps(lapstrake_llb::Timestamp {
        seconds: 0,
        nanoseconds: 0,
    });
    for path in ["private", "dir/sub"] {
        rustix::fs::utimensat(
            CWD,
            layers.paths[3].join(path),
            &time,
            rustix::fs::AtFlags::empty(),
        )
        .unwrap();
    }
    suite::run(&layers.view());
}

#[test]
fn no_layers_are_an_empty_tree() {
    let view = LayeredView::new(Vec::<PathBuf>::new());
    assert!(names(&view, "").is_empty());
    let root = view.entry(Path::new("")).unwrap().unwrap();
    assert_eq!((root.kind, root.mode), (FileKind::Dir, 0o755));
    assert!(view.xattrs(&root).unwrap().is_empty());
    assert_eq!(view.entry(Path::new("a")).unwrap(), None);
    assert_eq!(view.resolve(Path::new("a/../b"), true).unwrap(), Path::new("b"));
}

#[test]
fn higher_layers_hide_lower_ones() {
    let layers = Layers::new(3);
    layers.file(0, "a", "old");
    layers.file(1, "a", "new");
    layers.file(0, "dir/below", "0");
    layers.file(2, "dir/above", "2");
    layers.file(0, "file-over-dir/x", "0");
    layers.file(1, "file-over-dir", "1");
    layers.file(0, "dir-over-file", "0");
    layers.file(1, "dir-over-file/x", "1");
    let view = layers.view();
    assert_eq!(text(&view, "a").unwrap(), "new");
    assert_eq!(view.entry(Path::new("a")).unwrap().unwrap().layer, 1);
    assert_eq!(names(&view, "dir"), ["above", "below"]);
    assert_eq!(text(&view, "file-over-dir").unwrap(), "1");
    assert_eq!(text(&view, "file-over-dir/x"), None);
    assert_eq!(names(&view, "dir-over-file"), ["x"]);
}

#[test]
fn a_file_between_two_directories_separates_them() {
    let layers = Layers::new(3);
    layers.file(0, "d/lowest", "0");
    layers.file(1, "d", "1");
    layers.file(2, "d/highest", "2");
    assert_eq!(names(&layers.view(), "d"), ["highest"]);
}

#[test]
fn whiteouts_delete() {
    let layers = Layers::new(3);
    layers.file(0, "a", "0");
    layers.file(0, "d/x", "0");
    layers.whiteout(1, "a");
    layers.whiteout(1, "d");
    layers.whiteout(1, "nothing-below");
    layers.file(2, "d/y", "2");
    let view = layers.view();
    assert_eq!(names(&view, ""), ["d"]);
    assert_eq!(names(&view, "d"), ["y"]);
    for path in ["a", "d/x", "nothing-below"] {
        assert_eq!(view.entry(Path::new(path)).unwrap(), None, "{path}");
    }
}

#[test]
fn opaque_directories_hide() {
    let layers = Layers::new(3);
    layers.file(0, "d/sub/x", "0");
    layers.opaque(1, "d");
    layers.file(1, "d/sub/y", "1");
    layers.file(2, "d/sub/z", "2");
    let view = layers.view();
    assert_eq!(names(&view, "d/sub"), ["y", "z"]);
    assert!(
        view.xattrs(&view.entry(Path::new("d")).unwrap().unwrap())
            .unwrap()
            .is_empty(),
        "the mark is no attribute"
    );
}

#[test]
fn file_whiteouts() {
    let layers = Layers::new(2);
    layers.file(0, "d/gone", "0");
    layers.file(0, "d/here", "0");
    layers.file(1, "d/gone", "");
    layers.file(1, "d/empty", "");
    let prefix = if Marks::current() == Marks::Trusted {
        "trusted"
    } else {
        "user"
    };
    let set = |path: &str, name: &str, value: &[u8]| {
        let path = layers.paths[1].join(path);
        rustix::fs::lsetxattr(
            path,
            format!("{prefix}.overlay.{name}"),
            value,
            XattrFlags::empty(),
        )
        .unwrap();
    };
    set("d/gone", "whiteout", b"");
    assert_eq!(
        names(&layers.view(), "d"),
        ["empty", "gone", "here"],
        "only where the directory says so"
    );
    set("d", "opaque", b"x");
    assert_eq!(names(&layers.view(), "d"), ["empty", "here"]);
    assert_eq!(text(&layers.view(), "d/gone"), None);
    assert_eq!(text(&layers.view(), "d/empty").unwrap(), "");
}

#[test]
fn marks_of_the_other_namespace_mean_nothing() {
    let layers = Layers::new(2);
    layers.file(0, "d/below", "0");
    layers.dir(1, "d");
    rustix::fs::lsetxattr(
        layers.paths[1].join("d"),
        "user.overlay.opaque",
        b"y",
        XattrFlags::empty(),
    )
    .unwrap();
    let view = |marks| LayeredView::with_marks(layers.paths.clone(), marks);
    assert_eq!(names(&view(Marks::Trusted), "d"), ["below"]);
    assert!(names(&view(Marks::User), "d").is_empty());
}

#[test]
fn names_that_are_not_utf8_merge() {
    let layers = Layers::new(2);
    let name = OsStr::new("n").to_owned();
    let odd: PathBuf =
        Path::new("d").join(std::os::unix::ffi::OsStrExt::from_bytes(b"\xf0\x80" as &[u8]) as &OsStr);
    for (layer, path) in layers.paths.iter().enumerate() {
        std::fs::create_dir(path.join("d")).unwrap();
        std::fs::write(path.join(&odd), format!("{layer}")).unwrap();
        std::fs::write(path.join("d").join(&name), "").unwrap();
    }
    let view = layers.view();
    assert_eq!(view.read_dir(Path::new("d")).unwrap().len(), 2);
    assert_eq!(view.entry(&odd).unwrap().unwrap().layer, 1);
}

#[test]
fn files_are_read_once() {
    let layers = Layers::new(1);
    layers.file(0, "d/f", "content");
    let index = layers.dir.path().join("digests");
    let dir = LayerDir {
        path: layers.paths[0].clone(),
        digests: Some(index),
    };
    let digest = |view: &LayeredView| {
        view.data_digest(&view.entry(Path::new("d/f")).unwrap().unwrap())
            .unwrap()
    };
    let first = LayeredView::new([dir.clone()]);
    assert_eq!(digest(&first), Digest::of(b"content"));
    drop(first);
    // Same size and time: whoever read it again would see the difference.
    let file = layers.paths[0].join("d/f");
    let times = {
        let stat = rustix::fs::stat(&file).unwrap();
        crate::tree::timestamps(crate::tree::timestamp(stat.st_mtime, stat.st_mtime_nsec))
    };
    std::fs::write(&file, "CONTENT").unwrap();
    rustix::fs::utimensat(CWD, &file, &times, rustix::fs::AtFlags::empty()).unwrap();
    let second = LayeredView::new([dir.clone()]);
    assert_eq!(digest(&second), Digest::of(b"content"));
    let entry = second.entry(Path::new("d/f")).unwrap().unwrap();
    assert_eq!(second.known_digest(&entry), Some(Digest::of(b"content")));
    std::fs::write(&file, "longer content").unwrap();
    assert_eq!(
        digest(&LayeredView::new([dir])),
        Digest::of(b"longer content"),
        "another size is another file"
    );
}

#[test]
fn many_files_are_digested_in_order() {
    let layers = Layers::new(1);
    let mut tree = MemoryTree::default();
    for i in 0..600 {
        tree.insert(format!("f{i}"), MemoryNode::file(format!("data {i}")));
    }
    suite::write(&tree, &layers.paths[0]);
    suite::agrees(&layers.view(), &tree);
    let view = layers.view();
    let entries = view.read_dir(Path::new("")).unwrap();
    let digests = view.data_digests(&entries.iter().collect::<Vec<_>>()).unwrap();
    for (entry, digest) in entries.iter().zip(digests) {
        assert_eq!(digest, view.data_digest(entry).unwrap());
    }
}

/// One thing in a layer.
#[derive(Debug, Clone)]
enum Thing {
    File(u8),
    Dir,
    Symlink,
    Whiteout,
    Opaque,
}

fn any_layers() -> impl Strategy<Value = Vec<Vec<(String, Thing)>>> {
    let thing = prop_oneof![
        3 => (0..3u8).prop_map(Thing::File),
        3 => Just(Thing::Dir),
        1 => Just(Thing::Symlink),
        3 => Just(Thing::Whiteout),
        2 => Just(Thing::Opaque),
    ];
    let layer = prop::collection::vec(("[ab](/[ab]){0,2}", thing), 0..12);
    prop::collection::vec(layer, 1..5)
}

fn write(layers: &[Vec<(String, Thing)>]) -> Layers {
    let made = Layers::new(layers.len());
    for (index, things) in layers.iter().enumerate() {
        for (path, thing) in things {
            let whole = made.paths[index].join(path);
            let free = Path::new(path).ancestors().skip(1).all(|parent| {
                let parent = made.paths[index].join(parent);
                parent.symlink_metadata().map_or(true, |m| m.is_dir())
            });
            let taken = whole.symlink_metadata().ok();
            match (free, taken.as_ref().map(|m| m.is_dir()), thing) {
                (false, ..) | (_, Some(false), _) => {}
                (_, _, Thing::Opaque) => made.opaque(index, path),
                (_, Some(true), _) => {}
                (_, None, Thing::File(n)) => made.file(index, path, &n.to_string()),
                (_, None, Thing::Dir) => made.dir(index, path),
                (_, None, Thing::Whiteout) => made.whiteout(index, path),
                (_, None, Thing::Symlink) => {
                    std::fs::create_dir_all(whole.parent().unwrap()).unwrap();
                    std::os::unix::fs::symlink("a", whole).unwrap();
                }
            }
        }
    }
    made
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The view shows what the kernel shows.
    #[test]
    fn agrees_with_the_kernel(layers in any_layers()) {
        let layers = write(&layers);
        in_own_mounts(|| {
            let overlay = Overlay::new(&layers.paths);
            let kernel = suite::dump(&LayeredView::new([overlay.merged()]));
            assert_same(&suite::dump(&layers.view()), &kernel, layers.dir.path());
        });
    }
}
