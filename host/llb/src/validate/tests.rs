//! What is accepted, and every rule broken once.

use proptest::prelude::*;

use super::*;
use crate::testing::{self, bind, copy, edge, image, linux, local, run, vertex};
use crate::*;

fn fails(definition: &Definition, roots: &[Edge]) -> String {
    validate(definition, roots, &Limits::default())
        .expect_err("invalid")
        .to_string()
}

fn one(op: Op) -> String {
    let definition = Definition {
        vertices: vec![vertex(local("context")), vertex(op)],
        sources: Vec::new(),
    };
    fails(&definition, &[])
}

fn exec(change: impl FnOnce(&mut ExecOp)) -> Op {
    let Op::Exec(mut exec) = run("true", edge(0, 0)) else {
        unreachable!()
    };
    change(&mut exec);
    Op::Exec(exec)
}

fn file(base: FileInput, kind: FileActionKind) -> Op {
    Op::File(FileOp {
        actions: vec![FileAction {
            base,
            kind,
            output: true,
        }],
    })
}

fn copying(change: impl FnOnce(&mut CopyAction)) -> Op {
    let mut kind = copy(FileInput::Scratch, "/a", "/b");
    if let FileActionKind::Copy(copy) = &mut kind {
        change(copy);
    }
    file(FileInput::Scratch, kind)
}

#[test]
fn everything_is_valid() {
    let (definition, roots) = testing::everything();
    validate(&definition, &roots, &Limits::default()).unwrap();
    validate(&Definition::default(), &[], &Limits::default()).unwrap();
}

#[test]
fn edges() {
    let forward = Definition {
        vertices: vec![vertex(run("x", edge(0, 0)))],
        sources: Vec::new(),
    };
    assert_eq!(
        fails(&forward, &[]),
        "vertex 0 (exec): mounts[0].input: names vertex 0, which is not before it (an edge refers to a smaller index)"
    );
    assert!(one(run("x", edge(7, 0))).contains("names vertex 7, but there are 2 vertices"));
    assert!(one(run("x", edge(0, 1))).contains("names output 1 of vertex 0, which has 1"));
    assert!(
        one(Op::Merge(MergeOp {
            inputs: vec![edge(1, 0)]
        }))
        .contains("inputs[0]: names vertex 1")
    );
    assert!(
        one(Op::Diff(DiffOp {
            lower: None,
            upper: Some(edge(2, 0))
        }))
        .contains("upper")
    );
    assert!(
        one(Op::Build(BuildOp {
            input: edge(2, 0),
            filename: String::new()
        }))
        .contains("input")
    );
    assert!(
        one(file(
            FileInput::Edge(edge(3, 0)),
            copy(FileInput::Scratch, "/a", "/b")
        ))
        .contains("actions[0].base")
    );
    assert!(one(file(FileInput::Action(0), copy(FileInput::Scratch, "/a", "/b"))).contains("names action 0"));
    let valid = Definition {
        vertices: vec![vertex(local("a"))],
        sources: Vec::new(),
    };
    assert!(fails(&valid, &[edge(0, 0), edge(1, 0)]).starts_with("root 1: names vertex 1"));
    assert!(fails(&valid, &[edge(0, 1)]).starts_with("root 0: names output 1"));
}

#[test]
fn names_and_kinds_are_said() {
    let mut bad = vertex(exec(|exec| exec.args.clear()));
    bad.metadata.name = "RUN \"x\"".into();
    let definition = Definition {
        vertices: vec![vertex(local("context")), bad],
        sources: Vec::new(),
    };
    assert_eq!(
        fails(&definition, &[]),
        "vertex 1 (exec \"RUN \\\"x\\\"\"): args: is empty"
    );
}

