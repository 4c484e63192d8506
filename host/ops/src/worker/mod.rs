//! The worker that the solver asks: what an op depends on, what it takes from its inputs, and doing it.
//!
//! Knows nothing of scheduling, of how keys are combined, or of where a graph comes from.

mod cache_mount;
mod copy_out;
mod exec;
mod keys;
mod output;
mod step;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use lapstrake_llb::{
    DiffOp, Digest, Edge, FileOp, Hasher, ImageSource, LocalSource, MergeOp, NetworkMode, OciLayoutSource, Op,
    ResolveMode, SecurityMode, SourceOp, Vertex,
};
use lapstrake_solver::{CacheMap, StepContext, Worker};
use lapstrake_store::tree::FileTree;
use lapstrake_store::{Store, Tree, content};

use self::cache_mount::CacheMounts;
pub use self::output::Output;
use self::step::StepProgress;
use crate::diff;
use crate::error::{Error, Result};
use crate::exec::{Network, Runner, RunnerOptions};
use crate::file::{self, FileError};
use crate::locks::Locks;
use crate::merge;
use crate::records;
use crate::secret::SecretSource;
use crate::source::image::{ImagePlace, ImageRequest, ImageStore, ResolvedImage};
use crate::source::local::{LocalError, LocalTree};

/// What a build may do beyond what every build may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Entitlements {
    /// Commands in the machine's network.
    pub network_host: bool,
    /// Commands with all privileges.
    pub security_insecure: bool,
}

/// What a [`LocalWorker`] works with.
#[derive(Clone)]
pub struct WorkerOptions {
    /// The build's local directories by name.
    pub contexts: BTreeMap<String, PathBuf>,
    /// What the build may do.
    pub entitlements: Entitlements,
    /// The build's secrets and SSH agents.
    pub secrets: Arc<dyn SecretSource>,
    /// How containers are run.
    pub runner: RunnerOptions,
    /// What network a command without wishes has.
    pub sandbox_network: Network,
    /// Whether set-user-ID programs and file capabilities are without effect in commands.
    pub no_new_privileges: bool,
    /// Time that one command may take; none: no limit.
    pub timeout: Option<std::time::Duration>,
}

/// Carries ops out over a store.
pub struct LocalWorker {
    store: Store,
    images: ImageStore,
    options: WorkerOptions,
    runner: Runner,
    caches: CacheMounts,
    locks: Locks,
    /// Few: one for each selection of a directory.
    locals: Mutex<Vec<(LocalSource, Arc<LocalSlot>)>>,
}

/// A directory that may still be being looked at: who wants it meanwhile waits.
type LocalSlot = Mutex<Option<Arc<LocalTree>>>;

impl std::fmt::Debug for LocalWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalWorker").field("store", &self.store).finish_non_exhaustive()
    }
}

