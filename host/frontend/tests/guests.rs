//! Frontends that misbehave once they run (`tests/guests`), and what the host makes of it. Skipped, with the reason,
//! where `make frontends` was not run.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lapstrake_frontend::results::{Record, Recorder, Results};
use lapstrake_frontend::{
    BuildResult, ByteRange, Cancel, ContextSource, FileError, FileInfo, FileKind, Frontend, FrontendError,
    FrontendSource, Frontends, Gateway, ImageInfo, ImageRequest, Limits, LogLevel, Reference, Request,
    ResultProblem, SolveError,
};
use lapstrake_llb::{Definition, Digest, Edge, ImageConfig, Platform, Report};

fn guest() -> Option<Frontend> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/frontends/guests/rust.wasm");
    if !path.exists() {
        println!("skipped: {} is not there; run `make frontends`", path.display());
        return None;
    }
    Some(Frontends::new(None).load(&FrontendSource::File(path)).unwrap())
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

fn request(way: &str) -> Request {
    Request {
        sources: Vec::new(),
        target: Some(way.to_owned()),
        platforms: Vec::new(),
        build_platform: platform(),
        build_args: vec![("A".to_owned(), "b".to_owned())],
        labels: Vec::new(),
        context: ContextSource::Local("context".to_owned()),
        named_contexts: Vec::new(),
        options: Vec::new(),
        source_date_epoch: None,
    }
}

fn with(way: &str, options: &[(&str, &str)]) -> Request {
    let options = options
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Request {
        options: options.collect(),
        ..request(way)
    }
}

/// A gateway with one file, `/greeting`, that remembers what it was told.
struct Harbour {
    greeting: Mutex<String>,
    logged: Mutex<Vec<(LogLevel, String)>>,
    warned: Mutex<Vec<Report>>,
    solved: Mutex<usize>,
    /// How long an answer takes.
    delay: Duration,
}

impl Default for Harbour {
    fn default() -> Self {
        Self {
            greeting: Mutex::new("hello".to_owned()),
            logged: Mutex::default(),
            warned: Mutex::default(),
            solved: Mutex::default(),
            delay: Duration::ZERO,
        }
    }
}

impl Gateway for Harbour {
    fn resolve_image_configs(&self, requests: Vec<ImageRequest>) -> Vec<Result<ImageInfo, String>> {
        std::thread::sleep(self.delay);
        let answer = |request: ImageRequest| {
            if request.reference != "boat" {
                return Err(format!("no image {}", request.reference));
            }
            let config = ImageConfig {
                platform: platform(),
                env: vec![("PATH".to_owned(), "/bin".to_owned())],
                entrypoint: None,
                cmd: Some(vec!["sail".to_owned()]),
                shell: None,
                working_dir: "/sea".to_owned(),
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
            Ok(ImageInfo {
                reference: "boat@sha256".to_owned(),
                digest: Digest::of(b"boat"),
                config,
            })
        };
        requests.into_iter().map(answer).collect()
    }

    fn solve(&self, _: Definition, roots: Vec<Edge>) -> Result<Vec<Arc<dyn Reference>>, SolveError> {
        *self.solved.lock().unwrap() += 1;
        let tree = Arc::new(Tree(self.greeting.lock().unwrap().clone()));
        Ok(roots.iter().map(|_| tree.clone() as Arc<dyn Reference>).collect())
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.logged.lock().unwrap().push((level, message.to_owned()));
    }

    fn warn(&self, warnings: Report) {
        self.warned.lock().unwrap().push(warnings);
    }
}

struct Tree(String);

impl Reference for Tree {
    fn read_file(&self, path: &str, _: Option<ByteRange>) -> Result<Vec<u8>, FileError> {
        self.read_text(path).map(String::into_bytes)
    }

    fn read_text(&self, path: &str) -> Result<String, FileError> {
        if path == "/greeting" {
            Ok(self.0.clone())
        } else {
            Err(FileError::NotFound)
        }
    }

    fn read_dir(&self, _: &str, _: Option<&str>) -> Result<Vec<FileInfo>, FileError> {
        Ok(vec![self.stat("/greeting")?])
    }

