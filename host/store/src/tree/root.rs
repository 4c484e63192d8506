//! A directory of the host as the root of something: every access is relative to its descriptor and follows no link,
//! so that nothing outside of it can be reached. Paths longer than the kernel takes in one go are walked in parts.
//! Knows nothing of overlayfs.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::ownership::{self, LinkOwners, MEANT, Powers};
use super::{Entry, Result, TreeError, Xattrs, is_portable_xattr};

/// The kernel takes paths shorter than PATH_MAX, 4096 with the NUL.
const PART: usize = 4000;

/// Opens directories to walk on from.
const WALK: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// A directory that nothing is looked for outside of. Opened when it is first used.
#[derive(Debug)]
pub struct Root {
    path: PathBuf,
    fd: OnceLock<OwnedFd>,
    /// Of a layer that was written without privilege.
    links: OnceLock<LinkOwners>,
}

/// The directory that an entry is in, and the entry's name.
pub(crate) struct Place<'a, 'p> {
    dir: Handle<'a>,
    pub(crate) name: &'p OsStr,
}

enum Handle<'a> {
    Borrowed(BorrowedFd<'a>),
    Owned(OwnedFd),
}

impl AsFd for Place<'_, '_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

impl AsFd for Handle<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Handle::Borrowed(fd) => *fd,
            Handle::Owned(fd) => fd.as_fd(),
        }
    }
}

impl Root {
    /// Makes a root of a directory of the host. Nothing is opened yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            fd: OnceLock::new(),
            links: OnceLock::new(),
        }
    }

    /// The directory on the host.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path on the host of what is below the root.
    pub fn host_path(&self, path: &Path) -> PathBuf {
        if path.as_os_str().is_empty() {
            self.path.clone()
        } else {
            self.path.join(path)
        }
    }

    /// The descriptor of the root.
    pub fn fd(&self) -> Result<BorrowedFd<'_>> {
        self.descriptor().map_err(TreeError::io("open", &self.path))
    }

    fn descriptor(&self) -> Result<BorrowedFd<'_>, Errno> {
        if let Some(fd) = self.fd.get() {
            return Ok(fd.as_fd());
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(&self.path, flags, Mode::empty())?;
        Ok(self.fd.get_or_init(|| fd).as_fd())
    }

    /// Describes what is at a path without following it; none: nothing is there, or a parent is no directory.
    pub fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        let found = self
            .place(path)
            .and_then(|place| stat_at(place.as_fd(), place.name));
        missing_is_none(found).map_err(TreeError::io("look at", &self.host_path(path)))
    }

    /// Describes an inode of a layer as the file that it is meant to be. A symbolic link's target has to be given.
    pub(crate) fn describe(
        &self,
        path: PathBuf,
        stat: &Stat,
        layer: u32,
        link_target: Option<PathBuf>,
    ) -> Entry {
        let mut entry = Entry::new(path, stat, layer, link_target);
        let powers = Powers::current();
        if !powers.is_full() {
            let path = entry.path.clone();
            let read = |buffer: &mut [u8]| self.attribute(&path, MEANT, buffer);
            let links = |entry: &mut Entry| {
                let links = self.links.get_or_init(|| LinkOwners::read(&self.path));
                links.apply(entry);
            };
            ownership::restore(&mut entry, powers, read, links);
        }
        entry
    }

    fn attribute(&self, path: &Path, name: &str, buffer: &mut [u8]) -> Result<usize, Errno> {
        let whole = self.host_path(path);
        if whole.as_os_str().len() < PART {
            return rustix::fs::lgetxattr(&whole, name, buffer);
        }
        let place = self.place(path)?;
        rustix::fs::lgetxattr(proc_path(place.as_fd(), place.name), name, buffer)
    }

    /// Opens a directory for reading.
    pub fn open_dir(&self, path: &Path) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.open_at(path, flags)
            .map_err(TreeError::io("open", &self.host_path(path)))
    }

    /// Opens a regular file for reading. Anything else, such as a named pipe, is an error and never waited for.
    pub fn open_file(&self, path: &Path) -> Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = self
            .open_at(path, flags)
            .map_err(TreeError::io("open", &self.host_path(path)))?;
        Ok(File::from(fd))
    }

    /// Reads a symbolic link.
    pub fn read_link(&self, path: &Path) -> Result<PathBuf> {
        let target = self
            .place(path)
            .and_then(|place| read_link_at(place.as_fd(), place.name));
        target.map_err(TreeError::io("read the link", &self.host_path(path)))
    }

    /// Calls something that takes no descriptor with a path that leads to what is at `path`. One that does not exist has
    /// the path that it would have.
    pub(crate) fn at<T>(&self, path: &Path, act: impl FnOnce(&Path) -> T) -> T {
        let whole = self.host_path(path);
        if whole.as_os_str().len() < PART {
            return act(&whole);
        }
        match self.place(path) {
            Ok(place) => act(&proc_path(place.as_fd(), place.name)),
            Err(_) => act(&whole),
        }
    }

    /// Reads the extended attributes that belong to the tree.
    pub fn xattrs(&self, path: &Path) -> Result<Xattrs> {
        self.at(path, read_xattrs).map_err(TreeError::io(
            "read the extended attributes of",
            &self.host_path(path),
        ))
    }

    /// Opens the directory that a path's last component is in.
    pub(crate) fn place<'p>(&self, path: &'p Path) -> Result<Place<'_, 'p>, Errno> {
        let root = self.descriptor()?;
        let (parent, name) = match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => (parent, name),
            _ => (Path::new(""), OsStr::new(".")),
        };
        let dir = if parent.as_os_str().is_empty() {
            Handle::Borrowed(root)
        } else {
            Handle::Owned(self.open_at(parent, WALK)?)
        };
        Ok(Place { dir, name })
    }

    fn open_at(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let mut dir = Handle::Borrowed(self.descriptor()?);
        let mut rest = path.as_os_str().as_bytes();
        while rest.len() > PART {
            let cut = rest[..PART]
                .iter()
                .rposition(|b| *b == b'/')
                .ok_or(Errno::NAMETOOLONG)?;
            dir = Handle::Owned(open_beneath(dir.as_fd(), OsStr::from_bytes(&rest[..cut]), WALK)?);
            rest = &rest[cut + 1..];
        }
        let rest = if rest.is_empty() { b"." } else { rest };
        open_beneath(dir.as_fd(), OsStr::from_bytes(rest), flags)
    }
}

