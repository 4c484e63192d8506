//! Real servers of Debian's packages, on loopback, ended with the value that started them.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::find_program;

/// How long a server may take to start.
const START: Duration = Duration::from_secs(120);

/// A container registry.
pub struct Registry {
    child: Child,
    /// `localhost:PORT`.
    pub host: String,
    /// Where it keeps blobs and links.
    pub data: PathBuf,
}

impl Registry {
    /// Starts one with an empty store below `folder`; with a user and a password it asks for them.
    /// None: the package `docker-registry` is not installed.
    pub fn start(folder: &Path, login: Option<(&str, &str)>) -> Option<Self> {
        let program = find_program("docker-registry")?;
        let data = folder.join("registry");
        std::fs::create_dir_all(&data).unwrap();
        let port = free_port();
        let mut config = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\n\
             http:\n  addr: 127.0.0.1:{port}\n",
            data.display()
        );
        if let Some((user, password)) = login {
            let output = Command::new(find_program("htpasswd")?)
                .args(["-Bbn", user, password])
                .output()
                .unwrap();
            let file = folder.join("htpasswd");
            std::fs::write(&file, output.stdout).unwrap();
            config += &format!(
                "auth:\n  htpasswd:\n    realm: test\n    path: {}\n",
                file.display()
            );
        }
        let file = folder.join("registry.yml");
        std::fs::write(&file, config).unwrap();
        let child = Command::new(program)
            .arg("serve")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let registry = Self {
            child,
            host: format!("localhost:{port}"),
            data,
        };
        wait_for("the registry", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(registry)
    }

    /// Puts an image of an OCI layout into the registry with skopeo. False: skopeo is not installed.
    pub fn push(&self, layout: &Path, name: &str, login: Option<&str>) -> bool {
        let Some(skopeo) = find_program("skopeo") else {
            return false;
        };
        let mut command = Command::new(skopeo);
        command.args(["copy", "--all", "--dest-tls-verify=false", "--quiet"]);
        if let Some(login) = login {
            command.args(["--dest-creds", login]);
        }
        command
            .arg(format!("oci:{}:latest", layout.display()))
            .arg(format!("docker://{}/{name}", self.host));
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "skopeo: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        true
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Docker Engine without a network of its own.
pub struct Engine {
    child: Child,
    folder: PathBuf,
}

impl Engine {
    /// Starts one with its data below `folder`. None: the package `docker.io` is not installed, or it does not start
    /// here (the reason is printed).
    pub fn start(folder: &Path) -> Option<Self> {
        let program = find_program("dockerd")?;
        std::fs::create_dir_all(folder).unwrap();
        let mut child = Command::new(program)
            .args([
                "--iptables=false",
                "--bridge=none",
                "--ip-forward=false",
                "--storage-driver=overlay2",
            ])
            .arg("--data-root")
            .arg(folder.join("data"))
            .arg("--exec-root")
            .arg(folder.join("exec"))
            .arg("--pidfile")
            .arg(folder.join("pid"))
            .arg("-H")
            .arg(format!("unix://{}", folder.join("docker.sock").display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let lines = BufReader::new(stderr).lines().map_while(Result::ok);
            lines.collect::<Vec<_>>()
        });
        let mut engine = Self {
            child,
            folder: folder.to_owned(),
        };
        let began = Instant::now();
        // One that has ended, as it does without privilege, will not start any more.
        while began.elapsed() < START && matches!(engine.child.try_wait(), Ok(None)) {
            if engine.docker(&["version"]).is_ok() {
                return Some(engine);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        drop(engine);
        let lines = log.join().unwrap_or_default();
        eprintln!(
            "dockerd did not start:\n{}",
            lines[lines.len().saturating_sub(10)..].join("\n")
        );
        None
    }

    /// The engine's socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("docker.sock")
    }

    /// Runs the Docker client; standard output, or what it said on standard error.
    ///
    /// # Errors
    /// The client failed.
    pub fn docker(&self, arguments: &[&str]) -> Result<String, String> {
        self.client(arguments).map(|(stdout, _)| stdout)
    }

    /// Runs the Docker client; what it said on standard error, where progress is shown.
    ///
    /// # Errors
    /// The client failed.
    pub fn docker_log(&self, arguments: &[&str]) -> Result<String, String> {
        self.client(arguments).map(|(_, stderr)| stderr)
    }

    fn client(&self, arguments: &[&str]) -> Result<(String, String), String> {
        // The client of the engine's own package fits it; a newer one may want plugins.
        let own = PathBuf::from("/usr/bin/docker");
        let client = if own.is_file() {
            own
        } else {
            find_program("docker").ok_or("no docker client")?
        };
        let output = Command::new(client)
            .arg("-H")
            .arg(format!("unix://{}", self.socket().display()))
            .args(arguments)
            .env("DOCKER_BUILDKIT", "1")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        if output.status.success() {
            Ok((text(output.stdout), text(output.stderr)))
        } else {
            Err(text(output.stderr))
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait()
            && let Some(pid) = rustix::process::Pid::from_raw(self.child.id() as i32)
        {
            // The engine ends its containerd when it is asked politely.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(30) {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on. It is none of those that the kernel gives to whoever asks for any, so that nobody takes it
/// before it is used.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(61);
    loop {
        let number = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = 10_000 + u16::try_from(number % 20_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn wait_for(what: &str, ready: impl Fn() -> bool) {
    let began = Instant::now();
    while !ready() {
        assert!(began.elapsed() < START, "{what} did not start");
        std::thread::sleep(Duration::from_millis(30));
    }
}
