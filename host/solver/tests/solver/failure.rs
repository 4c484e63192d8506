//! What failures, panics and cancellation leave.

use std::sync::Arc;

use crate::toy::{definition, endings, options, solve_with, solver, source, step};
use lapstrake_solver::{Ending, Event, Options, SolveError};

// ---- Cache ----

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
    assert!(
        endings.contains(&("never".to_owned(), Ending::Cancelled)),
        "what was wanted and never began is given up, too: {endings:?}"
    );
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
