//! The engine: wires frontends, solver, worker, store and exporters together. The command line is one client of it.
//! Knows nothing of words, terminals or exit codes.

mod arguments;
mod build;
mod build_file;
mod components;
pub mod editor;
mod epoch;
mod export;
mod frontends;
mod gateway;
mod lock;
mod look;
mod names;
mod nested;
mod pins;
mod remote;
mod ssh;
mod stdin;
mod step;
mod why;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lapstrake_frontend::{Asking, Cancel, Frontends};
use lapstrake_llb::{BuiltImage, Definition, Report};
use lapstrake_ops::source::credentials::CredentialOptions;
use lapstrake_ops::source::registry::RegistryConfig;
use lapstrake_ops::source::remote::{RemoteOptions, redact};
use lapstrake_solver::CancelToken;
use lapstrake_store::Store;

pub use build_file::BuildFileError;
pub use components::Known;
pub use export::{Exported, Outcome};
pub use gateway::SolvedTree;
pub use look::{Looked, Looker};
pub use ssh::SshError;
pub use why::{Explanation, Wanted};

use crate::config::Sandbox;
use crate::error::Error;
use crate::gc::GcLimits;
use crate::options::{BuildFile, BuildOptions, CompileOptions};
use crate::policy::GraphPolicy;
use crate::progress::Sink;
use crate::trust::Trust;

use build::{Build, Part};
use frontends::{Prepared, StoredResults, as_gateway};
use gateway::BuildGateway;
use nested::Nested;
use step::Step;

/// What an engine works with, whatever it builds.
#[derive(Debug, Clone, Default)]
pub struct EngineOptions {
    /// What is known of registries.
    pub registries: RegistryConfig,
    /// Where credentials are looked for.
    pub credentials: CredentialOptions,
    /// How servers that are no registries are reached.
    pub remote: RemoteOptions,
    /// OCI runtime to use instead of the built-in one.
    pub oci_runtime: Option<PathBuf>,
    /// Directories of CDI specifications, the weakest first.
    pub cdi_dirs: Vec<PathBuf>,
    /// What network commands without wishes are in.
    pub sandbox: Sandbox,
    /// Whether set-user-ID programs and file capabilities are without effect in commands.
    pub no_new_privileges: bool,
    /// Whether frontends' debug messages are shown.
    pub debug: bool,
    /// Which frontends may run.
    pub trust: Trust,
    /// What they may want done.
    pub policy: GraphPolicy,
    /// What the store may take when a build has ended; none: no garbage is collected.
    pub gc: Option<GcLimits>,
}

/// The engine, over one store.
pub struct Engine {
    store: Store,
    frontends: Frontends,
    options: EngineOptions,
}

/// A build file's graph.
pub struct Compiled {
    /// The graph.
    pub definition: Definition,
    /// What it makes, one for each platform.
    pub images: Vec<BuiltImage>,
    /// What is questionable in the source.
    pub warnings: Report,
}

/// Who wants a build and hears of it.
#[derive(Clone)]
pub struct Client {
    /// Where events go.
    pub sink: Sink,
    /// Ends it.
    pub cancel: CancelToken,
}

/// The answer of a frontend to something else than a build.
pub enum Answer {
    /// What may be wrong with the source.
    Check(Report),
    /// What a target takes.
    Outline(lapstrake_frontend::Outline),
    /// The targets, and the files that their places are in.
    Targets(
        Vec<lapstrake_frontend::TargetInfo>,
        Vec<lapstrake_llb::SourceFile>,
    ),
    /// What the frontend is.
    Describe(lapstrake_frontend::FrontendInfo),
    /// What the frontend says to a name of its own.
    Named(lapstrake_frontend::CallResult),
}

