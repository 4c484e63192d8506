//! The graph: vertices, edges and the ops of LLB, field for field as BuildKit's `pb.Definition` has them.
//! Plain data. Knows nothing of how an op is executed, cached or written down.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

/// Output `output` of the vertex at index `vertex` of a [`Definition`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Edge {
    /// Index of the vertex. MUST be smaller than the index of the vertex that names it.
    pub vertex: u32,
    /// Which output of that vertex. MUST be smaller than [`Op::output_count`].
    pub output: u32,
}

/// A build graph. The vertices are in topological order: a vertex refers only to smaller indexes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// The vertices.
    pub vertices: Vec<Vertex>,
    /// The files that source ranges refer to.
    pub sources: Vec<SourceFile>,
}

/// One node of the graph: an op, and what is said about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vertex {
    /// What is to be done. Part of the digest.
    pub op: Op,
    /// What platform the op runs for. Part of the digest.
    pub platform: Option<Platform>,
    /// Worker constraints, containerd filter syntax. Part of the digest.
    pub constraints: Vec<String>,
    /// All that is not part of the digest.
    pub metadata: Metadata,
}

/// What is said about a vertex without changing what it does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// What progress shows. BuildKit's `llb.customname`.
    pub name: String,
    /// Free text fields.
    pub description: BTreeMap<String, String>,
    /// Where in the sources the vertex comes from.
    pub ranges: Vec<SourceRange>,
    /// Whether the vertex is executed though a record of it exists.
    pub ignore_cache: bool,
    /// Whether a cache exporter takes the result; none: as the exporter decides.
    pub export_cache: Option<bool>,
    /// The group of vertices that progress shows as one.
    pub progress_group: Option<ProgressGroup>,
    /// Limits for the processes of an exec.
    pub resources: Option<LinuxResources>,
}

/// A group of vertices that progress shows as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressGroup {
    /// Vertices of one id are one group.
    pub id: String,
    /// What progress shows.
    pub name: String,
    /// Whether the group is shown only when it has several members.
    pub weak: bool,
}

/// Limits of a process tree, as the OCI runtime specification has them (config-linux.md, "Control groups").
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinuxResources {
    /// Memory, bytes.
    pub memory_bytes: Option<u64>,
    /// Memory and swap, bytes; -1: unlimited.
    pub memory_swap_bytes: Option<i64>,
    /// Relative weight of the CPU time.
    pub cpu_shares: Option<u64>,
    /// Length of a CFS period, microseconds.
    pub cpu_period_us: Option<u64>,
    /// CPU time in a period, microseconds; -1: unlimited.
    pub cpu_quota_us: Option<i64>,
    /// CPUs, such as `0-2,4`.
    pub cpuset_cpus: Option<String>,
    /// Memory nodes.
    pub cpuset_mems: Option<String>,
}

/// A platform, as the OCI image specification has it (image-index.md).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// Operating system, GOOS values.
    pub os: String,
    /// Architecture, GOARCH values.
    pub architecture: String,
    /// CPU variant, such as `v7`.
    pub variant: Option<String>,
    /// Operating system version.
    pub os_version: Option<String>,
    /// Operating system features.
    pub os_features: Vec<String>,
}

/// A moment, counted from 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp {
    /// Whole seconds.
    pub seconds: i64,
    /// Nanoseconds of the second. MUST be below 1 000 000 000.
    pub nanoseconds: u32,
}

/// A place in a source text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in UTF-8 bytes, from 1.
    pub column: u32,
}

/// A part of a source text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceRange {
    /// Index in the list of source files that stands beside the range.
    pub file: u32,
    /// First place.
    pub start: Position,
    /// The place after the last one.
    pub stop: Position,
}

/// A text that ranges refer to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Path or another name, for people.
    pub name: String,
    /// Language, such as `Dockerfile`.
    pub language: String,
    /// The whole text.
    pub text: String,
}

