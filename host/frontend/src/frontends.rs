//! The crate's front door: loads frontends and calls them. Knows nothing of who asks, or of the languages they read.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use lapstrake_llb::{Digest, Position, Report};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use wasmtime::Engine;
use wasmtime::component::{Component, ComponentNamedList, Lift, Linker, Lower};

use crate::bindings::exports::lapstrake::frontend::frontend as wit;
use crate::bindings::lapstrake::frontend::{diagnostics, llb, requests};
use crate::builtin::{self, BuiltIn};
use crate::call::{Caller, Prepared};
use crate::chain::Asking;
use crate::compiled::CompiledCache;
use crate::convert::Checked;
use crate::engine_config;
use crate::error::{FrontendError, ResultProblem};
use crate::gateway::{Gateway, ImageRequest, NoGateway};
use crate::host::{self, State};
use crate::inspect::{self, Inspection};
use crate::limits::Limits;
use crate::precompiled::CodeMemory;
use crate::request::{
    BuildResult, CallResult, Completion, FrontendInfo, Hover, Outline, Request, Rewritten, TargetInfo,
};
use crate::resolve::FrontendSource;
use crate::watch::Cancel;
use crate::world;

/// Largest component that is read, bytes. The largest known (CPython) has 19 MB.
const MAX_COMPONENT: u64 = 256 << 20;

/// Loads frontends. Clones share the cache; the engine is the process's, and starts when it is first needed.
#[derive(Clone)]
pub struct Frontends {
    cache: Option<Arc<CompiledCache>>,
}

/// What all components of a process share. One engine is enough: all would have the same settings, and wasmtime lets
/// a built-in artifact be loaded only once.
struct Host {
    engine: Engine,
    linker: Linker<State>,
}

static HOST: OnceLock<Host> = OnceLock::new();

impl Host {
    fn get() -> Result<&'static Self, FrontendError> {
        if let Some(host) = HOST.get() {
            return Ok(host);
        }
        let host = Self::start().map_err(|error| FrontendError::Engine { source: error.into() })?;
        // Two threads may start one; both take the first.
        Ok(HOST.get_or_init(|| host))
    }

    fn start() -> wasmtime::Result<Self> {
        let mut config = engine_config::config();
        config.with_custom_code_memory(Some(Arc::new(CodeMemory)));
        let engine = Engine::new(&config)?;
        let mut linker = Linker::new(&engine);
        host::add_to_linker(&mut linker)?;
        Ok(Self { engine, linker })
    }
}

impl Frontends {
    /// Keeps compiled components below the given directory; none: nowhere. Does nothing yet.
    pub fn new(cache: Option<&Path>) -> Self {
        Self {
            cache: cache.map(|directory| Arc::new(CompiledCache::new(directory))),
        }
    }

    /// Finds a component and digests it. Neither compiles nor starts anything.
    pub fn load(&self, source: &FrontendSource) -> Result<Frontend, FrontendError> {
        let (name, code, digest) = match source {
            FrontendSource::BuiltIn(name) => {
                let found = builtin::find(name).ok_or_else(|| FrontendError::NotBuiltIn {
                    name: name.clone(),
                    available: builtin::names(),
                })?;
                (name.clone(), Code::BuiltIn(found), found.digest)
            }
            FrontendSource::File(path) => {
                let wasm = read(path)?;
                let digest = Digest::of(&wasm);
                (path.display().to_string(), Code::Wasm(wasm), digest)
            }
            FrontendSource::Bytes { name, wasm } => {
                (name.clone(), Code::Wasm(wasm.clone()), Digest::of(wasm))
            }
        };
        if let Code::Wasm(wasm) = &code {
            check_kind(wasm, &name)?;
        }
        Ok(Frontend {
            cache: self.cache.clone(),
            name,
            digest,
            code,
            prepared: Mutex::new(None),
        })
    }
}

