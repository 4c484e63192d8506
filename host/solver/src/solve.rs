//! A solve: its public interface, and all that is known while it is under way. One event loop on the calling thread
//! moves its nodes, and a thread is started for each thing that takes time; the folder has a file for each kind of move.
//!
//! Knows nothing of what ops do, and of what comes next.

mod end;
mod execute;
mod find;
mod map;
mod run;
mod task;
mod tell;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::thread::Scope;
use std::time::SystemTime;

use crossbeam_channel::{Receiver, Sender, unbounded};
use lapstrake_llb::{Definition, Digest, Edge};

use crate::account::{Account, Told};
use crate::flight::Flights;
use crate::graph::Graph;
use crate::state::{Resolved, States};
use crate::worker::{CacheMap, Records, Worker};
use crate::{CancelToken, Events, Session, SolveError};

/// How a solve is done.
#[derive(Clone)]
pub struct Options {
    /// Steps that are executed at once. MUST be at least 1. Inputs are digested as many at once, or sixteen.
    pub jobs: usize,
    /// Ends the solve.
    pub cancel: CancelToken,
    /// Who listens.
    pub events: Events,
}

pub(crate) type Failure<W, R> = SolveError<<W as Worker>::Error, <R as Records>::Error>;
type Outcome<T, W> = Result<T, Fault<<W as Worker>::Error>>;

/// Why a task has no result.
pub(crate) enum Fault<E> {
    Worker(E),
    Panic(String),
}

/// What threads tell the loop.
pub(crate) enum Message<W: Worker + ?Sized> {
    Mapped(usize, Outcome<CacheMap, W>),
    Digested(usize, Outcome<Vec<Option<Digest>>, W>),
    Executed(usize, Outcome<(Vec<W::Output>, Told), W>),
    /// Another solve that executed the same is over.
    Landed(usize, Option<Resolved<W::Output>>),
    Cancelled,
}

/// Solves definitions. One for a process: solves at the same time share what they execute.
pub struct Solver<W: Worker, R: Records> {
    worker: W,
    records: R,
    /// What is being executed, by key, and who else waits for it.
    flights: Flights<Message<W>>,
}

impl<W: Worker, R: Records> Solver<W, R> {
    /// A solver over a worker and records.
    pub fn new(worker: W, records: R) -> Self {
        Self {
            worker,
            records,
            flights: Flights::default(),
        }
    }

    /// The worker.
    pub fn worker(&self) -> &W {
        &self.worker
    }

    /// The records.
    pub fn records(&self) -> &R {
        &self.records
    }

    /// Gets the results of some edges of a definition, which MUST be valid; `digests` are those of its vertices.
    ///
    /// # Errors
    /// The first step that failed, when all that ran has ended; or the solve was cancelled.
    pub fn solve(
        &self,
        session: &Session<W::Output>,
        definition: &Definition,
        digests: &[Digest],
        roots: &[Edge],
        options: &Options,
    ) -> Result<Vec<W::Output>, Failure<W, R>> {
        self.with_run(session, definition, digests, roots, options, |run, receiver| {
            let result = run.all(receiver);
            run.end();
            result
        })
    }

    /// Sets a solve up and does something with it.
    pub(crate) fn with_run<T>(
        &self,
        session: &Session<W::Output>,
        definition: &Definition,
        digests: &[Digest],
        roots: &[Edge],
        options: &Options,
        work: impl FnOnce(&mut Run<'_, '_, W, R>, &Receiver<Message<W>>) -> T,
    ) -> T {
        let graph = Graph::new(definition, digests, roots);
        let (sender, receiver) = unbounded();
        let interrupt = sender.clone();
        let _registration = options.cancel.on_cancel(move || {
            let _ = interrupt.send(Message::Cancelled);
        });
        std::thread::scope(|scope| {
            let count = graph.nodes.len();
            let mut run = Run {
                solver: self,
                scope,
                graph: &graph,
                session,
                options,
                sender,
                maps: vec![None; count],
                fresh: vec![false; count],
                keys: vec![Keys::default(); count],
                states: States::new(count),
                started: vec![None; count],
                waiters: vec![Vec::new(); count],
                visit: Vec::new(),
                ready: Vec::new(),
                queue: BinaryHeap::new(),
                digests: BinaryHeap::new(),
                tasks: 0,
                running: 0,
                digesting: 0,
                shared: 0,
                aliases: Vec::new(),
                contents: HashMap::new(),
                accounts: Vec::new(),
                failure: None,
            };
            work(&mut run, &receiver)
        })
    }
}

/// The keys of a node, as far as they are known.
#[derive(Clone, Default)]
pub(crate) struct Keys {
    /// From the definition alone.
    pub(crate) definition: Option<Digest>,
    /// With the ids of the inputs' records.
    resolved: Option<Digest>,
    /// With the contents of inputs.
    content: Option<Digest>,
}

pub(crate) struct Run<'scope, 'env, W: Worker, R: Records> {
    pub(crate) solver: &'env Solver<W, R>,
    scope: &'scope Scope<'scope, 'env>,
    pub(crate) graph: &'env Graph<'env>,
    session: &'env Session<W::Output>,
    pub(crate) options: &'env Options,
    sender: Sender<Message<W>>,
    pub(crate) maps: Vec<Option<CacheMap>>,
    /// Whether a node, or one below it, is to be executed whatever records there are: its result is not known by the
    /// definition alone.
    pub(crate) fresh: Vec<bool>,
    pub(crate) keys: Vec<Keys>,
    states: States<W::Output>,
    /// When a node's first event was told.
    started: Vec<Option<SystemTime>>,
    waiters: Vec<Vec<usize>>,
    /// Nodes that somebody asked for.
    visit: Vec<usize>,
    /// Nodes whose inputs are there.
    ready: Vec<usize>,
    /// Nodes that can be executed: the longest way to a root first, then the order of the definition.
    queue: BinaryHeap<(u32, Reverse<usize>)>,
    /// Nodes whose inputs can be digested, in the same order.
    digests: BinaryHeap<(u32, Reverse<usize>)>,
    /// Threads under way.
    tasks: usize,
    /// Of these, executions.
    running: usize,
    /// And nodes whose inputs are digested.
    digesting: usize,
    /// Steps that another solve executes.
    shared: usize,
    aliases: Vec<(Digest, Digest)>,
    /// What the inputs of a node hold, where that counts.
    contents: HashMap<usize, Vec<Option<Digest>>>,
    /// What the results of this solve were made of.
    accounts: Vec<(Digest, Account)>,
    failure: Option<Failure<W, R>>,
}