/// What a vertex does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// Brings in files from outside.
    Source(SourceOp),
    /// Runs a command in a container.
    Exec(ExecOp),
    /// Changes files without running anything.
    File(FileOp),
    /// Stacks trees: a later one is on top.
    Merge(MergeOp),
    /// Takes what `upper` has and `lower` has not.
    Diff(DiffOp),
    /// Solves a definition that an earlier vertex wrote.
    Build(BuildOp),
}

impl Op {
    /// Number of outputs an edge may name.
    pub fn output_count(&self) -> u32 {
        match self {
            Op::Source(_) | Op::Merge(_) | Op::Diff(_) | Op::Build(_) => 1,
            Op::Exec(exec) => exec.mounts.iter().filter(|m| m.is_output()).count() as u32,
            Op::File(file) => file.actions.iter().filter(|a| a.output).count() as u32,
        }
    }

    /// Every input edge, in the order in which BuildKit lists an op's inputs: first mention first, no edge twice.
    pub fn inputs(&self) -> Vec<Edge> {
        // Few edges are compared one by one; hostile graphs have ops with thousands.
        const FEW: usize = 16;
        let mut edges: Vec<Edge> = Vec::new();
        let mut seen: HashSet<Edge> = HashSet::new();
        let mut add = |edge: Option<Edge>| {
            let Some(edge) = edge else { return };
            let known = if edges.len() < FEW {
                edges.contains(&edge)
            } else {
                seen.contains(&edge)
            };
            if !known {
                edges.push(edge);
                if edges.len() == FEW {
                    seen.extend(&edges);
                } else if edges.len() > FEW {
                    seen.insert(edge);
                }
            }
        };
        match self {
            Op::Source(_) => {}
            Op::Exec(exec) => exec.mounts.iter().for_each(|m| add(m.input())),
            Op::File(file) => {
                for action in &file.actions {
                    add(action.base.edge());
                    if let FileActionKind::Copy(copy) = &action.kind {
                        add(copy.src.edge());
                    }
                }
            }
            Op::Merge(merge) => merge.inputs.iter().for_each(|e| add(Some(*e))),
            Op::Diff(diff) => {
                add(diff.lower);
                add(diff.upper);
            }
            Op::Build(build) => add(Some(build.input)),
        }
        edges
    }

    /// `source`, `exec`, `file`, `merge`, `diff` or `build`.
    pub fn kind(&self) -> &'static str {
        match self {
            Op::Source(_) => "source",
            Op::Exec(_) => "exec",
            Op::File(_) => "file",
            Op::Merge(_) => "merge",
            Op::Diff(_) => "diff",
            Op::Build(_) => "build",
        }
    }
}

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

/// What network a command has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkMode {
    /// One of its own, with a way out.
    #[default]
    Sandbox,
    /// The machine's.
    Host,
    /// Loopback only.
    None,
}

/// What a command may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecurityMode {
    /// What a container may.
    #[default]
    Sandbox,
    /// Everything: needs an entitlement.
    Insecure,
}

/// A command in a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecOp {
    /// Program and arguments. MUST not be empty.
    pub args: Vec<String>,
    /// Environment, in order; a later entry of one name wins.
    pub env: Vec<(String, String)>,
    /// Working directory. MUST be absolute.
    pub cwd: String,
    /// `user[:group]`, names or numbers.
    pub user: Option<String>,
    /// Host name.
    pub hostname: Option<String>,
    /// The trees it sees. MUST have exactly one with target `/`.
    pub mounts: Vec<Mount>,
    /// Secrets as environment variables.
    pub secret_env: Vec<SecretEnv>,
    /// More lines of /etc/hosts.
    pub extra_hosts: Vec<HostIp>,
    /// Resource limits.
    pub ulimits: Vec<Ulimit>,
    /// Parent of the container's control group.
    pub cgroup_parent: Option<String>,
    /// Proxy variables: given to the command, left out of cache keys.
    pub proxy: Option<ProxyEnv>,
    /// CDI devices.
    pub devices: Vec<CdiDevice>,
    /// Network.
    pub network: NetworkMode,
    /// Privileges.
    pub security: SecurityMode,
    /// Exit codes that are good. Empty: only 0.
    pub valid_exit_codes: Vec<i32>,
}

