//! What frontends are told: the gateway over the solver, the images and the store. A daemon's clients would be told the
//! same by the same code. Knows nothing of Wasm.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use lapstrake_frontend::{
    BuildFailure, BuildResult, ByteRange, FileError, FileInfo, FileKind, Gateway, ImageInfo, ImageRequest,
    LogLevel, MAX_READ, Reference, Request, SolveError, Wrap,
};
use lapstrake_llb::{Definition, Edge, Report, ResolveMode};
use lapstrake_ops::source::image::{ImagePlace, ImageRequest as OpsRequest, ResolvedImage};
use lapstrake_ops::source::progress::Progress;
use lapstrake_store::tree::{Entry, FileKind as TreeKind, FileTree, TreeError};

use crate::error::{Error, Kind, chain, refusals, worker_kind};
use crate::progress::{Event, Sink, Warning};

use super::build::{Build, Part};
use super::frontends::as_gateway;
use super::nested::Nested;
use super::step::Step;

/// Answers one build's frontends.
pub(super) struct BuildGateway {
    build: Arc<Build>,
    failures: Mutex<Failures>,
    /// Warnings that the frontend sent while it worked.
    warnings: AtomicUsize,
    /// How nested builds are made; none: not here.
    nested: Option<Nested>,
    /// What the frontend tells of how far it is, by name.
    progress: Mutex<BTreeMap<String, Step>>,
}

/// What is known of answers that were failures.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Failures {
    /// Whether a registry, the network or the store failed.
    pub(super) environment: bool,
    /// What to do about the last one.
    pub(super) hint: Option<&'static str>,
}

impl BuildGateway {
    /// Without `nested`, no other frontend is asked.
    pub(super) fn new(build: Arc<Build>, nested: Option<Nested>) -> Self {
        Self {
            build,
            failures: Mutex::default(),
            warnings: AtomicUsize::new(0),
            nested,
            progress: Mutex::default(),
        }
    }

    /// What is known of answers that were failures.
    pub(super) fn failures(&self) -> Failures {
        *self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, kind: Kind, hint: Option<&'static str>) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.environment |= kind == Kind::Environment;
        failures.hint = hint.or(failures.hint);
    }

    /// An image as it is asked for, held to the lock file.
    fn wanted(&self, request: &ImageRequest) -> Result<OpsRequest, String> {
        let (reference, place) = match request.oci_layout_store.clone() {
            Some(store) => (request.reference.clone(), ImagePlace::Layout(store)),
            None => {
                let pinned = self.build.pins.image(request.reference.clone());
                let pinned =
                    pinned.inspect_err(|_| self.note(Kind::Build, Some("lapstrake lock writes it anew")))?;
                (pinned, ImagePlace::Registry)
            }
        };
        let mode = match self.build.pull {
            true => ResolveMode::ForcePull,
            false => request.mode,
        };
        Ok(OpsRequest {
            reference,
            place,
            platform: request.platform.clone(),
            mode,
        })
    }

    fn failed(&self, error: &lapstrake_ops::Error) -> String {
        self.note(worker_kind(error), error.hint());
        chain(error)
    }
}

impl Drop for BuildGateway {
    /// The frontend is at its end, and so is what it tells of.
    fn drop(&mut self) {
        let steps = self.progress.get_mut().unwrap_or_else(PoisonError::into_inner);
        for step in std::mem::take(steps).into_values() {
            step.done();
        }
    }
}

/// Progress of a step of the engine.
struct StepProgress<'a> {
    step: &'a Step,
    build: &'a Build,
    started: SystemTime,
}

impl Progress for StepProgress<'_> {
    fn advance(&self, name: &str, current: u64, _total: Option<u64>, done: bool) {
        if done {
            self.step.part(name, current, self.started);
        }
    }

    fn cancelled(&self) -> bool {
        self.build.cancel.is_cancelled()
    }
}

impl Gateway for BuildGateway {
    fn resolve_image_configs(&self, requests: Vec<ImageRequest>) -> Vec<Result<ImageInfo, String>> {
        let resolve = |request: &ImageRequest| {
            let request = &self.wanted(request)?;
            if request.place == ImagePlace::Registry {
                self.build.check_image(&request.reference)?;
            }
            let step = Step::begin(
                &self.build.sink,
                &format!("[internal] load metadata for {}", request.reference),
            );
            let progress = StepProgress {
                step: &step,
                build: &self.build,
                started: SystemTime::now(),
            };
            let found = self.build.images().resolve(request, &progress);
            let image = step.end_with(found).map_err(|error| self.failed(&error))?;
            if request.place == ImagePlace::Registry {
                self.build.pins.resolved(&image.reference);
            }
            Ok(info(&image))
        };
        match requests.as_slice() {
            [] => Vec::new(),
            [only] => vec![resolve(only)],
            // At the same time: most of it is waiting for registries.
            many => many
                .chunks(IMAGES_AT_ONCE)
                .flat_map(|some| resolve_all(some, &resolve))
                .collect(),
        }
    }

    fn solve(&self, definition: Definition, roots: Vec<Edge>) -> Result<Vec<Arc<dyn Reference>>, SolveError> {
        let outputs = self
            .build
            .solve(&definition, &roots, Part::Asked)
            .map_err(|error| {
                self.note(error.kind(), None);
                match (&error, error.kind()) {
                    (_, Kind::Interrupted) => SolveError::Cancelled,
                    (Error::Forbidden(report), _) => SolveError::NotAllowed(refusals(report)),
                    _ => SolveError::Failed(chain(&error)),
                }
            })?;
        let reference = |output| {
            let tree = self
                .build
                .file_tree(&output)
                .map_err(|error| SolveError::Failed(self.failed(&error)))?;
            Ok(Arc::new(SolvedTree(tree)) as Arc<dyn Reference>)
        };
        outputs.into_iter().map(reference).collect()
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
        let gateway = Arc::new(Self::new(Arc::clone(&self.build), nested.inner()));
        let built = nested.build(frontend, &request, wrap(as_gateway(&gateway)), &self.build);
        let failures = gateway.failures();
        if failures.environment {
            self.note(Kind::Environment, failures.hint);
        }
        built
    }

