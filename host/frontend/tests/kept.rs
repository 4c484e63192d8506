//! What a kept result rests on: each part of the request, and each answer of each kind. No guest runs here.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use lapstrake_frontend::results::{Recorder, Trace, key};
use lapstrake_frontend::{
    ByteRange, ContextSource, FileError, FileInfo, FileKind, Gateway, ImageInfo, ImageRequest, LogLevel,
    NamedContext, Reference, Request, SolveError,
};
use lapstrake_llb::{
    Definition, Digest, Edge, ImageConfig, Platform, Report, ResolveMode, SourceFile, Timestamp,
};

fn platform(architecture: &str) -> Platform {
    Platform {
        os: "linux".to_owned(),
        architecture: architecture.to_owned(),
        variant: None,
        os_version: None,
        os_features: Vec::new(),
    }
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn request() -> Request {
    Request {
        sources: vec![source("Dockerfile", "FROM a")],
        target: Some("t".to_owned()),
        platforms: vec![platform("amd64")],
        build_platform: platform("amd64"),
        build_args: vec![pair("A", "b")],
        labels: vec![pair("l", "v")],
        context: ContextSource::Local("context".to_owned()),
        named_contexts: vec![named("n", "x")],
        options: vec![pair("o", "p")],
        source_date_epoch: None,
    }
}

fn source(name: &str, text: &str) -> SourceFile {
    SourceFile {
        name: name.to_owned(),
        language: "Dockerfile".to_owned(),
        text: text.to_owned(),
    }
}

fn named(name: &str, local: &str) -> NamedContext {
    NamedContext {
        name: name.to_owned(),
        source: ContextSource::Local(local.to_owned()),
    }
}

#[test]
fn every_part_of_the_request_is_in_the_key() {
    type Change = fn(&mut Request);
    let changes: [Change; 24] = [
        |r| r.sources[0].text.push(' '),
        |r| r.sources[0].name.push('2'),
        |r| r.sources.push(source(".dockerignore", "")),
        |r| r.sources.clear(),
        |r| r.target = None,
        |r| r.target = Some("u".to_owned()),
        |r| r.platforms.clear(),
        |r| r.platforms.push(platform("arm64")),
        |r| r.platforms[0].variant = Some("v8".to_owned()),
        |r| r.build_platform = platform("arm64"),
        |r| r.build_args[0].1 = "c".to_owned(),
        |r| r.build_args[0].0 = "B".to_owned(),
        |r| r.build_args.push(pair("A", "b")),
        |r| r.labels[0].1 = "w".to_owned(),
        |r| r.labels.clear(),
        |r| r.context = ContextSource::Local("other".to_owned()),
        |r| r.context = ContextSource::Image("context".to_owned()),
        |r| r.named_contexts[0].name = "m".to_owned(),
        |r| r.named_contexts[0].source = ContextSource::Target("x".to_owned()),
        |r| r.named_contexts.clear(),
        |r| r.options[0].1 = "q".to_owned(),
        |r| r.options.clear(),
        |r| {
            r.source_date_epoch = Some(Timestamp {
                seconds: 0,
                nanoseconds: 0,
            })
        },
        |r| {
            r.source_date_epoch = Some(Timestamp {
                seconds: 1,
                nanoseconds: 0,
            })
        },
    ];
    let component = Digest::of(b"component");
    let mut keys = vec![
        key(&component, "build", &request()).unwrap(),
        key(&Digest::of(b"another"), "build", &request()).unwrap(),
        key(&component, "lint", &request()).unwrap(),
    ];
    for change in changes {
        let mut request = request();
        change(&mut request);
        keys.push(key(&component, "build", &request).unwrap());
    }
    let count = keys.len();
    assert_eq!(key(&component, "build", &request()), Some(keys[0]));
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), count);
}

/// All that a gateway can say.
#[derive(Clone)]
struct Answers {
    images: Vec<Result<ImageInfo, String>>,
    solved: Result<usize, SolveError>,
    file: Result<Vec<u8>, FileError>,
    text: Result<String, FileError>,
    dir: Result<Vec<FileInfo>, FileError>,
    stat: Result<FileInfo, FileError>,
}

struct Scripted(Answers, Mutex<Vec<Report>>);

struct Tree(Answers);

impl Gateway for Scripted {
    fn resolve_image_configs(&self, _: Vec<ImageRequest>) -> Vec<Result<ImageInfo, String>> {
        self.0.images.clone()
    }

    fn solve(&self, _: Definition, _: Vec<Edge>) -> Result<Vec<Arc<dyn Reference>>, SolveError> {
        let tree = || Arc::new(Tree(self.0.clone())) as Arc<dyn Reference>;
        self.0
            .solved
            .clone()
            .map(|count| (0..count).map(|_| tree()).collect())
    }

    fn log(&self, _: LogLevel, _: &str) {}

    fn warn(&self, warnings: Report) {
        self.1.lock().unwrap().push(warnings);
    }
}

impl Reference for Tree {
    fn read_file(&self, _: &str, _: Option<ByteRange>) -> Result<Vec<u8>, FileError> {
        self.0.file.clone()
    }

    fn read_text(&self, _: &str) -> Result<String, FileError> {
        self.0.text.clone()
    }

    fn read_dir(&self, _: &str, _: Option<&str>) -> Result<Vec<FileInfo>, FileError> {
        self.0.dir.clone()
    }

