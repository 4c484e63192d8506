//! Where each node of a solve stands: one enum, one setter.
//! Knows nothing of why.

use std::sync::Arc;

use lapstrake_llb::Digest;

use crate::CancelToken;

/// A result and its name in the keys of those who use it.
#[derive(Debug)]
pub struct Resolved<O> {
    /// Id of the record, or the key it would have.
    pub id: Digest,
    /// One for each output.
    pub outputs: Arc<[O]>,
}

impl<O> Clone for Resolved<O> {
    fn clone(&self) -> Self {
        Self {
            id: self.id,
            outputs: Arc::clone(&self.outputs),
        }
    }
}

/// Where a node stands.
#[derive(Debug)]
pub enum State<O> {
    /// Nobody asked for it.
    Idle,
    /// It waits for this many inputs.
    Waiting(usize),
    /// The content of its inputs is being digested.
    Digesting(CancelToken),
    /// It can be executed, or its inputs be digested, when there is room.
    Queued,
    /// It is executed.
    Running(CancelToken),
    /// Another solve executes the same.
    Shared,
    /// Its result is there.
    Resolved(Resolved<O>),
    /// It failed or was given up.
    Ended,
}

/// The states of all nodes.
pub struct States<O>(Vec<State<O>>);

impl<O> States<O> {
    /// All idle.
    pub fn new(count: usize) -> Self {
        Self((0..count).map(|_| State::Idle).collect())
    }

    /// Where a node stands.
    pub fn get(&self, node: usize) -> &State<O> {
        &self.0[node]
    }

    /// The result of a node, if it is there.
    pub fn resolved(&self, node: usize) -> Option<&Resolved<O>> {
        match &self.0[node] {
            State::Resolved(resolved) => Some(resolved),
            _ => None,
        }
    }

    /// Moves a node on. The only place where a state changes.
    pub fn set(&mut self, node: usize, next: State<O>) {
        debug_assert!(
            !matches!(self.0[node], State::Resolved(_) | State::Ended),
            "a node that is over does not move"
        );
        self.0[node] = next;
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &State<O>)> {
        self.0.iter().enumerate()
    }
}
