//! One component for every way in which a frontend can misbehave and still be a frontend: `request.target` names the way,
//! options give sizes. README.md beside this crate lists the ways. Does nothing that a real frontend should.

mod aliased;

use lapstrake_sdk::types::*;
use lapstrake_sdk::{Frontend, Graph, Host, Reference, State, register};

/// The frontend.
pub struct Guest;

impl Frontend for Guest {
    fn describe() -> FrontendInfo {
        FrontendInfo {
            name: "guest".into(),
            version: "0.1.0".into(),
            ..FrontendInfo::default()
        }
    }

    fn build(host: &dyn Host, request: Request) -> Result<BuildResult, BuildError> {
        let way = request.target.clone().unwrap_or_default();
        match way.as_str() {
            "good" => Ok(graph_of(vec![scratch_file("/hello.txt")])),
            "echo" => Ok(labelled(&request, "request", format!("{request:?}"))),
            "read" => read(host, &request),
            "fetch" => fetch(host, &request),
            "tell" => tell(host, &request),
            "hostile-texts" => Ok(hostile_texts(host)),
            "graph" => Ok(graph_of_file(&request)),
            "resolve" => resolve(host, &request),
            "nested" => nested(host, request),
            "nested-for-ever" => host.build_file(Some("./own.wasm"), &request),

            "trap" => std::process::abort(),
            "panic" => panic!("this guest panics when it is told to"),
            "loop" => endless(),
            "recurse" => Err(BuildError::Internal(recurse(1).to_string())),
            "allocate" => allocate(),
            "log" => loop {
                host.log(LogLevel::Info, "again");
            },
            "log-much" => {
                host.log(LogLevel::Info, &"x".repeat(number(&request, "size", 1 << 30)));
                Ok(graph_of(Vec::new()))
            }
            "warn" => loop {
                host.warn(&report());
            },
            "solve" => solve(host, number(&request, "count", 1_000_000)),
            "resolve-many" => resolve_many(host, number(&request, "count", 1_000_000)),

            "error-invalid" => Err(BuildError::Invalid(report())),
            "error-unknown-target" => Err(BuildError::UnknownTarget("harbour".into())),
            "error-host-failed" => Err(BuildError::HostFailed("the harbour is closed".into())),
            "error-unsupported" => Err(BuildError::Unsupported("anchors".into())),
            "error-internal" => Err(BuildError::Internal("the mast broke".into())),
            "error-bad-range" => {
                let mut report = report();
                report.sources.clear();
                Err(BuildError::Invalid(report))
            }

            "vertices" => {
                let count = number(&request, "count", 1_000_000);
                Ok(graph_of(
                    (0..count)
                        .map(|number| scratch_file(&format!("/{number}")))
                        .collect(),
                ))
            }
            "text" => {
                let mut vertex = scratch_file("/hello.txt");
                vertex.name = "x".repeat(number(&request, "size", 1 << 30));
                Ok(graph_of(vec![vertex]))
            }
            "aliased-text" => Ok(graph_of(aliased::vertices(number(&request, "size", 1 << 30)))),
            _ => graph(&way).map(graph_of).ok_or(BuildError::UnknownTarget(way)),
        }
    }

    fn completions(
        _: &dyn Host,
        request: Request,
        file: u32,
        at: Position,
    ) -> Result<Vec<Completion>, BuildError> {
        if request.target.as_deref() == Some("trap") {
            std::process::abort();
        }
        Ok(vec![Completion {
            label: format!("{file}:{}:{}", at.line, at.column),
            kind: CompletionKind::File,
            detail: String::new(),
            documentation: String::new(),
            edit: None,
        }])
    }

    fn hover(_: &dyn Host, request: Request, file: u32, at: Position) -> Result<Option<Hover>, BuildError> {
        let text = format!("{} of {file}: {}", at.column, request.main_source()?.text);
        Ok(Some(Hover { text, range: None }))
    }
}

register!(Guest, own allocator);

