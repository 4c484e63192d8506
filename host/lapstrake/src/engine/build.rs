//! One build: what its frontend and its solver share. Knows nothing of frontends or exporters.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use lapstrake_llb::{Definition, Digest, Edge, Hasher, Op, Vertex, credentials};
use lapstrake_ops::exec::{Network, NetworkTool, NetworkTools, RunnerOptions, Runtime};
use lapstrake_ops::source::image::{ImageOptions, ImageStore};
use lapstrake_ops::{
    AllowedDevices, Entitlements, KnownSecrets, LocalWorker, NestedError, NestedSolver, Output, StoreRecords,
    WorkerOptions,
};
use lapstrake_solver::{CancelToken, Explained, Options, Session, SolveError, Solver, StepContext};
use lapstrake_store::tree::FileTree;
use lapstrake_store::{Store, Tree};

use crate::config::Sandbox;
use crate::error::{Error, Kind, SolveFailure};
use crate::options::{BuildFile, BuildOptions, CompileOptions, Context, Entitlement, NamedSource};
use crate::platform;
use crate::policy::GraphPolicy;
use crate::progress::{Ending, Event, FoundBy, LogChunk, Sink, StatusUpdate, VertexUpdate};
use crate::spec::{Secret, SecretFrom};

use super::frontends::{CONTEXT, local_name};
use super::pins::Pins;
use super::ssh::{self, Agents};
use super::{Client, Engine, EngineOptions};

/// What is solved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The build's own graph.
    Whole,
    /// Something that the frontend wants to see.
    Asked,
}

/// One build.
pub(super) struct Build {
    pub(super) store: Store,
    pub(super) sink: Sink,
    pub(super) cancel: CancelToken,
    /// Whether registries are asked for all tags.
    pub(super) pull: bool,
    /// Whether frontends' debug messages are shown.
    pub(super) debug: bool,
    solver: Solver<LocalWorker, StoreRecords>,
    session: Session<Output>,
    jobs: usize,
    /// What a graph may want.
    policy: GraphPolicy,
    /// What sources are held to.
    pub(super) pins: Pins,
    /// End with the build.
    _agents: Agents,
}

impl Build {
    pub(super) fn new(engine: &Engine, options: &BuildOptions, client: &Client) -> Result<Arc<Self>, Error> {
        let compile = &options.compile;
        let mut contexts = BTreeMap::new();
        let mut layouts = BTreeMap::new();
        if let Context::Directory(path) | Context::Unpacked(path) = &compile.context {
            contexts.insert(CONTEXT.to_owned(), path.clone());
        }
        for (name, source) in &compile.named_contexts {
            match source {
                NamedSource::Directory(path) => {
                    contexts.insert(local_name(name), path.clone());
                }
                NamedSource::OciLayout { path, .. } => {
                    layouts.insert(name.clone(), path.clone());
                }
                NamedSource::Image(_)
                | NamedSource::Target(_)
                | NamedSource::Git(_)
                | NamedSource::Http(_) => {}
            }
        }
        let images = ImageStore::new(
            engine.store.clone(),
            ImageOptions {
                registries: engine.options.registries.clone(),
                credentials: engine.options.credentials.clone(),
                layouts,
                offline: compile.offline,
                platform: platform::host(),
            },
        );
        let search_path = engine.options.remote.search_path.as_deref();
        let agents =
            ssh::agents(&options.ssh, search_path).map_err(|(id, source)| Error::Ssh { id, source })?;
        let worker = LocalWorker::new(
            engine.store.clone(),
            images,
            WorkerOptions {
                contexts,
                entitlements: Entitlements {
                    network_host: options.entitlements.contains(&Entitlement::NetworkHost),
                    security_insecure: options.entitlements.contains(&Entitlement::SecurityInsecure),
                    devices: devices(&options.entitlements),
                },
                secrets: Arc::new(secrets(&options.secrets, agents.sockets.clone())?),
                runner: runner(&engine.options),
                cdi_dirs: engine.options.cdi_dirs.clone(),
                sandbox_network: match engine.options.sandbox {
                    Sandbox::Auto | Sandbox::Pasta | Sandbox::Slirp4netns => Network::Isolated,
                    Sandbox::Host => Network::Host,
                    Sandbox::None => Network::Loopback,
                },
                no_new_privileges: engine.options.no_new_privileges,
                remote: engine.options.remote.clone(),
                timeout: options.step_timeout,
                offline: compile.offline,
            },
        );
        let scope = scope(compile, engine.store.root());
        let records = StoreRecords::new(engine.store.clone()).in_scope(scope);
        let build = Arc::new(Self {
            store: engine.store.clone(),
            sink: client.sink.clone(),
            cancel: client.cancel.clone(),
            pull: compile
                .frontend_options
                .iter()
                .any(|(name, value)| name == "image-resolve-mode" && value == "pull"),
            debug: engine.options.debug,
            solver: Solver::new(worker, records),
            session: Session::new(),
            jobs: options.jobs,
            policy: engine.options.policy.clone(),
            pins: Pins::new(engine, options)?,
            _agents: agents,
        });
        let nested: Weak<Self> = Arc::downgrade(&build);
        build.solver.worker().set_nested_solver(nested);
        Ok(build)
    }

