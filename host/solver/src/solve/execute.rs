//! Executes what was not found, once for all solves that want it at the same time, and saves what it makes.
//! Knows nothing of keys, but which of them name a result.

use std::cmp::Reverse;
use std::time::SystemTime;

use lapstrake_llb::{Digest, Hasher};

use crate::account::Told;
use crate::state::{Resolved, State};
use crate::worker::{Record, Records, Worker};
use crate::{CancelToken, Ending, SolveError};

use super::task::attempt;
use super::{Failure, Message, Run};

impl<W: Worker, R: Records> Run<'_, '_, W, R> {
    /// A node can be executed when there is room.
    pub(super) fn enqueue(&mut self, node: usize) {
        self.states.set(node, State::Queued);
        self.queue.push((self.graph.nodes[node].height, Reverse(node)));
    }

    /// Executes a node, or waits for another solve that does.
    pub(super) fn execute(&mut self, node: usize) -> Result<(), Failure<W, R>> {
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
    pub(super) fn flight_key(&self, node: usize) -> Option<Digest> {
        self.keys[node].content.or(self.keys[node].resolved)
    }

    /// A node has been executed.
    pub(super) fn executed(
        &mut self,
        node: usize,
        outputs: Vec<W::Output>,
        told: Told,
    ) -> Result<(), Failure<W, R>> {
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

    /// Tells other solves that wait for the same that it is over.
    pub(super) fn land(&mut self, node: usize, resolved: Option<Resolved<W::Output>>) {
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
