//! What a solve says of its nodes: events for who listens, accounts for who asks later.
//! Knows nothing of where they go, and decides nothing.

use std::time::SystemTime;

use crate::account::{Account, AccountInput, Told};
use crate::worker::{Records, Worker};
use crate::{Ending, Event};

use super::Run;

impl<W: Worker, R: Records> Run<'_, '_, W, R> {
    pub(super) fn tell_started(&mut self, node: usize) {
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

    pub(super) fn tell_finished(&mut self, node: usize, ending: Ending) {
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

    /// What the result of a node was made of.
    pub(super) fn account(&self, node: usize, told: Told) -> Option<Account> {
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
}
