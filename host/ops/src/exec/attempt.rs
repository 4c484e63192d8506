//! The same mounts and the same filter as a command's, for whoever wants to know whether they work here.
//! Knows nothing of what becomes of the answer.

use std::io;
use std::path::Path;

use super::bundle::Surroundings;
use super::capabilities::DEFAULT_CAPABILITIES;
use super::error::{Errno, SetupError};
use super::helper::in_user_namespace;
use super::overlay::Layers;
use super::seccomp;
use super::sys;

/// Mounts the directories `lower`, `upper` and `work` of `dir` at `target`. The current directory is another one then.
pub(crate) fn mount_overlay(dir: &Path, target: &Path) -> io::Result<()> {
    let surroundings = Surroundings {
        no_devices: true,
        user_namespace: in_user_namespace(),
    };
    let (upper, work, filler) = (dir.join("upper"), dir.join("work"), dir.join("target"));
    Layers::open(&[dir.join("lower")], Some((&upper, &work)), [&filler, &filler])
        .and_then(|layers| layers.mount(target, "/", surroundings))
        .map_err(|error| match error {
            SetupError::Overlay { source, .. }
            | SetupError::Layer { source, .. }
            | SetupError::System { source, .. } => {
                let Errno(number) = source;
                io::Error::from_raw_os_error(number)
            }
            other => io::Error::other(other),
        })
}

/// Loads the filter of system calls into this process.
pub(crate) fn load_filter() -> io::Result<()> {
    let filter = seccomp::compile(DEFAULT_CAPABILITIES);
    if filter.is_empty() {
        return Err(io::Error::other("there is no profile for this architecture"));
    }
    sys::install_seccomp(&filter)
}
