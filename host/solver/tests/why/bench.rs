//! Toy graphs, a worker over them, and builds and explanations of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use lapstrake_llb::{
    BindMount, Definition, Digest, Edge, ExecOp, LocalDiffer, LocalSource, Metadata, Mount, MountKind, Op,
    SourceOp, Vertex,
};
use lapstrake_solver::{
    CacheMap, CancelToken, Explained, InputKey, MemoryRecords, Options, Part, PartHasher, Parts, Reason,
    Role, Session, Solver, StepContext, Told, ToldInput, Verdict, What, Worker,
};

// ---- Toy graphs: a source is a text; a step joins its arguments and inputs ----

pub fn vertex(op: Op, name: &str) -> Vertex {
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

pub fn source(name: &str) -> Vertex {
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
pub fn step(name: &str, args: &[&str], inputs: &[u32]) -> Vertex {
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

pub fn graph(vertices: Vec<Vertex>) -> Definition {
    Definition {
        vertices,
        sources: vec![],
    }
}

// ---- Toy worker ----

#[derive(Debug, thiserror::Error)]
#[error("toy")]
pub struct Toy;

#[derive(Default)]
pub struct ToyWorker {
    pub files: Mutex<BTreeMap<String, String>>,
    pub executed: Mutex<Vec<Digest>>,
    /// Results that are lost.
    pub gone: Mutex<Vec<String>>,
}

pub fn args(vertex: &Vertex) -> &[String] {
    match &vertex.op {
        Op::Exec(exec) => &exec.args,
        _ => &[],
    }
}

pub fn walk(args: &[String], parts: &mut dyn Parts) {
    for arg in args {
        let (name, value) = arg.split_once('=').unwrap_or((arg, ""));
        parts.text("argument", name, value);
    }
}

/// A text's letters, as a directory's files.
pub fn listing(text: &str) -> Vec<Part> {
    let part = |letter: char| Part {
        role: Role::Key,
        name: letter.to_string(),
        of: String::new(),
        value: "here".to_owned(),
    };
    text.chars().map(part).collect()
}

impl ToyWorker {
    pub fn text(&self, vertex: &Vertex) -> String {
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

pub struct Bench {
    pub solver: Solver<ToyWorker, MemoryRecords>,
}

impl Bench {
    pub fn new(files: &[(&str, &str)]) -> Self {
        let bench = Self {
            solver: Solver::new(ToyWorker::default(), MemoryRecords::default()),
        };
        files.iter().for_each(|(name, text)| bench.set(name, text));
        bench
    }

    pub fn set(&self, name: &str, text: &str) {
        let mut files = self.solver.worker().files.lock().unwrap();
        files.insert(name.to_owned(), text.to_owned());
    }

    pub fn root(definition: &Definition) -> [Edge; 1] {
        [Edge {
            vertex: definition.vertices.len() as u32 - 1,
            output: 0,
        }]
    }

    pub fn options() -> Options {
        Options {
            jobs: 2,
            cancel: CancelToken::new(),
            events: Arc::new(|_| {}),
        }
    }

    /// Solves, and tells what was executed.
    pub fn solve(&self, definition: &Definition) -> Vec<Digest> {
        let (digests, roots) = (definition.digests(), Self::root(definition));
        self.solver
            .solve(&Session::new(), definition, &digests, &roots, &Self::options())
            .unwrap();
        std::mem::take(&mut *self.solver.worker().executed.lock().unwrap())
    }

    pub fn explain(&self, definition: &Definition, asked: &[u32]) -> Vec<Explained> {
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
    pub fn causes(&self, definition: &Definition) -> Vec<String> {
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
