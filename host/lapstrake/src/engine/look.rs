//! What is done with a frontend beside building: looking at it, taking it out of a registry and putting it into one.
//! Knows nothing of build files.

use std::path::Path;

use lapstrake_frontend::{
    Cancel, Frontend, FrontendInfo, FrontendSource, Inspection, Limits, Speaker, resolve,
};
use lapstrake_ops::source::component::{Component, Pushed, World};
use lapstrake_ops::source::progress::Quiet;

use crate::error::{Error, FrontendFailure};
use crate::options::{BuildFile, BuildOptions, CompileOptions, Context, FrontendLimits, LockUse};
use crate::trust::{Asked, FrontendPolicy, TrustError};

use super::build::Build;
use super::{Client, Engine};
use super::{components, frontends};

/// How a frontend is looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Looker {
    /// Nobody is asked over the network.
    pub offline: bool,
    /// Which frontends may run; none: as the engine's options say.
    pub policy: Option<FrontendPolicy>,
}

/// A frontend that was looked at.
pub struct Looked {
    /// The frontend.
    pub frontend: Frontend,
    /// What its registry has, where it comes from one.
    pub component: Option<Component>,
    /// What it imports and exports.
    pub inspection: Inspection,
    /// What it says of itself, where it may be asked; else why it was not.
    pub info: Result<FrontendInfo, Error>,
}

/// A frontend, what its registry has, and whether it may run.
type Got = (Frontend, Option<Component>, Result<(), TrustError>);

impl Engine {
    /// Looks at a frontend as a person names it. It is asked what it is only where it may run.
    ///
    /// # Errors
    /// There is no such frontend, or it cannot be fetched.
    pub fn look(&self, reference: &str, looker: Looker, client: &Client) -> Result<Looked, Error> {
        let (frontend, component, trusted) = self.get(reference, looker, client)?;
        let failed = |source| failure(reference, source);
        let inspection = frontend.inspect().map_err(failed)?;
        let info = match trusted {
            Err(source) => Err(Error::Trust { place: None, source }),
            Ok(()) => frontend
                .describe(&Limits::default(), &Cancel::new())
                .map_err(failed),
        };
        Ok(Looked {
            frontend,
            component,
            inspection,
            info,
        })
    }

    /// The bytes of a frontend as a person names it.
    ///
    /// # Errors
    /// As [`Engine::look`]; also where it is built in, and where it may not come from there.
    pub fn pull(
        &self,
        reference: &str,
        looker: Looker,
        client: &Client,
    ) -> Result<(Component, Vec<u8>), Error> {
        let (frontend, component, trusted) = self.get(reference, looker, client)?;
        trusted.map_err(|source| Error::Trust { place: None, source })?;
        let component = component.ok_or_else(|| Error::NotInRegistry {
            reference: reference.to_owned(),
        })?;
        debug_assert_eq!(frontend.digest(), component.digest);
        let wasm = self.store.blob_bytes(&component.digest)?;
        Ok((component, wasm))
    }

    /// Puts the component of a file into a registry.
    ///
    /// # Errors
    /// It is no frontend, or the registry does not take it.
    pub fn push(&self, reference: &str, file: &Path) -> Result<Pushed, Error> {
        let name = file.display().to_string();
        let failed = |source| failure(&name, source);
        let frontend = self
            .frontends
            .load(&FrontendSource::File(file.to_owned()))
            .map_err(failed)?;
        let inspection = frontend.inspect().map_err(failed)?;
        // What nobody could use is not for others.
        inspection.contract.map_err(failed)?;
        let wasm = std::fs::read(file).map_err(|source| {
            failed(lapstrake_frontend::FrontendError::Read {
                path: file.to_owned(),
                source,
            })
        })?;
        let world = World {
            exports: inspection.exports,
            imports: inspection.imports,
        };
        let title = file.file_name().map_or_else(
            || "frontend.wasm".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        );
        let image = reference.strip_prefix("oci:").unwrap_or(reference);
        let pushed = self.components(false).push(image, &wasm, &world, &title, &Quiet);
        pushed.map_err(|source| Error::Component {
            reference: reference.to_owned(),
            place: None,
            source: Box::new(source),
        })
    }

    fn get(&self, reference: &str, looker: Looker, client: &Client) -> Result<Got, Error> {
        let here = Path::new(".");
        let place = resolve(reference, Speaker::Person(here))
            .map_err(|source| Error::Resolve { place: None, source })?;
        let trust = frontends::trust(self, looker.policy);
        let before = trust.before(Asked {
            reference,
            place: &place,
            pinned: false,
            by_person: true,
        });
        let options = BuildOptions::compile_only(nothing(looker.offline));
        let build = Build::new(self, &options, client)?;
        let found = components::find(self, &build, looker.offline, reference, place, &None)?;
        let frontend = self
            .frontends
            .load(&found.source)
            .map_err(|source| failure(reference, source))?;
        Ok((frontend, found.component, before.and(found.signed)))
    }
}

fn failure(reference: &str, source: lapstrake_frontend::FrontendError) -> Error {
    Error::Frontend(Box::new(FrontendFailure {
        source,
        frontend: reference.to_owned(),
        place: None,
        environment: false,
        hint: None,
    }))
}

/// A build of nothing.
fn nothing(offline: bool) -> CompileOptions {
    CompileOptions {
        context: Context::Empty,
        file: BuildFile::Given(Vec::new()),
        target: None,
        build_args: Vec::new(),
        named_contexts: Vec::new(),
        labels: Vec::new(),
        platforms: Vec::new(),
        frontend_options: Vec::new(),
        offline,
        frontend: None,
        frontend_policy: None,
        lock: LockUse::Ignored,
        limits: FrontendLimits::default(),
    }
}
