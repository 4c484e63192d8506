//! The SSH agents of a build: those that run already, and one for each `--ssh` that names keys.
//! Knows nothing of who uses them.

use std::collections::BTreeMap;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use lapstrake_ops::{KeyAgent, KeyAgentError};

use crate::spec::Ssh;

/// Where the caller's own agent is.
const CALLERS: &str = "SSH_AUTH_SOCK";

/// Agents, as long as this lives.
#[derive(Default)]
pub(super) struct Agents {
    pub(super) sockets: BTreeMap<String, PathBuf>,
    _started: Vec<KeyAgent>,
}

/// Why an `--ssh` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// The caller has no agent.
    #[error("there is no SSH agent: SSH_AUTH_SOCK is not set")]
    NoAgent,
    /// A path is not there.
    #[error("cannot use {}", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A socket beside other paths.
    #[error("{} is a socket: it stands alone", path.display())]
    SocketAmongKeys {
        /// The path.
        path: PathBuf,
    },
    /// No agent with these keys can be started.
    #[error(transparent)]
    Agent(#[from] KeyAgentError),
}

/// Finds or starts the agents of a build.
///
/// # Errors
/// The id of the agent that is not there, and why.
pub(super) fn agents(
    list: &[Ssh],
    search_path: Option<&std::ffi::OsStr>,
) -> Result<Agents, (String, SshError)> {
    let mut agents = Agents::default();
    for ssh in list {
        let socket = one(ssh, search_path, &mut agents._started);
        let socket = socket.map_err(|error| (ssh.id.clone(), error))?;
        agents.sockets.insert(ssh.id.clone(), socket);
    }
    Ok(agents)
}

fn one(
    ssh: &Ssh,
    search_path: Option<&std::ffi::OsStr>,
    started: &mut Vec<KeyAgent>,
) -> Result<PathBuf, SshError> {
    let is_socket = |path: &Path| match std::fs::metadata(path) {
        Ok(metadata) => Ok(metadata.file_type().is_socket()),
        Err(source) => Err(SshError::Path {
            path: path.to_owned(),
            source,
        }),
    };
    if ssh.paths.is_empty() {
        let path = std::env::var_os(CALLERS).filter(|path| !path.is_empty());
        let path = PathBuf::from(path.ok_or(SshError::NoAgent)?);
        is_socket(&path)?;
        return Ok(path);
    }
    for path in &ssh.paths {
        if is_socket(path)? {
            return match ssh.paths.len() {
                1 => std::path::absolute(path).map_err(|source| SshError::Path {
                    path: path.clone(),
                    source,
                }),
                _ => Err(SshError::SocketAmongKeys { path: path.clone() }),
            };
        }
    }
    let agent = KeyAgent::start(&ssh.paths, &std::env::temp_dir(), search_path)?;
    let socket = agent.socket().to_owned();
    started.push(agent);
    Ok(socket)
}