#[test]
fn execs() {
    let mount = |target: &str| bind(target, None, false);
    for (op, expected) in [
        (exec(|e| e.args = vec![String::new()]), "args: is empty"),
        (exec(|e| e.args.push("a\0b".into())), "args: has a NUL byte"),
        (exec(|e| e.mounts.clear()), "mounts: 0 mounts have the target `/`"),
        (
            exec(|e| e.mounts.push(mount("/"))),
            "mounts: 2 mounts have the target `/`",
        ),
        (
            exec(|e| e.mounts[0].kind = MountKind::Tmpfs(TmpfsMount { size: None })),
            "mounts: the mount with the target `/` is not a bind mount",
        ),
        (
            exec(|e| e.mounts.push(mount("a"))),
            "mounts[1].target: path \"a\" is not absolute",
        ),
        (
            exec(|e| e.mounts.push(mount("/a/../b"))),
            "mounts[1].target: path \"/a/../b\" has a `..` component",
        ),
        (exec(|e| e.mounts.push(mount("/a//b"))), "is not clean"),
        (exec(|e| e.mounts.push(mount("/a/./b"))), "is not clean"),
        (
            exec(|e| e.mounts.push(mount(&format!("/{}", "a".repeat(256))))),
            "component of 256 bytes, more than 255",
        ),
        (
            exec(|e| e.mounts.push(mount(&"/a".repeat(2049)))),
            "is 4098 bytes long, more than 4096",
        ),
        (
            exec(|e| {
                e.mounts.push(Mount {
                    target: "/x".into(),
                    kind: MountKind::Bind(BindMount {
                        selector: "a/..".into(),
                        ..BindMount::default()
                    }),
                })
            }),
            "mounts[1].selector",
        ),
        (
            exec(|e| {
                e.mounts.push(Mount {
                    target: "/x".into(),
                    kind: MountKind::Cache(CacheMount::default()),
                })
            }),
            "mounts[1].id: is empty",
        ),
        (
            exec(|e| {
                let secret = SecretMount {
                    id: "s".into(),
                    mode: 0o10000,
                    ..SecretMount::default()
                };
                e.mounts.push(Mount {
                    target: "/x".into(),
                    kind: MountKind::Secret(secret),
                })
            }),
            "4096 is not in the range from 0 to 4095",
        ),
        (exec(|e| e.cwd = "a".into()), "cwd: path \"a\" is not absolute"),
        (exec(|e| e.cwd.clear()), "cwd: is empty"),
        (exec(|e| e.env.push(("A=B".into(), String::new()))), "env[0]"),
        (
            exec(|e| e.env.push((String::new(), String::new()))),
            "env[0]: is empty",
        ),
        (exec(|e| e.hostname = Some("a b".into())), "hostname"),
        (exec(|e| e.cgroup_parent = Some("/../x".into())), "cgroup_parent"),
        (
            exec(|e| {
                e.extra_hosts.push(HostIp {
                    host: "a".into(),
                    ip: "1.2.3".into(),
                })
            }),
            "not an IP address",
        ),
        (
            exec(|e| {
                e.ulimits.push(Ulimit {
                    name: "NoFile".into(),
                    soft: None,
                    hard: None,
                })
            }),
            "ulimits[0].name",
        ),
        (
            exec(|e| {
                e.ulimits.push(Ulimit {
                    name: "nofile".into(),
                    soft: Some(u64::MAX),
                    hard: None,
                })
            }),
            "ulimits[0]",
        ),
        (
            exec(|e| {
                e.devices.push(CdiDevice {
                    name: String::new(),
                    optional: true,
                })
            }),
            "devices[0]",
        ),
        (
            exec(|e| e.valid_exit_codes = vec![0; 20_000]),
            "20000 entries, more than 10000",
        ),
    ] {
        let found = one(op);
        assert!(found.contains(expected), "{found}\n{expected}");
    }
}

