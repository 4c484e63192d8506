//! Changes to a file system without a container. Plain data.

use serde::{Deserialize, Serialize};

use super::{Edge, Timestamp};

/// Changes of files, one after another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileOp {
    /// The changes. MUST not be empty.
    pub actions: Vec<FileAction>,
}

/// A tree that an action works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileInput {
    /// An empty one.
    Scratch,
    /// A result of another vertex.
    Edge(Edge),
    /// The tree after an earlier action of the same op. MUST be a smaller index.
    Action(u32),
}

impl FileInput {
    /// The edge, where it is one.
    pub fn edge(&self) -> Option<Edge> {
        match self {
            FileInput::Edge(edge) => Some(*edge),
            FileInput::Scratch | FileInput::Action(_) => None,
        }
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileAction {
    /// The tree that is changed.
    pub base: FileInput,
    /// The change.
    pub kind: FileActionKind,
    /// Whether the tree after it is an output. Outputs are numbered in the order of the actions.
    pub output: bool,
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileActionKind {
    /// Copies from another tree.
    Copy(CopyAction),
    /// Writes a file.
    Mkfile(MkfileAction),
    /// Makes a directory.
    Mkdir(MkdirAction),
    /// Removes.
    Rm(RmAction),
    /// Makes a symbolic link.
    Symlink(SymlinkAction),
}

/// A user or group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserRef {
    /// By number.
    Id(u32),
    /// By a name in /etc/passwd or /etc/group of the tree that is changed.
    Name(String),
}

/// A new owner.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chown {
    /// User; none: as it is.
    pub user: Option<UserRef>,
    /// Group; none: as it is.
    pub group: Option<UserRef>,
}

/// New permission bits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileMode {
    /// The bits.
    Octal(u32),
    /// As chmod(1) takes them, such as `u=rwX,go=rX`.
    Symbolic(String),
}

/// Copies from another tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyAction {
    /// Where from.
    pub src: FileInput,
    /// Path or wildcard in the source.
    pub src_path: String,
    /// Path in the changed tree; a trailing `/` says that it is a directory.
    pub dst_path: String,
    /// New owner; none: the source's.
    pub owner: Option<Chown>,
    /// New permission bits; none: the source's.
    pub mode: Option<FileMode>,
    /// Whether a source that is a symlink is followed.
    pub follow_symlink: bool,
    /// Whether of a directory the contents are copied, not itself.
    pub dir_contents_only: bool,
    /// Whether a local archive is unpacked.
    pub unpack_archive: bool,
    /// Whether missing parents of the destination are made.
    pub create_dst_path: bool,
    /// Whether `src_path` may have wildcards.
    pub allow_wildcard: bool,
    /// Whether a wildcard may match nothing.
    pub allow_empty_wildcard: bool,
    /// Whether a destination of another type is replaced.
    pub replace_existing: bool,
    /// Only what matches one of these.
    pub include_patterns: Vec<String>,
    /// Not what matches these.
    pub exclude_patterns: Vec<String>,
    /// Paths that must exist.
    pub required_paths: Vec<String>,
    /// Modification time of all that is copied; none: the source's.
    pub timestamp: Option<Timestamp>,
}

/// Writes a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MkfileAction {
    /// Path.
    pub path: String,
    /// Contents.
    pub data: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Owner; none: root.
    pub owner: Option<Chown>,
    /// Modification time; none: now.
    pub timestamp: Option<Timestamp>,
}

/// Makes a directory. One that exists is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MkdirAction {
    /// Path.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Whether missing parents are made.
    pub make_parents: bool,
    /// Owner; none: root.
    pub owner: Option<Chown>,
    /// Modification time; none: now.
    pub timestamp: Option<Timestamp>,
}

/// Removes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RmAction {
    /// Path or wildcard.
    pub path: String,
    /// Whether nothing to remove is no error.
    pub allow_not_found: bool,
    /// Whether `path` may have wildcards.
    pub allow_wildcard: bool,
}

/// Makes a symbolic link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SymlinkAction {
    /// What the link says; never resolved.
    pub target: String,
    /// Path of the link.
    pub path: String,
    /// Owner; none: root.
    pub owner: Option<Chown>,
    /// Modification time; none: now.
    pub timestamp: Option<Timestamp>,
}
