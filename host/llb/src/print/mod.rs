//! Prints a graph for people and tools: as text, JSON and DOT (Graphviz).
//! Knows nothing of files, terminals or protobuf.

mod text;

use serde::Serialize;

use crate::{Definition, Digest, Edge, Op, SourceFile, Vertex};

pub use text::{summary, text};

/// Prints the graph as JSON: `vertices` (each with `index`, `digest` and the fields of [`Vertex`]), `roots`, `sources`.
///
/// Contents of files are lists of numbers.
pub fn json(definition: &Definition, roots: &[Edge]) -> String {
    #[derive(Serialize)]
    struct Indexed<'a> {
        index: usize,
        digest: Digest,
        #[serde(flatten)]
        vertex: &'a Vertex,
    }
    #[derive(Serialize)]
    struct Document<'a> {
        vertices: Vec<Indexed<'a>>,
        roots: &'a [Edge],
        sources: &'a [SourceFile],
    }
    let digests = definition.digests();
    let vertices = definition.vertices.iter().zip(digests).enumerate();
    let document = Document {
        vertices: vertices
            .map(|(index, (vertex, digest))| Indexed {
                index,
                digest,
                vertex,
            })
            .collect(),
        roots,
        sources: &definition.sources,
    };
    // No type of the graph can fail to be JSON: no maps with keys that are not texts, no floats.
    let mut out = serde_json::to_string_pretty(&document)
        .unwrap_or_else(|e| serde_json::json!(e.to_string()).to_string());
    out.push('\n');
    out
}

/// Prints the graph in Graphviz's language: a box a vertex, an arrow from an input to its user.
pub fn dot(definition: &Definition, roots: &[Edge]) -> String {
    let mut out = String::from("digraph {\n  rankdir=LR;\n  node [fontname=\"monospace\"];\n");
    for (index, vertex) in definition.vertices.iter().enumerate() {
        let name = if vertex.metadata.name.is_empty() {
            summary(&vertex.op)
        } else {
            vertex.metadata.name.clone()
        };
        let shape = match vertex.op {
            Op::Source(_) => "ellipse",
            Op::Exec(_) => "box",
            Op::File(_) => "note",
            Op::Merge(_) => "invtriangle",
            Op::Diff(_) => "doublecircle",
            Op::Build(_) => "box3d",
        };
        out.push_str(&format!(
            "  v{index} [shape={shape}, label={}];\n",
            quoted(&shortened(&name))
        ));
    }
    for (index, vertex) in definition.vertices.iter().enumerate() {
        for edge in vertex.op.inputs() {
            let label = if edge.output == 0 {
                String::new()
            } else {
                format!(" [label=\"{}\"]", edge.output)
            };
            out.push_str(&format!("  v{} -> v{index}{label};\n", edge.vertex));
        }
    }
    for (index, root) in roots.iter().enumerate() {
        out.push_str(&format!(
            "  r{index} [shape=plaintext, label=\"result {index}\"];\n"
        ));
        out.push_str(&format!("  v{} -> r{index};\n", root.vertex));
    }
    out.push_str("}\n");
    out
}

fn shortened(text: &str) -> String {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A text in Graphviz's quotes, where a backslash starts an escape of its own.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests;
