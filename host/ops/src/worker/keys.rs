//! What of an op goes into its cache key, and what of its inputs it takes.
//!
//! An op's digest is over its parts, with the numbers of its inputs in place of edges, so that the same step in another
//! graph has the same digest.
//! Pure functions. Knows nothing of records, and of sources only that they have keys of their own.

use lapstrake_llb::{
    CopyAction, Digest, Edge, FileActionKind, FileInput, FileOp, Hasher, MountKind, Op, Platform, Vertex,
};
use lapstrake_solver::{CacheMap, InputKey, PartHasher, Parts};
use lapstrake_store::content::Selection;

use super::parts;
use crate::source::platform;

/// The cache map of an op that depends on nothing but itself and its inputs. `None`: it is another one.
pub(super) fn cache_map(vertex: &Vertex, default: &Platform) -> Option<CacheMap> {
    let edges = vertex.op.inputs();
    let domain = match &vertex.op {
        Op::Exec(_) => "lapstrake.exec.2",
        Op::File(_) => "lapstrake.file.2",
        Op::Merge(_) => "lapstrake.merge.2",
        Op::Diff(_) => "lapstrake.diff.2",
        Op::Source(_) | Op::Build(_) => return None,
    };
    let inputs = edges.iter().map(|edge| input_key(&vertex.op, *edge)).collect();
    Some(CacheMap {
        digest: PartHasher::digest(domain, |parts| op_parts(vertex, &edges, default, parts)),
        inputs,
    })
}

/// Tells what the digest of an op's cache map is made of. Nothing of sources.
pub(super) fn op_parts(vertex: &Vertex, edges: &[Edge], default: &Platform, parts: &mut dyn Parts) {
    match &vertex.op {
        Op::Exec(exec) => {
            parts::exec(exec, edges, parts);
            let platform = platform::normalise(vertex.platform.as_ref().unwrap_or(default));
            parts::platform(&platform, &vertex.constraints, parts);
        }
        Op::File(file) => parts::file(file, edges, parts),
        Op::Merge(merge) => parts::merge(&merge.inputs, edges, parts),
        Op::Diff(diff) => parts::diff(diff.lower, diff.upper, edges, parts),
        Op::Source(_) | Op::Build(_) => {}
    }
}

/// A name of an op that is the same whatever its inputs are.
pub(super) fn without_inputs(vertex: &Vertex, default: &Platform) -> Digest {
    let mut hasher = Hasher::new("lapstrake.op-alone.1");
    if let Some(map) = cache_map(vertex, default) {
        hasher.digest(&map.digest);
        for input in &map.inputs {
            match &input.selector {
                Some(selector) => hasher.number(1).digest(selector),
                None => hasher.number(0),
            };
        }
    }
    hasher.finish()
}

/// What an op takes from one of its inputs, in the order in which it mentions it. Empty: all of it, or only that it is
/// there.
pub(super) fn selections(op: &Op, input: Edge) -> Vec<Selection> {
    match op {
        Op::Exec(exec) => {
            let mounts = exec.mounts.iter().filter(|mount| mount.input() == Some(input));
            mounts
                .map(|mount| Selection::path(selector(&mount.kind)))
                .collect()
        }
        Op::File(file) => copies(file, input).map(copied).collect(),
        _ => Vec::new(),
    }
}

fn input_key(op: &Op, input: Edge) -> InputKey {
    let content = match op {
        Op::Exec(exec) => exec
            .mounts
            .iter()
            .filter(|mount| mount.input() == Some(input))
            .all(|mount| {
                match &mount.kind {
                    // Its layers go into the result, so that whose they are matters.
                    MountKind::Bind(bind) => mount.target != "/" && (bind.read_only || !bind.output),
                    _ => true,
                }
            }),
        Op::File(file) => file
            .actions
            .iter()
            .all(|action| action.base.edge() != Some(input)),
        _ => false,
    };
    let selections = selections(op, input);
    let selector = is_selective(&selections)
        .then(|| PartHasher::digest("lapstrake.selector.2", |parts| selector_parts(&selections, parts)));
    InputKey { selector, content }
}

/// Whether less than all of an input is taken.
fn is_selective(selections: &[Selection]) -> bool {
    !selections
        .iter()
        .all(|selection| *selection == Selection::path(""))
}

/// Tells what a selector is made of.
pub(super) fn selector_parts(selections: &[Selection], parts: &mut dyn Parts) {
    if is_selective(selections) {
        selections
            .iter()
            .for_each(|selection| parts::selection(selection, parts));
    }
}

fn copies(file: &FileOp, input: Edge) -> impl Iterator<Item = &CopyAction> {
    file.actions.iter().filter_map(move |action| match &action.kind {
        FileActionKind::Copy(copy) if copy.src == FileInput::Edge(input) => Some(copy),
        _ => None,
    })
}

/// What a copy takes. The metadata of a directory counts even where only its contents are copied: a destination that
/// does not exist gets it.
fn copied(copy: &CopyAction) -> Selection {
    Selection {
        path: copy.src_path.clone(),
        follow_links: copy.follow_symlink,
        wildcard: copy.allow_wildcard,
        include: copy.include_patterns.clone(),
        exclude: copy.exclude_patterns.clone(),
        contents_only: false,
    }
}

fn selector(kind: &MountKind) -> &str {
    match kind {
        MountKind::Bind(bind) => bind.selector.trim_matches('/'),
        MountKind::Cache(cache) => cache.selector.trim_matches('/'),
        MountKind::Tmpfs(_) | MountKind::Secret(_) | MountKind::Ssh(_) => "",
    }
}

#[cfg(test)]
mod tests;
