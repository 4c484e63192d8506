//! The graph while it is being built: a growing list of vertices in which equal ones are one.
//! Knows nothing of what ops mean beyond which edges they name; `state.rs`, `run.rs` and `file.rs` are the comfortable way in.

pub(crate) mod edges;
mod file;
mod hash;
mod run;
mod state;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

pub use file::FileChanges;
pub use run::{Ran, Run};
pub use state::State;

use crate::types::*;
use edges::for_each_edge;

/// A build graph in the making. Clones are the same graph.
///
/// Two vertices whose op, platform and constraints are equal are one vertex; what is said about them besides is merged as
/// BuildKit merges it: ranges are joined, the first name stays, either one's `ignore_cache` counts.
#[derive(Clone, Default)]
pub struct Graph {
    inner: Rc<RefCell<Inner>>,
}

#[derive(Clone, Default)]
struct Inner {
    vertices: Vec<Vertex>,
    sources: Vec<SourceFile>,
    /// The last vertex with a hash of what makes vertices equal. Never iterated.
    by_hash: hash::ByHash<u32>,
    /// For each vertex the one before with the same hash.
    same_hash: Vec<Option<u32>>,
}

impl Graph {
    /// Makes an empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file that ranges refer to; its index in them. An equal one is not added twice.
    pub fn source_file(&self, file: &SourceFile) -> u32 {
        let sources = &mut self.inner.borrow_mut().sources;
        let index = sources.iter().position(|known| known == file).unwrap_or_else(|| {
            sources.push(file.clone());
            sources.len() - 1
        });
        index as u32
    }

    /// The files added so far: what belongs beside diagnostics whose ranges use their indexes.
    pub fn source_files(&self) -> Vec<SourceFile> {
        self.inner.borrow().sources.clone()
    }

    /// Adds an op, or finds an equal one; its index.
    ///
    /// Every edge in the op MUST come from this graph.
    pub fn vertex(&self, op: Op, platform: Option<&Platform>) -> u32 {
        self.add(Vertex::new(op, platform.cloned()))
    }

    /// Adds a whole vertex, or merges what it says into an equal one; its index.
    ///
    /// Every edge in the op MUST come from this graph.
    pub fn add(&self, vertex: Vertex) -> u32 {
        let hash = hash::of_identity(&vertex);
        let inner = &mut *self.inner.borrow_mut();
        let mut candidate = inner.by_hash.get(&hash).copied();
        while let Some(index) = candidate {
            let known = &mut inner.vertices[index as usize];
            if hash::same_identity(known, &vertex) {
                merge_metadata(known, vertex);
                return index;
            }
            candidate = inner.same_hash[index as usize];
        }
        let index = inner.vertices.len() as u32;
        let before = inner.by_hash.insert(hash, index);
        inner.same_hash.push(before);
        inner.vertices.push(vertex);
        index
    }

    /// Makes room for so many vertices more.
    pub fn reserve(&self, vertices: usize) {
        let inner = &mut *self.inner.borrow_mut();
        inner.vertices.reserve(vertices);
        inner.same_hash.reserve(vertices);
        inner.by_hash.reserve(vertices);
    }

    /// Makes a state of an edge of this graph; none: scratch.
    pub fn state(&self, edge: impl Into<Option<Edge>>) -> State {
        State::new(self.clone(), edge.into())
    }

    /// The empty tree.
    pub fn scratch(&self) -> State {
        self.state(None)
    }

    /// An image by its reference, for the platform that the worker has.
    pub fn image(&self, reference: impl Into<String>) -> State {
        let image = ImageSource {
            reference: reference.into(),
            ..ImageSource::default()
        };
        self.source(SourceOp::Image(image), None)
    }

    /// A directory of the build, by the name of its context.
    pub fn local(&self, name: impl Into<String>) -> State {
        let local = LocalSource {
            name: name.into(),
            ..LocalSource::default()
        };
        self.source(SourceOp::Local(local), None)
    }

    /// Any source. The platform is kept only where the source depends on it (images), and for the commands run in it.
    pub fn source(&self, source: SourceOp, platform: Option<&Platform>) -> State {
        let depends = matches!(source, SourceOp::Image(_) | SourceOp::OciLayout(_));
        let vertex = self.vertex(Op::Source(source), platform.filter(|_| depends));
        let state = self.state(Edge { vertex, output: 0 });
        match platform {
            Some(platform) => state.platform(platform),
            None => state,
        }
    }