    fn stat(&self, _: &str) -> Result<FileInfo, FileError> {
        self.0.stat.clone()
    }
}

fn info() -> FileInfo {
    FileInfo {
        name: "f".to_owned(),
        kind: FileKind::Regular,
        size: 3,
        mode: 0o644,
        uid: 1,
        gid: 2,
        link_target: None,
    }
}

fn answers() -> Answers {
    let config = ImageConfig {
        platform: platform("amd64"),
        env: vec![pair("PATH", "/bin")],
        entrypoint: None,
        cmd: Some(vec!["sh".to_owned()]),
        shell: None,
        working_dir: "/".to_owned(),
        user: String::new(),
        exposed_ports: Vec::new(),
        volumes: Vec::new(),
        labels: Vec::new(),
        annotations: Vec::new(),
        stop_signal: None,
        healthcheck: None,
        on_build: Vec::new(),
        author: None,
        created: None,
        history: Vec::new(),
        args_escaped: false,
    };
    let image = ImageInfo {
        reference: "i@d".to_owned(),
        digest: Digest::of(b"i"),
        config,
    };
    Answers {
        images: vec![Ok(image), Err("no such image".to_owned())],
        solved: Ok(1),
        file: Ok(b"data".to_vec()),
        text: Ok("text".to_owned()),
        dir: Ok(vec![info()]),
        stat: Ok(info()),
    }
}

fn gateway(answers: Answers) -> Arc<Scripted> {
    Arc::new(Scripted(answers, Mutex::default()))
}

/// Asks everything once.
fn trace(answers: Answers) -> Trace {
    let recorder = Recorder::new(gateway(answers));
    let image = ImageRequest {
        reference: "i".to_owned(),
        oci_layout_store: None,
        platform: None,
        mode: ResolveMode::Default,
    };
    recorder.resolve_image_configs(vec![image]);
    recorder.warn(Report::default());
    let solved = recorder.solve(Definition::default(), vec![Edge { vertex: 0, output: 0 }]);
    for tree in solved.into_iter().flatten() {
        let _ = tree.read_file("/f", Some(ByteRange { offset: 1, length: 2 }));
        let _ = tree.read_text("/f");
        let _ = tree.read_dir("/", Some("*"));
        let _ = tree.stat("/f");
    }
    recorder.trace()
}

fn ok<T, E>(result: &mut Result<T, E>) -> &mut T {
    result.as_mut().ok().unwrap()
}

#[test]
fn a_result_is_known_only_while_every_answer_of_every_kind_is_the_same() {
    type Change = fn(&mut Answers);
    let changes: [Change; 28] = [
        |a| ok(&mut a.images[0]).digest = Digest::of(b"j"),
        |a| ok(&mut a.images[0]).reference = "j@d".to_owned(),
        |a| ok(&mut a.images[0]).config.env.clear(),
        |a| ok(&mut a.images[0]).config.user = "u".to_owned(),
        |a| ok(&mut a.images[0]).config.platform = platform("arm64"),
        |a| ok(&mut a.images[0]).config.on_build.push("RUN x".to_owned()),
        |a| a.images[0] = Err("gone".to_owned()),
        |a| a.images[1] = Err("for another reason".to_owned()),
        |a| drop(a.images.pop()),
        |a| a.solved = Ok(2),
        |a| a.solved = Err(SolveError::Failed("it failed".to_owned())),
        |a| a.file = Ok(b"date".to_vec()),
        |a| a.file = Err(FileError::NotFound),
        |a| a.text = Ok("test".to_owned()),
        |a| a.text = Err(FileError::NotUtf8),
        |a| ok(&mut a.dir).clear(),
        |a| ok(&mut a.dir)[0].name = "g".to_owned(),
        |a| ok(&mut a.dir)[0].size = 4,
        |a| ok(&mut a.dir).push(info()),
        |a| a.dir = Err(FileError::NotADirectory),
        |a| ok(&mut a.stat).size = 4,
        |a| ok(&mut a.stat).mode = 0o755,
        |a| ok(&mut a.stat).kind = FileKind::Directory,
        |a| ok(&mut a.stat).uid = 9,
        |a| ok(&mut a.stat).gid = 9,
        |a| ok(&mut a.stat).link_target = Some("t".to_owned()),
        |a| a.stat = Err(FileError::NotFound),
        |a| a.stat = Err(FileError::Failed("worse".to_owned())),
    ];
    let known = trace(answers());
    assert_eq!(known.questions(), 6);
    let same = gateway(answers());
    assert!(known.replay(&*same));
    assert_eq!(same.1.lock().unwrap().len(), 1, "warnings are shown again");
    for (number, change) in changes.into_iter().enumerate() {
        let mut changed = answers();
        change(&mut changed);
        let gateway = gateway(changed.clone());
        assert!(!known.replay(&*gateway), "answer {number}");
        assert!(
            gateway.1.lock().unwrap().is_empty(),
            "nothing is shown of a result that is not taken"
        );
        // The other way round too: failures are answers.
        assert!(
            !trace(changed.clone()).replay(&*self::gateway(answers())),
            "answer {number}"
        );
        assert!(
            trace(changed.clone()).replay(&*self::gateway(changed)),
            "answer {number}"
        );
    }
}
