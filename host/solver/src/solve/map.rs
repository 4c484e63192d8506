//! Cache maps and the keys made of them, from the inputs up. Sources are looked at all at once.
//! Knows nothing of records and results: who asks for a key says what identifies the inputs.

use crossbeam_channel::Receiver;
use lapstrake_llb::Digest;

use crate::CancelToken;
use crate::key::{Identity, InputPart, KeyParts};
use crate::state::State;
use crate::worker::{CacheMap, InputKey, Records, Worker};

use super::task::attempt;
use super::{Failure, Message, Run};

impl<W: Worker, R: Records> Run<'_, '_, W, R> {
    /// Makes all cache maps and definition keys, and waits for those that take time.
    pub(super) fn map_all(&mut self, receiver: &Receiver<Message<W>>) -> Result<(), Failure<W, R>> {
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
        let part = |((input, output), key): (&(usize, u32), &InputKey)| {
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
}
