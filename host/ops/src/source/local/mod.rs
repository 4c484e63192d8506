//! A directory on this machine, seen as a tree: what its patterns select, owned by root, with the digest of every file.
//!
//! Opening it is one walk that looks at everything once; only files that changed since the last time are read. What is
//! read later is compared with what was digested then, so that a file that changes during a build is an error and not a
//! wrong result. Sockets and overlayfs's whiteouts are no content.
//! Knows nothing of the store but the file that the index is kept in.

mod error;
mod follow;
mod index;
mod walk;

use std::collections::HashMap;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lapstrake_llb::{Digest, LocalDiffer, LocalSource, Timestamp};
use lapstrake_store::content::{self, Selection};
use lapstrake_store::tree::{self, Entry, FileTree, Filter, Root, TreeError, Xattrs, digest_file};

pub use error::LocalError;

/// A directory on this machine, as a tree.
pub struct LocalTree {
    root: Root,
    top: Entry,
    /// By path. Lookups are many, and comparing paths by their components is slow.
    dirs: HashMap<Box<[u8]>, Dir>,
    digest: Digest,
    read: Read,
}

/// How much there was to do when a tree was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Read {
    /// Regular files that are selected.
    pub files: u64,
    /// Their length in bytes.
    pub bytes: u64,
    /// Files that had to be read.
    pub files_read: u64,
    /// Their length in bytes.
    pub bytes_read: u64,
}

/// What is selected of a directory, sorted by name.
#[derive(Default)]
struct Dir {
    entries: Vec<Node>,
    /// Whether it is selected itself, and not only on the way to something that is.
    wanted: bool,
}

struct Node {
    entry: Entry,
    ctime: Timestamp,
    /// Of a regular file, once it is known.
    content: Option<Content>,
}

impl Node {
    /// The name, in a directory whose names start at `start`.
    fn name(&self, start: usize) -> &[u8] {
        &self.entry.path.as_os_str().as_bytes()[start..]
    }
}

/// Where names start in the paths of what a directory holds.
fn name_start(dir: &Path) -> usize {
    match dir.as_os_str().len() {
        0 => 0,
        length => length + 1,
    }
}

/// What is known of what a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Content {
    digest: Digest,
    /// Whether it has extended attributes.
    xattrs: bool,
    /// Whether an unchanged stat proves unchanged content: the file was not changed just before it was read.
    settled: bool,
}

impl LocalTree {
    /// Looks at a directory. `index` is the file that the digests are kept in from one build to the next; none: all
    /// files are read.
    pub fn open(
        root: &Path,
        source: &LocalSource,
        index: Option<&Path>,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Self, LocalError> {
        let fail = |problem: fn(String, PathBuf) -> LocalError| problem(source.name.clone(), root.to_owned());
        match std::fs::metadata(root) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(fail(|name, path| LocalError::Missing { name, path }));
            }
            Err(error) => return Err(TreeError::io("open", root)(error).into()),
            Ok(metadata) if !metadata.is_dir() => {
                return Err(fail(|name, path| LocalError::NotADirectory { name, path }));
            }
            Ok(_) => {}
        }
        let root = Root::new(root);
        let mut filter =
            Filter::new(&source.include_patterns, &source.exclude_patterns).map_err(TreeError::from)?;
        if !source.follow_paths.is_empty() {
            filter.include_paths(follow::follow(&root, &source.follow_paths)?);
        }
        let mut walk = walk::walk(&root, &filter, cancelled)?;
        let index = index.filter(|_| source.differ == LocalDiffer::Metadata);
        let read = index::fill(&root, &filter, &mut walk.dirs, index, cancelled)?;
        let key = |path: PathBuf| Box::from(path.into_os_string().as_bytes());
        let dirs = walk
            .dirs
            .into_iter()
            .map(|(path, dir)| (key(path), dir))
            .collect();
        let mut tree = Self {
            root,
            top: walk.top,
            dirs,
            digest: Digest::of(b""),
            read,
        };
        tree.digest = content::digest(&tree, &Selection::path(""))?;
        Ok(tree)
    }

    /// Name of the index of a directory, for [`Store::index_file`](lapstrake_store::Store::index_file).
    pub fn index_name(root: &Path) -> String {
        let whole = std::fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
        format!("local-{}", Digest::of(whole.as_os_str().as_bytes()).hex())
    }

    /// Digest of all that is selected.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The directory.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// What there was to do when it was opened.
    pub fn read(&self) -> Read {
        self.read
    }

    fn node(&self, path: &Path) -> Option<&Node> {
        let path = path.as_os_str().as_bytes();
        let (parent, start) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (&path[..slash], slash + 1),
            None => (&b""[..], 0),
        };
        let dir = self.dirs.get(parent)?;
        let found = dir
            .entries
            .binary_search_by(|node| node.name(start).cmp(&path[start..]));
        found.ok().map(|index| &dir.entries[index])
    }

    fn dir(&self, path: &Path) -> Option<&Dir> {
        self.dirs.get(path.as_os_str().as_bytes())
    }

    fn content(&self, entry: &Entry) -> Result<(&Node, Content), TreeError> {
        let found = self
            .node(&entry.path)
            .and_then(|node| Some((node, node.content?)));
        found.ok_or_else(|| TreeError::NotAFile(entry.path.clone()))
    }

    /// Names a file of the directory as the user knows it.
    fn changed(&self, entry: &Entry) -> TreeError {
        TreeError::Changed(self.root.host_path(&entry.path))
    }
}

