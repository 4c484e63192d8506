//! When steps run, on how many threads, and who they are run for. No disk.
#![allow(clippy::unwrap_used)]

mod scripted;
mod shared;
#[path = "../toy/mod.rs"]
mod toy;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lapstrake_llb::Definition;
use lapstrake_solver::CancelToken;
use scripted::{Gate, solve, solver};
use toy::{Toy, definition, source, step};

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
