//! The host functions: every call of a guest goes from here to the gateway. Halts the guest's clock meanwhile, and
//! bounds what a guest can make the host do. Knows nothing of who answers.

use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker, Resource, ResourceTable};

use crate::bindings::FrontendWorld;
use crate::bindings::lapstrake::frontend::{diagnostics, host, llb, requests};
use crate::convert::checked_definition;
use crate::gateway::{FileError, Gateway, LogLevel, Reference};
use crate::limits::{Budget, Limits, Logged, MAX_LOG_MESSAGE, MAX_READ, MAX_REFERENCES, MemoryLimiter};
use crate::stop::Stop;
use crate::watch::Watch;

/// Longer last words are cut, bytes.
const MAX_LAST_WORDS: usize = 1000;

/// What a guest's handle of a `reference` stands for.
pub struct ReferenceHandle(Arc<dyn Reference>);

/// The store's data: the host's side of one call.
pub(crate) struct State {
    pub(crate) memory: MemoryLimiter,
    gateway: Arc<dyn Gateway>,
    watch: Arc<Watch>,
    graph: lapstrake_llb::Limits,
    references: ResourceTable,
    budget: Budget,
    /// What the guest logged last as a warning.
    last_words: Option<String>,
}

impl State {
    pub(crate) fn new(gateway: Arc<dyn Gateway>, watch: Arc<Watch>, limits: &Limits) -> Self {
        let mut references = ResourceTable::new();
        references.set_max_capacity(MAX_REFERENCES);
        Self {
            memory: MemoryLimiter::new(limits.memory),
            gateway,
            watch,
            graph: limits.graph.clone(),
            references,
            budget: Budget::new(limits),
            last_words: None,
        }
    }

    /// What the guest logged last as a warning: why it crashed, if it did.
    pub(crate) fn last_words(&self) -> Option<&str> {
        self.last_words.as_deref()
    }

    /// Asks the gateway with the clock halted, and goes back to the guest only if it may go on.
    fn ask<T>(&mut self, question: impl FnOnce(&dyn Gateway) -> T) -> wasmtime::Result<T> {
        self.budget.call()?;
        let answer = {
            let _halted = self.watch.in_host();
            question(self.gateway.as_ref())
        };
        self.watch.check()?;
        Ok(answer)
    }

    /// The same, of a reference.
    fn ask_reference<T>(
        &mut self,
        handle: &Resource<ReferenceHandle>,
        question: impl FnOnce(&dyn Reference) -> Result<T, FileError>,
    ) -> wasmtime::Result<Result<T, host::FileError>> {
        let reference = Arc::clone(&self.references.get(handle)?.0);
        let answer = self.ask(|_| question(reference.as_ref()))?;
        Ok(answer.map_err(Into::into))
    }
}

/// Makes every import of the world available.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    FrontendWorld::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

impl llb::Host for State {}

impl diagnostics::Host for State {}

impl requests::Host for State {}

impl host::Host for State {
    fn resolve_image_configs(
        &mut self,
        requests: Vec<host::ImageRequest>,
    ) -> wasmtime::Result<Vec<Result<host::ImageInfo, String>>> {
        let expected = requests.len();
        self.budget.images(expected)?;
        let requests = requests.into_iter().map(Into::into).collect();
        let answers = self.ask(|gateway| gateway.resolve_image_configs(requests))?;
        if answers.len() != expected {
            return Err(Stop::Gateway.into());
        }
        Ok(answers.into_iter().map(|answer| answer.map(Into::into)).collect())
    }

    fn solve(
        &mut self,
        definition: llb::Definition,
        roots: Vec<llb::Edge>,
    ) -> wasmtime::Result<Result<Vec<Resource<ReferenceHandle>>, host::SolveError>> {
        self.budget.solve()?;
        let (definition, roots) = match checked_definition(definition, roots, &self.graph) {
            Ok(checked) => checked,
            Err(error) => return Ok(Err(host::SolveError::InvalidDefinition(error.to_string()))),
        };
        let expected = roots.len();
        let references = match self.ask(|gateway| gateway.solve(definition, roots))? {
            Ok(references) if references.len() == expected => references,
            Ok(_) => return Err(Stop::Gateway.into()),
            Err(error) => return Ok(Err(error.into())),
        };
        let mut handles = Vec::with_capacity(references.len());
        for reference in references {
            let handle = self.references.push(ReferenceHandle(reference));
            handles.push(handle.map_err(|_| Stop::TooMany("open trees"))?);
        }
        Ok(Ok(handles))
    }

