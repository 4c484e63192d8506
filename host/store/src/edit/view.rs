//! What the layer that is being written and the tree below it look like together.
//! Changes nothing.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use lapstrake_llb::Digest;
use rustix::fs::Stat;

use super::{LayerEditor, Lower, UPPER};
use crate::tree::marks::is_whiteout;
use crate::tree::{Entry, FileKind, FileTree, Result, TreeError, Xattrs, clean, digest_file, root};

/// What is at a path of the upper directory.
pub(super) enum Upper {
    /// The layer says nothing, and the tree below shows.
    Below,
    /// The layer says nothing, and the tree below does not show.
    Nothing,
    /// Deleted.
    Whiteout,
    Inode(Stat),
}

impl LayerEditor<'_> {
    /// Looks at the upper directory only. The path has no links in it.
    pub(super) fn upper(&self, path: &Path) -> Result<Upper> {
        // The deepest directory of the layer on the way decides.
        let Some(parent) = path
            .ancestors()
            .skip(1)
            .find(|parent| self.dirs.contains_key(*parent))
        else {
            // The root.
            return Ok(match self.root.stat(path)? {
                Some(stat) => Upper::Inode(stat),
                None => Upper::Nothing,
            });
        };
        let below = path.strip_prefix(parent).unwrap_or(path);
        let first = below
            .components()
            .next()
            .map_or(parent.to_owned(), |name| parent.join(name));
        let found = match self.root.stat(&first)? {
            Some(stat) if is_whiteout(&stat) => Upper::Whiteout,
            Some(stat) if first == path => Upper::Inode(stat),
            // Not a directory, or it would be known.
            Some(_) => Upper::Nothing,
            None if self.dirs.get(parent).is_some_and(|dir| dir.open_below) => Upper::Below,
            None => Upper::Nothing,
        };
        Ok(found)
    }

    /// What the layer itself has at a path, but for whiteouts.
    pub fn own_entry(&self, path: &Path) -> Result<Option<Entry>> {
        match self.upper(path)? {
            Upper::Inode(stat) => self.describe(path.to_owned(), &stat).map(Some),
            Upper::Below | Upper::Nothing | Upper::Whiteout => Ok(None),
        }
    }

    pub(super) fn lower_entry(&self, path: &Path) -> Result<Option<Entry>> {
        match self.lower {
            Lower::Tree(tree) => tree.entry(path),
            Lower::Unknown => Ok(None),
        }
    }

    pub(super) fn describe(&self, path: PathBuf, stat: &Stat) -> Result<Entry> {
        let target = match FileKind::of_mode(stat.st_mode) {
            FileKind::Symlink => Some(self.root.read_link(&path)?),
            _ => None,
        };
        let mut entry = self.root.describe(path, stat, UPPER, target);
        self.links.apply(&mut entry);
        if let Some(dir) = self.dirs.get(&entry.path) {
            entry.mtime = dir.mtime;
        }
        Ok(entry)
    }

    fn lower_of(&self, entry: &Entry) -> Result<&dyn FileTree> {
        match self.lower {
            Lower::Tree(tree) => Ok(tree),
            Lower::Unknown => Err(TreeError::NotFound(entry.path.clone())),
        }
    }
}

impl FileTree for LayerEditor<'_> {
    fn entry(&self, path: &Path) -> Result<Option<Entry>> {
        let path = clean(path);
        match self.upper(&path)? {
            Upper::Below => self.lower_entry(&path),
            Upper::Nothing | Upper::Whiteout => Ok(None),
            Upper::Inode(stat) => self.describe(path, &stat).map(Some),
        }
    }

    fn read_dir(&self, dir: &Path) -> Result<Vec<Entry>> {
        let dir = clean(dir);
        let Some(state) = self.dirs.get(&dir) else {
            return match (self.entry(&dir)?, self.lower) {
                (None, _) | (_, Lower::Unknown) => Err(TreeError::NotFound(dir)),
                (Some(entry), _) if entry.layer == UPPER => Err(TreeError::NotADirectory(dir)),
                (Some(_), Lower::Tree(tree)) => tree.read_dir(&dir),
            };
        };
        let mut found: BTreeMap<OsString, Option<Entry>> = BTreeMap::new();
        if let (true, Lower::Tree(tree)) = (state.open_below, self.lower)
            && tree.entry(&dir)?.is_some_and(|entry| entry.is_dir())
        {
            found.extend(
                tree.read_dir(&dir)?
                    .into_iter()
                    .map(|entry| (entry.name().to_owned(), Some(entry))),
            );
        }
        let listed = root::names(self.root.open_dir(&dir)?);
        let (open, names) = listed.map_err(|e| TreeError::io("list", &self.root.host_path(&dir))(e))?;
        for name in names {
            let path = dir.join(&name);
            let io = |e: rustix::io::Errno| TreeError::io("look at", &path)(e);
            let stat = root::stat_at(open.fd().map_err(io)?.as_fd(), &name).map_err(io)?;
            let entry = if is_whiteout(&stat) {
                None
            } else {
                Some(self.describe(path, &stat)?)
            };
            found.insert(name, entry);
        }
        Ok(found.into_values().flatten().collect())
    }

    fn open(&self, entry: &Entry) -> Result<File> {
        if entry.layer != UPPER {
            return self.lower_of(entry)?.open(entry);
        }
        if !entry.is_file() {
            return Err(TreeError::NotAFile(entry.path.clone()));
        }
        self.root.open_file(&entry.path)
    }

    fn xattrs(&self, entry: &Entry) -> Result<Xattrs> {
        if entry.layer != UPPER {
            self.lower_of(entry)?.xattrs(entry)
        } else {
            self.root.xattrs(&entry.path)
        }
    }

    fn data_digest(&self, entry: &Entry) -> Result<Digest> {
        if entry.layer != UPPER {
            return self.lower_of(entry)?.data_digest(entry);
        }
        let file = self.open(entry)?;
        digest_file(&file, entry.size).map_err(TreeError::io("read", &entry.path))
    }

    fn must_digest(&self, entry: &Entry) -> bool {
        entry.layer != UPPER && self.lower_of(entry).is_ok_and(|tree| tree.must_digest(entry))
    }

    fn verify(&self, entry: &Entry, file: &File, read: Option<&Digest>) -> Result<()> {
        if entry.layer == UPPER {
            Ok(())
        } else {
            self.lower_of(entry)?.verify(entry, file, read)
        }
    }
}
