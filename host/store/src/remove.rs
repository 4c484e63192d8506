//! Removal of directory trees that a container may have made: no links are followed, closed permissions are opened,
//! any depth is coped with, and what is mounted inside is left alone.
//! Knows nothing of what the trees were.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// Directories deeper than this are moved up to the top before they are emptied, so that neither the stack nor the
/// file descriptors run out.
const MAX_DEPTH: usize = 64;

/// Removes what is at `path`, of whatever kind. Nothing there is no error.
///
/// No link is followed except in the path of the parent. Permissions that are in the way are changed.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    remove_while(path, &|| true)
}

/// Removes what is at `path`. `keep_going` is asked before every directory; after `false` the rest is left and
/// `Interrupted` returned.
pub(crate) fn remove_while(path: &Path, keep_going: &dyn Fn() -> bool) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    };
    let parent = match open_dir(rustix::fs::CWD, &c_name(parent.as_os_str())?) {
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    Removal { keep_going, moved: 0 }.entry(parent.as_fd(), &c_name(name)?)
}

struct Removal<'a> {
    keep_going: &'a dyn Fn() -> bool,
    /// Number of directories that were moved up.
    moved: u64,
}

impl Removal<'_> {
    /// Removes an entry of a directory that can be written.
    fn entry(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            // Linux says EISDIR; EPERM is what POSIX has.
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
        self.directory(parent, name)
    }

    fn directory(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        let top = match open_writable(parent, name) {
            Err(Errno::NOENT) => return Ok(()),
            other => other?,
        };
        self.empty(top.as_fd(), top.as_fd(), 0)?;
        remove_empty(parent, name)
    }

    /// Empties a directory; what is too deep goes to `top`.
    fn empty(&mut self, dir: BorrowedFd<'_>, top: BorrowedFd<'_>, depth: usize) -> io::Result<()> {
        if !(self.keep_going)() {
            return Err(io::Error::from(io::ErrorKind::Interrupted));
        }
        // What is moved up to the top is found by another look at it.
        loop {
            let moved = self.moved;
            for entry in Dir::read_from(dir)? {
                let entry = entry?;
                let name = entry.file_name();
                if name == c"." || name == c".." {
                    continue;
                }
                let known_file = !matches!(entry.file_type(), FileType::Directory | FileType::Unknown);
                match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
                    Ok(()) | Err(Errno::NOENT) => continue,
                    Err(error) if known_file => return Err(error.into()),
                    Err(Errno::ISDIR | Errno::PERM) => {}
                    Err(error) => return Err(error.into()),
                }
                let child = match open_writable(dir, name) {
                    Err(Errno::NOENT) => continue,
                    other => other?,
                };
                if depth == MAX_DEPTH {
                    self.move_up(dir, name, top)?;
                    continue;
                }
                self.empty(child.as_fd(), top, depth + 1)?;
                drop(child);
                remove_empty(dir, name)?;
            }
            if depth > 0 || self.moved == moved {
                return Ok(());
            }
        }
    }

    fn move_up(&mut self, dir: BorrowedFd<'_>, name: &CStr, top: BorrowedFd<'_>) -> io::Result<()> {
        loop {
            self.moved += 1;
            let target = format!(".deep-{}", self.moved);
            let flags = rustix::fs::RenameFlags::NOREPLACE;
            match rustix::fs::renameat_with(dir, name, top, target.as_str(), flags) {
                Err(Errno::EXIST) => {}
                other => return Ok(other?),
            }
        }
    }
}

