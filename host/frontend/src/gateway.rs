//! What a frontend can ask of the host: the gateway, a trait that a Wasm guest reaches over WIT. Field for field the
//! contract's `host` interface, in the host's types. Knows nothing of Wasm or of who answers.

use std::sync::Arc;

use lapstrake_llb::{Definition, Digest, Edge, ImageConfig, Platform, Report, ResolveMode};
use serde::{Deserialize, Serialize};

use crate::request::{BuildResult, Request};

/// Answers a frontend's calls. They come from the thread that runs the guest, which waits meanwhile: an
/// implementation that can be cancelled MUST return soon after it was.
pub trait Gateway: Send + Sync {
    /// Resolves images, all at the same time. MUST answer every request, in order.
    fn resolve_image_configs(&self, requests: Vec<ImageRequest>) -> Vec<Result<ImageInfo, String>>;

    /// Solves the roots, all at the same time. MUST give one reference for each root, in order. The definition is
    /// valid, and so are the roots.
    fn solve(&self, definition: Definition, roots: Vec<Edge>) -> Result<Vec<Arc<dyn Reference>>, SolveError>;

    /// Builds with another frontend; none: the one that the main source's syntax line names. Only where frontends can be
    /// found. What the other frontend is answered comes through `wrap`.
    fn build_file(
        &self,
        frontend: Option<&str>,
        request: Request,
        wrap: Wrap<'_>,
    ) -> Result<BuildResult, BuildFailure> {
        let _ = (frontend, request, wrap);
        Err(BuildFailure::Failed("this call may not build".to_owned()))
    }

    /// Shows how far something is. Bounded in number; MUST not influence a result.
    fn progress(&self, name: &str, current: u64, total: Option<u64>) {
        let _ = (name, current, total);
    }

    /// Shows a message to the person. Bounded in number and length; MUST not influence a result.
    fn log(&self, level: LogLevel, message: &str);

    /// Shows warnings to the person.
    fn warn(&self, warnings: Report);
}

/// What is put around the gateway of a nested build's frontends, so that they are answered as the one that asked for it.
pub type Wrap<'a> = &'a dyn Fn(Arc<dyn Gateway>) -> Arc<dyn Gateway>;

/// A solved tree, read only. Paths are absolute inside of it; links are followed and never lead out.
pub trait Reference: Send + Sync {
    /// Reads a file; none: the whole of it. Fewer bytes come back at the end. MUST fail with
    /// [`FileError::TooLarge`] rather than return more than [`MAX_READ`](crate::MAX_READ) bytes.
    fn read_file(&self, path: &str, part: Option<ByteRange>) -> Result<Vec<u8>, FileError>;

    /// Reads a whole file that is UTF-8, under the same limit.
    fn read_text(&self, path: &str) -> Result<String, FileError>;

    /// Lists a directory, sorted by name bytewise; only what matches the pattern, where there is one.
    fn read_dir(&self, path: &str, pattern: Option<&str>) -> Result<Vec<FileInfo>, FileError>;

    /// Describes a file, which a link at the end of the path leads to, as everywhere here.
    fn stat(&self, path: &str) -> Result<FileInfo, FileError>;
}

/// Which image a frontend wants to know about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRequest {
    /// Reference, as the build file has it.
    pub reference: String,
    /// None: in a registry; else in this of the build's OCI layouts.
    pub oci_layout_store: Option<String>,
    /// None: the host's default.
    pub platform: Option<Platform>,
    /// Whether a registry is asked.
    pub mode: ResolveMode,
}

/// What is known of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageInfo {
    /// Normalised, with its digest: what an image source should name.
    pub reference: String,
    /// Digest of what the reference names.
    pub digest: Digest,
    /// Its configuration.
    pub config: ImageConfig,
}

/// Why there is no solved tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum SolveError {
    /// The graph is wrong.
    #[error("invalid definition: {0}")]
    InvalidDefinition(String),
    /// A step failed.
    #[error("{0}")]
    Failed(String),
    /// The person allowed it not.
    #[error("not allowed: {0}")]
    NotAllowed(String),
    /// Nobody waits for it any more.
    #[error("cancelled")]
    Cancelled,
}

/// Why another frontend built nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum BuildFailure {
    /// The source is wrong.
    #[error("the build file is not valid")]
    Invalid(Report),
    /// The build file has no such target.
    #[error("there is no target {0:?} in the build file")]
    UnknownTarget(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum FileError {
    /// There is none of that name.
    #[error("no such file")]
    NotFound,
    /// Something else than a regular file.
    #[error("not a file")]
    NotAFile,
    /// Something else than a directory.
    #[error("not a directory")]
    NotADirectory,
    /// A path that no file can have.
    #[error("bad path: {0}")]
    BadPath(String),
    /// More than may be read at once.
    #[error("too large")]
    TooLarge,
    /// Not UTF-8, but asked for as text.
    #[error("not utf-8")]
    NotUtf8,
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// A part of a file, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByteRange {
    /// Where it starts.
    pub offset: u64,
    /// How long it is.
    pub length: u32,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character or block device.
    Device,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// What is known of a file without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// Last component of its path.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
    /// Bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// What a link says.
    pub link_target: Option<String>,
}

/// How important a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LogLevel {
    /// For the author of the frontend.
    Debug,
    /// For everybody.
    Info,
    /// Something may be wrong.
    Warn,
}

/// The gateway of calls that need none: it knows no image and solves nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoGateway;

impl Gateway for NoGateway {
    fn resolve_image_configs(&self, requests: Vec<ImageRequest>) -> Vec<Result<ImageInfo, String>> {
        requests
            .iter()
            .map(|_| Err("this call may not ask for images".to_owned()))
            .collect()
    }

    fn solve(&self, _: Definition, _: Vec<Edge>) -> Result<Vec<Arc<dyn Reference>>, SolveError> {
        Err(SolveError::NotAllowed("this call may not solve".to_owned()))
    }

    fn log(&self, _: LogLevel, _: &str) {}

    fn warn(&self, _: Report) {}
}
