//! The solver over toy ops: a vertex's result is a text made of its arguments and its inputs' texts. No disk.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use lapstrake_llb::{
    BindMount, Definition, Digest, Edge, ExecOp, Hasher, LocalDiffer, LocalSource, Metadata, Mount,
    MountKind, Op, SourceOp, Vertex,
};
use lapstrake_solver::{
    CacheMap, CancelToken, Ending, Event, InputKey, MemoryRecords, Options, Record, Records, Session,
    SolveError, Solver, StepContext, Worker,
};
use proptest::prelude::*;

// ---- Toy graphs ----

fn source(name: &str) -> Vertex {
    let local = LocalSource {
        name: name.to_owned(),
        include_patterns: vec![],
        exclude_patterns: vec![],
        follow_paths: vec![],
        shared_key_hint: None,
        differ: LocalDiffer::Metadata,
    };
    vertex(Op::Source(SourceOp::Local(local)), name)
}

/// `args[0]` says what it does; `content` says that its inputs count by content.
fn step(args: &[&str], inputs: &[u32]) -> Vertex {
    let mount = |(n, input): (usize, &u32)| Mount {
        target: format!("/{n}"),
        kind: MountKind::Bind(BindMount {
            input: Some(Edge {
                vertex: *input,
                output: 0,
            }),
            output: n == 0,
            ..BindMount::default()
        }),
    };
    let op = ExecOp {
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        mounts: inputs.iter().enumerate().map(mount).collect(),
        ..ExecOp::default()
    };
    vertex(Op::Exec(op), &args.join(" "))
}

fn vertex(op: Op, name: &str) -> Vertex {
    let metadata = Metadata {
        name: name.to_owned(),
        ..Metadata::default()
    };
    Vertex {
        op,
        platform: None,
        constraints: vec![],
        metadata,
    }
}

fn definition(vertices: Vec<Vertex>) -> Definition {
    Definition {
        vertices,
        sources: vec![],
    }
}

// ---- Toy worker ----

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Toy(String);

#[derive(Default)]
struct ToyWorker {
    files: Mutex<BTreeMap<String, String>>,
    executed: Mutex<Vec<String>>,
    vertices: Mutex<Vec<Digest>>,
    decoded: AtomicUsize,
    gone: Mutex<Vec<String>>,
    together: Arc<(Mutex<usize>, Condvar)>,
    most_together: AtomicUsize,
}

impl ToyWorker {
    fn take_executed(&self) -> Vec<String> {
        let mut names = std::mem::take(&mut *self.executed.lock().unwrap());
        names.sort();
        names
    }

    fn set(&self, name: &str, text: &str) {
        self.files
            .lock()
            .unwrap()
            .insert(name.to_owned(), text.to_owned());
    }

    /// Waits until as many are here, for a while.
    fn meet(&self, count: usize) {
        let (lock, condition) = &*self.together;
        let mut here = lock.lock().unwrap();
        *here += 1;
        self.most_together.fetch_max(*here, Ordering::SeqCst);
        condition.notify_all();
        while *here < count {
            let (guard, timeout) = condition.wait_timeout(here, Duration::from_secs(10)).unwrap();
            here = guard;
            if timeout.timed_out() {
                return;
            }
        }
    }
}

fn args(vertex: &Vertex) -> &[String] {
    match &vertex.op {
        Op::Exec(exec) => &exec.args,
        _ => &[],
    }
}

fn op_digest(vertex: &Vertex) -> Digest {
    let mut hasher = Hasher::new("toy");
    args(vertex).iter().for_each(|arg| {
        hasher.field(arg.as_bytes());
    });
    hasher.finish()
}

impl Worker for ToyWorker {
    type Output = String;
    type Error = Toy;

    fn quick_cache_map(&self, vertex: &Vertex) -> Option<CacheMap> {
        if matches!(vertex.op, Op::Source(_)) {
            return None;
        }
        let content = args(vertex).iter().any(|arg| arg == "content");
        let key = InputKey {
            selector: None,
            content,
        };
        Some(CacheMap {
            digest: op_digest(vertex),
            inputs: vec![key; vertex.op.inputs().len()],
        })
    }

