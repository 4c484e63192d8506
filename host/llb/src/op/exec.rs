//! Commands in containers, and what they are given. Plain data.

use serde::{Deserialize, Serialize};

use super::Edge;

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
