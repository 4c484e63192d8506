//! The gate for graphs from outside: everything that the rest of the host takes for granted is checked here.
//!
//! Indexes are smaller (so there is no cycle), outputs exist, paths are absolute and clean where they reach a file system,
//! texts have their form, and sizes are bounded. Does not know whether an image, a secret or a context exists.

mod limits;
mod ops;
mod text;

use crate::{Definition, Edge, Op, Problem, SourceRange, ValidateError, Vertex, VertexError};

pub use limits::Limits;
use text::{bounded, timestamp};

/// A broken rule and the field it is broken in.
struct Fault {
    field: String,
    problem: Problem,
}

/// Names the field of a problem. The name is made only where there is a problem.
trait At<T> {
    fn at(self, field: impl FnOnce() -> String) -> Result<T, Fault>;
}

impl<T> At<T> for Result<T, Problem> {
    fn at(self, field: impl FnOnce() -> String) -> Result<T, Fault> {
        self.map_err(|problem| Fault {
            field: field(),
            problem,
        })
    }
}

/// Checks a graph and the edges that are asked of it. The first broken rule is the error.
pub fn validate(definition: &Definition, roots: &[Edge], limits: &Limits) -> Result<(), ValidateError> {
    sizes(definition, roots, limits)?;
    for (index, file) in definition.sources.iter().enumerate() {
        for text in [&file.name, &file.language] {
            bounded(text, limits.text).map_err(|problem| ValidateError::SourceFile { index, problem })?;
        }
    }
    for (index, vertex) in definition.vertices.iter().enumerate() {
        check_vertex(definition, index, vertex, limits).map_err(|fault| {
            let name = vertex.metadata.name.clone();
            let Fault { field, problem } = fault;
            let error = VertexError {
                index,
                name,
                op: vertex.op.kind(),
                field,
                problem,
            };
            ValidateError::Vertex(Box::new(error))
        })?;
    }
    for (index, root) in roots.iter().enumerate() {
        edge(definition, definition.vertices.len(), *root)
            .map_err(|problem| ValidateError::Root { index, problem })?;
    }
    Ok(())
}

/// Checks what is counted over the whole graph, before anything is looked at.
fn sizes(definition: &Definition, roots: &[Edge], limits: &Limits) -> Result<(), ValidateError> {
    let check = |what, count: usize, limit: usize| {
        if count > limit {
            return Err(ValidateError::TooLarge {
                what,
                count: count as u64,
                limit: limit as u64,
            });
        }
        Ok(())
    };
    check("vertices", definition.vertices.len(), limits.vertices)?;
    check("source files", definition.sources.len(), limits.source_files)?;
    check("roots", roots.len(), limits.roots)?;
    let mut bytes = limits::text_of_sources(&definition.sources);
    for vertex in &definition.vertices {
        bytes += limits::text_of_vertex(vertex);
    }
    check("bytes of text", bytes, limits.total_text)
}

fn check_vertex(
    definition: &Definition,
    index: usize,
    vertex: &Vertex,
    limits: &Limits,
) -> Result<(), Fault> {
    check_metadata(definition, vertex, limits)?;
    if let Some(platform) = &vertex.platform {
        ops::platform(platform, limits).at(|| "platform".into())?;
    }
    ops::list(&vertex.constraints, limits).at(|| "constraints".into())?;
    let inputs = ops::Inputs {
        definition,
        index,
        limits,
    };
    match &vertex.op {
        Op::Source(source) => ops::source(source, limits),
        Op::Exec(exec) => ops::exec(exec, &inputs),
        Op::File(file) => ops::file(file, &inputs),
        Op::Merge(merge) => ops::merge(merge, &inputs),
        Op::Diff(diff) => ops::diff(diff, &inputs),
        Op::Build(build) => ops::build(build, &inputs),
    }
}

fn check_metadata(definition: &Definition, vertex: &Vertex, limits: &Limits) -> Result<(), Fault> {
    let metadata = &vertex.metadata;
    bounded(&metadata.name, limits.text).at(|| "name".into())?;
    ops::count(metadata.description.len(), limits.list).at(|| "description".into())?;
    for (key, value) in &metadata.description {
        bounded(key, limits.text).at(|| "description".into())?;
        bounded(value, limits.text).at(|| format!("description[{key:?}]"))?;
    }
    if let Some(group) = &metadata.progress_group {
        bounded(&group.id, limits.text).at(|| "progress_group.id".into())?;
        bounded(&group.name, limits.text).at(|| "progress_group.name".into())?;
    }
    if let Some(resources) = &metadata.resources {
        for (field, cpus) in [
            ("cpuset_cpus", &resources.cpuset_cpus),
            ("cpuset_mems", &resources.cpuset_mems),
        ] {
            if let Some(cpus) = cpus {
                text::cpu_list(cpus).at(|| format!("resources.{field}"))?;
            }
        }
    }
    ops::count(metadata.ranges.len(), limits.list).at(|| "ranges".into())?;
    for (index, range) in metadata.ranges.iter().enumerate() {
        check_range(definition, range).at(|| format!("ranges[{index}]"))?;
    }
    Ok(())
}

fn check_range(definition: &Definition, range: &SourceRange) -> Result<(), Problem> {
    let files = definition.sources.len() as i128;
    let within = |value: u32, least: i128, most: i128| {
        if i128::from(value) < least || i128::from(value) > most {
            return Err(Problem::OutOfRange {
                value: value.into(),
                least,
                most,
            });
        }
        Ok(())
    };
    within(range.file, 0, files - 1)?;
    for position in [range.start, range.stop] {
        within(position.line, 1, i32::MAX.into())?;
        within(position.column, 1, i32::MAX.into())?;
    }
    if range.stop < range.start {
        return Err(Problem::ReversedRange);
    }
    Ok(())
}

/// Checks that an edge names an output of a vertex below `before`.
fn edge(definition: &Definition, before: usize, edge: Edge) -> Result<(), Problem> {
    let index = edge.vertex as usize;
    let count = definition.vertices.len();
    if index >= count {
        return Err(Problem::NoSuchVertex {
            to: edge.vertex,
            count,
        });
    }
    if index >= before {
        return Err(Problem::ForwardEdge { to: edge.vertex });
    }
    let outputs = definition.vertices[index].op.output_count();
    if edge.output >= outputs {
        return Err(Problem::NoSuchOutput {
            vertex: edge.vertex,
            output: edge.output,
            count: outputs,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
