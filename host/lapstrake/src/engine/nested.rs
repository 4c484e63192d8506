//! Builds that a frontend asks for while it works: another frontend reads a text that the first one has, such as a build
//! file that an earlier step made. Knows nothing of how graphs are solved.

use std::path::PathBuf;
use std::sync::Arc;

use lapstrake_frontend::{
    Asking, BuildFailure, BuildResult, Cancel, Chain, Frontend, FrontendError, FrontendPlace, FrontendSource,
    Frontends, Gateway, Limits, Link, Request, Speaker, resolve, syntax,
};

use crate::error::chain;
use crate::options::{CompileOptions, Context};
use crate::trust::{Asked, Trust, TrustError};

use super::Engine;
use super::build::Build;
use super::frontends::{self, DEFAULT_FRONTEND, StoredResults};
use super::pins::Pins;

/// Builds inside of builds inside of a build.
const DEEPEST: u32 = 8;

/// How nested builds find their frontends.
#[derive(Clone)]
pub(super) struct Nested {
    frontends: Frontends,
    context: Option<PathBuf>,
    trust: Trust,
    limits: Limits,
    cancel: Cancel,
    left: u32,
}

impl Nested {
    pub(super) fn new(engine: &Engine, options: &CompileOptions, cancel: &Cancel) -> Self {
        let context = match &options.context {
            Context::Directory(path) | Context::Unpacked(path) => Some(path.clone()),
            Context::Empty | Context::Stdin | Context::Git(_) | Context::Http(_) => None,
        };
        Self {
            frontends: engine.frontends.clone(),
            context,
            trust: frontends::trust(engine, options.frontend_policy),
            limits: frontends::limits(&options.limits),
            cancel: cancel.clone(),
            left: DEEPEST,
        }
    }

    /// As it is for the frontends of a nested build; none: these may not nest any more.
    pub(super) fn inner(&self) -> Option<Self> {
        let left = self.left.checked_sub(1)?;
        Some(Self { left, ..self.clone() })
    }

    /// Builds the request's main source with the frontend that is named, or that it names.
    pub(super) fn build(
        &self,
        frontend: Option<&str>,
        request: &Request,
        gateway: Arc<dyn Gateway>,
        build: &Build,
    ) -> Result<BuildResult, BuildFailure> {
        let line = match (frontend, request.sources.first()) {
            (Some(reference), _) => syntax::said(reference),
            (None, Some(main)) => {
                let line = syntax::detect(main.text.as_bytes());
                line.unwrap_or_else(|| syntax::said(DEFAULT_FRONTEND))
            }
            (None, None) => {
                return Err(BuildFailure::Failed(
                    "the nested build has no build file".to_owned(),
                ));
            }
        };
        let speaker = Speaker::BuildFile(self.context.as_deref());
        let mut links = Vec::new();
        for link in std::iter::once(&line).chain(&line.then) {
            links.push(Link {
                frontend: Arc::new(self.find(&link.reference, speaker, &build.pins)?),
                arguments: link.arguments.clone(),
            });
        }
        let chain = Chain::new(links, &self.limits, &self.cancel).map_err(failure)?;
        let asking = Asking {
            gateway,
            limits: &self.limits,
            cancel: &self.cancel,
            results: Some(&StoredResults(&build.store)),
        };
        chain.build(request, &asking).map_err(failure)
    }

    /// Finds a frontend, which must be on this machine and may run, and is the locked one where that matters.
    fn find(&self, reference: &str, speaker: Speaker<'_>, pins: &Pins) -> Result<Frontend, BuildFailure> {
        let refused =
            |error: TrustError| BuildFailure::Failed(format!("{}; {}", chain(&error), error.hint()));
        let found = resolve(reference, speaker).map_err(|error| BuildFailure::Failed(chain(&error)))?;
        let asked = Asked {
            reference,
            place: &found,
            pinned: pins.lock().is_some_and(|lock| lock.frontend(reference).is_some()),
            by_person: false,
        };
        self.trust.before(asked).map_err(refused)?;
        let FrontendPlace::Here(source) = found else {
            return Err(BuildFailure::Failed(format!(
                "the frontend {reference} is not on this machine: a nested build takes built-in ones and files of the context"
            )));
        };
        let frontend = self.frontends.load(&source).map_err(failure)?;
        let is_built_in = matches!(source, FrontendSource::BuiltIn(_));
        pins.frontend(reference, &frontend, is_built_in, &self.trust)
            .map_err(refused)?;
        Ok(frontend)
    }
}

fn failure(error: FrontendError) -> BuildFailure {
    match error {
        FrontendError::Diagnostics(report) => BuildFailure::Invalid(report),
        FrontendError::UnknownTarget(target) => BuildFailure::UnknownTarget(target),
        other => BuildFailure::Failed(chain(&other)),
    }
}
