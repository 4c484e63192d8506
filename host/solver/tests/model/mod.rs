//! A worker whose results are short texts, and what a solve must do over it: the rules of the solver's documentation,
//! one vertex after the other, over the records as they are before.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use lapstrake_llb::{
    BindMount, Definition, Digest, Edge, ExecOp, Hasher, Metadata, Mount, MountKind, Op, Vertex,
};
use lapstrake_solver::{
    CacheMap, CancelToken, Identity, InputKey, InputPart, KeyParts, MemoryRecords, Records, StepContext,
    Worker,
};

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

#[derive(Debug, Clone)]
struct Known {
    id: Digest,
    outputs: Vec<String>,
}

/// What a solve must do.
pub struct Model<'a> {
    definition: &'a Definition,
    digests: Vec<Digest>,
    records: &'a MemoryRecords,
    files: &'a Files,
    /// What this solve adds to the records.
    added: HashMap<Digest, Known>,
    known: HashMap<Digest, Known>,
    reached: BTreeSet<usize>,
    /// Identity and number of each step that is to be executed.
    pub runs: Vec<(Digest, String)>,
}

impl<'a> Model<'a> {
    pub fn new(definition: &'a Definition, records: &'a MemoryRecords, files: &'a Files) -> Self {
        Self {
            digests: definition.digests(),
            definition,
            records,
            files,
            added: HashMap::new(),
            known: HashMap::new(),
            reached: BTreeSet::new(),
            runs: Vec::new(),
        }
    }

    /// The result.
    pub fn solve(&mut self, root: Edge) -> String {
        self.reach(root.vertex as usize);
        self.resolve(root.vertex as usize).outputs[root.output as usize].clone()
    }

    /// The id of what a vertex made.
    pub fn identity(&self, vertex: &Digest) -> Option<Digest> {
        self.known.get(vertex).map(|known| known.id)
    }

    /// The ids of all that was looked at.
    pub fn ids(&self) -> impl Iterator<Item = Digest> {
        self.known.values().map(|known| known.id)
    }

    /// Equal vertices are one: one of those that are reached is enough.
    fn ignored(&self, index: usize) -> bool {
        let same = |other: &usize| self.digests[*other] == self.digests[index];
        let vertices = &self.definition.vertices;
        let ignored = |other: &usize| vertices[*other].metadata.ignore_cache;
        self.reached.iter().filter(|other| same(other)).any(ignored)
    }

    fn reach(&mut self, index: usize) {
        if self.reached.insert(index) {
            let inputs = self.definition.vertices[index].op.inputs();
            inputs.iter().for_each(|input| self.reach(input.vertex as usize));
        }
    }

    fn fresh(&self, index: usize) -> bool {
        let inputs = self.definition.vertices[index].op.inputs();
        self.ignored(index) || inputs.iter().any(|input| self.fresh(input.vertex as usize))
    }

    fn parts(&self, index: usize, identity: &mut dyn FnMut(usize) -> Digest) -> KeyParts {
        let vertex = &self.definition.vertices[index];
        let map = cache_map(vertex, self.files).unwrap();
        let inputs = vertex
            .op
            .inputs()
            .into_iter()
            .zip(map.inputs)
            .map(|(input, key)| InputPart {
                identity: Identity::Result(identity(input.vertex as usize)),
                output: input.output,
                selector: key.selector,
            });
        KeyParts {
            op: map.digest,
            inputs: inputs.collect(),
        }
    }

    fn definition_key(&self, index: usize) -> Digest {
        self.parts(index, &mut |input| self.definition_key(input))
            .digest()
    }

    /// What a step is, whatever there is in the records: itself with what it takes of its inputs, by content where that
    /// counts, else by what they are. And what it makes.
    pub fn canonical(&self, index: usize) -> (Digest, Vec<String>) {
        let vertex = &self.definition.vertices[index];
        let edges = vertex.op.inputs();
        let inputs: Vec<_> = edges
            .iter()
            .map(|edge| self.canonical(edge.vertex as usize))
            .collect();
        let map = cache_map(vertex, self.files).unwrap();
        let mut ids = inputs.iter().map(|(id, _)| *id);
        let mut parts = self.parts(index, &mut |_| ids.next().unwrap());
        let texts: Vec<String> = inputs
            .iter()
            .zip(&edges)
            .map(|((_, texts), edge)| texts[edge.output as usize].clone())
            .collect();
        for ((part, key), text) in parts.inputs.iter_mut().zip(&map.inputs).zip(&texts) {
            if key.content {
                part.identity = Identity::Content(Digest::of(taken(vertex, text).as_bytes()));
            }
        }
        let outputs = match words(vertex) {
            Some(_) => make(vertex, &texts),
            None => vec![self.files[&vertex.metadata.name].clone()],
        };
        (parts.digest(), outputs)
    }

    /// The first vertex with a digest.
    pub fn position(&self, vertex: &Digest) -> usize {
        self.digests.iter().position(|digest| digest == vertex).unwrap()
    }

    fn find(&self, key: &Digest) -> Option<Known> {
        if let Some(known) = self.added.get(key) {
            return Some(known.clone());
        }
        let record = self.records.find(&[*key]).unwrap().remove(0)?;
        let outputs = String::from_utf8(record.payload).unwrap();
        Some(Known {
            id: record.id,
            outputs: outputs.split('\n').map(str::to_owned).collect(),
        })
    }

    fn resolve(&mut self, index: usize) -> Known {
        let digest = self.digests[index];
        if let Some(known) = self.known.get(&digest) {
            return known.clone();
        }
        let known = self.resolve_anew(index);
        self.known.insert(digest, known.clone());
        known
    }

    fn resolve_anew(&mut self, index: usize) -> Known {
        let (ignored, fresh) = (self.ignored(index), self.fresh(index));
        let definition_key = self.definition_key(index);
        if !fresh && let Some(known) = self.find(&definition_key) {
            return known;
        }
        let vertex = &self.definition.vertices[index];
        let edges = vertex.op.inputs();
        let inputs: Vec<Known> = edges
            .iter()
            .map(|edge| self.resolve(edge.vertex as usize))
            .collect();
        let texts: Vec<String> = inputs
            .iter()
            .zip(&edges)
            .map(|(input, edge)| input.outputs[edge.output as usize].clone())
            .collect();
        let mut ids = inputs.iter().map(|input| input.id);
        let mut parts = self.parts(index, &mut |_| ids.next().unwrap());
        let mut keys = vec![definition_key, parts.digest()];
        let map = cache_map(vertex, self.files).unwrap();
        for ((part, key), text) in parts.inputs.iter_mut().zip(&map.inputs).zip(&texts) {
            if key.content {
                part.identity = Identity::Content(Digest::of(taken(vertex, text).as_bytes()));
            }
        }
        keys.push(parts.digest());
        let found = keys[1..]
            .iter()
            .find_map(|key| self.find(key))
            .filter(|_| !ignored);
        let known = found.unwrap_or_else(|| {
            // A name that no record has: nobody finds what was made of an earlier result.
            let fresh = || Digest::of(format!("new {digest}", digest = keys[2]).as_bytes());
            let id = if ignored { fresh() } else { keys[2] };
            let outputs = match words(vertex) {
                Some((_, number)) => {
                    self.runs.push((id, number.to_owned()));
                    make(vertex, &texts)
                }
                None => vec![self.files[&vertex.metadata.name].clone()],
            };
            Known { id, outputs }
        });
        for key in keys {
            self.added.insert(key, known.clone());
        }
        known
    }
}
