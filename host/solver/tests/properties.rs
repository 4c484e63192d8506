//! The solver against a model, over random graphs, edits, losses, failures and cancellations: results are those of a
//! build from nothing, and what runs is exactly what has to. No disk.
#![allow(clippy::unwrap_used)]

mod model;
mod toy;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

use lapstrake_llb::{Definition, Digest, Edge};
use lapstrake_solver::{CancelToken, MemoryRecords, Options, Records, Session, SolveError, Solver};
use model::{Failed, Files, Model, Run, TextWorker};
use proptest::prelude::*;
use toy::{definition, source};

type TextSolver = Solver<TextWorker, MemoryRecords>;

const SOURCES: [&str; 3] = ["s0", "s1", "s2"];

/// A step: what it does, a number that tells it from others, and what it takes.
#[derive(Debug, Clone)]
struct Line {
    word: usize,
    number: u8,
    inputs: Vec<(u32, u32)>,
    ignored: bool,
}

/// One change between two builds.
#[derive(Debug, Clone)]
enum Edit {
    Source(usize, u8),
    Word(usize, usize),
    Number(usize, u8),
    Input(usize, u32),
    Ignore(usize),
    Root(u32),
    /// A record is lost.
    Lose(usize),
    /// A step fails from now on, or does not any more.
    Break(u8),
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    let inputs = proptest::collection::vec((any::<u32>(), 0..2_u32), 1..4);
    let line = (0..model::WORDS.len(), 0..4_u8, inputs).prop_map(|(word, number, inputs)| Line {
        word,
        number,
        inputs,
        ignored: false,
    });
    proptest::collection::vec(line, 1..16)
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let line = 0..16_usize;
    let edit = prop_oneof![
        4 => (0..3_usize, 0..4_u8).prop_map(|(source, text)| Edit::Source(source, text)),
        2 => (line.clone(), 0..model::WORDS.len()).prop_map(|(line, word)| Edit::Word(line, word)),
        2 => (line.clone(), 0..4_u8).prop_map(|(line, number)| Edit::Number(line, number)),
        2 => (line.clone(), any::<u32>()).prop_map(|(line, input)| Edit::Input(line, input)),
        1 => line.clone().prop_map(Edit::Ignore),
        2 => any::<u32>().prop_map(Edit::Root),
        2 => any::<usize>().prop_map(Edit::Lose),
        1 => (0..4_u8).prop_map(Edit::Break),
    ];
    proptest::collection::vec(edit, 1..12)
}

/// A build file in the making.
#[derive(Debug, Clone)]
struct Plan {
    lines: Vec<Line>,
    files: Files,
    root: u32,
    broken: BTreeSet<String>,
}

impl Plan {
    fn new(lines: Vec<Line>) -> Self {
        let files = SOURCES
            .iter()
            .map(|name| ((*name).to_owned(), "a0".to_owned()))
            .collect();
        Self {
            lines,
            files,
            root: u32::MAX,
            broken: BTreeSet::new(),
        }
    }

    fn edit(&mut self, edit: &Edit) {
        let count = self.lines.len();
        let at = |line: usize| line % count;
        match *edit {
            Edit::Source(source, text) => {
                let text = ["a0", "a1", "b0", "b1"][usize::from(text)];
                self.files.insert(SOURCES[source].to_owned(), text.to_owned());
            }
            Edit::Word(line, word) => self.lines[at(line)].word = word,
            Edit::Number(line, number) => self.lines[at(line)].number = number,
            Edit::Input(line, input) => self.lines[at(line)].inputs[0].0 = input,
            Edit::Ignore(line) => self.lines[at(line)].ignored ^= true,
            Edit::Root(root) => self.root = root,
            Edit::Break(number) => {
                let name = number.to_string();
                if !self.broken.remove(&name) {
                    self.broken.insert(name);
                }
            }
            Edit::Lose(_) => {}
        }
    }

    fn definition(&self) -> (Definition, Edge) {
        let mut vertices: Vec<_> = SOURCES.iter().map(|name| source(name)).collect();
        for line in &self.lines {
            let count = vertices.len() as u32;
            let inputs: Vec<Edge> = line
                .inputs
                .iter()
                .map(|(vertex, output)| {
                    let vertex = vertex % count;
                    let output = output % vertices[vertex as usize].op.output_count();
                    Edge { vertex, output }
                })
                .collect();
            let mut vertex = model::line(model::WORDS[line.word], &line.number.to_string(), &inputs);
            vertex.metadata.ignore_cache = line.ignored;
            vertices.push(vertex);
        }
        let root = (vertices.len() as u32 - 1).min(self.root % vertices.len() as u32);
        let root = if self.root == u32::MAX {
            vertices.len() as u32 - 1
        } else {
            root
        };
        (
            definition(vertices),
            Edge {
                vertex: root,
                output: 0,
            },
        )
    }

    fn prepare(&self, worker: &TextWorker) {
        *worker.files.lock().unwrap() = self.files.clone();
        *worker.broken.lock().unwrap() = self.broken.clone();
    }
}

fn solver() -> TextSolver {
    Solver::new(TextWorker::default(), MemoryRecords::default())
}

fn solve(
    solver: &TextSolver,
    (definition, root): &(Definition, Edge),
    jobs: usize,
    cancel: &CancelToken,
) -> Result<String, SolveError<Failed, Infallible>> {
    let options = Options {
        jobs,
        cancel: cancel.clone(),
        events: Arc::new(|_| {}),
    };
    let digests = definition.digests();
    let outputs = solver.solve(&Session::new(), definition, &digests, &[*root], &options);
    outputs.map(|mut outputs| outputs.remove(0))
}