impl LocalWorker {
    /// Makes a worker. Nothing is started before it is needed.
    pub fn new(store: Store, images: ImageStore, options: WorkerOptions) -> Self {
        let runner = Runner::new(options.runner.clone());
        let caches = CacheMounts::new(store.root());
        let locks = Locks::new(store.root().join("locks"));
        Self { store, images, options, runner, caches, locks, locals: Mutex::default() }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The images.
    pub fn images(&self) -> &ImageStore {
        &self.images
    }

    /// The runner of commands.
    pub fn runner(&self) -> &Runner {
        &self.runner
    }

    /// Refuses what this version cannot do, and what the build may not.
    ///
    /// # Errors
    /// [`Error::Unsupported`] and [`Error::NotAllowed`].
    pub fn check(&self, vertex: &Vertex) -> Result<()> {
        let unsupported = |op: &'static str| Err(Error::Unsupported { op });
        let missing = |entitlement: &'static str| Err(Error::NotAllowed { entitlement });
        match &vertex.op {
            Op::Source(SourceOp::Git(_)) => unsupported("git source"),
            Op::Source(SourceOp::Http(_)) => unsupported("http source"),
            Op::Build(_) => unsupported("build"),
            Op::Exec(exec) if exec.network == NetworkMode::Host && !self.options.entitlements.network_host => {
                missing("network.host")
            }
            Op::Exec(exec)
                if exec.security == SecurityMode::Insecure && !self.options.entitlements.security_insecure =>
            {
                missing("security.insecure")
            }
            Op::Exec(exec) if !exec.devices.iter().all(|device| device.optional) => unsupported("CDI device"),
            _ => Ok(()),
        }
    }

    fn image(&self, vertex: &Vertex, context: &StepContext) -> Result<(Arc<ResolvedImage>, Option<u32>)> {
        let (request, limit, checksum) = match &vertex.op {
            Op::Source(SourceOp::Image(image)) => {
                let ImageSource { reference, mode, layer_limit, checksum } = image;
                (image_request(reference, ImagePlace::Registry, *mode, vertex), *layer_limit, checksum.as_deref())
            }
            Op::Source(SourceOp::OciLayout(layout)) => {
                let OciLayoutSource { reference, store, layer_limit } = layout;
                let place = ImagePlace::Layout(store.clone());
                (image_request(reference, place, ResolveMode::Default, vertex), *layer_limit, None)
            }
            _ => return Err(Error::Unsupported { op: vertex.op.kind() }),
        };
        let image = self.images.resolve(&request, &StepProgress::new(context))?;
        if let Some(expected) = checksum {
            let found = [image.digest, image.manifest_digest].map(|digest| digest.to_string());
            if !found.iter().any(|digest| digest == expected) {
                let (image, expected, actual) = (image.reference.clone(), expected.to_owned(), image.digest);
                return Err(Error::ChecksumMismatch { image, expected, actual });
            }
        }
        Ok((image, limit))
    }

    /// Looks at a local directory, once: all steps of a build see the same.
    fn local(&self, source: &LocalSource, context: &StepContext) -> Result<Arc<LocalTree>> {
        let path = self.options.contexts.get(&source.name);
        let path = path.ok_or_else(|| Error::NoSuchContext { name: source.name.clone() })?;
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
        let index = self.store.index_file(&LocalTree::index_name(path));
        match LocalTree::open(path, source, Some(&index), &|| context.cancelled()) {
            Ok(tree) => Ok(Arc::clone(slot.insert(Arc::new(tree)))),
            Err(LocalError::Cancelled) => Err(Error::Cancelled),
            Err(error) => Err(error.into()),
        }
    }

    fn run_file(
        &self,
        vertex: &Vertex,
        op: &FileOp,
        inputs: &[Output],
        context: &StepContext,
    ) -> Result<Vec<Output>> {
        let progress = StepProgress::new(context);
        let is_base = |edge: Edge| op.actions.iter().any(|action| action.base.edge() == Some(edge));
        let mut prepared = Vec::with_capacity(inputs.len());
        for (edge, output) in vertex.op.inputs().into_iter().zip(inputs) {
            let output = match output {
                // Only trees of layers can be changed.
                Output::Local(_) if is_base(edge) => Output::Tree(self.tree(output, context)?),
                other => other.clone(),
            };
            let files = self.files(&output, &progress)?;
            let tree = match output {
                Output::Tree(tree) => Some(tree),
                Output::Local(_) => None,
            };
            prepared.push((edge, file::Input { tree, files }));
        }
        let view = |tree: &Tree| Ok(Arc::new(self.store.view(tree)?) as Arc<dyn FileTree>);
        let trees = file::execute(&self.store, op, &prepared, &vertex.metadata.name, context, &view);
        Ok(trees.map_err(file_error)?.into_iter().map(Output::Tree).collect())
    }

    fn run_merge(
        &self,
        vertex: &Vertex,
        op: &MergeOp,
        inputs: &[Output],
        context: &StepContext,
    ) -> Result<Vec<Output>> {
        let edges = vertex.op.inputs();
        let mut trees = Vec::with_capacity(op.inputs.len());
        for edge in &op.inputs {
            trees.push(self.tree_of(Some(*edge), &edges, inputs, context)?);
        }
        Ok(vec![Output::Tree(merge::merge(&trees))])
    }

    fn run_diff(
        &self,
        vertex: &Vertex,
        op: &DiffOp,
        inputs: &[Output],
        context: &StepContext,
    ) -> Result<Vec<Output>> {
        let edges = vertex.op.inputs();
        let lower = self.tree_of(op.lower, &edges, inputs, context)?;
        let upper = self.tree_of(op.upper, &edges, inputs, context)?;
        if let Some(tree) = diff::above(&lower, &upper) {
            return Ok(vec![Output::Tree(tree)]);
        }
        let progress = StepProgress::new(context);
        let files = |tree: &Tree| self.files(&Output::Tree(tree.clone()), &progress);
        let (lower_files, upper_files) = (files(&lower)?, files(&upper)?);
        let lower = diff::Side { tree: &lower, files: &*lower_files };
        let upper = diff::Side { tree: &upper, files: &*upper_files };
        let tree = diff::diff(&self.store, &lower, &upper, &vertex.metadata.name, context);
        Ok(vec![Output::Tree(tree.map_err(file_error)?)])
    }

    /// The tree of an edge; of none: the empty one.
    fn tree_of(
        &self,
        edge: Option<Edge>,
        edges: &[Edge],
        inputs: &[Output],
        context: &StepContext,
    ) -> Result<Tree> {
        let position = edge.and_then(|edge| edges.iter().position(|known| *known == edge));
        match position.and_then(|position| inputs.get(position)) {
            Some(output) => self.tree(output, context),
            None => Ok(Tree::default()),
        }
    }
}

fn file_error(error: FileError) -> Error {
    match error {
        FileError::Cancelled => Error::Cancelled,
        other => Error::File(other),
    }
}

fn image_request(reference: &str, place: ImagePlace, mode: ResolveMode, vertex: &Vertex) -> ImageRequest {
    ImageRequest { reference: reference.to_owned(), place, platform: vertex.platform.clone(), mode }
}

impl Worker for LocalWorker {
    type Output = Output;
    type Error = Error;

