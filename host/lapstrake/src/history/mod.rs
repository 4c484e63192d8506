//! Every build's record: what was wanted, each step with its log, how it ended. One file a build.
//!
//! ```text
//! ROOT/history/<start, milliseconds>-<id>.jsonl
//! ```
//!
//! A line is a JSON object: `start`, then progress events in their order, then `end`. The file is appended to while the
//! build goes on, without fsync, so a killed build keeps what was told until then. The building process holds a lock on
//! the file (flock): a record without an end whose lock nobody holds was interrupted.
//! Knows nothing of how a record is shown.

mod filter;
mod id;
mod journal;
mod limits;
mod read;
mod record;

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub use filter::Filter;
pub use id::{Id, Unresolved};
pub use journal::{Ended, Journal};
pub use limits::Limits;
pub use read::{Build, Recorded, Summary};
pub use record::{Counts, End, Failure, Made, Place, Start, Status, Step};

/// Why the history cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// A file or folder of it cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A record does not begin as one.
    #[error("{} is no record of a build", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// The word means no build.
    #[error(transparent)]
    Unresolved(#[from] Unresolved),
    /// It still goes on.
    #[error("the build {0} is running")]
    Running(Id),
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> HistoryError {
    let path = path.to_owned();
    move |source| HistoryError::Io { action, path, source }
}

/// The records under one root.
#[derive(Debug, Clone)]
pub struct History {
    folder: PathBuf,
}

/// A record that is there, by its name only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// When the build began, in milliseconds since 1970.
    pub began: u64,
    /// Its id.
    pub id: Id,
    path: PathBuf,
}

impl Entry {
    fn of(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_suffix(".jsonl")?;
        let (began, id) = name.split_once('-')?;
        let (began, id) = (began.parse().ok()?, id.parse().ok()?);
        Some(Self { began, id, path })
    }
}

impl History {
    /// The history of a state directory. Nothing is made.
    pub fn of(root: &Path) -> Self {
        Self {
            folder: root.join("history"),
        }
    }

    /// Begins a record.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn begin(&self, start: Start) -> Result<Journal, HistoryError> {
        let began = start.at.duration_since(SystemTime::UNIX_EPOCH);
        let began = began.unwrap_or_default().as_millis();
        let path = self.folder.join(format!("{began:013}-{}.jsonl", start.id));
        let file = match create(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let made = fs::DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(&self.folder);
                made.map_err(failed("make", &self.folder))?;
                create(&path)
            }
            other => other,
        };
        let file = file.map_err(failed("create", &path))?;
        file.lock().map_err(failed("lock", &path))?;
        Journal::begin(file, path, start)
    }

    /// The records that are there, oldest first. Opens none of them.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>, HistoryError> {
        let listing = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(failed("list", &self.folder))?,
        };
        let mut entries = Vec::new();
        for entry in listing {
            let path = entry.map_err(failed("list", &self.folder))?.path();
            entries.extend(Entry::of(path));
        }
        entries.sort();
        Ok(entries)
    }

    /// The record that a word means: nothing is the latest one, `^N` the N-th before it, else an id or its beginning.
    ///
    /// # Errors
    /// No record, or more than one.
    pub fn find(&self, word: Option<&str>) -> Result<Entry, HistoryError> {
        let entries = self.entries()?;
        let ids: Vec<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
        let found = id::resolve(word, &ids)?;
        Ok(entries[found].clone())
    }

    /// Removes a record.
    ///
    /// # Errors
    /// The build goes on, or the file cannot be removed.
    pub fn remove(&self, entry: &Entry) -> Result<(), HistoryError> {
        if liveness(&entry.path)? == Liveness::Alive {
            return Err(HistoryError::Running(entry.id.clone()));
        }
        match fs::remove_file(&entry.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove", &entry.path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Removes what is beyond the limits, oldest first, and leaves what runs. `large`: sizes are looked at, too.
    ///
    /// # Errors
    /// The folder cannot be read, or a record cannot be removed.
    pub fn trim(&self, limits: &Limits, large: bool) -> Result<(), HistoryError> {
        let entries = self.entries()?;
        let sizes = (large && limits.max_size.is_some()).then(|| {
            let size = |entry: &Entry| fs::metadata(&entry.path).map_or(0, |meta| meta.len());
            entries.iter().map(size).collect::<Vec<_>>()
        });
        let began: Vec<u64> = entries.iter().map(|entry| entry.began).collect();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
        for entry in &entries[..limits.beyond(&began, sizes.as_deref(), now)] {
            match self.remove(entry) {
                Ok(()) | Err(HistoryError::Running(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Bytes that the records take, and how many there are.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn usage(&self) -> Result<(u64, usize), HistoryError> {
        let entries = self.entries()?;
        let sizes = entries.iter().filter_map(|entry| fs::metadata(&entry.path).ok());
        Ok((sizes.map(|meta| meta.len()).sum(), entries.len()))
    }
}

fn create(path: &Path) -> io::Result<File> {
    File::options()
        .append(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Whether somebody still writes a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Liveness {
    Alive,
    Dead,
}

/// Asks the lock. One that is got is let go at once.
fn liveness(path: &Path) -> Result<Liveness, HistoryError> {
    let file = File::open(path).map_err(failed("open", path))?;
    match file.try_lock_shared() {
        Ok(()) => Ok(Liveness::Dead),
        Err(TryLockError::WouldBlock) => Ok(Liveness::Alive),
        Err(TryLockError::Error(error)) => Err(failed("lock", path)(error)),
    }
}

#[cfg(test)]
mod tests;
