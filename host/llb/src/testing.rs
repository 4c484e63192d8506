//! Graphs for this crate's tests: one with everything, and a strategy for valid ones.
//! Knows nothing of what is tested with them.

use proptest::prelude::*;

use crate::*;

/// A vertex without metadata.
pub(crate) fn vertex(op: Op) -> Vertex {
    Vertex {
        op,
        platform: None,
        constraints: Vec::new(),
        metadata: Metadata::default(),
    }
}

pub(crate) fn edge(vertex: u32, output: u32) -> Edge {
    Edge { vertex, output }
}

pub(crate) fn linux() -> Platform {
    Platform {
        os: "linux".into(),
        architecture: "amd64".into(),
        variant: None,
        os_version: None,
        os_features: Vec::new(),
    }
}

pub(crate) fn image(reference: &str) -> Op {
    Op::Source(SourceOp::Image(ImageSource {
        reference: reference.into(),
        mode: ResolveMode::Default,
        layer_limit: None,
        checksum: None,
    }))
}

pub(crate) fn local(name: &str) -> Op {
    Op::Source(SourceOp::Local(LocalSource {
        name: name.into(),
        include_patterns: Vec::new(),
        exclude_patterns: Vec::new(),
        follow_paths: Vec::new(),
        shared_key_hint: None,
        differ: LocalDiffer::Metadata,
    }))
}

pub(crate) fn bind(target: &str, input: Option<Edge>, output: bool) -> Mount {
    Mount {
        target: target.into(),
        kind: MountKind::Bind(BindMount {
            input,
            selector: String::new(),
            read_only: false,
            output,
        }),
    }
}

/// A shell command over one tree.
pub(crate) fn run(command: &str, root: Edge) -> Op {
    Op::Exec(ExecOp {
        args: vec!["/bin/sh".into(), "-c".into(), command.into()],
        cwd: "/".into(),
        mounts: vec![bind("/", Some(root), true)],
        ..ExecOp::default()
    })
}

pub(crate) fn copy(src: FileInput, from: &str, to: &str) -> FileActionKind {
    FileActionKind::Copy(CopyAction {
        src,
        src_path: from.into(),
        dst_path: to.into(),
        owner: None,
        mode: None,
        follow_symlink: false,
        dir_contents_only: false,
        unpack_archive: false,
        create_dst_path: false,
        allow_wildcard: false,
        allow_empty_wildcard: false,
        replace_existing: false,
        include_patterns: Vec::new(),
        exclude_patterns: Vec::new(),
        required_paths: Vec::new(),
        timestamp: None,
    })
}