    fn cache_map(&self, vertex: &Vertex, _: &StepContext) -> Result<CacheMap, Toy> {
        let name = &vertex.metadata.name;
        let text = self.files.lock().unwrap().get(name).cloned();
        let text = text.ok_or_else(|| Toy(format!("no source {name}")))?;
        Ok(CacheMap {
            digest: Digest::of(text.as_bytes()),
            inputs: vec![],
        })
    }

    fn content_digest(
        &self,
        vertex: &Vertex,
        _: usize,
        output: &String,
        _: &StepContext,
    ) -> Result<Digest, Toy> {
        // "first": only the first letter of the input is taken.
        let part = if args(vertex).iter().any(|arg| arg == "first") {
            &output[..1]
        } else {
            output
        };
        Ok(Digest::of(part.as_bytes()))
    }

    fn execute(&self, vertex: &Vertex, inputs: &[String], context: &StepContext) -> Result<Vec<String>, Toy> {
        let args = args(vertex);
        if args.is_empty() {
            let files = self.files.lock().unwrap();
            return Ok(vec![files[&vertex.metadata.name].clone()]);
        }
        self.executed.lock().unwrap().push(vertex.metadata.name.clone());
        self.vertices.lock().unwrap().push(context.vertex());
        match args[0].as_str() {
            "fail" => Err(Toy("it went wrong".to_owned())),
            "panic" => panic!("out of luck"),
            "none" => Ok(vec![]),
            "wait" => {
                let pair = Arc::new((Mutex::new(false), Condvar::new()));
                let theirs = Arc::clone(&pair);
                let _registration = context.cancel_token().on_cancel(move || {
                    *theirs.0.lock().unwrap() = true;
                    theirs.1.notify_all();
                });
                let mut over = pair.0.lock().unwrap();
                while !*over {
                    over = pair.1.wait(over).unwrap();
                }
                Err(Toy("cancelled".to_owned()))
            }
            "meet" => {
                self.meet(args[1].parse().unwrap());
                Ok(vec![args.join(",")])
            }
            "constant" => Ok(vec!["constant".to_owned()]),
            "first" => Ok(vec![format!("first({})", &inputs[0][..1])]),
            "clock" => {
                static CLOCK: AtomicUsize = AtomicUsize::new(0);
                Ok(vec![CLOCK.fetch_add(1, Ordering::SeqCst).to_string()])
            }
            _ => Ok(vec![format!("{}({})", args.join(","), inputs.join(";"))]),
        }
    }

    fn encode(&self, outputs: &[String]) -> Option<Vec<u8>> {
        Some(outputs.join("\n").into_bytes())
    }

    fn decode(&self, payload: &[u8]) -> Option<Vec<String>> {
        self.decoded.fetch_add(1, Ordering::SeqCst);
        let text = String::from_utf8(payload.to_vec()).unwrap();
        (!self.gone.lock().unwrap().contains(&text)).then(|| vec![text])
    }
}

type ToySolver = Solver<ToyWorker, MemoryRecords>;

fn solver() -> ToySolver {
    Solver::new(ToyWorker::default(), MemoryRecords::default())
}

fn options(jobs: usize) -> (Options, Arc<Mutex<Vec<Event>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let theirs = Arc::clone(&events);
    let options = Options {
        jobs,
        cancel: CancelToken::new(),
        events: Arc::new(move |event| theirs.lock().unwrap().push(event)),
    };
    (options, events)
}

fn solve_with(
    solver: &ToySolver,
    definition: &Definition,
    root: u32,
    options: &Options,
) -> Result<Vec<String>, SolveError<Toy, Infallible>> {
    let roots = [Edge {
        vertex: root,
        output: 0,
    }];
    solver.solve(
        &Session::new(),
        definition,
        &definition.digests(),
        &roots,
        options,
    )
}

fn solve(solver: &ToySolver, definition: &Definition, root: u32) -> String {
    solve_with(solver, definition, root, &options(2).0)
        .unwrap()
        .remove(0)
}

fn endings(events: &Mutex<Vec<Event>>) -> Vec<(String, Ending)> {
    let events = events.lock().unwrap();
    let ending = |event: &Event| match event {
        Event::Finished { name, ending, .. } => Some((name.clone(), ending.clone())),
        _ => None,
    };
    events.iter().filter_map(ending).collect()
}