enum Code {
    /// Compiled already.
    BuiltIn(&'static BuiltIn),
    /// A component.
    Wasm(Vec<u8>),
}

/// A frontend. Calls may come from several threads; every call has an instance of its own.
pub struct Frontend {
    cache: Option<Arc<CompiledCache>>,
    name: String,
    digest: Digest,
    code: Code,
    prepared: Mutex<Option<Arc<Prepared>>>,
}

impl Frontend {
    /// What people call it: the name of a built-in one, the path of a file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Digest of the component.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Size of the component, bytes.
    pub fn size(&self) -> u64 {
        match &self.code {
            Code::BuiltIn(built_in) => built_in.wasm_size,
            Code::Wasm(wasm) => wasm.len() as u64,
        }
    }

    /// Tells what it imports and exports, whether or not it is a frontend of this contract. Runs nothing of it.
    pub fn inspect(&self) -> Result<Inspection, FrontendError> {
        let engine = &Host::get()?.engine;
        let component = self.component(engine)?;
        Ok(inspect::inspect(engine, &component, &self.name))
    }

    /// Compiles it, or takes it from the cache, and checks that it is a frontend. The first call does it otherwise.
    pub fn prepare(&self) -> Result<(), FrontendError> {
        self.prepared().map(|_| ())
    }

    /// The version of the contract that it was made for.
    pub fn contract_version(&self) -> Result<String, FrontendError> {
        Ok(self.prepared()?.version.clone())
    }

    /// Asks what it is. It has no gateway for that.
    pub fn describe(&self, limits: &Limits, cancel: &Cancel) -> Result<FrontendInfo, FrontendError> {
        let gateway = Arc::new(NoGateway);
        let info: wit::FrontendInfo = self.call("describe", (), gateway, limits, cancel)?;
        self.checked(info, limits)
    }

