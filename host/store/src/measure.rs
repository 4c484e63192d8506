//! What the files of a layer amount to: a walk by several threads, a level of directories at a time.
//! Knows nothing of rows.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType};

use crate::error::{Error, Result};
use crate::parallel;
use crate::tree::{Root, TreeError};

/// What a small directory takes on most file systems, bytes.
const DIRECTORY: u64 = 4096;
/// Fewer directories are not worth threads.
const FEW: usize = 16;

/// What the files of a layer amount to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) bytes: u64,
    pub(crate) entries: u64,
    /// Bytes on disk, about: what directories take is guessed.
    pub(crate) disk: u64,
}

impl Usage {
    /// Whether it is what a layer's row says.
    pub(crate) fn is(&self, bytes: u64, entries: u64) -> bool {
        (self.bytes, self.entries) == (bytes, entries)
    }
}

/// A file with several names: its inode, how many it has, and its bytes on disk.
struct Linked {
    inode: u64,
    names: u64,
    disk: u64,
}

/// What one directory holds.
#[derive(Default)]
struct Listing {
    usage: Usage,
    linked: Vec<Linked>,
    directories: Vec<PathBuf>,
}

/// Counts what is below a directory, and the lengths of its files.
pub(crate) fn measure(path: &Path) -> Result<Usage> {
    // The home, the directory of the files, and the digests that will be kept beside them.
    let mut usage = Usage {
        disk: 3 * DIRECTORY,
        ..Usage::default()
    };
    // How many names of an inode were not met yet.
    let mut left: HashMap<u64, u64> = HashMap::new();
    // Not by whole paths: they may be longer than the kernel takes.
    let root = Root::new(path);
    let mut level = vec![PathBuf::new()];
    while !level.is_empty() {
        let threads = if level.len() < FEW { 1 } else { parallel::threads() };
        let listings = parallel::map_batches(level.len(), threads, 4, |index| list(&root, &level[index]))?;
        level.clear();
        for listing in listings {
            usage.bytes += listing.usage.bytes;
            usage.entries += listing.usage.entries;
            usage.disk += listing.usage.disk;
            for file in listing.linked {
                // What has names in another layer too is counted there already.
                let names = left.entry(file.inode).or_insert(file.names);
                *names -= 1;
                if *names == 0 {
                    usage.disk += file.disk;
                }
            }
            level.extend(listing.directories);
        }
    }
    Ok(usage)
}

fn list(root: &Root, path: &Path) -> Result<Listing> {
    let mut listing = Listing::default();
    let dir = root.open_dir(path).map_err(|error| match error {
        TreeError::Io { action, path, source } => Error::Io { action, path, source },
        other => Error::io("open", path)(io::Error::other(other)),
    })?;
    for entry in Dir::read_from(&dir).map_err(Error::io("list", path))? {
        let entry = entry.map_err(Error::io("list", path))?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        listing.usage.entries += 1;
        let mut kind = entry.file_type();
        if matches!(kind, FileType::RegularFile | FileType::Unknown) {
            let stat = rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW);
            let stat = stat.map_err(Error::io("read", path))?;
            kind = FileType::from_raw_mode(stat.st_mode);
            if kind == FileType::RegularFile {
                listing.usage.bytes += stat.st_size.unsigned_abs();
                let disk = stat.st_blocks.unsigned_abs() * 512;
                match stat.st_nlink {
                    1 => listing.usage.disk += disk,
                    names => listing.linked.push(Linked {
                        inode: stat.st_ino,
                        names,
                        disk,
                    }),
                }
            }
        }
        if kind == FileType::Directory {
            listing.usage.disk += DIRECTORY;
            listing
                .directories
                .push(path.join(OsStr::from_bytes(name.to_bytes())));
        }
    }
    Ok(listing)
}
