//! What a frontend costs: starting the engine, compiling a component, taking it from the cache or from this program,
//! and a call, which parses and lowers a Dockerfile. Uses `target/frontends/dockerfile.wasm`.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use lapstrake_frontend::results::{Record, Recorder};
use lapstrake_frontend::{
    ByteRange, Cancel, ContextSource, FileError, FileInfo, Frontend, FrontendSource, Frontends, Gateway,
    ImageInfo, ImageRequest, Limits, LogLevel, Reference, Request, SolveError,
};
use lapstrake_llb::{Definition, Digest, Edge, ImageConfig, Platform, Report, SourceFile};

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
            let reference = format!("{}@{digest}", request.reference);
            Ok(ImageInfo {
                reference,
                digest,
                config: config(),
            })
        };
        requests.into_iter().map(answer).collect()
    }

    fn solve(&self, _: Definition, roots: Vec<Edge>) -> Result<Vec<Arc<dyn Reference>>, SolveError> {
        Ok(roots
            .iter()
            .map(|_| Arc::new(Empty) as Arc<dyn Reference>)
            .collect())
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
        platform: platform(),
        env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
        entrypoint: None,
        cmd: Some(vec!["bash".to_owned()]),
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
        args_escaped: false,
    }
}

fn request(text: String) -> Request {
    let source = SourceFile {
        name: "Dockerfile".to_owned(),
        language: "Dockerfile".to_owned(),
        text,
    };
    Request {
        sources: vec![source],
        target: None,
        platforms: Vec::new(),
        build_platform: platform(),
        build_args: vec![("VERSION".to_owned(), "1.2.3".to_owned())],
        labels: Vec::new(),
        context: ContextSource::Local("context".to_owned()),
        named_contexts: Vec::new(),
        options: Vec::new(),
        source_date_epoch: None,
    }
}

const SMALL: &str = "# syntax=docker/dockerfile:1
ARG VERSION=1
FROM debian:12 AS build
WORKDIR /src
ENV CC=gcc CFLAGS=\"-O2 -Wall\"
RUN apt-get update && apt-get install -y gcc make
COPY Makefile ./
COPY src ./src
RUN make VERSION=$VERSION
FROM debian:12
ENV VERSION=${VERSION:-1}
COPY --from=build /src/hello /usr/local/bin/hello
USER 1000:1000
LABEL org.opencontainers.image.title=\"hello\"
EXPOSE 80/tcp
ENTRYPOINT [\"hello\"]
CMD [\"--help\"]
";

/// The small one with a number of commands more.
fn large(commands: usize) -> String {
    let mut text = SMALL.to_owned();
    for number in 0..commands {
        let _ = writeln!(
            text,
            "RUN echo {number} \\\n    && make step-{number} VERSION=$VERSION"
        );
    }
    text
}

/// The Dockerfile frontend, if it was built.
fn component() -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/frontends/dockerfile.wasm");
    path.exists().then_some(path)
}

fn loading(criterion: &mut Criterion) {
    let Some(path) = component() else { return };
    let file = FrontendSource::File(path);
    let load = |frontends: &Frontends, source: &FrontendSource| -> Frontend {
        let frontend = frontends.load(source).expect("loads");
        frontend.prepare().expect("is a frontend");
        frontend
    };
    let mut group = criterion.benchmark_group("load");
    group.sample_size(10).warm_up_time(Duration::from_millis(500));
    group.bench_function("compile", |b| b.iter(|| load(&Frontends::new(None), &file)));
    let cache = tempfile::tempdir().expect("a directory");
    let cached = Frontends::new(Some(cache.path()));
    load(&cached, &file);
    group.bench_function("from the cache", |b| b.iter(|| load(&cached, &file)));
    let built_in = FrontendSource::BuiltIn("dockerfile".to_owned());
    // From the second time on; a process does it once.
    group.bench_function("built in, again", |b| {
        b.iter(|| load(&Frontends::new(None), &built_in))
    });
    group.finish();
}

fn calling(criterion: &mut Criterion) {
    let built_in = FrontendSource::BuiltIn("dockerfile".to_owned());
    let frontend = Frontends::new(None).load(&built_in).expect("is built in");
    let (limits, cancel) = (Limits::default(), Cancel::new());
    let mut group = criterion.benchmark_group("call");
    group.bench_function("describe", |b| {
        b.iter(|| frontend.describe(&limits, &cancel).expect("describes"))
    });
    for (name, text) in [
        ("17 instructions", SMALL.to_owned()),
        ("2,017 instructions", large(2_000)),
    ] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        let request = request(text);
        let gateway: Arc<dyn Gateway> = Arc::new(Images);
        group.bench_function(format!("build {name}"), |b| {
            b.iter(|| {
                frontend
                    .build(black_box(&request), gateway.clone(), &limits, &cancel)
                    .expect("builds")
            });
        });
        let recorder = Arc::new(Recorder::new(gateway.clone()));
        let result = frontend
            .build(&request, recorder.clone(), &limits, &cancel)
            .expect("builds");
        let bytes = Record {
            trace: recorder.trace(),
            result,
        }
        .encode()
        .expect("is encoded");
        group.bench_function(format!("recall {name}"), |b| {
            let recall = |bytes: Vec<u8>| {
                let record = Record::<lapstrake_frontend::BuildResult>::decode(&bytes).expect("is a record");
                assert!(record.trace.replay(&Images));
                record
            };
            b.iter_batched(|| bytes.clone(), recall, BatchSize::SmallInput);
        });
    }
    group.finish();
}

criterion_group!(benches, loading, calling);
criterion_main!(benches);
