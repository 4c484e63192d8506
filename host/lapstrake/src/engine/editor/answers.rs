//! What frontends are told when an editor asks: images that the store knows, and files of local directories as the editor
//! has them. Executes nothing and fetches no file. Knows nothing of what is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lapstrake_frontend::{
    BuildFailure, BuildResult, Gateway, ImageInfo, ImageRequest, LogLevel, Reference, Request, SolveError,
    Wrap,
};
use lapstrake_llb::{Definition, Diagnostic, Digest, Edge, Op, Platform, Report, Severity, SourceOp};
use lapstrake_ops::Error as WorkerError;
use lapstrake_ops::source::image::{ImagePlace, ImageRequest as OpsRequest};
use lapstrake_ops::source::progress::Progress;
use lapstrake_ops::source::{config, reference};
use serde_json::json;

use super::overlay::{Overlay, Reads};
use super::{OpenFiles, Page};
use crate::engine::build::Build;
use crate::engine::frontends::{CONTEXT, as_gateway, local_name};
use crate::engine::nested::Nested;
use crate::error::{Kind, chain, worker_kind};
use crate::options::{CompileOptions, Context, NamedSource};
use crate::platform;

/// What a frontend is told that wants more than the editor does.
const DECLINED: &str = "only a build executes steps and fetches files";

/// Whether a message is because of what the editor does not do.
pub(super) fn is_declined(message: &str) -> bool {
    message.contains(DECLINED)
}

/// What such a message is for the reader: no mistake.
pub(super) fn declined(message: &str) -> Diagnostic {
    Diagnostic {
        severity: Severity::Info,
        code: String::new(),
        message: message.to_owned(),
        help: None,
        url: None,
        ranges: Vec::new(),
        related: Vec::new(),
    }
}

/// What the frontend told, and asked for.
#[derive(Default)]
pub(super) struct Told {
    pub(super) warnings: Vec<Report>,
    pub(super) unknown_images: BTreeSet<String>,
    pub(super) reads: BTreeSet<PathBuf>,
}

/// Answers the frontends of one question.
pub(super) struct EditorGateway {
    build: Arc<Build>,
    folders: Arc<BTreeMap<String, PathBuf>>,
    open: Arc<OpenFiles>,
    /// How nested builds are made; none: not any deeper.
    nested: Option<Nested>,
    reads: Reads,
    told: Arc<Mutex<Told>>,
}

impl EditorGateway {
    /// Answers about a page.
    pub(super) fn new(build: Arc<Build>, options: &CompileOptions, page: &Page, nested: Nested) -> Self {
        let mut folders = BTreeMap::new();
        if let Context::Directory(path) = &options.context {
            folders.insert(CONTEXT.to_owned(), path.clone());
        }
        for (name, source) in &options.named_contexts {
            if let NamedSource::Directory(path) = source {
                folders.insert(local_name(name), path.clone());
            }
        }
        Self {
            build,
            folders: Arc::new(folders),
            open: Arc::clone(&page.open),
            nested: Some(nested),
            reads: Reads::default(),
            told: Arc::default(),
        }
    }

    /// What the frontend told so far.
    pub(super) fn told(&self) -> Told {
        let mut told = std::mem::take(&mut *self.lock_told());
        told.reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner).clone();
        told
    }

    fn lock_told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn image(&self, request: ImageRequest) -> Result<ImageInfo, String> {
        let name = match &request.oci_layout_store {
            Some(_) => request.reference,
            None => self.build.pins.image(request.reference)?,
        };
        if request.oci_layout_store.is_none() {
            self.build.check_image(&name)?;
        }
        let asked = OpsRequest {
            reference: name.clone(),
            place: request
                .oci_layout_store
                .map_or(ImagePlace::Registry, ImagePlace::Layout),
            platform: request.platform.clone(),
            mode: request.mode,
        };
        match self.build.images().resolve(&asked, &Waiting(&self.build)) {
            Ok(image) => Ok(ImageInfo {
                reference: image.reference.clone(),
                digest: image.digest,
                config: image.config.clone(),
            }),
            Err(error) if is_unknown(&error) => {
                let assumed = assumed(&name, request.platform)?;
                self.lock_told().unknown_images.insert(name);
                Ok(assumed)
            }
            Err(error) => Err(chain(&error)),
        }
    }
}

/// Whether an error says nothing of the image, but that nobody could be asked.
fn is_unknown(error: &WorkerError) -> bool {
    matches!(error, WorkerError::Offline { .. }) || worker_kind(error) == Kind::Environment
}

/// An image of which nothing is known: its configuration says nothing.
fn assumed(name: &str, platform: Option<Platform>) -> Result<ImageInfo, String> {
    let platform = platform.unwrap_or_else(platform::host);
    let json = json!({
        "os": platform.os,
        "architecture": platform.architecture,
        "variant": platform.variant,
        "config": { "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"] },
        "rootfs": { "type": "layers", "diff_ids": [] },
    });
    let json = json.to_string();
    let read = config::read(json.as_bytes(), name, &platform).map_err(|error| chain(&error))?;
    let parsed = reference::parse(name).map_err(|error| chain(&error))?;
    let digest = match reference::digest(&parsed).map_err(|error| chain(&error))? {
        Some(digest) => digest,
        None => Digest::of(json.as_bytes()),
    };
    Ok(ImageInfo {
        reference: reference::pinned(&parsed, &digest).whole(),
        digest,
        config: read.config,
    })
}

/// A question that waits for a registry, where one is asked.
struct Waiting<'a>(&'a Build);

impl Progress for Waiting<'_> {
    fn advance(&self, _: &str, _: u64, _: Option<u64>, _: bool) {}

    fn cancelled(&self) -> bool {
        self.0.cancel.is_cancelled()
    }
}

impl Gateway for EditorGateway {
    fn resolve_image_configs(&self, requests: Vec<ImageRequest>) -> Vec<Result<ImageInfo, String>> {
        requests.into_iter().map(|request| self.image(request)).collect()
    }

    fn solve(&self, definition: Definition, roots: Vec<Edge>) -> Result<Vec<Arc<dyn Reference>>, SolveError> {
        let folder = |root: &Edge| {
            let vertex = definition.vertices.get(root.vertex as usize);
            let Some(Op::Source(SourceOp::Local(local))) = vertex.map(|vertex| &vertex.op) else {
                return Err(SolveError::NotAllowed(DECLINED.to_owned()));
            };
            let folder = self.folders.get(&local.name).cloned();
            let overlay = Overlay::new(folder, Arc::clone(&self.open), Arc::clone(&self.reads));
            Ok(Arc::new(overlay) as Arc<dyn Reference>)
        };
        roots.iter().map(folder).collect()
    }

    fn build_file(
        &self,
        frontend: Option<&str>,
        request: Request,
        wrap: Wrap<'_>,
    ) -> Result<BuildResult, BuildFailure> {
        let Some(nested) = &self.nested else {
            return Err(BuildFailure::Failed("builds are nested too deep".to_owned()));
        };
        let inner = Arc::new(Self {
            build: Arc::clone(&self.build),
            folders: Arc::clone(&self.folders),
            open: Arc::clone(&self.open),
            nested: nested.inner(),
            reads: Arc::clone(&self.reads),
            told: Arc::clone(&self.told),
        });
        nested.build(frontend, &request, wrap(as_gateway(&inner)), &self.build)
    }

    fn log(&self, _: LogLevel, _: &str) {}

    fn warn(&self, warnings: Report) {
        self.lock_told().warnings.push(warnings);
    }
}
