//! What the inputs of a step hold, as far as that counts, and the key that it makes.
//! Knows nothing of records, and executes nothing.

use lapstrake_llb::Digest;

use crate::key::{Identity, KeyParts};
use crate::solve::{Failure, Fault};
use crate::{Records, Worker};

use super::explain::Explainer;

/// What an input holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// That does not count.
    Uncounted,
    /// That is known when it has run.
    Unknown,
    Known(Digest),
}

pub(super) fn digests(contents: &[Content]) -> Vec<Option<Digest>> {
    let digest = |content: &Content| match content {
        Content::Known(digest) => Some(*digest),
        Content::Uncounted | Content::Unknown => None,
    };
    contents.iter().map(digest).collect()
}

impl<W: Worker, R: Records> Explainer<'_, '_, '_, W, R> {
    /// What the inputs of a node hold, as far as that counts.
    pub(super) fn contents(&mut self, node: usize) -> Result<Vec<Content>, Failure<W, R>> {
        let graph = self.run.graph;
        let map = self.run.maps[node].as_ref();
        let counts: Vec<bool> = map
            .iter()
            .flat_map(|map| &map.inputs)
            .map(|key| key.content)
            .collect();
        let mut contents = Vec::with_capacity(counts.len());
        for (position, counts) in counts.into_iter().enumerate() {
            let (input, output) = graph.nodes[node].inputs[position];
            let found = self.standings[input]
                .as_ref()
                .and_then(|standing| standing.outputs.clone());
            let found = found.and_then(|outputs| outputs.get(output as usize).cloned());
            contents.push(match found {
                _ if !counts => Content::Uncounted,
                None => Content::Unknown,
                Some(output) => {
                    let context = self.context(node);
                    let vertex = graph.nodes[node].vertex;
                    let known = self
                        .run
                        .solver
                        .worker()
                        .known_content(vertex, position, &output, &context);
                    match known {
                        Ok(Some(digest)) => Content::Known(digest),
                        Ok(None) => Content::Unknown,
                        Err(error) => return Err(self.run.failed(node, Fault::Worker(error))),
                    }
                }
            });
        }
        Ok(contents)
    }

    pub(super) fn content_key(&self, node: usize, contents: &[Content]) -> Option<Digest> {
        // Where the content is known, the id does not count.
        let any = Digest::of(b"");
        let inputs = &self.run.graph.nodes[node].inputs;
        for ((input, _), content) in inputs.iter().zip(contents) {
            match content {
                Content::Unknown => return None,
                Content::Uncounted => {
                    self.id(*input)?;
                }
                Content::Known(_) => {}
            }
        }
        let mut parts: KeyParts = self
            .run
            .parts(node, |_, input| Some(self.id(input).unwrap_or(any)))?;
        for (part, content) in parts.inputs.iter_mut().zip(contents) {
            if let Content::Known(digest) = content {
                part.identity = Identity::Content(*digest);
            }
        }
        Some(parts.digest())
    }
}