/// Opens a path below a directory. No component may be a link.
fn open_beneath(dir: BorrowedFd<'_>, path: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    static WITHOUT_OPENAT2: AtomicBool = AtomicBool::new(false);
    if !WITHOUT_OPENAT2.load(Ordering::Relaxed) {
        let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(dir, path, flags, Mode::empty(), how) {
            // Older kernels have no such call, and some seccomp profiles forbid it.
            Err(Errno::NOSYS | Errno::PERM) => WITHOUT_OPENAT2.store(true, Ordering::Relaxed),
            Err(Errno::AGAIN) => {}
            other => return other,
        }
    }
    open_by_components(dir, path, flags)
}

fn open_by_components(dir: BorrowedFd<'_>, path: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut parts = path
        .as_bytes()
        .split(|b| *b == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .peekable();
    let mut current = Handle::Borrowed(dir);
    while let Some(part) = parts.next() {
        if part == b".." {
            return Err(Errno::XDEV);
        }
        let last = parts.peek().is_none();
        let how = if last { flags | OFlags::NOFOLLOW } else { WALK };
        let next = rustix::fs::openat(current.as_fd(), OsStr::from_bytes(part), how, Mode::empty())?;
        if last {
            return Ok(next);
        }
        current = Handle::Owned(next);
    }
    rustix::fs::openat(dir, ".", flags, Mode::empty())
}

/// Describes an entry of a directory without following it.
pub(crate) fn stat_at(dir: BorrowedFd<'_>, name: &OsStr) -> Result<Stat, Errno> {
    rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
}

/// Reads a symbolic link in a directory.
pub(crate) fn read_link_at(dir: BorrowedFd<'_>, name: &OsStr) -> Result<PathBuf, Errno> {
    let target = rustix::fs::readlinkat(dir, name, Vec::with_capacity(128))?;
    Ok(OsString::from_vec(target.into_bytes()).into())
}

/// None for what is not there, or has no directory above it.
pub(crate) fn missing_is_none<T>(result: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A path that leads to an entry of an open directory, for calls that take no descriptor.
pub(crate) fn proc_path(dir: BorrowedFd<'_>, name: &OsStr) -> PathBuf {
    let mut path = PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd()));
    path.push(name);
    path
}

/// Names of the entries of a directory, `.` and `..` left out, in no order.
pub(crate) fn names(dir: OwnedFd) -> Result<(rustix::fs::Dir, Vec<OsString>), Errno> {
    let mut dir = rustix::fs::Dir::new(dir)?;
    let mut names = Vec::new();
    while let Some(entry) = dir.read() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    Ok((dir, names))
}