    fn progress(&self, name: &str, current: u64, total: Option<u64>) {
        let mut steps = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let step = steps
            .entry(name.to_owned())
            .or_insert_with(|| Step::begin(&self.build.sink, &format!("[internal] {name}")));
        step.advance(name, current, total);
        if Some(current) == total
            && let Some(step) = steps.remove(name)
        {
            step.done();
        }
    }

    fn log(&self, level: LogLevel, message: &str) {
        if level > LogLevel::Debug || self.build.debug {
            let step = Step::begin(&self.build.sink, "[internal] frontend");
            step.log(message);
            step.done();
        }
    }

    fn warn(&self, warnings: Report) {
        let before = self.warnings.fetch_add(warnings.items.len(), Ordering::Relaxed);
        if before < MOST_WARNINGS {
            warn(&self.build.sink, warnings);
        }
    }
}

/// Warnings of one frontend that are shown; nobody reads more.
const MOST_WARNINGS: usize = 200;

/// Shows warnings.
pub(super) fn warn(sink: &Sink, warnings: Report) {
    for diagnostic in warnings.items.into_iter().take(MOST_WARNINGS) {
        let warning = Warning {
            vertex: None,
            diagnostic,
            sources: warnings.sources.clone(),
        };
        sink.send(Event::Warning(Box::new(warning)));
    }
}

/// Images that are asked for at the same time.
const IMAGES_AT_ONCE: usize = 64;

fn resolve_all<T: Send>(
    requests: &[ImageRequest],
    resolve: &(dyn Fn(&ImageRequest) -> Result<T, String> + Sync),
) -> Vec<Result<T, String>> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = requests
            .iter()
            .map(|request| scope.spawn(move || resolve(request)))
            .collect();
        let lost = || Err("internal error: the resolving thread ended".to_owned());
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| lost()))
            .collect()
    })
}

fn info(image: &ResolvedImage) -> ImageInfo {
    ImageInfo {
        reference: image.reference.clone(),
        digest: image.digest,
        config: image.config.clone(),
    }
}

/// A solved tree, as frontends read it.
pub struct SolvedTree(pub Arc<dyn FileTree>);

impl SolvedTree {
    fn find(&self, path: &str) -> Result<Entry, FileError> {
        if path.contains('\0') {
            return Err(FileError::BadPath("it has a zero byte".to_owned()));
        }
        match self.0.follow(Path::new(path)) {
            Ok(Some(entry)) => Ok(entry),
            Ok(None) => Err(FileError::NotFound),
            Err(error) => Err(failed(&error)),
        }
    }
}

fn failed(error: &TreeError) -> FileError {
    FileError::Failed(chain(error))
}

impl Reference for SolvedTree {
    fn read_file(&self, path: &str, part: Option<ByteRange>) -> Result<Vec<u8>, FileError> {
        use std::io::{Read, Seek, SeekFrom};
        let entry = self.find(path)?;
        if entry.kind != TreeKind::File {
            return Err(FileError::NotAFile);
        }
        let (offset, length) = match part {
            Some(part) => (part.offset, u64::from(part.length)),
            None => (0, entry.size),
        };
        if length > MAX_READ {
            return Err(FileError::TooLarge);
        }
        let mut file = self.0.open(&entry).map_err(|error| failed(&error))?;
        let mut data = Vec::new();
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.take(length).read_to_end(&mut data))
            .map_err(|error| FileError::Failed(error.to_string()))?;
        Ok(data)
    }

    fn read_text(&self, path: &str) -> Result<String, FileError> {
        String::from_utf8(self.read_file(path, None)?).map_err(|_| FileError::NotUtf8)
    }

    fn read_dir(&self, path: &str, pattern: Option<&str>) -> Result<Vec<FileInfo>, FileError> {
        let entry = self.find(path)?;
        if entry.kind != TreeKind::Dir {
            return Err(FileError::NotADirectory);
        }
        let mut out = Vec::new();
        for entry in self.0.read_dir(&entry.path).map_err(|error| failed(&error))? {
            // A frontend's strings are UTF-8: a name that is not cannot be told.
            let Some(name) = entry.path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            let matches = match pattern {
                Some(pattern) => lapstrake_llb::patterns::glob(pattern, name)
                    .map_err(|error| FileError::BadPath(error.to_string()))?,
                None => true,
            };
            if matches {
                out.push(file_info(&entry, name));
            }
        }
        Ok(out)
    }

    fn stat(&self, path: &str) -> Result<FileInfo, FileError> {
        let entry = self.find(path)?;
        let name = entry
            .path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        Ok(file_info(&entry, &name))
    }
}

fn file_info(entry: &Entry, name: &str) -> FileInfo {
    FileInfo {
        name: name.to_owned(),
        kind: match entry.kind {
            TreeKind::File => FileKind::Regular,
            TreeKind::Dir => FileKind::Directory,
            TreeKind::Symlink => FileKind::Symlink,
            TreeKind::CharDevice | TreeKind::BlockDevice => FileKind::Device,
            TreeKind::Fifo => FileKind::Fifo,
            TreeKind::Socket => FileKind::Socket,
        },
        size: entry.size,
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        link_target: entry
            .link_target
            .as_ref()
            .map(|target| target.to_string_lossy().into_owned()),
    }
}
