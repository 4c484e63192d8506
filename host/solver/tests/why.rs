//! Explanations over toy ops: what is predicted is what a solve then does, and what differs is said. No disk.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use lapstrake_llb::{
    BindMount, Definition, Digest, Edge, ExecOp, LocalDiffer, LocalSource, Metadata, Mount, MountKind, Op,
    SourceOp, Vertex,
};
use lapstrake_solver::{
    CacheMap, CancelToken, Explained, Found, InputKey, MemoryRecords, Options, Part, PartHasher, Parts,
    Reason, Records, Role, Session, Solver, StepContext, Told, ToldInput, Verdict, What, Worker,
};
use proptest::prelude::*;

// ---- Toy graphs: a source is a text; a step joins its arguments and inputs ----

fn vertex(op: Op, name: &str) -> Vertex {
    Vertex {
        op,
        platform: None,
        constraints: vec![],
        metadata: Metadata {
            name: name.to_owned(),
            ..Metadata::default()
        },
    }
}

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

/// A step of one name; `content`: its inputs count by content.
fn step(name: &str, args: &[&str], inputs: &[u32]) -> Vertex {
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
    vertex(Op::Exec(op), name)
}

fn graph(vertices: Vec<Vertex>) -> Definition {
    Definition {
        vertices,
        sources: vec![],
    }
}

// ---- Toy worker ----

#[derive(Debug, thiserror::Error)]
#[error("toy")]
struct Toy;

#[derive(Default)]
struct ToyWorker {
    files: Mutex<BTreeMap<String, String>>,
    executed: Mutex<Vec<Digest>>,
    /// Results that are lost.
    gone: Mutex<Vec<String>>,
}

fn args(vertex: &Vertex) -> &[String] {
    match &vertex.op {
        Op::Exec(exec) => &exec.args,
        _ => &[],
    }
}

fn walk(args: &[String], parts: &mut dyn Parts) {
    for arg in args {
        let (name, value) = arg.split_once('=').unwrap_or((arg, ""));
        parts.text("argument", name, value);
    }
}

/// A text's letters, as a directory's files.
fn listing(text: &str) -> Vec<Part> {
    let part = |letter: char| Part {
        role: Role::Key,
        name: letter.to_string(),
        of: String::new(),
        value: "here".to_owned(),
    };
    text.chars().map(part).collect()
}

impl ToyWorker {
    fn text(&self, vertex: &Vertex) -> String {
        self.files.lock().unwrap()[&vertex.metadata.name].clone()
    }
}

impl Worker for ToyWorker {
    /// The text, and whether it is a source's own.
    type Output = (String, bool);
    type Error = Toy;

    fn quick_cache_map(&self, vertex: &Vertex) -> Option<CacheMap> {
        let digest = match &vertex.op {
            Op::Source(_) => Digest::of(self.text(vertex).as_bytes()),
            _ => PartHasher::digest("toy", |parts| walk(args(vertex), parts)),
        };
        let key = InputKey {
            selector: None,
            content: args(vertex).iter().any(|arg| arg == "content"),
        };
        Some(CacheMap {
            digest,
            inputs: vec![key; vertex.op.inputs().len()],
        })
    }

    fn cache_map(&self, vertex: &Vertex, _: &StepContext) -> Result<CacheMap, Toy> {
        self.quick_cache_map(vertex).ok_or(Toy)
    }

    fn content_digest(
        &self,
        vertex: &Vertex,
        _: usize,
        output: &Self::Output,
        _: &StepContext,
    ) -> Result<Digest, Toy> {
        // Of an input that counts by content, only the first letter is taken.
        assert!(args(vertex).iter().any(|arg| arg == "content"));
        Ok(Digest::of(&output.0.as_bytes()[..1]))
    }

    fn execute(
        &self,
        vertex: &Vertex,
        inputs: &[Self::Output],
        context: &StepContext,
    ) -> Result<Vec<Self::Output>, Toy> {
        if matches!(vertex.op, Op::Source(_)) {
            return Ok(vec![(self.text(vertex), true)]);
        }
        self.executed.lock().unwrap().push(context.vertex());
        let taken: String = match args(vertex)[0].as_str() {
            "constant" => "constant".to_owned(),
            "content" => inputs.iter().map(|(text, _)| &text[..1]).collect(),
            _ => inputs.iter().map(|(text, _)| text.as_str()).collect(),
        };
        Ok(vec![(taken, false)])
    }

    fn encode(&self, outputs: &[Self::Output]) -> Option<Vec<u8>> {
        let (text, own) = &outputs[0];
        (!own).then(|| text.clone().into_bytes())
    }

