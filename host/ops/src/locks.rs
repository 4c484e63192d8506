//! Locks by name that hold between threads and between processes: what one has under way, the others wait for.
//! Knows nothing of what is locked.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::error::{Error, Result};

/// How often a waiting thread looks whether it is still to wait.
const PATIENCE: Duration = Duration::from_millis(25);

/// Locks, one file each in a folder while they are held.
#[derive(Debug)]
pub(crate) struct Locks {
    folder: PathBuf,
    held: Mutex<HashSet<String>>,
    freed: Condvar,
}

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub(crate) struct Guard<'a> {
    locks: &'a Locks,
    name: String,
    file: Option<File>,
}

impl Locks {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            held: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    /// Waits until nobody else holds the lock. `name` is a plain file name.
    ///
    /// # Errors
    /// [`Error::Cancelled`], and an I/O error of the folder.
    pub(crate) fn lock(&self, name: &str, cancelled: &dyn Fn() -> bool) -> Result<Guard<'_>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        while held.contains(name) {
            if cancelled() {
                return Err(Error::Cancelled);
            }
            held = self
                .freed
                .wait_timeout(held, PATIENCE)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        held.insert(name.to_owned());
        drop(held);
        // From here on the guard takes the name back whatever happens.
        let mut guard = Guard {
            locks: self,
            name: name.to_owned(),
            file: None,
        };
        guard.file = Some(self.lock_file(name, cancelled)?);
        Ok(guard)
    }

    fn lock_file(&self, name: &str, cancelled: &dyn Fn() -> bool) -> Result<File> {
        let path = self.folder.join(name);
        let fail = |source| Error::Lock {
            path: path.clone(),
            source,
        };
        loop {
            let open = || {
                File::options()
                    .write(true)
                    .create(true)
                    .truncate(false)
                    .open(&path)
            };
            let file = match open() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    fs::DirBuilder::new()
                        .recursive(true)
                        .mode(0o700)
                        .create(&self.folder)
                        .map_err(fail)?;
                    open()
                }
                other => other,
            };
            let file = file.map_err(fail)?;
            loop {
                match file.try_lock() {
                    Ok(()) => break,
                    Err(TryLockError::WouldBlock) if cancelled() => return Err(Error::Cancelled),
                    Err(TryLockError::WouldBlock) => std::thread::sleep(PATIENCE),
                    Err(TryLockError::Error(source)) => return Err(fail(source)),
                }
            }
            if is_still_at(&file, &path).map_err(fail)? {
                return Ok(file);
            }
            // Its last holder has removed it meanwhile: the next one would lock another file.
        }
    }
}

pub(crate) fn is_still_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(theirs) => Ok(ours.ino() == theirs.ino() && ours.dev() == theirs.dev()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            // While it is locked, so that nobody removes a file that another one has just locked.
            let _ = fs::remove_file(self.locks.folder.join(&self.name));
            drop(file);
        }
        self.locks
            .held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.name);
        self.locks.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn one_at_a_time_even_with_two_sets_of_locks() {
        let directory = tempfile::tempdir().unwrap();
        // Two sets know nothing of each other, as two processes.
        let sets = [
            Locks::new(directory.path().join("locks")),
            Locks::new(directory.path().join("locks")),
        ];
        let inside = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for turn in 0..8 {
                let (locks, inside) = (&sets[turn % 2], &inside);
                scope.spawn(move || {
                    for _ in 0..5 {
                        let guard = locks.lock("a", &|| false).unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        std::thread::sleep(Duration::from_millis(1));
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(guard);
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(directory.path().join("locks")).unwrap().count(), 0);
    }

    #[test]
    fn other_names_do_not_wait_and_waiting_can_be_given_up() {
        let directory = tempfile::tempdir().unwrap();
        let locks = Locks::new(directory.path().to_owned());
        let _a = locks.lock("a", &|| false).unwrap();
        let _b = locks.lock("b", &|| false).unwrap();
        assert!(matches!(locks.lock("a", &|| true), Err(Error::Cancelled)));
        let others = Locks::new(directory.path().to_owned());
        assert!(matches!(others.lock("a", &|| true), Err(Error::Cancelled)));
        drop(_a);
        assert!(others.lock("a", &|| true).is_ok());
    }
}
