//! How a solve ends: a step fails, what is left is given up and waited for, and what was learnt is kept.
//! Knows nothing of how results come about.

use crossbeam_channel::Receiver;

use crate::account::Told;
use crate::state::State;
use crate::worker::{Records, Worker};
use crate::{Ending, SolveError, StepError};

use super::{Failure, Fault, Message, Outcome, Run};

impl<W: Worker, R: Records> Run<'_, '_, W, R> {
    /// A task of a node has no result.
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

    /// Holds a worker to the number of things that it owes.
    pub(super) fn check(
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

    /// Nothing new begins, and what runs is told to end.
    pub(super) fn give_up(&mut self, failure: Failure<W, R>) {
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
    pub(super) fn drain(&mut self, receiver: &Receiver<Message<W>>) {
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
    pub(super) fn end(&mut self) {
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
