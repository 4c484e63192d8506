//! Digests of what a step takes from a tree: a Merkle tree over names, headers and data.
//!
//! In a header are the kind, permission bits, owner, group, device number, link target and the extended attributes that
//! travel with a file; a symbolic link has one mode. Times, inode numbers and link counts are not, so a hard link counts
//! as the file it is. Digests of equal selections are equal however they are written: `**`, patterns that select nothing
//! away, and no patterns at all.
//! Knows nothing of cache keys.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lapstrake_llb::{Digest, Hasher};

use crate::tree::{
    Entry, Expansion, FileKind, FileTree, Filter, Result, TreeError, Xattrs, expand, on_the_way,
};

/// What a step takes from a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Path in the tree; links in its parents are followed. Empty: all of it.
    pub path: String,
    /// Whether a link at the path itself is followed.
    pub follow_links: bool,
    /// Whether the path may have wildcards. One that matches nothing selects nothing.
    pub wildcard: bool,
    /// Only what matches one of these, relative to the selected directory. Empty: everything.
    pub include: Vec<String>,
    /// Not what matches these, relative to the selected directory.
    pub exclude: Vec<String>,
    /// Whether the metadata of the selected directory itself does not count.
    pub contents_only: bool,
}

impl Selection {
    /// A path and all below it, links followed.
    pub fn path(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            follow_links: true,
            ..Self::default()
        }
    }
}

/// Digests what a selection takes from a tree.
///
/// # Errors
/// [`TreeError::NotFound`] where there is nothing at a path without wildcards.
pub fn digest(tree: &dyn FileTree, selection: &Selection) -> Result<Digest> {
    let filter = filter(selection)?;
    let digest = |top| Walk::new(tree, &filter).digest(top, selection.contents_only);
    match tops(tree, selection)? {
        Tops::One(top) => digest(top),
        Tops::Matches(tops) => {
            let mut hasher = Hasher::new("lapstrake.content.matches.v1");
            for (path, top) in tops {
                hasher
                    .field(path.file_name().unwrap_or_default().as_bytes())
                    .digest(&digest(top)?);
            }
            Ok(hasher.finish())
        }
    }
}

/// What a digest is made of: an entry that is selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The entry.
    pub entry: Entry,
    /// Of a regular file, digest of what it holds.
    pub data: Option<Digest>,
    /// Its extended attributes.
    pub xattrs: Xattrs,
}

/// Lists what [`digest`] digests, by the same walk; none: there is more than `limit`.
///
/// # Errors
/// As of [`digest`].
pub fn list(tree: &dyn FileTree, selection: &Selection, limit: usize) -> Result<Option<Vec<Item>>> {
    let filter = filter(selection)?;
    let tops = match tops(tree, selection)? {
        Tops::One(top) => vec![top],
        Tops::Matches(tops) => tops.into_iter().map(|(_, top)| top).collect(),
    };
    let mut items = Vec::new();
    for top in tops {
        let mut walk = Walk::new(tree, &filter);
        walk.collect(top)?;
        if items.len() + walk.nodes.len() > limit {
            return Ok(None);
        }
        for Node { entry, xattrs, .. } in walk.nodes {
            let data = entry.is_file().then(|| tree.data_digest(&entry)).transpose()?;
            items.push(Item { entry, data, xattrs });
        }
    }
    Ok(Some(items))
}

fn filter(selection: &Selection) -> Result<Filter> {
    let filter = Filter::new(&selection.include, &selection.exclude)?;
    Ok(match selection.follow_links {
        true => filter.following(&selection.include),
        false => filter,
    })
}

/// Where a selection begins.
enum Tops {
    /// At one path.
    One(Entry),
    /// At each path that a wildcard matches.
    Matches(Vec<(PathBuf, Entry)>),
}

fn tops(tree: &dyn FileTree, selection: &Selection) -> Result<Tops> {
    let entry = |path: &Path, resolved: &Path| {
        let found = tree.entry(resolved)?;
        found.ok_or_else(|| TreeError::NotFound(path.to_owned()))
    };
    let found = match selection.wildcard {
        true => expand(tree, &selection.path)?,
        false => Expansion::Literal(PathBuf::from(&selection.path)),
    };
    match found {
        Expansion::Literal(path) => {
            let resolved = tree.resolve(&path, selection.follow_links)?;
            entry(&path, &resolved).map(Tops::One)
        }
        Expansion::Matches(paths) => {
            let mut tops = Vec::with_capacity(paths.len());
            for path in paths {
                let resolved = match selection.follow_links {
                    true => tree.resolve(&path, true)?,
                    false => path.clone(),
                };
                let top = entry(&path, &resolved)?;
                tops.push((path, top));
            }
            Ok(Tops::Matches(tops))
        }
    }
}

/// Finds all that is selected below one path, and folds it into one digest.
struct Walk<'a> {
    tree: &'a dyn FileTree,
    filter: &'a Filter,
    /// In the order of the walk: a directory before what it holds.
    nodes: Vec<Node>,
}

struct Node {
    /// The name that it has in its directory: of a directory that a link leads to, the link's.
    name: OsString,
    entry: Entry,
    xattrs: Xattrs,
    /// Index of the directory that it is in.
    parent: usize,
}

/// A directory whose entries are being looked at.
struct Level {
    /// Relative to the selected path: what patterns are matched with.
    path: PathBuf,
    /// The directory itself, until a reason is found to take it.
    dir: Taken,
    rest: std::vec::IntoIter<Entry>,
}

