//! The graph builder: what it makes of states, commands and files, and what holds for every graph it makes.

use lapstrake_sdk::types::*;
use lapstrake_sdk::{Graph, State};
use proptest::prelude::*;

fn only(state: &State) -> (Vertex, Definition) {
    let roots: Vec<Edge> = state.edge().into_iter().collect();
    let (definition, roots) = state.graph().definition(&roots);
    (definition.vertices[roots[0].vertex as usize].clone(), definition)
}

fn exec(vertex: Vertex) -> ExecOp {
    match vertex.op {
        Op::Exec(exec) => exec,
        other => panic!("{other:?}"),
    }
}

fn range(line: u32) -> SourceRange {
    SourceRange {
        file: 0,
        start: Position { line, column: 1 },
        stop: Position { line, column: 2 },
    }
}

#[test]
fn equal_vertices_are_one() {
    let graph = Graph::new();
    let first = graph.image("debian").name("first").range(range(1));
    let second = graph
        .image("debian")
        .name("second")
        .range(range(2))
        .ignore_cache();
    let other = graph.image("alpine");
    assert_eq!(first.edge(), second.edge());
    assert_ne!(first.edge(), other.edge());

    let (vertex, _) = only(&first);
    assert_eq!(vertex.name, "first");
    assert_eq!(vertex.ranges, [range(1), range(2)]);
    assert!(vertex.ignore_cache);
}

#[test]
fn whole_vertices_merge_what_they_say() {
    let graph = Graph::new();
    let op = || {
        Op::Source(SourceOp::Local(LocalSource {
            name: "context".into(),
            ..Default::default()
        }))
    };
    let mut vertex = Vertex::new(op(), None);
    let index = graph.add(vertex.clone());
    vertex.name = "late".into();
    vertex.export_cache = Some(false);
    vertex.description.push(KeyValue::new("a", "b"));
    assert_eq!(graph.add(vertex), index);

    let mut constrained = Vertex::new(op(), None);
    constrained.constraints.push("worker.id==x".into());
    assert_ne!(graph.add(constrained), index);
    assert_ne!(graph.vertex(op(), Some(&Platform::new("linux", "arm64"))), index);

    let (vertex, _) = only(&graph.state(Edge {
        vertex: index,
        output: 0,
    }));
    assert_eq!((vertex.name.as_str(), vertex.export_cache), ("late", Some(false)));
    assert_eq!(vertex.description, [KeyValue::new("a", "b")]);
}

#[test]
fn a_command_gets_the_surroundings_of_its_state() {
    let graph = Graph::new();
    let arm = Platform::new("linux", "arm64");
    let base = graph
        .image("debian")
        .env("A", "1")
        .env("B", "2")
        .env("A", "3")
        .dir("/src")
        .dir("lib")
        .user("nobody");
    let ran = base
        .platform(&arm)
        .shell("make")
        .env("C", "4")
        .network(NetworkMode::NoNetwork)
        .root();
    let (vertex, _) = only(&ran);
    assert_eq!(vertex.platform, Some(arm));
    let exec = exec(vertex);
    assert_eq!(exec.args, ["/bin/sh", "-c", "make"]);
    assert_eq!(
        exec.env,
        [("A", "3").into(), ("B", "2").into(), ("C", "4").into()]
    );
    assert_eq!(
        (exec.cwd.as_str(), exec.user.as_deref()),
        ("/src/lib", Some("nobody"))
    );
    assert_eq!(exec.network, NetworkMode::NoNetwork);
    assert_eq!(exec.mounts.len(), 1);
    assert_eq!(exec.mounts[0].target, "/");
    // What was said for one command is not said for the next.
    assert_eq!(ran.environment().len(), 2);
    assert_eq!(ran.directory(), "/src/lib");
}

