//! A worker whose results are short texts, and (`expected`) what a solve must do over it.

mod expected;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use lapstrake_llb::{BindMount, Digest, Edge, ExecOp, Hasher, Metadata, Mount, MountKind, Op, Vertex};
use lapstrake_solver::{CacheMap, CancelToken, InputKey, StepContext, Worker};

pub use expected::Model;

/// Texts of the sources by name.
pub type Files = BTreeMap<String, String>;

/// What steps do. `plain` takes all of its inputs; `part` only the first letter, which its selector says; `take` and
/// `both` the first letter, and all, by content; `mixed` one input by content and the others not; `fold` makes one of
/// two results of whatever it gets, `constant` always the same; `two` has two outputs.
pub const WORDS: [&str; 8] = [
    "plain", "part", "take", "both", "mixed", "fold", "constant", "two",
];

/// A step.
pub fn line(word: &str, number: &str, inputs: &[Edge]) -> Vertex {
    let mount = |(n, input): (usize, &Edge)| Mount {
        target: format!("/{n}"),
        kind: MountKind::Bind(BindMount {
            input: Some(*input),
            output: n == 0,
            ..BindMount::default()
        }),
    };
    let mut mounts: Vec<_> = inputs.iter().enumerate().map(mount).collect();
    if word == "two" {
        mounts.push(Mount {
            target: "/second".to_owned(),
            kind: MountKind::Bind(BindMount {
                output: true,
                ..BindMount::default()
            }),
        });
    }
    let op = ExecOp {
        args: vec![word.to_owned(), number.to_owned()],
        mounts,
        ..ExecOp::default()
    };
    let metadata = Metadata {
        name: format!("{word} {number}"),
        ..Metadata::default()
    };
    Vertex {
        op: Op::Exec(op),
        platform: None,
        constraints: vec![],
        metadata,
    }
}

fn words(vertex: &Vertex) -> Option<(&str, &str)> {
    match &vertex.op {
        Op::Exec(exec) => Some((exec.args[0].as_str(), exec.args[1].as_str())),
        _ => None,
    }
}

/// What a vertex takes of one of its inputs.
fn taken<'a>(vertex: &Vertex, input: &'a str) -> &'a str {
    match words(vertex) {
        Some(("part" | "take", _)) => &input[..1],
        _ => input,
    }
}

fn short(parts: &[&str]) -> String {
    let mut hasher = Hasher::new("text");
    parts.iter().for_each(|part| {
        hasher.field(part.as_bytes());
    });
    let hex = hasher.finish().hex();
    // A letter that often is the same, and a rest that hardly ever is.
    format!(
        "{}{}",
        if hex.as_bytes()[0].is_multiple_of(2) {
            'a'
        } else {
            'b'
        },
        &hex[..8]
    )
}

/// What a step makes.
fn make(vertex: &Vertex, inputs: &[String]) -> Vec<String> {
    let Some((word, number)) = words(vertex) else {
        return Vec::new();
    };
    let taken: Vec<&str> = inputs.iter().map(|input| taken(vertex, input)).collect();
    let all = short(&[&[word, number], &taken[..]].concat());
    match word {
        "constant" => vec![format!("constant{number}")],
        "fold" => vec![all[..1].to_owned()],
        "two" => vec![all.clone(), short(&[&all])],
        _ => vec![all],
    }
}

fn cache_map(vertex: &Vertex, files: &Files) -> Option<CacheMap> {
    let Some((word, number)) = words(vertex) else {
        return Some(CacheMap {
            digest: Digest::of(files.get(&vertex.metadata.name)?.as_bytes()),
            inputs: vec![],
        });
    };
    let key = |position| InputKey {
        selector: (word == "part").then(|| Digest::of(b"first letter")),
        content: matches!(word, "take" | "both") || word == "mixed" && position == 0,
    };
    let inputs = (0..vertex.op.inputs().len()).map(key).collect();
    Some(CacheMap {
        digest: short_digest(word, number),
        inputs,
    })
}

fn short_digest(word: &str, number: &str) -> Digest {
    let mut hasher = Hasher::new("op");
    hasher.field(word.as_bytes()).field(number.as_bytes());
    hasher.finish()
}

/// A step that is broken, or a source that is not there.
#[derive(Debug, thiserror::Error)]
#[error("it went wrong")]
pub struct Failed;

/// A step that was executed.
#[derive(Debug, Clone)]
pub struct Run {
    pub vertex: Digest,
    /// Step and inputs.
    pub what: (String, Vec<String>),
    pub failed: bool,
    /// Whether nobody wants it any more.
    pub token: CancelToken,
}

#[derive(Default)]
pub struct TextWorker {
    pub files: Mutex<Files>,
    /// Numbers of steps that fail.
    pub broken: Mutex<BTreeSet<String>>,
    /// Tokens to cancel after so many executions.
    pub cancel_after: Mutex<Vec<(usize, CancelToken)>>,
    runs: Mutex<Vec<Run>>,
    began: AtomicUsize,
}

impl TextWorker {
    pub fn take_runs(&self) -> Vec<Run> {
        std::mem::take(&mut *self.runs.lock().unwrap())
    }
}

impl Worker for TextWorker {
    type Output = String;
    type Error = Failed;

    fn quick_cache_map(&self, vertex: &Vertex) -> Option<CacheMap> {
        words(vertex)?;
        cache_map(vertex, &Files::new())
    }

    fn cache_map(&self, vertex: &Vertex, _: &StepContext) -> Result<CacheMap, Failed> {
        cache_map(vertex, &self.files.lock().unwrap()).ok_or(Failed)
    }

    fn content_digest(
        &self,
        vertex: &Vertex,
        _: usize,
        output: &String,
        _: &StepContext,
    ) -> Result<Digest, Failed> {
        Ok(Digest::of(taken(vertex, output).as_bytes()))
    }

    fn execute(
        &self,
        vertex: &Vertex,
        inputs: &[String],
        context: &StepContext,
    ) -> Result<Vec<String>, Failed> {
        let Some((_, number)) = words(vertex) else {
            return Ok(vec![
                self.files
                    .lock()
                    .unwrap()
                    .get(&vertex.metadata.name)
                    .ok_or(Failed)?
                    .clone(),
            ]);
        };
        let began = self.began.fetch_add(1, Ordering::SeqCst);
        let due: Vec<_> = {
            let mut waiting = self.cancel_after.lock().unwrap();
            waiting.extract_if(.., |(after, _)| *after <= began).collect()
        };
        due.iter().for_each(|(_, token)| token.cancel());
        // Other threads get a chance to be in the way.
        (0..began % 7).for_each(|_| std::thread::yield_now());
        let outputs = make(vertex, inputs);
        let failed = self.broken.lock().unwrap().contains(number);
        let what = (
            vertex.metadata.name.clone(),
            inputs
                .iter()
                .map(|input| taken(vertex, input).to_owned())
                .collect(),
        );
        let token = context.cancel_token().clone();
        self.runs.lock().unwrap().push(Run {
            vertex: context.vertex(),
            what,
            failed,
            token,
        });
        if failed || context.cancelled() {
            return Err(Failed);
        }
        Ok(outputs)
    }

    fn encode(&self, outputs: &[String]) -> Option<Vec<u8>> {
        Some(outputs.join("\n").into_bytes())
    }

    fn decode(&self, payload: &[u8]) -> Option<Vec<String>> {
        Some(
            String::from_utf8(payload.to_vec())
                .ok()?
                .split('\n')
                .map(str::to_owned)
                .collect(),
        )
    }
}