/// A graph in which every kind of op, mount and action occurs.
pub(crate) fn everything() -> (Definition, Vec<Edge>) {
    let mut definition = Definition {
        vertices: Vec::new(),
        sources: vec![SourceFile {
            name: "Dockerfile".into(),
            language: "Dockerfile".into(),
            text: "FROM alpine\nRUN make\n".into(),
        }],
    };
    let mut base = vertex(image("docker.io/library/alpine:3.20"));
    base.platform = Some(linux());
    base.constraints.push("arch!=slow".into());
    base.metadata.name = "[1/2] FROM alpine".into();
    base.metadata.ranges.push(SourceRange {
        file: 0,
        start: Position { line: 1, column: 1 },
        stop: Position { line: 1, column: 12 },
    });
    let mut context = vertex(Op::Source(SourceOp::Local(LocalSource {
        name: "context".into(),
        include_patterns: vec!["src/**".into()],
        exclude_patterns: vec!["<&>".into(), "!a\u{2028}b".into()],
        follow_paths: vec!["src".into()],
        shared_key_hint: Some("ctx".into()),
        differ: LocalDiffer::None,
    })));
    context.metadata.progress_group = Some(ProgressGroup {
        id: "g1".into(),
        name: "load context".into(),
        weak: true,
    });
    context.metadata.export_cache = Some(false);
    let git = vertex(Op::Source(SourceOp::Git(GitSource {
        remote: "https://user@example.com/a/b.git".into(),
        git_ref: "main".into(),
        subdir: "sub".into(),
        keep_git_dir: true,
        skip_submodules: true,
        checksum: Some("0123456789abcdef".into()),
        auth_token_secret: Some("GIT_AUTH_TOKEN".into()),
        ..GitSource::default()
    })));
    let http = vertex(Op::Source(SourceOp::Http(HttpSource {
        url: "https://example.com/x.tar?y=1".into(),
        checksum: Some(Digest::of(b"x").to_string()),
        filename: Some("x.tar".into()),
        mode: Some(0o644),
        uid: Some(7),
        gid: None,
        headers: vec![("accept".into(), "text/plain".into())],
        auth_header_secret: Some("auth".into()),
    })));
    let layout = vertex(Op::Source(SourceOp::OciLayout(OciLayoutSource {
        reference: "base:1".into(),
        store: "layout".into(),
        layer_limit: Some(2),
    })));
    let time = Some(Timestamp {
        seconds: 1_700_000_000,
        nanoseconds: 5,
    });
    let owner = Some(Chown {
        user: Some(UserRef::Name("app".into())),
        group: Some(UserRef::Id(7)),
    });
    let mut copied = copy(FileInput::Edge(edge(1, 0)), "/src/*", "/app/");
    if let FileActionKind::Copy(copy) = &mut copied {
        copy.owner = owner.clone();
        copy.mode = Some(FileMode::Symbolic("u=rwX".into()));
        copy.allow_wildcard = true;
        copy.create_dst_path = true;
        copy.include_patterns = vec!["a".into(), "b c".into()];
        copy.exclude_patterns = vec!["**/x".into()];
        copy.required_paths = vec!["a".into()];
        copy.timestamp = time;
    }
    let step = |base, kind, output| FileAction { base, kind, output };
    let file = vertex(Op::File(FileOp {
        actions: vec![
            step(
                FileInput::Edge(edge(0, 0)),
                FileActionKind::Mkdir(MkdirAction {
                    path: "/app".into(),
                    mode: 0o755,
                    make_parents: true,
                    owner: owner.clone(),
                    timestamp: None,
                }),
                false,
            ),
            step(FileInput::Action(0), copied, true),
            step(
                FileInput::Action(1),
                FileActionKind::Mkfile(MkfileAction {
                    path: "/app/f".into(),
                    data: b"hi\n".to_vec(),
                    mode: 0o600,
                    owner: None,
                    timestamp: time,
                }),
                false,
            ),
            step(
                FileInput::Action(2),
                FileActionKind::Rm(RmAction {
                    path: "/app/*.o".into(),
                    allow_not_found: true,
                    allow_wildcard: true,
                }),
                false,
            ),
            step(
                FileInput::Action(3),
                FileActionKind::Symlink(SymlinkAction {
                    target: "../f".into(),
                    path: "/app/l".into(),
                    owner: Some(Chown::default()),
                    timestamp: None,
                }),
                true,
            ),
            step(FileInput::Scratch, copy(FileInput::Action(1), "/app", "/"), true),
        ],
    }));
    let mut command = run("make", edge(5, 1));
    if let Op::Exec(exec) = &mut command {
        exec.env = vec![("PATH".into(), "/bin".into()), ("EMPTY".into(), String::new())];
        exec.user = Some("app:7".into());
        exec.hostname = Some("box".into());
        exec.mounts.extend([
            Mount {
                target: "/in".into(),
                kind: MountKind::Bind(BindMount {
                    input: Some(edge(1, 0)),
                    selector: "src".into(),
                    read_only: true,
                    output: false,
                }),
            },
            bind("/out", None, true),
            Mount {
                target: "/cache".into(),
                kind: MountKind::Cache(CacheMount {
                    id: "c".into(),
                    input: Some(edge(0, 0)),
                    selector: "/seed".into(),
                    sharing: CacheSharing::Locked,
                    read_only: false,
                }),
            },
            Mount {
                target: "/tmp".into(),
                kind: MountKind::Tmpfs(TmpfsMount { size: Some(1 << 20) }),
            },
            Mount {
                target: "/run/secrets/s".into(),
                kind: MountKind::Secret(SecretMount {
                    id: "s".into(),
                    uid: 1,
                    gid: 2,
                    mode: 0o400,
                    optional: true,
                }),
            },
            Mount {
                target: "/run/ssh".into(),
                kind: MountKind::Ssh(SecretMount {
                    mode: 0o600,
                    ..SecretMount::default()
                }),
            },
        ]);
        exec.secret_env = vec![SecretEnv {
            name: "TOKEN".into(),
            secret_id: "t".into(),
            optional: false,
        }];
        exec.extra_hosts = vec![HostIp {
            host: "db".into(),
            ip: "10.0.0.1".into(),
        }];
        exec.ulimits = vec![Ulimit {
            name: "nofile".into(),
            soft: Some(10),
            hard: None,
        }];
        exec.cgroup_parent = Some("/builds".into());
        exec.proxy = Some(ProxyEnv {
            http: "http://p".into(),
            ..ProxyEnv::default()
        });
        exec.devices = vec![CdiDevice {
            name: "vendor.com/gpu=0".into(),
            optional: true,
        }];
        exec.network = NetworkMode::None;
        exec.security = SecurityMode::Insecure;
        exec.valid_exit_codes = vec![0, 3];
    }
    let mut command = vertex(command);
    command.platform = Some(Platform {
        variant: Some("v8".into()),
        architecture: "arm64".into(),
        ..linux()
    });
    command.metadata.name = "RUN make".into();
    command.metadata.ignore_cache = true;
    command
        .metadata
        .description
        .insert("com.docker.dockerfile.v1.command".into(), "RUN make".into());
    let merge = vertex(Op::Merge(MergeOp {
        inputs: vec![edge(0, 0), edge(6, 1), edge(0, 0)],
    }));
    let diff = vertex(Op::Diff(DiffOp {
        lower: Some(edge(0, 0)),
        upper: Some(edge(6, 0)),
    }));
    let build = vertex(Op::Build(BuildOp {
        input: edge(8, 0),
        filename: "/out/graph.pb".into(),
    }));
    definition.vertices.extend([
        base, context, git, http, layout, file, command, merge, diff, build,
    ]);
    (definition, vec![edge(7, 0), edge(9, 0), edge(5, 2)])
}