fn remove_empty(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn open_dir(parent: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

/// Opens a directory, never through a link, whose entries can be read and removed; its permissions are changed for that
/// where needed.
///
/// # Errors
/// `EBUSY` if another file system is mounted on it: what is there belongs to somebody else.
fn open_writable(parent: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<OwnedFd> {
    let opened = open_here(parent, name, OFlags::RDONLY);
    let closed = match &opened {
        Ok(dir) => {
            let mode = rustix::fs::fstat(dir)?.st_mode;
            mode & 0o700 != 0o700 && !rustix::process::geteuid().is_root()
        }
        Err(Errno::ACCESS) => true,
        Err(_) => false,
    };
    if !closed {
        return opened;
    }
    // fchmod does not take an O_PATH descriptor, the name in /proc does; the descriptor is known not to be a link.
    let handle = open_here(parent, name, OFlags::PATH)?;
    rustix::fs::chmod(format!("/proc/self/fd/{}", handle.as_raw_fd()), Mode::RWXU)?;
    open_here(parent, name, OFlags::RDONLY)
}

/// Opens a directory that is neither a link nor the root of another mount.
fn open_here(parent: BorrowedFd<'_>, name: &CStr, access: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = access | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat2(parent, name, flags, Mode::empty(), ResolveFlags::NO_XDEV) {
        Err(Errno::XDEV) => Err(Errno::BUSY),
        // Before Linux 5.6, and in sandboxes that do not know the call. Bind mounts are not seen then.
        Err(Errno::NOSYS | Errno::PERM) => {
            let dir = rustix::fs::openat(parent, name, flags, Mode::empty())?;
            let same = rustix::fs::fstat(&dir)?.st_dev == rustix::fs::fstat(parent)?.st_dev;
            if same { Ok(dir) } else { Err(Errno::BUSY) }
        }
        other => other,
    }
}

fn c_name(name: &OsStr) -> io::Result<CString> {
    let name = if name.is_empty() { OsStr::new(".") } else { name };
    CString::new(name.as_bytes()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn removes_a_tree_and_not_what_its_links_lead_to() {
        let home = tempfile::tempdir().unwrap();
        let outside = home.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("keep"), "x").unwrap();
        let tree = home.path().join("tree");
        fs::create_dir_all(tree.join("a/b")).unwrap();
        fs::write(tree.join("a/b/file"), "x").unwrap();
        symlink(&outside, tree.join("a/link")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            tree.join("a/fifo"),
            FileType::Fifo,
            Mode::RUSR,
            0,
        )
        .unwrap();
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
        assert!(outside.join("keep").exists());
    }

    #[test]
    fn removes_a_link_itself_and_nothing_is_no_error() {
        let home = tempfile::tempdir().unwrap();
        let target = home.path().join("target");
        fs::create_dir(&target).unwrap();
        let link = home.path().join("link");
        symlink(&target, &link).unwrap();
        remove_tree(&link).unwrap();
        assert!(link.symlink_metadata().is_err());
        assert!(target.exists());
        remove_tree(&link).unwrap();
        remove_tree(&home.path().join("no/such")).unwrap();
    }

    #[test]
    fn removes_what_is_deeper_than_a_path_may_be_long() {
        let home = tempfile::tempdir().unwrap();
        let tree = home.path().join("tree");
        fs::create_dir(&tree).unwrap();
        let name = c"a-directory-with-a-name-of-some-length";
        let mut dir = open_dir(rustix::fs::CWD, &c_name(tree.as_os_str()).unwrap()).unwrap();
        for _ in 0..400 {
            rustix::fs::mkdirat(&dir, name, Mode::RWXU).unwrap();
            dir = open_dir(dir.as_fd(), name).unwrap();
        }
        drop(dir);
        fs::write(tree.join(".deep-1"), "in the way").unwrap();
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
    }

    #[test]
    fn opens_closed_directories() {
        let home = tempfile::tempdir().unwrap();
        let tree = home.path().join("tree");
        fs::create_dir_all(tree.join("closed/inner")).unwrap();
        fs::write(tree.join("closed/inner/file"), "x").unwrap();
        fs::set_permissions(tree.join("closed/inner"), fs::Permissions::from_mode(0o500)).unwrap();
        fs::set_permissions(tree.join("closed"), fs::Permissions::from_mode(0o000)).unwrap();
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
    }

    #[test]
    #[allow(clippy::print_stdout, reason = "says why it was skipped")]
    fn leaves_what_is_mounted_inside() {
        use rustix::mount::{UnmountFlags, mount_bind, unmount};
        let home = tempfile::tempdir().unwrap();
        let (tree, outside) = (home.path().join("tree"), home.path().join("outside"));
        fs::create_dir_all(tree.join("a/mounted")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("precious"), "x").unwrap();
        if let Err(error) = mount_bind(&outside, tree.join("a/mounted")) {
            println!("skipped: cannot mount: {error}");
            return;
        }
        let result = remove_tree(&tree);
        unmount(tree.join("a/mounted"), UnmountFlags::DETACH).unwrap();
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        assert!(outside.join("precious").exists());
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
    }

    #[test]
    fn stops_when_told() {
        let home = tempfile::tempdir().unwrap();
        let tree = home.path().join("tree");
        fs::create_dir(&tree).unwrap();
        let error = remove_while(&tree, &|| false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
        assert!(tree.exists());
    }
}
