//! A sealed place for one test: its own state, home, configuration and working directory, and the real program.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The place. Everything in it is removed at the end.
pub struct Place {
    folder: TempDir,
}

/// What a run of the program gave.
pub struct Ran {
    /// Exit code; 128 + signal where a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Standard output as it came.
    pub bytes: Vec<u8>,
}

impl Ran {
    /// Takes a finished process.
    pub fn of(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let code = output
            .status
            .code()
            .unwrap_or_else(|| 128 + output.status.signal().unwrap_or_default());
        Self {
            code,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            bytes: output.stdout,
        }
    }

    /// Fails the test unless the run was good.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(
            self.code, 0,
            "the run failed\nstdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self
    }

    /// Fails the test unless the run failed with this code and said all of this on standard error.
    #[track_caller]
    pub fn fails(self, code: i32, texts: &[&str]) -> Self {
        assert_eq!(
            self.code, code,
            "exit code\nstdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        for text in texts {
            assert!(
                self.stderr.contains(text),
                "{text:?} is not in standard error:\n{}",
                self.stderr
            );
        }
        // The program's own panic, and not one that a frontend logged.
        let panicked = self.stderr.contains("thread '") && self.stderr.contains("panicked at");
        assert!(!panicked, "a panic:\n{}", self.stderr);
        self
    }

    /// How many steps are shown with this state in plain progress.
    pub fn count(&self, state: &str) -> usize {
        self.stderr
            .lines()
            .filter(|line| {
                line.strip_prefix('#')
                    .is_some_and(|line| line.split(' ').nth(1) == Some(state))
            })
            .count()
    }
}

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}

impl Place {
    /// A new, empty place.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("lapstrake-test-")
            .tempdir()
            .unwrap();
        for name in ["context", "home", "out"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    /// A path in the place.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The state directory of the program.
    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Writes a file in the context, with the folders that it needs.
    pub fn file(&self, name: impl AsRef<Path>, text: impl AsRef<[u8]>) -> &Self {
        let path = self.path("context").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// Writes the Dockerfile.
    pub fn dockerfile(&self, text: &str) -> &Self {
        self.file("Dockerfile", text)
    }

    /// Writes the configuration file.
    pub fn config(&self, text: &str) -> &Self {
        let path = self.path("home/.config/lapstrake/lapstrake.toml");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// The program, in the place, with nothing of the environment but `PATH`.
    pub fn command(&self) -> Command {
        let mut command = Command::new(program());
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("LAPSTRAKE_ROOT", self.state())
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ran {
        Ran::of(self.command().args(arguments).output().unwrap())
    }

    /// `lapstrake build context` with the test base image as `base` and more arguments; plain progress unless they say
    /// otherwise.
    pub fn build(&self, more: &[&str]) -> Ran {
        let base = crate::base::context();
        let mut arguments = vec!["build", "context", "--build-context", &base];
        if !more.contains(&"--progress") {
            arguments.extend(["--progress", "plain"]);
        }
        arguments.extend(more);
        self.run(arguments)
    }

    /// Begins `lapstrake build context` as [`Place::build`] does, for tests that end it. Standard error can be read.
    pub fn begin(&self) -> Child {
        let base = crate::base::context();
        self.command()
            .args([
                "build",
                "context",
                "--progress",
                "plain",
                "--build-context",
                &base,
            ])
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Builds to a directory of files and returns it.
    #[track_caller]
    pub fn build_local(&self, more: &[&str]) -> (PathBuf, Ran) {
        let out = self.path("out").join(format!(
            "local-{}",
            std::fs::read_dir(self.path("out")).unwrap().count()
        ));
        let spec = format!("type=local,dest={}", out.display());
        let ran = self.build(&[&["-o", &spec], more].concat()).ok();
        (out, ran)
    }

    /// Fails the test if the program left mounts, processes or temporary files behind.
    #[track_caller]
    pub fn assert_clean(&self) {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let here = self.folder.path().to_str().unwrap();
        assert!(!mounts.contains(here), "a mount is left behind:\n{mounts}");
        let temporary = self.state().join("tmp");
        if let Ok(entries) = std::fs::read_dir(&temporary) {
            let left: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
            assert!(left.is_empty(), "temporary files are left behind: {left:?}");
        }
        assert_eq!(
            processes_with(here),
            Vec::<String>::new(),
            "processes are left behind"
        );
    }
}

/// Command lines of running processes that mention a text.
pub fn processes_with(text: &str) -> Vec<String> {
    let own = std::process::id().to_string();
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && *name != own)
        .filter_map(|pid| std::fs::read(format!("/proc/{pid}/cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(text))
        .collect()
}

/// Waits until something is so. A loaded machine takes its time; what never comes fails the test.
#[track_caller]
pub fn wait(done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(120), "waited too long");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Seconds for a `sleep` that nothing else on this machine sleeps: a process is found by them, and none of another test or of
/// an earlier run is.
pub fn own_seconds() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    // Less than 32 bits: process ids have seven digits at most.
    format!("{}{:02}", 1_000_000 + std::process::id(), number % 100)
}

/// The program under test: beside the test's own binary, or where `LAPSTRAKE` says.
pub fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("LAPSTRAKE") {
        return path.into();
    }
    let own = std::env::current_exe().unwrap();
    let folder = own.parent().unwrap();
    let folder = if folder.ends_with("deps") {
        folder.parent().unwrap()
    } else {
        folder
    };
    let program = folder.join("lapstrake");
    assert!(
        program.is_file(),
        "{} is not built: run `make test`, or cargo build first",
        program.display()
    );
    program
}
