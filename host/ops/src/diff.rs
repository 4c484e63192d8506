//! Diff: what one tree has beyond another. Where the upper one stands on the lower one, its other layers are the answer;
//! else the two are compared and the difference is written as a layer.
//! Knows nothing of archives.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use lapstrake_solver::StepContext;
use lapstrake_store::edit::{LayerEditor, Lower, Metadata, copy_data};
use lapstrake_store::tree::{Entry, FileTree};
use lapstrake_store::{LayerMeta, Store, Tree};

use crate::file::FileError;

/// A tree with its files.
pub(crate) struct Side<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) files: &'a dyn FileTree,
}

/// The layers of `upper` that stand on those of `lower`; none: it does not stand on it.
pub(crate) fn above(lower: &Tree, upper: &Tree) -> Option<Tree> {
    upper
        .layers
        .strip_prefix(lower.layers.as_slice())
        .map(|rest| Tree {
            layers: rest.to_vec(),
        })
}

/// Compares two trees and writes what turns the lower one into the upper one as a layer.
///
/// # Errors
/// A tree cannot be read, or the layer cannot be written.
pub(crate) fn diff(
    store: &Store,
    lower: &Side<'_>,
    upper: &Side<'_>,
    description: &str,
    context: &StepContext,
) -> Result<Tree, FileError> {
    if let Some(tree) = above(lower.tree, upper.tree) {
        return Ok(tree);
    }
    let draft = store.new_layer()?;
    let mut editor = LayerEditor::new(draft.dir(), Lower::Unknown)?;
    let mut comparison = Comparison {
        lower: lower.files,
        upper: upper.files,
        editor: &mut editor,
        context,
    };
    comparison.dir(Path::new(""))?;
    editor.finish()?;
    let meta = LayerMeta {
        description: description.to_owned(),
        ..LayerMeta::default()
    };
    Ok(Tree {
        layers: vec![draft.commit(&meta)?],
    })
}

struct Comparison<'a, 'e> {
    lower: &'a dyn FileTree,
    upper: &'a dyn FileTree,
    editor: &'a mut LayerEditor<'e>,
    context: &'a StepContext,
}

impl Comparison<'_, '_> {
    /// Compares a directory that both have.
    fn dir(&mut self, path: &Path) -> Result<(), FileError> {
        if self.context.cancelled() {
            return Err(FileError::Cancelled);
        }
        let mut lower: BTreeMap<OsString, Entry> = list(self.lower, path)?
            .into_iter()
            .map(|entry| (entry.name().to_owned(), entry))
            .collect();
        for entry in list(self.upper, path)? {
            let below = lower.remove(entry.name());
            match below {
                Some(below) if self.same(&below, &entry)? => {
                    if entry.is_dir() {
                        self.dir(&entry.path)?;
                    }
                }
                Some(below) if below.is_dir() && entry.is_dir() => {
                    self.parents(&entry.path)?;
                    let metadata = Metadata::of(&entry, self.upper.xattrs(&entry)?);
                    self.editor.put_dir(&entry.path, &metadata)?;
                    self.dir(&entry.path)?;
                }
                Some(below) => {
                    let hides = below.is_dir() || entry.is_dir();
                    self.parents(&entry.path)?;
                    self.put(&entry)?;
                    if hides && entry.is_dir() {
                        self.editor.make_opaque(&entry.path)?;
                    }
                }
                None => {
                    self.parents(&entry.path)?;
                    self.put(&entry)?;
                }
            }
        }
        for entry in lower.into_values() {
            self.parents(&entry.path)?;
            self.editor.hide(&entry.path)?;
        }
        Ok(())
    }

    /// Puts the directories on the way into the layer as the upper tree has them.
    fn parents(&mut self, path: &Path) -> Result<(), FileError> {
        let missing: Vec<_> = path
            .ancestors()
            .skip(1)
            .take_while(|dir| !self.editor.has_dir(dir))
            .map(Path::to_owned)
            .collect();
        for dir in missing.into_iter().rev() {
            if let Some(entry) = self.upper.entry(&dir)? {
                let metadata = Metadata::of(&entry, self.upper.xattrs(&entry)?);
                self.editor.put_dir(&dir, &metadata)?;
            }
        }
        Ok(())
    }

