//! After a command has ended: makes of an upper directory of overlayfs the layer of what really changed.
//!
//! Mount points that were made for mounts go, and so do files and directories that were touched but are as
//! they were below: overlayfs copies a file up when it is opened for writing or its owner is set, whatever
//! becomes of it. A command can nest directories deeper than a path or a stack goes, so nothing here recurses
//! or names them by whole paths. Knows nothing of mounts and processes; nobody else may use the directories
//! meanwhile.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use lapstrake_store::remove_tree;
use lapstrake_store::tree::{Entry, FileTree, LayeredView, Root, TreeError};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, openat, statat, unlinkat};
use rustix::io::Errno;

use super::error::ExecError;
use super::message::Stub;
use super::target::{file_type, restore_times};

/// A layer that a command has written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written<'a> {
    /// The layers below, the lowest first.
    pub(crate) lower: &'a [PathBuf],
    pub(crate) upper: &'a Path,
    pub(crate) work: &'a Path,
}

impl Written<'_> {
    /// Makes `upper` a whole layer and removes `work`.
    pub(crate) fn finish<'s>(
        &self,
        stubs: impl DoubleEndedIterator<Item = &'s Stub>,
    ) -> Result<(), ExecError> {
        // Children first.
        let upper = Root::new(self.upper);
        for stub in stubs.rev() {
            remove_stub(&upper, stub).map_err(failed(&self.upper.join(&stub.path)))?;
        }
        let mut pruning = Pruning {
            upper,
            below: LayeredView::new(self.lower.iter().cloned()),
            names: HashMap::new(),
            levels: Vec::new(),
        };
        pruning.run().map_err(failed(self.upper))?;
        remove_work(self.work).map_err(failed(self.work))
    }
}

