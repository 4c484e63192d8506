//! Generated Dockerfiles in the compiled component, each in an instance of its own: none makes it trap, none uses up a
//! small part of the usual fuel, and every finding that comes out has its place in the text.
#![allow(clippy::unwrap_used)]

#[path = "../../../frontends/dockerfile/tests/support/generate.rs"]
mod generate;

use std::sync::Arc;

use generate::{dockerfile, long_texts};
use lapstrake_frontend::{
    ByteRange, Cancel, ContextSource, FileError, FileInfo, FrontendError, FrontendSource, Frontends, Gateway,
    ImageInfo, ImageRequest, Limits, LogLevel, Reference, Request, SolveError, built_in,
};
use lapstrake_llb::{Definition, Diagnostic, Digest, Edge, ImageConfig, Platform, Report, SourceFile};

/// A fortieth of what a frontend may use. The largest of the generated files needs a third of it.
const FUEL: u64 = 500_000_000;

/// How many files. A debug build converts the answers too slowly for all of them.
const COUNT: u64 = if cfg!(debug_assertions) { 1_000 } else { 10_000 };

/// Knows every image; every tree is empty.
struct Images;

struct Empty;

impl Reference for Empty {
    fn read_file(&self, _: &str, _: Option<ByteRange>) -> Result<Vec<u8>, FileError> {
        Err(FileError::NotFound)
    }

    fn read_text(&self, _: &str) -> Result<String, FileError> {
        Err(FileError::NotFound)
    }

    fn read_dir(&self, _: &str, _: Option<&str>) -> Result<Vec<FileInfo>, FileError> {
        Ok(Vec::new())
    }

    fn stat(&self, _: &str) -> Result<FileInfo, FileError> {
        Err(FileError::NotFound)
    }
}

impl Gateway for Images {
    fn resolve_image_configs(&self, requests: Vec<ImageRequest>) -> Vec<Result<ImageInfo, String>> {
        let answer = |request: ImageRequest| {
            let digest = Digest::of(request.reference.as_bytes());
            Ok(ImageInfo {
                reference: format!("{}@{digest}", request.reference),
                digest,
                config: config(),
            })
        };
        requests.into_iter().map(answer).collect()
    }

    fn solve(&self, _: Definition, roots: Vec<Edge>) -> Result<Vec<Arc<dyn Reference>>, SolveError> {
        let empty = |_| Arc::new(Empty) as Arc<dyn Reference>;
        Ok(roots.iter().map(empty).collect())
    }

    fn log(&self, _: LogLevel, _: &str) {}

    fn warn(&self, _: Report) {}
}

fn platform() -> Platform {
    Platform {
        os: "linux".to_owned(),
        architecture: "amd64".to_owned(),
        variant: None,
        os_version: None,
        os_features: Vec::new(),
    }
}

fn config() -> ImageConfig {
    ImageConfig {
        args_escaped: false,
        platform: platform(),
        env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
        entrypoint: None,
        cmd: Some(vec!["sh".to_owned()]),
        shell: None,
        working_dir: String::new(),
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
    }
}

fn request(text: &str) -> Request {
    let source = SourceFile {
        name: "Dockerfile".to_owned(),
        language: "dockerfile".to_owned(),
        text: text.to_owned(),
    };
    Request {
        sources: vec![source],
        target: None,
        platforms: Vec::new(),
        build_platform: platform(),
        build_args: Vec::new(),
        labels: Vec::new(),
        context: ContextSource::Local("context".to_owned()),
        named_contexts: Vec::new(),
        options: Vec::new(),
        source_date_epoch: None,
    }
}

#[track_caller]
fn check(items: &[Diagnostic], text: &str) {
    for item in items {
        assert!(!item.ranges.is_empty(), "{item:?} in {text:?}");
        for range in item.ranges.iter().chain(item.related.iter().map(|r| &r.range)) {
            let (start, stop) = (range.start, range.stop);
            assert!(
                is_inside(text, start.line, start.column) && is_inside(text, stop.line, stop.column),
                "{item:?} in {text:?}"
            );
        }
    }
}

#[test]
fn no_dockerfile_traps_or_loops() {
    assert!(built_in().iter().any(|known| known.name == "dockerfile"));
    let source = FrontendSource::BuiltIn("dockerfile".to_owned());
    let frontend = Frontends::new(None).load(&source).unwrap();
    let limits = Limits {
        fuel: FUEL,
        ..Limits::default()
    };
    let (mut built, mut refused) = (0, 0);
    for seed in 0..COUNT {
        let text = dockerfile(seed);
        match frontend.build(&request(&text), Arc::new(Images), &limits, &Cancel::new()) {
            Ok(result) => {
                built += 1;
                check(&result.warnings.items, &text);
            }
            Err(FrontendError::Diagnostics(report)) => {
                refused += 1;
                check(&report.items, &text);
            }
            Err(other) => panic!("number {seed}: {other}\n{text:?}"),
        }
    }
    assert!(
        built > COUNT / 10 && refused > COUNT / 3,
        "{built} built, {refused} refused"
    );
}

#[test]
fn long_dockerfiles_do_not_take_the_square_of_it() {
    let source = FrontendSource::BuiltIn("dockerfile".to_owned());
    let frontend = Frontends::new(None).load(&source).unwrap();
    for text in long_texts() {
        let begin: String = text.chars().take(40).collect();
        let built = frontend.build(
            &request(&text),
            Arc::new(Images),
            &Limits::default(),
            &Cancel::new(),
        );
        match built {
            // More findings or vertices than there may be is an answer as well.
            Ok(_) | Err(FrontendError::Diagnostics(_) | FrontendError::InvalidResult { .. }) => {}
            Err(other) => panic!("{begin:?}...: {other}"),
        }
    }
}

/// Whether a place, line and column counted from 1, is one of the text and not inside of a character.
fn is_inside(text: &str, line: u32, column: u32) -> bool {
    let Some(content) = text.split('\n').nth((line as usize).wrapping_sub(1)) else {
        return false;
    };
    column >= 1 && content.is_char_boundary(column as usize - 1)
}
