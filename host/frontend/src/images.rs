//! A gateway whose images are those that a frontend of the chain wants: every image that is asked for, and every one in a
//! graph that is solved on the way, is handed to it first. Knows nothing of how images are resolved.

use std::error::Error;
use std::sync::Arc;

use lapstrake_llb::{Definition, Edge, ImageSource, OciLayoutSource, Op, Report, SourceOp};

use crate::chain::Asking;
use crate::error::FrontendError;
use crate::frontends::Frontend;
use crate::gateway::{BuildFailure, Gateway, ImageInfo, ImageRequest, LogLevel, Reference, SolveError, Wrap};
use crate::limits::Limits;
use crate::request::{BuildResult, Request};
use crate::watch::Cancel;

/// The gateway of a frontend whose images another one chooses.
#[derive(Clone)]
pub(crate) struct MappedImages {
    frontend: Arc<Frontend>,
    request: Request,
    gateway: Arc<dyn Gateway>,
    limits: Limits,
    cancel: Cancel,
}

impl MappedImages {
    pub(crate) fn new(frontend: Arc<Frontend>, request: Request, asking: &Asking<'_>) -> Self {
        Self {
            frontend,
            request,
            gateway: Arc::clone(&asking.gateway),
            limits: asking.limits.clone(),
            cancel: asking.cancel.clone(),
        }
    }

    fn map(&self, images: Vec<ImageRequest>) -> Result<Vec<ImageRequest>, String> {
        if images.is_empty() {
            return Ok(images);
        }
        let gateway = Arc::clone(&self.gateway);
        self.frontend
            .rewrite_images(&self.request, images, gateway, &self.limits, &self.cancel)
            .map_err(|error| chain(&error))
    }

    /// Every image source of a graph, mapped.
    fn map_graph(&self, definition: &mut Definition) -> Result<(), String> {
        let mut places = Vec::new();
        let mut images = Vec::new();
        for (place, vertex) in definition.vertices.iter().enumerate() {
            if let Op::Source(SourceOp::Image(image)) = &vertex.op {
                places.push(place);
                images.push(ImageRequest {
                    reference: image.reference.clone(),
                    oci_layout_store: None,
                    platform: vertex.platform.clone(),
                    mode: image.mode,
                });
            }
        }
        for (place, image) in places.into_iter().zip(self.map(images)?) {
            let Some(vertex) = definition.vertices.get_mut(place) else {
                continue;
            };
            if let Op::Source(source @ SourceOp::Image(_)) = &mut vertex.op {
                replace(source, image);
            }
        }
        Ok(())
    }
}

fn replace(source: &mut SourceOp, image: ImageRequest) {
    let SourceOp::Image(old) = source else { return };
    let layer_limit = old.layer_limit;
    *source = match image.oci_layout_store {
        Some(store) => SourceOp::OciLayout(OciLayoutSource {
            reference: image.reference,
            store,
            layer_limit,
        }),
        None => SourceOp::Image(ImageSource {
            reference: image.reference,
            mode: image.mode,
            layer_limit,
            checksum: old.checksum.take(),
        }),
    };
}

fn chain(error: &FrontendError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

impl Gateway for MappedImages {
    fn resolve_image_configs(&self, requests: Vec<ImageRequest>) -> Vec<Result<ImageInfo, String>> {
        let count = requests.len();
        match self.map(requests) {
            Ok(mapped) => self.gateway.resolve_image_configs(mapped),
            Err(message) => vec![Err(message); count],
        }
    }

    fn solve(
        &self,
        mut definition: Definition,
        roots: Vec<Edge>,
    ) -> Result<Vec<Arc<dyn Reference>>, SolveError> {
        self.map_graph(&mut definition).map_err(SolveError::Failed)?;
        self.gateway.solve(definition, roots)
    }

    /// The other frontend's images are mapped too.
    fn build_file(
        &self,
        frontend: Option<&str>,
        request: Request,
        wrap: Wrap<'_>,
    ) -> Result<BuildResult, BuildFailure> {
        let mapped = |inner| {
            wrap(Arc::new(Self {
                gateway: inner,
                ..self.clone()
            }))
        };
        self.gateway.build_file(frontend, request, &mapped)
    }

    fn progress(&self, name: &str, current: u64, total: Option<u64>) {
        self.gateway.progress(name, current, total);
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.gateway.log(level, message);
    }

    fn warn(&self, warnings: Report) {
        self.gateway.warn(warnings);
    }
}
