//! One look at everything in a directory that is selected. Directories that hold nothing of it are not entered.
//! Reads no file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use lapstrake_llb::Timestamp;
use lapstrake_store::parallel;
use lapstrake_store::tree::{Entry, FileKind, Filter, Root, TreeError, Verdict};
use rustix::fs::{AtFlags, FileType, Stat};
use rustix::io::Errno;

use super::{Dir, LocalError, Node, name_start};

/// With fewer directories at a time, a second thread costs more than it brings.
const PARALLEL_DIRS: usize = 8;

/// What was found.
pub(super) struct Walk {
    pub(super) top: Entry,
    pub(super) dirs: BTreeMap<PathBuf, Dir>,
}

/// What was found in one directory.
struct Listing {
    dir: Dir,
    /// The directories in it that are to be entered, and whether they are wanted themselves.
    enter: Vec<(PathBuf, bool)>,
}

/// Walks a directory, one level after another.
pub(super) fn walk(
    root: &Root,
    filter: &Filter,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Walk, LocalError> {
    let everything = filter.is_everything();
    let check = |path: &Path| {
        if everything {
            Verdict {
                wanted: true,
                enter: true,
            }
        } else {
            filter.check(path)
        }
    };
    let mut dirs = BTreeMap::new();
    let mut level = vec![(PathBuf::new(), true)];
    while !level.is_empty() {
        let threads = if level.len() >= PARALLEL_DIRS {
            parallel::threads()
        } else {
            1
        };
        let found = parallel::map_batches(level.len(), threads, 2, |index| {
            if cancelled() {
                return Err(LocalError::Cancelled);
            }
            let (path, wanted) = &level[index];
            match list(root, path, *wanted, &check) {
                // It went away meanwhile.
                Err(error) if is_missing(&error) && !path.as_os_str().is_empty() => {
                    Ok(Listing::empty(*wanted))
                }
                other => Ok(other?),
            }
        })?;
        let mut next = Vec::new();
        for ((path, _), listing) in level.into_iter().zip(found) {
            next.extend(listing.enter);
            dirs.insert(path, listing.dir);
        }
        level = next;
    }
    if !everything {
        prune(&mut dirs);
    }
    let stat =
        rustix::fs::fstat(root.open_dir(Path::new(""))?).map_err(TreeError::io("look at", root.path()))?;
    // The directory itself belongs to the machine: of what it looks like only its time is kept.
    let mtime = Entry::new(PathBuf::new(), &stat, 0, None).mtime;
    Ok(Walk {
        top: Entry {
            mtime,
            ..Entry::empty_root()
        },
        dirs,
    })
}

impl Listing {
    fn empty(wanted: bool) -> Self {
        Self {
            dir: Dir {
                entries: Vec::new(),
                wanted,
            },
            enter: Vec::new(),
        }
    }
}

fn is_missing(error: &TreeError) -> bool {
    matches!(error, TreeError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
}

/// Looks at one directory.
fn list(
    root: &Root,
    dir: &Path,
    wanted: bool,
    check: &(dyn Fn(&Path) -> Verdict + Sync),
) -> Result<Listing, TreeError> {
    let mut listing = Listing::empty(wanted);
    let io = |error: Errno| TreeError::io("list", &root.host_path(dir))(error);
    let fd: OwnedFd = root.open_dir(dir)?;
    let mut stream = rustix::fs::Dir::new(fd).map_err(io)?;
    while let Some(found) = stream.read() {
        let found = found.map_err(io)?;
        let name = found.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        let name = OsStr::from_bytes(name);
        let path = dir.join(name);
        let verdict = check(&path);
        let may_be_dir = matches!(found.file_type(), FileType::Directory | FileType::Unknown);
        let look = verdict.wanted || (verdict.enter && may_be_dir);
        if !look {
            continue;
        }
        let fd = stream.fd().map_err(io)?;
        let stat = match rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => continue,
            other => other.map_err(TreeError::io("look at", &root.host_path(&path)))?,
        };
        let kind = FileKind::of_mode(stat.st_mode);
        if !verdict.wanted && kind != FileKind::Dir || is_no_content(kind, &stat) {
            continue;
        }
        let target = match kind {
            FileKind::Symlink => match rustix::fs::readlinkat(fd.as_fd(), name, Vec::new()) {
                Err(Errno::NOENT | Errno::INVAL) => continue,
                other => {
                    let bytes = other
                        .map_err(TreeError::io("read the link", &root.host_path(&path)))?
                        .into_bytes();
                    Some(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
                }
            },
            _ => None,
        };
        // What is wanted is always entered.
        if kind == FileKind::Dir {
            listing.enter.push((path.clone(), verdict.wanted));
        }
        let mut entry = Entry::new(path, &stat, 0, target);
        (entry.uid, entry.gid) = (0, 0);
        listing.dir.entries.push(Node {
            entry,
            ctime: ctime(&stat),
            content: None,
        });
    }
    let start = name_start(dir);
    listing
        .dir
        .entries
        .sort_unstable_by(|a, b| a.name(start).cmp(b.name(start)));
    Ok(listing)
}

/// Sockets cannot be copied. A character device 0/0 would be a deletion in a layer.
fn is_no_content(kind: FileKind, stat: &Stat) -> bool {
    kind == FileKind::Socket || kind == FileKind::CharDevice && stat.st_rdev == 0
}

/// Takes out directories that were only entered to look for something, and had nothing.
fn prune(dirs: &mut BTreeMap<PathBuf, Dir>) {
    let mut kept: HashMap<PathBuf, usize> = HashMap::new();
    let mut removed: HashSet<PathBuf> = HashSet::new();
    // Deeper directories sort behind those that they are in.
    for (path, dir) in dirs.iter().rev() {
        let files = dir.entries.iter().filter(|node| !node.entry.is_dir()).count();
        let stays = dir.wanted || files + kept.remove(path).unwrap_or_default() > 0;
        match path.parent() {
            Some(parent) if stays => *kept.entry(parent.to_owned()).or_default() += 1,
            Some(_) => {
                removed.insert(path.clone());
            }
            None => {}
        }
    }
    let parents: HashSet<PathBuf> = removed
        .iter()
        .filter_map(|path| path.parent().map(Path::to_owned))
        .collect();
    dirs.retain(|path, _| !removed.contains(path));
    for (_, dir) in dirs.iter_mut().filter(|(path, _)| parents.contains(*path)) {
        dir.entries.retain(|node| !removed.contains(&node.entry.path));
    }
}

/// Time of the last change of anything, which no program can set.
pub(super) fn ctime(stat: &Stat) -> Timestamp {
    let nanoseconds = u32::try_from(stat.st_ctime_nsec).unwrap_or(0);
    Timestamp {
        seconds: stat.st_ctime,
        nanoseconds,
    }
}
