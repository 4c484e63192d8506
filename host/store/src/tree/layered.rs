//! Overlayfs layers seen as one tree, looked up the way the kernel does (Linux, overlayfs.rst, "Merged directories"),
//! without a mount.
//!
//! Layers MUST not change while they are looked at. Knows nothing of the store that keeps them.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use lapstrake_llb::Digest;
use rustix::fs::Stat;

use super::marks::{Marks, Opaque, is_whiteout};
use super::root::{self, Root};
use super::{
    DigestIndex, Entry, FileKind, FileTree, KnownDigest, Result, TreeError, Xattrs, clean, digest_file,
    has_xattrs, is_clean,
};
use crate::parallel;

/// Digesting less than this is not worth a second thread.
const PARALLEL_BYTES: u64 = 4 << 20;
const PARALLEL_FILES: usize = 256;

/// A layer's files.
#[derive(Debug, Clone)]
pub struct LayerDir {
    /// An overlayfs upper directory.
    pub path: PathBuf,
    /// Where the data digests of its files are kept; none: nowhere.
    pub digests: Option<PathBuf>,
}

impl From<PathBuf> for LayerDir {
    fn from(path: PathBuf) -> Self {
        Self { path, digests: None }
    }
}

/// Layers seen as one tree.
#[derive(Debug)]
pub struct LayeredView {
    layers: Vec<Layer>,
    marks: Marks,
    /// The directories looked at so far; none: no directory is there.
    dirs: Mutex<HashMap<PathBuf, Option<Arc<Stack>>>>,
}

#[derive(Debug)]
struct Layer {
    root: Root,
    digests: Option<DigestIndex>,
}

/// The layers that make up a directory, the highest first.
type Stack = Vec<Part>;

#[derive(Debug, Clone, Copy)]
struct Part {
    layer: u32,
    /// Whether some regular files in it are whiteouts.
    file_whiteouts: bool,
}

/// What several layers together say of a name.
struct Merged {
    /// What is seen, and the layer that it is in.
    top: Option<(u32, Stat)>,
    /// Of a directory: the layers that make it up.
    stack: Option<Stack>,
}

/// What one layer says of a name.
enum Found {
    Nothing,
    Whiteout,
    Inode(Stat),
}

impl LayeredView {
    /// Stacks layers, the lowest first. None: an empty tree.
    pub fn new<L: Into<LayerDir>>(layers: impl IntoIterator<Item = L>) -> Self {
        Self::with_marks(layers, Marks::current())
    }

    /// Stacks layers whose marks are in a given namespace.
    pub fn with_marks<L: Into<LayerDir>>(layers: impl IntoIterator<Item = L>, marks: Marks) -> Self {
        let layers = layers.into_iter().map(|layer| {
            let LayerDir { path, digests } = layer.into();
            Layer {
                root: Root::new(path),
                digests: digests.map(DigestIndex::new),
            }
        });
        Self {
            layers: layers.collect(),
            marks,
            dirs: Mutex::default(),
        }
    }

    /// Number of layers.
    pub fn layer_count(&self) -> usize {
        self.layers.len()
    }

    /// The directory of the host that an entry's layer is in, as a root for its path.
    pub fn layer_root(&self, entry: &Entry) -> Result<&Root> {
        Ok(&self.layer(entry.layer, &entry.path)?.root)
    }

    /// The digest of a file's data, where it is known without reading the file.
    pub fn known_digest(&self, entry: &Entry) -> Option<Digest> {
        self.known(entry).map(|known| known.digest)
    }

    fn known(&self, entry: &Entry) -> Option<KnownDigest> {
        self.layer(entry.layer, &entry.path)
            .ok()?
            .digests
            .as_ref()?
            .get(entry)
    }

    fn layer(&self, index: u32, path: &Path) -> Result<&Layer> {
        self.layers
            .get(index as usize)
            .ok_or_else(|| TreeError::NotFound(path.to_owned()))
    }

    /// The layers that make up a directory; none: no directory is there.
    fn stack(&self, dir: &Path) -> Result<Option<Arc<Stack>>> {
        let known = self
            .dirs
            .lock()
            .unwrap_or_else(|poison| poison.into_inner())
            .get(dir)
            .cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        // Not by recursion: a path may have two thousand components, and the whole stack of a thread is for them.
        let missing: Vec<_> = {
            let dirs = self.dirs.lock().unwrap_or_else(|poison| poison.into_inner());
            dir.ancestors()
                .take_while(|dir| !dirs.contains_key(*dir))
                .collect()
        };
        let mut stack = None;
        for dir in missing.into_iter().rev() {
            let found = match dir.parent() {
                None => Some(self.root_stack()),
                Some(parent) => match self.known_stack(parent) {
                    None => None,
                    Some(above) => self.merge(&above, dir)?.stack,
                },
            };
            stack = found.map(Arc::new);
            let mut dirs = self.dirs.lock().unwrap_or_else(|poison| poison.into_inner());
            dirs.insert(dir.to_owned(), stack.clone());
        }
        Ok(stack)
    }

