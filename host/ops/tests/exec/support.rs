//! A root file system of busybox, and steps that run in it.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use lapstrake_llb::ExecOp;
use lapstrake_ops::exec::{
    CancelToken, DeviceControl, ExecError, ExecRequest, ExecStatus, Exit, HelperCommand, MountSource,
    Network, NetworkTools, PreparedMount, RootMount, Runner, RunnerOptions, Runtime, Stream,
};
use tempfile::TempDir;

/// Says to a started copy of this program that it is to be the container helper.
pub const HELPER_VARIABLE: &str = "LAPSTRAKE_TEST_CONTAINER_HELPER";

/// The reason why containers cannot be tested here.
pub fn missing() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some("not root");
    }
    if !Path::new("/bin/busybox").exists() {
        return Some("no /bin/busybox (Debian package busybox-static)");
    }
    None
}

/// Leaves the test, with a printed reason, where containers cannot be tested.
#[macro_export]
macro_rules! needs_containers {
    () => {
        if let Some(reason) = $crate::support::missing() {
            println!("skipped: {reason}");
            return;
        }
    };
}

/// How this program is started as the container helper.
pub fn helper() -> HelperCommand {
    HelperCommand {
        program: std::env::current_exe().unwrap(),
        args: ["--exact", "container_helper", "--nocapture", "--test-threads=1"]
            .map(OsString::from)
            .to_vec(),
        env: vec![(HELPER_VARIABLE.into(), "1".into())],
    }
}

pub fn options(devices: DeviceControl, runtime: Runtime) -> RunnerOptions {
    RunnerOptions {
        helper: helper(),
        runtime,
        devices,
        network: NetworkTools::default(),
    }
}

/// The runner that most tests share.
pub fn runner() -> &'static Runner {
    static RUNNER: OnceLock<Runner> = OnceLock::new();
    RUNNER.get_or_init(|| Runner::new(options(DeviceControl::Auto, Runtime::BuiltIn)))
}

/// Where the tests' files are: on a real file system, which a temporary directory may not be.
fn base() -> &'static Path {
    static BASE: OnceLock<PathBuf> = OnceLock::new();
    BASE.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let own = rustix::process::geteuid().as_raw();
        if fs::metadata(target).is_ok_and(|meta| meta.uid() == own) {
            return target.to_owned();
        }
        // Compiled by another user. The name is the user's outside of any namespace.
        let owner = fs::metadata(std::env::var_os("HOME").unwrap_or_default()).map_or(0, |meta| meta.ino());
        let own = std::env::temp_dir().join(format!("lapstrake-exec-tests-{owner}"));
        fs::create_dir_all(&own).unwrap();
        own
    })
}

/// A directory of busybox: made once, never changed.
pub fn busybox_root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let made = base().join("exec-busybox-1");
        if !made.exists() {
            let draft = tempfile::tempdir_in(base()).unwrap();
            make_root(draft.path());
            // Somebody else may have been faster.
            let _ = fs::rename(draft.path(), &made);
        }
        made
    })
}

