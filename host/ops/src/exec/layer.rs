//! After a command has ended: makes of an upper directory of overlayfs the layer of what really changed.
//!
//! Mount points that were made for mounts go, and so do files and directories that were touched but are as
//! they were below: overlayfs copies a file up when it is opened for writing or its owner is set, whatever
//! becomes of it. Knows nothing of mounts and processes; nobody else may use the directories meanwhile.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirEntryExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use super::error::ExecError;
use super::message::Stub;
use super::overlay::is_overlay_xattr;

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
        for stub in stubs.rev() {
            self.remove_stub(stub)
                .map_err(failed(&self.upper.join(&stub.path)))?;
        }
        self.prune(self.upper, Path::new(""), &Names::default())
            .map_err(failed(self.upper))?;
        remove_work(self.work).map_err(failed(self.work))
    }

    fn remove_stub(&self, stub: &Stub) -> io::Result<()> {
        // The command may have put a link in place of a directory above.
        let Some(parent) = real_directory(self.upper, stub.path.parent().unwrap_or(Path::new(""))) else {
            return Ok(());
        };
        let path = self.upper.join(&stub.path);
        let before = fs::symlink_metadata(&parent)?;
        let removed = match fs::symlink_metadata(&path) {
            Ok(meta) if stub.is_dir && meta.is_dir() => fs::remove_dir(&path),
            Ok(meta) if !stub.is_dir && meta.is_file() && meta.len() == 0 => fs::remove_file(&path),
            _ => return Ok(()),
        };
        match removed {
            Ok(()) => set_modified(&parent, &before),
            // Something has been put there: it stays.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes what is in `dir`, which is at `path` of the layer, and is as it was below.
    fn prune(&self, dir: &Path, path: &Path, names: &Names) -> io::Result<()> {
        let mut before: Option<Metadata> = None;
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let (full, path) = (entry.path(), path.join(entry.file_name()));
            let kind = entry.file_type()?;
            let unchanged = if kind.is_dir() {
                self.prune(&full, &path, names)?;
                self.is_unchanged_directory(&full, &path)?
            } else {
                kind.is_file() && self.is_unchanged_file(&full, &path, names)?
            };
            if unchanged {
                if before.is_none() {
                    before = Some(fs::symlink_metadata(dir)?);
                }
                if kind.is_dir() {
                    fs::remove_dir(&full)?
                } else {
                    fs::remove_file(&full)?
                }
            }
        }
        match before {
            Some(before) => set_modified(dir, &before),
            None => Ok(()),
        }
    }

    fn is_unchanged_directory(&self, dir: &Path, path: &Path) -> io::Result<bool> {
        if fs::read_dir(dir)?.next().is_some() || is_opaque(dir)? {
            return Ok(false);
        }
        let Some((_, below)) = self.below(path)? else {
            return Ok(false);
        };
        let (new, old) = (fs::symlink_metadata(dir)?, fs::symlink_metadata(&below)?);
        Ok(old.is_dir() && same_attributes(&new, &old) && xattrs(dir)? == xattrs(&below)?)
    }

    fn is_unchanged_file(&self, file: &Path, path: &Path, names: &Names) -> io::Result<bool> {
        let Some((layer, below)) = self.below(path)? else {
            return Ok(false);
        };
        let (new, old) = (fs::symlink_metadata(file)?, fs::symlink_metadata(&below)?);
        // What was not copied up is new. A file with several names is copied up without the mark.
        let copied_up = old.nlink() > 1
            || xattr::get(file, "trusted.overlay.origin")?.is_some()
            || xattr::get(file, "user.overlay.origin")?.is_some();
        Ok(copied_up
            && old.is_file()
            && new.nlink() == 1
            && new.len() == old.len()
            && same_attributes(&new, &old)
            && xattrs(file)? == xattrs(&below)?
            && same_contents(file, &below)?
            // A file with several names loses them when it is copied up.
            && names.of(layer, &old)? == 1)
    }

    /// What the layers below have at `path`, and which of them.
    fn below(&self, path: &Path) -> io::Result<Option<(&PathBuf, PathBuf)>> {
        for layer in self.lower.iter().rev() {
            let mut found = layer.clone();
            let mut hides = false;
            let mut here = true;
            for component in path.components() {
                found.push(component);
                match fs::symlink_metadata(&found) {
                    Ok(meta) if meta.file_type().is_char_device() && meta.rdev() == 0 => return Ok(None),
                    Ok(meta) if meta.is_dir() => hides |= is_opaque(&found)?,
                    Ok(_) => {}
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {
                        here = false;
                        break;
                    }
                    // Something else than a directory is on the way.
                    Err(e) if e.kind() == io::ErrorKind::NotADirectory => return Ok(None),
                    Err(error) => return Err(error),
                }
            }
            match (here, hides) {
                (true, _) => return Ok(Some((layer, found))),
                (false, true) => return Ok(None),
                (false, false) => {}
            }
        }
        Ok(None)
    }
}