    pub(super) fn images(&self) -> &ImageStore {
        self.solver.worker().images()
    }

    /// Gets the results of some edges of a definition, which MUST be valid. What is skipped is told only of the whole
    /// build's graph: what a frontend asked for on the way may be needed later.
    pub(super) fn solve(
        &self,
        definition: &Definition,
        roots: &[Edge],
        part: Part,
    ) -> Result<Vec<Output>, Error> {
        self.solve_with(definition, roots, &self.solve_options(part))
    }

    fn solve_with(
        &self,
        definition: &Definition,
        roots: &[Edge],
        options: &Options,
    ) -> Result<Vec<Output>, Error> {
        self.check(definition)?;
        let definition = &*self.pins.apply(self.images(), definition)?;
        let definition = &*prepared(definition);
        let digests = definition.digests();
        self.solver
            .solve(&self.session, definition, &digests, roots, options)
            .map_err(|source| failure(source, definition))
    }

    /// Whether the policy allows all of a graph, whoever made it.
    pub(super) fn check(&self, definition: &Definition) -> Result<(), Error> {
        self.policy.check(definition).map_err(Error::Forbidden)
    }

    /// Whether the policy allows a frontend to ask for an image of a registry.
    pub(super) fn check_image(&self, reference: &str) -> Result<(), String> {
        self.policy.check_image(reference)
    }

    /// Explains what [`Build::solve`] would do with what the roots need, and with what is `asked` for.
    pub(super) fn explain(
        &self,
        definition: &Definition,
        roots: &[Edge],
        asked: &[u32],
    ) -> Result<Vec<Explained>, Error> {
        let definition = &*prepared(definition);
        let digests = definition.digests();
        let options = self.solve_options(Part::Asked);
        self.solver
            .explain(&self.session, definition, &digests, roots, asked, &options)
            .map_err(|source| failure(source, definition))
    }

    fn solve_options(&self, part: Part) -> Options {
        let sink = self.sink.clone();
        let events = move |event| {
            let event = translate(event);
            let skipped = matches!(&event, Event::Vertex(update) if update.is_skipped());
            if part == Part::Whole || !skipped {
                sink.send(event);
            }
        };
        Options {
            jobs: self.jobs,
            cancel: self.cancel.clone(),
            events: Arc::new(events),
        }
    }

    /// A result as layers.
    pub(super) fn tree(&self, output: &Output) -> Result<Tree, lapstrake_ops::Error> {
        self.solver.worker().tree(output, &self.context())
    }

    /// A result as files.
    pub(super) fn file_tree(&self, output: &Output) -> Result<Arc<dyn FileTree>, lapstrake_ops::Error> {
        self.solver
            .worker()
            .files(output, &lapstrake_ops::source::progress::Quiet)
    }