    fn known_stack(&self, dir: &Path) -> Option<Arc<Stack>> {
        let dirs = self.dirs.lock().unwrap_or_else(|poison| poison.into_inner());
        dirs.get(dir).cloned().flatten()
    }

    /// The kernel merges the roots of all layers, whatever they are marked with.
    fn root_stack(&self) -> Stack {
        let part = |(index, layer): (usize, &Layer)| Part {
            layer: index as u32,
            file_whiteouts: self.marks.read_opaque(layer.root.path()) == Opaque::Whiteouts,
        };
        self.layers.iter().enumerate().map(part).rev().collect()
    }

    /// Looks a name up in the layers of its parent.
    fn merge(&self, above: &Stack, path: &Path) -> Result<Merged> {
        let mut top = None;
        let mut stack = Stack::new();
        for part in above {
            let layer = self.layer(part.layer, path)?;
            match self.find(layer, part, path)? {
                Found::Nothing => {}
                Found::Whiteout => break,
                Found::Inode(stat) => {
                    let is_dir = FileKind::of_mode(stat.st_mode) == FileKind::Dir;
                    if top.is_none() {
                        top = Some((part.layer, stat));
                    }
                    if !is_dir {
                        break;
                    }
                    let opaque = self.opaque(layer, path);
                    stack.push(Part {
                        layer: part.layer,
                        file_whiteouts: opaque == Opaque::Whiteouts,
                    });
                    if opaque == Opaque::Yes {
                        break;
                    }
                }
            }
        }
        Ok(Merged {
            top,
            stack: (!stack.is_empty()).then_some(stack),
        })
    }

    fn find(&self, layer: &Layer, part: &Part, path: &Path) -> Result<Found> {
        let Some(stat) = layer.root.stat(path)? else {
            return Ok(Found::Nothing);
        };
        let hidden = is_whiteout(&stat)
            || part.file_whiteouts
                && is_empty_file(&stat)
                && layer.root.at(path, |path| self.marks.is_file_whiteout(path));
        Ok(if hidden {
            Found::Whiteout
        } else {
            Found::Inode(stat)
        })
    }

    fn opaque(&self, layer: &Layer, path: &Path) -> Opaque {
        layer.root.at(path, |path| self.marks.read_opaque(path))
    }

    /// Adds what a layer has in a directory and no higher one decided.
    fn read_part(&self, part: &Part, dir: &Path, decided: &mut Decided) -> Result<()> {
        let layer = self.layer(part.layer, dir)?;
        let host = || layer.root.host_path(dir);
        let fd = layer.root.open_dir(dir)?;
        let (open, names) = root::names(fd).map_err(|e| TreeError::io("list", &host())(e))?;
        let fd = open.fd().map_err(|e| TreeError::io("list", &host())(e))?;
        for name in names {
            if decided.has(&name) {
                continue;
            }
            let found = root::missing_is_none(root::stat_at(fd, &name));
            let Some(stat) = found.map_err(|e| TreeError::io("look at", &host().join(&name))(e))? else {
                continue;
            };
            let hidden = is_whiteout(&stat)
                || part.file_whiteouts
                    && is_empty_file(&stat)
                    && self.marks.is_file_whiteout(&root::proc_path(fd, &name));
            if !hidden {
                decided
                    .entries
                    .push(self.describe(fd, dir, &name, &stat, part.layer)?);
            }
            decided.names.extend(decided.more_follow.then_some(name));
        }
        Ok(())
    }

    fn describe(
        &self,
        fd: BorrowedFd<'_>,
        dir: &Path,
        name: &OsString,
        stat: &Stat,
        layer: u32,
    ) -> Result<Entry> {
        let path = dir.join(name);
        let target = match FileKind::of_mode(stat.st_mode) {
            FileKind::Symlink => {
                Some(root::read_link_at(fd, name).map_err(TreeError::io("read the link", &path))?)
            }
            _ => None,
        };
        Ok(self.layer(layer, &path)?.root.describe(path, stat, layer, target))
    }
}