#[test]
fn outputs_are_numbered_by_writable_mounts() {
    let graph = Graph::new();
    let (base, tools) = (graph.image("debian"), graph.image("tools"));
    let ran = base
        .run(["cc"])
        .mount_readonly("/tools", &tools)
        .cache("/cache", "c")
        .mount("/out", &graph.scratch())
        .secret("/key", "key")
        .done();
    let vertex = ran.root().edge().unwrap().vertex;
    assert_eq!(ran.root().edge(), Some(Edge { vertex, output: 0 }));
    assert_eq!(
        ran.mounted("/out").unwrap().edge(),
        Some(Edge { vertex, output: 1 })
    );
    assert_eq!(ran.mounted("/tools").unwrap().edge(), tools.edge());
    assert!(ran.mounted("/cache").is_none());
    let outputs: Vec<bool> = exec(only(&ran.root()).0)
        .mounts
        .iter()
        .map(|mount| matches!(&mount.kind, MountKind::Bind(bind) if bind.output))
        .collect();
    assert_eq!(outputs, [true, false, false, true, false]);
}

#[test]
fn changes_of_files_are_one_vertex() {
    let graph = Graph::new();
    let context = graph.local("context");
    let base = graph.image("debian").dir("/app");
    let state = base
        .file()
        .mkdir("lib")
        .copy(&context, "a/../b", "x/")
        .write("/v", "1")
        .rm("tmp")
        .symlink("v", "w")
        .done();
    let (vertex, definition) = only(&state);
    assert_eq!(definition.vertices.len(), 3);
    let Op::File(actions) = vertex.op else { panic!() };
    let outputs: Vec<bool> = actions.iter().map(|action| action.output).collect();
    assert_eq!(outputs, [false, false, false, false, true]);
    assert!(matches!(actions[0].base, FileInput::Edge(_)));
    assert_eq!(actions[4].base, FileInput::Action(3));
    let FileActionKind::Copy(copy) = &actions[1].kind else {
        panic!()
    };
    assert_eq!(
        (copy.src_path.as_str(), copy.dst_path.as_str()),
        ("/b", "/app/x/")
    );
    assert!(copy.create_dst_path && matches!(copy.src, FileInput::Edge(_)));
    assert!(matches!(&actions[3].kind, FileActionKind::Rm(rm) if rm.path == "/app/tmp"));
    assert!(
        matches!(&actions[4].kind, FileActionKind::Symlink(link) if link.path == "/app/w" && link.target == "v")
    );

    assert_eq!(base.file().done().edge(), base.edge(), "no change is no vertex");
}

#[test]
fn merge_and_diff_leave_scratch_out() {
    let graph = Graph::new();
    let (a, b, scratch) = (graph.image("a"), graph.image("b"), graph.scratch());
    assert_eq!(graph.merge([&scratch, &scratch]).edge(), None);
    assert_eq!(graph.merge([&scratch, &a]).edge(), a.edge());
    let merged = graph.merge([&a, &scratch, &b]);
    let (vertex, _) = only(&merged);
    assert!(matches!(vertex.op, Op::Merge(inputs) if inputs.len() == 2));
    assert_eq!(graph.diff(&scratch, &a).edge(), a.edge());
    let (vertex, _) = only(&graph.diff(&a, &merged));
    assert!(matches!(
        vertex.op,
        Op::Diff(DiffOp {
            lower: Some(_),
            upper: Some(_)
        })
    ));
}

#[test]
fn a_platform_stays_where_it_matters() {
    let graph = Graph::new();
    let arm = Platform::new("linux", "arm64");
    let local = LocalSource {
        name: "context".into(),
        ..Default::default()
    };
    let local = graph.source(SourceOp::Local(local), Some(&arm));
    let image = graph.source(SourceOp::Image(ImageSource::default()), Some(&arm));
    assert_eq!(only(&local).0.platform, None);
    assert_eq!(only(&image).0.platform, Some(arm.clone()));
    assert_eq!(only(&local.run(["x"]).root()).0.platform, Some(arm));
    assert_eq!(only(&image.file().write("/a", "").done()).0.platform, None);
}

#[test]
fn a_definition_has_what_its_roots_need() {
    let graph = Graph::new();
    let unused = graph.image("unused");
    let base = graph.image("base");
    unused.run(["x"]).root();
    let root = base.run(["y"]).root();
    let (definition, roots) = graph.definition(&[root.edge().unwrap(), base.edge().unwrap()]);
    assert_eq!(definition.vertices.len(), 2);
    assert_eq!(
        roots,
        [Edge { vertex: 1, output: 0 }, Edge { vertex: 0, output: 0 }]
    );
    let Op::Exec(exec) = &definition.vertices[1].op else {
        panic!()
    };
    assert!(matches!(&exec.mounts[0].kind, MountKind::Bind(bind) if bind.input == Some(roots[1])));
    // The graph is as it was: its states are still good.
    assert_eq!(graph.definition(&[unused.edge().unwrap()]).0.vertices.len(), 1);
}