fn make_root(root: &Path) {
    for dir in ["bin", "dev", "etc", "proc", "sys", "tmp", "home/app", "srv"] {
        fs::create_dir_all(root.join(dir)).unwrap();
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
        .filter(|a| *a != "busybox")
    {
        symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
    fs::write(
        root.join("etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n",
    )
    .unwrap();
    fs::write(
        root.join("etc/group"),
        "root:x:0:\nwheel:x:10:root,app\napp:x:1001:\n",
    )
    .unwrap();
    let file = |path: &str| fs::File::options().write(true).open(root.join(path));
    // Old and uneven times, so that a change is seen.
    for dir in ["etc", "home", "home/app", "srv", "tmp", "."] {
        let opened = fs::File::open(root.join(dir)).unwrap();
        opened
            .set_modified(std::time::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789))
            .unwrap();
    }
    file("etc/passwd")
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH + Duration::new(900_000_000, 7))
        .unwrap();
    let mode =
        |path: &str, mode| rustix::fs::chmod(root.join(path), rustix::fs::Mode::from_raw_mode(mode)).unwrap();
    mode(".", 0o755);
    mode("tmp", 0o1777);
    rustix::fs::chown(
        root.join("home/app"),
        Some(rustix::fs::Uid::from_raw(1000)),
        Some(rustix::fs::Gid::from_raw(1001)),
    )
    .unwrap();
}

/// A step that is being put together, with directories of its own.
pub struct Step {
    pub dir: TempDir,
    pub request: ExecRequest,
}

/// A step that has run.
pub struct Ran {
    pub dir: TempDir,
    pub status: ExecStatus,
    pub stdout: String,
    pub stderr: String,
    pub upper: PathBuf,
}

impl Step {
    pub fn new(args: &[&str]) -> Step {
        let dir = tempfile::tempdir_in(base()).unwrap();
        let make = |name: &str| {
            let path = dir.path().join(name);
            fs::create_dir(&path).unwrap();
            path
        };
        let request = ExecRequest {
            op: ExecOp {
                args: args.iter().map(|a| (*a).to_owned()).collect(),
                cwd: "/".into(),
                ..ExecOp::default()
            },
            resources: None,
            root: RootMount {
                lower: vec![busybox_root().to_owned()],
                upper: make("upper"),
                work: make("work"),
                read_only: false,
            },
            mounts: Vec::new(),
            secret_env: Vec::new(),
            state_dir: make("state"),
            devices: Vec::new(),
            groups: Vec::new(),
            network: Network::Host,
            timeout: Some(Duration::from_secs(300)),
            no_new_privileges: true,
        };
        Step { dir, request }
    }

    /// A step that runs `script` with the shell.
    pub fn sh(script: &str) -> Step {
        Step::new(&["/bin/sh", "-c", script])
    }

    pub fn with(mut self, change: impl FnOnce(&mut ExecRequest)) -> Step {
        change(&mut self.request);
        self
    }

    pub fn mount(self, target: &str, read_only: bool, source: MountSource) -> Step {
        self.with(|r| {
            r.mounts.push(PreparedMount {
                target: target.into(),
                read_only,
                source,
            })
        })
    }

    /// A new directory of this step, for tests to put things in.
    pub fn new_dir(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::create_dir(&path).unwrap();
        path
    }

    pub fn try_run_with(self, runner: &Runner) -> Result<Ran, ExecError> {
        let cancel = CancelToken::new().unwrap();
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut output = |output: lapstrake_ops::exec::Output<'_>| match output.stream {
            Stream::Stdout => stdout.extend_from_slice(output.data),
            Stream::Stderr => stderr.extend_from_slice(output.data),
        };
        let status = runner.run(&self.request, &mut output, &cancel);
        let left: Vec<_> = names(&self.request.state_dir)
            .into_iter()
            .filter(|n| !n.starts_with("empty-"))
            .collect();
        assert_eq!(left, [] as [&str; 0], "nothing is left in the state directory");
        assert!(!self.request.root.work.exists(), "the work directory is gone");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Ran {
            status: status?,
            stdout: text(stdout),
            stderr: text(stderr),
            upper: self.request.root.upper.clone(),
            dir: self.dir,
        })
    }

    pub fn try_run(self) -> Result<Ran, ExecError> {
        self.try_run_with(runner())
    }

    pub fn run(self) -> Ran {
        self.try_run().unwrap()
    }

    /// Runs it, and expects it to end well.
    pub fn succeed(self) -> Ran {
        let ran = self.run();
        assert_eq!(
            ran.status.exit,
            Exit::Code(0),
            "stdout: {}\nstderr: {}",
            ran.stdout,
            ran.stderr
        );
        ran
    }
}

impl Ran {
    /// Paths of everything in the layer, sorted.
    pub fn layer(&self) -> Vec<String> {
        tree(&self.upper)
    }
}

/// Paths of everything below `dir`, sorted.
pub fn tree(dir: &Path) -> Vec<String> {
    fn walk(base: &Path, dir: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            found.push(
                entry
                    .path()
                    .strip_prefix(base)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned(),
            );
            if entry.file_type().unwrap().is_dir() {
                walk(base, &entry.path(), found);
            }
        }
    }
    let mut found = Vec::new();
    walk(dir, dir, &mut found);
    found.sort();
    found
}

/// Names in a directory, sorted.
pub fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The command lines, on this machine, of processes that have `marker` in theirs.
pub fn processes_with(marker: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if entry
            .file_name()
            .to_string_lossy()
            .bytes()
            .all(|b| b.is_ascii_digit())
            && line.contains(marker)
        {
            found.push(line);
        }
    }
    found
}

/// How long something may take that is sure to come: a loaded machine takes its time.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until `condition` holds, as long as that may take. Whether it does.
pub fn wait_until(mut condition: impl FnMut() -> bool) -> bool {
    let start = std::time::Instant::now();
    while start.elapsed() < PATIENCE {
        if condition() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    condition()
}

/// The cgroups of containers on this machine, those of helpers included.
pub fn cgroups() -> Vec<String> {
    let top = Path::new("/sys/fs/cgroup");
    let hierarchies = names(top)
        .into_iter()
        .map(|name| top.join(name))
        .chain([top.to_owned()]);
    let mut found = Vec::new();
    for hierarchy in hierarchies {
        for own in [hierarchy.clone(), own_cgroup(&hierarchy)] {
            for entry in fs::read_dir(own).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.starts_with("lapstrake-") {
                    found.push(format!("{}/{name}", hierarchy.display()));
                }
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The directory of this process in a hierarchy.
fn own_cgroup(hierarchy: &Path) -> PathBuf {
    let name = hierarchy
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let text = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = text.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let controllers = fields.next()?;
        let is_this =
            controllers.split(',').any(|c| c == name) || (controllers.is_empty() && name == "unified");
        is_this.then(|| fields.next().unwrap_or("/").trim_start_matches('/').to_owned())
    });
    hierarchy.join(own.unwrap_or_default())
}

/// How many cgroups there are of single steps of this process.
pub fn step_cgroups() -> usize {
    let own = format!("/lapstrake-{}-", std::process::id());
    // lapstrake-process-start-runner-step
    cgroups()
        .iter()
        .filter(|c| c.contains(&own) && c.rsplit('/').next().is_some_and(|n| n.split('-').count() == 5))
        .count()
}