    /// Puts an entry and all below it into the layer.
    fn put(&mut self, entry: &Entry) -> Result<(), FileError> {
        use lapstrake_store::tree::FileKind;
        let metadata = Metadata::of(entry, self.upper.xattrs(entry)?);
        match entry.kind {
            FileKind::Dir => {
                self.editor.put_dir(&entry.path, &metadata)?;
                for below in self.upper.read_dir(&entry.path)? {
                    self.put(&below)?;
                }
            }
            FileKind::File => {
                let from = self.upper.open(entry)?;
                let to = self.editor.create_file(&entry.path)?;
                let copied = copy_data(&from, &to, entry.size);
                copied.map_err(|source| FileError::Copy {
                    path: entry.path.clone(),
                    source,
                })?;
                self.editor.close_file(&entry.path, &to, &metadata)?;
            }
            FileKind::Symlink => {
                let says = entry.link_target.clone().unwrap_or_default();
                self.editor.put_symlink(&entry.path, &says, &metadata)?;
            }
            FileKind::Socket => {}
            kind => self.editor.put_node(&entry.path, kind, entry.rdev, &metadata)?,
        }
        Ok(())
    }

    fn same(&self, lower: &Entry, upper: &Entry) -> Result<bool, FileError> {
        let header = |entry: &Entry| {
            (
                entry.kind, entry.mode, entry.uid, entry.gid, entry.size, entry.rdev,
            )
        };
        if header(lower) != header(upper) || lower.link_target != upper.link_target {
            return Ok(false);
        }
        // The time of a directory says only that something in it changed, which is found by itself.
        if !lower.is_dir() && lower.mtime != upper.mtime {
            return Ok(false);
        }
        if (lower.dev, lower.ino) == (upper.dev, upper.ino) {
            return Ok(true);
        }
        if self.lower.xattrs(lower)? != self.upper.xattrs(upper)? {
            return Ok(false);
        }
        Ok(!lower.is_file() || self.lower.data_digest(lower)? == self.upper.data_digest(upper)?)
    }
}

fn list(tree: &dyn FileTree, path: &Path) -> Result<Vec<Entry>, FileError> {
    // The root of an empty tree is no entry.
    if path.as_os_str().is_empty() && tree.entry(path)?.is_none() {
        return Ok(Vec::new());
    }
    Ok(tree.read_dir(path)?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lapstrake_store::tree::{LayeredView, MemoryNode, MemoryTree};

    use super::*;

    fn show(tree: &dyn FileTree, path: &Path, out: &mut Vec<String>) {
        for entry in list(tree, path).unwrap() {
            out.push(format!(
                "{} {:?} {:o} {}",
                entry.path.display(),
                entry.kind,
                entry.mode,
                entry.size
            ));
            if entry.is_dir() {
                show(tree, &entry.path, out);
            }
        }
    }

    #[test]
    fn layers_above_are_taken_as_they_are() {
        let tree = |names: &[&str]| Tree {
            layers: names.iter().map(|name| name.parse().unwrap()).collect(),
        };
        assert_eq!(above(&tree(&["1"]), &tree(&["1", "2"])), Some(tree(&["2"])));
        assert_eq!(above(&tree(&[]), &tree(&["1"])), Some(tree(&["1"])));
        assert_eq!(above(&tree(&["2"]), &tree(&["1", "2"])), None);
    }

    #[test]
    fn the_difference_on_the_lower_tree_is_the_upper_tree() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path()).unwrap();
        let mut lower = MemoryTree::default();
        for path in ["same/a", "changed", "gone/x", "dir-to-file/x", "file-to-dir"] {
            lower.insert(path, MemoryNode::file("lower"));
        }
        let mut upper = MemoryTree::default();
        for (path, text) in [
            ("same/a", "lower"),
            ("changed", "upper!"),
            ("new/y", "y"),
            ("dir-to-file", "f"),
            ("file-to-dir/z", "z"),
        ] {
            upper.insert(path, MemoryNode::file(text));
        }
        // A layer of the lower tree, so that the two can be stacked.
        let empty = MemoryTree::default();
        let context = StepContext::detached();
        let side = |name: &str, files| {
            (
                Tree {
                    layers: vec![name.parse().unwrap()],
                },
                files,
            )
        };
        let (none, low, up) = (
            side("zz", &empty as &dyn FileTree),
            side("zy", &lower as &dyn FileTree),
            side("zx", &upper as &dyn FileTree),
        );
        let one = |(tree, files): &(Tree, &dyn FileTree), (other, more): &(Tree, &dyn FileTree)| {
            let (lower, upper) = (
                Side { tree, files: *files },
                Side {
                    tree: other,
                    files: *more,
                },
            );
            diff(&store, &lower, &upper, "test", &context).unwrap()
        };
        let base = one(&none, &low);
        let change = one(&low, &up);
        let stacked = crate::merge::merge([&base, &change]);
        let view: Arc<LayeredView> = Arc::new(store.view(&stacked).unwrap());
        let (mut found, mut expected) = (Vec::new(), Vec::new());
        show(&*view, Path::new(""), &mut found);
        show(&upper, Path::new(""), &mut expected);
        assert_eq!(found, expected);
        // What is the same in both is not in the layer.
        let alone = store.view(&change).unwrap();
        assert!(alone.entry(Path::new("same")).unwrap().is_none());
    }
}