fn word() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_.-]{1,8}"
}

fn any_text() -> impl Strategy<Value = String> {
    "[^\\x00]{0,12}"
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec("[a-z][a-z0-9é ]{0,6}", 1..4).prop_map(|parts| format!("/{}", parts.join("/")))
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[a-z*/<>&\"]{1,8}", 0..3)
}

fn time() -> impl Strategy<Value = Option<Timestamp>> {
    prop::option::of(
        (-9_000_000_000i64..9_000_000_000, 0u32..1_000_000_000)
            .prop_filter("-1 ns means none", |(seconds, nanoseconds)| {
                (*seconds, *nanoseconds) != (-1, 999_999_999)
            })
            .prop_map(|(seconds, nanoseconds)| Timestamp { seconds, nanoseconds }),
    )
}

fn owner() -> impl Strategy<Value = Option<Chown>> {
    let part = || {
        prop::option::of(prop_oneof![
            any::<u32>().prop_map(UserRef::Id),
            word().prop_map(UserRef::Name)
        ])
    };
    prop::option::of((part(), part()).prop_map(|(user, group)| Chown { user, group }))
}

fn source_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (word(), prop::option::of(any::<u16>()), 0..3).prop_map(|(name, limit, mode)| {
            Op::Source(SourceOp::Image(ImageSource {
                reference: format!(
                    "example.com/{}x",
                    name.to_lowercase().replace(['.', '-', '_'], "x")
                ),
                mode: [
                    ResolveMode::Default,
                    ResolveMode::PreferLocal,
                    ResolveMode::ForcePull,
                ][mode as usize],
                layer_limit: limit.map(u32::from),
                checksum: None,
            }))
        }),
        (
            word(),
            texts(),
            texts(),
            texts(),
            prop::option::of(word()),
            any::<bool>()
        )
            .prop_map(|(name, include, exclude, follow, hint, none)| {
                Op::Source(SourceOp::Local(LocalSource {
                    name,
                    include_patterns: include,
                    exclude_patterns: exclude,
                    follow_paths: follow,
                    shared_key_hint: hint,
                    differ: if none {
                        LocalDiffer::None
                    } else {
                        LocalDiffer::Metadata
                    },
                }))
            }),
        (
            "[a-z]{1,5}",
            "[a-z/]{0,5}",
            "[a-z]{0,8}",
            any::<bool>(),
            any::<bool>(),
            prop::option::of(word())
        )
            .prop_map(
                |(host, git_ref, subdir, keep_git_dir, skip_submodules, known_hosts)| {
                    Op::Source(SourceOp::Git(GitSource {
                        remote: format!("ssh://git@{host}.org/x"),
                        git_ref,
                        subdir,
                        keep_git_dir,
                        skip_submodules,
                        known_hosts,
                        ..GitSource::default()
                    }))
                }
            ),
        (
            word(),
            prop::option::of(0u32..0o1000),
            prop::option::of(1u32..9),
            prop::option::of(word())
        )
            .prop_map(|(path, mode, uid, filename)| {
                Op::Source(SourceOp::Http(HttpSource {
                    url: format!("http://example.org/{path}"),
                    mode,
                    uid,
                    filename: filename.map(|name| format!("f{name}")),
                    ..HttpSource::default()
                }))
            }),
    ]
}

