use lapstrake_llb::{
    BindMount, CacheMount, Chown, ExecOp, FileAction, FileMode, HostIp, Metadata, MkdirAction, Mount,
    NetworkMode, ProxyEnv, SecretEnv, SecretMount, Ulimit, UserRef,
};
use lapstrake_solver::Part;
use proptest::prelude::*;

use super::*;

fn edge(vertex: u32) -> Edge {
    Edge { vertex, output: 0 }
}

fn vertex(op: Op) -> Vertex {
    Vertex {
        op,
        platform: None,
        constraints: Vec::new(),
        metadata: Metadata::default(),
    }
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
    cache_map(&vertex(op), &linux()).unwrap()
}

fn bind(target: &str, input: u32, read_only: bool, output: bool) -> Mount {
    let input = Some(edge(input));
    let kind = MountKind::Bind(BindMount {
        input,
        selector: String::new(),
        read_only,
        output,
    });
    Mount {
        target: target.to_owned(),
        kind,
    }
}

fn exec(first: u32) -> ExecOp {
    ExecOp {
        args: vec!["true".to_owned()],
        cwd: "/".to_owned(),
        mounts: vec![
            bind("/", first, false, true),
            bind("/src", first + 3, true, false),
        ],
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
    let host = |ip: &str| HostIp {
        host: "h".to_owned(),
        ip: ip.to_owned(),
    };
    assert_eq!(
        base,
        with(&|op| op.proxy = Some(ProxyEnv {
            http: "p".to_owned(),
            ..ProxyEnv::default()
        }))
    );
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
            let secret = SecretMount {
                id: id.clone(),
                ..SecretMount::default()
            };
            op.mounts.push(Mount {
                target: "/s".to_owned(),
                kind: MountKind::Secret(secret),
            });
        }
    };
    assert_ne!(with(&secret("a")), with(&secret("b")));
    let mut arm = vertex(Op::Exec(exec(0)));
    arm.platform = Some(Platform {
        architecture: "arm64".to_owned(),
        ..linux()
    });
    assert_ne!(base, cache_map(&arm, &linux()).unwrap().digest);
    arm.platform = Some(Platform {
        architecture: "x86_64".to_owned(),
        ..linux()
    });
    assert_eq!(base, cache_map(&arm, &linux()).unwrap().digest);
}

#[test]
fn content_stands_for_what_is_only_read() {
    let inputs = map(Op::Exec(exec(0))).inputs;
    assert_eq!(
        inputs,
        [
            InputKey::default(),
            InputKey {
                selector: None,
                content: true
            }
        ]
    );
    let mut op = exec(0);
    op.mounts.push(bind("/keep", 3, false, true));
    assert!(!map(Op::Exec(op)).inputs[1].content, "kept as well as read");
    let mut op = exec(0);
    op.mounts[1] = bind("/scratch", 3, false, false);
    assert!(map(Op::Exec(op)).inputs[1].content, "writes are lost");
    let mut op = exec(0);
    let cache = CacheMount {
        id: "c".to_owned(),
        input: Some(edge(3)),
        ..CacheMount::default()
    };
    op.mounts[1].kind = MountKind::Cache(cache);
    assert!(map(Op::Exec(op)).inputs[1].content, "only the seed of a cache");
}

