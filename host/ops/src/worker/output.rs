//! What a step makes, and turning it into what the next one can use.
//! Knows nothing of what the steps do.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use lapstrake_llb::{Digest, Hasher};
use lapstrake_solver::{PartHasher, StepContext};
use lapstrake_store::content::{self, Selection};
use lapstrake_store::tree::FileTree;
use lapstrake_store::{Kind, LayerId, LayerMeta, Tree};

use super::LocalWorker;
use super::copy_out::copy_out;
use super::parts;
use super::step::StepProgress;
use crate::error::{Error, Result};
use crate::source::local::LocalTree;
use crate::source::progress::Progress;
use crate::view::view;

/// Kind of the store's values that hold content digests of parts of trees.
const CONTENTS: &str = "tree-content";
/// Kind of the store's values that hold the layer that a local directory was copied into.
const LOCAL_LAYERS: &str = "local-layer";

/// One output of a step.
#[derive(Clone)]
pub enum Output {
    /// Layers of the store, not all of which need be fetched.
    Tree(Tree),
    /// A directory of this machine, where it is.
    Local(Arc<LocalTree>),
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Output::Tree(tree) => tree.fmt(f),
            Output::Local(local) => write!(f, "Local({})", local.digest().short()),
        }
    }
}

impl LocalWorker {
    /// The output as a tree of layers. A local directory is copied into a layer, once for a content.
    ///
    /// # Errors
    /// It cannot be read, or the store cannot be written.
    pub fn tree(&self, output: &Output, context: &StepContext) -> Result<Tree> {
        let local = match output {
            Output::Tree(tree) => return Ok(tree.clone()),
            Output::Local(local) => local,
        };
        let progress = StepProgress::new(context);
        let digest = local.digest();
        let name = format!("local-{}", digest.hex());
        let _guard = self.locks.lock(&name, &|| progress.cancelled())?;
        let key = digest.to_string();
        let known = self.store.get_value(LOCAL_LAYERS, &key)?;
        let known = known.and_then(|text| String::from_utf8(text).ok()?.parse::<LayerId>().ok());
        if let Some(id) = known
            && self.store.layer_exists(id)?
        {
            return Ok(Tree { layers: vec![id] });
        }
        let draft = self.store.new_layer()?;
        copy_out(&**local, Path::new(""), draft.dir()).map_err(Error::ReadTree)?;
        let id = draft.commit(&LayerMeta {
            description: "local directory".to_owned(),
            kind: Kind::SourceLocal,
            ..LayerMeta::default()
        })?;
        self.store
            .set_value(LOCAL_LAYERS, &key, id.to_string().as_bytes())?;
        Ok(Tree { layers: vec![id] })
    }

    /// The output as files that can be read. What is not here of it is fetched.
    ///
    /// # Errors
    /// A layer cannot be fetched.
    pub fn files(&self, output: &Output, progress: &dyn Progress) -> Result<Arc<dyn FileTree>> {
        match output {
            Output::Local(local) => Ok(Arc::clone(local) as Arc<dyn FileTree>),
            Output::Tree(tree) => {
                self.images.ensure_unpacked(tree, progress)?;
                Ok(Arc::new(view(&self.store, tree)?))
            }
        }
    }

    /// The digest of a part of a tree, if it was made before.
    pub(super) fn known_tree_digest(&self, tree: &Tree, selection: &Selection) -> Result<Option<Digest>> {
        let known = self.store.get_value(CONTENTS, &tree_key(tree, selection))?;
        Ok(known.and_then(|bytes| Some(Digest::from_bytes(bytes.try_into().ok()?))))
    }

    /// Digest of a part of a tree whose files are here. Trees do not change, so it is remembered.
    pub(super) fn tree_digest(&self, tree: &Tree, selection: &Selection) -> Result<Digest> {
        if let Some(digest) = self.known_tree_digest(tree, selection)? {
            return Ok(digest);
        }
        let key = tree_key(tree, selection);
        let digest = content::digest(&view(&self.store, tree)?, selection).map_err(Error::ReadTree)?;
        self.store.set_value(CONTENTS, &key, digest.as_bytes())?;
        Ok(digest)
    }

    /// Copies what is at a path of a tree into an empty directory.
    pub(super) fn copy_out(&self, tree: &Tree, path: &str, directory: &Path) -> Result<()> {
        copy_out(&view(&self.store, tree)?, Path::new(path), directory).map_err(Error::ReadTree)
    }
}

/// The name under which the digest of a part of a tree is remembered.
fn tree_key(tree: &Tree, selection: &Selection) -> String {
    let mut hasher = Hasher::new(CONTENTS);
    hasher.number(tree.layers.len() as u64);
    tree.layers.iter().for_each(|id| {
        hasher.field(id.to_string().as_bytes());
    });
    let mut parts = PartHasher::new(hasher);
    parts::selection(selection, &mut parts);
    parts.finish().hex()
}
