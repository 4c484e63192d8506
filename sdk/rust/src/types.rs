//! Every type of the contract under its own name, with defaults and small conveniences.
//! Plain data. Knows nothing of graphs being built or of the host.

pub use crate::bindings::exports::lapstrake::frontend::frontend::{
    ArgInfo, CallInfo, CallResult, Completion, CompletionKind, FrontendInfo, Hover, LineOrigin, OptionInfo,
    Outline, Rewritten, Role, TargetInfo, TextEdit,
};
pub use crate::bindings::lapstrake::frontend::diagnostics::{Diagnostic, Related, Report, Severity};
pub use crate::bindings::lapstrake::frontend::host::{
    ByteRange, FileError, FileInfo, FileKind, ImageInfo, LogLevel, SolveError,
};
pub use crate::bindings::lapstrake::frontend::llb::{
    BindMount, BuildOp, CacheMount, CacheSharing, CdiDevice, Chown, CopyAction, Definition, DiffOp, Edge,
    ExecOp, FileAction, FileActionKind, FileInput, FileMode, GitSource, HostIp, HttpSource, ImageSource,
    KeyValue, LinuxResources, LocalDiffer, LocalSource, MkdirAction, MkfileAction, Mount, MountKind,
    NetworkMode, OciLayoutSource, Op, Platform, Position, ProgressGroup, ProxyEnv, ResolveMode, RmAction,
    SecretEnv, SecretMount, SecurityMode, SourceFile, SourceOp, SourceRange, SshMount, SymlinkAction,
    Timestamp, TmpfsMount, Ulimit, UserRef, Vertex,
};
pub use crate::bindings::lapstrake::frontend::requests::{
    BuildError, BuildResult, BuiltImage, ContextSource, Healthcheck, HistoryEntry, ImageConfig, ImageRequest,
    NamedContext, Request,
};

use crate::LineIndex;

/// Name that BuildKit, and so Lapstrake, gives the main context.
pub const MAIN_CONTEXT: &str = "context";

macro_rules! defaults {
    ($($type:ident => $value:expr;)*) => {$(
        impl Default for $type {
            fn default() -> Self {
                $value
            }
        }
    )*};
}

// Field for field what lapstrake_llb and BuildKit take where nothing is said.
defaults! {
    ResolveMode => ResolveMode::Default;
    LocalDiffer => LocalDiffer::Metadata;
    NetworkMode => NetworkMode::Sandbox;
    SecurityMode => SecurityMode::Sandbox;
    CacheSharing => CacheSharing::Shared;
    FileInput => FileInput::Scratch;
    ContextSource => ContextSource::Local(MAIN_CONTEXT.to_owned());
}

impl KeyValue {
    /// Makes a pair.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
        }
    }
}

impl<K: Into<String>, V: Into<String>> From<(K, V)> for KeyValue {
    fn from((key, value): (K, V)) -> Self {
        Self::new(key, value)
    }
}

impl From<Edge> for FileInput {
    fn from(edge: Edge) -> Self {
        FileInput::Edge(edge)
    }
}

impl From<Option<Edge>> for FileInput {
    fn from(edge: Option<Edge>) -> Self {
        edge.map_or(FileInput::Scratch, FileInput::Edge)
    }
}

impl Vertex {
    /// Makes a vertex of which nothing is said but what it does.
    pub fn new(op: Op, platform: Option<Platform>) -> Self {
        Self {
            op,
            platform,
            name: String::new(),
            description: Vec::new(),
            ranges: Vec::new(),
            ignore_cache: false,
            export_cache: None,
            progress_group: None,
            resources: None,
            constraints: Vec::new(),
        }
    }
}

impl ImageConfig {
    /// Makes an empty configuration for a platform.
    pub fn new(platform: Platform) -> Self {
        Self {
            platform,
            ..Self::default()
        }
    }

    /// Sets a variable, in its old place where it is there already.
    pub fn set_env(&mut self, key: &str, value: impl Into<String>) {
        set(&mut self.env, key, value.into());
    }

    /// Sets a label, in its old place where it is there already.
    pub fn set_label(&mut self, key: &str, value: impl Into<String>) {
        set(&mut self.labels, key, value.into());
    }
}

impl BuiltImage {
    /// Makes an image without annotations from a tree (none: scratch) and its configuration.
    pub fn new(root: Option<Edge>, config: ImageConfig) -> Self {
        Self {
            platform: config.platform.clone(),
            root,
            config,
            annotations: Vec::new(),
        }
    }
}

impl Request {
    /// The build file. That there is none is the host's mistake.
    pub fn main_source(&self) -> Result<&SourceFile, BuildError> {
        let source = self.sources.first();
        source.ok_or_else(|| BuildError::Internal("the request has no build file".to_owned()))
    }

    /// The text of the build file and the byte of a position in it, for `completions` and `hover`. None: the position is in
    /// another file, or nowhere.
    pub fn main_text_at(&self, file: u32, at: Position) -> Option<(&str, LineIndex, usize)> {
        if file != 0 {
            return None;
        }
        let text = self.sources.first()?.text.as_str();
        let index = LineIndex::new(text);
        let offset = index.offset(at).filter(|offset| text.is_char_boundary(*offset))?;
        Some((text, index, offset))
    }

    /// The value of an option such as `no-cache`; the last one of a name wins.
    pub fn option(&self, name: &str) -> Option<&str> {
        get(&self.options, name)
    }

    /// The value of a build argument; the last one of a name wins.
    pub fn build_arg(&self, name: &str) -> Option<&str> {
        get(&self.build_args, name)
    }

    /// A named context; the last one of a name wins.
    pub fn named_context(&self, name: &str) -> Option<&ContextSource> {
        self.named_contexts
            .iter()
            .rev()
            .find(|c| c.name == name)
            .map(|c| &c.source)
    }

    /// The platforms to build for: those asked for, else the one that the build runs on.
    pub fn target_platforms(&self) -> &[Platform] {
        if self.platforms.is_empty() {
            std::slice::from_ref(&self.build_platform)
        } else {
            &self.platforms
        }
    }
}

/// Sets a key of an ordered list of pairs, in its old place where it is there already.
pub(crate) fn set(pairs: &mut Vec<KeyValue>, key: &str, value: String) {
    match pairs.iter_mut().rev().find(|pair| pair.key == key) {
        Some(pair) => pair.value = value,
        None => pairs.push(KeyValue::new(key, value)),
    }
}

fn get<'a>(pairs: &'a [KeyValue], key: &str) -> Option<&'a str> {
    pairs
        .iter()
        .rev()
        .find(|pair| pair.key == key)
        .map(|pair| pair.value.as_str())
}