#[test]
fn files() {
    let mkfile = |path: &str, mode, timestamp| {
        let kind = MkfileAction {
            path: path.into(),
            data: Vec::new(),
            mode,
            owner: None,
            timestamp,
        };
        file(FileInput::Scratch, FileActionKind::Mkfile(kind))
    };
    let name = |name: &str| {
        Some(Chown {
            user: Some(UserRef::Name(name.into())),
            group: None,
        })
    };
    for (op, expected) in [
        (Op::File(FileOp { actions: Vec::new() }), "actions: is empty"),
        (
            copying(|c| c.src_path = "a".into()),
            "actions[0].src_path: path \"a\" is not absolute",
        ),
        (copying(|c| c.src_path = "/../a".into()), "src_path"),
        (copying(|c| c.dst_path = "/a/..".into()), "dst_path"),
        (
            copying(|c| c.dst_path = "/a\0".into()),
            "dst_path: has a NUL byte",
        ),
        (
            copying(|c| (c.src_path, c.allow_wildcard) = ("/[".into(), true)),
            "has a `[` without its `]`",
        ),
        (
            copying(|c| c.include_patterns = vec!["[".into()]),
            "include_patterns",
        ),
        (
            copying(|c| c.exclude_patterns = vec!["!".into()]),
            "exclude_patterns",
        ),
        (
            copying(|c| c.required_paths = vec!["../x".into()]),
            "required_paths",
        ),
        (copying(|c| c.mode = Some(FileMode::Octal(0o17777))), "mode"),
        (
            copying(|c| c.mode = Some(FileMode::Symbolic("u=rwq".into()))),
            "not a symbolic mode",
        ),
        (copying(|c| c.owner = name("a:b")), "owner"),
        (copying(|c| c.owner = name("")), "owner: is empty"),
        (mkfile("/a/", 0, None), "path"),
        (mkfile("/a", u32::MAX, None), "mode"),
        (
            mkfile(
                "/a",
                0,
                Some(Timestamp {
                    seconds: 0,
                    nanoseconds: 1_000_000_000,
                }),
            ),
            "timestamp",
        ),
        (
            mkfile(
                "/a",
                0,
                Some(Timestamp {
                    seconds: i64::MAX,
                    nanoseconds: 0,
                }),
            ),
            "timestamp",
        ),
        (
            mkfile(
                "/a",
                0,
                Some(Timestamp {
                    seconds: -1,
                    nanoseconds: 999_999_999,
                }),
            ),
            "timestamp",
        ),
    ] {
        let found = one(op);
        assert!(found.contains(expected), "{found}\n{expected}");
    }
    for good in ["/", "/a/", "/a/.", "/.", "/a b/…"] {
        let op = copying(|c| c.dst_path = good.into());
        validate(
            &Definition {
                vertices: vec![vertex(op)],
                sources: Vec::new(),
            },
            &[],
            &Limits::default(),
        )
        .unwrap();
    }
}

#[test]
fn sources() {
    let http = |change: fn(&mut HttpSource)| {
        let mut source = HttpSource {
            url: "https://example.com/x".into(),
            ..HttpSource::default()
        };
        change(&mut source);
        Op::Source(SourceOp::Http(source))
    };
    let git = |change: fn(&mut GitSource)| {
        let mut source = GitSource {
            remote: "https://example.com/x".into(),
            ..GitSource::default()
        };
        change(&mut source);
        Op::Source(SourceOp::Git(source))
    };
    for (op, expected) in [
        (image(""), "reference: is empty"),
        (image("a b"), "not an image reference"),
        (image("Upper/case"), "not an image reference"),
        (image("a@sha256:12"), "not a digest"),
        (image("a:.tag"), "not an image reference"),
        (image("a//b"), "not an image reference"),
        (local(""), "name: is empty"),
        (http(|h| h.url = "ftp://x".into()), "url"),
        (http(|h| h.url = "https:///x".into()), "url"),
        (http(|h| h.checksum = Some("md5:1".into())), "checksum"),
        (http(|h| h.filename = Some("../x".into())), "filename"),
        (
            http(|h| h.headers = vec![("a b".into(), String::new())]),
            "headers[0]",
        ),
        (
            http(|h| h.headers = vec![("a".into(), "x\r\ny".into())]),
            "headers[0]",
        ),
        (git(|g| g.remote = "--upload-pack=x".into()), "remote"),
        (git(|g| g.git_ref = "-x".into()), "git_ref"),
        (git(|g| g.git_ref = "a..b".into()), "git_ref"),
        (git(|g| g.subdir = "../x".into()), "subdir"),
        (git(|g| g.checksum = Some("xyz".into())), "checksum"),
    ] {
        let found = one(op);
        assert!(found.contains(expected), "{found}\n{expected}");
    }
    for good in [
        "alpine",
        "alpine:3.20_x",
        "localhost:5000/a/b-c__d:T",
        "Registry.Example.com/a",
        "[::1]:5000/a",
        &format!("a/b:t@{}", Digest::of(b"")),
    ] {
        let definition = Definition {
            vertices: vec![vertex(image(good))],
            sources: Vec::new(),
        };
        validate(&definition, &[edge(0, 0)], &Limits::default()).unwrap();
    }
}

