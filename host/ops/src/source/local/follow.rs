//! The paths that a build names in a directory, and all that links on the way lead to.
//!
//! A link is wanted itself, and so is what it leads to inside the directory. Wildcards are expanded here and now.
//! Knows nothing of patterns that select or exclude.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use lapstrake_llb::patterns::Glob;
use lapstrake_store::tree::{FileKind, Root, TreeError, has_wildcards};

/// Links on the way of one path. Also an end to links that lead to themselves.
const MAX_LINKS: u32 = 255;
/// Ways that one path may branch into by wildcards and links.
const MAX_WAYS: usize = 1 << 20;

/// A way through the directory that is not at its end.
struct Way {
    /// As far as it was walked; no links in it.
    done: PathBuf,
    rest: VecDeque<Step>,
    links: u32,
}

#[derive(Clone)]
enum Step {
    Root,
    Up,
    Name(OsString),
    Glob(String),
}

/// Finds the paths that are wanted. Those that do not exist are wanted as they are written.
pub(super) fn follow(root: &Root, paths: &[String]) -> Result<BTreeSet<PathBuf>, TreeError> {
    let mut found = BTreeSet::new();
    for path in paths {
        let start = Way {
            done: PathBuf::new(),
            rest: steps(Path::new(path), true),
            links: 0,
        };
        let mut ways = vec![start];
        let mut walked = 0;
        while let Some(way) = ways.pop() {
            walked += 1;
            if walked > MAX_WAYS {
                return Err(TreeError::TooManyLinks(PathBuf::from(path)));
            }
            step(root, way, &mut ways, &mut found)?;
        }
    }
    Ok(found)
}

/// Walks a way to its end, or to where it branches.
fn step(
    root: &Root,
    mut way: Way,
    ways: &mut Vec<Way>,
    found: &mut BTreeSet<PathBuf>,
) -> Result<(), TreeError> {
    while let Some(next) = way.rest.pop_front() {
        match next {
            Step::Root => way.done.clear(),
            Step::Up => drop(way.done.pop()),
            Step::Glob(pattern) => {
                let glob = Glob::new(&pattern)?;
                for name in names(root, &way.done)? {
                    if glob.matches(&name) {
                        let mut rest = way.rest.clone();
                        rest.push_front(Step::Name(name));
                        ways.push(Way {
                            done: way.done.clone(),
                            rest,
                            links: way.links,
                        });
                    }
                }
                return Ok(());
            }
            Step::Name(name) => {
                way.done.push(name);
                let stat = root.stat(&way.done)?;
                if stat.is_none_or(|stat| FileKind::of_mode(stat.st_mode) != FileKind::Symlink) {
                    continue;
                }
                found.insert(way.done.clone());
                way.links += 1;
                if way.links > MAX_LINKS {
                    // Wherever it is needed, whoever follows it will say so.
                    return Ok(());
                }
                let target = root.read_link(&way.done)?;
                way.done.pop();
                let mut rest = steps(&target, false);
                rest.append(&mut way.rest);
                way.rest = rest;
            }
        }
    }
    found.insert(way.done);
    Ok(())
}

/// The steps of a path. Only what a build wrote may have wildcards.
fn steps(path: &Path, wildcards: bool) -> VecDeque<Step> {
    let step = |component: Component<'_>| match component {
        Component::RootDir => Some(Step::Root),
        Component::ParentDir => Some(Step::Up),
        Component::Normal(name) => Some(match name.to_str() {
            Some(text) if wildcards && has_wildcards(text) => Step::Glob(text.to_owned()),
            Some(text) if wildcards && text.contains('\\') => {
                let literal = Glob::new(text)
                    .ok()
                    .and_then(|glob| glob.literal().map(OsString::from));
                Step::Name(literal.unwrap_or_else(|| name.to_owned()))
            }
            _ => Step::Name(name.to_owned()),
        }),
        Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(step).collect()
}

/// Names in a directory; of what is none: nothing.
fn names(root: &Root, dir: &Path) -> Result<Vec<OsString>, TreeError> {
    let is_dir = root
        .stat(dir)?
        .is_some_and(|stat| FileKind::of_mode(stat.st_mode) == FileKind::Dir);
    if !is_dir {
        return Ok(Vec::new());
    }
    let list = std::fs::read_dir(root.host_path(dir)).map_err(TreeError::io("list", dir))?;
    list.map(|entry| {
        entry
            .map(|entry| entry.file_name())
            .map_err(TreeError::io("list", dir))
    })
    .collect()
}