/// Base, source, kind, path, owner, time and output of a file action.
type Step = (usize, usize, u8, String, Option<Chown>, Option<Timestamp>, bool);

/// What a later vertex is made of, before it is known which edges there are.
#[derive(Debug, Clone)]
enum Shape {
    Source(Op),
    Exec {
        args: Vec<String>,
        env: Vec<(String, String)>,
        mounts: Vec<(String, u8, usize, bool)>,
        codes: Vec<i32>,
    },
    File {
        steps: Vec<Step>,
    },
    Merge(Vec<usize>),
    Diff(Option<usize>, Option<usize>),
    Build(usize, String),
}

fn shape() -> impl Strategy<Value = Shape> {
    let pick = || any::<usize>();
    let mount = (path(), 0u8..5, pick(), any::<bool>());
    let step = (pick(), pick(), 0u8..5, path(), owner(), time(), any::<bool>());
    prop_oneof![
        source_op().prop_map(Shape::Source),
        (
            prop::collection::vec(word(), 1..4),
            prop::collection::vec((word(), any_text()), 0..3),
            prop::collection::vec(mount, 0..5),
            prop::collection::vec(any::<i32>(), 0..3),
        )
            .prop_map(|(args, env, mounts, codes)| Shape::Exec {
                args,
                env,
                mounts,
                codes
            }),
        prop::collection::vec(step, 1..5).prop_map(|steps| Shape::File { steps }),
        prop::collection::vec(pick(), 1..4).prop_map(Shape::Merge),
        (prop::option::of(pick()), prop::option::of(pick())).prop_map(|(a, b)| Shape::Diff(a, b)),
        (pick(), path()).prop_map(|(input, path)| Shape::Build(input, path)),
    ]
}

