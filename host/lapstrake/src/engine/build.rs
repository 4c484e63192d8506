//! One build: what its frontend and its solver share. Knows nothing of frontends or exporters.

use std::collections::BTreeMap;
use std::sync::Arc;

use lapstrake_llb::{Definition, Edge};
use lapstrake_ops::exec::{Network, NetworkTool, NetworkTools, RunnerOptions, Runtime};
use lapstrake_ops::source::image::{ImageOptions, ImageStore};
use lapstrake_ops::{Entitlements, KnownSecrets, LocalWorker, Output, StoreRecords, WorkerOptions};
use lapstrake_solver::{CancelToken, Options, Session, Solver, StepContext};
use lapstrake_store::tree::FileTree;
use lapstrake_store::{Store, Tree};

use crate::config::Sandbox;
use crate::error::{Error, SolveFailure};
use crate::options::{BuildOptions, Context, Entitlement, NamedSource};
use crate::platform;
use crate::progress::{Ending, Event, LogChunk, Sink, StatusUpdate, VertexUpdate};
use crate::spec::{Secret, SecretFrom};

use super::frontends::{CONTEXT, local_name};
use super::{Client, Engine, EngineOptions};

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
}

impl Build {
    pub(super) fn new(engine: &Engine, options: &BuildOptions, client: &Client) -> Result<Self, Error> {
        let compile = &options.compile;
        let mut contexts = BTreeMap::new();
        let mut layouts = BTreeMap::new();
        if let Context::Directory(path) = &compile.context {
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
                NamedSource::Image(_) | NamedSource::Target(_) => {}
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
        let worker = LocalWorker::new(
            engine.store.clone(),
            images,
            WorkerOptions {
                contexts,
                entitlements: Entitlements {
                    network_host: options.entitlements.contains(&Entitlement::NetworkHost),
                    security_insecure: options.entitlements.contains(&Entitlement::SecurityInsecure),
                },
                secrets: Arc::new(secrets(&options.secrets)?),
                runner: runner(&engine.options),
                sandbox_network: match engine.options.sandbox {
                    Sandbox::Auto | Sandbox::Pasta | Sandbox::Slirp4netns => Network::Isolated,
                    Sandbox::Host => Network::Host,
                    Sandbox::None => Network::Loopback,
                },
                no_new_privileges: engine.options.no_new_privileges,
                timeout: options.step_timeout,
                offline: compile.offline,
            },
        );
        Ok(Self {
            store: engine.store.clone(),
            sink: client.sink.clone(),
            cancel: client.cancel.clone(),
            pull: compile
                .frontend_options
                .iter()
                .any(|(name, value)| name == "image-resolve-mode" && value == "pull"),
            debug: engine.options.debug,
            solver: Solver::new(worker, StoreRecords::new(engine.store.clone())),
            session: Session::new(),
            jobs: options.jobs,
        })
    }

    pub(super) fn client(&self) -> Client {
        Client {
            sink: self.sink.clone(),
            cancel: self.cancel.clone(),
        }
    }

    pub(super) fn images(&self) -> &ImageStore {
        self.solver.worker().images()
    }

    /// Gets the results of some edges of a definition, which MUST be valid.
    pub(super) fn solve(&self, definition: &Definition, roots: &[Edge]) -> Result<Vec<Output>, Error> {
        let sink = self.sink.clone();
        let options = Options {
            jobs: self.jobs,
            cancel: self.cancel.clone(),
            events: Arc::new(move |event| sink.send(translate(event))),
        };
        let digests = definition.digests();
        self.solver
            .solve(&self.session, definition, &digests, roots, &options)
            .map_err(|source| {
                Error::Solve(Box::new(SolveFailure {
                    source,
                    sources: definition.sources.clone(),
                }))
            })
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

fn secrets(list: &[Secret]) -> Result<KnownSecrets, Error> {
    let mut known = KnownSecrets::default();
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
        }),
        Told::Finished {
            vertex,
            name,
            inputs,
            started,
            at,
            ending,
        } => {
            let ending = match ending {
                Solved::Done => Ending::Done,
                Solved::Cached => Ending::Cached,
                Solved::Cancelled => Ending::Cancelled,
                Solved::Failed(error) => Ending::Failed(error),
            };
            let completed = Some((at, ending));
            Event::Vertex(VertexUpdate {
                digest: vertex,
                name,
                inputs,
                started: Some(started),
                completed,
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
