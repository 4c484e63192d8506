//! What of an op goes into its cache key, and what of its inputs it takes.
//!
//! An op's digest is over the op itself with the numbers of its inputs in place of edges, so that the same step in
//! another graph has the same digest, and without what does not change the result: proxies, addresses of extra hosts,
//! the paths that selectors stand for. The content of a secret is nowhere; its id is.
//! Pure functions. Knows nothing of records, and of sources only that they have keys of their own.

use lapstrake_llb::{
    BindMount, CopyAction, Digest, Edge, ExecOp, FileActionKind, FileInput, FileOp, Hasher, MountKind, Op, Platform,
    Vertex,
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
        Op::Exec(exec) => digest("lapstrake.exec.1", &(plain_exec(exec, &edges), platform, &vertex.constraints))?,
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
    let inputs = (0..edges.len()).map(|input| input_key(&vertex.op, edges[input])).collect();
    Ok(Some(CacheMap { digest, inputs }))
}

/// What an op takes from one of its inputs, in the order in which it mentions it. Empty: all of it, or only that it is
/// there.
pub(super) fn selections(op: &Op, input: Edge) -> Vec<Selection> {
    match op {
        Op::Exec(exec) => {
            let mounts = exec.mounts.iter().filter(|mount| mount.input() == Some(input));
            mounts.map(|mount| Selection::path(selector(&mount.kind))).collect()
        }
        Op::File(file) => copies(file, input).map(copied).collect(),
        _ => Vec::new(),
    }
}

fn input_key(op: &Op, input: Edge) -> InputKey {
    let content = match op {
        Op::Exec(exec) => exec.mounts.iter().filter(|mount| mount.input() == Some(input)).all(|mount| {
            match &mount.kind {
                // Its layers go into the result, so that whose they are matters.
                MountKind::Bind(bind) => mount.target != "/" && (bind.read_only || !bind.output),
                _ => true,
            }
        }),
        Op::File(file) => file.actions.iter().all(|action| action.base.edge() != Some(input)),
        _ => false,
    };
    let selections = selections(op, input);
    let whole = |selection: &Selection| *selection == Selection::path("");
    let selector = (!selections.iter().all(whole)).then(|| {
        let mut hasher = Hasher::new("lapstrake.selector.1");
        selections.iter().for_each(|selection| add_selection(&mut hasher, selection));
        hasher.finish()
    });
    InputKey { selector, content }
}