impl FileTree for LocalTree {
    fn entry(&self, path: &Path) -> Result<Option<Entry>, TreeError> {
        let path = tree::clean(path);
        if path.as_os_str().is_empty() {
            return Ok(Some(self.top.clone()));
        }
        Ok(self.node(&path).map(|node| node.entry.clone()))
    }

    fn read_dir(&self, dir: &Path) -> Result<Vec<Entry>, TreeError> {
        let dir = tree::clean(dir);
        match (self.dir(&dir), self.node(&dir)) {
            (Some(found), _) => Ok(found.entries.iter().map(|node| node.entry.clone()).collect()),
            (None, Some(_)) => Err(TreeError::NotADirectory(dir)),
            (None, None) => Err(TreeError::NotFound(dir)),
        }
    }

    fn open(&self, entry: &Entry) -> Result<File, TreeError> {
        if !entry.is_file() {
            return Err(TreeError::NotAFile(entry.path.clone()));
        }
        self.root.open_file(&entry.path)
    }

    fn xattrs(&self, entry: &Entry) -> Result<Xattrs, TreeError> {
        match self.node(&entry.path).and_then(|node| node.content) {
            Some(Content { xattrs: false, .. }) => Ok(Xattrs::new()),
            // Whatever the directory itself has, it is not content.
            _ if entry.path.as_os_str().is_empty() => Ok(Xattrs::new()),
            _ => self.root.xattrs(&entry.path),
        }
    }

    fn data_digest(&self, entry: &Entry) -> Result<Digest, TreeError> {
        self.content(entry).map(|(_, content)| content.digest)
    }

    fn must_digest(&self, entry: &Entry) -> bool {
        self.content(entry).is_ok_and(|(_, content)| !content.settled)
    }

    fn verify(&self, entry: &Entry, mut file: &File, read: Option<&Digest>) -> Result<(), TreeError> {
        let (node, content) = self.content(entry)?;
        let io = |error| TreeError::io("read", &self.root.host_path(&entry.path))(error);
        let stat = rustix::fs::fstat(file).map_err(|error| io(error.into()))?;
        let same = walk::ctime(&stat) == node.ctime && index::is_same_inode(&node.entry, &stat);
        if same && content.settled {
            return Ok(());
        }
        let read = match read {
            Some(read) => *read,
            None => {
                file.seek(SeekFrom::Start(0)).map_err(io)?;
                digest_file(file, entry.size).map_err(io)?
            }
        };
        if read == content.digest {
            Ok(())
        } else {
            Err(self.changed(entry))
        }
    }
}

#[cfg(test)]
mod tests;