impl Engine {
    /// Opens the store at `root`, and makes it where there is none.
    ///
    /// # Errors
    /// The store cannot be used.
    pub fn open(root: &Path, options: EngineOptions) -> Result<Self, Error> {
        let store = Store::open(root)?;
        let frontends = Frontends::new(Some(&store.compiled_dir()));
        Ok(Self {
            store,
            frontends,
            options,
        })
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Compiles a build file to a graph. Runs nothing but what the frontend asks for.
    ///
    /// # Errors
    /// There is no build file or frontend, or the frontend found errors.
    pub fn compile(&self, options: &BuildOptions, client: &Client) -> Result<Compiled, Error> {
        let taken = self.take_stdin(options)?;
        let options = &*taken.options;
        let build = Build::new(self, options, client)?;
        let options = epoch::resolve(&build, options)?;
        self.compile_in(&build, &options.compile)
    }

    fn take_stdin<'a>(&self, options: &'a BuildOptions) -> Result<stdin::Taken<'a>, Error> {
        stdin::take(&self.store, options, std::io::stdin())
    }

    fn prepare(&self, build: &Build, options: &CompileOptions, cancel: &Cancel) -> Result<Prepared, Error> {
        let name = match &options.file {
            BuildFile::Path(path) => path.display().to_string(),
            BuildFile::Stdin | BuildFile::Given(_) => "standard input".to_owned(),
            BuildFile::Url(url) => redact(url),
            BuildFile::Default => names::default_name(self, options),
        };
        let step = Step::begin(
            &build.sink,
            &format!("[internal] load build definition from {name}"),
        );
        let loaded = frontends::read(self, build, options);
        let loaded = step.end_with(loaded)?;
        frontends::prepare(self, build, options, loaded, cancel)
    }

    fn compile_in(&self, build: &Arc<Build>, options: &CompileOptions) -> Result<Compiled, Error> {
        let cancel = Cancel::new();
        let theirs = cancel.clone();
        let _registration = build.cancel.on_cancel(move || theirs.cancel());
        let prepared = self.prepare(build, options, &cancel)?;
        let mut compiled = self.compile_prepared(build, options, &prepared, &cancel)?;
        let pinned = build.pins.apply(build.images(), &compiled.definition)?;
        compiled.definition = pinned.into_owned();
        build.check(&compiled.definition)?;
        Ok(compiled)
    }

    fn compile_prepared(
        &self,
        build: &Arc<Build>,
        options: &CompileOptions,
        prepared: &Prepared,
        cancel: &Cancel,
    ) -> Result<Compiled, Error> {
        let nested = Nested::new(self, options, cancel);
        let gateway = BuildGateway::new(Arc::clone(build), Some(nested));
        let gateway = Arc::new(gateway);
        let results = StoredResults(&self.store);
        let asking = Asking {
            gateway: as_gateway(&gateway),
            limits: &prepared.limits,
            cancel,
            results: Some(&results),
        };
        let result = prepared.frontend.build(&prepared.request, &asking);
        let result = result.map_err(|error| prepared.failure(error, gateway.failures()))?;
        gateway::warn(&build.sink, result.warnings.clone());
        Ok(Compiled {
            definition: result.definition,
            images: result.images,
            warnings: result.warnings,
        })
    }

    /// Builds, and writes the outputs.
    ///
    /// # Errors
    /// Whatever went wrong first; what ran has ended, and nothing half-written is left.
    pub fn build(&self, options: &BuildOptions, client: &Client) -> Result<Outcome, Error> {
        let outcome = self.build_only(options, client);
        // What was used is noted in one write; a note that is lost costs a little order in the garbage collection.
        let _ = self.store.flush();
        self.collect(client);
        outcome
    }

    fn build_only(&self, options: &BuildOptions, client: &Client) -> Result<Outcome, Error> {
        let taken = self.take_stdin(options)?;
        let options = &*taken.options;
        let build = Build::new(self, options, client)?;
        let options = &*epoch::resolve(&build, options)?;
        let compiled = self.compile_in(&build, &options.compile)?;
        let roots: Vec<_> = compiled.images.iter().filter_map(|image| image.root).collect();
        let mut outputs = build
            .solve(&compiled.definition, &roots, Part::Whole)?
            .into_iter();
        let mut results = Vec::new();
        for image in compiled.images {
            let output = image.root.and_then(|_| outputs.next());
            results.push((image, output));
        }
        export::export(&build, options, results, || {
            let digests = compiled.definition.digests();
            let vertex = |root: &lapstrake_llb::Edge| digests.get(root.vertex as usize).copied();
            roots.iter().filter_map(vertex).collect()
        })
    }

    /// Keeps the store within its limits. A failure is none of the build's: the next one tries again.
    fn collect(&self, client: &Client) {
        let Some(gc) = self.options.gc.filter(|_| !client.cancel.is_cancelled()) else {
            return;
        };
        if let Ok(space) = self.store.space() {
            let _ = self.store.collect(&gc.on(space));
        }
    }

    /// Asks a frontend something else than a build: `check`, `outline`, `targets`, `describe` or a name of its own.
    ///
    /// # Errors
    /// As [`Engine::compile`]; or the frontend does not know the name.
    pub fn call(&self, what: &str, options: &BuildOptions, client: &Client) -> Result<Answer, Error> {
        let taken = self.take_stdin(options)?;
        let options = &*taken.options;
        let build = Build::new(self, options, client)?;
        let options = &*epoch::resolve(&build, options)?;
        let cancel = Cancel::new();
        let theirs = cancel.clone();
        let _registration = client.cancel.on_cancel(move || theirs.cancel());
        let prepared = self.prepare(&build, &options.compile, &cancel)?;
        let nested = Nested::new(self, &options.compile, &cancel);
        let gateway = BuildGateway::new(Arc::clone(&build), Some(nested));
        let gateway = Arc::new(gateway);
        let (frontend, request, limits) = (&prepared.frontend, &prepared.request, &prepared.limits);
        let asking = Asking {
            gateway: as_gateway(&gateway),
            limits,
            cancel: &cancel,
            results: None,
        };
        let answer = match what {
            "check" => frontend.lint(request, &asking).map(Answer::Check),
            "outline" => frontend.outline(request, &asking).map(Answer::Outline),
            "targets" => frontend
                .list_targets(request, &asking)
                .map(|targets| Answer::Targets(targets, request.sources.clone())),
            "describe" | "subrequests.describe" => frontend.describe(limits, &cancel).map(Answer::Describe),
            name => {
                let info = frontend
                    .describe(limits, &cancel)
                    .map_err(|error| prepared.failure(error, gateway.failures()))?;
                if !info.calls.iter().any(|call| call.name == name) {
                    let own = info.calls.into_iter().map(|call| call.name);
                    let known = ["check", "outline", "targets", "describe"]
                        .map(str::to_owned)
                        .into_iter()
                        .chain(own);
                    let frontend = info.name;
                    return Err(Error::UnknownCall {
                        frontend,
                        name: name.to_owned(),
                        known: known.collect(),
                    });
                }
                frontend.call_named(name, request, &asking).map(Answer::Named)
            }
        };
        answer.map_err(|error| prepared.failure(error, gateway.failures()))
    }
}
