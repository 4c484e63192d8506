//! What the tests share: toy graphs, and a worker whose results are texts made of a vertex's arguments and its inputs'
//! texts. No disk.
#![allow(dead_code, reason = "every test binary uses its own part")]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use lapstrake_llb::{
    BindMount, Definition, Digest, Edge, ExecOp, Hasher, LocalDiffer, LocalSource, Metadata, Mount,
    MountKind, Op, SourceOp, Vertex,
};
use lapstrake_solver::{
    CacheMap, CancelToken, Ending, Event, InputKey, MemoryRecords, Options, Record, Records, Session,
    SolveError, Solver, StepContext, Worker,
};

// ---- Toy graphs ----

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

/// `args[0]` says what it does; `content` says that its inputs count by content.
pub fn step(args: &[&str], inputs: &[u32]) -> Vertex {
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
    vertex(Op::Exec(op), &args.join(" "))
}

pub fn vertex(op: Op, name: &str) -> Vertex {
    let metadata = Metadata {
        name: name.to_owned(),
        ..Metadata::default()
    };
    Vertex {
        op,
        platform: None,
        constraints: vec![],
        metadata,
    }
}

pub fn definition(vertices: Vec<Vertex>) -> Definition {
    Definition {
        vertices,
        sources: vec![],
    }
}

// ---- Toy worker ----

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Toy(pub String);

#[derive(Default)]
pub struct ToyWorker {
    pub files: Mutex<BTreeMap<String, String>>,
    pub executed: Mutex<Vec<String>>,
    pub vertices: Mutex<Vec<Digest>>,
    pub decoded: AtomicUsize,
    pub gone: Mutex<Vec<String>>,
    pub together: Arc<(Mutex<usize>, Condvar)>,
    pub most_together: AtomicUsize,
}

impl ToyWorker {
    pub fn take_executed(&self) -> Vec<String> {
        let mut names = std::mem::take(&mut *self.executed.lock().unwrap());
        names.sort();
        names
    }

    pub fn set(&self, name: &str, text: &str) {
        self.files
            .lock()
            .unwrap()
            .insert(name.to_owned(), text.to_owned());
    }

    /// Waits until as many are here, for a while.
    pub fn meet(&self, count: usize) {
        let (lock, condition) = &*self.together;
        let mut here = lock.lock().unwrap();
        *here += 1;
        self.most_together.fetch_max(*here, Ordering::SeqCst);
        condition.notify_all();
        while *here < count {
            let (guard, timeout) = condition.wait_timeout(here, Duration::from_secs(120)).unwrap();
            here = guard;
            if timeout.timed_out() {
                return;
            }
        }
    }
}

pub fn args(vertex: &Vertex) -> &[String] {
    match &vertex.op {
        Op::Exec(exec) => &exec.args,
        _ => &[],
    }
}

pub fn op_digest(vertex: &Vertex) -> Digest {
    let mut hasher = Hasher::new("toy");
    args(vertex).iter().for_each(|arg| {
        hasher.field(arg.as_bytes());
    });
    hasher.finish()
}

impl Worker for ToyWorker {
    type Output = String;
    type Error = Toy;

    fn quick_cache_map(&self, vertex: &Vertex) -> Option<CacheMap> {
        if matches!(vertex.op, Op::Source(_)) {
            return None;
        }
        let content = args(vertex).iter().any(|arg| arg == "content");
        let key = InputKey {
            selector: None,
            content,
        };
        Some(CacheMap {
            digest: op_digest(vertex),
            inputs: vec![key; vertex.op.inputs().len()],
        })
    }

    fn cache_map(&self, vertex: &Vertex, _: &StepContext) -> Result<CacheMap, Toy> {
        let name = &vertex.metadata.name;
        let text = self.files.lock().unwrap().get(name).cloned();
        let text = text.ok_or_else(|| Toy(format!("no source {name}")))?;
        Ok(CacheMap {
            digest: Digest::of(text.as_bytes()),
            inputs: vec![],
        })
    }

    fn content_digest(
        &self,
        vertex: &Vertex,
        _: usize,
        output: &String,
        _: &StepContext,
    ) -> Result<Digest, Toy> {
        // "first": only the first letter of the input is taken.
        let part = if args(vertex).iter().any(|arg| arg == "first") {
            &output[..1]
        } else {
            output
        };
        Ok(Digest::of(part.as_bytes()))
    }

