//! Small graphs and a solver over a store to solve them with.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, Weak};

use lapstrake_llb::*;
use lapstrake_ops::exec::{HelperCommand, Network, RunnerOptions};
use lapstrake_ops::source::image::ImageStore;
use lapstrake_ops::source::remote::RemoteOptions;
use lapstrake_ops::{
    Entitlements, KnownSecrets, LocalWorker, NestedError, NestedSolver, Output, StoreRecords, WorkerOptions,
};
use lapstrake_solver::{CancelToken, Ending, Event, Options, Session, SolveError, Solver};
use lapstrake_store::{Store, Tree};
use serde_json::json;

use super::layout::LayoutBuilder;

/// Says to a started copy of this program that it is to be the container helper.
pub const HELPER_VARIABLE: &str = "LAPSTRAKE_TEST_CONTAINER_HELPER";

/// A graph that grows.
#[derive(Default)]
pub struct Graph {
    pub definition: Definition,
}

impl Graph {
    pub fn add(&mut self, name: &str, op: Op) -> Edge {
        let metadata = Metadata {
            name: name.to_owned(),
            ..Metadata::default()
        };
        self.definition.vertices.push(Vertex {
            op,
            platform: None,
            constraints: Vec::new(),
            metadata,
        });
        Edge {
            vertex: self.definition.vertices.len() as u32 - 1,
            output: 0,
        }
    }

    /// The busybox image of [`Bench`].
    pub fn base(&mut self) -> Edge {
        self.layout("base:1")
    }

    pub fn layout(&mut self, reference: &str) -> Edge {
        let source = OciLayoutSource {
            reference: reference.to_owned(),
            store: "base".to_owned(),
            layer_limit: None,
        };
        self.add("base", Op::Source(SourceOp::OciLayout(source)))
    }

    pub fn local(&mut self) -> Edge {
        let source = LocalSource {
            name: "context".to_owned(),
            include_patterns: Vec::new(),
            exclude_patterns: Vec::new(),
            follow_paths: Vec::new(),
            shared_key_hint: None,
            differ: LocalDiffer::Metadata,
        };
        self.add("context", Op::Source(SourceOp::Local(source)))
    }

    /// A shell command in a root, and more mounts.
    pub fn run(&mut self, name: &str, root: Edge, script: &str, mounts: Vec<Mount>) -> Edge {
        self.exec(name, root, script, mounts, |_| ())
    }

    pub fn exec(
        &mut self,
        name: &str,
        root: Edge,
        script: &str,
        mut mounts: Vec<Mount>,
        change: impl FnOnce(&mut ExecOp),
    ) -> Edge {
        mounts.insert(0, bind("/", root, "", false, true));
        let mut op = ExecOp {
            args: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
            cwd: "/".to_owned(),
            mounts,
            ..ExecOp::default()
        };
        change(&mut op);
        self.add(name, Op::Exec(op))
    }

    pub fn copy(&mut self, name: &str, base: Option<Edge>, from: Edge, src: &str, dst: &str) -> Edge {
        let copy = CopyAction {
            src: FileInput::Edge(from),
            src_path: src.to_owned(),
            dst_path: dst.to_owned(),
            owner: None,
            mode: None,
            follow_symlink: true,
            dir_contents_only: true,
            unpack_archive: false,
            create_dst_path: true,
            allow_wildcard: true,
            allow_empty_wildcard: false,
            replace_existing: false,
            include_patterns: Vec::new(),
            exclude_patterns: Vec::new(),
            required_paths: Vec::new(),
            timestamp: None,
        };
        let base = base.map_or(FileInput::Scratch, FileInput::Edge);
        let action = FileAction {
            base,
            kind: FileActionKind::Copy(copy),
            output: true,
        };
        self.add(
            name,
            Op::File(FileOp {
                actions: vec![action],
            }),
        )
    }

    pub fn file(&mut self, path: &str, data: &str) -> Edge {
        let mkfile = MkfileAction {
            path: path.to_owned(),
            data: data.as_bytes().to_vec(),
            mode: 0o644,
            owner: None,
            timestamp: Some(Timestamp {
                seconds: 1,
                nanoseconds: 0,
            }),
        };
        let parent = Path::new(path).parent().unwrap().to_str().unwrap().to_owned();
        let mkdir = MkdirAction {
            path: parent,
            mode: 0o755,
            make_parents: true,
            owner: None,
            timestamp: mkfile.timestamp,
        };
        let mkdir = FileAction {
            base: FileInput::Scratch,
            kind: FileActionKind::Mkdir(mkdir),
            output: false,
        };
        let base = FileInput::Action(0);
        let mkfile = FileAction {
            base,
            kind: FileActionKind::Mkfile(mkfile),
            output: true,
        };
        self.add(
            "file",
            Op::File(FileOp {
                actions: vec![mkdir, mkfile],
            }),
        )
    }
}

