//! Random changes, made by the layer editor and through overlayfs itself.

use std::io::Write;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::super::*;
use crate::tree::overlay::{Overlay, assert_same, in_own_mounts, without_times};
use crate::tree::{LayeredView, suite};

/// A change, as a program in a container would make it.
#[derive(Debug, Clone)]
enum Change {
    File(String, u8),
    Dir(String),
    Symlink(String),
    Link(String, String),
    Remove(String),
}

fn any_path() -> impl Strategy<Value = String> {
    "[ab](/[ab]){0,2}"
}

fn any_changes(most: usize) -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        3 => (any_path(), 0..3u8).prop_map(|(path, data)| Change::File(path, data)),
        3 => any_path().prop_map(Change::Dir),
        1 => any_path().prop_map(Change::Symlink),
        1 => (any_path(), any_path()).prop_map(|(old, new)| Change::Link(old, new)),
        3 => any_path().prop_map(Change::Remove),
    ];
    prop::collection::vec(change, 0..most)
}

/// Makes a change in a mounted tree. False: it makes no sense there.
fn change_mounted(root: &Path, change: &Change) -> bool {
    let kind = |path: &str| root.join(path).symlink_metadata().ok().map(|m| m.is_dir());
    let parent_is_dir = |path: &str| {
        Path::new(path)
            .ancestors()
            .skip(1)
            .all(|p| root.join(p).symlink_metadata().is_ok_and(|m| m.is_dir()))
    };
    let remove = |path: &str| match kind(path) {
        Some(true) => std::fs::remove_dir_all(root.join(path)).unwrap(),
        Some(false) => std::fs::remove_file(root.join(path)).unwrap(),
        None => {}
    };
    match change {
        Change::File(path, _) | Change::Dir(path) | Change::Symlink(path) | Change::Remove(path)
            if !parent_is_dir(path) =>
        {
            return false;
        }
        Change::File(path, data) => {
            remove(path);
            std::fs::write(root.join(path), [*data]).unwrap();
        }
        Change::Dir(path) if kind(path) == Some(true) => {
            std::fs::set_permissions(
                root.join(path),
                std::os::unix::fs::PermissionsExt::from_mode(0o755),
            )
            .unwrap();
        }
        Change::Dir(path) => {
            remove(path);
            std::fs::create_dir(root.join(path)).unwrap();
        }
        Change::Symlink(path) => {
            remove(path);
            std::os::unix::fs::symlink("a", root.join(path)).unwrap();
        }
        Change::Link(old, new) => {
            let inside = new.starts_with(&format!("{old}/")) || old.starts_with(&format!("{new}/"));
            if !parent_is_dir(old) || !parent_is_dir(new) || kind(old) != Some(false) || inside || old == new
            {
                return false;
            }
            remove(new);
            std::fs::hard_link(root.join(old), root.join(new)).unwrap();
        }
        Change::Remove(path) => remove(path),
    }
    true
}

fn change_edited(editor: &mut LayerEditor<'_>, change: &Change) {
    let plain = |mode| Metadata {
        mode,
        ..Metadata::default_dir()
    };
    match change {
        Change::File(path, data) => {
            let mut file = editor.create_file(Path::new(path)).unwrap();
            file.write_all(&[*data]).unwrap();
            editor.close_file(Path::new(path), &file, &plain(0o644)).unwrap();
        }
        Change::Dir(path) => editor.put_dir(Path::new(path), &plain(0o755)).unwrap(),
        Change::Symlink(path) => editor
            .put_symlink(Path::new(path), Path::new("a"), &plain(0))
            .unwrap(),
        Change::Link(old, new) => editor.put_link(Path::new(old), Path::new(new)).unwrap(),
        Change::Remove(path) => drop(editor.remove(Path::new(path)).unwrap()),
    }
}

/// What can be compared. In a user namespace the kernel gives a file that was linked to after it was seen below another
/// inode number than the new name.
fn comparable(dump: Vec<String>) -> Vec<String> {
    let dump = without_times(dump);
    match Marks::current() {
        Marks::Trusted => dump,
        Marks::User => {
            let cut = |line: String| {
                line.rsplit_once(' ')
                    .map_or(line.clone(), |(rest, _)| rest.to_owned())
            };
            dump.into_iter().map(cut).collect()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// A layer that the editor writes is, to the kernel and to the view, what overlayfs would have made of the changes.
    #[test]
    fn agrees_with_overlayfs(base in any_changes(25), changes in prop::collection::vec(any_changes(12), 1..4)) {
        in_own_mounts(|| {
            let dir = tempfile::tempdir().unwrap();
            let lowest = dir.path().join("base");
            std::fs::create_dir(&lowest).unwrap();
            for change in &base {
                change_mounted(&lowest, change);
            }
            let mut layers: Vec<PathBuf> = vec![lowest];
            for (index, changes) in changes.iter().enumerate() {
                let overlay = Overlay::new(&layers);
                let draft = dir.path().join(index.to_string());
                std::fs::create_dir(&draft).unwrap();
                let view = LayeredView::new(layers.clone());
                let mut editor = LayerEditor::new(&draft, Lower::Tree(&view)).unwrap();
                for change in changes {
                    if change_mounted(&overlay.merged(), change) {
                        change_edited(&mut editor, change);
                    }
                }
                let expected = comparable(suite::dump(&LayeredView::new([overlay.merged()])));
                assert_same(&comparable(suite::dump(&editor)), &expected, Path::new("editor"));
                editor.finish().unwrap();
                layers.push(draft);
                let view = comparable(suite::dump(&LayeredView::new(layers.clone())));
                assert_same(&view, &expected, Path::new("view"));
                let mounted = Overlay::new(&layers);
                let kernel = comparable(suite::dump(&LayeredView::new([mounted.merged()])));
                assert_same(&kernel, &expected, Path::new("kernel"));
            }
        });
    }
}
