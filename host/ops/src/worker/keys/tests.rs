use lapstrake_llb::{CacheMount, FileAction, HostIp, Metadata, MkdirAction, Mount, ProxyEnv, SecretMount};

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
    cache_map(&vertex(op), &linux()).unwrap().unwrap()
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
    assert_ne!(base, cache_map(&arm, &linux()).unwrap().unwrap().digest);
    arm.platform = Some(Platform {
        architecture: "x86_64".to_owned(),
        ..linux()
    });
    assert_eq!(base, cache_map(&arm, &linux()).unwrap().unwrap().digest);
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