    fn stat(&self, path: &str) -> Result<FileInfo, FileError> {
        let size = self.read_text(path)?.len() as u64;
        let name = "greeting".to_owned();
        Ok(FileInfo {
            name,
            kind: FileKind::Regular,
            size,
            mode: 0o644,
            uid: 0,
            gid: 0,
            link_target: None,
        })
    }
}

/// Small enough that a test of each is quick.
fn limits() -> Limits {
    Limits {
        memory: 128 << 20,
        fuel: 2_000_000_000,
        // What runs out is the fuel, on a slow machine too.
        time: Duration::from_secs(600),
        output: 32 << 20,
        log: 4 << 10,
        ..Limits::default()
    }
}

fn build(
    frontend: &Frontend,
    request: &Request,
    gateway: Arc<dyn Gateway>,
) -> Result<BuildResult, FrontendError> {
    frontend.build(request, gateway, &limits(), &Cancel::new())
}

#[track_caller]
fn fails(frontend: &Frontend, way: &str) -> FrontendError {
    build(frontend, &request(way), Arc::new(Harbour::default())).expect_err(way)
}

#[test]
fn a_good_one_is_deterministic() {
    let Some(frontend) = guest() else { return };
    let info = frontend.describe(&limits(), &Cancel::new()).unwrap();
    assert_eq!(info.name, "guest");
    assert_eq!(frontend.contract_version().unwrap(), "0.1.0");

    let first = build(&frontend, &request("good"), Arc::new(Harbour::default())).unwrap();
    assert_eq!(first.definition.vertices.len(), 1);
    assert_eq!(first.images[0].root, Some(Edge { vertex: 0, output: 0 }));
    for _ in 0..3 {
        assert_eq!(
            build(&frontend, &request("good"), Arc::new(Harbour::default())).unwrap(),
            first
        );
    }
    let again = build(&guest().unwrap(), &request("good"), Arc::new(Harbour::default())).unwrap();
    assert_eq!(again, first);
}

#[test]
fn a_crash() {
    let Some(frontend) = guest() else { return };
    for way in ["trap", "panic", "recurse"] {
        let error = fails(&frontend, way);
        match way {
            "panic" => assert!(matches!(
                error,
                FrontendError::Trap { .. } | FrontendError::Internal { .. }
            )),
            _ => assert!(matches!(error, FrontendError::Trap { .. }), "{way}: {error}"),
        }
        let text = error.to_string();
        assert_eq!(text.contains("its stack is full"), way == "recurse", "{text}");
        assert_eq!(
            text.contains("this guest panics when it is told to"),
            way == "panic",
            "{text}"
        );
    }
    // Other calls of the same frontend do not suffer.
    build(&frontend, &request("good"), Arc::new(Harbour::default())).unwrap();
}

#[test]
fn an_endless_loop_runs_out_of_fuel_or_time() {
    let Some(frontend) = guest() else { return };
    let error = fails(&frontend, "loop");
    assert!(
        matches!(
            error,
            FrontendError::FuelExhausted {
                limit: 2_000_000_000,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("--frontend-fuel"), "{error}");

    let limits = Limits {
        fuel: u64::MAX,
        time: Duration::from_millis(100),
        ..limits()
    };
    let error = frontend
        .build(
            &request("loop"),
            Arc::new(Harbour::default()),
            &limits,
            &Cancel::new(),
        )
        .unwrap_err();
    assert!(matches!(error, FrontendError::TimedOut { .. }), "{error}");
    assert!(error.to_string().contains("--frontend-timeout"), "{error}");
}

#[test]
fn cancelling_ends_only_what_was_cancelled() {
    let Some(frontend) = guest() else { return };
    frontend.prepare().unwrap();
    let limits = Limits {
        fuel: u64::MAX,
        ..limits()
    };
    let cancel = Cancel::new();
    std::thread::scope(|scope| {
        let cancelled =
            scope.spawn(|| frontend.build(&request("loop"), Arc::new(Harbour::default()), &limits, &cancel));
        let other = scope.spawn(|| {
            let limits = Limits {
                fuel: 2_000_000_000,
                ..limits.clone()
            };
            frontend.build(
                &request("loop"),
                Arc::new(Harbour::default()),
                &limits,
                &Cancel::new(),
            )
        });
        std::thread::sleep(Duration::from_millis(100));
        cancel.cancel();
        assert!(matches!(cancelled.join().unwrap(), Err(FrontendError::Cancelled)));
        assert!(matches!(
            other.join().unwrap(),
            Err(FrontendError::FuelExhausted { .. })
        ));
    });
    let late = frontend.build(&request("good"), Arc::new(Harbour::default()), &limits, &cancel);
    assert!(matches!(late, Err(FrontendError::Cancelled)));
}

#[test]
fn time_in_the_gateway_does_not_count() {
    let Some(frontend) = guest() else { return };
    let slow = Harbour {
        delay: Duration::from_millis(3500),
        ..Harbour::default()
    };
    let limits = Limits {
        time: Duration::from_millis(3000),
        ..limits()
    };
    let request = with("resolve", &[("image", "boat")]);
    let result = frontend
        .build(&request, Arc::new(slow), &limits, &Cancel::new())
        .unwrap();
    assert!(result.images[0].config.labels[0].1.contains("sail"));
}

#[test]
fn memory_has_a_limit() {
    let Some(frontend) = guest() else { return };
    let error = fails(&frontend, "allocate");
    assert!(
        matches!(
            error,
            FrontendError::MemoryLimit {
                limit: 134_217_728,
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("more than 128 MiB of memory; more with --frontend-memory, or memory under"),
        "{error}"
    );
}

#[test]
fn output_has_a_limit() {
    let Some(frontend) = guest() else { return };
    for (way, size) in [
        ("text", 40 << 20),
        ("aliased-text", 1 << 30),
        ("log-much", 40 << 20),
    ] {
        let request = with(way, &[("size", &size.to_string())]);
        let error = build(&frontend, &request, Arc::new(Harbour::default())).expect_err(way);
        assert!(
            matches!(error, FrontendError::OutputTooLarge { .. }),
            "{way}: {error}"
        );
    }
    let vertices = |count: &str| {
        let request = with("vertices", &[("count", count)]);
        frontend.build(
            &request,
            Arc::new(Harbour::default()),
            &Limits::default(),
            &Cancel::new(),
        )
    };
    assert_eq!(vertices("100000").unwrap().definition.vertices.len(), 100_000);
    let error = vertices("100001").unwrap_err();
    assert!(
        matches!(
            error,
            FrontendError::InvalidResult {
                problem: ResultProblem::Graph(_),
                ..
            }
        ),
        "{error}"
    );
    let error = vertices("300000").unwrap_err();
    assert!(matches!(error, FrontendError::OutputTooLarge { .. }), "{error}");
}

#[test]
fn host_functions_have_limits() {
    let Some(frontend) = guest() else { return };
    let harbour = Arc::new(Harbour::default());
    let error = build(&frontend, &request("log"), harbour.clone()).unwrap_err();
    assert!(
        matches!(error, FrontendError::TooMany { what: "calls", .. }),
        "{error}"
    );
    let logged = harbour.logged.lock().unwrap();
    assert!((100..1000).contains(&logged.len()), "{}", logged.len());
    assert_eq!(
        logged
            .iter()
            .filter(|(level, _)| *level == LogLevel::Warn)
            .count(),
        1
    );
    drop(logged);

    for way in ["warn", "solve", "resolve-many"] {
        let request = with(way, &[("count", "20000")]);
        let error = build(&frontend, &request, Arc::new(Harbour::default())).expect_err(way);
        assert!(matches!(error, FrontendError::TooMany { .. }), "{way}: {error}");
    }
}

#[test]
fn bad_graphs_are_refused() {
    let Some(frontend) = guest() else { return };
    for way in [
        "self-edge",
        "forward-edge",
        "cycle",
        "dangling-edge",
        "output-out-of-range",
        "relative-mount",
        "dotted-mount",
        "no-root-mount",
        "two-root-mounts",
        "nul-in-path",
        "relative-path",
        "no-actions",
        "no-arguments",
        "later-action",
        "bad-range",
    ] {
        match fails(&frontend, way) {
            FrontendError::InvalidResult {
                problem: ResultProblem::Graph(_),
                ..
            } => {}
            other => panic!("{way}: {other}"),
        }
    }
}

#[test]
fn errors_of_the_contract() {
    let Some(frontend) = guest() else { return };
    match fails(&frontend, "error-invalid") {
        FrontendError::Diagnostics(report) => {
            assert_eq!(report.items[0].code, "TwoIsWrong");
            assert_eq!(report.items[0].ranges[0].start.line, 2);
        }
        other => panic!("{other}"),
    }
    // The message stays when its place makes no sense.
    match fails(&frontend, "error-bad-range") {
        FrontendError::Diagnostics(report) => {
            assert_eq!(report.items[0].message, "two is wrong");
            assert!(report.items[0].ranges.is_empty());
        }
        other => panic!("{other}"),
    }
    assert!(
        matches!(fails(&frontend, "error-unknown-target"), FrontendError::UnknownTarget(t) if t == "harbour")
    );
    assert!(matches!(
        fails(&frontend, "error-host-failed"),
        FrontendError::HostFailed(_)
    ));
    assert!(matches!(
        fails(&frontend, "error-unsupported"),
        FrontendError::Unsupported { .. }
    ));
    assert!(matches!(
        fails(&frontend, "error-internal"),
        FrontendError::Internal { .. }
    ));
}

#[test]
fn the_gateway_answers() {
    let Some(frontend) = guest() else { return };
    let read = |path| {
        let request = with("read", &[("path", path)]);
        build(&frontend, &request, Arc::new(Harbour::default()))
    };
    let text = read("/greeting").unwrap().images[0].config.labels[0].1.clone();
    assert!(text.contains("hello") && text.contains("5"), "{text}");
    assert!(matches!(read("/none"), Err(FrontendError::HostFailed(message)) if message.contains("NotFound")));
    let image = with("resolve", &[("image", "ship")]);
    let error = build(&frontend, &image, Arc::new(Harbour::default())).unwrap_err();
    assert!(matches!(error, FrontendError::HostFailed(message) if message == "no image ship"));
}

/// Records in memory.
#[derive(Default)]
struct Memory(Mutex<Vec<(Digest, Vec<u8>)>>);

impl Results for Memory {
    fn find(&self, key: &Digest) -> Option<Vec<u8>> {
        self.0
            .lock()
            .unwrap()
            .iter()
            .rev()
            .find(|(found, _)| found == key)
            .map(|(_, bytes)| bytes.clone())
    }

    fn save(&self, key: &Digest, record: &[u8]) {
        self.0.lock().unwrap().push((*key, record.to_vec()));
    }
}

#[test]
fn results_are_kept_until_an_answer_changes() {
    let Some(frontend) = guest() else { return };
    let harbour = Arc::new(Harbour::default());
    let gateway: Arc<dyn Gateway> = harbour.clone();
    let memory = Memory::default();
    let read = with("read", &[("path", "/greeting")]);
    let build = |request: &Request| {
        frontend
            .build_or_recall(request, &gateway, &limits(), &Cancel::new(), &memory)
            .unwrap()
    };
    let saved = || memory.0.lock().unwrap().len();
    let solved = || *harbour.solved.lock().unwrap();

    let first = build(&read);
    assert_eq!((saved(), solved()), (1, 1));
    assert_eq!(build(&read), first);
    assert_eq!((saved(), solved()), (1, 2), "asked again, but not run");

    *harbour.greeting.lock().unwrap() = "good morning".to_owned();
    let second = build(&read);
    assert_ne!(second, first);
    assert_eq!(saved(), 2);
    assert_eq!(build(&read), second);
    assert_eq!(saved(), 2);

    let other = Request {
        build_args: Vec::new(),
        ..read.clone()
    };
    build(&other);
    assert_eq!(saved(), 3, "another request is another key");

    // A damaged record is as none.
    memory.0.lock().unwrap().last_mut().unwrap().1[60] ^= 1;
    build(&other);
    assert_eq!(saved(), 4);
    let failed = frontend.build_or_recall(&request("trap"), &gateway, &limits(), &Cancel::new(), &memory);
    assert!(failed.is_err());
    assert_eq!(saved(), 4, "a failure is not kept");
}

#[test]
fn a_recall_needs_no_engine() {
    let Some(frontend) = guest() else { return };
    let gateway: Arc<dyn Gateway> = Arc::new(Harbour::default());
    let memory = Memory::default();
    let result = frontend
        .build_or_recall(&request("good"), &gateway, &limits(), &Cancel::new(), &memory)
        .unwrap();
    let fresh = guest().unwrap();
    // With this a guest cannot do anything.
    let nothing = Limits {
        fuel: 0,
        time: Duration::ZERO,
        ..limits()
    };
    assert!(
        fresh
            .build(&request("good"), gateway.clone(), &nothing, &Cancel::new())
            .is_err()
    );
    let recalled = fresh
        .build_or_recall(&request("good"), &gateway, &nothing, &Cancel::new(), &memory)
        .unwrap();
    assert_eq!(recalled, result);
}

#[test]
fn a_trace_survives_its_bytes() {
    let Some(frontend) = guest() else { return };
    let recorder = Arc::new(Recorder::new(Arc::new(Harbour::default())));
    let result = build(
        &frontend,
        &with("read", &[("path", "/greeting")]),
        recorder.clone(),
    )
    .unwrap();
    let record = Record {
        trace: recorder.trace(),
        result,
    };
    assert_eq!(record.trace.questions(), 3);
    let bytes = record.encode().unwrap();
    assert_eq!(Record::<BuildResult>::decode(&bytes), Some(record.clone()));
    assert_eq!(Record::<BuildResult>::decode(&bytes[..bytes.len() - 1]), None);
    assert!(record.trace.replay(&Harbour::default()));
    let other = Harbour {
        greeting: Mutex::new("bye".to_owned()),
        ..Harbour::default()
    };
    assert!(!record.trace.replay(&other));
}
