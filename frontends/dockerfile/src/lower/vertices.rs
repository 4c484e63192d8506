//! The vertices while they are being made. A source may be left open until all of its users are known: the main context
//! is one, whose paths are those that all stages take from it.
//! Knows nothing of Dockerfiles; equal vertices become one in the SDK's graph, which `finish` fills.

use lapstrake_sdk::Graph;
use lapstrake_sdk::types::{Edge, FileActionKind, FileInput, MountKind, Op, Vertex};

/// A growing list; an edge names a vertex by its place in it.
#[derive(Debug, Default)]
pub struct Vertices {
    list: Vec<Vertex>,
}

impl Vertices {
    /// Makes room for so many: a vertex is large, and a list that grows is copied again and again.
    pub fn reserve(&mut self, vertices: usize) {
        self.list.reserve(vertices);
    }

    /// Adds a vertex, and returns its first output.
    pub fn add(&mut self, vertex: Vertex) -> Edge {
        self.list.push(vertex);
        Edge {
            vertex: (self.list.len() - 1) as u32,
            output: 0,
        }
    }

    /// Changes a vertex that was added, such as a source that was left open.
    pub fn change(&mut self, edge: Edge, change: impl FnOnce(&mut Vertex)) {
        if let Some(vertex) = self.list.get_mut(edge.vertex as usize) {
            change(vertex);
        }
    }

    /// Moves everything into a graph; returns what has become of the edges.
    pub fn finish(self, graph: &Graph) -> Moved {
        graph.reserve(self.list.len());
        let mut indexes = Vec::with_capacity(self.list.len());
        for mut vertex in self.list {
            for_each_edge(&mut vertex.op, &mut |edge| {
                if let Some(index) = indexes.get(edge.vertex as usize) {
                    edge.vertex = *index;
                }
            });
            indexes.push(graph.add(vertex));
        }
        Moved { indexes }
    }
}

/// Where the vertices went.
pub struct Moved {
    indexes: Vec<u32>,
}

impl Moved {
    /// Returns an edge's place in the graph.
    pub fn edge(&self, edge: Edge) -> Edge {
        Edge {
            vertex: self
                .indexes
                .get(edge.vertex as usize)
                .copied()
                .unwrap_or(edge.vertex),
            ..edge
        }
    }
}

fn for_each_edge(op: &mut Op, visit: &mut dyn FnMut(&mut Edge)) {
    match op {
        Op::Source(_) => {}
        Op::Exec(exec) => exec.mounts.iter_mut().for_each(|mount| match &mut mount.kind {
            MountKind::Bind(bind) => bind.input.iter_mut().for_each(&mut *visit),
            MountKind::Cache(cache) => cache.input.iter_mut().for_each(&mut *visit),
            MountKind::Tmpfs(_) | MountKind::Secret(_) | MountKind::Ssh(_) => {}
        }),
        Op::File(actions) => actions.iter_mut().for_each(|action| {
            for_input(&mut action.base, visit);
            if let FileActionKind::Copy(copy) = &mut action.kind {
                for_input(&mut copy.src, visit);
            }
        }),
        Op::Merge(inputs) => inputs.iter_mut().for_each(visit),
        Op::Diff(diff) => {
            diff.lower.iter_mut().for_each(&mut *visit);
            diff.upper.iter_mut().for_each(visit);
        }
        Op::Build(build) => visit(&mut build.input),
    }
}

fn for_input(input: &mut FileInput, visit: &mut dyn FnMut(&mut Edge)) {
    if let FileInput::Edge(edge) = input {
        visit(edge);
    }
}
