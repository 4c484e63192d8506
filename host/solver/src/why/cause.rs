//! Finds where two results began to differ: from a step down to the steps that themselves are not what they were.
//! Knows nothing of which record a step is compared with.

use std::collections::HashSet;

use lapstrake_llb::Digest;

use crate::account::{Account, InputChange};
use crate::solve::Failure;
use crate::{Records, SolveError, Worker};

use super::explain::Explainer;
use super::{Cause, Verdict, What};

/// Steps that are looked through for one that was added or taken away.
const CHAIN: usize = 64;
/// Steps that are compared for one explanation.
const COMPARED: usize = 1000;

/// What is still to be compared: nodes with what they were.
type Rest = Vec<(usize, Account)>;

impl<W: Worker, R: Records> Explainer<'_, '_, '_, W, R> {
    /// Finds what differs between a node and an earlier account, at the node or below it.
    pub(super) fn causes(&self, node: usize, before: &Account) -> Result<Vec<Cause>, Failure<W, R>> {
        let mut rest: Rest = vec![(node, before.clone())];
        let mut seen: HashSet<(usize, Option<Digest>)> = HashSet::new();
        let mut found: Vec<Cause> = Vec::new();
        let mut compared = 0;
        while let Some((at, before)) = rest.pop() {
            compared += 1;
            let Some(after) = self.account(at)?.filter(|_| compared <= COMPARED) else {
                continue;
            };
            let (mut here, inputs) = Here::new(at, &before, &after);
            for input in inputs {
                self.input(&mut here, input)?;
            }
            let Here { mut what, below, .. } = here;
            if what.is_empty() && below.is_empty() && at != node {
                what.push(What::AnotherResult);
            }
            for (input, id, next) in below {
                if !seen.insert((input, id)) {
                    continue;
                }
                match next {
                    Next::Compare(account) => rest.push((input, *account)),
                    Next::NoCache => found.push(Cause {
                        step: input,
                        what: vec![What::NoCache],
                    }),
                }
            }
            if !what.is_empty() {
                found.push(Cause { step: at, what });
            }
        }
        // The step itself first, then what is nearest to it.
        found.sort_by_key(|cause| std::cmp::Reverse(cause.step));
        Ok(found)
    }

    /// What an input's difference means: something to say here, or to look for below.
    fn input(&self, here: &mut Here<'_>, change: InputChange) -> Result<(), Failure<W, R>> {
        here.what.extend(change.selector.into_iter().map(What::Part));
        let Some(before) = change.other else {
            return Ok(());
        };
        let graph = self.run.graph;
        let input = graph.nodes[here.at].inputs[change.index].0;
        let told = here.after.told.inputs.get(change.index);
        let label = told.map(|told| told.label.clone()).unwrap_or_default();
        if let Some(changes) = change.listing.filter(|changes| !changes.is_empty()) {
            here.what.push(What::Content { label, changes });
            return Ok(());
        }
        if graph.nodes[input].ignore_cache {
            here.below.push((input, before, Next::NoCache));
            return Ok(());
        }
        if self.is_looked_at(input) {
            let was = here
                .before
                .inputs
                .get(change.index)
                .map(|input| input.name.clone());
            let other = was.filter(|was| *was != graph.nodes[input].vertex.metadata.name);
            here.what.push(match other {
                Some(_) => What::Replaced {
                    label,
                    before: other,
                    after: input,
                },
                None => What::Content {
                    label,
                    changes: Vec::new(),
                },
            });
            return Ok(());
        }
        if let Some(added) = before.and_then(|before| self.added(input, &before)) {
            here.what.push(What::Added(added));
            return Ok(());
        }
        if let Some(gone) = self.gone(input, before)? {
            here.what.push(What::Gone(gone));
            return Ok(());
        }
        let known = match before {
            Some(before) => {
                let records = self.run.solver.records();
                records.account(&before).map_err(SolveError::Records)?
            }
            None => None,
        };
        match known {
            Some(known) if known.account.kind == graph.nodes[input].vertex.op.kind() => {
                here.below
                    .push((input, before, Next::Compare(Box::new(known.account))));
            }
            // Where the step itself changed, other inputs are no news.
            None if here.is_own => {}
            known => here.what.push(What::Replaced {
                label,
                before: known.map(|known| known.account.name),
                after: input,
            }),
        }
        Ok(())
    }

    /// Whether a node is a source that has no record.
    fn is_looked_at(&self, node: usize) -> bool {
        let standing = self.standings[node].as_ref();
        standing.is_some_and(|standing| matches!(standing.verdict, Verdict::Looked))
    }

    /// The steps from a node down to an earlier result, if that is below it.
    fn added(&self, node: usize, before: &Digest) -> Option<Vec<usize>> {
        let mut steps = Vec::new();
        let mut at = node;
        while steps.len() < CHAIN {
            if self.id(at) == Some(*before) {
                return (!steps.is_empty()).then_some(steps);
            }
            steps.push(at);
            at = self.run.graph.nodes[at].inputs.first()?.0;
        }
        None
    }

    /// The names of the steps from an earlier result down to the node's, if that is below it.
    fn gone(&self, node: usize, before: Option<Digest>) -> Result<Option<Vec<String>>, Failure<W, R>> {
        let (Some(wanted), Some(mut at)) = (self.id(node), before) else {
            return Ok(None);
        };
        let mut names = Vec::new();
        while names.len() < CHAIN && at != wanted {
            let known = self
                .run
                .solver
                .records()
                .account(&at)
                .map_err(SolveError::Records)?;
            let Some(account) = known.map(|known| known.account) else {
                return Ok(None);
            };
            let Some(next) = account.inputs.first().and_then(|input| input.id) else {
                return Ok(None);
            };
            names.push(account.name);
            at = next;
        }
        Ok((at == wanted && !names.is_empty()).then_some(names))
    }
}

/// A node that is compared with what it was.
struct Here<'a> {
    at: usize,
    before: &'a Account,
    after: &'a Account,
    /// Whether the step itself is another one.
    is_own: bool,
    what: Vec<What>,
    below: Vec<(usize, Option<Digest>, Next)>,
}

impl<'a> Here<'a> {
    fn new(at: usize, before: &'a Account, after: &'a Account) -> (Self, Vec<InputChange>) {
        let change = after.changes(before);
        let is_own = change.is_own();
        let mut what: Vec<What> = change.op.into_iter().map(What::Part).collect();
        what.extend(change.count.map(|(before, after)| What::Inputs { before, after }));
        let here = Self {
            at,
            before,
            after,
            is_own,
            what,
            below: Vec::new(),
        };
        (here, change.inputs)
    }
}

/// What to do with an input that is another one.
enum Next {
    Compare(Box<Account>),
    NoCache,
}