/// Digest of a selection itself, not of what it selects.
pub(super) fn add_selection(hasher: &mut Hasher, selection: &Selection) {
    let Selection { path, follow_links, wildcard, include, exclude, contents_only } = selection;
    hasher.field(path.as_bytes());
    hasher.number(u64::from(*follow_links)).number(u64::from(*wildcard)).number(u64::from(*contents_only));
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
    Edge { vertex: number(edge, edges), output: 0 }
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
        let FileActionKind::Copy(copy) = &mut action.kind else { continue };
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
mod tests {
    use lapstrake_llb::{CacheMount, FileAction, HostIp, Metadata, MkdirAction, Mount, ProxyEnv, SecretMount};

    use super::*;

    fn edge(vertex: u32) -> Edge {
        Edge { vertex, output: 0 }
    }

    fn vertex(op: Op) -> Vertex {
        Vertex { op, platform: None, constraints: Vec::new(), metadata: Metadata::default() }
    }

    fn linux() -> Platform {
        Platform {
            os: "linux".to_owned(),
            architecture: "amd64".to_owned(),
            variant: None,
            os_version: None,
            os_features: Vec::new(),
        }
    }

    fn map(op: Op) -> CacheMap {
        cache_map(&vertex(op), &linux()).unwrap().unwrap()
    }

    fn bind(target: &str, input: u32, read_only: bool, output: bool) -> Mount {
        let input = Some(edge(input));
        let kind = MountKind::Bind(BindMount { input, selector: String::new(), read_only, output });
        Mount { target: target.to_owned(), kind }
    }

    fn exec(first: u32) -> ExecOp {
        ExecOp {
            args: vec!["true".to_owned()],
            cwd: "/".to_owned(),
            mounts: vec![bind("/", first, false, true), bind("/src", first + 3, true, false)],
            ..ExecOp::default()
        }
    }

    #[test]
    fn the_place_in_the_graph_does_not_count() {
        assert_eq!(map(Op::Exec(exec(0))), map(Op::Exec(exec(7))));
    }

    #[test]
    fn proxies_and_addresses_do_not_count_and_all_else_does() {
        let base = map(Op::Exec(exec(0))).digest;
        let with = |change: &dyn Fn(&mut ExecOp)| {
            let mut op = exec(0);
            change(&mut op);
            map(Op::Exec(op)).digest
        };
        let host = |ip: &str| HostIp { host: "h".to_owned(), ip: ip.to_owned() };
        assert_eq!(base, with(&|op| op.proxy = Some(ProxyEnv { http: "p".to_owned(), ..ProxyEnv::default() })));
        assert_eq!(
            with(&|op| op.extra_hosts = vec![host("1.1.1.1")]),
            with(&|op| op.extra_hosts = vec![host("2.2.2.2")])
        );
        assert_ne!(base, with(&|op| op.extra_hosts = vec![host("1.1.1.1")]));
        assert_ne!(base, with(&|op| op.env = vec![("A".to_owned(), "b".to_owned())]));
        assert_ne!(base, with(&|op| op.mounts[1].target = "/other".to_owned()));
        let secret = |id: &str| {
            let id = id.to_owned();
            move |op: &mut ExecOp| {
                let secret = SecretMount { id: id.clone(), ..SecretMount::default() };
                op.mounts.push(Mount { target: "/s".to_owned(), kind: MountKind::Secret(secret) });
            }
        };
        assert_ne!(with(&secret("a")), with(&secret("b")));
        let mut arm = vertex(Op::Exec(exec(0)));
        arm.platform = Some(Platform { architecture: "arm64".to_owned(), ..linux() });
        assert_ne!(base, cache_map(&arm, &linux()).unwrap().unwrap().digest);
        arm.platform = Some(Platform { architecture: "x86_64".to_owned(), ..linux() });
        assert_eq!(base, cache_map(&arm, &linux()).unwrap().unwrap().digest);
    }

    #[test]
    fn content_stands_for_what_is_only_read() {
        let inputs = map(Op::Exec(exec(0))).inputs;
        assert_eq!(inputs, [InputKey::default(), InputKey { selector: None, content: true }]);
        let mut op = exec(0);
        op.mounts.push(bind("/keep", 3, false, true));
        assert!(!map(Op::Exec(op)).inputs[1].content, "kept as well as read");
        let mut op = exec(0);
        op.mounts[1] = bind("/scratch", 3, false, false);
        assert!(map(Op::Exec(op)).inputs[1].content, "writes are lost");
        let mut op = exec(0);
        let cache = CacheMount { id: "c".to_owned(), input: Some(edge(3)), ..CacheMount::default() };
        op.mounts[1].kind = MountKind::Cache(cache);
        assert!(map(Op::Exec(op)).inputs[1].content, "only the seed of a cache");
    }

    #[test]
    fn selectors_are_apart_from_the_op() {
        let with = |selector: &str| {
            let mut op = exec(0);
            let MountKind::Bind(bind) = &mut op.mounts[1].kind else { panic!() };
            bind.selector = selector.to_owned();
            (map(Op::Exec(op.clone())), selections(&Op::Exec(op), edge(3)))
        };
        let ((a, of_a), (b, _)) = (with("/a"), with("/b"));
        assert_eq!(a.digest, b.digest);
        assert_ne!(a.inputs[1].selector, b.inputs[1].selector);
        assert_eq!(of_a, [Selection::path("a")]);
        assert_eq!(with("/").0, with("").0);
        assert_eq!(with("a/"), with("/a"));
    }

    fn copy(src: FileInput, path: &str) -> FileAction {
        let copy = CopyAction {
            src,
            src_path: path.to_owned(),
            dst_path: "/d/".to_owned(),
            owner: None,
            mode: None,
            follow_symlink: true,
            dir_contents_only: false,
            unpack_archive: false,
            create_dst_path: true,
            allow_wildcard: false,
            allow_empty_wildcard: false,
            replace_existing: false,
            include_patterns: Vec::new(),
            exclude_patterns: vec!["x".to_owned()],
            required_paths: Vec::new(),
            timestamp: None,
        };
        FileAction { base: FileInput::Edge(edge(0)), kind: FileActionKind::Copy(copy), output: true }
    }

    #[test]
    fn a_copy_depends_on_what_it_copies() {
        let map_of = |path: &str| map(Op::File(FileOp { actions: vec![copy(FileInput::Edge(edge(1)), path)] }));
        let (a, b) = (map_of("/one/file"), map_of("/two/file"));
        assert_eq!(a.digest, b.digest, "same name, another place");
        assert_ne!(a.inputs[1], b.inputs[1]);
        assert_ne!(a.digest, map_of("/one/other").digest, "another name");
        assert!(!a.inputs[0].content && a.inputs[1].content);
        let op = Op::File(FileOp { actions: vec![copy(FileInput::Edge(edge(1)), "/one/file")] });
        let selected = selections(&op, edge(1));
        assert_eq!((selected[0].path.as_str(), selected[0].exclude.len()), ("/one/file", 1));
        assert!(selections(&op, edge(0)).is_empty());
    }

    #[test]
    fn what_an_action_changes_is_no_content() {
        let own = map(Op::File(FileOp { actions: vec![copy(FileInput::Edge(edge(0)), "/a")] }));
        assert!(!own.inputs[0].content);
        let mkdir = |path: &str| {
            let mkdir = MkdirAction {
                path: path.to_owned(),
                mode: 0o755,
                make_parents: true,
                owner: None,
                timestamp: None,
            };
            let action =
                FileAction { base: FileInput::Scratch, kind: FileActionKind::Mkdir(mkdir), output: true };
            map(Op::File(FileOp { actions: vec![action] }))
        };
        assert!(mkdir("/a").inputs.is_empty());
        assert_ne!(mkdir("/a"), mkdir("/b"));
        // Between actions of one op there is no selector, so all of it is in the op.
        let inner = |path: &str| {
            let actions = vec![copy(FileInput::Edge(edge(1)), "/x"), copy(FileInput::Action(0), path)];
            map(Op::File(FileOp { actions })).digest
        };
        assert_ne!(inner("/a/x"), inner("/b/x"));
    }

    #[test]
    fn the_order_of_a_merge_counts_and_equal_inputs_too() {
        let merge = |list: &[u32]| {
            let inputs = list.iter().map(|vertex| edge(*vertex)).collect();
            map(Op::Merge(lapstrake_llb::MergeOp { inputs }))
        };
        assert_eq!(merge(&[4, 5]), merge(&[0, 9]));
        assert_ne!(merge(&[0, 1, 0]), merge(&[0, 1]));
        assert_ne!(merge(&[0, 1, 0]), merge(&[0, 1, 1]));
        let diff = |lower: Option<u32>, upper: Option<u32>| {
            let (lower, upper) = (lower.map(edge), upper.map(edge));
            map(Op::Diff(lapstrake_llb::DiffOp { lower, upper })).digest
        };
        assert_ne!(diff(Some(0), Some(1)), diff(Some(0), Some(0)));
        assert_ne!(diff(None, Some(1)), diff(Some(0), None));
    }
}