#[test]
fn selectors_are_apart_from_the_op() {
    let with = |selector: &str| {
        let mut op = exec(0);
        let MountKind::Bind(bind) = &mut op.mounts[1].kind else {
            panic!()
        };
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
    FileAction {
        base: FileInput::Edge(edge(0)),
        kind: FileActionKind::Copy(copy),
        output: true,
    }
}

#[test]
fn a_copy_depends_on_what_it_copies() {
    let map_of = |path: &str| {
        map(Op::File(FileOp {
            actions: vec![copy(FileInput::Edge(edge(1)), path)],
        }))
    };
    let (a, b) = (map_of("/one/file"), map_of("/two/file"));
    assert_eq!(a.digest, b.digest, "same name, another place");
    assert_ne!(a.inputs[1], b.inputs[1]);
    assert_ne!(a.digest, map_of("/one/other").digest, "another name");
    assert!(!a.inputs[0].content && a.inputs[1].content);
    let op = Op::File(FileOp {
        actions: vec![copy(FileInput::Edge(edge(1)), "/one/file")],
    });
    let selected = selections(&op, edge(1));
    assert_eq!(
        (selected[0].path.as_str(), selected[0].exclude.len()),
        ("/one/file", 1)
    );
    assert!(selections(&op, edge(0)).is_empty());
}

#[test]
fn what_an_action_changes_is_no_content() {
    let own = map(Op::File(FileOp {
        actions: vec![copy(FileInput::Edge(edge(0)), "/a")],
    }));
    assert!(!own.inputs[0].content);
    let mkdir = |path: &str| {
        let mkdir = MkdirAction {
            path: path.to_owned(),
            mode: 0o755,
            make_parents: true,
            owner: None,
            timestamp: None,
        };
        let action = FileAction {
            base: FileInput::Scratch,
            kind: FileActionKind::Mkdir(mkdir),
            output: true,
        };
        map(Op::File(FileOp {
            actions: vec![action],
        }))
    };
    assert!(mkdir("/a").inputs.is_empty());
    assert_ne!(mkdir("/a"), mkdir("/b"));
    // Between actions of one op there is no selector, so all of it is in the op.
    let inner = |path: &str| {
        let actions = vec![
            copy(FileInput::Edge(edge(1)), "/x"),
            copy(FileInput::Action(0), path),
        ];
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

/// Changes of a command, one at a time or several.
fn edits() -> impl Strategy<Value = Vec<(usize, usize)>> {
    proptest::collection::vec((0..15_usize, 0..4_usize), 0..5)
}

fn edit_exec(op: &mut ExecOp, what: usize, value: usize) {
    let text = ["", "a", "b", "a b"][value].to_owned();
    let some = (value > 0).then(|| text.clone());
    match what {
        0 => op.args.push(text),
        1 => op.env.push((text, "v".to_owned())),
        2 => op.env.push(("n".to_owned(), text)),
        3 => op.cwd = text,
        4 => op.user = some,
        5 => op.hostname = some,
        6 => op.mounts[1].target = text,
        7 => {
            let secret = SecretMount {
                id: text,
                ..SecretMount::default()
            };
            let kind = MountKind::Secret(secret);
            let target = "/s".to_owned();
            op.mounts.push(Mount { target, kind });
        }
        8 => op.secret_env.push(SecretEnv {
            name: text,
            secret_id: "s".to_owned(),
            optional: value > 1,
        }),
        9 => op.extra_hosts.push(HostIp {
            host: text,
            ip: "1.1.1.1".to_owned(),
        }),
        10 => op.ulimits.push(Ulimit {
            name: text,
            soft: Some(value as u64),
            hard: None,
        }),
        11 => op.network = [NetworkMode::Sandbox, NetworkMode::Host, NetworkMode::None][value % 3],
        12 => op.valid_exit_codes.push(value as i32),
        13 => {
            let cache = CacheMount {
                id: text,
                read_only: value > 1,
                ..CacheMount::default()
            };
            let kind = MountKind::Cache(cache);
            let target = "/c".to_owned();
            op.mounts.push(Mount { target, kind });
        }
        _ => op.cgroup_parent = some,
    }
}

fn edit_copy(copy: &mut CopyAction, what: usize, value: usize) {
    let text = ["", "a", "b", "a/b"][value].to_owned();
    match what {
        0 => copy.src_path = text,
        1 => copy.dst_path = text,
        2 => copy.include_patterns.push(text),
        3 => copy.exclude_patterns.push(text),
        4 => copy.required_paths.push(text),
        5 => copy.mode = Some(FileMode::Octal(value as u32)),
        6 => copy.mode = Some(FileMode::Symbolic(text)),
        7 => {
            let user = Some(UserRef::Name(["1", "a", "a:b", ""][value].to_owned()));
            copy.owner = Some(Chown { user, group: None });
        }
        8 => {
            let user = Some(UserRef::Id(value as u32));
            let group = Some(UserRef::Name("b".to_owned()));
            copy.owner = Some(Chown { user, group });
        }
        9 => copy.follow_symlink = value > 1,
        10 => copy.unpack_archive = value > 1,
        11 => copy.allow_wildcard = value > 1,
        12 => copy.replace_existing = value > 1,
        13 => copy.create_dst_path = value > 1,
        _ => copy.dir_contents_only = value > 1,
    }
}

/// The digest of an op and its kept parts; of all inputs, too.
fn both(op: Op) -> (CacheMap, Vec<Vec<Part>>) {
    let vertex = vertex(op);
    let edges = vertex.op.inputs();
    let mut kept = vec![Vec::new()];
    op_parts(&vertex, &edges, &linux(), &mut kept[0]);
    for edge in &edges {
        let mut parts = Vec::new();
        selector_parts(&selections(&vertex.op, *edge), &mut parts);
        kept.push(parts);
    }
    (cache_map(&vertex, &linux()).unwrap(), kept)
}

fn assert_one_walk(first: Op, second: Op) {
    let ((before, old), (after, new)) = (both(first), both(second));
    let same = lapstrake_solver::changes(&old[0], &new[0]).is_empty();
    assert_eq!(before.digest == after.digest, same, "{old:?} and {new:?}");
    for (position, (old, new)) in old.iter().zip(&new).skip(1).enumerate() {
        let same = lapstrake_solver::changes(old, new).is_empty();
        let equal = before.inputs[position].selector == after.inputs[position].selector;
        assert_eq!(equal, same, "{old:?} and {new:?}");
    }
}

proptest! {
    #[test]
    fn parts_differ_if_and_only_if_keys_do(first in edits(), second in edits()) {
        let exec = |edits: &[(usize, usize)]| {
            let mut op = exec(0);
            edits.iter().for_each(|(what, value)| edit_exec(&mut op, *what, *value));
            Op::Exec(op)
        };
        assert_one_walk(exec(&first), exec(&second));
        let file = |edits: &[(usize, usize)]| {
            let mut action = copy(FileInput::Edge(edge(1)), "/x");
            if let FileActionKind::Copy(copy) = &mut action.kind {
                edits.iter().for_each(|(what, value)| edit_copy(copy, *what, *value));
            }
            Op::File(FileOp { actions: vec![action] })
        };
        assert_one_walk(file(&first), file(&second));
    }
}

#[test]
fn a_secret_is_in_a_key_by_its_name_only() {
    let mut op = exec(0);
    edit_exec(&mut op, 7, 1);
    edit_exec(&mut op, 8, 2);
    let (_, kept) = both(Op::Exec(op));
    let told: Vec<_> = kept[0]
        .iter()
        .filter(|part| part.value.contains("id="))
        .map(|part| part.value.as_str())
        .collect();
    assert_eq!(
        told,
        [
            "secret owner=0:0 mode=0000 optional=false id=\"a\"",
            "id=\"s\" optional=true"
        ]
    );
}
