//! Makes files and directories in the layer, copying up what they need from below.
//! Knows nothing of removal but what a replacement needs.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lapstrake_llb::Timestamp;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::view::Upper;
use super::{Dir, LayerEditor, Lower, Metadata, UPPER, copy_data, metadata};
use crate::tree::{Entry, FileKind, FileTree, Powers, Result, TreeError};

impl LayerEditor<'_> {
    /// Makes sure that a directory is in the layer. One from below is copied up; one that is nowhere is made, its
    /// missing parents too. The path has no links in it, but a link or file *below* the layer is hidden, as it has to be
    /// in a layer whose archive says nothing of it.
    ///
    /// # Errors
    /// [`TreeError::NotADirectory`] where the layer itself has something else on the way.
    pub fn ensure_dir(&mut self, path: &Path, new: &Metadata) -> Result<()> {
        if self.dirs.contains_key(path) {
            return Ok(());
        }
        let mut missing: Vec<&Path> = path
            .ancestors()
            .take_while(|dir| !self.dirs.contains_key(*dir))
            .collect();
        while let Some(dir) = missing.pop() {
            self.ensure_one(dir, new)?;
        }
        Ok(())
    }

    /// Makes sure that the parent of a path is in the layer.
    pub fn ensure_parent(&mut self, path: &Path) -> Result<()> {
        match path.parent() {
            Some(parent) if !self.dirs.contains_key(parent) => {
                self.ensure_dir(parent, &Metadata::default_dir())
            }
            _ => Ok(()),
        }
    }

    /// The parent is in the layer, the directory is not.
    fn ensure_one(&mut self, path: &Path, new: &Metadata) -> Result<()> {
        match self.upper(path)? {
            Upper::Inode(_) => Err(TreeError::NotADirectory(path.to_owned())),
            Upper::Whiteout => {
                self.remove_upper(path)?;
                self.create_dir(path, new, false)?;
                if self.dir_is_below(path)? {
                    self.mark_opaque(path)
                } else {
                    Ok(())
                }
            }
            Upper::Nothing => self.create_dir(path, new, false),
            Upper::Below => match self.lower {
                Lower::Unknown => self.create_dir(path, new, true),
                Lower::Tree(tree) => match tree.entry(path)? {
                    None => self.create_dir(path, new, false),
                    Some(entry) if entry.is_dir() => {
                        self.create_dir(path, &Metadata::of(&entry, tree.xattrs(&entry)?), true)
                    }
                    Some(_) => match tree.follow(path)?.filter(Entry::is_dir) {
                        Some(entry) => {
                            self.create_dir(path, &Metadata::of(&entry, tree.xattrs(&entry)?), false)
                        }
                        None => self.create_dir(path, new, false),
                    },
                },
            },
        }
    }

    fn create_dir(&mut self, path: &Path, metadata: &Metadata, open_below: bool) -> Result<()> {
        let io = |e| TreeError::io("create", path)(e);
        {
            let place = self.root.place(path).map_err(io)?;
            rustix::fs::mkdirat(&place, place.name, Mode::from_raw_mode(0o700)).map_err(io)?;
        }
        self.dirs.insert(
            path.to_owned(),
            Dir {
                mtime: metadata.mtime,
                open_below,
            },
        );
        self.set_metadata(path, metadata)
    }

    /// Makes a directory with its metadata. One that the layer has keeps what it holds and gets the metadata; what is
    /// below stays visible in it. Anything else at the path is replaced.
    pub fn put_dir(&mut self, path: &Path, metadata: &Metadata) -> Result<()> {
        if !self.dirs.contains_key(path) {
            self.ensure_parent(path)?;
            let (open_below, opaque) = match self.upper(path)? {
                Upper::Below => (self.dir_is_below(path)?, false),
                Upper::Nothing => (false, false),
                Upper::Whiteout | Upper::Inode(_) => {
                    self.remove_upper(path)?;
                    (false, self.shows_below(path) && self.dir_is_below(path)?)
                }
            };
            self.create_dir(path, metadata, open_below)?;
            return if opaque { self.mark_opaque(path) } else { Ok(()) };
        }
        self.set_metadata(path, metadata)
    }

    /// Whether the parent of a path lets the tree below show.
    fn shows_below(&self, path: &Path) -> bool {
        path.parent()
            .and_then(|parent| self.dirs.get(parent))
            .is_some_and(|dir| dir.open_below)
    }

    /// Gives a directory of the layer, or its root, another metadata.
    pub fn set_metadata(&mut self, path: &Path, metadata: &Metadata) -> Result<()> {
        let io = |e| TreeError::io("set the metadata of", path)(e);
        let place = self.root.place(path).map_err(io)?;
        metadata
            .set_at(&place, FileKind::Dir, path, &mut self.lost)
            .map_err(io)?;
        if let Some(dir) = self.dirs.get_mut(path) {
            dir.mtime = metadata.mtime;
        }
        Ok(())
    }

    /// Sets the time that a directory of the layer gets at the end.
    pub fn set_dir_time(&mut self, path: &Path, time: Timestamp) {
        if let Some(dir) = self.dirs.get_mut(path) {
            dir.mtime = time;
        }
    }

    /// Whether the layer itself has a directory.
    pub fn has_dir(&self, path: &Path) -> bool {
        self.dirs.contains_key(path)
    }

    /// Whether a directory of the layer can hold anything that the layer did not put there.
    pub fn shows_through(&self, path: &Path) -> bool {
        self.dirs.get(path).is_some_and(|dir| dir.open_below)
    }

    /// Opens a directory of the layer, for whoever makes many files in it.
    pub fn open_dir(&self, path: &Path) -> Result<Arc<OwnedFd>> {
        let mut last = self.last.lock().unwrap_or_else(|poison| poison.into_inner());
        if let Some((known, fd)) = &*last
            && known == path
        {
            return Ok(fd.clone());
        }
        let fd = Arc::new(self.root.open_dir(path)?);
        *last = Some((path.to_owned(), fd.clone()));
        Ok(fd)
    }

    pub(super) fn close_last(&self) {
        *self.last.lock().unwrap_or_else(|poison| poison.into_inner()) = None;
    }

    /// Makes room for something that is no directory: parents are made, and what is there is removed. Returns the
    /// parent.
    fn make_room(&mut self, path: &Path) -> Result<Arc<OwnedFd>> {
        self.ensure_parent(path)?;
        if self.dirs.contains_key(path) {
            self.remove_upper(path)?;
        }
        self.open_dir(path.parent().unwrap_or(Path::new("")))
    }

    /// Makes an empty file, in place of whatever is at the path. Its metadata is to be set with [`Metadata::set_on`].
    pub fn create_file(&mut self, path: &Path) -> Result<File> {
        let dir = self.make_room(path)?;
        let name = path.file_name().unwrap_or_default();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let create = || rustix::fs::openat(&dir, name, flags, Mode::from_raw_mode(0o600)).map(File::from);
        match create() {
            Err(Errno::EXIST) => {
                self.remove_upper(path)?;
                create()
            }
            other => other,
        }
        .map_err(TreeError::io("create", path))
    }

    /// Sets the metadata of a file that [`LayerEditor::create_file`] made, once it is written.
    pub fn close_file(&mut self, path: &Path, file: &File, metadata: &Metadata) -> Result<()> {
        metadata
            .set_on(file, path, &mut self.lost)
            .map_err(TreeError::io("set the metadata of", path))
    }

    /// Makes a symbolic link, in place of whatever is at the path.
    pub fn put_symlink(&mut self, path: &Path, target: &Path, metadata: &Metadata) -> Result<()> {
        self.put(path, FileKind::Symlink, metadata, |dir, name| {
            rustix::fs::symlinkat(target, dir, name)
        })
    }

    /// Makes a device or a named pipe, in place of whatever is at the path.
    ///
    /// # Errors
    /// `EPERM`, as overlayfs has it, for the character device 0/0: it is overlayfs's mark of what is deleted.
    pub fn put_node(&mut self, path: &Path, kind: FileKind, rdev: u64, metadata: &Metadata) -> Result<()> {
        if kind == FileKind::CharDevice && rdev == 0 {
            return Err(TreeError::io("create", path)(Errno::PERM));
        }
        if kind.is_device() && !Powers::current().is_full() {
            return self.put_stand_in(path, kind, rdev, metadata);
        }
        let file_type = match kind {
            FileKind::CharDevice => FileType::CharacterDevice,
            FileKind::BlockDevice => FileType::BlockDevice,
            _ => FileType::Fifo,
        };
        self.put(path, kind, metadata, |dir, name| {
            rustix::fs::mknodat(dir, name, file_type, Mode::from_raw_mode(0o600), rdev)
        })
    }

    /// Makes an empty file that says what it stands for.
    fn put_stand_in(&mut self, path: &Path, kind: FileKind, rdev: u64, metadata: &Metadata) -> Result<()> {
        let file = self.create_file(path)?;
        let made = metadata.stand_in(&file, kind, rdev);
        made.map_err(TreeError::io("set the metadata of", path))
    }

    fn put(
        &mut self,
        path: &Path,
        kind: FileKind,
        metadata: &Metadata,
        make: impl Fn(&OwnedFd, &std::ffi::OsStr) -> Result<(), Errno>,
    ) -> Result<()> {
        let dir = self.make_room(path)?;
        let io = |e| TreeError::io("create", path)(e);
        match make(&dir, path.file_name().unwrap_or_default()) {
            Err(Errno::EXIST) => {
                self.remove_upper(path)?;
                make(&dir, path.file_name().unwrap_or_default())
            }
            other => other,
        }
        .map_err(io)?;
        let place = self.root.place(path).map_err(io)?;
        let kept = metadata.set_at(&place, kind, path, &mut self.lost).map_err(io)?;
        metadata::set_times(&place, metadata.mtime).map_err(io)?;
        match (kept, kind) {
            (true, _) => self.links.remove(path),
            (false, FileKind::Symlink) => self.links.insert(path.to_owned(), (metadata.uid, metadata.gid)),
            (false, _) => {
                drop(place);
                return self.put_stand_in(path, kind, 0, metadata);
            }
        }
        Ok(())
    }

    /// Gives a file of the layer another name, in place of whatever is there. A file from below is copied up first.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] where nothing is at `old`, [`TreeError::NotAFile`] where a directory is.
    pub fn put_link(&mut self, old: &Path, new: &Path) -> Result<()> {
        if old == new {
            return Ok(());
        }
        let entry = self
            .entry(old)?
            .ok_or_else(|| TreeError::NotFound(old.to_owned()))?;
        if entry.is_dir() {
            return Err(TreeError::NotAFile(old.to_owned()));
        }
        if entry.layer != UPPER {
            self.copy_up(&entry)?;
        }
        let dir = self.make_room(new)?;
        let io = |e| TreeError::io("link", new)(e);
        let from = self.root.place(old).map_err(io)?;
        let name = new.file_name().unwrap_or_default();
        let link = || rustix::fs::linkat(&from, from.name, &dir, name, AtFlags::empty());
        match link() {
            Err(Errno::EXIST) => {
                rustix::fs::unlinkat(&dir, name, AtFlags::empty()).map_err(io)?;
                link()
            }
            other => other,
        }
        .map_err(io)?;
        match self.links.get(old) {
            Some(owner) => self.links.insert(new.to_owned(), owner),
            None => self.links.remove(new),
        }
        Ok(())
    }

    /// Copies a file, not a directory, from below into the layer.
    pub fn copy_up(&mut self, entry: &Entry) -> Result<()> {
        let Lower::Tree(tree) = self.lower else {
            return Err(TreeError::NotFound(entry.path.clone()));
        };
        let path: PathBuf = entry.path.clone();
        let metadata = Metadata::of(entry, tree.xattrs(entry)?);
        match entry.kind {
            FileKind::File => {
                let from = tree.open(entry)?;
                let to = self.create_file(&path)?;
                copy_data(&from, &to, entry.size).map_err(TreeError::io("copy", &path))?;
                self.close_file(&path, &to, &metadata)
            }
            FileKind::Symlink => {
                let target = entry.link_target.clone().unwrap_or_default();
                self.put_symlink(&path, &target, &metadata)
            }
            FileKind::Dir => self.put_dir(&path, &metadata),
            kind => self.put_node(&path, kind, entry.rdev, &metadata),
        }
    }
}
