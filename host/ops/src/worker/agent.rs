//! An SSH agent for a command: a socket of its own, with the owner and the mode that the op asks for, that leads to the
//! agent of the build's caller. The agent's own socket belongs to its user, and a command may run as another one.
//! Knows nothing of the agent's protocol.

use std::io;
use std::net::Shutdown;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use lapstrake_llb::SecretMount;
use lapstrake_store::TempDir;
use rustix::fs::{Gid, Mode, Uid};

/// Permission bits of a socket for which the op names none. BuildKit's.
const DEFAULT_MODE: u32 = 0o600;

/// A socket that leads to an agent, until it is dropped.
pub(super) struct AgentSocket {
    directory: TempDir,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl AgentSocket {
    /// Makes a socket in an empty directory.
    pub(super) fn new(directory: TempDir, agent: PathBuf, mount: &SecretMount) -> io::Result<Self> {
        let path = directory.path().join("agent");
        let listener = bind(directory.path())?;
        let mode = if mount.mode == 0 {
            DEFAULT_MODE
        } else {
            mount.mode & 0o777
        };
        rustix::fs::chmod(&path, Mode::from_raw_mode(mode))?;
        let (uid, gid) = (Uid::from_raw(mount.uid), Gid::from_raw(mount.gid));
        match rustix::fs::chown(&path, Some(uid), Some(gid)) {
            // One whom the user namespace has not: nobody in the container is that user.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::PERM) => {}
            other => other?,
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let serve = move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(stream) = stream {
                    // A command whose connection fails sees it end at once.
                    let _ = connect(&agent).and_then(|agent| join(stream, agent));
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("ssh-agent".to_owned())
            .spawn(serve)?;
        Ok(Self {
            directory,
            stop,
            thread: Some(thread),
        })
    }

    /// The socket.
    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join("agent")
    }
}

impl Drop for AgentSocket {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread; the command is gone, and with it its ends of the connections.
        if connect(&self.path()).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

/// The address of a socket is short, a path in the store may be long: goes by the directory's descriptor.
fn through<T>(
    directory: &Path,
    name: &std::ffi::OsStr,
    act: impl FnOnce(&Path) -> io::Result<T>,
) -> io::Result<T> {
    let opened = std::fs::File::open(directory)?;
    act(&Path::new("/proc/self/fd")
        .join(opened.as_raw_fd().to_string())
        .join(name))
}

fn bind(directory: &Path) -> io::Result<UnixListener> {
    through(directory, "agent".as_ref(), |path| UnixListener::bind(path))
}

fn connect(path: &Path) -> io::Result<UnixStream> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let directory = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    through(directory, name, |path| UnixStream::connect(path))
}

/// Copies both ways, on threads that end with the connection.
fn join(one: UnixStream, other: UnixStream) -> io::Result<()> {
    let (one_too, other_too) = (one.try_clone()?, other.try_clone()?);
    for (mut from, mut to) in [(one, other_too), (other, one_too)] {
        std::thread::Builder::new()
            .name("ssh-agent".to_owned())
            .spawn(move || {
                let _ = io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};

    use lapstrake_store::Store;

    use super::*;

    #[test]
    fn what_goes_in_comes_out_at_the_agent_and_back() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("d".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        let store = Store::open(&deep).unwrap();
        let agent = directory.path().join("real");
        let listener = UnixListener::bind(&agent).unwrap();
        let echo = std::thread::spawn(move || {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                let mut text = String::new();
                stream.read_to_string(&mut text).unwrap();
                stream.write_all(text.to_uppercase().as_bytes()).unwrap();
            }
        });
        let mount = SecretMount {
            mode: 0o640,
            ..SecretMount::default()
        };
        let socket = AgentSocket::new(store.temp_dir().unwrap(), agent, &mount).unwrap();
        let metadata = std::fs::metadata(socket.path()).unwrap();
        assert!(metadata.file_type().is_socket());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o640);
        for text in ["one", "two"] {
            let mut stream = connect(&socket.path()).unwrap();
            stream.write_all(text.as_bytes()).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, text.to_uppercase());
        }
        echo.join().unwrap();
        let path = socket.path();
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn an_agent_that_is_gone_ends_the_connection() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let agent = directory.path().join("nobody");
        let socket = AgentSocket::new(store.temp_dir().unwrap(), agent, &SecretMount::default()).unwrap();
        let mut stream = connect(&socket.path()).unwrap();
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    }
}
