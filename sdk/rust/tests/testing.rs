//! A frontend against the host in memory: what it is given, what is written down, and the defaults of the trait.

use lapstrake_sdk::testing::{MemoryHost, MemoryTree, request};
use lapstrake_sdk::types::*;
use lapstrake_sdk::{Frontend, Graph, Host, register};

/// A language in which a build file names a file of the context that holds the name of an image.
struct Indirect;

impl Frontend for Indirect {
    fn describe() -> FrontendInfo {
        FrontendInfo {
            name: "indirect".into(),
            ..Default::default()
        }
    }

    fn build(host: &dyn Host, request: Request) -> Result<BuildResult, BuildError> {
        let graph = Graph::new();
        let context = graph.local(MAIN_CONTEXT);
        let roots: Vec<Edge> = context.edge().into_iter().collect();
        let (definition, roots) = graph.definition(&roots);
        let trees = host.solve(&definition, &roots)?;
        let source = request.main_source()?;
        let file = graph.source_file(source);
        let text = trees[0].read_text(source.text.trim()).map_err(|error| {
            let range = lapstrake_sdk::LineIndex::new(&source.text).lines(file, 1, 1);
            let error = Diagnostic::error("NoFile", format!("{error:?}"))
                .at(range)
                .help("name another file");
            BuildError::invalid(vec![error], graph.source_files())
        })?;
        let wanted = ImageRequest {
            reference: text.trim().to_owned(),
            ..Default::default()
        };
        let image = host
            .resolve_image_config(wanted)
            .map_err(BuildError::HostFailed)?;
        host.log(LogLevel::Info, "found it");
        let root = graph.image(image.reference);
        let warning = Diagnostic::warning("Indirect", "say it directly");
        Ok(graph.finish(vec![BuiltImage::new(root.edge(), image.config)], vec![warning]))
    }
}

register!(Indirect);

fn host() -> MemoryHost {
    let config = ImageConfig::new(Platform::new("linux", "amd64"));
    let tree = MemoryTree::new()
        .file("/base", "debian\n")
        .file("sub/dir/file", [0xff])
        .file("sub.txt", "");
    MemoryHost::new()
        .image("debian", config)
        .context(MAIN_CONTEXT, tree)
}

#[test]
fn a_build_reads_and_resolves() {
    let host = host();
    let result = Indirect::build(&host, request("f", "base")).unwrap();
    let Op::Source(SourceOp::Image(image)) = &result.definition.vertices[0].op else {
        panic!()
    };
    assert!(
        image.reference.starts_with("debian@sha256:64656269616e00"),
        "{}",
        image.reference
    );
    let seen = host.seen();
    assert_eq!(seen.image_requests.len(), 1);
    assert_eq!(seen.solves.len(), 1);
    assert_eq!(seen.logs, [(LogLevel::Info, "found it".to_owned())]);
}

#[test]
fn errors_carry_their_place() {
    let error = Indirect::build(&host(), request("f", "nothing")).unwrap_err();
    let BuildError::Invalid(report) = error else {
        panic!("{error:?}")
    };
    assert!(report.has_errors());
    assert_eq!(report.sources[0].name, "f");
    assert_eq!(report.items[0].ranges[0].stop, Position { line: 1, column: 8 });
    assert_eq!(report.items[0].help.as_deref(), Some("name another file"));

    let error = Indirect::build(&MemoryHost::new(), request("f", "base")).unwrap_err();
    assert_eq!(
        error,
        BuildError::HostFailed("there is no context \"context\"".into())
    );
}