/// A tree, or something like one, that a command sees at `target`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Path inside the container.
    pub target: String,
    /// What is mounted.
    pub kind: MountKind,
}

impl Mount {
    /// The edge whose tree is mounted.
    pub fn input(&self) -> Option<Edge> {
        match &self.kind {
            MountKind::Bind(bind) => bind.input,
            MountKind::Cache(cache) => cache.input,
            MountKind::Tmpfs(_) | MountKind::Secret(_) | MountKind::Ssh(_) => None,
        }
    }

    /// Whether the tree after the command is an output of the vertex.
    pub fn is_output(&self) -> bool {
        matches!(&self.kind, MountKind::Bind(bind) if bind.output)
    }
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MountKind {
    /// A tree.
    Bind(BindMount),
    /// A directory that later builds see again.
    Cache(CacheMount),
    /// A directory in memory.
    Tmpfs(TmpfsMount),
    /// A secret as a file.
    Secret(SecretMount),
    /// The socket of an SSH agent.
    Ssh(SecretMount),
}

/// A tree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindMount {
    /// None: an empty tree (scratch).
    pub input: Option<Edge>,
    /// Path inside the input; empty: the whole tree.
    pub selector: String,
    /// Whether writing fails.
    pub read_only: bool,
    /// Whether the tree after the command is an output. Outputs are numbered in the order of the mounts.
    /// A writable mount that is no output loses what is written.
    pub output: bool,
}

/// How several users of one cache mount get along.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CacheSharing {
    /// All at once.
    #[default]
    Shared,
    /// A new one for each.
    Private,
    /// One after another.
    Locked,
}

/// A directory that later builds see again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheMount {
    /// Mounts of one id are one directory.
    pub id: String,
    /// What a new one holds at first.
    pub input: Option<Edge>,
    /// Path inside the input.
    pub selector: String,
    /// Concurrent use.
    pub sharing: CacheSharing,
    /// Whether writing fails.
    pub read_only: bool,
}

/// A directory in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TmpfsMount {
    /// Largest size in bytes; none: the kernel's default.
    pub size: Option<u64>,
}

/// A secret, or an SSH agent's socket, as a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretMount {
    /// Name of the secret.
    pub id: String,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
    /// Whether a missing one is no error.
    pub optional: bool,
}

/// A secret as an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretEnv {
    /// Name of the variable.
    pub name: String,
    /// Name of the secret.
    pub secret_id: String,
    /// Whether a missing one is no error.
    pub optional: bool,
}

/// A line of /etc/hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostIp {
    /// Name.
    pub host: String,
    /// Address.
    pub ip: String,
}

/// A resource limit, as setrlimit(2) has it. None: unlimited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// Name without `RLIMIT_`, lower case, such as `nofile`.
    pub name: String,
    /// Soft limit.
    pub soft: Option<u64>,
    /// Hard limit.
    pub hard: Option<u64>,
}

/// Proxy variables; empty: not set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyEnv {
    /// `HTTP_PROXY`.
    pub http: String,
    /// `HTTPS_PROXY`.
    pub https: String,
    /// `FTP_PROXY`.
    pub ftp: String,
    /// `NO_PROXY`.
    pub no: String,
    /// `ALL_PROXY`.
    pub all: String,
}

/// A device by its fully qualified CDI name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CdiDevice {
    /// Such as `vendor.com/gpu=0`.
    pub name: String,
    /// Whether a missing one is no error.
    pub optional: bool,
}

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

/// Stacks trees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeOp {
    /// The trees, the lowest first.
    pub inputs: Vec<Edge>,
}

/// Takes what `upper` has and `lower` has not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffOp {
    /// None: scratch.
    pub lower: Option<Edge>,
    /// None: scratch.
    pub upper: Option<Edge>,
}

/// Solves a definition that an earlier vertex wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildOp {
    /// The tree that holds it.
    pub input: Edge,
    /// Path of the marshalled `pb.Definition` in it.
    pub filename: String,
}
