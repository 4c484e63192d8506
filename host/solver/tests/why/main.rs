//! Explanations over toy ops: what is predicted is what a solve then does, and what differs is said. No disk.
#![allow(clippy::unwrap_used)]

mod bench;

use bench::*;
use lapstrake_llb::{Definition, Op, Vertex};
use lapstrake_solver::{Explained, Found, Reason, Records, Verdict};
use proptest::prelude::*;

fn chain(third: &[&str]) -> Definition {
    graph(vec![
        source("src"),
        step("[1/3] one", &["one"], &[0]),
        step("[2/3] two", &["two", "v=1"], &[1]),
        step("[3/3] three", third, &[2]),
    ])
}

#[test]
fn a_first_build_and_an_unchanged_one() {
    let bench = Bench::new(&[("src", "ab")]);
    let definition = chain(&["three"]);
    let steps = bench.explain(&definition, &[]);
    assert_eq!(steps[0].verdict, Verdict::Looked);
    assert!(
        steps[1..]
            .iter()
            .all(|step| step.verdict == Verdict::Runs(Reason::FirstTime))
    );
    assert_eq!(bench.solve(&definition).len(), 3);
    let steps = bench.explain(&definition, &[1]);
    assert!(
        matches!(&steps[3].verdict, Verdict::Cached { found: Found::Definition, made: Some(made) } if made.by == "[3/3] three")
    );
    assert_eq!(
        (steps[2].verdict.clone(), steps[2].needed),
        (Verdict::Unneeded, Err(Some(3)))
    );
    assert!(
        matches!(steps[1].verdict, Verdict::Cached { .. }),
        "who asks is told"
    );
    assert_eq!(steps[1].needed, Err(Some(3)));
}

#[test]
fn a_changed_part_is_said_at_the_step_and_at_those_above() {
    let bench = Bench::new(&[("src", "ab")]);
    bench.solve(&chain(&["three", "v=1"]));
    assert_eq!(
        bench.causes(&chain(&["three", "v=2"])),
        ["[3/3] three: v: Some(\"1\") -> Some(\"2\")"]
    );
    let mut below = chain(&["three", "v=1"]);
    below.vertices[2] = step("[2/3] two", &["two", "v=2"], &[1]);
    assert_eq!(bench.causes(&below), ["[2/3] two: v: Some(\"1\") -> Some(\"2\")"]);
    bench.set("src", "bcd");
    assert_eq!(
        bench.causes(&chain(&["three", "v=1"])),
        ["[1/3] one: content c,d,a"]
    );
}

#[test]
fn a_step_that_came_between_or_went_is_said() {
    let bench = Bench::new(&[("src", "ab")]);
    let short = graph(vec![
        source("src"),
        step("[1/2] one", &["one"], &[0]),
        step("[2/2] last", &["last"], &[1]),
    ]);
    let long = graph(vec![
        source("src"),
        step("[1/3] one", &["one"], &[0]),
        step("[2/3] new", &["new"], &[1]),
        step("[3/3] last", &["last"], &[2]),
    ]);
    bench.solve(&short);
    assert_eq!(bench.causes(&long), ["[3/3] last: added [2/3] new"]);
    let bench = Bench::new(&[("src", "ab")]);
    bench.solve(&long);
    assert_eq!(bench.causes(&short), ["[2/2] last: gone [2/3] new"]);
}

#[test]
fn no_cache_a_removed_record_and_a_lost_result() {
    let bench = Bench::new(&[("src", "ab")]);
    let definition = chain(&["constant"]);
    bench.solve(&definition);
    let mut forced = definition.clone();
    forced.vertices[2].metadata.ignore_cache = true;
    let steps = bench.explain(&forced, &[]);
    assert_eq!(steps[2].verdict, Verdict::Runs(Reason::NoCache));
    assert_eq!(bench.causes(&forced), ["[2/3] two: NoCache"]);

    bench
        .solver
        .worker()
        .gone
        .lock()
        .unwrap()
        .push("constant".to_owned());
    let steps = bench.explain(&definition, &[]);
    assert!(
        matches!(&steps[3].verdict, Verdict::Runs(Reason::ResultLost(Some(_)))),
        "{:?}",
        steps[3]
    );
    bench.solver.worker().gone.lock().unwrap().clear();

    let Verdict::Cached { made: Some(made), .. } = bench.explain(&definition, &[])[3].verdict.clone() else {
        panic!()
    };
    bench.solver.records().remove(&made.id).unwrap();
    let steps = bench.explain(&definition, &[]);
    assert!(
        matches!(&steps[3].verdict, Verdict::Runs(Reason::Removed(_))),
        "{:?}",
        steps[3]
    );
}

#[test]
fn another_result_of_the_same_step_is_no_change_of_it() {
    let bench = Bench::new(&[("src", "ab")]);
    let definition = chain(&["three"]);
    bench.solve(&definition);
    let mut forced = definition.clone();
    forced.vertices[1].metadata.ignore_cache = true;
    // Only the first two: the third was made of the first result of "one".
    let part = graph(forced.vertices[..3].to_vec());
    bench.solve(&part);
    let Verdict::Cached { made: Some(made), .. } = bench.explain(&definition, &[])[3].verdict.clone() else {
        panic!()
    };
    bench.solver.records().remove(&made.id).unwrap();
    let changed = chain(&["three", "v=2"]);
    let found = bench.causes(&changed);
    assert_eq!(
        found,
        ["[3/3] three: v: None -> Some(\"2\")", "[1/3] one: AnotherResult"]
    );
}

