//! Goes through a graph as a solve would, and stops where that would execute.
//! Knows nothing of how two keys are compared.

use std::collections::HashMap;
use std::sync::Arc;

use lapstrake_llb::Digest;

use crate::account::{Account, AccountInput};
use crate::key::{Identity, KeyParts};
use crate::solve::{Failure, Fault, Run};
use crate::{CancelToken, Known, Made, Record, Records, SolveError, StepContext, Worker};

use super::{Explained, Found, Reason, Verdict};

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
type Hit<O> = (Digest, Arc<[O]>);

/// What was found under a key.
enum Lookup<O> {
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
    expected: HashMap<Digest, usize>,
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

    fn look_up(&self, node: usize, key: Option<Digest>) -> Result<Lookup<W::Output>, Failure<W, R>> {
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

    fn stand(
        &mut self,
        node: usize,
        hit: Option<Hit<W::Output>>,
        mut lost: Option<Digest>,
    ) -> Result<Standing<W::Output>, Failure<W, R>> {
        if let Some(hit) = hit {
            return self.cached(hit, Found::Definition, Vec::new());
        }
        let ignore_cache = self.run.graph.nodes[node].ignore_cache;
        let resolved = self
            .run
            .parts(node, |_, input| self.id(input))
            .map(|parts| parts.digest());
        if !ignore_cache && (self.run.fresh[node] || resolved != self.run.keys[node].definition) {
            match self.look_up(node, resolved)? {
                Lookup::Hit(hit) => return self.cached(hit, Found::Inputs, Vec::new()),
                Lookup::Lost(id) => lost = Some(id),
                Lookup::Nothing => {}
            }
        }
        let contents = self.contents(node)?;
        let mut content_key = None;
        if !ignore_cache
            && contents
                .iter()
                .any(|content| matches!(content, Content::Known(_)))
        {
            content_key = self.content_key(node, &contents);
            match self.look_up(node, content_key)? {
                Lookup::Hit(hit) => return self.cached(hit, Found::Content, digests(&contents)),
                Lookup::Lost(id) => lost = Some(id),
                Lookup::Nothing => {}
            }
        }
        let context = self.context(node);
        let vertex = self.run.graph.nodes[node].vertex;
        let outputs: Option<Arc<[W::Output]>> =
            self.run.solver.worker().glance(vertex, &context).map(Into::into);
        let by_content = contents.iter().any(|content| *content != Content::Uncounted);
        let standing = Standing {
            // What a solve would call it.
            id: if by_content { content_key } else { resolved }.filter(|_| !ignore_cache),
            outputs,
            contents: digests(&contents),
            verdict: Verdict::Looked,
        };
        if standing.outputs.is_some() {
            return Ok(standing);
        }
        if !ignore_cache {
            let keys = [resolved, content_key];
            let same = keys
                .iter()
                .flatten()
                .find_map(|key| self.expected.get(key).copied());
            if let Some(same) = same {
                let id = self.id(same);
                let verdict = Verdict::Same(same);
                return Ok(Standing {
                    id,
                    verdict,
                    ..standing
                });
            }
            self.expected
                .extend(keys.into_iter().flatten().map(|key| (key, node)));
        }
        let account = self.new_account(node, &standing);
        let near = match &account {
            Some(account) if !ignore_cache => {
                let records = self.run.solver.records();
                let near = records.near(&account.kind, &account.name);
                near.map_err(SolveError::Records)?
            }
            _ => Vec::new(),
        };
        let on = self.open_inputs(node, &contents);
        let maybe = |known: &Known| {
            let account = account.as_ref();
            account.is_some_and(|account| self.could_be(node, account, &known.account, &contents, &on))
        };
        let open = !on.is_empty() && near.iter().flatten().any(maybe);
        // Comparing looks at this node too, as it is known so far.
        self.standings[node] = Some(standing.clone());
        let reason = self.reason(node, lost, account, near)?;
        Ok(match open {
            // It may be found under another id.
            true => Standing {
                verdict: Verdict::Open { on, reason },
                id: None,
                ..standing
            },
            false => Standing {
                verdict: Verdict::Runs(reason),
                ..standing
            },
        })
    }

    /// Whether a node may turn out to be what an earlier record was made of, when the inputs that it waits for are there.
    fn could_be(
        &self,
        node: usize,
        now: &Account,
        then: &Account,
        contents: &[Content],
        on: &[usize],
    ) -> bool {
        if now.digest != then.digest || now.inputs.len() != then.inputs.len() {
            return false;
        }
        let inputs = now.inputs.iter().zip(&then.inputs).enumerate();
        inputs
            .into_iter()
            .all(|(position, (now, then))| match contents.get(position) {
                Some(Content::Unknown) => true,
                Some(Content::Known(digest)) => then.content.is_none_or(|content| content == *digest),
                Some(Content::Uncounted) | None => {
                    let input = self.run.graph.nodes[node].inputs[position].0;
                    on.contains(&input) || (now.id.is_some() && now.id == then.id)
                }
            })
    }

    fn cached(
        &self,
        (id, outputs): Hit<W::Output>,
        found: Found,
        contents: Vec<Option<Digest>>,
    ) -> Result<Standing<W::Output>, Failure<W, R>> {
        let made = self.run.solver.records().made(&id).map_err(SolveError::Records)?;
        Ok(Standing {
            id: Some(id),
            outputs: Some(outputs),
            contents,
            verdict: Verdict::Cached { found, made },
        })
    }

    /// What the inputs of a node hold, as far as that counts.
    fn contents(&mut self, node: usize) -> Result<Vec<Content>, Failure<W, R>> {
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

    fn content_key(&self, node: usize, contents: &[Content]) -> Option<Digest> {
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

    /// The inputs that may turn out to hold what they held before.
    fn open_inputs(&self, node: usize, contents: &[Content]) -> Vec<usize> {
        let inputs = self.run.graph.nodes[node].inputs.iter().zip(contents);
        let open = inputs.filter(|((input, _), content)| match content {
            Content::Unknown => true,
            Content::Known(_) => false,
            Content::Uncounted => self.is_open(*input),
        });
        let mut open: Vec<usize> = open.map(|((input, _), _)| *input).collect();
        open.dedup();
        open
    }

    /// Whether it is not known yet if a node's result will be an earlier one.
    fn is_open(&self, node: usize) -> bool {
        match self.standings[node].as_ref().map(|standing| &standing.verdict) {
            Some(Verdict::Open { .. }) => true,
            Some(Verdict::Same(other)) => self.is_open(*other),
            _ => false,
        }
    }

    /// Why there is no record.
    fn reason(
        &self,
        node: usize,
        lost: Option<Digest>,
        account: Option<Account>,
        near: Vec<Vec<Known>>,
    ) -> Result<Reason, Failure<W, R>> {
        if self.run.graph.nodes[node].ignore_cache {
            return Ok(Reason::NoCache);
        }
        if let Some(lost) = lost {
            let made = self.run.solver.records().made(&lost);
            return Ok(Reason::ResultLost(made.map_err(SolveError::Records)?));
        }
        let Some(account) = account else {
            return Ok(Reason::FirstTime);
        };
        let fresh = self.run.fresh[node];
        let same = |known: &&Known| !fresh && known.account.definition == account.definition;
        if let Some(known) = near.iter().flatten().find(same) {
            return Ok(Reason::Removed(made(known)));
        }
        let Some(known) = nearest(&account, near) else {
            return Ok(Reason::FirstTime);
        };
        let causes = self.causes(node, &known.account)?;
        let from = made(&known);
        Ok(match causes.is_empty() {
            true => Reason::Removed(from),
            false => Reason::Differs { from, causes },
        })
    }

    /// The id of a node's result, if it is known.
    pub fn id(&self, node: usize) -> Option<Digest> {
        match &self.standings[node] {
            Some(standing) => standing.id,
            None => self.records.get(node)?.as_ref().map(|record| record.id),
        }
    }

    /// What a node's result is made of, or would be.
    pub fn account(&self, node: usize) -> Result<Option<Account>, Failure<W, R>> {
        let standing = self.standings[node].as_ref();
        if !matches!(
            standing,
            Some(Standing {
                verdict: Verdict::Runs(_) | Verdict::Open { .. },
                ..
            })
        ) && let Some(id) = self.id(node)
            && let Some(known) = self
                .run
                .solver
                .records()
                .account(&id)
                .map_err(SolveError::Records)?
        {
            return Ok(Some(known.account));
        }
        let empty = Standing {
            id: None,
            outputs: None,
            contents: Vec::new(),
            verdict: Verdict::Unneeded,
        };
        Ok(self.new_account(node, standing.unwrap_or(&empty)))
    }

    /// What a node's result would be made of.
    fn new_account(&self, node: usize, standing: &Standing<W::Output>) -> Option<Account> {
        let item = &self.run.graph.nodes[node];
        let (map, definition) = (self.run.maps[node].as_ref()?, self.run.keys[node].definition?);
        let input = |(position, (input, output)): (usize, &(usize, u32))| AccountInput {
            name: self.run.graph.nodes[*input].vertex.metadata.name.clone(),
            id: self.id(*input),
            output: *output,
            selector: map.inputs.get(position).and_then(|key| key.selector),
            content: standing.contents.get(position).copied().flatten(),
        };
        let output = |(input, output): &(usize, u32)| {
            let outputs = self.standings[*input].as_ref()?.outputs.as_ref()?;
            outputs.get(*output as usize).cloned()
        };
        let outputs: Vec<_> = item.inputs.iter().map(output).collect();
        let context = self.context(node);
        let told = self.run.solver.worker().tell(item.vertex, &outputs, &context);
        let inputs = item.inputs.iter().enumerate().map(input).collect();
        Some(Account::new(item.vertex, definition, map.digest, inputs, told))
    }

    fn context(&self, node: usize) -> StepContext {
        let events = Arc::clone(&self.run.options.events);
        StepContext::new(self.run.graph.nodes[node].digest, CancelToken::new(), events)
    }
}

/// What an input holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// That does not count.
    Uncounted,
    /// That is known when it has run.
    Unknown,
    Known(Digest),
}

fn digests(contents: &[Content]) -> Vec<Option<Digest>> {
    let digest = |content: &Content| match content {
        Content::Known(digest) => Some(*digest),
        Content::Uncounted | Content::Unknown => None,
    };
    contents.iter().map(digest).collect()
}

/// For each node that is not needed, the record that stands for it.
fn covers<O>(graph: &crate::graph::Graph<'_>, needed: &[bool], hits: &[Option<O>]) -> Vec<Option<usize>> {
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

pub(super) fn made(known: &Known) -> Made {
    Made {
        id: known.id,
        at: known.at,
        by: known.account.name.clone(),
    }
}

/// The account with the fewest differing parts, of the first group that has one; the newest of equal ones. In the last
/// group are steps that only do something of the same kind: there at least half of the parts must be equal.
fn nearest(account: &Account, groups: Vec<Vec<Known>>) -> Option<Known> {
    let last = groups.len().saturating_sub(1);
    for (number, group) in groups.into_iter().enumerate() {
        let mut best: Option<(usize, Known)> = None;
        for known in group {
            let (differing, all) = account.distance(&known.account);
            let near = number < last || differing * 2 <= all;
            if near && best.as_ref().is_none_or(|(least, _)| differing < *least) {
                best = Some((differing, known));
            }
        }
        if let Some((_, known)) = best {
            return Some(known);
        }
    }
    None
}
