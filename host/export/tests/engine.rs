//! A real Docker Engine loads and runs an exported archive. Skipped, with the reason, where none can be started.
//! Knows nothing of the archive's insides.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lapstrake_export::{Destination, ImageOptions, LayerOptions, Output, export};
use lapstrake_store::compress::Compression;
use support::{Fetcher, entry, input, layer, store, whiteout};

/// An engine of its own, ended and removed with the test.
struct Engine {
    process: Child,
    socket: String,
}

impl Engine {
    fn start(home: &Path) -> Option<Self> {
        let socket = format!("unix://{}", home.join("docker.sock").display());
        let path = |name: &str| home.join(name).display().to_string();
        let process = Command::new("dockerd")
            .args([
                "--iptables=false",
                "--ip6tables=false",
                "--bridge=none",
                "--ip-forward=false",
            ])
            .args(["--storage-driver", "overlay2", "-H", &socket])
            .args([
                "--data-root",
                &path("data"),
                "--exec-root",
                &path("exec"),
                "--pidfile",
                &path("pid"),
            ])
            .stdout(Stdio::null())
            .stderr(fs::File::create(home.join("log")).unwrap())
            .spawn();
        let process = match process {
            Ok(process) => process,
            Err(error) => {
                println!("skipped: cannot run dockerd: {error}");
                return None;
            }
        };
        let mut engine = Self { process, socket };
        let end = Instant::now() + Duration::from_secs(120);
        while !engine
            .command(&["version"])
            .output()
            .is_ok_and(|output| output.status.success())
        {
            let ended = engine.process.try_wait().unwrap().is_some();
            if ended || Instant::now() > end {
                let log = fs::read_to_string(home.join("log")).unwrap();
                println!(
                    "skipped: dockerd does not start: {}",
                    log.lines().last().unwrap_or_default()
                );
                return None;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(engine)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.args(["-H", &self.socket]).args(arguments);
        command
    }

    /// What the command prints; `None` if it fails.
    fn docker(&self, arguments: &[&str]) -> Option<String> {
        let output = Command::new("docker")
            .args(["-H", &self.socket])
            .args(arguments)
            .output()
            .ok()?;
        if !output.status.success() {
            println!(
                "docker {arguments:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            return None;
        }
        Some(String::from_utf8(output.stdout).unwrap())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // It ends its containers and containerd when it is asked to.
        let pid = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.process.wait();
    }
}

#[test]
fn docker_loads_and_runs_an_archive() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: dockerd needs root");
        return;
    }
    if Command::new("docker").arg("--version").output().is_err() {
        println!("skipped: docker is not installed");
        return;
    }
    let shell = Path::new("/bin/busybox");
    if !shell.exists() {
        println!("skipped: there is no {shell:?} to run");
        return;
    }
    let (home, store) = store();
    let Some(engine) = Engine::start(home.path()) else {
        return;
    };
    let base = layer(&store, "base", |dir| {
        fs::create_dir(dir.join("bin")).unwrap();
        fs::copy(shell, dir.join("bin/sh")).unwrap();
        fs::set_permissions(dir.join("bin/sh"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(dir.join("gone"), "x").unwrap();
        fs::write(dir.join("text"), "old").unwrap();
    });
    let change = layer(&store, "change", |dir| {
        whiteout(&dir.join("gone"));
        fs::write(dir.join("text"), "new").unwrap();
    });
    let nothing = layer(&store, "nothing", |_| {});
    let history = vec![
        entry("COPY", false),
        entry("ENV", true),
        entry("RUN", false),
        entry("RUN true", false),
    ];
    let mut image = input(&[base, change, nothing], history);
    image
        .config
        .env
        .push(("GREETING".to_owned(), "hello & <bye>".to_owned()));
    let script = "echo \"$GREETING\"; cat /text; if [ -e /gone ]; then echo ' there'; else echo ' gone'; fi";
    image.config.cmd = Some(["/bin/sh", "-c", script].map(str::to_owned).to_vec());
    for compression in [Compression::Gzip, Compression::None] {
        let path = home.path().join("image.tar");
        let layers = LayerOptions {
            compression,
            ..LayerOptions::default()
        };
        let name = format!("test/{}:v1", compression.name());
        let output = Output::Docker {
            destination: Destination::File(path.clone()),
            names: vec![name.parse().unwrap()],
            options: ImageOptions {
                layers,
                ..ImageOptions::docker()
            },
        };
        let made = export(
            &store,
            std::slice::from_ref(&image),
            &output,
            &Fetcher::default(),
            &(),
        )
        .unwrap();
        let loaded = engine
            .docker(&["load", "-i", path.to_str().unwrap()])
            .expect("docker load");
        assert_eq!(loaded.trim(), format!("Loaded image: {name}"));
        let id = engine
            .docker(&["inspect", "--format", "{{.Id}}", &name])
            .expect("docker inspect");
        assert_eq!(id.trim(), made.image.unwrap().images[0].config.digest.to_string());
        let said = engine
            .docker(&["run", "--rm", "--network", "none", &name])
            .expect("docker run");
        assert_eq!(said, "hello & <bye>\nnew gone\n");
    }
}
