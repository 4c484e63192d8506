//! Finds, and makes where they are missing, the places in a container's root where something is mounted:
//! component by component on descriptors, so that no symbolic link of an image leads out of the root. Notes
//! what was made, for it to be taken away. Knows nothing of what is mounted there.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps, Uid, chownat, fstat,
    fstatfs, mkdirat, openat, openat2, readlinkat, utimensat,
};
use rustix::io::Errno;

use super::message::{LayerRef, Stub};

/// As the kernel's limit for one path.
const MOST_LINKS: u32 = 40;

/// What is made where nothing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Make {
    /// A mount point for a directory.
    DirectoryStub,
    /// A mount point for anything else.
    FileStub,
    /// A directory that stays, and belongs to this user and group.
    Directory { uid: u32, gid: u32 },
}

/// The root of a container that is being put together.
#[derive(Debug)]
pub(crate) struct Root {
    fd: OwnedFd,
    /// Device numbers of the file systems whose changes become layers.
    layers: Vec<(u64, LayerRef)>,
    stubs: Vec<Stub>,
}

/// A directory on the way to a target.
struct Level {
    fd: OwnedFd,
    stat: Stat,
    /// Path from the root of the mount that it is in.
    path: PathBuf,
}

impl Root {
    /// Takes the directory `fd` as the root, whose changes become the layer of the root.
    pub(crate) fn new(fd: OwnedFd) -> Result<Root, Errno> {
        let device = fstat(&fd)?.st_dev;
        Ok(Root {
            fd,
            layers: vec![(device, LayerRef::Root)],
            stubs: Vec::new(),
        })
    }

    /// Says that the file system of `fd` becomes a layer.
    pub(crate) fn add_layer(&mut self, fd: impl AsFd, layer: LayerRef) -> Result<(), Errno> {
        self.layers.push((fstat(fd)?.st_dev, layer));
        Ok(())
    }

    pub(crate) fn as_fd(&self) -> impl AsFd + '_ {
        self.fd.as_fd()
    }

    /// The mount points that were made in layers, parents first.
    pub(crate) fn into_stubs(self) -> Vec<Stub> {
        self.stubs
    }

    /// Opens what exists at `path`, following links inside the root.
    pub(crate) fn open(&self, path: &str) -> Result<OwnedFd, Errno> {
        open_in(&self.fd, path, OFlags::PATH)
    }

    /// Opens `path`, made where it is missing.
    pub(crate) fn open_or_make(&mut self, path: &str, make: Make) -> Result<OwnedFd, Errno> {
        let found = match self.open(path) {
            Err(Errno::NOENT) => self.walk(Path::new(path), make)?,
            other => other?,
        };
        let is_dir = file_type(&fstat(&found)?) == FileType::Directory;
        match (make, is_dir) {
            (Make::FileStub, true) => Err(Errno::ISDIR),
            (Make::DirectoryStub | Make::Directory { .. }, false) => Err(Errno::NOTDIR),
            _ => Ok(found),
        }
    }

    fn top(&self) -> Result<Level, Errno> {
        let fd = self
            .fd
            .try_clone()
            .map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?;
        let stat = fstat(&fd)?;
        Ok(Level {
            fd,
            stat,
            path: PathBuf::new(),
        })
    }

    fn walk(&mut self, path: &Path, make: Make) -> Result<OwnedFd, Errno> {
        let mut levels = vec![self.top()?];
        let mut rest: VecDeque<OsString> = normal_components(path).collect();
        let mut links = 0;
        while let Some(name) = rest.pop_front() {
            if name == ".." {
                if levels.len() > 1 {
                    levels.pop();
                }
                continue;
            }
            let Some(level) = levels.last() else {
                return Err(Errno::INVAL);
            };
            let fd = match open_component(&level.fd, &name) {
                Err(Errno::NOENT) => self.make(&levels, &name, make, rest.is_empty())?,
                other => other?,
            };
            let stat = fstat(&fd)?;
            match file_type(&stat) {
                FileType::Symlink => {
                    refuse_magic(&level.fd, &name)?;
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(Errno::LOOP);
                    }
                    let link = readlinkat(&fd, "", Vec::new())?;
                    let link = PathBuf::from(OsString::from_vec(link.into_bytes()));
                    if link.is_absolute() {
                        levels.truncate(1);
                    }
                    let components: Vec<_> = normal_components(&link).collect();
                    components.into_iter().rev().for_each(|c| rest.push_front(c));
                }
                FileType::Directory => {
                    let path = if stat.st_dev == level.stat.st_dev {
                        level.path.join(&name)
                    } else {
                        PathBuf::new()
                    };
                    levels.push(Level { fd, stat, path });
                }
                _ if rest.is_empty() => return Ok(fd),
                _ => return Err(Errno::NOTDIR),
            }
        }
        levels.pop().map(|l| l.fd).ok_or(Errno::INVAL)
    }

    /// Makes `name` in the last of `levels`.
    fn make(&mut self, levels: &[Level], name: &OsString, make: Make, last: bool) -> Result<OwnedFd, Errno> {
        let Some(parent) = levels.last() else {
            return Err(Errno::INVAL);
        };
        if let Make::Directory { uid, gid } = make {
            mkdirat(&parent.fd, name, Mode::from_raw_mode(0o755))?;
            let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            match chownat(&parent.fd, name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW) {
                // One whom the user namespace has not: the command cannot become it either, which says more.
                Err(Errno::INVAL) => {}
                other => other?,
            }
            return open_component(&parent.fd, name);
        }
        let is_dir = !last || make == Make::DirectoryStub;
        let before = fstat(&parent.fd)?;
        if let Some((_, layer)) = self
            .layers
            .iter()
            .find(|(device, _)| *device == parent.stat.st_dev)
        {
            self.stubs.push(Stub {
                layer: *layer,
                path: parent.path.join(name),
                is_dir,
            });
        }
        if is_dir {
            mkdirat(&parent.fd, name, Mode::from_raw_mode(0o755))?;
        } else {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            openat(&parent.fd, name, flags, Mode::from_raw_mode(0o644))?;
        }
        restore_times(&parent.fd, &before)?;
        open_component(&parent.fd, name)
    }
}