/// How many names files have in their own layer: others may be in other layers, which share the file to save space.
#[derive(Default)]
struct Names(RefCell<HashMap<PathBuf, HashMap<u64, u64>>>);

impl Names {
    fn of(&self, layer: &Path, file: &Metadata) -> io::Result<u64> {
        if file.nlink() == 1 {
            return Ok(1);
        }
        let mut layers = self.0.borrow_mut();
        if !layers.contains_key(layer) {
            let mut counts = HashMap::new();
            count_names(layer, &mut counts)?;
            layers.insert(layer.to_owned(), counts);
        }
        let counted = layers.get(layer).and_then(|counts| counts.get(&file.ino()));
        Ok(counted.copied().unwrap_or(file.nlink()))
    }
}

/// Counts the names of all inodes that have several.
fn count_names(dir: &Path, counts: &mut HashMap<u64, u64>) -> io::Result<()> {
    let mut todo = vec![dir.to_owned()];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                todo.push(entry.path());
            } else if entry.metadata()?.nlink() > 1 {
                *counts.entry(entry.ino()).or_default() += 1;
            }
        }
    }
    Ok(())
}

/// `path` below `base`, if all of it is directories and nothing a link.
fn real_directory(base: &Path, path: &Path) -> Option<PathBuf> {
    path.components()
        .try_fold(base.to_owned(), |dir, component| match component {
            Component::Normal(name) => {
                let dir = dir.join(name);
                fs::symlink_metadata(&dir)
                    .is_ok_and(|m| m.is_dir())
                    .then_some(dir)
            }
            _ => None,
        })
}

fn same_attributes(a: &Metadata, b: &Metadata) -> bool {
    let of = |m: &Metadata| (m.mode(), m.uid(), m.gid(), m.mtime(), m.mtime_nsec());
    of(a) == of(b)
}

/// Extended attributes but for overlayfs' own, sorted.
fn xattrs(path: &Path) -> io::Result<Vec<(OsString, Option<Vec<u8>>)>> {
    let mut all = xattr::list(path)?
        .filter(|name| !is_overlay_xattr(&String::from_utf8_lossy(name.as_bytes())))
        .map(|name| Ok((name.clone(), xattr::get(path, &name)?)))
        .collect::<io::Result<Vec<_>>>()?;
    all.sort();
    Ok(all)
}

fn is_opaque(dir: &Path) -> io::Result<bool> {
    Ok(xattr::get(dir, "trusted.overlay.opaque")?.is_some()
        || xattr::get(dir, "user.overlay.opaque")?.is_some())
}

fn same_contents(a: &Path, b: &Path) -> io::Result<bool> {
    const PIECE: usize = 64 << 10;
    let (mut a, mut b) = (File::open(a)?, File::open(b)?);
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

fn set_modified(dir: &Path, as_in: &Metadata) -> io::Result<()> {
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: as_in.atime(),
            tv_nsec: as_in.atime_nsec() as _,
        },
        last_modification: Timespec {
            tv_sec: as_in.mtime(),
            tv_nsec: as_in.mtime_nsec() as _,
        },
    };
    Ok(utimensat(CWD, dir, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Removes a work directory of overlayfs. What is not there is removed already.
pub(crate) fn remove_work(work: &Path) -> io::Result<()> {
    // overlayfs makes directories in it that their owner may not enter.
    for entry in fs::read_dir(work).into_iter().flatten().flatten() {
        let _ = fs::set_permissions(entry.path(), Permissions::from_mode(0o700));
    }
    match fs::remove_dir_all(work) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> ExecError {
    let path = path.to_owned();
    move |source| ExecError::Finish { path, source }
}
