//! What a step has of its surroundings: its name, who listens to it, and whether it should stop.
//! Knows nothing of graphs and states.

use std::sync::Arc;
use std::time::SystemTime;

use lapstrake_llb::Digest;

use crate::{CancelToken, Event, Events, Stream};

/// Given to every call of a worker that may take time. Clones are the same context and may go to other threads.
#[derive(Clone)]
pub struct StepContext {
    vertex: Digest,
    cancel: CancelToken,
    events: Events,
}

impl StepContext {
    /// A context for one step.
    pub fn new(vertex: Digest, cancel: CancelToken, events: Events) -> Self {
        Self {
            vertex,
            cancel,
            events,
        }
    }

    /// A context outside of any solve, that nobody listens to and nobody cancels.
    pub fn detached() -> Self {
        Self::new(Digest::of(b""), CancelToken::new(), Arc::new(|_| {}))
    }

    /// The vertex, by the digest of its definition.
    pub fn vertex(&self) -> Digest {
        self.vertex
    }

    /// Tells what a process wrote.
    pub fn log(&self, stream: Stream, data: &[u8]) {
        let (vertex, data, at) = (self.vertex, data.to_vec(), SystemTime::now());
        (self.events)(Event::Log {
            vertex,
            stream,
            data,
            at,
        });
    }

    /// Tells how far a part of the work is, in bytes. `total` 0: not known.
    pub fn status(&self, id: &str, current: u64, total: u64, started: SystemTime, done: bool) {
        let (vertex, id, at) = (self.vertex, id.to_owned(), SystemTime::now());
        (self.events)(Event::Status {
            vertex,
            id,
            current,
            total,
            started,
            at,
            done,
        });
    }

    /// Whether the step should stop.
    pub fn cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// The token of this step, to wait on or to be called back.
    pub fn cancel_token(&self) -> &CancelToken {
        &self.cancel
    }
}

impl std::fmt::Debug for StepContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StepContext")
            .field("vertex", &self.vertex)
            .finish_non_exhaustive()
    }
}
