//! What a solve must do: the rules of the solver's documentation, one vertex after the other, over the records as they are
//! before.

use std::collections::{BTreeSet, HashMap};

use lapstrake_llb::{Definition, Digest, Edge};
use lapstrake_solver::{Identity, InputPart, KeyParts, MemoryRecords, Records};

use super::*;

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