    fn quick_cache_map(&self, vertex: &Vertex) -> Option<CacheMap> {
        // What goes wrong here goes wrong again in `cache_map`, which can say so.
        self.check(vertex).ok()?;
        keys::cache_map(vertex, self.images.platform()).ok().flatten()
    }

    fn cache_map(&self, vertex: &Vertex, context: &StepContext) -> Result<CacheMap> {
        self.check(vertex)?;
        if let Some(map) = keys::cache_map(vertex, self.images.platform())? {
            return Ok(map);
        }
        let digest = match &vertex.op {
            Op::Source(SourceOp::Local(source)) => {
                let mut hasher = Hasher::new("lapstrake.local.1");
                hasher.digest(&self.local(source, context)?.digest());
                hasher.finish()
            },
            _ => {
                // Not the reference: a tag that was moved to an image with the same layers is no change.
                let (image, limit) = self.image(vertex, context)?;
                let mut hasher = Hasher::new("lapstrake.image.1");
                if let Some(chain_id) = image.chain_id(limit) {
                    hasher.digest(&chain_id);
                }
                hasher.finish()
            }
        };
        Ok(CacheMap { digest, inputs: Vec::new() })
    }

    fn content_digest(
        &self,
        vertex: &Vertex,
        input: usize,
        output: &Output,
        context: &StepContext,
    ) -> Result<Digest> {
        let edge = vertex.op.inputs()[input];
        let mut hasher = Hasher::new("lapstrake.content-key.1");
        for selection in keys::selections(&vertex.op, edge) {
            let digest = match output {
                Output::Local(local) => content::digest(&**local, &selection).map_err(Error::ReadTree)?,
                Output::Tree(tree) => {
                    self.images.ensure_unpacked(tree, &StepProgress::new(context))?;
                    self.tree_digest(tree, &selection)?
                }
            };
            hasher.digest(&digest);
        }
        Ok(hasher.finish())
    }

    fn execute(&self, vertex: &Vertex, inputs: &[Output], context: &StepContext) -> Result<Vec<Output>> {
        self.check(vertex)?;
        match &vertex.op {
            Op::Source(SourceOp::Local(source)) => Ok(vec![Output::Local(self.local(source, context)?)]),
            Op::Source(_) => {
                let (image, limit) = self.image(vertex, context)?;
                Ok(vec![Output::Tree(self.images.tree(&image, limit)?)])
            }
            Op::Exec(op) => exec::Step::new(self, vertex, op, inputs, context)?.run(),
            Op::File(op) => self.run_file(vertex, op, inputs, context),
            Op::Merge(op) => self.run_merge(vertex, op, inputs, context),
            Op::Diff(op) => self.run_diff(vertex, op, inputs, context),
            Op::Build(_) => Err(Error::Unsupported { op: "build" }),
        }
    }

    fn encode(&self, outputs: &[Output]) -> Option<Vec<u8>> {
        let trees = outputs.iter().map(|output| match output {
            Output::Tree(tree) => Some(Some(tree.clone())),
            // Where it is read from, it may be something else tomorrow.
            Output::Local(_) => None,
        });
        records::encode(&trees.collect::<Option<Vec<_>>>()?)
    }

    fn decode(&self, bytes: &[u8]) -> Option<Vec<Output>> {
        let trees: Vec<Tree> = records::decode(bytes)?.into_iter().collect::<Option<_>>()?;
        let layers: Vec<_> = trees.iter().flat_map(|tree| tree.layers.iter().copied()).collect();
        self.store.layers_exist(&layers).ok()?.then(|| trees.into_iter().map(Output::Tree).collect())
    }
}
