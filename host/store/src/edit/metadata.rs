//! What a file has beside its data, and how it is set: owner first, then the mode that a change of owner clears bits of,
//! then attributes such as capabilities, that it clears too, then times.
//! Knows nothing of layers.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use lapstrake_llb::Timestamp;
use rustix::fs::{AtFlags, Gid, Mode, Uid, XattrFlags};
use rustix::io::Errno;

use crate::tree::root::{Place, proc_path};
use crate::tree::{Entry, FileKind, Xattrs, timestamps};

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
        let (uid, gid) = self.owner();
        rustix::fs::fchown(file, Some(uid), Some(gid))?;
        rustix::fs::fchmod(file, Mode::from_raw_mode(self.mode))?;
        for (name, value) in &self.xattrs {
            lost.note(
                path,
                name,
                rustix::fs::fsetxattr(file, name, value, XattrFlags::empty()),
            );
        }
        rustix::fs::futimens(file, &timestamps(self.mtime))
    }

    /// Sets all but the time on what is at a place; nothing is followed.
    pub(super) fn set_at(
        &self,
        place: &Place<'_, '_>,
        kind: FileKind,
        path: &Path,
        lost: &mut LostXattrs,
    ) -> Result<(), Errno> {
        let (uid, gid) = self.owner();
        rustix::fs::chownat(place, place.name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        if kind != FileKind::Symlink {
            rustix::fs::chmodat(
                place,
                place.name,
                Mode::from_raw_mode(self.mode),
                AtFlags::empty(),
            )?;
        }
        if !self.xattrs.is_empty() {
            let whole = proc_path(place.as_fd(), place.name);
            for (name, value) in &self.xattrs {
                lost.note(
                    path,
                    name,
                    rustix::fs::lsetxattr(&whole, name, value, XattrFlags::empty()),
                );
            }
        }
        Ok(())
    }

    fn owner(&self) -> (Uid, Gid) {
        (Uid::from_raw(self.uid), Gid::from_raw(self.gid))
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

    pub(crate) fn note(&mut self, path: &Path, name: &OsString, result: Result<(), Errno>) {
        if result.is_err() {
            self.count += 1;
            if self.examples.len() < Self::EXAMPLES {
                self.examples.push((path.to_owned(), name.clone()));
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