/// How often, and after which pause, a path with `..` is tried anew. The kernel says EAGAIN when anything on the machine was
/// renamed or mounted meanwhile, as it cannot be sure then that `..` stayed inside; on a busy machine that is the rule.
const OPEN_ATTEMPTS: u32 = 20_000;
const OPEN_PAUSE: std::time::Duration = std::time::Duration::from_micros(100);

/// Opens a path below `root`, with all links and `..` kept inside.
pub(crate) fn open_in(root: impl AsFd, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { "." } else { path };
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    for attempt in 0..OPEN_ATTEMPTS {
        match openat2(&root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN) if attempt < 16 => {}
            Err(Errno::AGAIN) => std::thread::sleep(OPEN_PAUSE),
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}

fn open_component(dir: impl AsFd, name: &OsString) -> Result<OwnedFd, Errno> {
    openat(
        dir,
        name,
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

/// Refuses a link of /proc that leads somewhere else than its text says.
fn refuse_magic(dir: impl AsFd, name: &OsString) -> Result<(), Errno> {
    const PROC_SUPER_MAGIC: i64 = 0x9fa0;
    if fstatfs(&dir)?.f_type as i64 != PROC_SUPER_MAGIC {
        return Ok(());
    }
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    match openat2(dir, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve) {
        Err(Errno::LOOP) => Err(Errno::LOOP),
        _ => Ok(()),
    }
}

fn normal_components(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components()
        .filter(|c| matches!(c, Component::Normal(_) | Component::ParentDir))
        .map(|c| c.as_os_str().to_owned())
}

pub(crate) fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Gives a directory the times back that it had.
pub(crate) fn restore_times(dir: impl AsFd, before: &Stat) -> Result<(), Errno> {
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: before.st_atime,
            tv_nsec: before.st_atime_nsec as _,
        },
        last_modification: Timespec {
            tv_sec: before.st_mtime,
            tv_nsec: before.st_mtime_nsec as _,
        },
    };
    utimensat(dir, ".", &times, AtFlags::empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    fn root(dir: &Path) -> Root {
        Root::new(fs::File::open(dir).unwrap().into()).unwrap()
    }

    fn made(root: Root) -> Vec<(String, bool)> {
        root.into_stubs()
            .into_iter()
            .map(|s| (s.path.to_str().unwrap().to_owned(), s.is_dir))
            .collect()
    }

    #[test]
    fn what_exists_is_not_made() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        fs::write(dir.path().join("a/f"), "").unwrap();
        let mut root = root(dir.path());
        root.open_or_make("/a/b", Make::DirectoryStub).unwrap();
        root.open_or_make("a/f", Make::FileStub).unwrap();
        assert_eq!(
            root.open_or_make("/a/b", Make::FileStub).unwrap_err(),
            Errno::ISDIR
        );
        assert_eq!(
            root.open_or_make("/a/f", Make::DirectoryStub).unwrap_err(),
            Errno::NOTDIR
        );
        assert_eq!(
            root.open_or_make("/a/f/x", Make::FileStub).unwrap_err(),
            Errno::NOTDIR
        );
        assert_eq!(made(root), []);
    }

    #[test]
    fn what_is_missing_is_made_and_the_parents_time_stays() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        let old = fs::File::open(dir.path().join("etc")).unwrap();
        old.set_modified(std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000, 5))
            .unwrap();
        let mut root = root(dir.path());
        root.open_or_make("/etc/hosts", Make::FileStub).unwrap();
        root.open_or_make("/etc/x/y", Make::DirectoryStub).unwrap();
        let meta = fs::metadata(dir.path().join("etc")).unwrap();
        assert_eq!((meta.mtime(), meta.mtime_nsec()), (1_000_000, 5));
        let expected = [("etc/hosts", false), ("etc/x", true), ("etc/x/y", true)];
        assert_eq!(
            made(root),
            expected.map(|(path, is_dir)| (path.to_owned(), is_dir))
        );
    }

    #[test]
    fn parents_in_a_path_are_followed_while_others_rename() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let (one, two) = (elsewhere.path().join("one"), elsewhere.path().join("two"));
        fs::write(&one, "").unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        let root = fs::File::open(dir.path()).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    fs::rename(&one, &two).unwrap();
                    fs::rename(&two, &one).unwrap();
                }
            });
            let path = "../../../a/b/".repeat(250);
            let opened: Vec<_> = (0..200)
                .map(|_| open_in(&root, &path, OFlags::PATH).map(drop))
                .collect();
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            assert_eq!(opened, vec![Ok(()); 200]);
        });
    }

    #[test]
    fn links_never_lead_out() {
        let outside = tempfile::tempdir().unwrap();
        let dir = tempfile::tempdir().unwrap();
        symlink(outside.path(), dir.path().join("absolute")).unwrap();
        symlink("../../../../../..", dir.path().join("up")).unwrap();
        symlink("missing/deep", dir.path().join("dangling")).unwrap();
        symlink("loop", dir.path().join("loop")).unwrap();
        let mut root = root(dir.path());
        root.open_or_make("/absolute/x", Make::DirectoryStub).unwrap();
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
        root.open_or_make("/up/made", Make::FileStub).unwrap();
        assert!(dir.path().join("made").exists());
        root.open_or_make("/dangling/z", Make::DirectoryStub).unwrap();
        assert!(dir.path().join("missing/deep/z").exists());
        root.open_or_make("/../../up2", Make::DirectoryStub).unwrap();
        assert!(dir.path().join("up2").exists());
        assert_eq!(
            root.open_or_make("/loop/x", Make::FileStub).unwrap_err(),
            Errno::LOOP
        );
    }

    #[test]
    fn a_working_directory_stays_and_has_an_owner() {
        let dir = tempfile::tempdir().unwrap();
        let mut root = root(dir.path());
        let me = fs::metadata(dir.path()).unwrap();
        root.open_or_make(
            "/srv/app",
            Make::Directory {
                uid: me.uid(),
                gid: me.gid(),
            },
        )
        .unwrap();
        assert!(dir.path().join("srv/app").is_dir());
        assert_eq!(made(root), []);
    }
}
