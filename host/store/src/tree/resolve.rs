//! Following symbolic links inside a tree, component by component.
//! Never asks the host to resolve a path.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use super::{Entry, FileKind, FileTree, Filter, Result, TreeError};

/// As many links as one path may lead over.
const MAX_LINKS: usize = 255;

enum Step {
    Root,
    Up,
    Down(OsString),
}

/// See [`FileTree::resolve`].
pub(super) fn resolve<T: FileTree + ?Sized>(tree: &T, path: &Path, follow_last: bool) -> Result<PathBuf> {
    // A stack: the next step is the last one.
    let mut steps = Vec::new();
    push(&mut steps, path);
    let mut resolved = PathBuf::new();
    let mut links = 0;
    while let Some(step) = steps.pop() {
        let name = match step {
            Step::Root => {
                resolved.clear();
                continue;
            }
            Step::Up => {
                resolved.pop();
                continue;
            }
            Step::Down(name) => name,
        };
        resolved.push(name);
        if steps.is_empty() && !follow_last {
            break;
        }
        let Some(entry) = tree.entry(&resolved)? else {
            continue;
        };
        if let (FileKind::Symlink, Some(target)) = (entry.kind, entry.link_target) {
            links += 1;
            if links > MAX_LINKS {
                return Err(TreeError::TooManyLinks(path.to_owned()));
            }
            resolved.pop();
            push(&mut steps, &target);
        }
    }
    Ok(resolved)
}

/// What a walk finds at a path that is relative to where it began: a link on the way to what a filter wants counts as the
/// directory that it leads to.
pub fn on_the_way(tree: &dyn FileTree, filter: &Filter, path: &Path, entry: Entry) -> Result<Entry> {
    if entry.kind != FileKind::Symlink || !filter.leads_through(path) {
        return Ok(entry);
    }
    let found = tree.follow(&entry.path)?.filter(Entry::is_dir);
    Ok(found.unwrap_or(entry))
}

fn push(steps: &mut Vec<Step>, path: &Path) {
    let components = path.components().rev().filter_map(|component| match component {
        Component::Normal(name) => Some(Step::Down(name.to_owned())),
        Component::ParentDir => Some(Step::Up),
        Component::RootDir => Some(Step::Root),
        Component::CurDir | Component::Prefix(_) => None,
    });
    steps.extend(components);
}