/// Solves a step that writes a build file of option `from`, and builds that.
fn nested(host: &dyn Host, mut request: Request) -> Result<BuildResult, BuildError> {
    let graph = Graph::new();
    let text = format!(
        "FROM {}\nCOPY made /\n",
        said(&request, "from").unwrap_or("scratch")
    );
    let written = graph.scratch().file().write("/Dockerfile", text).done();
    host.progress("writing build files", 1, Some(2));
    let edges: Vec<Edge> = written.edge().into_iter().collect();
    let (definition, roots) = graph.definition(&edges);
    let tree = host.solve(&definition, &roots)?.remove(0);
    host.progress("writing build files", 2, Some(2));
    request.sources[0].text = tree
        .read_text("/Dockerfile")
        .map_err(|error| BuildError::HostFailed(format!("{error:?}")))?;
    request.target = None;
    host.build_file(None, &request)
}

/// The graphs that the host must refuse.
fn graph(way: &str) -> Option<Vec<Vertex>> {
    let edge = |vertex, output| Some(Edge { vertex, output });
    let file = || scratch_file("/hello.txt");
    Some(match way {
        "self-edge" => vec![merge(&[0, 0])],
        "forward-edge" => vec![merge(&[1, 1]), file()],
        "cycle" => vec![merge(&[1, 1]), merge(&[0, 0])],
        "dangling-edge" => vec![file(), merge(&[0, 7])],
        "output-out-of-range" => vec![file(), exec(edge(0, 3), "/", "/hello.txt")],
        "relative-mount" => vec![file(), exec(edge(0, 0), "/", "hello.txt")],
        "dotted-mount" => vec![file(), exec(edge(0, 0), "/", "/a/../../etc")],
        "no-root-mount" => vec![file(), exec(edge(0, 0), "/mnt", "/hello.txt")],
        "two-root-mounts" => vec![file(), exec(edge(0, 0), "/", "/")],
        "nul-in-path" => vec![scratch_file("/hello\0.txt")],
        "relative-path" => vec![scratch_file("hello.txt")],
        "no-actions" => vec![Vertex::new(Op::File(Vec::new()), None)],
        "no-arguments" => {
            let mut vertex = exec(None, "/", "/mnt");
            if let Op::Exec(exec) = &mut vertex.op {
                exec.args.clear();
            }
            vec![vertex]
        }
        "later-action" => {
            let mut vertex = file();
            if let Op::File(actions) = &mut vertex.op {
                actions[0].base = FileInput::Action(5);
            }
            vec![vertex]
        }
        "bad-range" => {
            let mut vertex = file();
            let at = Position { line: 9, column: 9 };
            vertex.ranges = vec![SourceRange {
                file: 3,
                start: at,
                stop: at,
            }];
            vec![vertex]
        }
        _ => return None,
    })
}

/// A result of these vertices, with the last one as the image.
fn graph_of(vertices: Vec<Vertex>) -> BuildResult {
    let root = (vertices.len() as u32)
        .checked_sub(1)
        .map(|vertex| Edge { vertex, output: 0 });
    let image = BuiltImage::new(root, ImageConfig::new(Platform::new("linux", "amd64")));
    let definition = Definition {
        vertices,
        sources: Vec::new(),
    };
    BuildResult {
        definition,
        images: vec![image],
        warnings: Report::default(),
    }
}

fn labelled(request: &Request, key: &str, value: String) -> BuildResult {
    let mut config = ImageConfig::new(request.build_platform.clone());
    config.set_label(key, value);
    Graph::new().finish(vec![BuiltImage::new(None, config)], Vec::new())
}

fn scratch_file(path: &str) -> Vertex {
    let file = MkfileAction {
        path: path.to_owned(),
        data: b"hello\n".to_vec(),
        mode: 0o644,
        ..Default::default()
    };
    let action = FileAction {
        base: FileInput::Scratch,
        kind: FileActionKind::Mkfile(file),
        output: true,
    };
    Vertex::new(Op::File(vec![action]), None)
}

fn merge(inputs: &[u32]) -> Vertex {
    let edges = inputs.iter().map(|&vertex| Edge { vertex, output: 0 }).collect();
    Vertex::new(Op::Merge(edges), None)
}

