//! Sources: which image or directory an op means, found once for a build.
//! Knows nothing of registries, layouts and file systems: `source` does.

use std::sync::{Arc, PoisonError};

use lapstrake_llb::{ImageSource, LocalSource, OciLayoutSource, Op, ResolveMode, SourceOp, Vertex};
use lapstrake_solver::StepContext;

use super::step::StepProgress;
use super::{LocalSlot, LocalWorker};
use crate::error::{Error, Result};
use crate::source::image::{ImagePlace, ImageRequest, ResolvedImage};
use crate::source::local::{LocalError, LocalTree};

impl LocalWorker {
    /// The image of an op, and how many of its layers are taken.
    pub(super) fn image(
        &self,
        vertex: &Vertex,
        context: &StepContext,
    ) -> Result<(Arc<ResolvedImage>, Option<u32>)> {
        let (request, limit, checksum) = match &vertex.op {
            Op::Source(SourceOp::Image(image)) => {
                let ImageSource {
                    reference,
                    mode,
                    layer_limit,
                    checksum,
                } = image;
                (
                    image_request(reference, ImagePlace::Registry, *mode, vertex),
                    *layer_limit,
                    checksum.as_deref(),
                )
            }
            Op::Source(SourceOp::OciLayout(layout)) => {
                let OciLayoutSource {
                    reference,
                    store,
                    layer_limit,
                } = layout;
                let place = ImagePlace::Layout(store.clone());
                (
                    image_request(reference, place, ResolveMode::Default, vertex),
                    *layer_limit,
                    None,
                )
            }
            _ => return Err(Error::Unsupported { op: vertex.op.kind() }),
        };
        let image = self.images.resolve(&request, &StepProgress::new(context))?;
        if let Some(expected) = checksum {
            let found = [image.digest, image.manifest_digest].map(|digest| digest.to_string());
            if !found.iter().any(|digest| digest == expected) {
                let (image, expected, actual) = (image.reference.clone(), expected.to_owned(), image.digest);
                return Err(Error::ChecksumMismatch {
                    image,
                    expected,
                    actual,
                });
            }
        }
        Ok((image, limit))
    }

    /// Looks at a local directory, once: all steps of a build see the same.
    pub(super) fn local(&self, source: &LocalSource, context: &StepContext) -> Result<Arc<LocalTree>> {
        let path = self.options.contexts.get(&source.name);
        let path = path.ok_or_else(|| Error::NoSuchContext {
            name: source.name.clone(),
        })?;
        let slot = {
            let mut locals = self.locals.lock().unwrap_or_else(PoisonError::into_inner);
            match locals.iter().find(|(known, _)| known == source) {
                Some((_, slot)) => Arc::clone(slot),
                None => {
                    let slot = Arc::<LocalSlot>::default();
                    locals.push((source.clone(), Arc::clone(&slot)));
                    slot
                }
            }
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tree) = &*slot {
            return Ok(Arc::clone(tree));
        }
        // What is in the store's own folder is there for this build only.
        let passing = path.starts_with(self.store.root());
        let index = (!passing).then(|| self.store.index_file(&LocalTree::index_name(path)));
        match LocalTree::open(path, source, index.as_deref(), &|| context.cancelled()) {
            Ok(tree) => Ok(Arc::clone(slot.insert(Arc::new(tree)))),
            Err(LocalError::Cancelled) => Err(Error::Cancelled),
            Err(error) => Err(error.into()),
        }
    }
}

fn image_request(reference: &str, place: ImagePlace, mode: ResolveMode, vertex: &Vertex) -> ImageRequest {
    ImageRequest {
        reference: reference.to_owned(),
        place,
        platform: vertex.platform.clone(),
        mode,
    }
}