    /// Stacks trees, the lowest first. Scratch is left out; one tree alone is itself.
    ///
    /// # Panics
    /// If a state belongs to another graph.
    pub fn merge<'a>(&self, states: impl IntoIterator<Item = &'a State>) -> State {
        let states: Vec<&State> = states
            .into_iter()
            .filter(|state| state.edge().is_some())
            .collect();
        states.iter().for_each(|state| self.check(state));
        match states.as_slice() {
            [] => self.scratch(),
            [one] => (*one).clone(),
            [first, ..] => {
                let inputs = states.iter().filter_map(|state| state.edge()).collect();
                let vertex = self.vertex(Op::Merge(inputs), None);
                first.with_edge(Some(Edge { vertex, output: 0 }))
            }
        }
    }

    /// What `upper` has and `lower` has not. Against scratch that is `upper`.
    ///
    /// # Panics
    /// If a state belongs to another graph.
    pub fn diff(&self, lower: &State, upper: &State) -> State {
        self.check(lower);
        self.check(upper);
        if lower.edge().is_none() {
            return upper.clone();
        }
        let op = DiffOp {
            lower: lower.edge(),
            upper: upper.edge(),
        };
        let vertex = self.vertex(Op::Diff(op), None);
        upper.with_edge(Some(Edge { vertex, output: 0 }))
    }

    /// The part of the graph that `roots` need, and the roots as edges of it. For [`Host::solve`](crate::Host::solve).
    pub fn definition(&self, roots: &[Edge]) -> (Definition, Vec<Edge>) {
        extract(self.inner.borrow().clone(), roots)
    }

    /// Ends a build: the part of the graph that the images need, and the images with roots in it.
    ///
    /// The images' roots are edges of this graph; ranges of warnings use the indexes of [`Graph::source_file`].
    pub fn finish(self, mut images: Vec<BuiltImage>, warnings: Vec<Diagnostic>) -> BuildResult {
        let inner =
            Rc::try_unwrap(self.inner).map_or_else(|shared| shared.borrow().clone(), RefCell::into_inner);
        let sources = inner.sources.clone();
        let roots: Vec<Edge> = images.iter().filter_map(|image| image.root).collect();
        let (definition, roots) = extract(inner, &roots);
        let mut roots = roots.into_iter();
        for image in images.iter_mut().filter(|image| image.root.is_some()) {
            image.root = roots.next();
        }
        BuildResult {
            definition,
            images,
            warnings: Report {
                items: warnings,
                sources,
            },
        }
    }

    fn check(&self, state: &State) {
        assert!(
            Rc::ptr_eq(&self.inner, &state.graph().inner),
            "a state of another graph was used"
        );
    }

    /// Changes what is said about a vertex, never what it does.
    fn annotate(&self, vertex: u32, change: impl FnOnce(&mut Vertex)) {
        if let Some(vertex) = self.inner.borrow_mut().vertices.get_mut(vertex as usize) {
            change(vertex);
        }
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Graph({} vertices)", self.inner.borrow().vertices.len())
    }
}

fn merge_metadata(known: &mut Vertex, other: Vertex) {
    if known.name.is_empty() {
        known.name = other.name;
    }
    for pair in other.description {
        if !known.description.iter().any(|k| k.key == pair.key) {
            known.description.push(pair);
        }
    }
    for range in other.ranges {
        if !known.ranges.contains(&range) {
            known.ranges.push(range);
        }
    }
    known.ignore_cache |= other.ignore_cache;
    known.export_cache = known.export_cache.or(other.export_cache);
    known.progress_group = known.progress_group.take().or(other.progress_group);
    known.resources = known.resources.take().or(other.resources);
}

/// Leaves out every vertex that no root needs, and closes the gaps. The order stays, so it stays topological.
fn extract(inner: Inner, roots: &[Edge]) -> (Definition, Vec<Edge>) {
    let mut vertices = inner.vertices;
    let mut needed = vec![false; vertices.len()];
    let mark = |needed: &mut [bool], edge: &Edge| {
        if let Some(flag) = needed.get_mut(edge.vertex as usize) {
            *flag = true;
        }
    };
    roots.iter().for_each(|edge| mark(&mut needed, edge));
    for (index, vertex) in vertices.iter_mut().enumerate().rev() {
        if needed[index] {
            for_each_edge(&mut vertex.op, &mut |edge| mark(&mut needed, edge));
        }
    }

    let mut indexes = Vec::with_capacity(vertices.len());
    let mut next = 0;
    for &needed in &needed {
        indexes.push(next);
        next += u32::from(needed);
    }
    // An edge that names no vertex stays as it is: the host says so, with the vertex's name.
    let renumber = |edge: &mut Edge| {
        if let Some(index) = indexes.get(edge.vertex as usize) {
            edge.vertex = *index;
        }
    };
    let mut flags = needed.iter();
    vertices.retain(|_| flags.next().copied().unwrap_or(false));
    vertices
        .iter_mut()
        .for_each(|vertex| for_each_edge(&mut vertex.op, &mut |edge| renumber(edge)));
    let mut roots = roots.to_vec();
    roots.iter_mut().for_each(renumber);
    (
        Definition {
            vertices,
            sources: inner.sources,
        },
        roots,
    )
}