fn remove_stub(upper: &Root, stub: &Stub) -> io::Result<()> {
    let (Some(parent), Some(name)) = (stub.path.parent(), stub.path.file_name()) else {
        return Ok(());
    };
    // The command may have put a link in place of a directory above, or have removed it.
    let Ok(parent) = upper.open_dir(parent) else {
        return Ok(());
    };
    let before = rustix::fs::fstat(&parent)?;
    let flags = match statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if stub.is_dir && file_type(&stat) == FileType::Directory => AtFlags::REMOVEDIR,
        Ok(stat) if !stub.is_dir && is_file(&stat) && stat.st_size == 0 => AtFlags::empty(),
        _ => return Ok(()),
    };
    match unlinkat(&parent, name, flags) {
        Ok(()) => Ok(restore_times(&parent, &before)?),
        // Something has been put there: it stays.
        Err(Errno::NOTEMPTY) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Removes what is as it was below.
struct Pruning {
    upper: Root,
    below: LayeredView,
    /// How many names files have in their own layer, by its number: others may be in other layers, which share the
    /// file to save space.
    names: HashMap<u32, HashMap<u64, u64>>,
    /// The directories on the way to where it is.
    levels: Vec<Level>,
}

struct Level {
    /// From the layer's root.
    path: PathBuf,
    /// Open while this is the last level.
    fd: Option<OwnedFd>,
    /// What has not been looked at.
    names: Vec<OsString>,
    /// How many entries there are.
    left: usize,
    /// As it was before something was removed from it.
    before: Option<Stat>,
}

impl Pruning {
    fn run(&mut self) -> io::Result<()> {
        self.enter(PathBuf::new())?;
        while let Some(level) = self.levels.last_mut() {
            let Some(name) = level.names.pop() else {
                self.leave()?;
                continue;
            };
            let path = level.path.join(&name);
            let fd = self.fd()?;
            let stat = statat(&fd, &name, AtFlags::SYMLINK_NOFOLLOW)?;
            if file_type(&stat) == FileType::Directory {
                self.enter(path)?;
            } else if is_file(&stat) && self.is_unchanged_file(&fd, &name, &path, &stat)? {
                self.remove(&fd, &name, AtFlags::empty())?;
            }
            self.keep(fd);
        }
        Ok(())
    }

    fn enter(&mut self, path: PathBuf) -> io::Result<()> {
        let fd = self.upper.open_dir(&path).map_err(plain)?;
        let names: Vec<_> = Dir::read_from(&fd)?
            .map(|entry| entry.map(|entry| OsStr::from_bytes(entry.file_name().to_bytes()).to_owned()))
            .filter(|name| !matches!(name, Ok(name) if name == "." || name == ".."))
            .collect::<Result<_, _>>()?;
        self.levels.push(Level {
            path,
            fd: Some(fd),
            left: names.len(),
            names,
            before: None,
        });
        Ok(())
    }

    /// The descriptor of the last level, to be given back with `keep`.
    fn fd(&mut self) -> io::Result<OwnedFd> {
        let Some(level) = self.levels.last_mut() else {
            return Err(Errno::INVAL.into());
        };
        match level.fd.take() {
            Some(fd) => Ok(fd),
            None => self.upper.open_dir(&level.path).map_err(plain),
        }
    }

    fn keep(&mut self, fd: OwnedFd) {
        // That of a level above is closed: there may be more of them than a process can have open.
        if let Some(level) = self.levels.last_mut()
            && level.fd.is_none()
        {
            level.fd = Some(fd);
        }
    }

    fn remove(&mut self, dir: &OwnedFd, name: &OsStr, flags: AtFlags) -> io::Result<()> {
        let Some(level) = self.levels.last_mut() else {
            return Err(Errno::INVAL.into());
        };
        if level.before.is_none() {
            level.before = Some(rustix::fs::fstat(dir)?);
        }
        unlinkat(dir, name, flags)?;
        level.left -= 1;
        Ok(())
    }

    /// Everything in the last level has been looked at.
    fn leave(&mut self) -> io::Result<()> {
        let fd = self.fd()?;
        let Some(level) = self.levels.pop() else {
            return Ok(());
        };
        if let Some(before) = &level.before {
            restore_times(&fd, before)?;
        }
        let Some(name) = level.path.file_name() else {
            return Ok(());
        };
        if level.left == 0 && self.is_unchanged_directory(&fd, &level.path)? {
            drop(fd);
            let parent = self.fd()?;
            self.remove(&parent, name, AtFlags::REMOVEDIR)?;
            self.keep(parent);
        }
        Ok(())
    }

    fn is_unchanged_directory(&self, dir: &OwnedFd, path: &Path) -> io::Result<bool> {
        if has_mark(dir, None, "opaque")? {
            return Ok(false);
        }
        let Some(below) = self.below.entry(path).map_err(plain)? else {
            return Ok(false);
        };
        let new = rustix::fs::fstat(dir)?;
        Ok(below.is_dir() && same_attributes(&new, &below) && self.same_xattrs(path, &below)?)
    }

    fn is_unchanged_file(
        &mut self,
        dir: &OwnedFd,
        name: &OsStr,
        path: &Path,
        new: &Stat,
    ) -> io::Result<bool> {
        let Some(below) = self.below.entry(path).map_err(plain)? else {
            return Ok(false);
        };
        // What was not copied up is new. A file with several names is copied up without the mark.
        if below.nlink == 1 && !has_mark(dir, Some(name), "origin")? {
            return Ok(false);
        }
        let alike = below.is_file()
            && new.st_nlink == 1
            && u64::try_from(new.st_size) == Ok(below.size)
            && same_attributes(new, &below)
            && self.same_xattrs(path, &below)?;
        if !alike {
            return Ok(false);
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let new = File::from(openat(dir, name, flags, Mode::empty())?);
        let old = self.below.open(&below).map_err(plain)?;
        let number = rustix::fs::fstat(&old)?.st_ino;
        // A file with several names loses them when it is copied up.
        Ok(same_contents(new, old)? && self.names(&below, number)? == 1)
    }

    /// How many names a file from below has in its own layer.
    fn names(&mut self, file: &Entry, number: u64) -> io::Result<u64> {
        if file.nlink == 1 {
            return Ok(1);
        }
        if !self.names.contains_key(&file.layer) {
            let counts = count_names(self.below.layer_root(file).map_err(plain)?)?;
            self.names.insert(file.layer, counts);
        }
        let counted = self.names.get(&file.layer).and_then(|counts| counts.get(&number));
        Ok(counted.copied().unwrap_or(file.nlink))
    }

    fn same_xattrs(&self, path: &Path, below: &Entry) -> io::Result<bool> {
        Ok(self.upper.xattrs(path).map_err(plain)? == self.below.xattrs(below).map_err(plain)?)
    }
}

/// Counts the names of all inodes that have several.
fn count_names(layer: &Root) -> io::Result<HashMap<u64, u64>> {
    let mut counts = HashMap::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(path) = todo.pop() {
        let dir = layer.open_dir(&path).map_err(plain)?;
        for entry in Dir::read_from(&dir)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let stat = statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if file_type(&stat) == FileType::Directory {
                todo.push(path.join(OsStr::from_bytes(name.to_bytes())));
            } else if stat.st_nlink > 1 {
                *counts.entry(stat.st_ino).or_default() += 1;
            }
        }
    }
    Ok(counts)
}

fn is_file(stat: &Stat) -> bool {
    file_type(stat) == FileType::RegularFile
}

fn same_attributes(new: &Stat, below: &Entry) -> bool {
    new.st_mode & 0o7777 == below.mode
        && (new.st_uid, new.st_gid) == (below.uid, below.gid)
        && (new.st_mtime, new.st_mtime_nsec as u32) == (below.mtime.seconds, below.mtime.nanoseconds)
}

/// Whether a directory, or something in it, has one of overlayfs' marks.
fn has_mark(dir: &OwnedFd, name: Option<&OsStr>, mark: &str) -> io::Result<bool> {
    let mut path = PathBuf::from(format!("/proc/self/fd/{}", dir.as_fd().as_raw_fd()));
    // Without a name the descriptor's link has to be followed, with one it is on the way.
    path.push(name.unwrap_or(OsStr::new(".")));
    for namespace in ["trusted", "user"] {
        if xattr::get(&path, format!("{namespace}.overlay.{mark}"))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn same_contents(mut a: File, mut b: File) -> io::Result<bool> {
    const PIECE: usize = 64 << 10;
    let (mut left, mut right) = (Vec::with_capacity(PIECE), Vec::with_capacity(PIECE));
    loop {
        left.clear();
        right.clear();
        (&mut a).take(PIECE as u64).read_to_end(&mut left)?;
        (&mut b).take(PIECE as u64).read_to_end(&mut right)?;
        if left != right {
            return Ok(false);
        }
        if left.is_empty() {
            return Ok(true);
        }
    }
}

/// The system's reason of an error that names a path of its own.
fn plain(error: TreeError) -> io::Error {
    match error {
        TreeError::Io { source, .. } => source,
        other => io::Error::other(other),
    }
}

/// Removes a work directory of overlayfs. What is not there is removed already.
pub(crate) fn remove_work(work: &Path) -> io::Result<()> {
    // overlayfs makes directories in it that their owner may not enter.
    for entry in fs::read_dir(work).into_iter().flatten().flatten() {
        let _ = fs::set_permissions(entry.path(), Permissions::from_mode(0o700));
    }
    remove_tree(work)
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> ExecError {
    let path = path.to_owned();
    move |source| ExecError::Finish { path, source }
}
