//! What a case's frontend is told: images of the case's `images.json`, and files of its folders. Executes nothing and asks
//! nobody.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use lapstrake_frontend::{Gateway, ImageInfo, ImageRequest, LogLevel, Reference, SolveError};
use lapstrake_llb::{Definition, Digest, Edge, Op, Report, SourceOp};
use lapstrake_ops::source::{config, reference};
use lapstrake_store::tree::LayeredView;

use crate::engine::SolvedTree;
use crate::error::chain;
use crate::platform;

/// The answers of a case.
pub(super) struct Answers {
    /// Configurations as registries have them (`skopeo inspect --config`), by reference.
    pub(super) images: BTreeMap<String, serde_json::Value>,
    /// Folders by the name of the local source.
    pub(super) contexts: BTreeMap<String, PathBuf>,
    /// What the frontend warned of on the way.
    pub(super) warnings: Mutex<Vec<Report>>,
}

/// A reference in its full form, so that short ones are found.
fn whole(text: &str) -> String {
    reference::parse(text).map_or_else(|_| text.to_owned(), |found| found.whole())
}

impl Answers {
    /// What was warned of, in order.
    pub(super) fn take_warnings(&self) -> Vec<Report> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn image(&self, request: &ImageRequest) -> Result<ImageInfo, String> {
        let name = whole(&request.reference);
        let found = self.images.iter().find(|(known, _)| whole(known) == name);
        let (_, json) =
            found.ok_or_else(|| format!("the case's images.json has no image {}", request.reference))?;
        let bytes = json.to_string().into_bytes();
        let platform = request
            .platform
            .clone()
            .unwrap_or_else(|| platform::of("linux", "amd64", None));
        let read = config::read(&bytes, &name, &platform).map_err(|error| chain(&error))?;
        let digest = Digest::of(&bytes);
        let parsed = reference::parse(&name).map_err(|error| chain(&error))?;
        Ok(ImageInfo {
            reference: reference::pinned(&parsed, &digest).whole(),
            digest,
            config: read.config,
        })
    }
}

impl Gateway for Answers {
    fn resolve_image_configs(&self, requests: Vec<ImageRequest>) -> Vec<Result<ImageInfo, String>> {
        requests.iter().map(|request| self.image(request)).collect()
    }

    fn solve(&self, definition: Definition, roots: Vec<Edge>) -> Result<Vec<Arc<dyn Reference>>, SolveError> {
        let folder = |root: &Edge| {
            let vertex = definition.vertices.get(root.vertex as usize);
            let Some(Op::Source(SourceOp::Local(local))) = vertex.map(|vertex| &vertex.op) else {
                let message = "a case executes nothing: only local sources can be looked into";
                return Err(SolveError::NotAllowed(message.to_owned()));
            };
            // A context without a folder is empty.
            let folder = self.contexts.get(&local.name).cloned();
            let tree = Arc::new(LayeredView::new(folder));
            Ok(Arc::new(SolvedTree(tree)) as Arc<dyn Reference>)
        };
        roots.iter().map(folder).collect()
    }

    fn log(&self, _: LogLevel, _: &str) {}

    fn warn(&self, warnings: Report) {
        self.warnings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(warnings);
    }
}
