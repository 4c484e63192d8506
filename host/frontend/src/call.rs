//! One call of a guest: a thread, a store with its limits, the call, and what its failure means. Knows nothing of what
//! the functions are for.

use std::sync::Arc;
use std::{panic, thread};

use wasmtime::component::{ComponentExportIndex, ComponentNamedList, InstancePre, Lift, Lower};
use wasmtime::{Engine, Store, Trap, WasmBacktrace};

use crate::error::FrontendError;
use crate::gateway::Gateway;
use crate::host::State;
use crate::limits::{Limits, THREAD_STACK};
use crate::stop::Stop;
use crate::watch::{Cancel, Watch};

/// A component that is ready to be called.
pub(crate) struct Prepared {
    pub(crate) pre: InstancePre<State>,
    /// The interface that a frontend exports.
    pub(crate) interface: ComponentExportIndex,
    /// The version of the contract that it was made for.
    pub(crate) version: String,
}

/// What a call is made with.
pub(crate) struct Caller<'a> {
    /// Name of the frontend, for people.
    pub(crate) frontend: &'a str,
    pub(crate) prepared: &'a Prepared,
    pub(crate) gateway: Arc<dyn Gateway>,
    pub(crate) limits: &'a Limits,
    pub(crate) cancel: &'a Cancel,
}

impl Caller<'_> {
    /// Calls a function of the guest in a new instance, on a thread of its own, and waits for it.
    pub(crate) fn call<P, R>(&self, function: &'static str, params: P) -> Result<R, FrontendError>
    where
        P: ComponentNamedList + Lower + Send,
        R: Send + 'static,
        (R,): ComponentNamedList + Lift,
    {
        let watch = Watch::start();
        let engine = self.prepared.pre.engine();
        thread::scope(|scope| {
            let run = || {
                let _done = watch.until_done();
                self.run(function, params, &watch)
            };
            let name = "frontend".to_owned();
            let thread = thread::Builder::new()
                .name(name)
                .stack_size(THREAD_STACK)
                .spawn_scoped(scope, run);
            let thread = thread.map_err(|source| FrontendError::Thread {
                frontend: self.frontend.to_owned(),
                source,
            })?;
            watch.supervise(self.limits.time, self.cancel, engine);
            thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
        })
    }

    fn run<P, R>(&self, function: &'static str, params: P, watch: &Arc<Watch>) -> Result<R, FrontendError>
    where
        P: ComponentNamedList + Lower,
        R: 'static,
        (R,): ComponentNamedList + Lift,
    {
        let fail = |error| self.failure(error);
        let mut store = self.store(watch).map_err(fail)?;
        let instance = self.prepared.pre.instantiate(&mut store).map_err(fail)?;
        let interface = Some(&self.prepared.interface);
        let index = instance.get_export_index(&mut store, interface, function);
        let index = index.ok_or(FrontendError::NoSuchFunction {
            frontend: self.frontend.to_owned(),
            function,
        })?;
        let function = instance.get_typed_func::<P, (R,)>(&mut store, &index);
        let function = function.map_err(|error| FrontendError::OtherTypes {
            frontend: self.frontend.to_owned(),
            version: self.prepared.version.clone(),
            source: error.into(),
        })?;
        let (answer,) = function.call(&mut store, params).map_err(fail)?;
        Ok(answer)
    }

    fn store(&self, watch: &Arc<Watch>) -> wasmtime::Result<Store<State>> {
        let engine: &Engine = self.prepared.pre.engine();
        let state = State::new(Arc::clone(&self.gateway), Arc::clone(watch), self.limits);
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.memory);
        store.set_fuel(self.limits.fuel)?;
        store.set_hostcall_fuel(self.limits.output);
        store.set_epoch_deadline(1);
        let watch = Arc::clone(watch);
        store.epoch_deadline_callback(move |_| watch.at_epoch());
        Ok(store)
    }

    /// What an error of wasmtime means.
    fn failure(&self, error: wasmtime::Error) -> FrontendError {
        let frontend = self.frontend.to_owned();
        let limits = self.limits;
        match error.downcast_ref::<Stop>() {
            Some(Stop::TimedOut) => {
                return FrontendError::TimedOut {
                    frontend,
                    limit: limits.time,
                };
            }
            Some(Stop::Cancelled) => return FrontendError::Cancelled,
            Some(Stop::Memory) => {
                return FrontendError::MemoryLimit {
                    frontend,
                    limit: limits.memory,
                };
            }
            Some(Stop::TooMany(what)) => return FrontendError::TooMany { frontend, what },
            Some(Stop::Gateway) => return FrontendError::Gateway { frontend },
            None => {}
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => {
                return FrontendError::FuelExhausted {
                    frontend,
                    limit: limits.fuel,
                };
            }
            Some(trap) => {
                let frames = error
                    .downcast_ref::<WasmBacktrace>()
                    .map(frames)
                    .unwrap_or_default();
                return FrontendError::Trap {
                    frontend,
                    reason: trap.to_string(),
                    frames,
                };
            }
            None => {}
        }
        // wasmtime has no public type for it.
        if error
            .chain()
            .any(|cause| cause.to_string().contains("fuel allocated for hostcalls"))
        {
            return FrontendError::OutputTooLarge {
                frontend,
                limit: limits.output,
            };
        }
        FrontendError::Malformed {
            frontend,
            source: error.into(),
        }
    }
}

/// Functions that an error names.
const MAX_FRAMES: usize = 8;

fn frames(backtrace: &WasmBacktrace) -> Vec<String> {
    let name = |frame: &wasmtime::FrameInfo| match frame.func_name() {
        Some(name) => name.to_owned(),
        None => format!("function {}", frame.func_index()),
    };
    let mut names: Vec<String> = backtrace.frames().iter().map(name).collect();
    names.dedup();
    names.truncate(MAX_FRAMES);
    names
}
