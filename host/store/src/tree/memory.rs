//! A tree in memory, for tests and for trees that are made up.
//! Knows nothing of any file system.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use lapstrake_llb::{Digest, Timestamp};

use super::{Entry, FileKind, FileTree, Result, TreeError, Xattrs, clean};

/// A tree in memory. Parents are made as they are needed.
#[derive(Debug, Clone)]
pub struct MemoryTree {
    nodes: BTreeMap<PathBuf, MemoryNode>,
    /// Number given to the next node.
    next: u64,
}

/// A file of a [`MemoryTree`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryNode {
    /// What it is.
    pub kind: FileKind,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time.
    pub mtime: Timestamp,
    /// Device number.
    pub rdev: u64,
    /// Contents of a regular file.
    pub data: Vec<u8>,
    /// What a symbolic link says.
    pub target: PathBuf,
    /// Extended attributes.
    pub xattrs: Xattrs,
    /// Nodes of one number are one file; none: a file of its own.
    pub inode: Option<u64>,
}

impl MemoryNode {
    /// A node of a kind, 0644 or 0755, owned by root, of 1970.
    pub fn new(kind: FileKind) -> Self {
        let mode = match kind {
            FileKind::Dir => 0o755,
            FileKind::Symlink => 0o777,
            _ => 0o644,
        };
        Self {
            kind,
            mode,
            uid: 0,
            gid: 0,
            mtime: Timestamp {
                seconds: 0,
                nanoseconds: 0,
            },
            rdev: 0,
            data: Vec::new(),
            target: PathBuf::new(),
            xattrs: Vec::new(),
            inode: None,
        }
    }

    /// A regular file.
    pub fn file(data: impl Into<Vec<u8>>) -> Self {
        Self {
            data: data.into(),
            ..Self::new(FileKind::File)
        }
    }

    /// An empty directory.
    pub fn dir() -> Self {
        Self::new(FileKind::Dir)
    }

    /// A symbolic link.
    pub fn symlink(target: impl Into<PathBuf>) -> Self {
        Self {
            target: target.into(),
            ..Self::new(FileKind::Symlink)
        }
    }
}

impl Default for MemoryTree {
    fn default() -> Self {
        Self {
            nodes: BTreeMap::from([(PathBuf::new(), MemoryNode::dir())]),
            next: 1 << 32,
        }
    }
}

impl MemoryTree {
    /// Puts a node at a path, with parents.
    pub fn insert(&mut self, path: impl AsRef<Path>, mut node: MemoryNode) {
        let path = clean(path.as_ref());
        for parent in path.ancestors().skip(1) {
            self.nodes
                .entry(parent.to_owned())
                .or_insert_with(MemoryNode::dir);
        }
        if node.inode.is_none() {
            node.inode = Some(self.next);
            self.next += 1;
        }
        self.nodes.insert(path, node);
    }

    /// Removes what is at a path and below it.
    pub fn remove(&mut self, path: impl AsRef<Path>) {
        let path = clean(path.as_ref());
        self.nodes
            .retain(|other, _| other.as_os_str().is_empty() || !other.starts_with(&path));
    }

    /// The nodes and their paths, parents first.
    pub fn nodes(&self) -> impl Iterator<Item = (&Path, &MemoryNode)> {
        self.nodes.iter().map(|(path, node)| (path.as_path(), node))
    }

    /// The node at a path.
    pub fn node_mut(&mut self, path: impl AsRef<Path>) -> Option<&mut MemoryNode> {
        self.nodes.get_mut(&clean(path.as_ref()))
    }

    fn node(&self, entry: &Entry) -> Result<&MemoryNode> {
        self.nodes
            .get(&entry.path)
            .ok_or_else(|| TreeError::NotFound(entry.path.clone()))
    }

    fn describe(&self, path: &Path, node: &MemoryNode) -> Entry {
        let links = self
            .nodes
            .values()
            .filter(|other| node.inode.is_some() && other.inode == node.inode)
            .count();
        Entry {
            path: path.to_owned(),
            kind: node.kind,
            mode: node.mode,
            uid: node.uid,
            gid: node.gid,
            size: node.data.len() as u64,
            mtime: node.mtime,
            rdev: node.rdev,
            ino: node.inode.unwrap_or_default(),
            dev: 0,
            nlink: links.max(1) as u64,
            layer: 0,
            link_target: (node.kind == FileKind::Symlink).then(|| node.target.clone()),
        }
    }
}

impl FileTree for MemoryTree {
    fn entry(&self, path: &Path) -> Result<Option<Entry>> {
        let path = clean(path);
        let inside = path
            .ancestors()
            .skip(1)
            .all(|p| self.nodes.get(p).is_some_and(|n| n.kind == FileKind::Dir));
        Ok(self
            .nodes
            .get(&path)
            .filter(|_| inside)
            .map(|node| self.describe(&path, node)))
    }

    fn read_dir(&self, dir: &Path) -> Result<Vec<Entry>> {
        let dir = clean(dir);
        match self.entry(&dir)? {
            None => Err(TreeError::NotFound(dir)),
            Some(entry) if !entry.is_dir() => Err(TreeError::NotADirectory(dir)),
            Some(_) => {
                let below = self.nodes.iter().filter(|(path, _)| path.parent() == Some(&dir));
                let mut entries: Vec<Entry> = below.map(|(path, node)| self.describe(path, node)).collect();
                entries.sort_by(|a, b| a.name().cmp(b.name()));
                Ok(entries)
            }
        }
    }

    fn open(&self, entry: &Entry) -> Result<File> {
        let node = self.node(entry)?;
        if node.kind != FileKind::File {
            return Err(TreeError::NotAFile(entry.path.clone()));
        }
        let make = || -> std::io::Result<File> {
            let memory = rustix::fs::memfd_create("lapstrake", rustix::fs::MemfdFlags::CLOEXEC)?;
            let mut file = File::from(memory);
            file.write_all(&node.data)?;
            file.rewind()?;
            Ok(file)
        };
        make().map_err(TreeError::io("open", &entry.path))
    }

    fn xattrs(&self, entry: &Entry) -> Result<Xattrs> {
        let mut xattrs = self.node(entry)?.xattrs.clone();
        xattrs.sort();
        Ok(xattrs)
    }

    fn data_digest(&self, entry: &Entry) -> Result<Digest> {
        let node = self.node(entry)?;
        if node.kind != FileKind::File {
            return Err(TreeError::NotAFile(entry.path.clone()));
        }
        Ok(Digest::of(&node.data))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn is_a_tree() {
        crate::tree::suite::run(&crate::tree::suite::specimen());
    }
}