#[test]
fn what_counts_by_content_is_open_until_it_is_known() {
    let bench = Bench::new(&[("src", "ab")]);
    let definition = |v: &str| {
        graph(vec![
            source("src"),
            step("make", &["make", v], &[0]),
            step("[1/2] take", &["content"], &[1]),
            step("[2/2] use", &["use"], &[2]),
        ])
    };
    bench.solve(&definition("v=1"));
    let steps = bench.explain(&definition("v=2"), &[]);
    assert!(matches!(&steps[1].verdict, Verdict::Runs(Reason::Differs { .. })));
    assert!(
        matches!(&steps[2].verdict, Verdict::Open { on, .. } if *on == [1]),
        "{:?}",
        steps[2]
    );
    assert!(
        matches!(&steps[3].verdict, Verdict::Open { on, .. } if *on == [2]),
        "{:?}",
        steps[3]
    );
    assert_eq!(
        bench.causes(&definition("v=2")),
        ["make: v: Some(\"1\") -> Some(\"2\")"]
    );
    assert_eq!(
        bench.solve(&definition("v=2")).len(),
        1,
        "the result was the same"
    );
    // A source's content is known without running anything.
    let bench = Bench::new(&[("src", "ab")]);
    let direct = graph(vec![source("src"), step("take", &["content"], &[0])]);
    bench.solve(&direct);
    bench.set("src", "ax");
    let steps = bench.explain(&direct, &[]);
    assert!(matches!(
        &steps[1].verdict,
        Verdict::Cached {
            found: Found::Content,
            ..
        }
    ));
    bench.set("src", "bx");
    assert_eq!(bench.causes(&direct), ["take: content x,a"]);
}

// ---- Properties ----

fn plans() -> impl Strategy<Value = Vec<(u8, u32, u32)>> {
    proptest::collection::vec((0..6_u8, any::<u32>(), any::<u32>()), 1..16)
}

fn build(plan: &[(u8, u32, u32)], no_cache: Option<usize>) -> Definition {
    let mut vertices = vec![source("s0"), source("s1")];
    for (number, (kind, a, b)) in plan.iter().enumerate() {
        let count = vertices.len() as u32;
        let mut inputs = vec![a % count];
        if kind % 2 == 1 && a % count != b % count {
            inputs.push(b % count);
        }
        let word = ["plain", "constant", "content", "content", "other", "plain"][usize::from(*kind)];
        let mut vertex = step(&format!("[{number}/9] {word}"), &[word], &inputs);
        vertex.metadata.ignore_cache = no_cache == Some(number);
        vertices.push(vertex);
    }
    graph(vertices)
}

/// Whether a step, or something before it, equals another one that is made anew although it is known: which of the two
/// results it takes, the old one or the new, depends on which of them is there first.
fn may_meet_a_new_result(definition: &Definition, step: usize) -> bool {
    let vertex = &definition.vertices[step];
    let is_twin = |(other, anew): (usize, &Vertex)| {
        other != step && anew.metadata.ignore_cache && !args(vertex).is_empty() && args(vertex) == args(anew)
    };
    let mut inputs = vertex.op.inputs().into_iter();
    definition.vertices.iter().enumerate().any(is_twin)
        || inputs.any(|input| may_meet_a_new_result(definition, input.vertex as usize))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// What is said to run runs, what is said to be cached does not, and every difference has a cause.
    #[test]
    fn what_is_explained_is_what_happens(
        plan in plans(),
        edits in proptest::collection::vec((0..2_usize, 0..4_usize, 0..16_usize, 0..6_u8, any::<bool>()), 1..6),
    ) {
        let bench = Bench::new(&[("s0", "a0"), ("s1", "a0")]);
        let mut plan = plan;
        for (source, text, position, kind, no_cache) in edits {
            bench.set(&format!("s{source}"), ["a0", "a1", "b0", "b1"][text]);
            let position = position % plan.len();
            plan[position].0 = kind;
            let definition = build(&plan, no_cache.then_some(position));
            let explained = bench.explain(&definition, &[]);
            let executed = bench.solve(&definition);
            for step in &explained {
                if matches!(definition.vertices[step.vertex].op, Op::Source(_)) {
                    continue;
                }
                let ran = executed.contains(&step.digest);
                match &step.verdict {
                    Verdict::Runs(reason) => {
                        // Of equal steps in two places, one runs, whichever comes first.
                        let twin = |other: &Explained| {
                            let (a, b) = (&definition.vertices[step.vertex], &definition.vertices[other.vertex]);
                            other.digest != step.digest && args(a) == args(b) && executed.contains(&other.digest)
                        };
                        prop_assert!(ran || explained.iter().any(twin), "{:?}", step);
                        if let Reason::Differs { causes, .. } = reason {
                            prop_assert!(!causes.is_empty() && causes.iter().all(|cause| !cause.what.is_empty()));
                        }
                    }
                    Verdict::Cached { .. } => {
                        prop_assert!(!ran || may_meet_a_new_result(&definition, step.vertex), "{:?}", step)
                    }
                    Verdict::Unneeded => prop_assert!(!ran, "{:?}", step),
                    Verdict::Open { on, .. } => prop_assert!(!on.is_empty()),
                    Verdict::Same(other) => prop_assert!(*other < explained.len()),
                    Verdict::Looked => prop_assert!(false, "{:?}", step),
                }
            }
        }
    }
}