/// What has been seen of a directory.
struct Decided {
    entries: Vec<Entry>,
    /// Only kept while more layers follow.
    names: HashSet<OsString>,
    more_follow: bool,
}

impl Decided {
    fn has(&self, name: &OsString) -> bool {
        !self.names.is_empty() && self.names.contains(name)
    }
}

fn is_empty_file(stat: &Stat) -> bool {
    stat.st_size == 0 && FileKind::of_mode(stat.st_mode) == FileKind::File
}

fn cleaned(path: &Path) -> std::borrow::Cow<'_, Path> {
    if is_clean(path) {
        path.into()
    } else {
        clean(path).into()
    }
}

impl FileTree for LayeredView {
    fn entry(&self, path: &Path) -> Result<Option<Entry>> {
        let path = cleaned(path);
        let Some(parent) = path.parent() else {
            return self.root_entry().map(Some);
        };
        let Some(above) = self.stack(parent)? else {
            return Ok(None);
        };
        let Some((layer, stat)) = self.merge(&above, &path)?.top else {
            return Ok(None);
        };
        let root = &self.layer(layer, &path)?.root;
        let target = match FileKind::of_mode(stat.st_mode) {
            FileKind::Symlink => Some(root.read_link(&path)?),
            _ => None,
        };
        Ok(Some(root.describe(path.into_owned(), &stat, layer, target)))
    }

    fn read_dir(&self, dir: &Path) -> Result<Vec<Entry>> {
        let dir = cleaned(dir);
        let Some(stack) = self.stack(&dir)? else {
            return Err(match self.entry(&dir)? {
                Some(_) => TreeError::NotADirectory(dir.into_owned()),
                None => TreeError::NotFound(dir.into_owned()),
            });
        };
        let mut decided = Decided {
            entries: Vec::new(),
            names: HashSet::new(),
            more_follow: true,
        };
        for (index, part) in stack.iter().enumerate() {
            decided.more_follow = index + 1 < stack.len();
            self.read_part(part, &dir, &mut decided)?;
        }
        let mut entries = decided.entries;
        entries.sort_unstable_by(|a, b| a.name().cmp(b.name()));
        Ok(entries)
    }

    fn open(&self, entry: &Entry) -> Result<File> {
        if !entry.is_file() {
            return Err(TreeError::NotAFile(entry.path.clone()));
        }
        self.layer_root(entry)?.open_file(&entry.path)
    }

    fn xattrs(&self, entry: &Entry) -> Result<Xattrs> {
        let none = self.layers.is_empty()
            || (entry.is_file() && self.known(entry).is_some_and(|known| !known.xattrs));
        if none {
            Ok(Xattrs::new())
        } else {
            self.layer_root(entry)?.xattrs(&entry.path)
        }
    }

    fn data_digest(&self, entry: &Entry) -> Result<Digest> {
        if let Some(known) = self.known_digest(entry) {
            return Ok(known);
        }
        let layer = self.layer(entry.layer, &entry.path)?;
        let file = self.open(entry)?;
        let digest = digest_file(&file, entry.size).map_err(TreeError::io("read", &entry.path))?;
        if let Some(index) = &layer.digests {
            let xattrs = has_xattrs(&file).map_err(TreeError::io("read", &entry.path))?;
            index.put(
                &entry.path,
                KnownDigest {
                    size: entry.size,
                    mtime: entry.mtime,
                    digest,
                    xattrs,
                },
            );
        }
        Ok(digest)
    }

    fn data_digests(&self, entries: &[&Entry]) -> Result<Vec<Digest>> {
        let unknown = entries.iter().filter(|entry| self.known_digest(entry).is_none());
        let (files, bytes) = unknown.fold((0, 0u64), |(files, bytes), e| {
            (files + 1, bytes.saturating_add(e.size))
        });
        let worth_it = files > 1 && (files >= PARALLEL_FILES || bytes >= PARALLEL_BYTES);
        let threads = if worth_it { parallel::threads() } else { 1 };
        parallel::map(entries.len(), threads, |index| self.data_digest(entries[index]))
    }
}

impl LayeredView {
    fn root_entry(&self) -> Result<Entry> {
        let Some(top) = self.layers.last() else {
            return Ok(Entry::empty_root());
        };
        let fd = top.root.fd()?;
        let stat =
            root::stat_at(fd.as_fd(), ".".as_ref()).map_err(TreeError::io("look at", top.root.path()))?;
        let layer = (self.layers.len() - 1) as u32;
        Ok(top.root.describe(PathBuf::new(), &stat, layer, None))
    }
}

#[cfg(test)]
mod tests;