pub fn bind(target: &str, input: Edge, selector: &str, read_only: bool, output: bool) -> Mount {
    let bind = BindMount {
        input: Some(input),
        selector: selector.to_owned(),
        read_only,
        output,
    };
    Mount {
        target: target.to_owned(),
        kind: MountKind::Bind(bind),
    }
}

/// A store, a context directory, and an image of busybox called `base:1`.
pub struct Bench {
    pub directory: tempfile::TempDir,
    pub context: PathBuf,
    pub layout: LayoutBuilder,
    pub entitlements: Entitlements,
    pub secrets: Arc<KnownSecrets>,
}

/// What a solve did.
#[derive(Debug, Default)]
pub struct Told {
    pub executed: Vec<String>,
    pub cached: Vec<String>,
    pub log: String,
}

/// A solve that ended well.
pub struct Solved {
    pub trees: Vec<Tree>,
    pub told: Told,
    pub store: Store,
    pub images: ImageStore,
}

type Failure = SolveError<lapstrake_ops::Error, lapstrake_store::Error>;

impl Bench {
    pub fn new() -> Self {
        // On a real file system, which a temporary directory may not be.
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let context = directory.path().join("context");
        fs::create_dir(&context).unwrap();
        let mut layout = LayoutBuilder::new(&directory.path().join("layout"));
        if Path::new("/bin/busybox").exists() {
            let image = layout.image_of(
                "linux/amd64",
                &[(busybox(directory.path()), Default::default())],
                json!({}),
            );
            layout.tag(image, Some("1"));
        } else {
            layout.write();
        }
        let secrets = Arc::default();
        Self {
            directory,
            context,
            layout,
            entitlements: Entitlements::default(),
            secrets,
        }
    }

    /// Solves edges as a new process would.
    pub fn try_solve(&self, graph: &Graph, roots: &[Edge]) -> Result<Solved, Box<(Failure, Told)>> {
        self.solve_until(graph, roots, CancelToken::new())
    }

    /// Solves edges until somebody cancels.
    pub fn solve_until(
        &self,
        graph: &Graph,
        roots: &[Edge],
        cancel: CancelToken,
    ) -> Result<Solved, Box<(Failure, Told)>> {
        let mut options = super::options();
        options
            .layouts
            .insert("base".to_owned(), self.layout.path.clone());
        let (store, images) = super::images(self.directory.path(), options);
        let worker = LocalWorker::new(
            store.clone(),
            images.clone(),
            WorkerOptions {
                contexts: BTreeMap::from([("context".to_owned(), self.context.clone())]),
                entitlements: self.entitlements.clone(),
                cdi_dirs: vec![self.context.join("../cdi")],
                secrets: self.secrets.clone(),
                runner: RunnerOptions {
                    helper: helper(),
                    ..RunnerOptions::default()
                },
                sandbox_network: Network::Loopback,
                no_new_privileges: true,
                remote: RemoteOptions::default(),
                timeout: None,
                offline: false,
            },
        );
        let told = Arc::new(Mutex::new(Told::default()));
        let listener = Arc::clone(&told);
        let events = Arc::new(move |event| {
            let mut told = listener.lock().unwrap();
            match event {
                Event::Finished {
                    name,
                    ending: Ending::Cached,
                    ..
                } => told.cached.push(name),
                Event::Finished {
                    name,
                    ending: Ending::Done,
                    ..
                } => told.executed.push(name),
                Event::Log { data, .. } => told.log.push_str(&String::from_utf8_lossy(&data)),
                _ => {}
            }
        });
        let options = Options {
            jobs: 2,
            cancel,
            events,
        };
        let vertices = &graph.definition.vertices;
        let digests: Vec<_> = vertices
            .iter()
            .map(|vertex| Digest::of(format!("{:?}", vertex.op).as_bytes()))
            .collect();
        let nest = Arc::new(Nest {
            solver: Solver::new(worker, StoreRecords::new(store.clone())),
            session: Session::new(),
            options: options.clone(),
        });
        let solver = &nest.solver;
        let weak: Weak<Nest> = Arc::downgrade(&nest);
        solver.worker().set_nested_solver(weak);
        let result = solver.solve(&nest.session, &graph.definition, &digests, roots, &options);
        let told = std::mem::take(&mut *told.lock().unwrap());
        match result {
            Ok(outputs) => {
                let context = lapstrake_solver::StepContext::detached();
                let trees = outputs
                    .iter()
                    .map(|output| solver.worker().tree(output, &context).unwrap())
                    .collect();
                Ok(Solved {
                    trees,
                    told,
                    store,
                    images,
                })
            }
            Err(error) => Err(Box::new((error, told))),
        }
    }