fn exec(input: Option<Edge>, first: &str, second: &str) -> Vertex {
    let mount = |target: &str| Mount {
        target: target.to_owned(),
        kind: MountKind::Bind(BindMount {
            input,
            output: true,
            ..Default::default()
        }),
    };
    let mounts = vec![mount(first), mount(second)];
    Vertex::new(
        Op::Exec(ExecOp {
            args: vec!["/bin/true".into()],
            cwd: "/".into(),
            mounts,
            ..Default::default()
        }),
        None,
    )
}

fn report() -> Report {
    let source = SourceFile {
        name: "guest.txt".into(),
        language: "guest".into(),
        text: "one\ntwo\nthree\n".into(),
    };
    let range = SourceRange {
        file: 0,
        start: Position { line: 2, column: 1 },
        stop: Position { line: 2, column: 4 },
    };
    let item = Diagnostic::error("TwoIsWrong", "two is wrong")
        .at(range)
        .help("write three");
    Report::new(vec![item], vec![source])
}

/// An option of the request, which a person gives as a build argument.
fn said<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.option(name).or_else(|| request.build_arg(name))
}

fn number(request: &Request, option: &str, default: usize) -> usize {
    said(request, option)
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// Never ends, and calls nothing that the host could stop.
fn endless() -> ! {
    let mut count = 0u32;
    loop {
        count = std::hint::black_box(count.wrapping_add(1));
    }
}

/// Never ends either, and needs ever more stack.
#[allow(unconditional_recursion)]
fn recurse(depth: u64) -> u64 {
    let local = std::hint::black_box([depth; 32]);
    local[7] + std::hint::black_box(recurse(depth.wrapping_add(1)))
}

fn allocate() -> ! {
    let mut kept = Vec::new();
    loop {
        kept.push(std::hint::black_box(vec![1u8; 1 << 20]));
    }
}

/// Solves a small graph again and again, and keeps every tree.
fn solve(host: &dyn Host, count: usize) -> Result<BuildResult, BuildError> {
    let mut kept: Vec<Box<dyn Reference>> = Vec::new();
    for number in 0..count {
        let vertices = vec![scratch_file(&format!("/{number}"))];
        let definition = Definition {
            vertices,
            sources: Vec::new(),
        };
        kept.extend(host.solve(&definition, &[Edge { vertex: 0, output: 0 }])?);
    }
    Ok(graph_of(Vec::new()))
}

/// Asks for many images at once.
fn resolve_many(host: &dyn Host, count: usize) -> Result<BuildResult, BuildError> {
    let request = |number| ImageRequest {
        reference: format!("harbour/{number}"),
        ..Default::default()
    };
    let requests: Vec<ImageRequest> = (0..count).map(request).collect();
    let failed = host
        .resolve_image_configs(&requests)
        .into_iter()
        .filter(Result::is_err)
        .count();
    Err(BuildError::HostFailed(format!(
        "{failed} of {count} images are not there"
    )))
}

/// Solves the main context and shows what is in it: the file of option `path` as label `text`, with `part` only some bytes, of
/// option `dir` the names, with `pattern` only some.
fn read(host: &dyn Host, request: &Request) -> Result<BuildResult, BuildError> {
    let tree = solved(host, |graph| graph.local(MAIN_CONTEXT))?;
    let failed = |error: FileError| BuildError::HostFailed(format!("{error:?}"));
    let part = said(request, "part").and_then(|part| part.split_once(':'));
    let part = part.and_then(|(offset, length)| Some((offset.parse().ok()?, length.parse().ok()?)));
    let text = match (said(request, "path"), part) {
        (Some(path), Some((offset, length))) => {
            let data = tree.read_file(path, Some(ByteRange { offset, length }));
            String::from_utf8_lossy(&data.map_err(failed)?).into_owned()
        }
        (Some(path), None) => format!(
            "{:?} {:?}",
            tree.stat(path).map_err(failed)?,
            tree.read_text(path).map_err(failed)?
        ),
        (None, _) => {
            let dir = said(request, "dir").unwrap_or("/");
            let found = tree.read_dir(dir, said(request, "pattern")).map_err(failed)?;
            format!("{found:?}")
        }
    };
    Ok(labelled(request, "text", text))
}

/// Solves a file by HTTP, of option `url`, and shows what is in it as label `text`.
fn fetch(host: &dyn Host, request: &Request) -> Result<BuildResult, BuildError> {
    let url = said(request, "url").unwrap_or_default();
    let file = HttpSource {
        url: url.to_owned(),
        ..Default::default()
    };
    let tree = solved(host, |graph| graph.source(SourceOp::Http(file.clone()), None))?;
    let files = tree.read_dir("/", None);
    let name = files.ok().and_then(|files| Some(files.first()?.name.clone()));
    let text = tree.read_text(&format!("/{}", name.unwrap_or_default()));
    let text = text.map_err(|error| BuildError::HostFailed(format!("{error:?}")))?;
    Ok(labelled(request, "text", text))
}

fn solved(host: &dyn Host, root: impl Fn(&Graph) -> State) -> Result<Box<dyn Reference>, BuildError> {
    let graph = Graph::new();
    let roots: Vec<Edge> = root(&graph).edge().into_iter().collect();
    let (definition, roots) = graph.definition(&roots);
    let mut trees = host.solve(&definition, &roots)?.into_iter();
    trees
        .next()
        .ok_or(BuildError::Internal("no tree for one root".into()))
}

/// Says one thing in every way that a person is told.
fn tell(host: &dyn Host, request: &Request) -> Result<BuildResult, BuildError> {
    host.log(LogLevel::Debug, "sounding the depth");
    host.log(LogLevel::Info, "all hands on deck");
    host.log(LogLevel::Warn, "fog ahead");
    host.warn(&report());
    host.progress("hoisting sails", 1, Some(2));
    host.progress("hoisting sails", 2, Some(2));
    Ok(labelled(request, "told", "all".to_owned()))
}

/// Control characters wherever a text is shown to a person, and lines that look like the host's.
fn hostile_texts(host: &dyn Host) -> BuildResult {
    const TEXT: &str = "\x1b[2J\x1b]0;mine\x07\rdone\nerror: faked\u{9b}31m";
    host.log(LogLevel::Warn, TEXT);
    host.progress(TEXT, 1, Some(1));
    let mut report = report();
    for item in &mut report.items {
        item.severity = Severity::Warning;
        item.message = TEXT.into();
        item.code = TEXT.into();
    }
    for source in &mut report.sources {
        source.name = TEXT.into();
        source.text = format!("one\n{}\nthree\n", TEXT.replace('\n', " "));
    }
    host.warn(&report);
    let mut vertex = scratch_file("/hello.txt");
    vertex.name = TEXT.into();
    graph_of(vec![vertex])
}

/// A step that builds the graph in the file of option `path` of the main context.
fn graph_of_file(request: &Request) -> BuildResult {
    let filename = said(request, "path").unwrap_or_default().to_owned();
    let local = LocalSource {
        name: MAIN_CONTEXT.to_owned(),
        ..Default::default()
    };
    let input = Edge { vertex: 0, output: 0 };
    let ops = [
        Op::Source(SourceOp::Local(local)),
        Op::Build(BuildOp { input, filename }),
    ];
    graph_of(ops.map(|op| Vertex::new(op, None)).into())
}

/// Looks the images of option `image` up, all at once; the answers are label `image`, in their order.
fn resolve(host: &dyn Host, request: &Request) -> Result<BuildResult, BuildError> {
    let references = said(request, "image").unwrap_or_default().split(',');
    let wanted: Vec<ImageRequest> = references
        .map(|reference| ImageRequest {
            reference: reference.to_owned(),
            platform: Some(request.build_platform.clone()),
            ..Default::default()
        })
        .collect();
    let images: Result<Vec<_>, _> = host.resolve_image_configs(&wanted).into_iter().collect();
    let images = images.map_err(BuildError::HostFailed)?;
    let text: Vec<String> = images.iter().map(|image| format!("{image:?}")).collect();
    Ok(labelled(request, "image", text.join("\n")))
}
