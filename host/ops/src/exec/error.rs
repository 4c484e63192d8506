//! What can go wrong with running a command, apart from the command itself failing.
//! Knows nothing of how errors are shown.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::network::NetworkTool;
use super::user::UserError;

/// Why a command could not be run, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The helper process could not be started.
    #[error("cannot start the container helper {}", program.display())]
    StartHelper {
        /// Program that was to be the helper.
        program: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// Talking to the helper process failed.
    #[error("cannot talk to the container helper")]
    Helper {
        /// Cause.
        source: io::Error,
    },
    /// The helper process ended before the command.
    #[error("the container helper ended unexpectedly; all processes of the command were killed with it")]
    HelperDied,
    /// A killed command is still there.
    #[error("the processes of the command did not end within {} s of being killed", after.as_secs())]
    Unkillable {
        /// How long was waited.
        after: Duration,
    },
    /// A request that cannot be meant.
    #[error("invalid request: {what}")]
    InvalidRequest {
        /// What is wrong.
        what: &'static str,
    },
    /// A request cannot be written for the helper.
    #[error("cannot encode the request")]
    Encode {
        /// Cause.
        source: postcard::Error,
    },
    /// A directory of this machine could not be prepared.
    #[error("cannot prepare {}", path.display())]
    Prepare {
        /// The directory.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// The container could not be set up.
    #[error("cannot set up the container")]
    Setup {
        /// Cause.
        source: SetupError,
    },
    /// The program could not be executed: nothing of the command has run.
    #[error(transparent)]
    Program(ProgramError),
    /// The result could not be made a layer.
    #[error("cannot finish the layer at {}", path.display())]
    Finish {
        /// The file or directory.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// The program that is to connect commands' networks is missing.
    #[error("`{}` is not installed; it is to connect the networks of commands", tool.program())]
    NoNetworkTool {
        /// The program.
        tool: NetworkTool,
    },
    /// The command was cancelled.
    #[error("the command was cancelled")]
    Cancelled,
    /// The command took too long.
    #[error("the command did not end within {} s", after.as_secs_f64())]
    TimedOut {
        /// The limit.
        after: Duration,
    },
}

/// Why a program could not be executed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum ProgramError {
    /// No directory of PATH has it.
    #[error("executable `{program}` not found in PATH ({path})")]
    NotInPath {
        /// First argument.
        program: String,
        /// The value of PATH.
        path: String,
    },
    /// The path does not exist.
    #[error("executable `{program}` not found")]
    NotFound {
        /// First argument.
        program: String,
    },
    /// The file exists, but what it says should run it does not.
    #[error("`{program}` exists, but the interpreter or dynamic loader that it names does not")]
    InterpreterNotFound {
        /// First argument.
        program: String,
    },
    /// The file is not a program of this machine.
    #[error(
        "`{program}` is not a program that this machine can run (wrong architecture, or a script without `#!` line)"
    )]
    Format {
        /// First argument.
        program: String,
    },
    /// Anything else.
    #[error("cannot execute `{program}`")]
    Other {
        /// First argument.
        program: String,
        /// Cause.
        source: Errno,
    },
}

/// Why a container could not be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum SetupError {
    /// Namespaces could not be made.
    #[error("cannot create namespaces (is this process root, or allowed to use user namespaces?)")]
    Namespaces {
        /// Cause.
        source: Errno,
    },
    /// The request that arrived in the helper makes no sense.
    #[error("the request did not arrive whole in the container helper")]
    Request,
    /// Something of the machine is not as it must be.
    #[error("cannot {action}")]
    System {
        /// What was tried, in the infinitive.
        action: String,
        /// Cause.
        source: Errno,
    },
    /// The root, or a tree to be mounted, could not be put together.
    #[error("cannot mount {layers} layers as {target}")]
    Overlay {
        /// Where they were to appear.
        target: String,
        /// How many.
        layers: usize,
        /// Cause.
        source: Errno,
    },
    /// A layer's directory could not be opened.
    #[error("cannot open the layer {}", path.display())]
    Layer {
        /// The directory.
        path: PathBuf,
        /// Cause.
        source: Errno,
    },
    /// A mount failed.
    #[error("cannot mount {kind} at {target}")]
    Mount {
        /// Type of file system, or `bind`.
        kind: String,
        /// Path in the container.
        target: String,
        /// Cause.
        source: Errno,
    },
    /// What is to be mounted does not exist in its tree.
    #[error("cannot find {selector} in the tree to be mounted at {target}")]
    Selector {
        /// Path in the tree.
        selector: String,
        /// Path in the container.
        target: String,
        /// Cause.
        source: Errno,
    },
    /// The place where something is to be mounted cannot be made.
    #[error("cannot make the mount point {target}")]
    Target {
        /// Path in the container.
        target: String,
        /// Cause.
        source: Errno,
    },
    /// The working directory cannot be made or entered.
    #[error("cannot use the working directory {cwd}")]
    Cwd {
        /// Path in the container.
        cwd: String,
        /// Cause.
        source: Errno,
    },
    /// The user does not exist.
    #[error("cannot run as user `{user}`")]
    User {
        /// As it was asked for.
        user: String,
        /// Cause.
        source: UserError,
    },
    /// The user namespace has no such user or group.
    #[error("{kind} {id} does not exist for a process without privilege on this machine")]
    Unmapped {
        /// `user` or `group`.
        kind: String,
        /// Its number.
        id: u32,
    },
    /// An unknown resource limit.
    #[error("unknown ulimit `{name}`")]
    UnknownUlimit {
        /// Its name.
        name: String,
    },
    /// A string for the kernel has a NUL character.
    #[error("{what} has a NUL character")]
    Nul {
        /// Which string.
        what: String,
    },
    /// The external runtime failed before the command ran.
    #[error("{} failed: {message}", runtime.display())]
    Runtime {
        /// Program.
        runtime: PathBuf,
        /// What it said.
        message: String,
    },
}

impl SetupError {
    /// Says that `action`, an infinitive, failed.
    pub(crate) fn system<E: Into<Errno>>(action: &str) -> impl FnOnce(E) -> SetupError {
        let action = action.to_owned();
        move |source| SetupError::System {
            action,
            source: source.into(),
        }
    }
}

/// An error number of the kernel, in a form that crosses processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{}", io::Error::from_raw_os_error(*.0))]
pub struct Errno(pub i32);

impl From<rustix::io::Errno> for Errno {
    fn from(errno: rustix::io::Errno) -> Errno {
        Errno(errno.raw_os_error())
    }
}

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Errno {
        Errno(error.raw_os_error().unwrap_or(libc::EIO))
    }
}
