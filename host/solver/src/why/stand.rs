//! What would become of one step: cached, looked at, executed, the same as another, or not known yet.
//! Knows nothing of which steps are asked about, and of how a reason is found.

use std::sync::Arc;

use lapstrake_llb::Digest;

use crate::account::Account;
use crate::solve::Failure;
use crate::{Known, Records, SolveError, Worker};

use super::content::{Content, digests};
use super::explain::{Explainer, Hit, Lookup, Standing};
use super::{Found, Verdict};

/// What a solve would find of a step before it executes it.
enum Search<O> {
    Found(Standing<O>),
    Nothing(Unfound),
}

/// A step without a record: what it was looked for by.
struct Unfound {
    resolved: Option<Digest>,
    content_key: Option<Digest>,
    contents: Vec<Content>,
    /// A record without results.
    lost: Option<Digest>,
}

impl<W: Worker, R: Records> Explainer<'_, '_, '_, W, R> {
    /// Says what would become of a step, of whose inputs that is known.
    pub(super) fn stand(
        &mut self,
        node: usize,
        hit: Option<Hit<W::Output>>,
        lost: Option<Digest>,
    ) -> Result<Standing<W::Output>, Failure<W, R>> {
        if let Some(hit) = hit {
            return self.cached(hit, Found::Definition, Vec::new());
        }
        let unfound = match self.search(node, lost)? {
            Search::Found(standing) => return Ok(standing),
            Search::Nothing(unfound) => unfound,
        };
        let standing = self.looked(node, &unfound);
        if standing.outputs.is_some() {
            return Ok(standing);
        }
        if let Some(same) = self.same(node, &unfound) {
            return Ok(Standing {
                id: self.id(same),
                verdict: Verdict::Same(same),
                ..standing
            });
        }
        self.executed(node, &unfound, standing)
    }

    /// Looks a step up by the results of its inputs, then by what they hold.
    fn search(&mut self, node: usize, mut lost: Option<Digest>) -> Result<Search<W::Output>, Failure<W, R>> {
        let ignore_cache = self.run.graph.nodes[node].ignore_cache;
        let resolved = self
            .run
            .parts(node, |_, input| self.id(input))
            .map(|parts| parts.digest());
        if !ignore_cache && (self.run.fresh[node] || resolved != self.run.keys[node].definition) {
            match self.look_up(node, resolved)? {
                Lookup::Hit(hit) => {
                    return self.cached(hit, Found::Inputs, Vec::new()).map(Search::Found);
                }
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
                Lookup::Hit(hit) => {
                    return self
                        .cached(hit, Found::Content, digests(&contents))
                        .map(Search::Found);
                }
                Lookup::Lost(id) => lost = Some(id),
                Lookup::Nothing => {}
            }
        }
        Ok(Search::Nothing(Unfound {
            resolved,
            content_key,
            contents,
            lost,
        }))
    }

    /// A step as it is known without executing it; without outputs where there is nothing to look at.
    fn looked(&self, node: usize, unfound: &Unfound) -> Standing<W::Output> {
        let context = self.context(node);
        let item = &self.run.graph.nodes[node];
        let outputs: Option<Arc<[W::Output]>> = self
            .run
            .solver
            .worker()
            .glance(item.vertex, &context)
            .map(Into::into);
        let by_content = unfound
            .contents
            .iter()
            .any(|content| *content != Content::Uncounted);
        let key = if by_content {
            unfound.content_key
        } else {
            unfound.resolved
        };
        Standing {
            // What a solve would call it.
            id: key.filter(|_| !item.ignore_cache),
            outputs,
            contents: digests(&unfound.contents),
            verdict: Verdict::Looked,
        }
    }

    /// The step that is executed for this one too. Where there is none, it is this one for others.
    fn same(&mut self, node: usize, unfound: &Unfound) -> Option<usize> {
        if self.run.graph.nodes[node].ignore_cache {
            return None;
        }
        let keys = [unfound.resolved, unfound.content_key];
        let keys = keys.into_iter().flatten();
        let same = keys.clone().find_map(|key| self.expected.get(&key).copied());
        if same.is_none() {
            self.expected.extend(keys.map(|key| (key, node)));
        }
        same
    }

    /// A step that is executed, or may be: which of the two, and why.
    fn executed(
        &mut self,
        node: usize,
        unfound: &Unfound,
        standing: Standing<W::Output>,
    ) -> Result<Standing<W::Output>, Failure<W, R>> {
        let contents = &unfound.contents;
        let account = self.new_account(node, &standing);
        let near = match &account {
            Some(account) if !self.run.graph.nodes[node].ignore_cache => {
                let records = self.run.solver.records();
                let near = records.near(&account.kind, &account.name);
                near.map_err(SolveError::Records)?
            }
            _ => Vec::new(),
        };
        let on = self.open_inputs(node, contents);
        let maybe = |known: &Known| {
            let account = account.as_ref();
            account.is_some_and(|account| self.could_be(node, account, &known.account, contents, &on))
        };
        let open = !on.is_empty() && near.iter().flatten().any(maybe);
        // Comparing looks at this node too, as it is known so far.
        self.standings[node] = Some(standing.clone());
        let reason = self.reason(node, unfound.lost, account, near)?;
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
}