// ---- Cache ----

#[test]
fn an_unchanged_graph_looks_up_its_root_and_nothing_else() {
    let solver = solver();
    solver.worker().set("src", "1");
    let definition = definition(vec![
        source("src"),
        step(&["a"], &[0]),
        step(&["b"], &[1]),
        step(&["c"], &[2]),
    ]);
    assert_eq!(solve(&solver, &definition, 3), "c(b(a(1)))");
    assert_eq!(solver.worker().take_executed(), ["a", "b", "c"]);
    let (options, events) = options(1);
    solve_with(&solver, &definition, 3, &options).unwrap();
    assert_eq!(solver.worker().take_executed(), Vec::<String>::new());
    assert_eq!(
        solver.worker().decoded.load(Ordering::SeqCst),
        1,
        "only the root's record is read"
    );
    let endings = endings(&events);
    assert_eq!(
        endings,
        [("c".to_owned(), Ending::Cached), ("src".to_owned(), Ending::Done)]
    );
}

#[test]
fn a_changed_source_runs_what_depends_on_it() {
    let solver = solver();
    solver.worker().set("one", "1");
    solver.worker().set("two", "2");
    let definition = definition(vec![
        source("one"),
        source("two"),
        step(&["a"], &[0]),
        step(&["b"], &[1]),
        step(&["c"], &[2, 3]),
    ]);
    solve(&solver, &definition, 4);
    solver.worker().take_executed();
    solver.worker().set("two", "3");
    assert_eq!(solve(&solver, &definition, 4), "c(a(1);b(3))");
    assert_eq!(solver.worker().take_executed(), ["b", "c"]);
}

#[test]
fn what_is_taken_by_content_counts_by_content_and_ends_the_change() {
    let solver = solver();
    solver.worker().set("src", "x1");
    let definition = definition(vec![
        source("src"),
        step(&["first", "content"], &[0]),
        step(&["b"], &[1]),
    ]);
    assert_eq!(solve(&solver, &definition, 2), "b(first(x))");
    solver.worker().take_executed();
    solver.worker().set("src", "x2");
    assert_eq!(solve(&solver, &definition, 2), "b(first(x))");
    assert_eq!(solver.worker().take_executed(), Vec::<String>::new());
    // The new key leads to the old record now: the next build finds the root at once.
    let before = solver.worker().decoded.load(Ordering::SeqCst);
    solve(&solver, &definition, 2);
    assert_eq!(solver.worker().decoded.load(Ordering::SeqCst), before + 1);
    solver.worker().set("src", "y2");
    assert_eq!(solve(&solver, &definition, 2), "b(first(y))");
    assert_eq!(solver.worker().take_executed(), ["b", "first content"]);
}

#[test]
fn a_record_whose_result_is_gone_is_made_anew() {
    let solver = solver();
    solver.worker().set("src", "1");
    let definition = definition(vec![source("src"), step(&["a"], &[0]), step(&["b"], &[1])]);
    solve(&solver, &definition, 2);
    solver.worker().take_executed();
    solver.worker().gone.lock().unwrap().push("b(a(1))".to_owned());
    assert_eq!(solve(&solver, &definition, 2), "b(a(1))");
    assert_eq!(solver.worker().take_executed(), ["b"]);
}

#[test]
fn ignore_cache_runs_it_and_what_depends_on_its_new_result() {
    let solver = solver();
    solver.worker().set("src", "1");
    let mut definition = definition(vec![source("src"), step(&["clock"], &[0]), step(&["b"], &[1])]);
    let first = solve(&solver, &definition, 2);
    definition.vertices[1].metadata.ignore_cache = true;
    let second = solve(&solver, &definition, 2);
    assert_ne!(first, second);
    definition.vertices[1].metadata.ignore_cache = false;
    solver.worker().take_executed();
    assert_eq!(
        solve(&solver, &definition, 2),
        second,
        "the newest result is the one that is found"
    );
    assert_eq!(solver.worker().take_executed(), Vec::<String>::new());
}

