//! The files of a tree of layers, as one tree.
//! Knows nothing of whether the layers have been fetched: they MUST be.

use lapstrake_store::tree::LayeredView;
use lapstrake_store::{Store, Tree};

use crate::error::Result;

/// Shows a tree whose layers are all in the store.
///
/// # Errors
/// A layer is gone or not unpacked.
pub(crate) fn view(store: &Store, tree: &Tree) -> Result<LayeredView> {
    Ok(store.view(tree)?)
}