    /// A context for work that belongs to no step.
    fn context(&self) -> StepContext {
        let nobody = lapstrake_llb::Digest::from_bytes([0; 32]);
        StepContext::new(nobody, self.cancel.clone(), Arc::new(|_| {}))
    }
}

fn failure(
    source: SolveError<lapstrake_ops::Error, lapstrake_store::Error>,
    definition: &Definition,
) -> Error {
    let sources = definition.sources.clone();
    Error::Solve(Box::new(SolveFailure { source, sources }))
}

/// What is built: the same for all builds of one file in one place. Folders in the store are there for one build only.
fn scope(options: &CompileOptions, store: &Path) -> Digest {
    let mut hasher = Hasher::new("lapstrake.scope");
    let mut path = |path: &Path| {
        if !path.starts_with(store) {
            let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            hasher.field(whole.as_os_str().as_encoded_bytes());
        }
    };
    match &options.context {
        Context::Directory(folder) => path(folder),
        Context::Git(address) | Context::Http(address) => path(Path::new(address)),
        // The path of its build file is one in the archive.
        Context::Unpacked(_) => return hasher.finish(),
        Context::Empty | Context::Stdin => {}
    }
    match &options.file {
        BuildFile::Path(file) => path(file),
        BuildFile::Url(url) => path(Path::new(url)),
        BuildFile::Default | BuildFile::Stdin | BuildFile::Given(_) => {}
    }
    hasher.finish()
}

impl NestedSolver for Build {
    fn solve_nested(
        &self,
        definition: &Definition,
        root: Edge,
        cancel: &CancelToken,
    ) -> Result<Output, lapstrake_ops::Error> {
        let options = Options {
            cancel: cancel.clone(),
            ..self.solve_options(Part::Asked)
        };
        let outputs = self.solve_with(definition, &[root], &options).map_err(|error| {
            let kind = error.kind();
            if kind == Kind::Interrupted {
                return lapstrake_ops::Error::Cancelled;
            }
            NestedError::Failed {
                source: Box::new(error),
                environment: kind == Kind::Environment,
            }
            .into()
        })?;
        // One root was asked for.
        outputs.into_iter().next().ok_or(lapstrake_ops::Error::Cancelled)
    }
}

/// The definition as it is solved: names have no credentials in them, as they get into records, layers and explanations;
/// build ops are executed in every build: what is in them may have changed though they have not. Their own steps are cached.
pub(super) fn prepared(definition: &Definition) -> Cow<'_, Definition> {
    let is_build = |vertex: &Vertex| matches!(vertex.op, Op::Build(_));
    let tells = |vertex: &Vertex| credentials::are_in(&vertex.metadata.name);
    let changes = |vertex: &Vertex| is_build(vertex) || tells(vertex);
    if !definition.vertices.iter().any(changes) {
        return Cow::Borrowed(definition);
    }
    let mut definition = definition.clone();
    for vertex in definition.vertices.iter_mut().filter(|vertex| changes(vertex)) {
        vertex.metadata.ignore_cache |= is_build(vertex);
        vertex.metadata.name = credentials::redact(&vertex.metadata.name);
    }
    Cow::Owned(definition)
}

fn devices(entitlements: &BTreeSet<Entitlement>) -> AllowedDevices {
    if entitlements.contains(&Entitlement::Device(None)) {
        return AllowedDevices::All;
    }
    let names = entitlements.iter().filter_map(|entitlement| match entitlement {
        Entitlement::Device(name) => name.clone(),
        _ => None,
    });
    AllowedDevices::Named(names.collect())
}

