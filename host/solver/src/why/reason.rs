//! Why a step has no record: with which earlier one it is compared, and what its own would be made of.
//! Knows nothing of how two records are compared.

use lapstrake_llb::Digest;

use crate::account::{Account, AccountInput};
use crate::solve::Failure;
use crate::{Known, Made, Records, SolveError, Worker};

use super::explain::{Explainer, Standing};
use super::{Reason, Verdict};

impl<W: Worker, R: Records> Explainer<'_, '_, '_, W, R> {
    /// Why there is no record.
    pub(super) fn reason(
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

    /// What a node's result is made of, or would be.
    pub(super) fn account(&self, node: usize) -> Result<Option<Account>, Failure<W, R>> {
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
    pub(super) fn new_account(&self, node: usize, standing: &Standing<W::Output>) -> Option<Account> {
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
}

fn made(known: &Known) -> Made {
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