#[test]
fn metadata_and_sizes() {
    let mut marked = vertex(local("a"));
    let at = |line, column| Position { line, column };
    marked.metadata.ranges.push(SourceRange {
        file: 1,
        start: at(1, 1),
        stop: at(1, 1),
    });
    let mut definition = Definition {
        vertices: vec![marked],
        sources: vec![SourceFile {
            name: "f".into(),
            language: String::new(),
            text: String::new(),
        }],
    };
    assert!(fails(&definition, &[]).contains("ranges[0]: 1 is not in the range from 0 to 0"));
    definition.vertices[0].metadata.ranges[0] = SourceRange {
        file: 0,
        start: at(2, 1),
        stop: at(1, 9),
    };
    assert!(fails(&definition, &[]).contains("ranges[0]: ends before it starts"));
    definition.vertices[0].metadata.ranges[0] = SourceRange {
        file: 0,
        start: at(0, 1),
        stop: at(1, 1),
    };
    assert!(fails(&definition, &[]).contains("ranges[0]: 0 is not in the range"));
    definition.vertices[0].metadata.ranges.clear();
    definition.vertices[0].platform = Some(Platform {
        os: "li nux".into(),
        ..linux()
    });
    assert!(fails(&definition, &[]).contains("platform"));
    definition.vertices[0].platform = None;
    definition.vertices[0].metadata.resources = Some(LinuxResources {
        cpuset_cpus: Some("0-".into()),
        ..LinuxResources::default()
    });
    assert!(fails(&definition, &[]).contains("resources.cpuset_cpus"));
    definition.vertices[0].metadata.resources = None;
    definition.sources[0].name = "a\0".into();
    assert_eq!(fails(&definition, &[]), "source file 0: has a NUL byte");

    let small = Limits {
        vertices: 1,
        total_text: 1000,
        roots: 1,
        source_files: 0,
        ..Limits::default()
    };
    let error = |definition: &Definition, roots: &[Edge]| {
        validate(definition, roots, &small)
            .expect_err("too large")
            .to_string()
    };
    assert_eq!(
        error(&definition, &[]),
        "the graph has 1 source files, more than 0"
    );
    definition.sources.clear();
    assert_eq!(
        error(&definition, &[edge(0, 0); 2]),
        "the graph has 2 roots, more than 1"
    );
    definition.vertices.push(vertex(local("b")));
    assert_eq!(error(&definition, &[]), "the graph has 2 vertices, more than 1");
    definition.vertices.pop();
    definition.vertices[0]
        .metadata
        .description
        .insert("k".into(), "v".repeat(1000));
    assert!(error(&definition, &[]).contains("bytes of text, more than 1000"));
}

#[test]
fn hostile_sizes_are_refused_fast() {
    // Only the counting may look at all of it.
    let million = Definition {
        vertices: vec![vertex(local("a")); 1_000_000],
        sources: Vec::new(),
    };
    assert!(fails(&million, &[]).contains("1000000 vertices, more than 100000"));
    let empty = exec(|e| e.args = vec![String::new(); 9_000_000]);
    assert!(one(empty).contains("bytes of text"));
    // An op with the most edges there may be takes time in proportion to them.
    let mut vertices = vec![vertex(local("a")); 9_999];
    vertices.push(vertex(Op::Merge(MergeOp {
        inputs: (0..9_999).map(|v| edge(v, 0)).collect(),
    })));
    assert_eq!(vertices[9_999].op.inputs().len(), 9_999);
    validate(
        &Definition {
            vertices,
            sources: Vec::new(),
        },
        &[],
        &Limits::default(),
    )
    .unwrap();
}

proptest! {
    #[test]
    fn made_graphs_are_valid((definition, roots) in testing::graph()) {
        prop_assert_eq!(validate(&definition, &roots, &Limits::default()), Ok(()));
    }
}