    pub fn solve(&self, graph: &Graph, roots: &[Edge]) -> Solved {
        self.try_solve(graph, roots)
            .unwrap_or_else(|failure| panic!("{}\n{}", super::chain(&failure.0), failure.1.log))
    }

    /// The worker's error of a solve that fails.
    pub fn failure(&self, graph: &Graph, root: Edge) -> (lapstrake_ops::Error, Told) {
        match self.try_solve(graph, &[root]).map_err(|failure| *failure) {
            Err((SolveError::Step(step), told)) => (step.source, told),
            Err((other, _)) => panic!("{}", super::chain(&other)),
            Ok(_) => panic!("the solve ended well"),
        }
    }
}

/// Solves the graphs of build ops as the engine does.
struct Nest {
    solver: Solver<LocalWorker, StoreRecords>,
    session: Session<Output>,
    options: Options,
}

impl NestedSolver for Nest {
    fn solve_nested(
        &self,
        definition: &Definition,
        root: Edge,
        cancel: &CancelToken,
    ) -> Result<Output, lapstrake_ops::Error> {
        let options = Options {
            cancel: cancel.clone(),
            ..self.options.clone()
        };
        let mut definition = definition.clone();
        always(&mut definition);
        let digests = definition.digests();
        let solved = self
            .solver
            .solve(&self.session, &definition, &digests, &[root], &options);
        let outputs = solved.map_err(|source| NestedError::Failed {
            source: Box::new(source),
            environment: false,
        })?;
        Ok(outputs[0].clone())
    }
}

/// Build ops are executed in every build.
pub fn always(definition: &mut Definition) {
    for vertex in &mut definition.vertices {
        vertex.metadata.ignore_cache |= matches!(vertex.op, Op::Build(_));
    }
}

impl Solved {
    /// The text of a file of a root's tree. `None`: it is not there.
    pub fn read(&self, root: usize, path: &str) -> Option<String> {
        use lapstrake_store::tree::FileTree as _;
        self.images
            .ensure_unpacked(&self.trees[root], &lapstrake_ops::source::progress::Quiet)
            .unwrap();
        let view = self.store.view(&self.trees[root]).unwrap();
        let entry = view.entry(Path::new(path)).unwrap()?;
        Some(std::io::read_to_string(view.open(&entry).unwrap()).unwrap())
    }
}

/// An output is only a tree or a directory: nothing else is to be matched.
pub fn is_tree(output: &Output) -> bool {
    matches!(output, Output::Tree(_))
}

/// How this program is started as the container helper.
fn helper() -> HelperCommand {
    HelperCommand {
        program: std::env::current_exe().unwrap(),
        args: ["--exact", "container_helper", "--nocapture", "--test-threads=1"]
            .map(OsString::from)
            .to_vec(),
        env: vec![(HELPER_VARIABLE.into(), "1".into())],
    }
}

/// An archive of busybox and its links.
fn busybox(directory: &Path) -> Vec<u8> {
    let root = directory.join("busybox");
    for path in ["bin", "etc", "proc", "sys", "dev", "tmp"] {
        fs::create_dir_all(root.join(path)).unwrap();
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    let applets = Command::new("/bin/busybox")
        .arg("--list")
        .output()
        .unwrap()
        .stdout;
    for applet in String::from_utf8(applets)
        .unwrap()
        .lines()
        .filter(|applet| *applet != "busybox")
    {
        symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").unwrap();
    let mut builder = tar::Builder::new(Vec::new());
    builder.follow_symlinks(false);
    builder.append_dir_all(".", &root).unwrap();
    builder.into_inner().unwrap()
}

/// The reason why containers cannot be tested here is printed.
pub fn can_run_containers() -> bool {
    let missing = match (
        rustix::process::geteuid().is_root(),
        Path::new("/bin/busybox").exists(),
    ) {
        (false, _) => "not root",
        (_, false) => "no /bin/busybox (Debian package busybox-static)",
        _ => return true,
    };
    println!("skipped: {missing}");
    false
}