/// Reads the extended attributes that belong to the tree; the last component is not followed.
pub(crate) fn read_xattrs(path: &Path) -> Result<Xattrs, Errno> {
    let mut small = [0u8; 512];
    let list = match rustix::fs::llistxattr(path, &mut small) {
        Ok(0) => return Ok(Vec::new()),
        Ok(length) => small[..length].to_vec(),
        // The file system has none.
        Err(Errno::NOTSUP) => return Ok(Vec::new()),
        Err(Errno::RANGE) => whole(|buffer| rustix::fs::llistxattr(path, buffer))?,
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for name in list
        .split(|b| *b == 0)
        .filter(|name| !name.is_empty())
        .map(OsStr::from_bytes)
    {
        let Some(shown) = shown_name(name) else { continue };
        match whole(|buffer| rustix::fs::lgetxattr(path, name, buffer)) {
            Ok(value) => found.push((shown.to_owned(), value)),
            Err(Errno::NODATA | Errno::NOTSUP) => {}
            Err(error) => return Err(error),
        }
    }
    found.sort();
    Ok(found)
}

/// The name of an attribute in the tree; none: it does not belong to the tree.
fn shown_name(name: &OsStr) -> Option<&OsStr> {
    match is_portable_xattr(name) {
        true => Some(name),
        false => ownership::stood_in_for(name),
    }
}

/// Describes a file in an open directory of a layer as what it is meant to be. A symbolic link is described as it is.
pub fn describe_at(dir: impl AsFd, name: &OsStr) -> io::Result<Entry> {
    let stat = stat_at(dir.as_fd(), name)?;
    let mut entry = Entry::new(name.into(), &stat, 0, None);
    let powers = Powers::current();
    if !powers.is_full() {
        let path = proc_path(dir.as_fd(), name);
        let read = |buffer: &mut [u8]| rustix::fs::lgetxattr(&path, MEANT, buffer);
        ownership::restore(&mut entry, powers, read, |_| {});
    }
    Ok(entry)
}

/// Whether an open file has extended attributes that belong to the tree. Cheaper than reading them.
pub fn has_xattrs(file: impl AsFd) -> io::Result<bool> {
    let mut small = [0u8; 512];
    let list = match rustix::fs::flistxattr(&file, &mut small) {
        Ok(0) | Err(Errno::NOTSUP) => return Ok(false),
        Ok(length) => small[..length].to_vec(),
        Err(Errno::RANGE) => whole(|buffer| rustix::fs::flistxattr(&file, buffer))?,
        Err(error) => return Err(error.into()),
    };
    let mut names = list.split(|b| *b == 0).filter(|name| !name.is_empty());
    Ok(names.any(|name| shown_name(OsStr::from_bytes(name)).is_some()))
}

/// Reads something into a buffer that grows until all of it fits. Linux's limit is 64 KiB.
fn whole(read: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0u8; 512];
    loop {
        match read(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            Err(Errno::RANGE) if buffer.len() < 1 << 20 => buffer.resize(buffer.len() * 8, 0),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn never_leaves_and_follows_nothing() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "s").unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("d")).unwrap();
        std::fs::write(dir.path().join("d/f"), "f").unwrap();
        symlink(outside.path(), dir.path().join("out")).unwrap();
        symlink("d", dir.path().join("in")).unwrap();
        symlink("f", dir.path().join("d/l")).unwrap();
        let root = Root::new(dir.path());
        assert!(root.stat(Path::new("d/f")).unwrap().is_some());
        assert!(root.stat(Path::new("")).unwrap().is_some());
        for path in ["out/secret", "in/f", "d/f/x", "missing", "missing/x"] {
            assert!(root.stat(Path::new(path)).unwrap().is_none(), "{path}");
            assert!(root.open_file(Path::new(path)).is_err(), "{path}");
            assert!(root.open_dir(Path::new(path)).is_err(), "{path}");
        }
        assert!(root.open_file(Path::new("../etc/passwd")).is_err());
        assert!(
            root.open_file(Path::new("d/l")).is_err(),
            "the last component is not followed"
        );
        assert_eq!(root.read_link(Path::new("d/l")).unwrap(), Path::new("f"));
        let fd = root.fd().unwrap();
        assert!(open_by_components(fd, OsStr::new("d/f"), OFlags::RDONLY).is_ok());
        for path in ["out/secret", "in/f", "d/l", "../x", "d/../d/f"] {
            assert!(
                open_by_components(fd, OsStr::new(path), OFlags::RDONLY).is_err(),
                "{path}"
            );
        }
    }

    #[test]
    fn paths_longer_than_the_kernel_takes() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path());
        let name = "n".repeat(200);
        let mut path = PathBuf::new();
        for _ in 0..30 {
            let place_path = path.join(&name);
            let place = root.place(&place_path).unwrap();
            rustix::fs::mkdirat(place.as_fd(), place.name, Mode::from_raw_mode(0o755)).unwrap();
            path.push(&name);
        }
        assert!(path.as_os_str().len() > 5000);
        assert!(root.stat(&path).unwrap().is_some());
        assert!(root.open_dir(&path).is_ok());
        assert!(root.xattrs(&path).unwrap().is_empty());
        crate::remove::remove_tree(&dir.path().join(&name)).unwrap();
    }

    #[test]
    fn large_and_many_attributes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, "").unwrap();
        let set = |name: &str, value: &[u8]| {
            rustix::fs::lsetxattr(&path, name, value, rustix::fs::XattrFlags::empty())
        };
        if set("user.a", &[7; 3000]).is_err() {
            println!("skipped: no extended attributes here");
            return;
        }
        for i in 0..20 {
            if set(&format!("user.name-{i:02}-{}", "x".repeat(20)), b"v").is_err() {
                break;
            }
        }
        let found = Root::new(dir.path()).xattrs(Path::new("f")).unwrap();
        assert!(has_xattrs(File::open(&path).unwrap()).unwrap());
        assert!(!has_xattrs(File::open(dir.path()).unwrap()).unwrap());
        assert_eq!(found[0], ("user.a".into(), vec![7; 3000]));
        assert!(found.is_sorted());
    }
}
