//! Making one thing in a directory that is open, in the place of what has its name, and describing it.
//! Nothing here follows a link. Knows nothing of trees.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;

use lapstrake_store::remove_tree;
use lapstrake_store::tree::{Entry, FileKind, Xattrs, timestamps};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid, XattrFlags};
use rustix::io::Errno;

use super::Writer;
use crate::error::{Error, Result};
use crate::observer::Omission;

/// Makes a directory, unless there is one.
pub(super) fn directory(parent: BorrowedFd<'_>, name: &OsStr, host: &Path) -> Result<()> {
    let make = || rustix::fs::mkdirat(parent, name, Mode::RWXU);
    match make() {
        Err(Errno::EXIST) => {}
        other => return other.map_err(Error::io("create", host)),
    }
    let found =
        rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).map_err(Error::io("read", host))?;
    if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
        return Ok(());
    }
    rustix::fs::unlinkat(parent, name, AtFlags::empty()).map_err(Error::io("remove", host))?;
    make().map_err(Error::io("create", host))
}

/// Makes an empty file and opens it for writing.
pub(super) fn file(parent: BorrowedFd<'_>, name: &OsStr, host: &Path) -> Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    replace(parent, name, host, || {
        rustix::fs::openat(parent, name, flags, mode)
    })
    .map(File::from)
}

/// Makes a symbolic link.
pub(super) fn symlink(parent: BorrowedFd<'_>, name: &OsStr, target: &Path, host: &Path) -> Result<()> {
    replace(parent, name, host, || rustix::fs::symlinkat(target, parent, name))
}

/// Makes another name for a file.
pub(super) fn link(
    from: BorrowedFd<'_>,
    old: &OsStr,
    to: BorrowedFd<'_>,
    new: &OsStr,
    host: &Path,
) -> Result<()> {
    match rustix::fs::statat(from, old, AtFlags::SYMLINK_NOFOLLOW) {
        // A device that only root could have made.
        Err(Errno::NOENT) => return Ok(()),
        other => other.map_err(Error::io("read", host))?,
    };
    replace(to, new, host, || {
        rustix::fs::linkat(from, old, to, new, AtFlags::empty())
    })
}

/// Makes a device or a named pipe. `false`: this process may not.
pub(super) fn node(parent: BorrowedFd<'_>, name: &OsStr, entry: &Entry, host: &Path) -> Result<bool> {
    let kind = match entry.kind {
        FileKind::CharDevice => FileType::CharacterDevice,
        FileKind::BlockDevice => FileType::BlockDevice,
        _ => FileType::Fifo,
    };
    let make = || match rustix::fs::mknodat(parent, name, kind, Mode::RUSR | Mode::WUSR, entry.rdev) {
        Ok(()) => Ok(true),
        Err(Errno::PERM) => Ok(false),
        Err(error) => Err(error),
    };
    replace(parent, name, host, make)
}

/// Makes something; if the name is taken, what has it is removed.
fn replace<T>(
    parent: BorrowedFd<'_>,
    name: &OsStr,
    host: &Path,
    make: impl Fn() -> rustix::io::Result<T>,
) -> Result<T> {
    match make() {
        Err(Errno::EXIST) => {}
        other => return other.map_err(Error::io("create", host)),
    }
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(Errno::ISDIR | Errno::PERM) => {
            // Through the open parent, so that no link in the path counts.
            let path = Path::new("/proc/self/fd")
                .join(parent.as_raw_fd().to_string())
                .join(name);
            remove_tree(&path).map_err(Error::io("remove", host))?;
        }
        Err(error) => return Err(Error::io("remove", host)(error)),
    }
    make().map_err(Error::io("create", host))
}

/// Gives an open file or directory its owner, attributes, permissions and time.
pub(super) fn describe_file(
    file: &impl AsFd,
    entry: &Entry,
    xattrs: &Xattrs,
    host: &Path,
    writer: &Writer<'_>,
) -> Result<()> {
    if writer.gives_away() {
        let (user, group) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
        writer.given_away(rustix::fs::fchown(file, Some(user), Some(group)), host)?;
    }
    // After the owner, which takes capabilities and set-user-id away.
    for (name, value) in xattrs {
        match rustix::fs::fsetxattr(file, name.as_os_str(), value, XattrFlags::empty()) {
            Ok(()) => {}
            Err(Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP) => {
                let name = name.to_string_lossy().into_owned();
                writer
                    .observer
                    .omitted(Omission::Attribute(entry.path.clone(), name));
            }
            Err(error) => return Err(Error::io("change the attributes of", host)(error)),
        }
    }
    let mode = Mode::from_raw_mode(entry.mode);
    rustix::fs::fchmod(file, mode).map_err(Error::io("change the mode of", host))?;
    rustix::fs::futimens(file, &timestamps(entry.mtime)).map_err(Error::io("change the time of", host))
}

/// Gives what cannot be opened its owner, permissions and time.
pub(super) fn describe(
    parent: BorrowedFd<'_>,
    name: &OsStr,
    entry: &Entry,
    host: &Path,
    writer: &Writer<'_>,
) -> Result<()> {
    if writer.gives_away() {
        let (user, group) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        writer.given_away(
            rustix::fs::chownat(parent, name, Some(user), Some(group), flags),
            host,
        )?;
    }
    // A link has no permissions; the others were made here a moment ago.
    if entry.kind != FileKind::Symlink {
        let mode = Mode::from_raw_mode(entry.mode);
        rustix::fs::chmodat(parent, name, mode, AtFlags::empty())
            .map_err(Error::io("change the mode of", host))?;
    }
    rustix::fs::utimensat(parent, name, &timestamps(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(Error::io("change the time of", host))
}
