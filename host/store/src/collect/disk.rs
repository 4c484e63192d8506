//! Bytes on disk, as `du` counts them: blocks, not lengths, and a file with several names once.
//! Knows nothing of what the files are.

use std::collections::HashMap;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::error::{Error, Result};

/// Bytes of a block that `stat` counts.
const BLOCK: u64 = 512;

/// Size of a file system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Space {
    /// All of it, bytes.
    pub total: u64,
    /// What this user may still write, bytes.
    pub available: u64,
}

/// Size of the file system of a path.
pub(super) fn space(path: &Path) -> Result<Space> {
    let found = rustix::fs::statvfs(path).map_err(Error::io("look at the file system of", path))?;
    Ok(Space {
        total: found.f_blocks.saturating_mul(found.f_frsize),
        available: found.f_bavail.saturating_mul(found.f_frsize),
    })
}

/// Bytes of one file.
pub(super) fn of_stat(stat: &Stat) -> u64 {
    stat.st_blocks.unsigned_abs() * BLOCK
}

/// Looks at a path itself. `None`: nothing is there.
pub(super) fn look(path: &Path) -> Result<Option<Stat>> {
    match rustix::fs::lstat(path) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

/// What a tree takes.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Bytes of what has no name elsewhere.
    pub(super) own: u64,
    /// Files that have names elsewhere too: inode and bytes.
    pub(super) shared: Vec<(u64, u64)>,
}

impl Taken {
    fn all(&self) -> u64 {
        self.own + self.shared.iter().map(|(_, bytes)| bytes).sum::<u64>()
    }
}

/// Bytes of what is at a path and below it, on one file system. What goes away meanwhile, or was never there, has none.
pub fn bytes_on_disk(path: &Path) -> Result<u64> {
    Ok(taken(path)?.all())
}

/// As [`bytes_on_disk`], with what has names elsewhere apart.
pub(super) fn taken(path: &Path) -> Result<Taken> {
    let mut taken = Taken::default();
    let Some(top) = look(path)? else { return Ok(taken) };
    taken.own = of_stat(&top);
    if FileType::from_raw_mode(top.st_mode) != FileType::Directory {
        return Ok(taken);
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // Names that were not found yet, and bytes.
    let mut links: HashMap<u64, (_, u64)> = HashMap::new();
    let mut todo = vec![path.to_owned()];
    while let Some(path) = todo.pop() {
        let dir = match rustix::fs::openat(rustix::fs::CWD, &path, flags, Mode::empty()) {
            // Closed to this user, or too deep for a path: a count cannot be more exact than that.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS | Errno::NAMETOOLONG) => continue,
            other => other.map_err(Error::io("open", &path))?,
        };
        for entry in Dir::read_from(&dir).map_err(Error::io("list", &path))? {
            let entry = entry.map_err(Error::io("list", &path))?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let stat = match rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                other => other.map_err(Error::io("read", &path))?,
            };
            if stat.st_dev != top.st_dev {
                continue;
            }
            let is_dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            if is_dir || stat.st_nlink < 2 {
                taken.own += of_stat(&stat);
            } else {
                let known = links.entry(stat.st_ino);
                let (missing, _) = known.or_insert((stat.st_nlink, of_stat(&stat)));
                *missing = missing.saturating_sub(1);
            }
            if is_dir {
                use std::os::unix::ffi::OsStrExt;
                todo.push(path.join(std::ffi::OsStr::from_bytes(name.to_bytes())));
            }
        }
    }
    for (inode, (missing, bytes)) in links {
        match missing {
            0 => taken.own += bytes,
            _ => taken.shared.push((inode, bytes)),
        }
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn links_count_once_and_holes_not_at_all() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("dir");
        fs::create_dir(&dir).unwrap();
        let empty = bytes_on_disk(&dir).unwrap();
        fs::write(dir.join("file"), vec![1; 100_000]).unwrap();
        let blocks = fs::metadata(dir.join("file")).unwrap().blocks() * 512;
        assert_eq!(bytes_on_disk(&dir).unwrap(), empty + blocks);
        fs::hard_link(dir.join("file"), dir.join("link")).unwrap();
        assert_eq!(bytes_on_disk(&dir).unwrap(), empty + blocks);
        assert!(taken(&dir).unwrap().shared.is_empty());
        fs::hard_link(dir.join("file"), home.path().join("elsewhere")).unwrap();
        assert_eq!(taken(&dir).unwrap().own, empty);
        assert_eq!(bytes_on_disk(&dir).unwrap(), empty + blocks);
        File::create(dir.join("sparse"))
            .unwrap()
            .set_len(1 << 30)
            .unwrap();
        assert!(bytes_on_disk(&dir).unwrap() < empty + blocks + (1 << 20));
        assert_eq!(bytes_on_disk(&home.path().join("nothing")).unwrap(), 0);
    }
}
