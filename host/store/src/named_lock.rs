//! The files of named locks, `locks/<name>`, which callers hold while they have something under way. A holder removes the
//! file at the end while it holds the lock; whoever waited sees that it has gone and takes the lock of a new one.
//! Knows nothing of what is locked.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A lock that is held.
pub(crate) struct NamedLock {
    path: PathBuf,
    _file: File,
}

impl Drop for NamedLock {
    fn drop(&mut self) {
        // While it is locked, so that nobody removes a file that another one has just locked.
        let _ = fs::remove_file(&self.path);
    }
}

/// Takes a lock. `None`: somebody holds it.
pub(crate) fn take(path: &Path) -> Result<Option<NamedLock>> {
    let open = || {
        File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
    };
    let file = match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().unwrap_or(path);
            fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
            open()
        }
        other => other,
    };
    let file = file.map_err(Error::io("create", path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(Error::io("lock", path)(error)),
    }
    // Its last holder may have removed it before it was locked.
    let ours = file.metadata().map_err(Error::io("read", path))?;
    let same =
        fs::metadata(path).is_ok_and(|theirs| (theirs.ino(), theirs.dev()) == (ours.ino(), ours.dev()));
    Ok(same.then(|| NamedLock {
        path: path.to_owned(),
        _file: file,
    }))
}

/// Removes the files of locks that nobody holds: killed processes left them.
pub(crate) fn remove_unheld(folder: &Path) {
    // An empty file that stays is no harm.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        drop(take(&entry.path()));
    }
}
