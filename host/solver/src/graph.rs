//! The part of a definition that is solved: equal vertices as one node, only what the roots need.
//! Plain data. Knows nothing of keys and states.

use std::collections::HashMap;

use lapstrake_llb::{Definition, Digest, Edge, Vertex};

/// A vertex of which a root needs the result.
#[derive(Debug)]
pub struct Node<'a> {
    /// The first vertex of the definition with this digest.
    pub vertex: &'a Vertex,
    /// Its index in the definition.
    pub index: usize,
    /// The digest of its definition.
    pub digest: Digest,
    /// Node and output of each input, in the order of `Op::inputs`. Always smaller nodes.
    pub inputs: Vec<(usize, u32)>,
    /// The longest way up to a root, in nodes.
    pub height: u32,
    /// Whether one of the equal vertices is to be executed whatever records there are.
    pub ignore_cache: bool,
}

/// Nodes in topological order: inputs first.
#[derive(Debug)]
pub struct Graph<'a> {
    /// The nodes.
    pub nodes: Vec<Node<'a>>,
    /// Node and output of each root.
    pub roots: Vec<(usize, u32)>,
}

impl<'a> Graph<'a> {
    /// Collects what the roots need of a definition, which MUST be valid; `digests` are those of its vertices.
    pub fn new(definition: &'a Definition, digests: &[Digest], roots: &[Edge]) -> Self {
        let count = definition.vertices.len();
        let mut needed: Vec<Option<Vec<Edge>>> = vec![None; count];
        let mut marked = vec![false; count];
        for root in roots {
            marked[root.vertex as usize] = true;
        }
        // Users stand behind what they use, so one pass from the end sees every mark.
        for index in (0..count).rev() {
            if marked[index] {
                let inputs = definition.vertices[index].op.inputs();
                inputs
                    .iter()
                    .for_each(|input| marked[input.vertex as usize] = true);
                needed[index] = Some(inputs);
            }
        }
        let mut nodes: Vec<Node<'a>> = Vec::new();
        let mut by_digest: HashMap<Digest, usize> = HashMap::new();
        let mut places = vec![0; count];
        for (index, inputs) in needed.into_iter().enumerate() {
            let Some(inputs) = inputs else { continue };
            let digest = digests[index];
            places[index] = *by_digest.entry(digest).or_insert_with(|| {
                let inputs = inputs
                    .iter()
                    .map(|edge| (places[edge.vertex as usize], edge.output))
                    .collect();
                nodes.push(Node {
                    vertex: &definition.vertices[index],
                    index,
                    digest,
                    inputs,
                    height: 0,
                    ignore_cache: false,
                });
                nodes.len() - 1
            });
            nodes[places[index]].ignore_cache |= definition.vertices[index].metadata.ignore_cache;
        }
        for node in (0..nodes.len()).rev() {
            let above = nodes[node].height + 1;
            for position in 0..nodes[node].inputs.len() {
                let input = nodes[node].inputs[position].0;
                nodes[input].height = nodes[input].height.max(above);
            }
        }
        let roots = roots
            .iter()
            .map(|root| (places[root.vertex as usize], root.output))
            .collect();
        Self { nodes, roots }
    }

    /// Digests of the nodes that a node needs, each once.
    pub fn input_digests(&self, node: usize) -> Vec<Digest> {
        let mut digests: Vec<Digest> = Vec::new();
        for (input, _) in &self.nodes[node].inputs {
            let digest = self.nodes[*input].digest;
            if !digests.contains(&digest) {
                digests.push(digest);
            }
        }
        digests
    }
}
