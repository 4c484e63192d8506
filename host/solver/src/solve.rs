//! A solve: one event loop on the calling thread, and a thread for each thing that takes time.
//!
//! Longer than most files: the loop and the moves of a node belong together. Knows nothing of what ops do.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::Scope;
use std::time::SystemTime;

use crossbeam_channel::{Receiver, Sender, unbounded};
use lapstrake_llb::{Definition, Digest, Edge, Hasher};

use crate::account::{Account, AccountInput, Told};
use crate::flight::Flights;
use crate::graph::Graph;
use crate::key::{Identity, InputPart, KeyParts};
use crate::state::{Resolved, State, States};
use crate::worker::{CacheMap, Record, Records, Worker};
use crate::{CancelToken, Ending, Event, Events, Session, SolveError, StepContext, StepError};

/// Nodes whose inputs are digested at once, whatever the number of jobs: much of it may be waiting for a registry.
const DIGESTS: usize = 16;

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

impl<'scope, 'env, W: Worker, R: Records> Run<'scope, 'env, W, R> {
    fn all(&mut self, receiver: &Receiver<Message<W>>) -> Result<Vec<W::Output>, Failure<W, R>> {
        let done = self.map_all(receiver).and_then(|()| self.resolve_all(receiver));
        if let Err(failure) = done {
            self.give_up(failure);
        }
        self.drain(receiver);
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => Ok(self.results()),
        }
    }

    /// Makes cache maps and definition keys, and nothing else.
    pub(crate) fn map_only(&mut self, receiver: &Receiver<Message<W>>) -> Result<(), Failure<W, R>> {
        if let Err(failure) = self.map_all(receiver) {
            self.give_up(failure);
        }
        self.drain(receiver);
        self.failure.take().map_or(Ok(()), Err)
    }

    fn results(&self) -> Vec<W::Output> {
        let result = |(node, output): &(usize, u32)| {
            let resolved = self.states.resolved(*node)?;
            resolved.outputs.get(*output as usize).cloned()
        };
        self.graph.roots.iter().filter_map(result).collect()
    }

    // ---- Cache maps and keys, from the inputs up ----

    pub(crate) fn map_all(&mut self, receiver: &Receiver<Message<W>>) -> Result<(), Failure<W, R>> {
        let graph = self.graph;
        for (node, item) in graph.nodes.iter().enumerate() {
            let known = self.session.lock().maps.get(&item.digest).cloned();
            match known.or_else(|| self.solver.worker.quick_cache_map(item.vertex)) {
                Some(map) => self.mapped(node, map)?,
                None => {
                    self.tell_started(node);
                    let solver = self.solver;
                    let token = CancelToken::new();
                    self.states.set(node, State::Digesting(token.clone()));
                    self.spawn(node, token, move |context| {
                        Message::Mapped(node, attempt(|| solver.worker.cache_map(item.vertex, context)))
                    })?;
                }
            }
        }
        while self.tasks > 0 {
            match self.receive(receiver)? {
                Message::Mapped(node, Ok(map)) => {
                    self.states.set(node, State::Idle);
                    self.mapped(node, map)?;
                }
                Message::Mapped(node, Err(fault)) => return Err(self.failed(node, fault)),
                _ => {}
            }
        }
        for node in 0..self.graph.nodes.len() {
            let parts = self.parts(node, |run, input| run.keys[input].definition);
            self.keys[node].definition = parts.map(|parts| parts.digest());
            let item = &self.graph.nodes[node];
            self.fresh[node] = item.ignore_cache || item.inputs.iter().any(|(input, _)| self.fresh[*input]);
        }
        Ok(())
    }

    fn mapped(&mut self, node: usize, map: CacheMap) -> Result<(), Failure<W, R>> {
        self.check(
            node,
            "inputs",
            map.inputs.len(),
            self.graph.nodes[node].inputs.len(),
        )?;
        self.maps[node] = Some(map);
        Ok(())
    }

    /// The parts of a node's key, with whatever `identity` says of its inputs.
    pub(crate) fn parts(
        &self,
        node: usize,
        identity: impl Fn(&Self, usize) -> Option<Digest>,
    ) -> Option<KeyParts> {
        let map = self.maps[node].as_ref()?;
        let part = |((input, output), key): (&(usize, u32), &crate::InputKey)| {
            let identity = Identity::Result(identity(self, *input)?);
            Some(InputPart {
                identity,
                output: *output,
                selector: key.selector,
            })
        };
        let inputs = self.graph.nodes[node]
            .inputs
            .iter()
            .zip(&map.inputs)
            .map(part)
            .collect::<Option<_>>()?;
        Some(KeyParts {
            op: map.digest,
            inputs,
        })
    }

    // ---- Results, from the roots down ----

    fn resolve_all(&mut self, receiver: &Receiver<Message<W>>) -> Result<(), Failure<W, R>> {
        self.visit = self.graph.roots.iter().map(|(node, _)| *node).collect();
        loop {
            self.settle()?;
            if self.tasks == 0 && self.shared == 0 {
                return Ok(());
            }
            match self.receive(receiver)? {
                Message::Digested(node, Ok(digests)) => self.digested(node, &digests)?,
                Message::Executed(node, Ok((outputs, told))) => self.executed(node, outputs, told)?,
                Message::Digested(node, Err(fault)) | Message::Executed(node, Err(fault)) => {
                    return Err(self.failed(node, fault));
                }
                Message::Landed(node, Some(resolved)) => {
                    self.resolved(node, resolved);
                    self.tell_finished(node, Ending::Done);
                }
                Message::Landed(node, None) => self.enqueue(node),
                Message::Mapped(..) | Message::Cancelled => {}
            }
        }
    }

    /// Makes all moves that need no waiting.
    fn settle(&mut self) -> Result<(), Failure<W, R>> {
        loop {
            if let Some(node) = self.visit.pop() {
                self.visit(node)?;
            } else if let Some(node) = self.ready.pop() {
                self.inputs_are_there(node)?;
            } else if self.running < self.options.jobs.max(1)
                && let Some((_, Reverse(node))) = self.queue.pop()
            {
                self.execute(node)?;
            } else if self.digesting < self.options.jobs.max(DIGESTS)
                && let Some((_, Reverse(node))) = self.digests.pop()
            {
                self.digest(node)?;
            } else {
                return Ok(());
            }
        }
    }

    /// Somebody wants a node.
    fn visit(&mut self, node: usize) -> Result<(), Failure<W, R>> {
        if !matches!(self.states.get(node), State::Idle) {
            return Ok(());
        }
        let known = self
            .session
            .lock()
            .results
            .get(&self.graph.nodes[node].digest)
            .cloned();
        if let Some(resolved) = known {
            self.resolved(node, resolved);
            return Ok(());
        }
        let key = self.keys[node].definition.filter(|_| !self.fresh[node]);
        if self.find(node, key)? {
            return Ok(());
        }
        let mut inputs: Vec<usize> = self.graph.nodes[node]
            .inputs
            .iter()
            .map(|(input, _)| *input)
            .collect();
        inputs.sort_unstable();
        inputs.dedup();
        inputs.retain(|input| self.states.resolved(*input).is_none());
        self.states.set(node, State::Waiting(inputs.len()));
        if inputs.is_empty() {
            self.ready.push(node);
        }
        for input in inputs {
            self.waiters[input].push(node);
            self.visit.push(input);
        }
        Ok(())
    }

    /// Looks a key up; true: the node has its result.
    fn find(&mut self, node: usize, key: Option<Digest>) -> Result<bool, Failure<W, R>> {
        let Some(key) = key.filter(|_| !self.graph.nodes[node].ignore_cache) else {
            return Ok(false);
        };
        let found = self.solver.records.find(&[key]).map_err(SolveError::Records)?;
        let Some(record) = found.into_iter().next().flatten() else {
            return Ok(false);
        };
        let expected = self.graph.nodes[node].vertex.op.output_count() as usize;
        let outputs = self
            .solver
            .worker
            .decode(&record.payload)
            .filter(|outputs| outputs.len() == expected);
        let Some(outputs) = outputs else {
            self.solver
                .records
                .remove(&record.id)
                .map_err(SolveError::Records)?;
            return Ok(false);
        };
        let keys = &self.keys[node];
        for other in [keys.definition, keys.resolved]
            .into_iter()
            .flatten()
            .filter(|other| *other != key)
        {
            self.aliases.push((record.id, other));
        }
        self.resolved(
            node,
            Resolved {
                id: record.id,
                outputs: outputs.into(),
            },
        );
        self.tell_finished(node, Ending::Cached);
        Ok(true)
    }

    fn resolved(&mut self, node: usize, resolved: Resolved<W::Output>) {
        self.states.set(node, State::Resolved(resolved));
        for waiter in std::mem::take(&mut self.waiters[node]) {
            if let State::Waiting(missing) = *self.states.get(waiter) {
                self.states.set(waiter, State::Waiting(missing - 1));
                if missing == 1 {
                    self.ready.push(waiter);
                }
            }
        }
    }

    /// All inputs of a node have their results.
    fn inputs_are_there(&mut self, node: usize) -> Result<(), Failure<W, R>> {
        let parts = self.parts(node, |run, input| {
            run.states.resolved(input).map(|resolved| resolved.id)
        });
        let key = parts.map(|parts| parts.digest());
        self.keys[node].resolved = key;
        if (key != self.keys[node].definition || self.fresh[node]) && self.find(node, key)? {
            return Ok(());
        }
        if self.by_content(node).contains(&true) {
            self.states.set(node, State::Queued);
            self.digests.push((self.graph.nodes[node].height, Reverse(node)));
        } else {
            self.enqueue(node);
        }
        Ok(())
    }

    /// Which inputs of a node count by content.
    fn by_content(&self, node: usize) -> Vec<bool> {
        let inputs = self.maps[node].iter().flat_map(|map| &map.inputs);
        inputs.map(|input| input.content).collect()
    }

    fn digest(&mut self, node: usize) -> Result<(), Failure<W, R>> {
        let by_content = self.by_content(node);
        let outputs = self.inputs(node);
        let (solver, vertex) = (self.solver, self.graph.nodes[node].vertex);
        let token = CancelToken::new();
        self.states.set(node, State::Digesting(token.clone()));
        self.spawn(node, token, move |context| {
            let digest = |(position, output): (usize, &W::Output)| {
                let digest = || solver.worker.content_digest(vertex, position, output, context);
                by_content[position].then(digest).transpose()
            };
            Message::Digested(node, attempt(|| outputs.iter().enumerate().map(digest).collect()))
        })?;
        self.digesting += 1;
        Ok(())
    }

    /// Results of a node's inputs, which all MUST be there.
    fn inputs(&self, node: usize) -> Vec<W::Output> {
        let result = |(input, output): &(usize, u32)| {
            self.states
                .resolved(*input)
                .and_then(|resolved| resolved.outputs.get(*output as usize).cloned())
        };
        self.graph.nodes[node].inputs.iter().filter_map(result).collect()
    }

    /// The contents of a node's inputs are known.
    fn digested(&mut self, node: usize, digests: &[Option<Digest>]) -> Result<(), Failure<W, R>> {
        let mut parts = self.parts(node, |run, input| {
            run.states.resolved(input).map(|resolved| resolved.id)
        });
        if let Some(parts) = &mut parts {
            for (part, content) in parts.inputs.iter_mut().zip(digests) {
                if let Some(content) = content {
                    part.identity = Identity::Content(*content);
                }
            }
        }
        let key = parts.map(|parts| parts.digest());
        self.keys[node].content = key;
        self.contents.insert(node, digests.to_vec());
        if !self.find(node, key)? {
            self.enqueue(node);
        }
        Ok(())
    }

    fn enqueue(&mut self, node: usize) {
        self.states.set(node, State::Queued);
        self.queue.push((self.graph.nodes[node].height, Reverse(node)));
    }

    fn execute(&mut self, node: usize) -> Result<(), Failure<W, R>> {
        let item = &self.graph.nodes[node];
        self.tell_started(node);
        let token = CancelToken::new();
        if !item.ignore_cache
            && let Some(key) = self.flight_key(node)
        {
            if !self.solver.flights.board(key, &token, &self.sender, node) {
                self.states.set(node, State::Shared);
                self.shared += 1;
                return Ok(());
            }
            // An equal step, of this solve or another, may have ended since the key was looked up.
            match self.find(node, Some(key)) {
                Ok(false) => {}
                Ok(true) => {
                    let resolved = self.states.resolved(node).cloned();
                    self.land(node, resolved);
                    return Ok(());
                }
                Err(failure) => {
                    self.land(node, None);
                    return Err(failure);
                }
            }
        }
        let inputs = self.inputs(node);
        let (solver, vertex) = (self.solver, item.vertex);
        self.states.set(node, State::Running(token.clone()));
        self.running += 1;
        let spawned = self.spawn(node, token, move |context| {
            let work = || {
                let outputs = solver.worker.execute(vertex, &inputs, context)?;
                let inputs: Vec<_> = inputs.into_iter().map(Some).collect();
                let told = solver.worker.tell(vertex, &inputs, context);
                Ok((outputs, told))
            };
            Message::Executed(node, attempt(work))
        });
        if spawned.is_err() {
            self.land(node, None);
        }
        spawned
    }

    /// What makes two steps the same while they are executed.
    fn flight_key(&self, node: usize) -> Option<Digest> {
        self.keys[node].content.or(self.keys[node].resolved)
    }

    fn executed(&mut self, node: usize, outputs: Vec<W::Output>, told: Told) -> Result<(), Failure<W, R>> {
        let item = &self.graph.nodes[node];
        if let Err(failure) = self.check(
            node,
            "outputs",
            outputs.len(),
            item.vertex.op.output_count() as usize,
        ) {
            self.land(node, None);
            return Err(failure);
        }
        let keys = self.keys[node].clone();
        // The same whichever of the vertices that mean it came first, so that what is made of it is found from all.
        let key = self.flight_key(node).unwrap_or(item.digest);
        // What was made although a record existed is another result: those who use it must not find the old one's.
        let id = match self.solver.worker.name(item.vertex, &outputs) {
            Some(name) => name,
            None if item.ignore_cache => unique(&key),
            None => key,
        };
        if let Some(payload) = self.solver.worker.encode(&outputs) {
            let all: Vec<Digest> = [Some(key), keys.definition, keys.resolved]
                .into_iter()
                .flatten()
                .collect();
            let saved = self
                .solver
                .records
                .save(&all, &Record { id, payload }, &item.vertex.metadata.name);
            if let Err(error) = saved {
                self.land(node, None);
                return Err(SolveError::Records(error));
            }
            let account = self.account(node, told);
            self.accounts.extend(account.map(|account| (id, account)));
        }
        let resolved = Resolved {
            id,
            outputs: outputs.into(),
        };
        self.land(node, Some(resolved.clone()));
        self.resolved(node, resolved);
        self.tell_finished(node, Ending::Done);
        Ok(())
    }

    /// What the result of a node was made of.
    fn account(&self, node: usize, told: Told) -> Option<Account> {
        let (map, item) = (self.maps[node].as_ref()?, &self.graph.nodes[node]);
        let contents = self.contents.get(&node);
        let input = |(index, (input, output)): (usize, &(usize, u32))| AccountInput {
            name: self.graph.nodes[*input].vertex.metadata.name.clone(),
            id: self.states.resolved(*input).map(|resolved| resolved.id),
            output: *output,
            selector: map.inputs.get(index).and_then(|key| key.selector),
            content: contents.and_then(|contents| *contents.get(index)?),
        };
        let inputs = item.inputs.iter().enumerate().map(input).collect();
        let definition = self.keys[node].definition?;
        Some(Account::new(item.vertex, definition, map.digest, inputs, told))
    }

    /// Tells other solves that wait for the same that it is over.
    fn land(&mut self, node: usize, resolved: Option<Resolved<W::Output>>) {
        if self.graph.nodes[node].ignore_cache {
            return;
        }
        let Some(key) = self.flight_key(node) else {
            return;
        };
        for (sender, node) in self.solver.flights.land(&key) {
            let _ = sender.send(Message::Landed(node, resolved.clone()));
        }
    }

    // ---- Failure and the end ----

    pub(crate) fn failed(&mut self, node: usize, fault: Fault<W::Error>) -> Failure<W, R> {
        let item = &self.graph.nodes[node];
        let metadata = &item.vertex.metadata;
        let failure = match fault {
            Fault::Panic(message) => SolveError::Panicked {
                name: metadata.name.clone(),
                message,
            },
            Fault::Worker(source) => SolveError::Step(Box::new(StepError {
                vertex: item.digest,
                index: item.index,
                name: metadata.name.clone(),
                ranges: metadata.ranges.clone(),
                source,
            })),
        };
        if matches!(self.states.get(node), State::Running(_)) {
            self.land(node, None);
        }
        let text = match &failure {
            SolveError::Step(step) => chain(&step.source),
            other => chain(other),
        };
        self.tell_finished(node, Ending::Failed(text));
        self.states.set(node, State::Ended);
        failure
    }

    /// Nothing new begins, and what runs is told to end.
    fn give_up(&mut self, failure: Failure<W, R>) {
        self.failure = Some(failure);
        self.queue.clear();
        let flights = &self.solver.flights;
        for (node, state) in self.states.iter() {
            let shared = self
                .flight_key(node)
                .filter(|_| !self.graph.nodes[node].ignore_cache);
            match (state, shared) {
                // Others may wait for it, and go on doing so.
                (State::Running(_), Some(key)) => flights.abandon(&key),
                (State::Shared, Some(key)) => flights.leave(&key, &self.sender, node),
                (State::Running(token) | State::Digesting(token), _) => token.cancel(),
                _ => {}
            }
        }
    }

    /// Waits for the threads that are left after a failure.
    fn drain(&mut self, receiver: &Receiver<Message<W>>) {
        while self.tasks > 0 {
            let Ok(message) = receiver.recv() else { return };
            let node = match message {
                Message::Mapped(node, _) | Message::Digested(node, _) => node,
                Message::Executed(node, outcome) => {
                    self.tasks -= 1;
                    self.executed_late(node, outcome);
                    continue;
                }
                Message::Landed(..) | Message::Cancelled => continue,
            };
            self.tasks -= 1;
            self.tell_finished(node, Ending::Cancelled);
            self.states.set(node, State::Ended);
        }
        for node in 0..self.graph.nodes.len() {
            let given_up = match self.states.get(node) {
                State::Waiting(_) | State::Queued | State::Shared => true,
                // Nobody asked for it, as its solve did not get as far as asking.
                State::Idle => self.failure.is_some() && self.keys[node].definition.is_none(),
                _ => false,
            };
            if given_up && (self.started[node].is_none() || !matches!(self.states.get(node), State::Idle)) {
                self.tell_finished(node, Ending::Cancelled);
                self.states.set(node, State::Ended);
            }
        }
    }

    /// A step has ended after the solve was given up. What was not cancelled, as others waited for it, counts.
    fn executed_late(&mut self, node: usize, outcome: Outcome<(Vec<W::Output>, Told), W>) {
        let wanted = matches!(self.states.get(node), State::Running(token) if !token.is_cancelled());
        match outcome {
            Ok((outputs, told)) if wanted => {
                if self.executed(node, outputs, told).is_ok() {
                    return;
                }
            }
            _ => self.land(node, None),
        }
        self.tell_finished(node, Ending::Cancelled);
        self.states.set(node, State::Ended);
    }

    /// Keeps what was learnt.
    fn end(&mut self) {
        // The results are there; an alias that is lost is found again.
        let _ = self.solver.records.alias(&self.aliases);
        // Without them, explanations are poorer. Nothing else.
        if !self.accounts.is_empty() {
            let _ = self.solver.records.keep(&self.accounts);
        }
        let mut known = self.session.lock();
        let mut before = Vec::with_capacity(self.graph.nodes.len());
        for (node, item) in self.graph.nodes.iter().enumerate() {
            before.push(known.results.contains_key(&item.digest));
            if let Some(resolved) = self.states.resolved(node) {
                known.results.insert(item.digest, resolved.clone());
            }
            if let Some(map) = self.maps[node].take() {
                known.maps.insert(item.digest, map);
            }
        }
        drop(known);
        // What nobody asked for is skipped; but a source that was looked at for the keys has done its work.
        for (node, before) in before.into_iter().enumerate() {
            match self.states.get(node) {
                State::Idle if self.started[node].is_some() => self.tell_finished(node, Ending::Done),
                State::Idle if !before => self.tell_finished(node, Ending::Skipped),
                _ => {}
            }
        }
    }

    // ---- Threads and events ----

    fn receive(&mut self, receiver: &Receiver<Message<W>>) -> Result<Message<W>, Failure<W, R>> {
        let message = receiver.recv().map_err(|_| SolveError::Cancelled)?;
        match &message {
            Message::Cancelled => return Err(SolveError::Cancelled),
            Message::Mapped(..) => self.tasks -= 1,
            Message::Digested(..) => {
                self.tasks -= 1;
                self.digesting -= 1;
            }
            Message::Executed(..) => {
                self.tasks -= 1;
                self.running -= 1;
            }
            Message::Landed(..) => self.shared -= 1,
        }
        Ok(message)
    }

    fn spawn(
        &mut self,
        node: usize,
        token: CancelToken,
        task: impl FnOnce(&StepContext) -> Message<W> + Send + 'scope,
    ) -> Result<(), Failure<W, R>> {
        let context = StepContext::new(
            self.graph.nodes[node].digest,
            token,
            Arc::clone(&self.options.events),
        );
        let sender = self.sender.clone();
        let thread = std::thread::Builder::new().name(format!("step {}", self.graph.nodes[node].index));
        let spawned = thread.spawn_scoped(self.scope, move || {
            let _ = sender.send(task(&context));
        });
        match spawned {
            Ok(_) => {
                self.tasks += 1;
                Ok(())
            }
            Err(source) => {
                let name = self.graph.nodes[node].vertex.metadata.name.clone();
                Err(SolveError::Thread { name, source })
            }
        }
    }

    fn check(
        &self,
        node: usize,
        what: &'static str,
        found: usize,
        expected: usize,
    ) -> Result<(), Failure<W, R>> {
        if found == expected {
            return Ok(());
        }
        let name = self.graph.nodes[node].vertex.metadata.name.clone();
        Err(SolveError::Mismatch {
            name,
            what,
            found,
            expected,
        })
    }

    fn tell_started(&mut self, node: usize) {
        if self.started[node].is_some() {
            return;
        }
        let at = SystemTime::now();
        self.started[node] = Some(at);
        (self.options.events)(Event::Started {
            vertex: self.graph.nodes[node].digest,
            name: self.graph.nodes[node].vertex.metadata.name.clone(),
            inputs: self.graph.input_digests(node),
            at,
        });
    }

    fn tell_finished(&mut self, node: usize, ending: Ending) {
        let at = SystemTime::now();
        (self.options.events)(Event::Finished {
            vertex: self.graph.nodes[node].digest,
            name: self.graph.nodes[node].vertex.metadata.name.clone(),
            inputs: self.graph.input_digests(node),
            started: self.started[node],
            at,
            result: match self.states.resolved(node) {
                Some(resolved) => Some(resolved.id),
                None => self.keys[node].definition.filter(|_| ending == Ending::Skipped),
            },
            by_content: self.keys[node].content.is_some(),
            ending,
        });
    }
}

/// Calls the worker; a panic is an error like others.
fn attempt<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<T, Fault<E>> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(Fault::Worker),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(Fault::Panic(text.unwrap_or_else(|| "panic".to_owned())))
        }
    }
}

/// An error and all of its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        out.push_str(": ");
        out.push_str(&error.to_string());
        source = error.source();
    }
    out
}

/// An id that no other result has.
fn unique(key: &Digest) -> Digest {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let mut hasher = Hasher::new("lapstrake.unique-result");
    hasher
        .digest(key)
        .number(now.as_nanos() as u64)
        .number(u64::from(std::process::id()));
    hasher.number(COUNT.fetch_add(1, Ordering::Relaxed));
    hasher.finish()
}
