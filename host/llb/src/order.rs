//! The order in which BuildKit's client writes a graph: from each result down, what a vertex needs before the vertex, and
//! nothing that no result needs. Digests do not depend on it.

use crate::{Definition, DiffOp, Edge, FileActionKind, FileInput, MountKind, Op};

impl Definition {
    /// Returns the same graph in the order in which BuildKit's client would write it, and the roots in it.
    ///
    /// The graph MUST be valid.
    #[must_use]
    pub fn in_walk_order(&self, roots: &[Edge]) -> (Self, Vec<Edge>) {
        let order = self.walk(roots);
        let mut places: Vec<u32> = vec![0; self.vertices.len()];
        for (new, old) in (0..).zip(&order) {
            places[*old] = new;
        }
        let renumber = |edge: &mut Edge| {
            if let Some(place) = places.get(edge.vertex as usize) {
                edge.vertex = *place;
            }
        };
        let mut vertices: Vec<_> = order.iter().map(|old| self.vertices[*old].clone()).collect();
        for vertex in &mut vertices {
            for_each_edge(&mut vertex.op, renumber);
        }
        let mut roots = roots.to_vec();
        roots.iter_mut().for_each(renumber);
        let definition = Self {
            vertices,
            sources: self.sources.clone(),
        };
        (definition, roots)
    }

    /// Lists the vertices that the roots need, each once. The way down is a list and not the stack: graphs are deep.
    fn walk(&self, roots: &[Edge]) -> Vec<usize> {
        let mut order = Vec::new();
        let mut seen = vec![false; self.vertices.len()];
        for root in roots {
            let mut way: Vec<(usize, std::vec::IntoIter<Edge>)> = Vec::new();
            let mut next = Some(root.vertex as usize);
            loop {
                if let Some(index) = next.take()
                    && let Some(vertex) = self.vertices.get(index)
                    && !std::mem::replace(&mut seen[index], true)
                {
                    way.push((index, inputs(&vertex.op).into_iter()));
                }
                let Some((index, rest)) = way.last_mut() else {
                    break;
                };
                next = rest.next().map(|edge| edge.vertex as usize);
                if next.is_none() {
                    order.push(*index);
                    way.pop();
                }
            }
        }
        order
    }
}

/// The inputs in the order in which BuildKit's client visits them. Of a file op's actions the last is the first.
fn inputs(op: &Op) -> Vec<Edge> {
    let Op::File(file) = op else {
        return op.inputs();
    };
    let bases = file.actions.iter().filter_map(|action| action.base.edge());
    let sources = file.actions.iter().rev().filter_map(|action| match &action.kind {
        FileActionKind::Copy(copy) => copy.src.edge(),
        _ => None,
    });
    bases.chain(sources).collect()
}

fn for_each_edge(op: &mut Op, change: impl Fn(&mut Edge)) {
    let of_input = |input: &mut FileInput| {
        if let FileInput::Edge(edge) = input {
            change(edge);
        }
    };
    match op {
        Op::Source(_) => {}
        Op::Exec(exec) => {
            for mount in &mut exec.mounts {
                let input = match &mut mount.kind {
                    MountKind::Bind(bind) => &mut bind.input,
                    MountKind::Cache(cache) => &mut cache.input,
                    MountKind::Tmpfs(_) | MountKind::Secret(_) | MountKind::Ssh(_) => continue,
                };
                input.iter_mut().for_each(&change);
            }
        }
        Op::File(file) => {
            for action in &mut file.actions {
                of_input(&mut action.base);
                if let FileActionKind::Copy(copy) = &mut action.kind {
                    of_input(&mut copy.src);
                }
            }
        }
        Op::Merge(merge) => merge.inputs.iter_mut().for_each(change),
        Op::Diff(DiffOp { lower, upper }) => lower.iter_mut().chain(upper).for_each(change),
        Op::Build(build) => change(&mut build.input),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{copy, edge, everything, image, local, run, vertex};
    use crate::{Definition, FileAction, FileInput, FileOp, Op};

    #[test]
    fn from_the_result_down() {
        let copied = |base: u32, sources: &[u32]| {
            let actions = sources.iter().enumerate().map(|(index, source)| FileAction {
                base: match index {
                    0 => FileInput::Edge(edge(base, 0)),
                    _ => FileInput::Action(index as u32 - 1),
                },
                kind: copy(FileInput::Edge(edge(*source, 0)), "/", "/"),
                output: index + 1 == sources.len(),
            });
            Op::File(FileOp {
                actions: actions.collect(),
            })
        };
        let ops = [
            local("first"),
            local("second"),
            image("nobody-wants-it"),
            image("base"),
            run("x", edge(3, 0)),
            copied(4, &[0, 1]),
        ];
        let definition = Definition {
            vertices: ops.into_iter().map(vertex).collect(),
            sources: Vec::new(),
        };
        let (walked, roots) = definition.in_walk_order(&[edge(5, 0)]);
        let old = definition.digests();
        assert_eq!(walked.digests(), [3, 4, 1, 0, 5].map(|index: usize| old[index]));
        assert_eq!(roots, [edge(4, 0)]);
    }

    #[test]
    fn nothing_but_the_order_changes() {
        let (definition, roots) = everything();
        let (walked, found) = definition.in_walk_order(&roots);
        let set = |definition: &Definition| {
            definition
                .digests()
                .into_iter()
                .collect::<std::collections::BTreeSet<_>>()
        };
        assert!(set(&walked).is_subset(&set(&definition)));
        for (before, after) in roots.iter().zip(&found) {
            let (old, new) = (definition.digests(), walked.digests());
            assert_eq!(old[before.vertex as usize], new[after.vertex as usize]);
        }
        assert_eq!(walked.in_walk_order(&found), (walked, found));
    }
}