#[test]
fn what_a_frontend_leaves_out_is_answered() {
    let host = host();
    assert_eq!(
        Indirect::lint(&host, request("f", "base")).unwrap().items[0].code,
        "Indirect"
    );
    assert_eq!(
        Indirect::lint(&host, request("f", "nothing")).unwrap().items[0].code,
        "NoFile"
    );
    assert!(Indirect::lint(&MemoryHost::new(), request("f", "base")).is_err());
    assert!(matches!(
        Indirect::outline(&host, request("f", "")),
        Err(BuildError::Unsupported(_))
    ));
    assert!(matches!(
        Indirect::list_targets(&host, request("f", "")),
        Err(BuildError::Unsupported(_))
    ));
    let error = Indirect::call(&host, "sing", request("f", "")).unwrap_err();
    assert_eq!(error, BuildError::Unsupported("the call \"sing\"".into()));
    assert_eq!(Indirect::describe().name, "indirect");
}

#[test]
fn trees_answer_as_the_contract_says() {
    let graph = Graph::new();
    let (definition, roots) = graph.definition(&[graph.local(MAIN_CONTEXT).edge().unwrap()]);
    let host = host();
    let trees = host.solve(&definition, &roots).unwrap();
    let tree = &trees[0];
    let names = |entries: Vec<FileInfo>| entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>();
    assert_eq!(
        names(tree.read_dir("/", None).unwrap()),
        ["base", "sub", "sub.txt"]
    );
    assert_eq!(names(tree.read_dir("/", Some("s*")).unwrap()), ["sub", "sub.txt"]);
    assert_eq!(names(tree.read_dir("sub/", Some("???")).unwrap()), ["dir"]);
    assert_eq!(tree.read_dir("/base", None), Err(FileError::NotADirectory));
    assert_eq!(tree.read_dir("/none", None), Err(FileError::NotFound));
    assert_eq!(tree.read_text("/sub/dir/file"), Err(FileError::NotUtf8));
    assert_eq!(tree.read_text("/sub"), Err(FileError::NotAFile));
    assert_eq!(tree.read_text("/su"), Err(FileError::NotFound));
    let part = |offset, length| {
        tree.read_file("base", Some(ByteRange { offset, length }))
            .unwrap()
    };
    assert_eq!(
        (part(2, 3), part(5, 9), part(99, 1)),
        (b"bia".to_vec(), b"n\n".to_vec(), Vec::new())
    );
    assert_eq!(tree.stat("/sub").unwrap().kind, FileKind::Directory);
    assert_eq!(tree.stat("/base").unwrap().size, 7);
}

#[test]
fn the_host_solves_by_hand_what_a_test_says() {
    let graph = Graph::new();
    let ran = graph.scratch().run(["x"]).root();
    let (definition, roots) = graph.definition(&[ran.edge().unwrap()]);
    let failed = MemoryHost::new().solve(&definition, &roots);
    assert!(matches!(failed, Err(SolveError::Failed(_))));
    let host = MemoryHost::new().on_solve(|definition, root| {
        let Op::Exec(exec) = &definition.vertices[root.vertex as usize].op else {
            return None;
        };
        Some(Ok(MemoryTree::new().file("/args", exec.args.join(" "))))
    });
    assert_eq!(
        host.solve(&definition, &roots).unwrap()[0]
            .read_text("/args")
            .unwrap(),
        "x"
    );
}

#[test]
fn requests_answer_questions() {
    let mut request = request("f", "");
    assert_eq!(request.target_platforms(), [Platform::new("linux", "amd64")]);
    request.platforms = vec![Platform::new("linux", "arm64")];
    assert_eq!(request.target_platforms(), [Platform::new("linux", "arm64")]);
    request.options = vec![
        ("no-cache", "").into(),
        ("hostname", "a").into(),
        ("hostname", "b").into(),
    ];
    assert_eq!(request.option("no-cache"), Some(""));
    assert_eq!(request.option("hostname"), Some("b"));
    assert_eq!(request.option("target"), None);
    assert_eq!(request.build_arg("A"), None);
    assert_eq!(request.context, ContextSource::Local("context".into()));
    request.named_contexts.push(NamedContext {
        name: "x".into(),
        source: ContextSource::Target("y".into()),
    });
    assert_eq!(
        request.named_context("x"),
        Some(&ContextSource::Target("y".into()))
    );
}
