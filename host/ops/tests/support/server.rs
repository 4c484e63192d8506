//! A real registry on this machine, as Debian's docker-registry package has it.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A registry that runs until it is dropped.
pub struct Server {
    child: Child,
    pub host: String,
    pub data: PathBuf,
    pub log: PathBuf,
}

impl Server {
    /// Starts one. `None`: it is not installed.
    pub fn start(directory: &Path) -> Option<Self> {
        Self::start_with(directory, "")
    }

    /// Starts one that wants a name and a password.
    pub fn start_with_password(directory: &Path, user: &str, password: &str) -> Option<Self> {
        if !super::has("htpasswd") {
            return None;
        }
        let table = Command::new("htpasswd")
            .args(["-Bbn", user, password])
            .output()
            .unwrap();
        assert!(table.status.success());
        let path = directory.join("htpasswd");
        fs::write(&path, table.stdout).unwrap();
        let auth = format!(
            "auth:\n  htpasswd:\n    realm: test\n    path: {}\n",
            path.display()
        );
        Self::start_with(directory, &auth)
    }

    /// Starts one that speaks TLS; the certificate of its authority is `ca.pem` in the directory.
    pub fn start_with_tls(directory: &Path) -> Option<Self> {
        if !super::has("openssl") {
            return None;
        }
        fs::write(directory.join("san"), "subjectAltName=IP:127.0.0.1\n").unwrap();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        let script = format!(
            "openssl req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=authority &&
             openssl req {key} -keyout key.pem -out leaf.csr -subj /CN=registry &&
             openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out leaf.pem"
        );
        let output = Command::new("sh")
            .args(["-c", &script])
            .current_dir(directory)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let file = |name: &str| directory.join(name).display().to_string();
        let tls = format!(
            "  tls:\n    certificate: {}\n    key: {}\n",
            file("leaf.pem"),
            file("key.pem")
        );
        Self::start_with(directory, &tls)
    }

    fn start_with(directory: &Path, more: &str) -> Option<Self> {
        if !super::has("docker-registry") || !super::has("skopeo") {
            return None;
        }
        let (data, log) = (directory.join("registry"), directory.join("registry.log"));
        // Somebody else may take the port between the two; then another one is tried.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
                .port();
            let host = format!("127.0.0.1:{port}");
            let config = format!(
                "version: 0.1\nlog:\n  accesslog:\n    disabled: false\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {host}\n{more}",
                data.display()
            );
            let path = directory.join("registry.yml");
            fs::write(&path, config).unwrap();
            let output = fs::File::create(&log).unwrap();
            let mut child = Command::new("docker-registry")
                .args(["serve", path.to_str().unwrap()])
                .stdin(Stdio::null())
                .stdout(output.try_clone().unwrap())
                .stderr(output)
                .spawn()
                .unwrap();
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(60) {
                if TcpStream::connect(&host).is_ok() {
                    return Some(Self {
                        child,
                        host,
                        data,
                        log,
                    });
                }
                if child.try_wait().unwrap().is_some() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!(
            "the registry does not start: {}",
            fs::read_to_string(&log).unwrap_or_default()
        );
    }

    /// Copies an image of a layout into it.
    pub fn push(&self, layout: &Path, tag: &str, name: &str, credentials: Option<&str>) {
        self.push_as("oci", layout, tag, name, credentials);
    }

    /// Copies an image of a layout into it in another manifest format, such as `v2s2`.
    pub fn push_as(&self, format: &str, layout: &Path, tag: &str, name: &str, credentials: Option<&str>) {
        let mut command = Command::new("skopeo");
        command.args([
            "--insecure-policy",
            "copy",
            "--all",
            "--dest-tls-verify=false",
            "--format",
            format,
        ]);
        if let Some(credentials) = credentials {
            command.args(["--dest-creds", credentials]);
        }
        command
            .arg(format!("oci:{}:{tag}", layout.display()))
            .arg(format!("docker://{}/{name}", self.host));
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// The requests that it has answered, such as `HEAD /v2/a/manifests/b`.
    pub fn requests(&self) -> Vec<String> {
        let log = fs::read_to_string(&self.log).unwrap();
        let lines = log.lines().filter_map(|line| {
            // The access log is in Apache's format: the request stands in quotes.
            let request = line.split("] \"").nth(1)?.split('"').next()?;
            let request = request.strip_suffix(" HTTP/1.1")?;
            Some(request.to_owned())
        });
        lines.collect()
    }

    /// The file in which it keeps a blob.
    pub fn blob_file(&self, hex: &str) -> PathBuf {
        self.data
            .join("docker/registry/v2/blobs/sha256")
            .join(&hex[..2])
            .join(hex)
            .join("data")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
