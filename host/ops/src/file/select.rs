//! What a copy takes from below one path of its source, as a list: directories before what they hold. The same entries
//! count in content digests (`lapstrake_store::content`).
//! Changes nothing.

use std::path::{Path, PathBuf};

use lapstrake_store::tree::{Entry, FileKind, FileTree, Filter, on_the_way};

use super::FileError;

/// One thing to copy.
pub(super) struct Selected {
    /// In the source.
    pub(super) entry: Entry,
    /// Relative to the selected path; empty: that path itself.
    pub(super) path: PathBuf,
}

/// A directory that is taken only if something in it is.
struct Pending {
    entry: Entry,
    path: PathBuf,
}

/// Lists an entry and what is below it. Sockets are left out. A directory that no pattern wants is listed when something
/// below it is.
pub(super) fn select(tree: &dyn FileTree, top: Entry, filter: &Filter) -> Result<Vec<Selected>, FileError> {
    let mut out = Vec::new();
    if top.kind == FileKind::Socket {
        return Ok(out);
    }
    let is_dir = top.is_dir();
    let place = top.path.clone();
    out.push(Selected {
        entry: top,
        path: PathBuf::new(),
    });
    if is_dir {
        let mut walk = Walk {
            tree,
            filter,
            pending: Vec::new(),
            out: &mut out,
        };
        walk.dir(&place, Path::new(""))?;
    }
    Ok(out)
}

struct Walk<'a> {
    tree: &'a dyn FileTree,
    filter: &'a Filter,
    pending: Vec<Pending>,
    out: &'a mut Vec<Selected>,
}

impl Walk<'_> {
    /// Recursion is as deep as the tree, which the file system limits to 2,048 levels by the length of paths.
    fn dir(&mut self, place: &Path, path: &Path) -> Result<(), FileError> {
        for entry in self.tree.read_dir(place)? {
            if entry.kind == FileKind::Socket {
                continue;
            }
            let path = path.join(entry.name());
            let entry = on_the_way(self.tree, self.filter, &path, entry)?;
            let verdict = self.filter.check(&path);
            let enter = entry.is_dir() && verdict.enter;
            let place = entry.path.clone();
            let pending = self.pending.len();
            if verdict.wanted {
                let parents = self.pending.drain(..).map(|dir| Selected {
                    entry: dir.entry,
                    path: dir.path,
                });
                self.out.extend(parents);
                self.out.push(Selected {
                    entry,
                    path: path.clone(),
                });
            } else if enter {
                self.pending.push(Pending {
                    entry,
                    path: path.clone(),
                });
            }
            if enter {
                self.dir(&place, &path)?;
                self.pending.truncate(pending);
            }
        }
        Ok(())
    }
}