enum Taken {
    /// As this node.
    Yes(usize),
    /// Only if something below it is.
    NotYet(Box<Entry>, OsString),
}

impl<'a> Walk<'a> {
    fn new(tree: &'a dyn FileTree, filter: &'a Filter) -> Self {
        Self {
            tree,
            filter,
            nodes: Vec::new(),
        }
    }

    fn digest(mut self, top: Entry, contents_only: bool) -> Result<Digest> {
        self.collect(top)?;
        let files: Vec<&Entry> = self
            .nodes
            .iter()
            .map(|node| &node.entry)
            .filter(|e| e.is_file())
            .collect();
        let mut data = self.tree.data_digests(&files)?.into_iter();
        // Children come after their parents, so one pass from the end sees every directory complete.
        let digests: Vec<Option<Digest>> = self
            .nodes
            .iter()
            .map(|node| if node.entry.is_file() { data.next() } else { None })
            .collect();
        let mut children: Vec<Vec<(usize, Digest)>> = vec![Vec::new(); self.nodes.len()];
        let mut fields = Fields::default();
        for (index, node) in self.nodes.iter().enumerate().rev() {
            fields.0.clear();
            if !(contents_only && index == 0) {
                fields.header(node);
            }
            if let Some(digest) = &digests[index] {
                fields.0.extend_from_slice(digest.as_bytes());
            }
            let below = std::mem::take(&mut children[index]);
            for (child, digest) in below.iter().rev() {
                fields.text(self.nodes[*child].name.as_bytes());
                fields.0.extend_from_slice(digest.as_bytes());
            }
            let digest = Digest::of(&fields.0);
            if index == 0 {
                return Ok(digest);
            }
            children[node.parent].push((index, digest));
        }
        // A socket was selected.
        Ok(Hasher::new("lapstrake.content.nothing.v1").finish())
    }

    /// Collects the selected entries. Sockets are nobody's content.
    fn collect(&mut self, top: Entry) -> Result<()> {
        if top.kind == FileKind::Socket {
            return Ok(());
        }
        let mut levels = Vec::new();
        self.take(OsString::new(), top.clone(), 0)?;
        if top.is_dir() {
            levels.push(self.level(PathBuf::new(), Taken::Yes(0), &top.path)?);
        }
        while let Some(level) = levels.last_mut() {
            let Some(entry) = level.rest.next() else {
                levels.pop();
                continue;
            };
            if entry.kind == FileKind::Socket {
                continue;
            }
            let name = entry.name().to_owned();
            let path = level.path.join(&name);
            let entry = on_the_way(self.tree, self.filter, &path, entry)?;
            let verdict = self.filter.check(&path);
            let enter = entry.is_dir() && verdict.enter;
            let below = entry.path.clone();
            let dir = if verdict.wanted {
                let parent = self.take_parents(&mut levels)?;
                Taken::Yes(self.take(name, entry, parent)?)
            } else if enter {
                Taken::NotYet(Box::new(entry), name)
            } else {
                continue;
            };
            if enter {
                levels.push(self.level(path, dir, &below)?);
            }
        }
        Ok(())
    }

    fn level(&self, path: PathBuf, dir: Taken, place: &Path) -> Result<Level> {
        Ok(Level {
            path,
            dir,
            rest: self.tree.read_dir(place)?.into_iter(),
        })
    }

    /// Takes the directories on the way that were not taken yet. Returns the index of the last one.
    fn take_parents(&mut self, levels: &mut [Level]) -> Result<usize> {
        let mut parent = 0;
        for level in levels {
            parent = match &mut level.dir {
                Taken::Yes(index) => *index,
                Taken::NotYet(entry, name) => {
                    let index = self.take(name.clone(), (**entry).clone(), parent)?;
                    level.dir = Taken::Yes(index);
                    index
                }
            };
        }
        Ok(parent)
    }

    fn take(&mut self, name: OsString, entry: Entry, parent: usize) -> Result<usize> {
        let xattrs = self.tree.xattrs(&entry)?;
        self.nodes.push(Node {
            name,
            entry,
            xattrs,
            parent,
        });
        Ok(self.nodes.len() - 1)
    }
}

/// What a file's digest is of. Every field has a fixed length or one that precedes it.
#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn number(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn text(&mut self, text: &[u8]) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text);
    }

    fn header(&mut self, node: &Node) {
        let entry = &node.entry;
        let (kind, mode) = match entry.kind {
            FileKind::File => (0, entry.mode),
            FileKind::Dir => (1, entry.mode),
            FileKind::Symlink => (2, 0o777),
            FileKind::CharDevice => (3, entry.mode),
            FileKind::BlockDevice => (4, entry.mode),
            FileKind::Fifo => (5, entry.mode),
            FileKind::Socket => (6, entry.mode),
        };
        self.0.push(kind);
        for number in [mode, entry.uid, entry.gid] {
            self.0.extend_from_slice(&number.to_le_bytes());
        }
        self.number(entry.rdev);
        self.text(
            entry
                .link_target
                .as_deref()
                .unwrap_or(Path::new(""))
                .as_os_str()
                .as_bytes(),
        );
        self.number(node.xattrs.len() as u64);
        for (name, value) in &node.xattrs {
            self.text(name.as_bytes());
            self.text(value);
        }
    }
}

#[cfg(test)]
mod tests;
