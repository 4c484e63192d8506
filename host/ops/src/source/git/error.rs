//! What can go wrong with a git repository. Addresses are shown without passwords.
//! Knows nothing of ops.

use std::io;
use std::path::PathBuf;

use crate::source::remote::is_confidential;

/// What can go wrong with a git repository.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GitError {
    /// The program is not there.
    #[error("git is not installed, and {remote} is a git repository")]
    NotInstalled {
        /// The repository.
        remote: String,
    },
    /// The program cannot be started.
    #[error("cannot run git")]
    Run {
        /// Why not.
        source: io::Error,
    },
    /// An address that is not one of a repository elsewhere.
    #[error("{remote} is not reached by https, http, ssh or git")]
    Protocol {
        /// The address.
        remote: String,
    },
    /// The server cannot be reached.
    #[error("cannot reach {remote}: {message}")]
    Unreachable {
        /// The repository.
        remote: String,
        /// What git says.
        message: String,
    },
    /// The server does not know the caller, or not well enough.
    #[error("{remote} may not be read: {message}")]
    Unauthorized {
        /// The repository.
        remote: String,
        /// What git says.
        message: String,
    },
    /// The server's key is not the known one.
    #[error("the host of {remote} cannot be trusted: {message}")]
    HostKey {
        /// The repository.
        remote: String,
        /// What SSH says.
        message: String,
    },
    /// There is no repository.
    #[error("there is no repository {remote}")]
    NoRepository {
        /// The repository.
        remote: String,
    },
    /// The repository has no such ref.
    #[error("{remote} has no branch or tag {reference:?}{}", near(close))]
    NoRef {
        /// The repository.
        remote: String,
        /// What was asked for.
        reference: String,
        /// What it is like.
        close: Vec<String>,
    },
    /// A ref has a name that leads out of a repository.
    #[error("{remote} has a ref with the name {name:?}, which git does not allow")]
    BadName {
        /// The repository.
        remote: String,
        /// The name.
        name: String,
    },
    /// The server leads to another address, and a token or a password is not for that one.
    #[error("the server of {remote} redirects to another address: {message}")]
    Redirected {
        /// The repository.
        remote: String,
        /// What git says.
        message: String,
    },
    /// The repository has no commit at all.
    #[error("{remote} has no commits")]
    Empty {
        /// The repository.
        remote: String,
    },
    /// The repository does not have, or does not give, a commit.
    #[error("{remote} has no commit {commit} that can be fetched: {message}")]
    NoCommit {
        /// The repository.
        remote: String,
        /// The commit.
        commit: String,
        /// What git says.
        message: String,
    },
    /// A ref leads to another commit than the build expects.
    #[error("{reference} of {remote} is the commit {actual}, and {expected} is expected")]
    Checksum {
        /// The repository.
        remote: String,
        /// The ref.
        reference: String,
        /// What is expected.
        expected: String,
        /// What it is.
        actual: String,
    },
    /// The commit has no such directory.
    #[error("{remote} has no directory {path:?} in commit {commit}")]
    NoDirectory {
        /// The repository.
        remote: String,
        /// The directory.
        path: String,
        /// The commit.
        commit: String,
    },
    /// Submodules in submodules in submodules.
    #[error("the submodule {path:?} of {remote} is too deep or one too many")]
    TooManyModules {
        /// The repository with the submodule.
        remote: String,
        /// The submodule.
        path: String,
    },
    /// The copy of a repository in the store cannot be used.
    #[error("git cannot use its copy of {remote}: {message}")]
    Copy {
        /// The repository.
        remote: String,
        /// What git says.
        message: String,
    },
    /// Git does what it has no reason to.
    #[error("git failed with {remote}: {message}")]
    Failed {
        /// The repository.
        remote: String,
        /// What git says.
        message: String,
    },
    /// A file cannot be read or written.
    #[error("cannot use {path:?}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

fn near(close: &[String]) -> String {
    match close {
        [] => String::new(),
        [only] => format!("; did you mean {only:?}?"),
        many => format!("; did you mean one of {}?", many.join(", ")),
    }
}

impl GitError {
    /// Whether the network or the store failed, and not what the build says.
    pub fn is_environment(&self) -> bool {
        !matches!(
            self,
            Self::Protocol { .. }
                | Self::NoRef { .. }
                | Self::NoCommit { .. }
                | Self::Redirected { .. }
                | Self::Empty { .. }
                | Self::Checksum { .. }
                | Self::NoDirectory { .. }
                | Self::TooManyModules { .. }
        )
    }

    /// What can be done about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::NotInstalled { .. } => "install git, such as with apt-get install git or apk add git",
            Self::Protocol { .. } => "a repository on this machine is a local context: give its directory",
            Self::Unreachable { .. } => {
                "check the address and the network; a proxy is taken from HTTP_PROXY, HTTPS_PROXY and NO_PROXY"
            }
            Self::Unauthorized { remote, .. } if !is_confidential(remote) => {
                "tokens are sent by https only, but on this machine: write https; else a user and a password can stand in \
                 the address itself"
            }
            Self::Unauthorized { .. } => {
                "by https give a token with --secret id=GIT_AUTH_TOKEN (or GIT_AUTH_TOKEN.<host>); by ssh give an \
                 agent with --ssh default; a private repository may look like one that is not there"
            }
            Self::Redirected { .. } => {
                "no token or password goes to an address that a server leads to: write the one that the repository \
                 has now; it may have been renamed, or need https or .git at its end"
            }
            Self::NoRepository { .. } => {
                "check the address; a private repository needs --secret id=GIT_AUTH_TOKEN"
            }
            Self::HostKey { .. } => {
                "if the host's key was changed on purpose, correct your known_hosts file, or the one of the \
                 state directory"
            }
            Self::NoRef { reference, .. } if looks_like_commit(reference) => {
                "a commit is named by all of its digits: 40, or 64 where ids are SHA-256"
            }
            Self::NoRef { .. } => "branches and tags are listed by git ls-remote",
            Self::Checksum { .. } => {
                "if the ref was meant to move, write the new commit; else somebody has moved it"
            }
            Self::Copy { .. } => "remove the folder git of the state directory; it is made anew",
            _ => return None,
        })
    }
}

fn looks_like_commit(text: &str) -> bool {
    text.len() >= 7 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
