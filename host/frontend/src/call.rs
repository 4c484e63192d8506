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
        let mut store = self.store(watch).map_err(|error| self.failure(error, None))?;
        let instance = self.prepared.pre.instantiate(&mut store);
        let instance = instance.map_err(|error| self.failure(error, store.data().last_words()))?;
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
        let answer = function.call(&mut store, params);
        let (answer,) = answer.map_err(|error| self.failure(error, store.data().last_words()))?;
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

    /// What an error of wasmtime means; the guest's last words are its last warning.
    fn failure(&self, error: wasmtime::Error, last_words: Option<&str>) -> FrontendError {
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
                let backtrace = error.downcast_ref::<WasmBacktrace>();
                let reason = match backtrace.is_some_and(|trace| is_stack_full(&error, *trap, trace)) {
                    true => format!("{trap}: its stack is full: functions call each other without end"),
                    false => trap.to_string(),
                };
                return FrontendError::Trap {
                    frontend,
                    reason,
                    frames: backtrace.map(frames).unwrap_or_default(),
                    last_words: last_words.map(str::to_owned),
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

/// Whether a guest has run out of its stack. Compilers put that at the beginning of the memory, so a full one grows below
/// zero, which is the end of what 32 bits can name; there a wild pointer may lead too, but not from calls that repeat.
fn is_stack_full(error: &wasmtime::Error, trap: Trap, backtrace: &WasmBacktrace) -> bool {
    const FRAMES: usize = 12;
    let below_zero = (1 << 32) - (64 << 20)..(1 << 32) + (64 << 10);
    let at_fault = || {
        // wasmtime has no public type for it.
        let mut texts = error.chain().map(ToString::to_string);
        let address = texts.find_map(|text| {
            let (_, rest) = text.split_once("memory fault at wasm address 0x")?;
            u64::from_str_radix(rest.split(' ').next()?, 16).ok()
        });
        address.is_some_and(|address| below_zero.contains(&address))
    };
    let mut functions: Vec<u32> = backtrace
        .frames()
        .iter()
        .map(wasmtime::FrameInfo::func_index)
        .collect();
    let depth = functions.len();
    functions.sort_unstable();
    functions.dedup();
    let repeats = depth >= FRAMES && functions.len() <= depth / 3;
    match trap {
        Trap::StackOverflow => true,
        Trap::MemoryOutOfBounds => repeats && at_fault(),
        _ => false,
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
