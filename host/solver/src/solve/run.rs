//! The course of a solve: the event loop, which takes what threads tell and says which node moves next.
//! Knows nothing of what a move does, and starts no threads.

use std::cmp::Reverse;

use crossbeam_channel::Receiver;

use crate::worker::{Records, Worker};
use crate::{Ending, SolveError};

use super::{Failure, Message, Run};

/// Nodes whose inputs are digested at once, whatever the number of jobs: much of it may be waiting for a registry.
const DIGESTS: usize = 16;

impl<W: Worker, R: Records> Run<'_, '_, W, R> {
    /// Gets the results of the roots.
    pub(super) fn all(&mut self, receiver: &Receiver<Message<W>>) -> Result<Vec<W::Output>, Failure<W, R>> {
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

    /// Moves nodes until all roots have their results. The loop.
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

    /// Waits for a message, and counts who is done.
    pub(super) fn receive(&mut self, receiver: &Receiver<Message<W>>) -> Result<Message<W>, Failure<W, R>> {
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
}
