//! A worker that does what a test says, and places where threads wait for each other.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::toy::Toy;
use lapstrake_llb::{Definition, Digest, Edge, Op, Vertex};
use lapstrake_solver::{
    CacheMap, CancelToken, InputKey, MemoryRecords, Options, Session, SolveError, Solver, StepContext, Worker,
};

pub type Script = dyn Fn(&str, &StepContext) -> Result<(), Toy> + Send + Sync;
pub type Solved = Result<Vec<String>, SolveError<Toy, Infallible>>;

/// Does what a test says, and counts who is at it.
pub struct Scripted {
    pub script: Box<Script>,
    pub running: Counter,
    pub digesting: Counter,
    pub order: Mutex<Vec<String>>,
}

#[derive(Default)]
pub struct Counter {
    pub now: AtomicUsize,
    pub most: AtomicUsize,
}

impl Counter {
    pub fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let result = work();
        self.now.fetch_sub(1, Ordering::SeqCst);
        result
    }

    pub fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

impl Worker for Scripted {
    type Output = String;
    type Error = Toy;

    fn quick_cache_map(&self, vertex: &Vertex) -> Option<CacheMap> {
        let name = &vertex.metadata.name;
        let key = InputKey {
            selector: None,
            content: name.contains("content"),
        };
        Some(CacheMap {
            digest: Digest::of(name.as_bytes()),
            inputs: vec![key; vertex.op.inputs().len()],
        })
    }

    fn cache_map(&self, _: &Vertex, _: &StepContext) -> Result<CacheMap, Toy> {
        Err(Toy("all maps are quick".to_owned()))
    }

    fn content_digest(
        &self,
        vertex: &Vertex,
        _: usize,
        output: &String,
        context: &StepContext,
    ) -> Result<Digest, Toy> {
        self.digesting
            .during(|| (self.script)(&format!("digest {}", vertex.metadata.name), context))?;
        Ok(Digest::of(output.as_bytes()))
    }

    fn execute(&self, vertex: &Vertex, _: &[String], context: &StepContext) -> Result<Vec<String>, Toy> {
        let name = &vertex.metadata.name;
        if !matches!(vertex.op, Op::Source(_)) {
            self.order.lock().unwrap().push(name.clone());
            self.running.during(|| (self.script)(name, context))?;
        }
        Ok(vec![name.clone()])
    }

    fn encode(&self, outputs: &[String]) -> Option<Vec<u8>> {
        Some(outputs.concat().into_bytes())
    }

    fn decode(&self, payload: &[u8]) -> Option<Vec<String>> {
        Some(vec![String::from_utf8(payload.to_vec()).ok()?])
    }
}

pub type ScriptedSolver = Solver<Scripted, MemoryRecords>;

pub fn solver(
    script: impl Fn(&str, &StepContext) -> Result<(), Toy> + Send + Sync + 'static,
) -> ScriptedSolver {
    let worker = Scripted {
        script: Box::new(script),
        running: Counter::default(),
        digesting: Counter::default(),
        order: Mutex::default(),
    };
    Solver::new(worker, MemoryRecords::default())
}

pub fn solve(solver: &ScriptedSolver, definition: &Definition, jobs: usize, cancel: &CancelToken) -> Solved {
    let root = Edge {
        vertex: definition.vertices.len() as u32 - 1,
        output: 0,
    };
    let options = Options {
        jobs,
        cancel: cancel.clone(),
        events: Arc::new(|_| {}),
    };
    solver.solve(
        &Session::new(),
        definition,
        &definition.digests(),
        &[root],
        &options,
    )
}

/// A place where threads wait for each other, or for the test.
#[derive(Default)]
pub struct Gate(Mutex<usize>, Condvar);

impl Gate {
    pub fn add(&self) {
        *self.0.lock().unwrap() += 1;
        self.1.notify_all();
    }

    /// Waits until so many have come; false: they do not.
    pub fn reached(&self, count: usize) -> bool {
        let (lock, patience) = (self.0.lock().unwrap(), Duration::from_secs(120));
        !self
            .1
            .wait_timeout_while(lock, patience, |here| *here < count)
            .unwrap()
            .1
            .timed_out()
    }
}
