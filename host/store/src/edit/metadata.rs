//! What a file has beside its data, and how it is set: owner first, then the mode that a change of owner clears bits of,
//! then attributes such as capabilities, that it clears too, then times. What this process may not set is written beside (`tree::ownership`).
//! Knows nothing of layers.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use lapstrake_llb::Timestamp;
use rustix::fs::{AtFlags, Mode, XattrFlags};
use rustix::io::Errno;

use crate::tree::ownership::{MEANT, Meant};
use crate::tree::root::{Place, proc_path};
use crate::tree::{Entry, FileKind, Powers, Xattrs, timestamps};

/// What a file has beside its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Permission bits with set-user-id, set-group-id and sticky. Nothing for symbolic links.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time.
    pub mtime: Timestamp,
    /// Extended attributes.
    pub xattrs: Xattrs,
}

impl Metadata {
    /// That of a file.
    pub fn of(entry: &Entry, xattrs: Xattrs) -> Self {
        Self {
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime,
            xattrs,
        }
    }

    /// That of a directory that nobody described: 0755, root's, of 1970.
    pub fn default_dir() -> Self {
        let mtime = Timestamp {
            seconds: 0,
            nanoseconds: 0,
        };
        Self {
            mode: 0o755,
            uid: 0,
            gid: 0,
            mtime,
            xattrs: Xattrs::new(),
        }
    }

    /// Sets all of it on an open regular file that its writer just made.
    pub fn set_on(&self, file: &File, path: &Path, lost: &mut LostXattrs) -> Result<(), Errno> {
        let powers = Powers::current();
        let given = powers.give(self.owner(), |uid, gid| rustix::fs::fchown(file, uid, gid))?;
        let mode = powers.usable_mode(FileKind::File, self.mode);
        rustix::fs::fchmod(file, Mode::from_raw_mode(mode))?;
        let set = |name: &OsStr, value: &[u8]| rustix::fs::fsetxattr(file, name, value, XattrFlags::empty());
        if !given || mode != self.mode {
            lost.note(
                path,
                MEANT.as_ref(),
                set(MEANT.as_ref(), &self.meant(FileKind::File, 0)),
            );
        }
        self.set_xattrs(powers, path, lost, set);
        rustix::fs::futimens(file, &timestamps(self.mtime))
    }

    /// Sets all but the time on what is at a place; nothing is followed. Returns false where the owner cannot be kept
    /// with the file.
    pub(super) fn set_at(
        &self,
        place: &Place<'_, '_>,
        kind: FileKind,
        path: &Path,
        lost: &mut LostXattrs,
    ) -> Result<bool, Errno> {
        let powers = Powers::current();
        let given = powers.give(self.owner(), |uid, gid| {
            rustix::fs::chownat(place, place.name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
        })?;
        let mode = powers.usable_mode(kind, self.mode);
        if kind != FileKind::Symlink {
            rustix::fs::chmodat(place, place.name, Mode::from_raw_mode(mode), AtFlags::empty())?;
        }
        let records = kind == FileKind::Dir && !powers.is_full();
        if !records && self.xattrs.is_empty() {
            return Ok(given);
        }
        let whole = proc_path(place.as_fd(), place.name);
        let set =
            |name: &OsStr, value: &[u8]| rustix::fs::lsetxattr(&whole, name, value, XattrFlags::empty());
        if records && given && mode == self.mode {
            // It may have been another one's before.
            let _ = rustix::fs::lremovexattr(&whole, MEANT);
        } else if records {
            lost.note(path, MEANT.as_ref(), set(MEANT.as_ref(), &self.meant(kind, 0)));
        }
        self.set_xattrs(powers, path, lost, set);
        Ok(given || records)
    }

    /// Makes an empty file that was just made stand for something that this process cannot make.
    pub(super) fn stand_in(&self, file: &File, kind: FileKind, rdev: u64) -> Result<(), Errno> {
        rustix::fs::fsetxattr(file, MEANT, &self.meant(kind, rdev), XattrFlags::empty())?;
        rustix::fs::futimens(file, &timestamps(self.mtime))
    }

    fn meant(&self, kind: FileKind, rdev: u64) -> Vec<u8> {
        let meant = Meant {
            kind,
            mode: self.mode,
            owner: self.owner(),
            rdev,
        };
        meant.encode().into_bytes()
    }

    fn set_xattrs(
        &self,
        powers: Powers,
        path: &Path,
        lost: &mut LostXattrs,
        set: impl Fn(&OsStr, &[u8]) -> Result<(), Errno>,
    ) {
        for (name, value) in &self.xattrs {
            let result = match set(name, value) {
                Err(error) => match powers.stand_in(name, error) {
                    Some(other) => set(&other, value),
                    None => Err(error),
                },
                Ok(()) => Ok(()),
            };
            lost.note(path, name, result);
        }
    }

    fn owner(&self) -> (u32, u32) {
        (self.uid, self.gid)
    }
}

pub(super) fn set_times(place: &Place<'_, '_>, time: Timestamp) -> Result<(), Errno> {
    rustix::fs::utimensat(place, place.name, &timestamps(time), AtFlags::SYMLINK_NOFOLLOW)
}

/// Extended attributes that a file system would not take. Not fatal: whoever reads this says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LostXattrs {
    /// How many.
    pub count: u64,
    /// Some of them: path in the layer and name of the attribute.
    pub examples: Vec<(PathBuf, OsString)>,
}

impl LostXattrs {
    const EXAMPLES: usize = 3;

    /// Whether none was lost.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn note(&mut self, path: &Path, name: &OsStr, result: Result<(), Errno>) {
        if result.is_err() {
            self.count += 1;
            if self.examples.len() < Self::EXAMPLES {
                self.examples.push((path.to_owned(), name.to_owned()));
            }
        }
    }

    /// Adds those of another one.
    pub fn merge(&mut self, other: Self) {
        self.count += other.count;
        let room = Self::EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.into_iter().take(room));
    }
}
