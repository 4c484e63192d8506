//! The tools that are measured: Lapstrake, the BuildKit of a Docker Engine, and buildah, each with a store of its own
//! and the same base image.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lapstrake_tests::servers::Engine;
use lapstrake_tests::{base, find_program};

use super::rows::{Output, Row};

/// Something that builds.
pub trait Tool {
    /// What the table calls it.
    fn name(&self) -> String;
    /// Builds once and says how long it took; none: it cannot.
    fn build(&mut self, row: &Row, context: &Path) -> Option<Duration>;
    /// Empties its cache; the base image stays.
    fn forget(&mut self);
    /// The largest memory that its process had so far.
    fn memory(&self) -> String;
}

/// Runs a command to its end and returns the time it took and the largest resident size of it, in KiB.
fn time(command: &mut Command) -> Option<(Duration, i64)> {
    let began = Instant::now();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let (good, peak, text) = wait(child);
    let took = began.elapsed();
    if !good {
        eprintln!("{command:?} failed: {}", text.lines().last().unwrap_or_default());
        return None;
    }
    Some((took, peak))
}

/// Waits with wait4(2), which the standard library has not, for the memory of this one child.
#[allow(unsafe_code)]
fn wait(mut child: Child) -> (bool, i64, String) {
    use std::io::Read;
    let mut text = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        let _ = stderr.read_to_string(&mut text);
    }
    let mut status = 0;
    // SAFETY: `rusage` is plain data that the call fills, and both pointers are to live locals.
    let (pid, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::wait4(child.id() as i32, &mut status, 0, &mut usage), usage)
    };
    (
        pid > 0 && libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0,
        usage.ru_maxrss,
        text,
    )
}

/// This program.
pub struct Lapstrake {
    program: PathBuf,
    folder: PathBuf,
    peak: i64,
}

impl Lapstrake {
    /// With a state directory below `folder`.
    pub fn new(program: &str, folder: &Path) -> Self {
        Self {
            program: program.into(),
            folder: folder.join("lapstrake"),
            peak: 0,
        }
    }
}

impl Tool for Lapstrake {
    fn name(&self) -> String {
        "lapstrake".to_owned()
    }

    fn build(&mut self, row: &Row, context: &Path) -> Option<Duration> {
        let out = self.folder.with_extension("out");
        let _ = std::fs::remove_dir_all(&out);
        let _ = std::fs::remove_file(out.with_extension("tar"));
        let mut command = Command::new(&self.program);
        command
            .env("LAPSTRAKE_ROOT", &self.folder)
            .args(["build", "--progress", "plain", "--network", "none", "-j"])
            .arg(row.jobs.to_string())
            .arg("--build-context")
            .arg(lapstrake_tests::base::context());
        match row.output {
            Output::None => command.args(["-o", "type=cacheonly"]),
            Output::OciArchive => command
                .arg("-o")
                .arg(format!("type=oci,dest={}", out.with_extension("tar").display())),
            Output::Local => command
                .arg("-o")
                .arg(format!("type=local,dest={}", out.display())),
        };
        let (took, peak) = time(command.arg(context))?;
        self.peak = self.peak.max(peak);
        Some(took)
    }

    fn forget(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }

    fn memory(&self) -> String {
        format!("lapstrake {} MB", self.peak / 1024)
    }
}

/// The BuildKit inside a Docker Engine, with the engine's own client.
pub struct Docker {
    engine: Engine,
    client: PathBuf,
    out: PathBuf,
}

impl Docker {
    /// Starts the engine and loads the base image.
    pub fn start(folder: &Path) -> Option<Self> {
        // The client of the engine's own package speaks to its BuildKit without a plugin.
        let client = Path::new("/usr/bin/docker");
        let client = if client.is_file() {
            client.to_owned()
        } else {
            find_program("docker")?
        };
        let archive = folder.join("base.tar");
        let copied = Command::new(find_program("skopeo")?)
            .args(["copy", "-q"])
            .arg(format!("oci:{}:latest", base::busybox().display()))
            .arg(format!("docker-archive:{}:base:latest", archive.display()))
            .status()
            .ok()?;
        if !copied.success() {
            return None;
        }
        let engine = Engine::start(&folder.join("engine"))?;
        engine.docker(&["load", "-i", archive.to_str()?]).ok()?;
        Some(Self {
            engine,
            client,
            out: folder.join("docker-out"),
        })
    }
}