#[test]
fn of_equal_vertices_one_that_ignores_the_cache_is_enough() {
    let solver = solver();
    solver.worker().set("src", "1");
    let mut definition = definition(vec![
        source("src"),
        step(&["clock"], &[0]),
        step(&["clock"], &[0]),
        step(&["b"], &[1, 2]),
    ]);
    let first = solve(&solver, &definition, 3);
    definition.vertices[2].metadata.ignore_cache = true;
    assert_ne!(first, solve(&solver, &definition, 3));
}

#[test]
fn a_session_shares_results_between_solves() {
    let solver = Solver::new(ToyWorker::default(), Forgetful);
    solver.worker().set("src", "1");
    let definition = definition(vec![source("src"), step(&["a"], &[0]), step(&["b"], &[1])]);
    let session = Session::new();
    for root in [1, 2] {
        let roots = [Edge {
            vertex: root,
            output: 0,
        }];
        solver
            .solve(
                &session,
                &definition,
                &definition.digests(),
                &roots,
                &options(1).0,
            )
            .unwrap();
    }
    assert_eq!(solver.worker().take_executed(), ["a", "b"]);
}

/// Records that keep nothing.
struct Forgetful;

impl Records for Forgetful {
    type Error = Infallible;

    fn find(&self, keys: &[Digest]) -> Result<Vec<Option<Record>>, Infallible> {
        Ok(vec![None; keys.len()])
    }

    fn save(&self, _: &[Digest], _: &Record, _: &str) -> Result<(), Infallible> {
        Ok(())
    }

    fn alias(&self, _: &[(Digest, Digest)]) -> Result<(), Infallible> {
        Ok(())
    }

    fn remove(&self, _: &Digest) -> Result<(), Infallible> {
        Ok(())
    }
}

// ---- Scheduling ----

#[test]
fn equal_vertices_are_one() {
    let solver = solver();
    solver.worker().set("src", "1");
    let definition = definition(vec![
        source("src"),
        step(&["a"], &[0]),
        source("src"),
        step(&["a"], &[2]),
        step(&["b"], &[1, 3]),
    ]);
    assert_eq!(solve(&solver, &definition, 4), "b(a(1);a(1))");
    assert_eq!(solver.worker().take_executed(), ["a", "b"]);
}

#[test]
fn as_many_run_at_once_as_may() {
    let solver = solver();
    solver.worker().set("src", "1");
    let mut vertices = vec![source("src")];
    for n in 0..16 {
        vertices.push(step(&["meet", "16", &n.to_string()], &[0]));
    }
    vertices.push(step(&["all"], &(1..=16).collect::<Vec<_>>()));
    let definition = definition(vertices);
    solve_with(&solver, &definition, 17, &options(16).0).unwrap();
    assert_eq!(solver.worker().most_together.load(Ordering::SeqCst), 16);
}

#[test]
fn one_job_is_enough_for_anything() {
    let solver = solver();
    solver.worker().set("src", "1");
    let mut vertices = vec![source("src")];
    for n in 0..300_u32 {
        vertices.push(step(
            &[
                "constant",
                &n.to_string(),
                if n % 3 == 0 { "content" } else { "plain" },
            ],
            &[n / 2, n],
        ));
    }
    let definition = definition(vertices);
    solve_with(&solver, &definition, 300, &options(1).0).unwrap();
    assert_eq!(solver.worker().take_executed().len(), 300);
}

#[test]
fn a_deep_graph_needs_no_deep_stack() {
    let solver = solver();
    solver.worker().set("src", "1");
    let mut vertices = vec![source("src")];
    for n in 0..20_000_u32 {
        vertices.push(step(&["constant", &n.to_string()], &[n]));
    }
    let definition = definition(vertices);
    let small = std::thread::Builder::new().stack_size(256 << 10);
    let thread = small
        .spawn(move || assert_eq!(solve(&solver, &definition, 20_000), "constant"))
        .unwrap();
    thread.join().unwrap();
}

