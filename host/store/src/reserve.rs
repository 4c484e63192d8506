//! Some room that is kept for removing things when a disk is full: the database cannot forget a row without writing.
//! Knows nothing of what is removed.

use std::fs;
use std::path::Path;

use rustix::fs::FallocateFlags;

use crate::store::private;

/// Bytes that are kept.
const SIZE: u64 = 512 << 10;
/// With less than this free, bytes, a disk is as good as full.
const TIGHT: u64 = 4 << 20;

/// Name of the file.
pub(crate) const NAME: &str = "reserve";

/// Keeps the room, where there is enough of it.
pub(crate) fn keep(root: &Path) {
    let path = root.join(NAME);
    if path.exists() || is_tight(root) {
        return;
    }
    // Without it, a full disk has to be made room on by other means.
    if let Ok(file) = private(&path)
        && rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, SIZE).is_err()
    {
        let _ = fs::remove_file(&path);
    }
}

/// Gives the room away if it is needed. Whether the disk is as good as full.
pub(crate) fn use_up(root: &Path) -> bool {
    let tight = is_tight(root);
    if tight {
        let _ = fs::remove_file(root.join(NAME));
    }
    tight
}

fn is_tight(root: &Path) -> bool {
    rustix::fs::statvfs(root).is_ok_and(|space| space.f_bavail.saturating_mul(space.f_frsize) < TIGHT)
}
