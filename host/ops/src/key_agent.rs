//! An SSH agent for keys in files: `ssh-agent` and `ssh-add` of OpenSSH, for as long as the value lives. When this process is
//! killed the agent notices within seconds and ends too.
//! Knows nothing of builds.

use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// Largest file that may be a key, bytes. BuildKit's.
const LARGEST_KEY: u64 = 100 << 10;
/// What the agent waits for: it ends after this command, which ends with our end of its input.
const HOLD: &str = "echo \"$SSH_AGENT_PID\"; exec cat > /dev/null";

/// Why there is no agent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyAgentError {
    /// A program of OpenSSH is not there, or does not run.
    #[error(
        "cannot run {program}, which keeps the keys of --ssh (Debian has it in the package openssh-client)"
    )]
    Run {
        /// The program.
        program: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The agent ended, or nothing can be said to it.
    #[error("the SSH agent does not start")]
    Start {
        /// Why not.
        source: io::Error,
    },
    /// The file cannot be read.
    #[error("cannot read the key {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is not a key that can be used without being asked for anything.
    #[error("{} is no private key, or needs a passphrase: {message}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What ssh-add says.
        message: String,
    },
}

/// A running agent.
#[derive(Debug)]
pub struct KeyAgent {
    socket: PathBuf,
    /// What the agent waits for.
    hold: Child,
    agent: Option<Pid>,
    _folder: tempfile::TempDir,
}

impl KeyAgent {
    /// Starts an agent with these keys. Its socket is in a new folder in `parent`, whose path MUST be short: the address of a
    /// socket is.
    ///
    /// # Errors
    /// OpenSSH is not installed, or a file is not a key.
    pub fn start(
        keys: &[PathBuf],
        parent: &Path,
        search_path: Option<&OsStr>,
    ) -> Result<Self, KeyAgentError> {
        let start = |source| KeyAgentError::Start { source };
        let folder = tempfile::Builder::new()
            .prefix("lapstrake-ssh-")
            .tempdir_in(parent)
            .map_err(start)?;
        let socket = folder.path().join("agent");
        let mut hold = sealed("ssh-agent", search_path)
            .arg("-a")
            .arg(&socket)
            .args(["sh", "-c", HOLD])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|source| KeyAgentError::Run {
                program: "ssh-agent",
                source,
            })?;
        let mut line = String::new();
        let read = hold
            .stdout
            .take()
            .map(|out| BufReader::new(out).read_line(&mut line));
        let agent = line.trim().parse().ok().and_then(Pid::from_raw);
        let this = Self {
            socket,
            hold,
            agent,
            _folder: folder,
        };
        read.unwrap_or(Ok(0)).map_err(start)?;
        if this.agent.is_none() {
            return Err(start(io::ErrorKind::UnexpectedEof.into()));
        }
        for key in keys {
            this.add(key, search_path)?;
        }
        Ok(this)
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Adds a key. By standard input, as ssh-add does not take a file that others may read, which is nobody's business here.
    fn add(&self, path: &Path, search_path: Option<&OsStr>) -> Result<(), KeyAgentError> {
        let unreadable = |source| KeyAgentError::Read {
            path: path.to_owned(),
            source,
        };
        let size = std::fs::metadata(path).map_err(unreadable)?.len();
        let bad = |message: &str| KeyAgentError::Key {
            path: path.to_owned(),
            message: message.to_owned(),
        };
        if size > LARGEST_KEY {
            return Err(bad("it is larger than a key"));
        }
        let mut key = std::fs::read(path).map_err(unreadable)?;
        if !key.ends_with(b"\n") {
            key.push(b'\n');
        }
        let run = |source| KeyAgentError::Run {
            program: "ssh-add",
            source,
        };
        let mut child = sealed("ssh-add", search_path)
            .args(["-q", "-"])
            .env("SSH_AUTH_SOCK", &self.socket)
            // Whoever is asked for a passphrase refuses.
            .env("SSH_ASKPASS", "/bin/false")
            .env("SSH_ASKPASS_REQUIRE", "force")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(run)?;
        if let Some(mut stdin) = child.stdin.take() {
            // If it does not read to the end, it says why.
            let _ = stdin.write_all(&key);
        }
        let output = child.wait_with_output().map_err(run)?;
        if output.status.success() {
            return Ok(());
        }
        let message = String::from_utf8_lossy(&output.stderr);
        Err(bad(message
            .trim()
            .lines()
            .last()
            .unwrap_or("ssh-add does not take it")))
    }
}

impl Drop for KeyAgent {
    fn drop(&mut self) {
        if let Some(agent) = self.agent {
            // Still ours: it outlives what it waits for, which ends below.
            let _ = kill_process(agent, Signal::TERM);
        }
        drop(self.hold.stdin.take());
        let _ = self.hold.wait();
    }
}

/// A program with nothing of the environment.
fn sealed(program: &str, search_path: Option<&OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C");
    if let Some(path) = search_path {
        command.env("PATH", path);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> Option<std::ffi::OsString> {
        std::env::var_os("PATH")
    }

    /// Makes a key, if OpenSSH is here.
    fn key(folder: &Path, passphrase: &str) -> Option<PathBuf> {
        let path = folder.join(format!("key-{}", passphrase.len()));
        let made = Command::new("ssh-keygen")
            .args([
                "-q",
                "-t",
                "ed25519",
                "-N",
                passphrase,
                "-C",
                "a key of the test",
                "-f",
            ])
            .arg(&path)
            .status();
        made.is_ok_and(|status| status.success()).then_some(path)
    }

    #[test]
    fn keys_are_there_until_the_agent_goes() {
        let folder = tempfile::tempdir().unwrap();
        let Some(key) = key(folder.path(), "") else {
            eprintln!("skipped: ssh-keygen is not installed");
            return;
        };
        // Whoever may read it.
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        let agent = KeyAgent::start(&[key], folder.path(), path().as_deref()).unwrap();
        let listed = Command::new("ssh-add")
            .arg("-l")
            .env("SSH_AUTH_SOCK", agent.socket())
            .output()
            .unwrap();
        assert!(String::from_utf8_lossy(&listed.stdout).contains("a key of the test"));
        let (socket, pid) = (agent.socket().to_owned(), agent.agent.unwrap());
        drop(agent);
        assert!(!socket.exists());
        // It has been told; give it the time to go.
        for _ in 0..500 {
            if rustix::process::test_kill_process(pid).is_err() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("the agent is still there");
    }

    #[test]
    fn what_is_no_key_or_asks_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let Some(asks) = key(folder.path(), "a passphrase") else {
            eprintln!("skipped: ssh-keygen is not installed");
            return;
        };
        let none = folder.path().join("none");
        std::fs::write(&none, "hello").unwrap();
        for path_of in [asks, none] {
            let error = KeyAgent::start(&[path_of], folder.path(), path().as_deref()).unwrap_err();
            assert!(matches!(error, KeyAgentError::Key { .. }), "{error:?}");
        }
        let missing = KeyAgent::start(&[folder.path().join("no")], folder.path(), path().as_deref());
        assert!(matches!(missing, Err(KeyAgentError::Read { .. })));
    }
}
