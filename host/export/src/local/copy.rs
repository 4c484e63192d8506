//! Copying the data of one file: shared blocks where the file system can, holes stay holes.
//! Knows nothing of names.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use lapstrake_store::tree::{Entry, TreeError};
use rustix::fs::SeekFrom as Whence;
use rustix::io::Errno;

use crate::error::{Error, Result};

/// Below this it is quicker to copy than to ask for shared blocks.
const WORTH_CLONING: u64 = 64 * 1024;

/// Copies all of `from`, which MUST be as long as the entry says, into `to`, which MUST be empty.
pub(super) fn data(from: &File, to: &File, entry: &Entry, host: &Path, clones: &AtomicBool) -> Result<()> {
    if entry.size == 0 {
        return Ok(());
    }
    if entry.size >= WORTH_CLONING && clones.load(Ordering::Relaxed) {
        match rustix::fs::ioctl_ficlone(to, from) {
            Ok(()) => return Ok(()),
            // Nothing of this tree can be cloned to there.
            Err(_) => clones.store(false, Ordering::Relaxed),
        }
    }
    let stat = rustix::fs::fstat(from).map_err(Error::io("read", host))?;
    let allocated = stat.st_blocks.unsigned_abs().saturating_mul(512);
    let copied = if allocated < entry.size {
        sparse(from, to, entry.size)
    } else {
        io::copy(&mut &*from, &mut &*to)
    };
    let copied = copied.map_err(Error::io("write", host))?;
    if copied != entry.size {
        return Err(Error::Tree(TreeError::Changed(entry.path.clone())));
    }
    Ok(())
}

/// Copies what is not a hole. Returns the length of the file.
fn sparse(mut from: &File, mut to: &File, size: u64) -> io::Result<u64> {
    let mut offset = 0;
    while offset < size {
        let start = match rustix::fs::seek(from, Whence::Data(offset)) {
            Ok(start) => start,
            // The rest is a hole.
            Err(Errno::NXIO) => break,
            Err(error) => return Err(error.into()),
        };
        let end = rustix::fs::seek(from, Whence::Hole(start))?;
        from.seek(SeekFrom::Start(start))?;
        to.seek(SeekFrom::Start(start))?;
        if io::copy(&mut from.take(end - start), &mut to)? != end - start {
            return Ok(start);
        }
        offset = end;
    }
    let length = from.metadata()?.len();
    to.set_len(length)?;
    Ok(length)
}
