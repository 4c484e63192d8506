//! The directories that a request needs and fills: which they are, and making those that are missing.
//! Knows nothing of what is mounted where.

use std::path::PathBuf;
use std::{fs, io};

use super::bundle::{discarded, fillers};
use super::error::ExecError;
use super::layer::Written;
use super::message::LayerRef;
use super::overlay::fillers_needed;
use super::request::{ExecRequest, MountSource, TreeWrites};

/// The directories that are worth nothing when nobody waits for the result any more.
pub(super) fn leftovers(request: &ExecRequest, name: &str) -> Vec<PathBuf> {
    let layers = written(request);
    let of_layers = layers
        .iter()
        .flat_map(|(_, layer)| [layer.upper.to_owned(), layer.work.to_owned()]);
    of_layers.chain(discards(request, name)).collect()
}

/// The directories of what mounts write and nobody keeps.
pub(super) fn discards(request: &ExecRequest, name: &str) -> impl Iterator<Item = PathBuf> {
    let lost = |source: &MountSource| {
        matches!(
            source,
            MountSource::Tree {
                writes: TreeWrites::Discard,
                ..
            }
        )
    };
    let of_mounts = request
        .mounts
        .iter()
        .enumerate()
        .filter(move |(_, m)| !m.read_only && lost(&m.source));
    of_mounts.map(move |(index, _)| discarded(&request.state_dir, name, index))
}

/// The layers that the command writes.
pub(super) fn written(request: &ExecRequest) -> Vec<(LayerRef, Written<'_>)> {
    let root = &request.root;
    let mut layers = vec![(
        LayerRef::Root,
        Written {
            lower: &root.lower,
            upper: &root.upper,
            work: &root.work,
        },
    )];
    for (index, mount) in request.mounts.iter().enumerate() {
        if let MountSource::Tree {
            lower,
            writes: TreeWrites::Keep { upper, work },
            ..
        } = &mount.source
        {
            layers.push((LayerRef::Mount(index), Written { lower, upper, work }));
        }
    }
    layers
}

/// Makes in the state directory what the request needs there and is not there yet.
pub(super) fn prepare_state(request: &ExecRequest) -> Result<(), ExecError> {
    let trees = request.mounts.iter().filter_map(|m| match &m.source {
        MountSource::Tree { lower, .. } => Some(fillers_needed(lower, !m.read_only)),
        _ => None,
    });
    let needed = trees
        .chain([fillers_needed(&request.root.lower, true)])
        .max()
        .unwrap_or(0);
    for path in fillers(&request.state_dir).into_iter().take(needed) {
        match fs::create_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(ExecError::Prepare { path, source: error });
            }
            _ => {}
        }
    }
    Ok(())
}