/// The identities of what ran, in order.
fn identities(model: &Model<'_>, runs: &[Run]) -> Vec<Digest> {
    let mut ids: Vec<_> = runs
        .iter()
        .map(|run| model.identity(&run.vertex).unwrap())
        .collect();
    ids.sort();
    ids
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// One build after the other, in a cache with a history. What runs is what the model says; and independent of it, no
    /// step runs twice over the same inputs, whichever of several equal ones was the first.
    #[test]
    fn exactly_what_has_to_run_runs(lines in lines(), edits in edits(), jobs in 1..5_usize) {
        let solver = solver();
        let mut plan = Plan::new(lines);
        let mut ids: BTreeSet<Digest> = BTreeSet::new();
        // What ran to its end and was not lost, as long as nothing was run anew on purpose.
        let mut known: BTreeSet<Digest> = BTreeSet::new();
        let mut tainted = false;
        for edit in std::iter::once(Edit::Root(u32::MAX)).chain(edits) {
            plan.edit(&edit);
            if let (Edit::Lose(which), false) = (&edit, ids.is_empty()) {
                let id = *ids.iter().nth(which % ids.len()).unwrap();
                solver.records().remove(&id).unwrap();
                known.remove(&id);
            }
            plan.prepare(solver.worker());
            let built = plan.definition();
            let mut model = Model::new(&built.0, solver.records(), &plan.files);
            let expected = model.solve(built.1);
            let fails = model.runs.iter().any(|(_, number)| plan.broken.contains(number));
            let result = solve(&solver, &built, jobs, &CancelToken::new());
            let runs = solver.worker().take_runs();
            tainted |= matches!(edit, Edit::Ignore(_));
            for run in runs.iter().filter(|run| !run.failed && !run.token.is_cancelled()) {
                let (id, _) = model.canonical(model.position(&run.vertex));
                prop_assert!(tainted || known.insert(id), "{:?} runs again over the same inputs", run.what);
            }
            prop_assert_eq!(result.is_err(), fails);
            ids.extend(model.ids());
            if fails {
                // Some of it ran, and none of it twice.
                let ran = identities(&model, &runs);
                prop_assert!(ran.windows(2).all(|pair| pair[0] != pair[1]));
                prop_assert!(ran.iter().all(|id| model.runs.iter().any(|(run, _)| run == id)));
                continue;
            }
            prop_assert_eq!(&result.unwrap(), &expected);
            let mut must: Vec<_> = model.runs.iter().map(|(id, _)| *id).collect();
            must.sort();
            prop_assert_eq!(identities(&model, &runs), must);
            // From nothing it is the same.
            let fresh = self::solver();
            plan.prepare(fresh.worker());
            fresh.worker().broken.lock().unwrap().clear();
            prop_assert_eq!(solve(&fresh, &built, jobs, &CancelToken::new()).unwrap(), expected);
            // And once more, nothing runs but what is to run always.
            solve(&solver, &built, jobs, &CancelToken::new()).unwrap();
            let again = solver.worker().take_runs();
            if !built.0.vertices.iter().any(|vertex| vertex.metadata.ignore_cache) {
                prop_assert_eq!(again.len(), 0);
            }
        }
    }

    /// Several builds at once in one process, some of which are cancelled or fail on their way.
    #[test]
    fn builds_at_the_same_time_share_what_they_can(
        lines in lines(),
        variants in proptest::collection::vec((edits(), proptest::option::weighted(0.4, 0..12_usize)), 2..5),
        broken in proptest::option::weighted(0.2, 0..4_u8),
    ) {
        let solver = solver();
        let mut first = Plan::new(lines);
        first.broken.extend(broken.map(|number| number.to_string()));
        let mut builds = Vec::new();
        for (edits, cancelled) in variants {
            let mut plan = first.clone();
            // They see the same sources.
            let edits = edits.iter().filter(|edit| !matches!(edit, Edit::Source(..) | Edit::Break(_) | Edit::Ignore(_)));
            edits.for_each(|edit| plan.edit(edit));
            builds.push((plan.definition(), CancelToken::new(), cancelled));
        }
        first.prepare(solver.worker());
        for (_, token, cancelled) in &builds {
            let after = cancelled.map(|after| (after, token.clone()));
            solver.worker().cancel_after.lock().unwrap().extend(after);
        }
        let mut models: Vec<_> = builds
            .iter()
            .map(|(built, _, _)| Model::new(&built.0, solver.records(), &first.files))
            .collect();
        let expected: Vec<_> = models.iter_mut().zip(&builds).map(|(model, (built, _, _))| model.solve(built.1)).collect();
        let results: Vec<_> = std::thread::scope(|scope| {
            let solve = |(built, token, _): &'_ _| (solve(&solver, built, 2, token), CancelToken::is_cancelled(token));
            let threads: Vec<_> = builds.iter().map(|build| scope.spawn(move || solve(build))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for (((result, cancelled), expected), model) in results.iter().zip(&expected).zip(&models) {
            let fails = model.runs.iter().any(|(_, number)| first.broken.contains(number));
            match result {
                Ok(text) => prop_assert!(text == expected && !fails),
                Err(SolveError::Cancelled) => prop_assert!(cancelled),
                Err(error) => prop_assert!(fails || *cancelled, "{error:?}"),
            }
        }
        // What ran to its end is not run again, whoever it was for.
        let mut whole: BTreeMap<Digest, usize> = BTreeMap::new();
        for run in solver.worker().take_runs() {
            let id = models.iter().find_map(|model| model.identity(&run.vertex)).unwrap();
            prop_assert!(models.iter().any(|model| model.runs.iter().any(|(must, _)| *must == id)));
            if !run.failed && !run.token.is_cancelled() {
                *whole.entry(id).or_default() += 1;
            }
        }
        prop_assert!(whole.values().all(|count| *count == 1), "{whole:?}");
    }
}
