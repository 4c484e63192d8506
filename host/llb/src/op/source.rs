//! Sources: files that come from outside of the graph. Plain data.

use serde::{Deserialize, Serialize};

/// Files from outside of the graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceOp {
    /// An image in a registry.
    Image(ImageSource),
    /// An image in an OCI image layout on this machine.
    OciLayout(OciLayoutSource),
    /// A directory on this machine.
    Local(LocalSource),
    /// A git repository.
    Git(GitSource),
    /// A file by HTTP.
    Http(HttpSource),
}

/// Whether a registry is asked for what a tag means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResolveMode {
    /// As the worker decides.
    #[default]
    Default,
    /// An image that the store has already is good.
    PreferLocal,
    /// Always ask.
    ForcePull,
}

/// An image in a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSource {
    /// Reference with host and path, such as `docker.io/library/alpine:3@sha256:…`.
    pub reference: String,
    /// Whether to ask the registry.
    pub mode: ResolveMode,
    /// Only this many of the lowest layers.
    pub layer_limit: Option<u32>,
    /// Manifest digest that the reference must resolve to.
    pub checksum: Option<String>,
}

/// An image in an OCI image layout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OciLayoutSource {
    /// `name[:tag][@digest]` inside the layout.
    pub reference: String,
    /// Which of the build's layouts.
    pub store: String,
    /// Only this many of the lowest layers.
    pub layer_limit: Option<u32>,
}

/// How a local directory is compared with what is known of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LocalDiffer {
    /// Everything is read.
    None,
    /// A file whose metadata is unchanged is unchanged.
    #[default]
    Metadata,
}

/// A directory on this machine, one of the build's contexts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalSource {
    /// Which of the build's contexts.
    pub name: String,
    /// Only what matches one of these. Empty: everything.
    pub include_patterns: Vec<String>,
    /// Not what these say; `!` re-includes, later patterns win.
    pub exclude_patterns: Vec<String>,
    /// Only these paths, and what symlinks in them lead to. Empty: everything.
    pub follow_paths: Vec<String>,
    /// Builds of one hint share what was copied.
    pub shared_key_hint: Option<String>,
    /// How changes are found.
    pub differ: LocalDiffer,
}

/// A git repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitSource {
    /// URL of the repository.
    pub remote: String,
    /// Branch, tag or commit; empty: the default branch.
    pub git_ref: String,
    /// Only this directory of it.
    pub subdir: String,
    /// Whether `.git` stays.
    pub keep_git_dir: bool,
    /// Commit that the ref must resolve to.
    pub checksum: Option<String>,
    /// Secret that holds a token.
    pub auth_token_secret: Option<String>,
    /// Secret that holds an Authorization header.
    pub auth_header_secret: Option<String>,
    /// SSH agent to use.
    pub mount_ssh_sock: Option<String>,
    /// Known hosts, in the format of that file.
    pub known_hosts: Option<String>,
    /// Whether submodules are left out.
    pub skip_submodules: bool,
}

/// A file by HTTP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpSource {
    /// URL.
    pub url: String,
    /// Digest of the content.
    pub checksum: Option<String>,
    /// Name of the file in the tree.
    pub filename: Option<String>,
    /// Permission bits; none: 0600.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Request headers.
    pub headers: Vec<(String, String)>,
    /// Secret that holds an Authorization header.
    pub auth_header_secret: Option<String>,
}
