//! The solver over toy ops: keys, the order of steps, and what failure leaves.
#![allow(clippy::unwrap_used)]

mod failure;
#[path = "../toy/mod.rs"]
mod toy;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use lapstrake_llb::Edge;
use lapstrake_solver::{Ending, Session, Solver};
use toy::{Forgetful, ToyWorker, definition, endings, options, solve, solve_with, solver, source, step};

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
        [
            ("c".to_owned(), Ending::Cached),
            ("src".to_owned(), Ending::Done),
            ("a".to_owned(), Ending::Skipped),
            ("b".to_owned(), Ending::Skipped),
        ]
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

#[test]
fn equal_steps_over_sources_of_two_names_run_once() {
    for jobs in [1, 4] {
        let solver = solver();
        solver.worker().set("one", "1");
        solver.worker().set("two", "1");
        let definition = definition(vec![
            source("one"),
            source("two"),
            step(&["a"], &[0]),
            step(&["a"], &[1]),
            step(&["b"], &[2]),
            step(&["b"], &[3]),
            step(&["c"], &[4, 5]),
        ]);
        solve_with(&solver, &definition, 6, &options(jobs).0).unwrap();
        assert_eq!(solver.worker().take_executed(), ["a", "b", "c"]);
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
