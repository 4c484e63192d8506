//! Why each step of a graph would run, or not: what a solve would look up, without executing anything.
//! Knows nothing of what the steps do, and has no words for what it finds.

mod cause;
mod content;
mod explain;
mod reason;
mod stand;

use lapstrake_llb::{Definition, Digest, Edge};
use serde::Serialize;

use crate::part::PartChange;
use crate::solve::Failure;
use crate::{Made, Options, Records, Session, Solver, Worker};

/// What would become of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// Its index in the definition.
    pub vertex: usize,
    /// The digest of its definition.
    pub digest: Digest,
    /// Where its inputs stand in the list of all.
    pub inputs: Vec<usize>,
    /// What would become of it, where somebody wants it or asked.
    pub verdict: Verdict,
    /// Whether the roots need it; if not, the step whose record stands for it.
    pub needed: Result<(), Option<usize>>,
}

/// What would become of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Its record is found.
    Cached {
        /// Under which key.
        found: Found,
        /// Who made it, where that is known.
        made: Option<Made>,
    },
    /// It is looked at in every build, and there is nothing to record: a local directory.
    Looked,
    /// It is executed.
    Runs(Reason),
    /// Another step is the same in another place, and one of the two is executed; the other's place in the list.
    Same(usize),
    /// Whether it is executed is known when other steps have run: what they make may hold what was there before.
    Open {
        /// The steps, by their places in the list of all.
        on: Vec<usize>,
        /// Why there is no record yet.
        reason: Reason,
    },
    /// Nobody wants it.
    Unneeded,
}

/// Under which key a record is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// By the definition alone.
    Definition,
    /// By the results of its inputs.
    Inputs,
    /// By what its inputs hold.
    Content,
}

/// Why a step is executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It is to be executed whatever records there are.
    NoCache,
    /// There is no record that looks like an earlier one of this step.
    FirstTime,
    /// It was recorded, and the record was removed.
    Removed(Made),
    /// There is a record, but its result is gone.
    ResultLost(Option<Made>),
    /// The nearest record is of something else.
    Differs {
        /// The nearest record.
        from: Made,
        /// What differs, at the step itself or at steps below it. Never empty.
        causes: Vec<Cause>,
    },
}

/// What differs at one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The step's place in the list of all.
    pub step: usize,
    /// What differs. Never empty.
    pub what: Vec<What>,
}

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A part of what the step does.
    Part(PartChange),
    /// There are more or fewer inputs.
    Inputs {
        /// How many there were.
        before: usize,
        /// How many there are.
        after: usize,
    },
    /// What an input holds.
    Content {
        /// What the step does with it.
        label: String,
        /// What differs; empty: that is not known.
        changes: Vec<PartChange>,
    },
    /// Steps came between the step and what it was made of before; their places in the list of all.
    Added(Vec<usize>),
    /// Steps that were between the step and what it is made of are gone; their names.
    Gone(Vec<String>),
    /// In the place of an input was another step; its name, where that is known.
    Replaced {
        /// What the step does with the input.
        label: String,
        /// The other step's name.
        before: Option<String>,
        /// The place of the step that is there now.
        after: usize,
    },
    /// The step is to be executed whatever records there are, so that its result is another one.
    NoCache,
    /// It is the same step, but the result that was used is another one of it: it was executed more than once.
    AnotherResult,
}

impl<W: Worker, R: Records> Solver<W, R> {
    /// Says what a solve would do with each vertex that the roots need, and why. Executes nothing and keeps nothing.
    /// Of the vertices that are `asked` for it says the same, wanted or not.
    ///
    /// # Errors
    /// As of [`Solver::solve`], as far as that looks at sources and records.
    pub fn explain(
        &self,
        session: &Session<W::Output>,
        definition: &Definition,
        digests: &[Digest],
        roots: &[Edge],
        asked: &[u32],
        options: &Options,
    ) -> Result<Vec<Explained>, Failure<W, R>> {
        let asked = asked.iter().map(|vertex| Edge {
            vertex: *vertex,
            output: 0,
        });
        let all: Vec<Edge> = roots.iter().copied().chain(asked).collect();
        self.with_run(session, definition, digests, &all, options, |run, receiver| {
            run.map_only(receiver)?;
            explain::Explainer::new(run, roots.len()).all()
        })
    }
}