    fn build_file(
        &mut self,
        frontend: Option<String>,
        request: host::Request,
    ) -> wasmtime::Result<Result<host::BuildResult, host::BuildError>> {
        self.budget.solve()?;
        let request = request.into();
        let built = self.ask(|gateway| gateway.build_file(frontend.as_deref(), request, &|inner| inner))?;
        Ok(built.map(Into::into).map_err(Into::into))
    }

    fn progress(&mut self, name: String, current: u64, total: Option<u64>) -> wasmtime::Result<()> {
        match self.budget.log(name.len()) {
            Logged::Shown => self.ask(|gateway| gateway.progress(&name, current, total)),
            Logged::Last | Logged::LeftOut => Ok(self.budget.call()?),
        }
    }

    fn log(&mut self, level: host::LogLevel, message: String) -> wasmtime::Result<()> {
        if LogLevel::from(level) == LogLevel::Warn {
            self.last_words = Some(message[..message.floor_char_boundary(MAX_LAST_WORDS)].to_owned());
        }
        match self.budget.log(message.len()) {
            Logged::Shown => {
                let shown = &message[..message.floor_char_boundary(MAX_LOG_MESSAGE)];
                self.ask(|gateway| gateway.log(level.into(), shown))
            }
            Logged::Last => {
                let message = "more messages of the frontend are left out";
                self.ask(|gateway| gateway.log(LogLevel::Warn, message))
            }
            Logged::LeftOut => Ok(self.budget.call()?),
        }
    }

    fn warn(&mut self, warnings: diagnostics::Report) -> wasmtime::Result<()> {
        let warnings = lapstrake_llb::Report::from(warnings);
        self.budget.warn(&warnings)?;
        self.ask(|gateway| gateway.warn(warnings))
    }
}

impl host::HostReference for State {
    fn read_file(
        &mut self,
        reference: Resource<ReferenceHandle>,
        path: String,
        part: Option<host::ByteRange>,
    ) -> wasmtime::Result<Result<Vec<u8>, host::FileError>> {
        let part = part.map(Into::into);
        self.ask_reference(&reference, |tree| bounded(tree.read_file(&path, part)?))
    }

    fn read_text(
        &mut self,
        reference: Resource<ReferenceHandle>,
        path: String,
    ) -> wasmtime::Result<Result<String, host::FileError>> {
        self.ask_reference(&reference, |tree| bounded(tree.read_text(&path)?))
    }

    fn read_dir(
        &mut self,
        reference: Resource<ReferenceHandle>,
        path: String,
        pattern: Option<String>,
    ) -> wasmtime::Result<Result<Vec<host::FileInfo>, host::FileError>> {
        let entries = self.ask_reference(&reference, |tree| tree.read_dir(&path, pattern.as_deref()))?;
        Ok(entries.map(|entries| entries.into_iter().map(Into::into).collect()))
    }

    fn stat(
        &mut self,
        reference: Resource<ReferenceHandle>,
        path: String,
    ) -> wasmtime::Result<Result<host::FileInfo, host::FileError>> {
        let info = self.ask_reference(&reference, |tree| tree.stat(&path))?;
        Ok(info.map(Into::into))
    }

    fn drop(&mut self, reference: Resource<ReferenceHandle>) -> wasmtime::Result<()> {
        self.references.delete(reference)?;
        Ok(())
    }
}

/// Holds an answer to the limit, should the gateway not have.
fn bounded<T: AsRef<[u8]>>(data: T) -> Result<T, FileError> {
    if data.as_ref().len() as u64 > MAX_READ {
        Err(FileError::TooLarge)
    } else {
        Ok(data)
    }
}