fn make(shape: Shape, edges: &[Edge]) -> Op {
    let pick = |index: usize| edges[index % edges.len()];
    match shape {
        Shape::Source(op) => op,
        Shape::Exec {
            args,
            env,
            mounts,
            codes,
        } => {
            let mut list = vec![bind("/", Some(edges[edges.len() - 1]), true)];
            for (target, kind, input, flag) in mounts {
                let input = flag.then(|| pick(input));
                let kind = match kind {
                    0 => MountKind::Bind(BindMount {
                        input,
                        selector: target[1..].to_owned(),
                        read_only: !flag,
                        output: flag,
                    }),
                    1 => MountKind::Cache(CacheMount {
                        id: target.clone(),
                        input,
                        selector: String::new(),
                        sharing: CacheSharing::Private,
                        read_only: flag,
                    }),
                    2 => MountKind::Tmpfs(TmpfsMount {
                        size: flag.then_some(4096),
                    }),
                    3 => MountKind::Secret(SecretMount {
                        id: target.clone(),
                        ..SecretMount::default()
                    }),
                    _ => MountKind::Ssh(SecretMount {
                        uid: 9,
                        optional: flag,
                        ..SecretMount::default()
                    }),
                };
                list.push(Mount { target, kind });
            }
            Op::Exec(ExecOp {
                args,
                env,
                cwd: "/".into(),
                mounts: list,
                valid_exit_codes: codes,
                ..ExecOp::default()
            })
        }
        Shape::File { steps } => {
            let mut actions: Vec<FileAction> = Vec::new();
            for (base, src, kind, path, owner, timestamp, output) in steps {
                let before = actions.len();
                let input = |number: usize| match number % 3 {
                    0 => FileInput::Scratch,
                    1 if before > 0 => FileInput::Action((number % before) as u32),
                    _ => FileInput::Edge(pick(number)),
                };
                let kind = match kind {
                    0 => {
                        let mut kind = copy(input(src), &path, "/");
                        if let FileActionKind::Copy(copy) = &mut kind {
                            copy.owner = owner;
                            copy.timestamp = timestamp;
                            copy.mode = output.then_some(FileMode::Octal(0));
                        }
                        kind
                    }
                    1 => FileActionKind::Mkfile(MkfileAction {
                        data: path.clone().into_bytes(),
                        path,
                        mode: 0,
                        owner,
                        timestamp,
                    }),
                    2 => FileActionKind::Mkdir(MkdirAction {
                        path,
                        mode: 0o7777,
                        make_parents: output,
                        owner,
                        timestamp,
                    }),
                    3 => FileActionKind::Rm(RmAction {
                        path,
                        allow_not_found: output,
                        allow_wildcard: false,
                    }),
                    _ => FileActionKind::Symlink(SymlinkAction {
                        target: path.clone(),
                        path,
                        owner,
                        timestamp,
                    }),
                };
                actions.push(FileAction {
                    base: input(base),
                    kind,
                    output,
                });
            }
            if let Some(last) = actions.last_mut() {
                last.output = true;
            }
            Op::File(FileOp { actions })
        }
        Shape::Merge(inputs) => Op::Merge(MergeOp {
            inputs: inputs.into_iter().map(pick).collect(),
        }),
        Shape::Diff(lower, upper) => Op::Diff(DiffOp {
            lower: lower.map(pick),
            upper: upper.map(pick),
        }),
        Shape::Build(input, filename) => Op::Build(BuildOp {
            input: pick(input),
            filename,
        }),
    }
}

/// Valid graphs with their roots, in which no two vertices are equal.
pub(crate) fn graph() -> impl Strategy<Value = (Definition, Vec<Edge>)> {
    let said = (
        any_text(),
        prop::collection::btree_map(word(), any_text(), 0..3),
        any::<bool>(),
        any::<bool>(),
    );
    let ranges = prop::collection::vec((0u32..2, 1u32..9, 1u32..9, 0u32..9), 0..4);
    prop::collection::vec((shape(), said, ranges, prop::option::of(Just(linux()))), 1..12).prop_map(
        |shapes| {
            let mut definition = Definition::default();
            for name in ["a", "b"] {
                definition.sources.push(SourceFile {
                    name: name.into(),
                    language: "X".into(),
                    text: "ü\n".into(),
                });
            }
            definition.vertices.push(vertex(local("context")));
            let mut edges = vec![edge(0, 0)];
            for (shape, (name, description, ignore_cache, export), ranges, platform) in shapes {
                let op = make(shape, &edges);
                let index = definition.vertices.len() as u32;
                edges.extend((0..op.output_count()).map(|output| edge(index, output)));
                let metadata = Metadata {
                    name,
                    description,
                    ranges: ranges
                        .into_iter()
                        .map(|(file, line, column, more)| SourceRange {
                            file,
                            start: Position { line, column },
                            stop: Position {
                                line: line + more,
                                column,
                            },
                        })
                        .collect(),
                    ignore_cache,
                    export_cache: export.then_some(ignore_cache),
                    ..Metadata::default()
                };
                // The number makes each vertex different from the others.
                let constraints = vec![format!("number=={index}")];
                definition.vertices.push(Vertex {
                    op,
                    platform,
                    constraints,
                    metadata,
                });
            }
            let roots = edges.iter().rev().take(3).copied().collect();
            (definition, roots)
        },
    )
}