fn runner(engine: &EngineOptions) -> RunnerOptions {
    let mut options = RunnerOptions::default();
    // No more than a runtime needs: among the others may be secrets.
    options.helper.env = ["PATH", "XDG_RUNTIME_DIR"]
        .into_iter()
        .filter_map(|name| Some((name.into(), std::env::var_os(name)?)))
        .collect();
    if let Some(program) = &engine.oci_runtime {
        options.runtime = Runtime::External(program.clone());
    }
    options.network = NetworkTools {
        only: match engine.sandbox {
            Sandbox::Pasta => Some(NetworkTool::Pasta),
            Sandbox::Slirp4netns => Some(NetworkTool::Slirp4netns),
            Sandbox::Auto | Sandbox::Host | Sandbox::None => None,
        },
        path: std::env::var_os("PATH").unwrap_or_default(),
    };
    options
}

/// The secrets and SSH agents of a build that has no worker. The agents end with the first of the two.
pub(super) fn known_secrets(
    engine: &Engine,
    options: &BuildOptions,
) -> Result<(Agents, Arc<KnownSecrets>), Error> {
    let search_path = engine.options.remote.search_path.as_deref();
    let agents = ssh::agents(&options.ssh, search_path).map_err(|(id, source)| Error::Ssh { id, source })?;
    let known = Arc::new(secrets(&options.secrets, agents.sockets.clone())?);
    Ok((agents, known))
}

fn secrets(list: &[Secret], ssh_agents: BTreeMap<String, PathBuf>) -> Result<KnownSecrets, Error> {
    let mut known = KnownSecrets {
        ssh_agents,
        ..KnownSecrets::default()
    };
    for secret in list {
        let failed = |from: String, source| Error::Secret {
            id: secret.id.clone(),
            from,
            source,
        };
        let value = match &secret.from {
            SecretFrom::File(path) => {
                std::fs::read(path).map_err(|source| failed(path.display().to_string(), source))?
            }
            SecretFrom::Env(name) => match std::env::var_os(name) {
                Some(value) => std::os::unix::ffi::OsStringExt::into_vec(value),
                None => {
                    let missing = std::io::Error::new(std::io::ErrorKind::NotFound, "it is not set");
                    return Err(failed(format!("the environment variable {name}"), missing));
                }
            },
        };
        known.secrets.insert(secret.id.clone(), value);
    }
    Ok(known)
}

/// The solver's events in the words of progress.
fn translate(event: lapstrake_solver::Event) -> Event {
    use lapstrake_solver::{Ending as Solved, Event as Told, Stream};
    match event {
        Told::Started {
            vertex,
            name,
            inputs,
            at,
        } => Event::Vertex(VertexUpdate {
            digest: vertex,
            name,
            inputs,
            started: Some(at),
            completed: None,
            result: None,
        }),
        Told::Finished {
            vertex,
            name,
            inputs,
            started,
            at,
            result,
            by_content,
            ending,
        } => {
            let ending = match ending {
                Solved::Done => Ending::Done,
                Solved::Cached if by_content => Ending::Cached(FoundBy::Content),
                Solved::Cached => Ending::Cached(FoundBy::Local),
                Solved::Skipped => Ending::Skipped,
                Solved::Cancelled => Ending::Cancelled,
                Solved::Failed(error) => Ending::Failed(error),
            };
            let completed = Some((at, ending));
            Event::Vertex(VertexUpdate {
                digest: vertex,
                name,
                inputs,
                // BuildKit's cached vertices begin when they end.
                started: started.or(match completed {
                    Some((at, Ending::Cached(_))) => Some(at),
                    _ => None,
                }),
                completed,
                result,
            })
        }
        Told::Log {
            vertex,
            stream,
            data,
            at,
        } => {
            let stream = if stream == Stream::Stdout { 1 } else { 2 };
            Event::Log(LogChunk {
                vertex,
                stream,
                data,
                timestamp: at,
            })
        }
        Told::Status {
            vertex,
            id,
            current,
            total,
            started,
            at,
            done,
        } => Event::Status(StatusUpdate {
            vertex,
            id,
            current,
            total,
            timestamp: at,
            started,
            completed: done.then_some(at),
        }),
    }
}
