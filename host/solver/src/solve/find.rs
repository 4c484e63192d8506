//! Finds results, from the roots down: by the definition, by the inputs' results, by what the inputs hold.
//! Knows nothing of how a result that is not found is made.

use std::cmp::Reverse;

use lapstrake_llb::Digest;

use crate::key::Identity;
use crate::state::{Resolved, State};
use crate::worker::{Records, Worker};
use crate::{CancelToken, Ending, SolveError};

use super::task::attempt;
use super::{Failure, Message, Run};

impl<W: Worker, R: Records> Run<'_, '_, W, R> {
    /// Somebody wants a node.
    pub(super) fn visit(&mut self, node: usize) -> Result<(), Failure<W, R>> {
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
    pub(super) fn find(&mut self, node: usize, key: Option<Digest>) -> Result<bool, Failure<W, R>> {
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

    /// A node has its result: those who wait for it are one input nearer to theirs.
    pub(super) fn resolved(&mut self, node: usize, resolved: Resolved<W::Output>) {
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
    pub(super) fn inputs_are_there(&mut self, node: usize) -> Result<(), Failure<W, R>> {
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

    /// Begins to digest the inputs of a node that count by content.
    pub(super) fn digest(&mut self, node: usize) -> Result<(), Failure<W, R>> {
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

    /// The contents of a node's inputs are known.
    pub(super) fn digested(&mut self, node: usize, digests: &[Option<Digest>]) -> Result<(), Failure<W, R>> {
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

    /// Results of a node's inputs, which all MUST be there.
    pub(super) fn inputs(&self, node: usize) -> Vec<W::Output> {
        let result = |(input, output): &(usize, u32)| {
            self.states
                .resolved(*input)
                .and_then(|resolved| resolved.outputs.get(*output as usize).cloned())
        };
        self.graph.nodes[node].inputs.iter().filter_map(result).collect()
    }
}
