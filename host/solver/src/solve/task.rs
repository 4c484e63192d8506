//! A thread for each thing that takes time, which tells the loop how it ended.
//! Knows nothing of what is done there.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::worker::{Records, Worker};
use crate::{CancelToken, SolveError, StepContext};

use super::{Failure, Fault, Message, Run};

impl<'scope, W: Worker, R: Records> Run<'scope, '_, W, R> {
    /// Starts a thread for a node.
    pub(super) fn spawn(
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
}

/// Calls the worker; a panic is an error like others.
pub(super) fn attempt<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<T, Fault<E>> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(Fault::Worker),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(Fault::Panic(text.unwrap_or_else(|| "panic".to_owned())))
        }
    }
}