    fn execute(&self, vertex: &Vertex, inputs: &[String], context: &StepContext) -> Result<Vec<String>, Toy> {
        let args = args(vertex);
        if args.is_empty() {
            let files = self.files.lock().unwrap();
            return Ok(vec![files[&vertex.metadata.name].clone()]);
        }
        self.executed.lock().unwrap().push(vertex.metadata.name.clone());
        self.vertices.lock().unwrap().push(context.vertex());
        match args[0].as_str() {
            "fail" => Err(Toy("it went wrong".to_owned())),
            "panic" => panic!("out of luck"),
            "none" => Ok(vec![]),
            "wait" => {
                let pair = Arc::new((Mutex::new(false), Condvar::new()));
                let theirs = Arc::clone(&pair);
                let _registration = context.cancel_token().on_cancel(move || {
                    *theirs.0.lock().unwrap() = true;
                    theirs.1.notify_all();
                });
                let mut over = pair.0.lock().unwrap();
                while !*over {
                    over = pair.1.wait(over).unwrap();
                }
                Err(Toy("cancelled".to_owned()))
            }
            "meet" => {
                self.meet(args[1].parse().unwrap());
                Ok(vec![args.join(",")])
            }
            "constant" => Ok(vec!["constant".to_owned()]),
            "first" => Ok(vec![format!("first({})", &inputs[0][..1])]),
            "clock" => {
                static CLOCK: AtomicUsize = AtomicUsize::new(0);
                Ok(vec![CLOCK.fetch_add(1, Ordering::SeqCst).to_string()])
            }
            _ => Ok(vec![format!("{}({})", args.join(","), inputs.join(";"))]),
        }
    }

    fn encode(&self, outputs: &[String]) -> Option<Vec<u8>> {
        Some(outputs.join("\n").into_bytes())
    }

    fn decode(&self, payload: &[u8]) -> Option<Vec<String>> {
        self.decoded.fetch_add(1, Ordering::SeqCst);
        let text = String::from_utf8(payload.to_vec()).unwrap();
        (!self.gone.lock().unwrap().contains(&text)).then(|| vec![text])
    }
}

pub type ToySolver = Solver<ToyWorker, MemoryRecords>;

pub fn solver() -> ToySolver {
    Solver::new(ToyWorker::default(), MemoryRecords::default())
}

pub fn options(jobs: usize) -> (Options, Arc<Mutex<Vec<Event>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let theirs = Arc::clone(&events);
    let options = Options {
        jobs,
        cancel: CancelToken::new(),
        events: Arc::new(move |event| theirs.lock().unwrap().push(event)),
    };
    (options, events)
}

pub fn solve_with(
    solver: &ToySolver,
    definition: &Definition,
    root: u32,
    options: &Options,
) -> Result<Vec<String>, SolveError<Toy, Infallible>> {
    let roots = [Edge {
        vertex: root,
        output: 0,
    }];
    solver.solve(
        &Session::new(),
        definition,
        &definition.digests(),
        &roots,
        options,
    )
}

pub fn solve(solver: &ToySolver, definition: &Definition, root: u32) -> String {
    solve_with(solver, definition, root, &options(2).0)
        .unwrap()
        .remove(0)
}

pub fn endings(events: &Mutex<Vec<Event>>) -> Vec<(String, Ending)> {
    let events = events.lock().unwrap();
    let ending = |event: &Event| match event {
        Event::Finished { name, ending, .. } => Some((name.clone(), ending.clone())),
        _ => None,
    };
    events.iter().filter_map(ending).collect()
}

/// Records that keep nothing.
pub struct Forgetful;

impl Records for Forgetful {
    type Error = Infallible;

    fn find(&self, keys: &[Digest]) -> Result<Vec<Option<Record>>, Infallible> {
        Ok(vec![None; keys.len()])
    }

    fn save(&self, _: &[Digest], _: &Record, _: &str) -> Result<(), Infallible> {
        Ok(())
    }

    fn alias(&self, _: &[(Digest, Digest)]) -> Result<(), Infallible> {
        Ok(())
    }

    fn remove(&self, _: &Digest) -> Result<(), Infallible> {
        Ok(())
    }
}
