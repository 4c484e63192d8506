//! When steps run, on how many threads, and who they are run for. No disk.
#![allow(clippy::unwrap_used)]

mod toy;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use lapstrake_llb::{Definition, Digest, Edge, Op, Vertex};
use lapstrake_solver::{
    CacheMap, CancelToken, InputKey, MemoryRecords, Options, Session, SolveError, Solver, StepContext, Worker,
};
use toy::{Toy, definition, source, step};

type Script = dyn Fn(&str, &StepContext) -> Result<(), Toy> + Send + Sync;
type Solved = Result<Vec<String>, SolveError<Toy, Infallible>>;

/// Does what a test says, and counts who is at it.
struct Scripted {
    script: Box<Script>,
    running: Counter,
    digesting: Counter,
    order: Mutex<Vec<String>>,
}

#[derive(Default)]
struct Counter {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Counter {
    fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let result = work();
        self.now.fetch_sub(1, Ordering::SeqCst);
        result
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

impl Worker for Scripted {
    type Output = String;
    type Error = Toy;

    fn quick_cache_map(&self, vertex: &Vertex) -> Option<CacheMap> {
        let name = &vertex.metadata.name;
        let key = InputKey {
            selector: None,
            content: name.contains("content"),
        };
        Some(CacheMap {
            digest: Digest::of(name.as_bytes()),
            inputs: vec![key; vertex.op.inputs().len()],
        })
    }

    fn cache_map(&self, _: &Vertex, _: &StepContext) -> Result<CacheMap, Toy> {
        Err(Toy("all maps are quick".to_owned()))
    }

    fn content_digest(
        &self,
        vertex: &Vertex,
        _: usize,
        output: &String,
        context: &StepContext,
    ) -> Result<Digest, Toy> {
        self.digesting
            .during(|| (self.script)(&format!("digest {}", vertex.metadata.name), context))?;
        Ok(Digest::of(output.as_bytes()))
    }

    fn execute(&self, vertex: &Vertex, _: &[String], context: &StepContext) -> Result<Vec<String>, Toy> {
        let name = &vertex.metadata.name;
        if !matches!(vertex.op, Op::Source(_)) {
            self.order.lock().unwrap().push(name.clone());
            self.running.during(|| (self.script)(name, context))?;
        }
        Ok(vec![name.clone()])
    }

    fn encode(&self, outputs: &[String]) -> Option<Vec<u8>> {
        Some(outputs.concat().into_bytes())
    }

    fn decode(&self, payload: &[u8]) -> Option<Vec<String>> {
        Some(vec![String::from_utf8(payload.to_vec()).ok()?])
    }
}

type ScriptedSolver = Solver<Scripted, MemoryRecords>;

fn solver(script: impl Fn(&str, &StepContext) -> Result<(), Toy> + Send + Sync + 'static) -> ScriptedSolver {
    let worker = Scripted {
        script: Box::new(script),
        running: Counter::default(),
        digesting: Counter::default(),
        order: Mutex::default(),
    };
    Solver::new(worker, MemoryRecords::default())
}

fn solve(solver: &ScriptedSolver, definition: &Definition, jobs: usize, cancel: &CancelToken) -> Solved {
    let root = Edge {
        vertex: definition.vertices.len() as u32 - 1,
        output: 0,
    };
    let options = Options {
        jobs,
        cancel: cancel.clone(),
        events: Arc::new(|_| {}),
    };
    solver.solve(
        &Session::new(),
        definition,
        &definition.digests(),
        &[root],
        &options,
    )
}

/// A place where threads wait for each other, or for the test.
#[derive(Default)]
struct Gate(Mutex<usize>, Condvar);

impl Gate {
    fn add(&self) {
        *self.0.lock().unwrap() += 1;
        self.1.notify_all();
    }

