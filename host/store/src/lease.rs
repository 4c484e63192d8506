//! Leases: what a process that has the store open may be using stays where it is.
//!
//! Time is divided into epochs, counted in the database. A process reads the epoch when it opens the store, before it
//! looks for anything, and holds a shared lock (flock) on `leases/<epoch>` as long as it lives: no write, and the kernel
//! gives it back whatever happens. Whoever collects garbage condemns it in the database, where the condemned is not found
//! any more, and begins a new epoch: what was condemned in it can be in use only by those who hold an earlier lease.
//! The lock on the folder itself is held shared by all, alone by who replaces a damaged database (mend.rs).
//! Knows nothing of what is condemned.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::error::{Error, Result};

/// A lease of one process.
#[derive(Debug)]
pub(crate) struct Lease {
    /// Held until the end.
    _lock: File,
}

impl Lease {
    /// Takes a lease of an epoch that the database says, or said a moment ago.
    pub(crate) fn take(folder: &Path, epoch: i64) -> Result<Self> {
        let path = folder.join(epoch.to_string());
        loop {
            let open = || {
                File::options()
                    .write(true)
                    .create(true)
                    .truncate(false)
                    .open(&path)
            };
            let lock = match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => open(),
                other => other,
            };
            let lock = lock.map_err(Error::io("open", &path))?;
            lock.lock_shared().map_err(Error::io("lock", &path))?;
            // A collector may have removed the file meanwhile: nobody would look at this lock.
            if lock.metadata().map_err(Error::io("read", &path))?.nlink() > 0 {
                return Ok(Self { _lock: lock });
            }
        }
    }
}

/// Takes the lock on the folder that all who have the store open share. `None`: there is no such folder.
pub(crate) fn enter(folder: &Path) -> Result<Option<File>> {
    let gate = match File::open(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(Error::io("open", folder))?,
    };
    gate.lock_shared().map_err(Error::io("lock", folder))?;
    Ok(Some(gate))
}

/// The epoch of the oldest lease that somebody holds, and how many epochs have holders. Removes the files of those before
/// `current` that nobody holds.
pub(crate) fn oldest(folder: &Path, current: i64) -> Result<Option<i64>> {
    let mut oldest = None;
    for entry in fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let entry = entry.map_err(Error::io("list", folder))?;
        let Some(epoch) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i64>().ok())
        else {
            continue;
        };
        let path = entry.path();
        let lock = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(Error::io("open", &path))?,
        };
        match lock.try_lock() {
            Ok(()) if epoch < current => {
                // While it is locked: who waits for it sees that it has gone.
                let _ = fs::remove_file(&path);
            }
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                oldest = Some(oldest.map_or(epoch, |known: i64| known.min(epoch)));
            }
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path)(error)),
        }
    }
    Ok(oldest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_lease_is_found_and_the_dead_ones_files_go() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(oldest(folder.path(), 1).unwrap(), None);
        let one = Lease::take(folder.path(), 1).unwrap();
        let same = Lease::take(folder.path(), 1).unwrap();
        let two = Lease::take(folder.path(), 2).unwrap();
        assert_eq!(oldest(folder.path(), 3).unwrap(), Some(1));
        drop(one);
        assert_eq!(oldest(folder.path(), 3).unwrap(), Some(1));
        drop(same);
        assert_eq!(oldest(folder.path(), 3).unwrap(), Some(2));
        assert!(!folder.path().join("1").exists());
        drop(two);
        assert_eq!(oldest(folder.path(), 2).unwrap(), None);
        assert!(folder.path().join("2").exists(), "the present epoch's stays");
    }

    #[test]
    fn a_lease_on_a_removed_file_is_taken_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1");
        let collector = File::create(&path).unwrap();
        collector.lock().unwrap();
        std::thread::scope(|scope| {
            let taker = scope.spawn(|| Lease::take(folder.path(), 1).unwrap());
            // Whether the taker has opened the file by now or not: it must not end up with the removed one.
            std::thread::sleep(std::time::Duration::from_millis(5));
            fs::remove_file(&path).unwrap();
            drop(collector);
            let _lease = taker.join().unwrap();
            assert_eq!(oldest(folder.path(), 9).unwrap(), Some(1));
        });
    }
}