impl Tool for Docker {
    fn name(&self) -> String {
        let version = self
            .engine
            .docker(&["version", "--format", "{{.Server.Version}}"])
            .unwrap_or_default();
        format!("Docker Engine {} (BuildKit)", version.trim())
    }

    fn build(&mut self, row: &Row, context: &Path) -> Option<Duration> {
        // More than this many stages at once fail in this engine (its flight control gives up).
        if row.jobs > 16 {
            return None;
        }
        let _ = std::fs::remove_dir_all(&self.out);
        let mut command = Command::new(&self.client);
        command
            .arg("-H")
            .arg(format!("unix://{}", self.engine.socket().display()))
            .env("DOCKER_BUILDKIT", "1")
            .args(["build", "--progress", "plain", "--network", "none"]);
        match row.output {
            Output::None => &mut command,
            // The engine of this age has no OCI archive.
            Output::OciArchive => return None,
            Output::Local => command.arg("-o").arg(&self.out),
        };
        time(command.arg(context)).map(|(took, _)| took)
    }

    fn forget(&mut self) {
        self.engine
            .docker(&["builder", "prune", "-a", "-f"])
            .expect("the cache is emptied");
    }

    fn memory(&self) -> String {
        let pid = std::fs::read_to_string(self.engine.socket().with_file_name("pid")).unwrap_or_default();
        let status = std::fs::read_to_string(format!("/proc/{}/status", pid.trim())).unwrap_or_default();
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap_or("0 kB")
            .trim()
            .to_owned();
        let kib: u64 = peak.trim_end_matches(" kB").parse().unwrap_or_default();
        format!("dockerd {} MB", kib / 1024)
    }
}

/// Buildah with layers.
pub struct Buildah {
    program: PathBuf,
    folder: PathBuf,
    peak: i64,
}

impl Buildah {
    /// Copies the base image into a storage of its own.
    pub fn start(folder: &Path) -> Option<Self> {
        let buildah = Self {
            program: find_program("buildah")?,
            folder: folder.join("buildah"),
            peak: 0,
        };
        std::fs::create_dir_all(&buildah.folder).ok()?;
        let archive = folder.join("base.tar");
        let source = if archive.is_file() {
            format!("docker-archive:{}", archive.display())
        } else {
            format!("oci:{}:latest", base::busybox().display())
        };
        let pulled = buildah
            .command("pull")
            .arg(source)
            .stdout(Stdio::null())
            .status()
            .ok()?;
        if !pulled.success() {
            return None;
        }
        let images = buildah.command("images").args(["-q"]).output().ok()?;
        let id = String::from_utf8_lossy(&images.stdout).lines().next()?.to_owned();
        buildah
            .command("tag")
            .args([&id, "localhost/base"])
            .status()
            .ok()?;
        Some(buildah)
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--root")
            .arg(self.folder.join("root"))
            .arg("--runroot")
            .arg(self.folder.join("run"))
            .args(["--storage-driver", "overlay", verb]);
        command
    }
}

impl Tool for Buildah {
    fn name(&self) -> String {
        "buildah".to_owned()
    }

    fn build(&mut self, row: &Row, context: &Path) -> Option<Duration> {
        if row.only_graphs {
            return None;
        }
        let out = self.folder.join("out");
        let _ = std::fs::remove_dir_all(&out);
        let mut command = self.command("build");
        command
            .args(["--layers", "--pull=never", "--network", "none", "--jobs"])
            .arg(row.jobs.to_string())
            .args(["--isolation", "oci", "--runtime", "runc"]);
        match row.output {
            Output::None => &mut command,
            Output::OciArchive => return None,
            Output::Local => command.arg("-o").arg(&out),
        };
        let (took, peak) = time(command.arg(context))?;
        self.peak = self.peak.max(peak);
        Some(took)
    }

    fn forget(&mut self) {
        // All images but the base: the cache of buildah are its images.
        let base = self
            .command("images")
            .args(["-q", "--no-trunc", "localhost/base"])
            .output();
        let base = base
            .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
            .unwrap_or_default();
        if let Ok(output) = self.command("images").args(["-a", "-q", "--no-trunc"]).output() {
            for id in String::from_utf8_lossy(&output.stdout)
                .lines()
                .filter(|id| *id != base)
            {
                let _ = self
                    .command("rmi")
                    .args(["-f", id])
                    .stderr(Stdio::null())
                    .stdout(Stdio::null())
                    .status();
            }
        }
    }

    fn memory(&self) -> String {
        format!("buildah {} MB", self.peak / 1024)
    }
}