    /// Compiles a build file to a graph.
    pub fn build(
        &self,
        request: &Request,
        gateway: Arc<dyn Gateway>,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<BuildResult, FrontendError> {
        self.ask::<wit::BuildResult, _>("build", request, gateway, limits, cancel)
    }

    /// Finds what may be wrong with a build file.
    pub fn lint(
        &self,
        request: &Request,
        gateway: Arc<dyn Gateway>,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<Report, FrontendError> {
        self.ask::<diagnostics::Report, _>("lint", request, gateway, limits, cancel)
    }

    /// Says what a target of a build file takes.
    pub fn outline(
        &self,
        request: &Request,
        gateway: Arc<dyn Gateway>,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<Outline, FrontendError> {
        self.ask::<wit::Outline, _>("get-outline", request, gateway, limits, cancel)
    }

    /// Lists the targets of a build file.
    pub fn list_targets(
        &self,
        request: &Request,
        gateway: Arc<dyn Gateway>,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<Vec<TargetInfo>, FrontendError> {
        self.ask::<Vec<wit::TargetInfo>, _>("list-targets", request, gateway, limits, cancel)
    }

    /// Makes a named sub-request; [`FrontendInfo::calls`] lists them.
    pub fn call_named(
        &self,
        name: &str,
        request: &Request,
        gateway: Arc<dyn Gateway>,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<CallResult, FrontendError> {
        let params = (name.to_owned(), wit::Request::from(request.clone()));
        let answer: Result<wit::CallResult, wit::BuildError> =
            self.call("call", params, gateway, limits, cancel)?;
        self.answer(answer, limits)
    }

    /// Says what could stand at a position of one of the request's sources.
    pub fn completions(
        &self,
        request: &Request,
        (file, at): (u32, Position),
        asking: &Asking<'_>,
    ) -> Result<Vec<Completion>, FrontendError> {
        let params = (
            requests::Request::from(request.clone()),
            file,
            llb::Position::from(at),
        );
        let answer: Result<Vec<wit::Completion>, requests::BuildError> = self.call(
            "completions",
            params,
            Arc::clone(&asking.gateway),
            asking.limits,
            asking.cancel,
        )?;
        self.answer(answer, asking.limits)
    }

    /// Says what is known of a position of one of the request's sources.
    pub fn hover(
        &self,
        request: &Request,
        (file, at): (u32, Position),
        asking: &Asking<'_>,
    ) -> Result<Option<Hover>, FrontendError> {
        let params = (
            requests::Request::from(request.clone()),
            file,
            llb::Position::from(at),
        );
        let answer: Result<Option<wit::Hover>, requests::BuildError> = self.call(
            "get-hover",
            params,
            Arc::clone(&asking.gateway),
            asking.limits,
            asking.cancel,
        )?;
        self.answer(answer, asking.limits)
    }

    /// Gives the main source as the next frontend of a chain is to read it.
    pub fn rewrite_sources(
        &self,
        request: &Request,
        gateway: Arc<dyn Gateway>,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<Rewritten, FrontendError> {
        self.ask::<wit::Rewritten, _>("rewrite-sources", request, gateway, limits, cancel)
    }

    /// Gives the images that shall be used instead, in order.
    pub fn rewrite_images(
        &self,
        request: &Request,
        images: Vec<ImageRequest>,
        gateway: Arc<dyn Gateway>,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<Vec<ImageRequest>, FrontendError> {
        let asked = images.len();
        let images: Vec<requests::ImageRequest> = images.into_iter().map(Into::into).collect();
        let params = (requests::Request::from(request.clone()), images);
        let answer: Result<Vec<requests::ImageRequest>, requests::BuildError> =
            self.call("rewrite-images", params, gateway, limits, cancel)?;
        let images: Vec<ImageRequest> = self.answer(answer, limits)?;
        match images.len() {
            got if got == asked => Ok(images),
            got => Err(FrontendError::InvalidResult {
                frontend: self.name.clone(),
                problem: ResultProblem::Images { asked, got },
            }),
        }
    }

    /// Changes what another frontend made.
    pub fn rewrite_result(
        &self,
        request: &Request,
        built: BuildResult,
        gateway: Arc<dyn Gateway>,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<BuildResult, FrontendError> {
        let params = (
            requests::Request::from(request.clone()),
            requests::BuildResult::from(built),
        );
        let answer: Result<requests::BuildResult, requests::BuildError> =
            self.call("rewrite-result", params, gateway, limits, cancel)?;
        self.answer(answer, limits)
    }

    /// Calls one of the functions that take a request.
    fn ask<R, T>(
        &self,
        function: &'static str,
        request: &Request,
        gateway: Arc<dyn Gateway>,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<T, FrontendError>
    where
        R: Checked<T> + Lift + Send + 'static,
        (Result<R, wit::BuildError>,): ComponentNamedList + Lift,
    {
        let params = (wit::Request::from(request.clone()),);
        let answer: Result<R, wit::BuildError> = self.call(function, params, gateway, limits, cancel)?;
        self.answer(answer, limits)
    }

    fn call<P, R>(
        &self,
        function: &'static str,
        params: P,
        gateway: Arc<dyn Gateway>,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<R, FrontendError>
    where
        P: ComponentNamedList + Lower + Send,
        R: Send + 'static,
        (R,): ComponentNamedList + Lift,
    {
        if cancel.is_cancelled() {
            return Err(FrontendError::Cancelled);
        }
        let prepared = self.prepared()?;
        let caller = Caller {
            frontend: &self.name,
            prepared: &prepared,
            gateway,
            limits,
            cancel,
        };
        caller.call(function, params)
    }

    fn answer<R: Checked<T>, T>(
        &self,
        answer: Result<R, wit::BuildError>,
        limits: &Limits,
    ) -> Result<T, FrontendError> {
        let frontend = || self.name.clone();
        match answer {
            Ok(answer) => self.checked(answer, limits),
            Err(wit::BuildError::Invalid(report)) => Err(FrontendError::Diagnostics(report.into())),
            Err(wit::BuildError::UnknownTarget(target)) => Err(FrontendError::UnknownTarget(target)),
            Err(wit::BuildError::HostFailed(message)) => Err(FrontendError::HostFailed(message)),
            Err(wit::BuildError::Unsupported(message)) => Err(FrontendError::Unsupported {
                frontend: frontend(),
                message,
            }),
            Err(wit::BuildError::Internal(message)) => Err(FrontendError::Internal {
                frontend: frontend(),
                message,
            }),
        }
    }

    fn checked<R: Checked<T>, T>(&self, answer: R, limits: &Limits) -> Result<T, FrontendError> {
        let invalid = |problem| FrontendError::InvalidResult {
            frontend: self.name.clone(),
            problem,
        };
        answer.checked(&limits.graph).map_err(invalid)
    }

    fn prepared(&self) -> Result<Arc<Prepared>, FrontendError> {
        // Held meanwhile, so that two threads do not compile the same.
        let mut slot = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(prepared) = slot.as_ref() {
            return Ok(Arc::clone(prepared));
        }
        let host = Host::get()?;
        let component = self.component(&host.engine)?;
        let version = world::check(&host.engine, &component, &self.name)?;
        let other_types = |error: wasmtime::Error| FrontendError::OtherTypes {
            frontend: self.name.clone(),
            version: version.clone(),
            source: error.into(),
        };
        let pre = host.linker.instantiate_pre(&component).map_err(other_types)?;
        let interface = component.get_export_index(None, world::FRONTEND);
        let interface = interface.ok_or_else(|| FrontendError::OtherWorld {
            frontend: self.name.clone(),
            missing: vec![world::FRONTEND.to_owned()],
            unknown: Vec::new(),
        })?;
        let prepared = Arc::new(Prepared {
            pre,
            interface,
            version,
        });
        *slot = Some(Arc::clone(&prepared));
        Ok(prepared)
    }

    fn component(&self, engine: &Engine) -> Result<Component, FrontendError> {
        let component = match (&self.code, &self.cache) {
            (Code::BuiltIn(built_in), _) => builtin::component(built_in, engine),
            (Code::Wasm(wasm), Some(cache)) => cache.component(engine, &self.digest, wasm),
            (Code::Wasm(wasm), None) => Component::from_binary(engine, wasm),
        };
        component.map_err(|error| FrontendError::InvalidComponent {
            frontend: self.name.clone(),
            source: error.into(),
        })
    }
}

/// Reads a component, but not for ever: the path may name a pipe or a device.
fn read(path: &Path) -> Result<Vec<u8>, FrontendError> {
    let fail = |source| FrontendError::Read {
        path: path.to_owned(),
        source,
    };
    let too_large = |size| FrontendError::TooLarge {
        path: PathBuf::from(path),
        size,
        limit: MAX_COMPONENT,
    };
    // Opening a pipe or a device waits for nobody then, and what was opened is what is looked at.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        // A socket, or a device without a driver.
        Err(Errno::NXIO | Errno::NODEV) => return Err(fail(io::Error::other("not a regular file"))),
        Err(error) => return Err(fail(error.into())),
    };
    let meta = file.metadata().map_err(fail)?;
    if !meta.is_file() {
        return Err(fail(io::Error::other("not a regular file")));
    }
    let size = meta.len();
    if size > MAX_COMPONENT {
        return Err(too_large(size));
    }
    let mut wasm = Vec::with_capacity(size as usize);
    file.take(MAX_COMPONENT + 1)
        .read_to_end(&mut wasm)
        .map_err(fail)?;
    if wasm.len() as u64 > MAX_COMPONENT {
        return Err(too_large(wasm.len() as u64));
    }
    Ok(wasm)
}

/// Tells by the first bytes what is no component (the binary format's preamble: magic, version, layer).
fn check_kind(wasm: &[u8], frontend: &str) -> Result<(), FrontendError> {
    let frontend = frontend.to_owned();
    let found = match wasm.get(..8) {
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => return Err(FrontendError::CoreModule { frontend }),
        Some([0, b'a', b's', b'm', _, _, 1, 0]) => return Ok(()),
        Some([0, b'a', b's', b'm', ..]) => "it is of an unknown version of WebAssembly",
        Some([0x7f, b'E', b'L', b'F', ..]) => "it is native code",
        _ if wasm.is_empty() => "it is empty",
        _ if wasm.trim_ascii_start().starts_with(b"(component")
            || wasm.trim_ascii_start().starts_with(b"(module") =>
        {
            "it is WebAssembly's text format; `wasm-tools parse` makes it binary"
        }
        _ if std::str::from_utf8(wasm).is_ok() => "it is text",
        _ => "it does not start as one",
    };
    Err(FrontendError::NotWasm { frontend, found })
}
