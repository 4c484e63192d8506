//! Goes through a graph as a solve would, and stops where that would execute.
//! Knows nothing of what becomes of one step, and of how two keys are compared.

use std::collections::HashMap;
use std::sync::Arc;

use lapstrake_llb::Digest;

use crate::graph::Graph;
use crate::solve::{Failure, Run};
use crate::{CancelToken, Record, Records, SolveError, StepContext, Worker};

use super::{Explained, Verdict};

/// What is known of a step.
#[derive(Clone)]
pub(super) struct Standing<O> {
    /// Id of its result; none: not known before it has run.
    pub id: Option<Digest>,
    /// Its results, where they are there.
    pub outputs: Option<Arc<[O]>>,
    /// What its inputs hold, where that counts and is known.
    pub contents: Vec<Option<Digest>>,
    pub verdict: Verdict,
}

/// A record with its results.
pub(super) type Hit<O> = (Digest, Arc<[O]>);

/// What was found under a key.
pub(super) enum Lookup<O> {
    Nothing,
    /// A record without results.
    Lost(Digest),
    Hit(Hit<O>),
}

pub(super) struct Explainer<'a, 'scope, 'env, W: Worker, R: Records> {
    pub run: &'a mut Run<'scope, 'env, W, R>,
    /// How many of the graph's roots are wanted; the others are asked for.
    wanted: usize,
    /// Records by definition keys.
    records: Vec<Option<Record>>,
    /// Steps that would be executed, by the keys of their results.
    pub(super) expected: HashMap<Digest, usize>,
    pub standings: Vec<Option<Standing<W::Output>>>,
}

impl<'a, 'scope, 'env, W: Worker, R: Records> Explainer<'a, 'scope, 'env, W, R> {
    pub fn new(run: &'a mut Run<'scope, 'env, W, R>, wanted: usize) -> Self {
        let count = run.graph.nodes.len();
        Self {
            run,
            wanted,
            records: Vec::new(),
            expected: HashMap::new(),
            standings: (0..count).map(|_| None).collect(),
        }
    }

    pub fn all(mut self) -> Result<Vec<Explained>, Failure<W, R>> {
        let graph = self.run.graph;
        self.records = self.find_by_definition()?;
        let mut hits = Vec::with_capacity(graph.nodes.len());
        let mut lost = Vec::with_capacity(graph.nodes.len());
        for (node, record) in self.records.clone().into_iter().enumerate() {
            let (hit, gone) = match record.map_or(Lookup::Nothing, |record| self.decode(node, record)) {
                Lookup::Nothing => (None, None),
                Lookup::Lost(id) => (None, Some(id)),
                Lookup::Hit(hit) => (Some(hit), None),
            };
            hits.push(hit);
            lost.push(gone);
        }
        let needed = self.reached(&hits, 0..self.wanted);
        let asked = self.reached(&hits, self.wanted..graph.roots.len());
        for (node, hit) in hits.iter().enumerate() {
            if needed[node] || asked[node] {
                self.standings[node] = Some(self.stand(node, hit.clone(), lost[node])?);
            }
        }
        let covers = covers(graph, &needed, &hits);
        let explained = |(node, standing): (usize, Option<Standing<W::Output>>)| Explained {
            vertex: graph.nodes[node].index,
            digest: graph.nodes[node].digest,
            inputs: graph.nodes[node].inputs.iter().map(|(input, _)| *input).collect(),
            verdict: standing.map_or(Verdict::Unneeded, |standing| standing.verdict),
            needed: if needed[node] { Ok(()) } else { Err(covers[node]) },
        };
        Ok(self.standings.into_iter().enumerate().map(explained).collect())
    }

    /// Looks all definition keys up, but those of results that are to be new.
    fn find_by_definition(&self) -> Result<Vec<Option<Record>>, Failure<W, R>> {
        let run = &self.run;
        let keys: Vec<(usize, Digest)> = (0..run.graph.nodes.len())
            .filter(|node| !run.fresh[*node])
            .filter_map(|node| Some((node, run.keys[node].definition?)))
            .collect();
        let list: Vec<Digest> = keys.iter().map(|(_, key)| *key).collect();
        let found = run.solver.records().find(&list).map_err(SolveError::Records)?;
        let mut records = vec![None; run.graph.nodes.len()];
        for ((node, _), record) in keys.into_iter().zip(found) {
            records[node] = record;
        }
        Ok(records)
    }

    fn decode(&self, node: usize, record: Record) -> Lookup<W::Output> {
        let expected = self.run.graph.nodes[node].vertex.op.output_count() as usize;
        let outputs = self.run.solver.worker().decode(&record.payload);
        match outputs.filter(|outputs| outputs.len() == expected) {
            Some(outputs) => Lookup::Hit((record.id, outputs.into())),
            None => Lookup::Lost(record.id),
        }
    }

    pub(super) fn look_up(
        &self,
        node: usize,
        key: Option<Digest>,
    ) -> Result<Lookup<W::Output>, Failure<W, R>> {
        let Some(key) = key else {
            return Ok(Lookup::Nothing);
        };
        let found = self
            .run
            .solver
            .records()
            .find(&[key])
            .map_err(SolveError::Records)?;
        let record = found.into_iter().next().flatten();
        Ok(record.map_or(Lookup::Nothing, |record| self.decode(node, record)))
    }

    /// The nodes that a solve would come by, from some of the roots.
    fn reached(&self, hits: &[Option<Hit<W::Output>>], roots: std::ops::Range<usize>) -> Vec<bool> {
        let graph = self.run.graph;
        let mut reached = vec![false; graph.nodes.len()];
        for (root, _) in &graph.roots[roots] {
            reached[*root] = true;
        }
        for node in (0..graph.nodes.len()).rev() {
            if reached[node] && hits[node].is_none() {
                for (input, _) in &graph.nodes[node].inputs {
                    reached[*input] = true;
                }
            }
        }
        reached
    }

    /// The id of a node's result, if it is known.
    pub(super) fn id(&self, node: usize) -> Option<Digest> {
        match &self.standings[node] {
            Some(standing) => standing.id,
            None => self.records.get(node)?.as_ref().map(|record| record.id),
        }
    }

    pub(super) fn context(&self, node: usize) -> StepContext {
        let events = Arc::clone(&self.run.options.events);
        StepContext::new(self.run.graph.nodes[node].digest, CancelToken::new(), events)
    }
}

/// For each node that is not needed, the record that stands for it.
fn covers<O>(graph: &Graph<'_>, needed: &[bool], hits: &[Option<O>]) -> Vec<Option<usize>> {
    let mut covers = vec![None; graph.nodes.len()];
    for node in (0..graph.nodes.len()).rev() {
        let cover = match (needed[node], &hits[node]) {
            (true, Some(_)) => Some(node),
            (true, None) => None,
            (false, _) => covers[node],
        };
        for (input, _) in &graph.nodes[node].inputs {
            covers[*input] = covers[*input].or(cover);
        }
    }
    covers
}
