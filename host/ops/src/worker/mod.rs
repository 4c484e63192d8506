//! The worker that the solver asks: what an op depends on, what it takes from its inputs, and doing it.
//!
//! Knows nothing of scheduling, of how keys are combined, or of where a graph comes from.

mod agent;
mod cache_mount;
mod copy_out;
mod exec;
mod files;
mod keys;
mod nested;
mod output;
mod parts;
mod sources;
mod step;
mod tell;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};

use lapstrake_llb::{Digest, ExecOp, Hasher, LocalSource, NetworkMode, Op, SecurityMode, SourceOp, Vertex};
use lapstrake_solver::{CacheMap, StepContext, Told, Worker};
use lapstrake_store::tree::TreeError;
use lapstrake_store::{Store, Tree, content};

use self::cache_mount::CacheMounts;
pub use self::nested::{NestedError, NestedSolver};
pub use self::output::Output;
use self::step::StepProgress;
use crate::cdi::{self, DeviceEdits};
use crate::error::{Error, Result};
use crate::exec::{Network, Runner, RunnerOptions};
use crate::file::FileError;
use crate::locks::Locks;
use crate::records;
use crate::secret::SecretSource;
use crate::source::git::Repositories;
use crate::source::http::Downloads;
use crate::source::image::ImageStore;
use crate::source::local::LocalTree;
use crate::source::remote::{Reach, RemoteOptions};

/// Domain of the digests of what is seen of an input.
const CONTENT_KEY: &str = "lapstrake.content-key.1";

/// What a build may do beyond what every build may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entitlements {
    /// Commands in the machine's network.
    pub network_host: bool,
    /// Commands with all privileges.
    pub security_insecure: bool,
    /// CDI devices that not every build may use.
    pub devices: AllowedDevices,
}

/// Which CDI devices a build may use besides those that every build may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AllowedDevices {
    /// None.
    #[default]
    None,
    /// Those of these names, in the form in which a build asks for them, or whole.
    Named(Vec<String>),
    /// All.
    All,
}

impl AllowedDevices {
    fn has(&self, asked_for: &str, name: &str) -> bool {
        match self {
            Self::None => false,
            Self::Named(names) => names.iter().any(|n| n == asked_for || n == name),
            Self::All => true,
        }
    }
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
    /// Directories of CDI specifications, the weakest first.
    pub cdi_dirs: Vec<PathBuf>,
    /// What network a command without wishes has.
    pub sandbox_network: Network,
    /// Whether set-user-ID programs and file capabilities are without effect in commands.
    pub no_new_privileges: bool,
    /// How servers that are no registries are reached.
    pub remote: RemoteOptions,
    /// Time that one command may take; none: no limit.
    pub timeout: Option<std::time::Duration>,
    /// Sources ask nobody; what is not in the store is [`Error::Offline`]. Images have an option of their own, which
    /// MUST be the same. Commands have the network that they would have.
    pub offline: bool,
}

/// Carries ops out over a store.
pub struct LocalWorker {
    store: Store,
    images: ImageStore,
    options: WorkerOptions,
    runner: Runner,
    caches: CacheMounts,
    locks: Locks,
    downloads: Downloads,
    repositories: Repositories,
    /// Who solves the graphs of build ops.
    nested: Mutex<Option<Weak<dyn NestedSolver>>>,
    /// Few: one for each selection of a directory.
    locals: Mutex<Vec<(LocalSource, Arc<LocalSlot>)>>,
}

/// A directory that may still be being looked at: who wants it meanwhile waits.
type LocalSlot = Mutex<Option<Arc<LocalTree>>>;

impl std::fmt::Debug for LocalWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalWorker")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl LocalWorker {
    /// Makes a worker. Nothing is started before it is needed.
    pub fn new(store: Store, images: ImageStore, options: WorkerOptions) -> Self {
        let runner = Runner::new(options.runner.clone());
        let caches = CacheMounts::new(store.root());
        let locks = Locks::new(store.root().join("locks"));
        let reach = Reach {
            options: options.remote.clone(),
            offline: options.offline,
            secrets: Arc::clone(&options.secrets),
        };
        let downloads = Downloads::new(store.clone(), reach.clone());
        let repositories = Repositories::new(store.clone(), reach);
        Self {
            store,
            images,
            options,
            runner,
            caches,
            locks,
            downloads,
            repositories,
            nested: Mutex::default(),
            locals: Mutex::default(),
        }
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

    /// What a command gets for its devices.
    fn devices(&self, op: &ExecOp) -> Result<DeviceEdits> {
        let mut found = Vec::new();
        if op.devices.is_empty() {
            return Ok(DeviceEdits::default());
        }
        let registry = cdi::Registry::read(&self.options.cdi_dirs);
        for wanted in &op.devices {
            let devices = registry.find(&wanted.name);
            if devices.is_empty() && !wanted.optional {
                let name = wanted.name.clone();
                return Err(registry
                    .into_error()
                    .map_or(Error::NoDevice { name }, Error::Devices));
            }
            for device in devices {
                let allowed = &self.options.entitlements.devices;
                if !device.auto_allowed && !allowed.has(&wanted.name, &device.name) {
                    return Err(Error::NotAllowed {
                        entitlement: "device",
                    });
                }
                found.push(device);
            }
        }
        Ok(DeviceEdits::of(&found)?)
    }

    /// Refuses what this version cannot do, and what the build may not.
    ///
    /// # Errors
    /// [`Error::Unsupported`] and [`Error::NotAllowed`].
    pub fn check(&self, vertex: &Vertex) -> Result<()> {
        let missing = |entitlement: &'static str| Err(Error::NotAllowed { entitlement });
        match &vertex.op {
            Op::Exec(exec)
                if exec.network == NetworkMode::Host && !self.options.entitlements.network_host =>
            {
                missing("network.host")
            }
            Op::Exec(exec)
                if exec.security == SecurityMode::Insecure
                    && !self.options.entitlements.security_insecure =>
            {
                missing("security.insecure")
            }
            Op::Exec(exec) => self.devices(exec).map(drop),
            _ => Ok(()),
        }
    }
}