#[test]
fn the_longest_way_goes_first() {
    let solver = solver();
    solver.worker().set("src", "1");
    // Two short steps come first in the definition, the long chain after them.
    let definition = definition(vec![
        source("src"),
        step(&["short", "1"], &[0]),
        step(&["short", "2"], &[0]),
        step(&["long", "1"], &[0]),
        step(&["long", "2"], &[3]),
        step(&["long", "3"], &[4]),
        step(&["end"], &[1, 2, 5]),
    ]);
    solve_with(&solver, &definition, 6, &options(1).0).unwrap();
    let order = std::mem::take(&mut *solver.worker().executed.lock().unwrap());
    assert_eq!(order[..2], ["long 1", "long 2"]);
}

#[test]
fn two_solves_at_the_same_time_share_a_step() {
    let solver = Arc::new(solver());
    solver.worker().set("src", "1");
    // Both can only go on when two are in the step or the other one waits for it.
    let definition = Arc::new(definition(vec![
        source("src"),
        step(&["slow"], &[0]),
        step(&["b"], &[1]),
    ]));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (solver, definition) = (Arc::clone(&solver), Arc::clone(&definition));
            std::thread::spawn(move || solve(&solver, &definition, 2))
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), "b(slow(1))");
    }
    assert_eq!(solver.worker().take_executed(), ["b", "slow"]);
}

// ---- Failure ----

#[test]
fn a_failure_names_the_step_and_cancels_the_others() {
    let solver = solver();
    solver.worker().set("src", "1");
    let definition = definition(vec![
        source("src"),
        step(&["wait"], &[0]),
        step(&["fail"], &[0]),
        step(&["never"], &[1, 2]),
    ]);
    let (options, events) = options(2);
    match solve_with(&solver, &definition, 3, &options) {
        Err(SolveError::Step(step)) => {
            assert_eq!(
                (step.index, step.name.as_str(), step.source.to_string()),
                (2, "fail", "it went wrong".into())
            );
        }
        other => panic!("{other:?}"),
    }
    let endings = endings(&events);
    assert!(
        endings.contains(&("wait".to_owned(), Ending::Cancelled)),
        "{endings:?}"
    );
    assert!(
        endings.contains(&("fail".to_owned(), Ending::Failed("it went wrong".to_owned()))),
        "{endings:?}"
    );
    assert!(!endings.iter().any(|(name, _)| name == "never"), "{endings:?}");
    // What failed is not recorded.
    assert!(solve_with(&solver, &definition, 2, &self::options(1).0).is_err());
}

#[test]
fn a_missing_source_is_an_error() {
    let solver = solver();
    let definition = definition(vec![source("nothing"), step(&["a"], &[0])]);
    let error = solve_with(&solver, &definition, 1, &options(1).0).unwrap_err();
    assert!(
        matches!(&error, SolveError::Step(step) if step.source.to_string() == "no source nothing"),
        "{error:?}"
    );
}

#[test]
fn a_panic_is_an_error() {
    let solver = solver();
    solver.worker().set("src", "1");
    let definition = definition(vec![source("src"), step(&["panic"], &[0])]);
    let error = solve_with(&solver, &definition, 1, &options(1).0).unwrap_err();
    assert!(
        matches!(&error, SolveError::Panicked { message, .. } if message == "out of luck"),
        "{error:?}"
    );
}

