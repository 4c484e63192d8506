//! What an export tells its caller while it works, and the caller's wish to stop.
//! Knows nothing of how progress is shown.

use std::fmt;
use std::path::PathBuf;

use lapstrake_llb::Digest;

use crate::error::{Error, Result};

/// A part of the work. Displayed in BuildKit's words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Archives of all layers are being made or fetched.
    Layers,
    /// A manifest is written.
    Manifest(Digest),
    /// A configuration is written.
    Config(Digest),
    /// An index of several platforms is written.
    Index(Digest),
    /// The archive is written to its destination.
    Archive,
    /// Files are written to a directory.
    Files,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Layers => f.write_str("exporting layers"),
            Part::Manifest(digest) => write!(f, "exporting manifest {digest}"),
            Part::Config(digest) => write!(f, "exporting config {digest}"),
            Part::Index(digest) => write!(f, "exporting manifest list {digest}"),
            Part::Archive => f.write_str("sending tarball"),
            Part::Files => f.write_str("copying files"),
        }
    }
}

/// Something of the result that is not in the output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Omission {
    /// A device, which only root can make.
    Device(PathBuf),
    /// A socket, which is nothing without its process.
    Socket(PathBuf),
    /// Owners: only root can give files away.
    Owners,
    /// An extended attribute that the destination does not take.
    Attribute(PathBuf, String),
}

impl fmt::Display for Omission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Omission::Device(path) => {
                write!(f, "device {path:?} was not written: only root can make devices")
            }
            Omission::Socket(path) => write!(f, "socket {path:?} was not written"),
            Omission::Owners => f.write_str("owners were not kept: only root can give files away"),
            Omission::Attribute(path, name) => {
                write!(
                    f,
                    "attribute {name} of {path:?} was not written: the destination does not take it"
                )
            }
        }
    }
}

/// Whoever wants to know how an export is getting on. Called from several threads.
pub trait Observer: Sync {
    /// A part begins.
    fn started(&self, _part: &Part) {}

    /// A part has come to its end.
    fn finished(&self, _part: &Part) {}

    /// So many bytes of a part are done, of so many; 0: nobody knows of how many.
    fn progress(&self, _part: &Part, _done: u64, _total: u64) {}

    /// Something cannot be written. The export goes on.
    fn omitted(&self, _what: Omission) {}

    /// Whether to stop. Asked often.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Nobody.
impl Observer for () {}

/// Fails if the observer wants to stop.
pub(crate) fn go_on(observer: &dyn Observer) -> Result<()> {
    if observer.cancelled() {
        Err(Error::Cancelled)
    } else {
        Ok(())
    }
}

/// Runs a part of the work between its two notices.
pub(crate) fn part<T>(observer: &dyn Observer, part: &Part, work: impl FnOnce() -> Result<T>) -> Result<T> {
    observer.started(part);
    let value = work()?;
    observer.finished(part);
    Ok(value)
}
