//! Temporary names under `tmp/`, and what dead processes left there.
//!
//! A process that writes has a session: the directory `tmp/<name>/` and beside it the file `tmp/<name>.lock`, on which it
//! holds a lock (flock). The lock is there before the directory and is removed after it, so a directory whose lock file
//! nobody holds, or that has none, belonged to a process that was killed.
//! Knows nothing of what is written under the names.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::remove::{remove_tree, remove_while};

/// The temporary names of one opened store.
#[derive(Debug)]
pub(crate) struct Session {
    dir: PathBuf,
    lock_path: PathBuf,
    /// Held until the end: the lock is the proof of life.
    _lock: File,
    next: AtomicU64,
    /// Whether the directory is left to a later process.
    abandoned: AtomicBool,
}

impl Session {
    /// Starts a session in the folder `tmp`.
    pub(crate) fn start(tmp: &Path) -> Result<Self> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        loop {
            let time = std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |time| time.as_nanos() as u64);
            let count = COUNTER.fetch_add(1, Ordering::Relaxed);
            let name = format!("{:x}-{time:x}-{count:x}", std::process::id());
            let dir = tmp.join(&name);
            let lock_path = tmp.join(format!("{name}.lock"));
            let lock = match File::options().write(true).create_new(true).open(&lock_path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                other => other.map_err(Error::io("create", &lock_path))?,
            };
            // Somebody who sweeps may have taken it for a dead one's before it was locked.
            let ours = match lock.try_lock() {
                Ok(()) => lock.metadata().map_err(Error::io("read", &lock_path))?.nlink() > 0,
                Err(TryLockError::WouldBlock) => false,
                Err(TryLockError::Error(error)) => return Err(Error::io("lock", &lock_path)(error)),
            };
            if !ours {
                continue;
            }
            fs::create_dir(&dir).map_err(Error::io("create", &dir))?;
            return Ok(Self {
                dir,
                lock_path,
                _lock: lock,
                next: AtomicU64::new(0),
                abandoned: AtomicBool::new(false),
            });
        }
    }

    /// A path at which nothing is.
    pub(crate) fn fresh_path(&self) -> PathBuf {
        self.dir
            .join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// Leaves what is still in the directory to a later process.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // What cannot be removed is swept by a later process once the lock is gone.
        if !self.abandoned.load(Ordering::Relaxed) && remove_tree(&self.dir).is_ok() {
            let _ = fs::remove_file(&self.lock_path);
        }
    }
}

/// A temporary directory on the store's file system. Removed with all it holds when dropped.
#[derive(Debug)]
pub struct TempDir {
    path: PathBuf,
    session: Arc<Session>,
}

impl TempDir {
    pub(crate) fn new(session: Arc<Session>) -> Result<Self> {
        let path = session.fresh_path();
        fs::create_dir(&path).map_err(Error::io("create", &path))?;
        Ok(Self { path, session })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The session that the directory belongs to.
    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.session
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // What cannot be removed now is tried again when the session ends.
        let _ = remove_tree(&self.path);
    }
}

/// What a killed process left. Locked, so that nobody else removes it at the same time.
pub(crate) struct Remains {
    dir: PathBuf,
    lock_path: PathBuf,
    _lock: Option<File>,
}

impl Remains {
    /// Removes it.
    pub(crate) fn remove(&self, keep_going: &dyn Fn() -> bool) -> Result<()> {
        remove_while(&self.dir, keep_going).map_err(Error::io("remove", &self.dir))?;
        match fs::remove_file(&self.lock_path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove", &self.lock_path)(error))
            }
            _ => Ok(()),
        }
    }
}

/// Finds what killed processes left in the folder `tmp`.
pub(crate) fn find_remains(tmp: &Path, own: &Session) -> Result<Vec<Remains>> {
    let own = own.dir.file_name();
    let mut found = Vec::new();
    for entry in fs::read_dir(tmp).map_err(Error::io("list", tmp))? {
        let entry = entry.map_err(Error::io("list", tmp))?;
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "lock") {
            let dir = path.with_extension("");
            if dir.file_name() != own
                && let Some(lock) = take_lock(&path)?
            {
                found.push(Remains {
                    dir,
                    lock_path: path,
                    _lock: Some(lock),
                });
            }
        } else if entry.file_name().as_os_str() != own.unwrap_or_default() {
            let lock_path = path.with_extension("lock");
            // The lock of a living session is there for as long as its directory is.
            if !lock_path.exists() && path.symlink_metadata().is_ok() {
                found.push(Remains {
                    dir: path,
                    lock_path,
                    _lock: None,
                });
            }
        }
    }
    Ok(found)
}

/// Takes the lock of a dead session. `None`: it lives, or it is gone.
fn take_lock(path: &Path) -> Result<Option<File>> {
    let lock = match File::options().write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(Error::io("open", path))?,
    };
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(Error::io("lock", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_removes_its_own() {
        let tmp = tempfile::tempdir().unwrap();
        let session = Arc::new(Session::start(tmp.path()).unwrap());
        let dir = TempDir::new(session.clone()).unwrap();
        fs::write(dir.path().join("file"), "x").unwrap();
        assert!(find_remains(tmp.path(), &session).unwrap().is_empty());
        let other = Session::start(tmp.path()).unwrap();
        assert!(
            find_remains(tmp.path(), &other).unwrap().is_empty(),
            "it is alive"
        );
        drop(other);
        let path = dir.path().to_owned();
        drop(dir);
        assert!(!path.exists());
        drop(session);
        assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_dead_are_found_and_the_living_left() {
        let tmp = tempfile::tempdir().unwrap();
        let living = Session::start(tmp.path()).unwrap();
        fs::write(tmp.path().join("dead.lock"), "").unwrap();
        fs::create_dir_all(tmp.path().join("dead/0/fs")).unwrap();
        fs::create_dir(tmp.path().join("without-lock")).unwrap();
        let own = Session::start(tmp.path()).unwrap();
        let remains = find_remains(tmp.path(), &own).unwrap();
        assert_eq!(remains.len(), 2);
        for one in &remains {
            one.remove(&|| true).unwrap();
        }
        assert!(!tmp.path().join("dead").exists());
        assert!(!tmp.path().join("dead.lock").exists());
        assert!(!tmp.path().join("without-lock").exists());
        assert!(living.dir.exists());
    }
}