    fn decode(&self, payload: &[u8]) -> Option<Vec<Self::Output>> {
        let text = String::from_utf8(payload.to_vec()).unwrap();
        (!self.gone.lock().unwrap().contains(&text)).then(|| vec![(text, false)])
    }

    fn tell(&self, vertex: &Vertex, inputs: &[Option<Self::Output>], _: &StepContext) -> Told {
        let mut op = Vec::new();
        walk(args(vertex), &mut op);
        let input = |output: &Option<Self::Output>| ToldInput {
            label: "take".to_owned(),
            selector: vec![],
            listing: output
                .as_ref()
                .filter(|(_, own)| *own)
                .map(|(text, _)| listing(text)),
        };
        Told {
            op,
            inputs: inputs.iter().map(input).collect(),
        }
    }

    fn glance(&self, vertex: &Vertex, _: &StepContext) -> Option<Vec<Self::Output>> {
        matches!(vertex.op, Op::Source(_)).then(|| vec![(self.text(vertex), true)])
    }

    fn known_content(
        &self,
        vertex: &Vertex,
        input: usize,
        output: &Self::Output,
        context: &StepContext,
    ) -> Result<Option<Digest>, Toy> {
        self.content_digest(vertex, input, output, context).map(Some)
    }
}

// ---- What a test does ----

struct Bench {
    solver: Solver<ToyWorker, MemoryRecords>,
}

impl Bench {
    fn new(files: &[(&str, &str)]) -> Self {
        let bench = Self {
            solver: Solver::new(ToyWorker::default(), MemoryRecords::default()),
        };
        files.iter().for_each(|(name, text)| bench.set(name, text));
        bench
    }

    fn set(&self, name: &str, text: &str) {
        let mut files = self.solver.worker().files.lock().unwrap();
        files.insert(name.to_owned(), text.to_owned());
    }

    fn root(definition: &Definition) -> [Edge; 1] {
        [Edge {
            vertex: definition.vertices.len() as u32 - 1,
            output: 0,
        }]
    }

    fn options() -> Options {
        Options {
            jobs: 2,
            cancel: CancelToken::new(),
            events: Arc::new(|_| {}),
        }
    }

    /// Solves, and tells what was executed.
    fn solve(&self, definition: &Definition) -> Vec<Digest> {
        let (digests, roots) = (definition.digests(), Self::root(definition));
        self.solver
            .solve(&Session::new(), definition, &digests, &roots, &Self::options())
            .unwrap();
        std::mem::take(&mut *self.solver.worker().executed.lock().unwrap())
    }

    fn explain(&self, definition: &Definition, asked: &[u32]) -> Vec<Explained> {
        let (digests, roots) = (definition.digests(), Self::root(definition));
        let found = self
            .solver
            .explain(
                &Session::new(),
                definition,
                &digests,
                &roots,
                asked,
                &Self::options(),
            )
            .unwrap();
        assert!(
            self.solver.worker().executed.lock().unwrap().is_empty(),
            "nothing runs"
        );
        found
    }

    /// What differs at the last step, as texts.
    fn causes(&self, definition: &Definition) -> Vec<String> {
        let steps = self.explain(definition, &[]);
        let reason = match &steps.last().unwrap().verdict {
            Verdict::Runs(reason) | Verdict::Open { reason, .. } => reason.clone(),
            other => panic!("{other:?}"),
        };
        let Reason::Differs { causes, .. } = reason else {
            panic!("{reason:?}")
        };
        let name = |step: usize| definition.vertices[steps[step].vertex].metadata.name.clone();
        let text = |what: &What| match what {
            What::Part(change) => format!("{}: {:?} -> {:?}", change.of, change.before, change.after),
            What::Content { changes, .. } => {
                let names: Vec<_> = changes.iter().map(|c| c.name.as_str()).collect();
                format!("content {}", names.join(","))
            }
            What::Added(steps) => format!(
                "added {}",
                steps.iter().map(|s| name(*s)).collect::<Vec<_>>().join(",")
            ),
            What::Gone(names) => format!("gone {}", names.join(",")),
            other => format!("{other:?}"),
        };
        causes
            .iter()
            .flat_map(|cause| cause.what.iter().map(move |what| (cause.step, what)))
            .map(|(step, what)| format!("{}: {}", name(step), text(what)))
            .collect()
    }
}

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
                    Verdict::Cached { .. } | Verdict::Unneeded => prop_assert!(!ran, "{:?}", step),
                    Verdict::Open { on, .. } => prop_assert!(!on.is_empty()),
                    Verdict::Same(other) => prop_assert!(*other < explained.len()),
                    Verdict::Looked => prop_assert!(false, "{:?}", step),
                }
            }
        }
    }
}