    /// Waits until so many have come; false: they do not.
    fn reached(&self, count: usize) -> bool {
        let (lock, patience) = (self.0.lock().unwrap(), Duration::from_secs(20));
        !self
            .1
            .wait_timeout_while(lock, patience, |here| *here < count)
            .unwrap()
            .1
            .timed_out()
    }
}

/// Many steps beside each other over one source, and one over them all.
fn fan(word: &str, count: u32) -> Definition {
    let mut vertices = vec![source("src")];
    vertices.extend((0..count).map(|n| step(&[word, &n.to_string()], &[0])));
    vertices.push(step(&["all"], &(1..=count).collect::<Vec<_>>()));
    definition(vertices)
}

#[test]
fn as_many_steps_run_at_once_as_may_and_no_more() {
    for jobs in [1, 2, 5] {
        let gate = Arc::new(Gate::default());
        let theirs = Arc::clone(&gate);
        let came = AtomicUsize::new(0);
        let solver = solver(move |name, _| {
            if name == "all" {
                return Ok(());
            }
            // Each group of as many as may can only go on together.
            let group = came.fetch_add(1, Ordering::SeqCst) / jobs + 1;
            theirs.add();
            theirs
                .reached(group * jobs)
                .then_some(())
                .ok_or_else(|| Toy("alone".to_owned()))
        });
        solve(&solver, &fan("step", jobs as u32 * 6), jobs, &CancelToken::new()).unwrap();
        assert_eq!(solver.worker().running.most(), jobs);
    }
}

#[test]
fn inputs_are_digested_many_at_once_but_not_all() {
    for (jobs, most) in [(1, 16), (20, 20)] {
        let gate = Gate::default();
        let came = AtomicUsize::new(0);
        let solver = solver(move |name, _| {
            if !name.starts_with("digest") {
                return Ok(());
            }
            let group = came.fetch_add(1, Ordering::SeqCst) / most + 1;
            gate.add();
            gate.reached(group * most)
                .then_some(())
                .ok_or_else(|| Toy("alone".to_owned()))
        });
        let definition = fan("content", most as u32 * 3);
        solve(&solver, &definition, jobs, &CancelToken::new()).unwrap();
        assert_eq!(solver.worker().digesting.most(), most);
    }
}

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

#[test]
fn of_all_that_can_run_the_one_with_the_longest_way_to_go_does() {
    for seed in 0..60 {
        let mut numbers = Numbers(seed);
        let mut vertices = vec![source("src")];
        let mut inputs: Vec<Vec<usize>> = vec![vec![]];
        for n in 1..30_usize {
            let mut of: Vec<usize> = (0..=numbers.below(2)).map(|_| numbers.below(n)).collect();
            of.dedup();
            let edges: Vec<u32> = of.iter().map(|input| *input as u32).collect();
            vertices.push(step(&[&n.to_string()], &edges));
            inputs.push(of);
        }
        // All that nobody uses yet, so that all is needed.
        let unused: Vec<usize> = (0..30)
            .filter(|n| !inputs.iter().flatten().any(|input| input == n))
            .collect();
        vertices.push(step(
            &["30"],
            &unused.iter().map(|input| *input as u32).collect::<Vec<_>>(),
        ));
        inputs.push(unused);
        let mut heights = vec![0; inputs.len()];
        for n in (0..inputs.len()).rev() {
            for input in &inputs[n] {
                heights[*input] = heights[*input].max(heights[n] + 1);
            }
        }
        let solver = solver(|_, _| Ok(()));
        solve(&solver, &definition(vertices), 1, &CancelToken::new()).unwrap();
        let mut done = vec![0_usize];
        for name in &*solver.worker().order.lock().unwrap() {
            let n: usize = name.parse().unwrap();
            let ready = |n: &usize| !done.contains(n) && inputs[*n].iter().all(|input| done.contains(input));
            let longest = (1..inputs.len()).filter(ready).map(|n| heights[n]).max();
            assert!(
                ready(&n) && Some(heights[n]) == longest,
                "seed {seed}: {n} after {done:?}"
            );
            done.push(n);
        }
        assert_eq!(done.len(), inputs.len());
    }
}

/// How often this thread has been put to sleep.
fn sleeps() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.unwrap().trim().parse().unwrap()
}

#[test]
fn the_loop_wakes_up_only_when_something_has_happened() {
    let nap = Duration::from_millis(400);
    let solver = solver(move |name, _| {
        if name.contains("nap") {
            std::thread::sleep(nap);
        }
        Ok(())
    });
    // Every message is one wake-up: a step that ended, or the source.
    let chain = |count: u32, last: &str| {
        let mut vertices = vec![source("src")];
        vertices.extend((0..count).map(|n| step(&["step", &n.to_string(), last], &[n])));
        vertices.push(step(&[last], &[count]));
        definition(vertices)
    };
    for (steps, last) in [(0, "nap"), (100, "end")] {
        let before = sleeps();
        solve(&solver, &chain(steps, last), 4, &CancelToken::new()).unwrap();
        let woken = sleeps() - before;
        // A thread's start and end may cost a sleep each.
        let messages = u64::from(steps) + 2;
        assert!(
            woken <= 3 * messages + 4,
            "{woken} wake-ups for {messages} messages"
        );
    }
}

/// Two solves of the same: the first executes a step, the second waits for it. Returns what the two gave after `end`
/// was called with their tokens while that was so.
fn two_solves(
    gate: &Arc<Gate>,
    solver: &ScriptedSolver,
    end: impl FnOnce(&CancelToken, &CancelToken),
) -> [Solved; 2] {
    let tokens = [CancelToken::new(), CancelToken::new()];
    // The first has a step that ends when it is given up, after the slow one was; the second one that only begins after
    // it has asked for the slow one.
    let definitions = [
        definition(vec![
            source("src"),
            step(&["slow"], &[0]),
            step(&["witness"], &[0]),
            step(&["one"], &[1, 2]),
        ]),
        definition(vec![
            source("src"),
            step(&["slow"], &[0]),
            step(&["beside"], &[0]),
            step(&["two"], &[1, 2]),
        ]),
    ];
    std::thread::scope(|scope| {
        let first = scope.spawn(|| solve(solver, &definitions[0], 4, &tokens[0]));
        assert!(gate.reached(1), "the step has begun");
        let second = scope.spawn(|| solve(solver, &definitions[1], 4, &tokens[1]));
        assert!(gate.reached(2), "the other solve is under way");
        end(&tokens[0], &tokens[1]);
        [first.join().unwrap(), second.join().unwrap()]
    })
}

/// Its slow step ends when so many have come to the gate: itself, the other solve, the first that was given up; or when
/// it is cancelled.
fn slow_solver(gate: &Arc<Gate>, open: usize) -> ScriptedSolver {
    let gate = Arc::clone(gate);
    solver(move |name, context| {
        match name {
            "slow" => {
                let theirs = Arc::clone(&gate);
                let _registration = context
                    .cancel_token()
                    .on_cancel(move || (0..open).for_each(|_| theirs.add()));
                gate.add();
                assert!(gate.reached(open));
            }
            "beside" => gate.add(),
            "witness" => {
                let over = Arc::new(Gate::default());
                let theirs = Arc::clone(&over);
                let _registration = context.cancel_token().on_cancel(move || theirs.add());
                assert!(over.reached(1));
                gate.add();
            }
            _ => {}
        }
        if context.cancelled() {
            Err(Toy("cancelled".to_owned()))
        } else {
            Ok(())
        }
    })
}

#[test]
fn a_step_that_another_solve_waits_for_outlives_its_own() {
    let gate = Arc::new(Gate::default());
    let solver = slow_solver(&gate, 3);
    let [first, second] = two_solves(&gate, &solver, |first, _| first.cancel());
    assert!(matches!(first, Err(SolveError::Cancelled)), "{first:?}");
    assert_eq!(second.unwrap(), ["two"]);
    let count = |name: &str| {
        solver
            .worker()
            .order
            .lock()
            .unwrap()
            .iter()
            .filter(|other| *other == name)
            .count()
    };
    assert_eq!((count("slow"), count("two"), count("one")), (1, 1, 0));
}

#[test]
fn a_step_that_nobody_waits_for_any_more_is_cancelled() {
    for order in [0, 1] {
        let gate = Arc::new(Gate::default());
        // Nobody opens the gate but the step's own cancellation.
        let solver = slow_solver(&gate, 4);
        let results = two_solves(&gate, &solver, |first, second| {
            let tokens = if order == 0 {
                [first, second]
            } else {
                [second, first]
            };
            tokens.iter().for_each(|token| token.cancel());
        });
        for result in results {
            assert!(matches!(result, Err(SolveError::Cancelled)), "{result:?}");
        }
    }
}

#[test]
fn an_equal_step_in_another_build_is_found_or_shared_but_not_repeated() {
    let counts = Arc::new(Mutex::new(BTreeMap::<String, usize>::new()));
    let theirs = Arc::clone(&counts);
    let solver = solver(move |name, _| {
        *theirs.lock().unwrap().entry(name.to_owned()).or_default() += 1;
        Ok(())
    });
    std::thread::scope(|scope| {
        for build in 0..6_u32 {
            let solver = &solver;
            scope.spawn(move || {
                let mut vertices = vec![source("src")];
                vertices.extend((0..40_u32).map(|n| step(&["common", &n.to_string()], &[n / 2])));
                vertices.push(step(&["own", &build.to_string()], &[20, 30, 40]));
                solve(solver, &definition(vertices), 3, &CancelToken::new()).unwrap();
            });
        }
    });
    let counts = counts.lock().unwrap();
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
}
