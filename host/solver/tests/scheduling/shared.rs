//! Several solves that want the same: who does it, and for whom it ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::scripted::{Gate, ScriptedSolver, Solved, solve, solver};
use crate::toy::{Toy, definition, source, step};
use lapstrake_solver::{CancelToken, SolveError};

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