#[test]
fn a_wrong_number_of_outputs_is_an_error() {
    let solver = solver();
    solver.worker().set("src", "1");
    let definition = definition(vec![source("src"), step(&["none"], &[0])]);
    let error = solve_with(&solver, &definition, 1, &options(1).0).unwrap_err();
    assert!(
        matches!(
            error,
            SolveError::Mismatch {
                found: 0,
                expected: 1,
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn cancelling_ends_what_runs() {
    let solver = solver();
    solver.worker().set("src", "1");
    let definition = definition(vec![source("src"), step(&["wait"], &[0])]);
    let (options, events) = options(1);
    let token = options.cancel.clone();
    let seen = Arc::clone(&events);
    let canceller = std::thread::spawn(move || {
        while !seen
            .lock()
            .unwrap()
            .iter()
            .any(|event| matches!(event, Event::Started { name, .. } if name == "wait"))
        {
            std::thread::yield_now();
        }
        token.cancel();
    });
    assert!(matches!(
        solve_with(&solver, &definition, 1, &options),
        Err(SolveError::Cancelled)
    ));
    canceller.join().unwrap();
    assert!(endings(&events).contains(&("wait".to_owned(), Ending::Cancelled)));
}

#[test]
fn a_cancelled_solve_lets_another_that_waits_for_it_go_on() {
    let solver = Arc::new(solver());
    solver.worker().set("src", "1");
    let definition = Arc::new(definition(vec![source("src"), step(&["wait"], &[0])]));
    let solve = |options: Options| {
        let (solver, definition) = (Arc::clone(&solver), Arc::clone(&definition));
        std::thread::spawn(move || solve_with(&solver, &definition, 1, &options).is_err())
    };
    let (first, _) = options(1);
    let (second, _) = options(1);
    let threads = [solve(first.clone()), solve(second.clone())];
    let executed = |count: usize| {
        while solver.worker().executed.lock().unwrap().len() < count {
            std::thread::yield_now();
        }
    };
    executed(1);
    first.cancel.cancel();
    second.cancel.cancel();
    for thread in threads {
        assert!(thread.join().unwrap());
    }
}

// ---- Properties ----

/// A graph of which each step takes one or two earlier ones, some by content, some with a constant result.
fn graphs() -> impl Strategy<Value = Vec<(u8, u32, u32)>> {
    proptest::collection::vec((0..6_u8, any::<u32>(), any::<u32>()), 1..25)
}

fn build(plan: &[(u8, u32, u32)]) -> Definition {
    let mut vertices = vec![source("s0"), source("s1"), source("s2")];
    for (kind, a, b) in plan {
        let count = vertices.len() as u32;
        let inputs = if kind % 2 == 0 {
            vec![a % count]
        } else {
            vec![a % count, b % count]
        };
        let word = match kind {
            0 | 1 => vec!["plain"],
            2 => vec!["constant"],
            3 => vec!["join", "content"],
            4 => vec!["first", "content"],
            _ => vec!["other"],
        };
        let inputs: Vec<u32> = if inputs.len() == 2 && inputs[0] == inputs[1] {
            vec![inputs[0]]
        } else {
            inputs
        };
        vertices.push(step(&word, &inputs));
    }
    definition(vertices)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// After any edits, the result equals that of a build from an empty store; and no vertex runs twice over the same
    /// sources.
    #[test]
    fn a_cache_changes_no_result(
        plan in graphs(),
        edits in proptest::collection::vec((0..3_usize, 0..4_u8, 0..25_usize, 0..6_u8), 1..6),
    ) {
        let cached = solver();
        let mut plan = plan;
        let mut seen = BTreeSet::new();
        for name in ["s0", "s1", "s2"] {
            cached.worker().set(name, "a0");
        }
        for (source, value, position, kind) in edits {
            cached.worker().set(&format!("s{source}"), ["a0", "a1", "b0", "b1"][usize::from(value)]);
            let position = position % plan.len();
            plan[position].0 = kind;
            let definition = build(&plan);
            let root = definition.vertices.len() as u32 - 1;
            let fresh = solver();
            let files = cached.worker().files.lock().unwrap().clone();
            *fresh.worker().files.lock().unwrap() = files.clone();
            prop_assert_eq!(solve(&cached, &definition, root), solve(&fresh, &definition, root));
            let digests = definition.digests();
            for vertex in std::mem::take(&mut *cached.worker().vertices.lock().unwrap()) {
                let index = digests.iter().position(|digest| *digest == vertex).unwrap();
                let sources: Vec<_> = sources_of(&definition, index).into_iter().map(|name| files[&name].clone()).collect();
                prop_assert!(seen.insert((vertex, sources)), "vertex {} runs again over the same sources", index);
            }
            cached.worker().take_executed();
            solve(&cached, &definition, root);
            prop_assert_eq!(cached.worker().take_executed(), Vec::<String>::new());
        }
    }
}

/// Names of the sources that a vertex depends on.
fn sources_of(definition: &Definition, index: usize) -> BTreeSet<String> {
    let vertex = &definition.vertices[index];
    match &vertex.op {
        Op::Source(_) => BTreeSet::from([vertex.metadata.name.clone()]),
        op => op
            .inputs()
            .iter()
            .flat_map(|edge| sources_of(definition, edge.vertex as usize))
            .collect(),
    }
}