#[test]
fn a_result_has_its_images_roots_renumbered() {
    let graph = Graph::new();
    let source = SourceFile {
        name: "f".into(),
        language: "l".into(),
        text: "t".into(),
    };
    assert_eq!(graph.source_file(&source), 0);
    assert_eq!(graph.source_file(&source), 0);
    graph.image("unused");
    let root = graph.image("used");
    let platform = Platform::new("linux", "amd64");
    let images = [None, root.edge()].map(|root| BuiltImage::new(root, ImageConfig::new(platform.clone())));
    let warning = Diagnostic::warning("W", "w").at(range(1));
    let result = graph.finish(images.to_vec(), vec![warning]);
    let roots: Vec<Option<Edge>> = result.images.iter().map(|image| image.root).collect();
    assert_eq!(roots, [None, Some(Edge { vertex: 0, output: 0 })]);
    assert_eq!(result.definition.vertices.len(), 1);
    assert_eq!(result.definition.sources, std::slice::from_ref(&source));
    assert_eq!(result.warnings.sources, [source]);
}

#[test]
#[should_panic(expected = "a state of another graph was used")]
fn states_of_two_graphs_do_not_mix() {
    let (one, other) = (Graph::new(), Graph::new());
    let _ = one.merge([&one.image("a"), &other.image("b")]);
}

/// Every edge that a vertex names, for tests alone: the builder has its own.
fn edges(op: &Op) -> Vec<Edge> {
    let input = |input: &FileInput| match input {
        FileInput::Edge(edge) => Some(*edge),
        _ => None,
    };
    match op {
        Op::Source(_) => Vec::new(),
        Op::Exec(exec) => exec
            .mounts
            .iter()
            .filter_map(|mount| match &mount.kind {
                MountKind::Bind(bind) => bind.input,
                MountKind::Cache(cache) => cache.input,
                _ => None,
            })
            .collect(),
        Op::File(actions) => actions
            .iter()
            .flat_map(|action| {
                let copy = match &action.kind {
                    FileActionKind::Copy(copy) => input(&copy.src),
                    _ => None,
                };
                [input(&action.base), copy]
            })
            .flatten()
            .collect(),
        Op::Merge(inputs) => inputs.clone(),
        Op::Diff(diff) => [diff.lower, diff.upper].into_iter().flatten().collect(),
        Op::Build(build) => vec![build.input],
    }
}

proptest! {
    /// Whatever is built in whatever order: the definition is topological, dense, without equal vertices and without
    /// vertices that nobody needs.
    #[test]
    fn every_definition_is_in_order(steps in proptest::collection::vec((0u8..6, 0usize..64, 0usize..64), 1..60)) {
        let graph = Graph::new();
        let mut states = vec![graph.scratch()];
        for (kind, a, b) in steps {
            let (a, b) = (&states[a % states.len()], &states[b % states.len()]);
            let next = match kind {
                0 => graph.image(format!("image-{}", states.len() % 3)),
                1 => a.run(["x"]).mount("/b", b).done().mounted("/b").unwrap(),
                2 => a.file().copy(b, "/", "/").done(),
                3 => graph.merge([a, b]),
                4 => graph.diff(a, b),
                _ => a.shell("y").mount_kind("/c", MountKind::Cache(CacheMount { input: b.edge(), ..Default::default() })).root(),
            };
            states.push(next);
        }
        let Some(root) = states.last().and_then(State::edge) else { return Ok(()) };
        let (definition, roots) = graph.definition(&[root]);
        let count = definition.vertices.len();
        prop_assert_eq!(roots[0].vertex as usize, count - 1);
        let mut used = vec![false; count];
        used[count - 1] = true;
        for (index, vertex) in definition.vertices.iter().enumerate() {
            for edge in edges(&vertex.op) {
                prop_assert!((edge.vertex as usize) < index);
                used[edge.vertex as usize] = true;
            }
            prop_assert!(!definition.vertices[..index].contains(vertex));
        }
        prop_assert!(used.into_iter().all(|used| used));
    }
}
