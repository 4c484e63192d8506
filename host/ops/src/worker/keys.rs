//! What of an op goes into its cache key, and what of its inputs it takes.
//!
//! An op's digest is over the op itself with the numbers of its inputs in place of edges, so that the same step in
//! another graph has the same digest, and without what does not change the result: proxies, addresses of extra hosts,
//! the paths that selectors stand for. The content of a secret is nowhere; its id is.
//! Pure functions. Knows nothing of records, and of sources only that they have keys of their own.

use lapstrake_llb::{
    BindMount, CopyAction, Digest, Edge, ExecOp, FileActionKind, FileInput, FileOp, Hasher, MountKind, Op,
    Platform, Vertex,
};
use lapstrake_solver::{CacheMap, InputKey};
use lapstrake_store::content::Selection;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::source::platform;

/// The cache map of an op that depends on nothing but itself and its inputs. `None`: it is another one.
///
/// # Errors
/// The op cannot be written down.
pub(super) fn cache_map(vertex: &Vertex, default: &Platform) -> Result<Option<CacheMap>> {
    let edges = vertex.op.inputs();
    let platform = platform::normalise(vertex.platform.as_ref().unwrap_or(default));
    let digest = match &vertex.op {
        Op::Exec(exec) => digest(
            "lapstrake.exec.1",
            &(plain_exec(exec, &edges), platform, &vertex.constraints),
        )?,
        // Names of users are looked up in the tree itself, so no platform counts here.
        Op::File(file) => digest("lapstrake.file.1", &plain_file(file, &edges))?,
        Op::Merge(merge) => {
            let numbers: Vec<_> = merge.inputs.iter().map(|edge| number(*edge, &edges)).collect();
            digest("lapstrake.merge.1", &numbers)?
        }
        Op::Diff(diff) => {
            let number = |edge: Option<Edge>| edge.map(|edge| number(edge, &edges));
            digest("lapstrake.diff.1", &(number(diff.lower), number(diff.upper)))?
        }
        Op::Source(_) | Op::Build(_) => return Ok(None),
    };
    let inputs = (0..edges.len())
        .map(|input| input_key(&vertex.op, edges[input]))
        .collect();
    Ok(Some(CacheMap { digest, inputs }))
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
    let whole = |selection: &Selection| *selection == Selection::path("");
    let selector = (!selections.iter().all(whole)).then(|| {
        let mut hasher = Hasher::new("lapstrake.selector.1");
        selections
            .iter()
            .for_each(|selection| add_selection(&mut hasher, selection));
        hasher.finish()
    });
    InputKey { selector, content }
}

/// Digest of a selection itself, not of what it selects.
pub(super) fn add_selection(hasher: &mut Hasher, selection: &Selection) {
    let Selection {
        path,
        follow_links,
        wildcard,
        include,
        exclude,
        contents_only,
    } = selection;
    hasher.field(path.as_bytes());
    hasher
        .number(u64::from(*follow_links))
        .number(u64::from(*wildcard))
        .number(u64::from(*contents_only));
    for patterns in [include, exclude] {
        hasher.number(patterns.len() as u64);
        patterns.iter().for_each(|pattern| {
            hasher.field(pattern.as_bytes());
        });
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

/// An input's number in place of its edge.
fn number(edge: Edge, edges: &[Edge]) -> u32 {
    let position = edges.iter().position(|known| *known == edge);
    position.map_or(u32::MAX, |position| u32::try_from(position).unwrap_or(u32::MAX))
}

fn numbered(edge: Edge, edges: &[Edge]) -> Edge {
    Edge {
        vertex: number(edge, edges),
        output: 0,
    }
}

fn plain_exec(exec: &ExecOp, edges: &[Edge]) -> ExecOp {
    let mut plain = exec.clone();
    plain.proxy = None;
    plain.extra_hosts.iter_mut().for_each(|host| host.ip.clear());
    for mount in &mut plain.mounts {
        let (input, selector) = match &mut mount.kind {
            MountKind::Bind(BindMount { input, selector, .. }) => (input, selector),
            MountKind::Cache(cache) => (&mut cache.input, &mut cache.selector),
            MountKind::Tmpfs(_) | MountKind::Secret(_) | MountKind::Ssh(_) => continue,
        };
        *input = input.map(|edge| numbered(edge, edges));
        selector.clear();
    }
    plain
}

fn plain_file(file: &FileOp, edges: &[Edge]) -> FileOp {
    let mut plain = file.clone();
    for action in &mut plain.actions {
        action.base = plain_input(action.base, edges);
        let FileActionKind::Copy(copy) = &mut action.kind else {
            continue;
        };
        if copy.src.edge().is_some() {
            // The rest of the path and the patterns are in the selector. Of the path the last part names the result.
            let trimmed = copy.src_path.trim_end_matches('/');
            copy.src_path = trimmed.rsplit('/').next().unwrap_or_default().to_owned();
            copy.include_patterns.clear();
            copy.exclude_patterns.clear();
        }
        copy.src = plain_input(copy.src, edges);
    }
    plain
}

fn plain_input(input: FileInput, edges: &[Edge]) -> FileInput {
    match input {
        FileInput::Edge(edge) => FileInput::Edge(numbered(edge, edges)),
        FileInput::Scratch | FileInput::Action(_) => input,
    }
}

fn digest(domain: &str, value: &impl Serialize) -> Result<Digest> {
    let bytes = postcard::to_allocvec(value).map_err(|source| Error::EncodeOp { source })?;
    let mut hasher = Hasher::new(domain);
    hasher.field(&bytes);
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests;