impl Worker for LocalWorker {
    type Output = Output;
    type Error = Error;

    fn quick_cache_map(&self, vertex: &Vertex) -> Option<CacheMap> {
        // What goes wrong here goes wrong again in `cache_map`, which can say so.
        self.check(vertex).ok()?;
        keys::cache_map(vertex, self.images.platform())
    }

    fn cache_map(&self, vertex: &Vertex, context: &StepContext) -> Result<CacheMap> {
        self.check(vertex)?;
        if let Some(map) = keys::cache_map(vertex, self.images.platform()) {
            return Ok(map);
        }
        let digest = match &vertex.op {
            Op::Build(op) => return Ok(nested::cache_map(vertex, op)),
            Op::Source(SourceOp::Local(source)) => tell::local_digest(&self.local(source, context)?.digest()),
            Op::Source(SourceOp::Http(source)) => {
                let download = self.downloads.find(source, &StepProgress::new(context))?;
                tell::http_digest(source, &download)
            }
            Op::Source(SourceOp::Git(source)) => {
                let commit = self.repositories.find(source, &StepProgress::new(context))?;
                tell::git_digest(source, &commit)
            }
            _ => {
                let (image, limit) = self.image(vertex, context)?;
                tell::image_digest(image.chain_id(limit).as_ref())
            }
        };
        Ok(CacheMap {
            digest,
            inputs: Vec::new(),
        })
    }

    fn content_digest(
        &self,
        vertex: &Vertex,
        input: usize,
        output: &Output,
        context: &StepContext,
    ) -> Result<Digest> {
        let edge = vertex.op.inputs()[input];
        let mut hasher = Hasher::new(CONTENT_KEY);
        for selection in keys::selections(&vertex.op, edge) {
            let digest = match output {
                Output::Local(local) => content::digest(&**local, &selection).map_err(Error::ReadTree),
                Output::Tree(tree) => {
                    self.images.ensure_unpacked(tree, &StepProgress::new(context))?;
                    self.tree_digest(tree, &selection)
                }
            };
            hasher.digest(&digest.map_err(|error| missing_source(vertex, &selection, error))?);
        }
        Ok(hasher.finish())
    }

    fn execute(&self, vertex: &Vertex, inputs: &[Output], context: &StepContext) -> Result<Vec<Output>> {
        self.check(vertex)?;
        match &vertex.op {
            Op::Source(SourceOp::Local(source)) => Ok(vec![Output::Local(self.local(source, context)?)]),
            Op::Source(SourceOp::Http(source)) => {
                let progress = StepProgress::new(context);
                let download = self.downloads.find(source, &progress)?;
                Ok(vec![Output::Tree(
                    self.downloads.tree(source, &download, &progress)?,
                )])
            }
            Op::Source(SourceOp::Git(source)) => {
                let progress = StepProgress::new(context);
                let commit = self.repositories.find(source, &progress)?;
                let tree = self.repositories.tree(source, &commit, &progress)?;
                Ok(vec![Output::Tree(tree)])
            }
            Op::Source(_) => {
                let (image, limit) = self.image(vertex, context)?;
                Ok(vec![Output::Tree(self.images.tree(&image, limit)?)])
            }
            Op::Exec(op) => exec::Step::new(self, vertex, op, inputs, context)?.run(),
            Op::File(op) => self.run_file(vertex, op, inputs, context),
            Op::Merge(op) => self.run_merge(vertex, op, inputs, context),
            Op::Diff(op) => self.run_diff(vertex, op, inputs, context),
            Op::Build(op) => Ok(vec![self.run_build(vertex, op, inputs, context)?]),
        }
    }

    fn name(&self, vertex: &Vertex, outputs: &[Output]) -> Option<Digest> {
        matches!(vertex.op, Op::Build(_)).then(|| nested::name(outputs))
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
        let layers: Vec<_> = trees
            .iter()
            .flat_map(|tree| tree.layers.iter().copied())
            .collect();
        self.store
            .layers_exist(&layers)
            .ok()?
            .then(|| trees.into_iter().map(Output::Tree).collect())
    }

    fn tell(&self, vertex: &Vertex, inputs: &[Option<Output>], context: &StepContext) -> Told {
        self.tell_parts(vertex, inputs, context)
    }

    fn glance(&self, vertex: &Vertex, context: &StepContext) -> Option<Vec<Output>> {
        self.glance_at(vertex, context)
    }

    fn known_content(
        &self,
        vertex: &Vertex,
        input: usize,
        output: &Output,
        _: &StepContext,
    ) -> Result<Option<Digest>> {
        self.content_if_known(vertex, input, output)
    }
}

/// What a copy itself would say of a source that is not there.
fn missing_source(vertex: &Vertex, selection: &content::Selection, error: Error) -> Error {
    match (&vertex.op, error) {
        (Op::File(_), Error::ReadTree(TreeError::NotFound(_))) => Error::File(FileError::SourceMissing {
            path: selection.path.clone(),
        }),
        (_, error) => error,
    }
}
