//! Build ops under the real solver: graphs that come out of other graphs.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod support;

use std::fs;

use lapstrake_llb::*;
use lapstrake_ops::{Error, NestedError};
use support::chain;
use support::graph::{Bench, Graph, always};

/// A graph that solves the definition at a path of the context and copies `/out` of its result.
fn outer(filename: &str) -> (Graph, Edge) {
    let mut graph = Graph::default();
    let input = graph.local();
    let build = graph.add(
        "build",
        Op::Build(BuildOp {
            input,
            filename: filename.to_owned(),
        }),
    );
    let copied = graph.copy("taken", None, build, "/out", "/result");
    always(&mut graph.definition);
    (graph, copied)
}

fn put(bench: &Bench, name: &str, graph: &Graph, roots: &[Edge]) {
    fs::write(bench.context.join(name), graph.definition.to_pb(roots)).unwrap();
}

#[test]
fn a_graph_from_a_file_is_solved_and_what_is_in_it_is_cached() {
    let bench = Bench::new();
    let mut inner = Graph::default();
    let context = inner.local();
    let root = inner.copy("inner copy", None, context, "/data", "/out");
    put(&bench, "graphs.pb", &inner, &[root]);
    fs::write(bench.context.join("data"), "one").unwrap();
    let (graph, taken) = outer("graphs.pb");
    let first = bench.solve(&graph, &[taken]);
    assert_eq!(first.read(0, "result").unwrap(), "one");
    assert!(first.told.executed.contains(&"inner copy".to_owned()));

    let second = bench.solve(&graph, &[taken]);
    assert_eq!(second.trees, first.trees);
    assert!(
        second.told.cached.contains(&"inner copy".to_owned()),
        "{:?}",
        second.told.executed
    );
    assert!(
        second.told.cached.contains(&"taken".to_owned()),
        "{:?}",
        second.told.executed
    );

    // The graph is the same, and what it takes is not.
    fs::write(bench.context.join("data"), "two").unwrap();
    let third = bench.solve(&graph, &[taken]);
    assert_eq!(third.read(0, "result").unwrap(), "two");
}

#[test]
fn graphs_in_graphs_end_somewhere() {
    let bench = Bench::new();
    // The graph of every level names the file of the next one; the last one names itself.
    for level in 1..12 {
        let mut graph = Graph::default();
        let input = graph.local();
        let next = if level < 11 { level + 1 } else { level };
        let build = graph.add(
            "deeper",
            Op::Build(BuildOp {
                input,
                filename: format!("{next}"),
            }),
        );
        put(&bench, &level.to_string(), &graph, &[build]);
    }
    let (graph, taken) = outer("1");
    let (error, _) = bench.failure(&graph, taken);
    assert!(
        chain(&error).contains("nested more than 8 deep"),
        "{}",
        chain(&error)
    );
    let mut own = Graph::default();
    let input = own.local();
    let build = own.add(
        "itself",
        Op::Build(BuildOp {
            input,
            filename: "itself".to_owned(),
        }),
    );
    put(&bench, "itself", &own, &[build]);
    let (graph, taken) = outer("itself");
    let (error, _) = bench.failure(&graph, taken);
    assert!(
        chain(&error).contains("nested more than 8 deep"),
        "{}",
        chain(&error)
    );
    // Three are fine.
    let mut last = Graph::default();
    let root = last.file("/out", "deep down");
    put(&bench, "3", &last, &[root]);
    let (graph, taken) = outer("1");
    assert_eq!(
        bench.solve(&graph, &[taken]).read(0, "result").unwrap(),
        "deep down"
    );
}

#[test]
fn what_is_no_good_graph_is_refused() {
    let bench = Bench::new();
    let error = |name: &str| {
        let (graph, taken) = outer(name);
        bench.failure(&graph, taken).0
    };
    assert!(matches!(
        error("none"),
        Error::Nested(NestedError::NotFound { .. })
    ));
    // The name where there is none is BuildKit's.
    let unnamed = error("");
    assert!(
        chain(&unnamed).contains("buildkit.llb.definition"),
        "{}",
        chain(&unnamed)
    );
    fs::write(bench.context.join("text"), "not a graph at all").unwrap();
    assert!(matches!(error("text"), Error::Nested(NestedError::Decode { .. })));
    let mut two = Graph::default();
    let roots = [two.file("/a", "1"), two.file("/b", "2")];
    put(&bench, "two", &two, &roots);
    assert!(matches!(
        error("two"),
        Error::Nested(NestedError::Roots { count: 2, .. })
    ));
    let mut bad = Graph::default();
    let root = bad.file("/a/../../b", "1");
    put(&bench, "bad", &bad, &[root]);
    assert!(matches!(error("bad"), Error::Nested(NestedError::Invalid { .. })));
    let mut failing = Graph::default();
    let context = failing.local();
    let root = failing.copy("missing", None, context, "/nothing-here", "/out");
    put(&bench, "failing", &failing, &[root]);
    let failed = error("failing");
    assert!(chain(&failed).contains("nothing-here"), "{}", chain(&failed));
}
