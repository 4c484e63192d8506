//! The host's graphs as the contract's, for guests that get one: what another frontend made. The reverse of `graph`,
//! line for line. Checks nothing.

use lapstrake_llb as llb;

use super::{all, enumeration, key_values, record};
use crate::bindings::lapstrake::frontend::{diagnostics, llb as wit, requests};
use crate::request::BuildResult;

record!(llb::Edge => wit::Edge, new: { vertex: new.vertex, output: new.output });
record!(llb::Position => wit::Position, new: { line: new.line, column: new.column });
record!(llb::SourceRange => wit::SourceRange, new: {
    file: new.file,
    start: new.start.into(),
    stop: new.stop.into(),
});

// ---- sources ----

enumeration!(llb::ResolveMode => wit::ResolveMode {
    Default => Default,
    PreferLocal => PreferLocal,
    ForcePull => ForcePull,
});
enumeration!(llb::LocalDiffer => wit::LocalDiffer { None => None, Metadata => Metadata });
record!(llb::ImageSource => wit::ImageSource, new: {
    reference: new.reference,
    mode: new.mode.into(),
    layer_limit: new.layer_limit,
    checksum: new.checksum,
});
record!(llb::GitSource => wit::GitSource, new: {
    remote: new.remote,
    git_ref: new.git_ref,
    subdir: new.subdir,
    keep_git_dir: new.keep_git_dir,
    checksum: new.checksum,
    auth_token_secret: new.auth_token_secret,
    auth_header_secret: new.auth_header_secret,
    mount_ssh_sock: new.mount_ssh_sock,
    known_hosts: new.known_hosts,
    skip_submodules: new.skip_submodules,
});
record!(llb::HttpSource => wit::HttpSource, new: {
    url: new.url,
    checksum: new.checksum,
    filename: new.filename,
    mode: new.mode,
    uid: new.uid,
    gid: new.gid,
    headers: key_values(new.headers),
    auth_header_secret: new.auth_header_secret,
});
record!(llb::LocalSource => wit::LocalSource, new: {
    name: new.name,
    include_patterns: new.include_patterns,
    exclude_patterns: new.exclude_patterns,
    follow_paths: new.follow_paths,
    shared_key_hint: new.shared_key_hint,
    differ: new.differ.into(),
});

impl From<llb::SourceOp> for wit::SourceOp {
    fn from(new: llb::SourceOp) -> Self {
        match new {
            llb::SourceOp::Image(image) => Self::Image(image.into()),
            llb::SourceOp::Git(git) => Self::Git(git.into()),
            llb::SourceOp::Http(http) => Self::Http(http.into()),
            llb::SourceOp::Local(local) => Self::Local(local.into()),
            llb::SourceOp::OciLayout(layout) => Self::OciLayout(layout.into()),
        }
    }
}

// ---- exec ----

enumeration!(llb::NetworkMode => wit::NetworkMode {
    Sandbox => Sandbox,
    Host => HostNetwork,
    None => NoNetwork,
});
enumeration!(llb::SecurityMode => wit::SecurityMode { Sandbox => Sandbox, Insecure => Insecure });
enumeration!(llb::CacheSharing => wit::CacheSharing {
    Shared => Shared,
    Private => PrivateCopy,
    Locked => Locked,
});
record!(llb::BindMount => wit::BindMount, new: {
    input: new.input.map(Into::into),
    selector: new.selector,
    read_only: new.read_only,
    output: new.output,
});
record!(llb::CacheMount => wit::CacheMount, new: {
    id: new.id,
    input: new.input.map(Into::into),
    selector: new.selector,
    sharing: new.sharing.into(),
    read_only: new.read_only,
});
record!(llb::TmpfsMount => wit::TmpfsMount, new: { size: new.size });
record!(llb::SecretMount => wit::SecretMount, new: {
    id: new.id,
    uid: new.uid,
    gid: new.gid,
    mode: new.mode,
    optional: new.optional,
});
record!(llb::SecretMount => wit::SshMount, new: {
    id: new.id,
    uid: new.uid,
    gid: new.gid,
    mode: new.mode,
    optional: new.optional,
});

impl From<llb::MountKind> for wit::MountKind {
    fn from(new: llb::MountKind) -> Self {
        match new {
            llb::MountKind::Bind(bind) => Self::Bind(bind.into()),
            llb::MountKind::Cache(cache) => Self::Cache(cache.into()),
            llb::MountKind::Tmpfs(tmpfs) => Self::Tmpfs(tmpfs.into()),
            llb::MountKind::Secret(secret) => Self::Secret(secret.into()),
            llb::MountKind::Ssh(ssh) => Self::Ssh(ssh.into()),
        }
    }
}

record!(llb::Mount => wit::Mount, new: { target: new.target, kind: new.kind.into() });
record!(llb::SecretEnv => wit::SecretEnv, new: {
    name: new.name,
    secret_id: new.secret_id,
    optional: new.optional,
});
record!(llb::HostIp => wit::HostIp, new: { host: new.host, ip: new.ip });
record!(llb::Ulimit => wit::Ulimit, new: { name: new.name, soft: new.soft, hard: new.hard });
record!(llb::ProxyEnv => wit::ProxyEnv, new: {
    http_proxy: new.http,
    https_proxy: new.https,
    ftp_proxy: new.ftp,
    no_proxy: new.no,
    all_proxy: new.all,
});
record!(llb::CdiDevice => wit::CdiDevice, new: { name: new.name, optional: new.optional });
record!(llb::ExecOp => wit::ExecOp, new: {
    args: new.args,
    env: key_values(new.env),
    cwd: new.cwd,
    user: new.user,
    hostname: new.hostname,
    mounts: all(new.mounts),
    secret_envs: all(new.secret_env),
    extra_hosts: all(new.extra_hosts),
    ulimits: all(new.ulimits),
    cgroup_parent: new.cgroup_parent,
    proxy: new.proxy.map(Into::into),
    devices: all(new.devices),
    network: new.network.into(),
    security: new.security.into(),
    valid_exit_codes: new.valid_exit_codes,
});

// ---- file ----

impl From<llb::UserRef> for wit::UserRef {
    fn from(new: llb::UserRef) -> Self {
        match new {
            llb::UserRef::Id(id) => Self::Id(id),
            llb::UserRef::Name(name) => Self::Name(name),
        }
    }
}

record!(llb::Chown => wit::Chown, new: { user: new.user.map(Into::into), group: new.group.map(Into::into) });

impl From<llb::FileMode> for wit::FileMode {
    fn from(new: llb::FileMode) -> Self {
        match new {
            llb::FileMode::Octal(bits) => Self::Octal(bits),
            llb::FileMode::Symbolic(text) => Self::Symbolic(text),
        }
    }
}

impl From<llb::FileInput> for wit::FileInput {
    fn from(new: llb::FileInput) -> Self {
        match new {
            llb::FileInput::Scratch => Self::Scratch,
            llb::FileInput::Edge(edge) => Self::Edge(edge.into()),
            llb::FileInput::Action(index) => Self::Action(index),
        }
    }
}

record!(llb::CopyAction => wit::CopyAction, new: {
    src: new.src.into(),
    src_path: new.src_path,
    dst_path: new.dst_path,
    owner: new.owner.map(Into::into),
    mode: new.mode.map(Into::into),
    follow_symlink: new.follow_symlink,
    dir_contents_only: new.dir_contents_only,
    unpack_archive: new.unpack_archive,
    create_dst_path: new.create_dst_path,
    allow_wildcard: new.allow_wildcard,
    allow_empty_wildcard: new.allow_empty_wildcard,
    replace_existing: new.replace_existing,
    include_patterns: new.include_patterns,
    exclude_patterns: new.exclude_patterns,
    required_paths: new.required_paths,
    timestamp: new.timestamp.map(Into::into),
});
record!(llb::MkfileAction => wit::MkfileAction, new: {
    path: new.path,
    data: new.data,
    mode: new.mode,
    owner: new.owner.map(Into::into),
    timestamp: new.timestamp.map(Into::into),
});
record!(llb::MkdirAction => wit::MkdirAction, new: {
    path: new.path,
    mode: new.mode,
    make_parents: new.make_parents,
    owner: new.owner.map(Into::into),
    timestamp: new.timestamp.map(Into::into),
});
record!(llb::RmAction => wit::RmAction, new: {
    path: new.path,
    allow_not_found: new.allow_not_found,
    allow_wildcard: new.allow_wildcard,
});
record!(llb::SymlinkAction => wit::SymlinkAction, new: {
    target: new.target,
    path: new.path,
    owner: new.owner.map(Into::into),
    timestamp: new.timestamp.map(Into::into),
});

impl From<llb::FileActionKind> for wit::FileActionKind {
    fn from(new: llb::FileActionKind) -> Self {
        match new {
            llb::FileActionKind::Copy(copy) => Self::Copy(copy.into()),
            llb::FileActionKind::Mkfile(mkfile) => Self::Mkfile(mkfile.into()),
            llb::FileActionKind::Mkdir(mkdir) => Self::Mkdir(mkdir.into()),
            llb::FileActionKind::Rm(rm) => Self::Rm(rm.into()),
            llb::FileActionKind::Symlink(symlink) => Self::Symlink(symlink.into()),
        }
    }
}

record!(llb::FileAction => wit::FileAction, new: {
    base: new.base.into(),
    kind: new.kind.into(),
    output: new.output,
});

// ---- the rest ----

record!(llb::DiffOp => wit::DiffOp, new: {
    lower: new.lower.map(Into::into),
    upper: new.upper.map(Into::into),
});
record!(llb::BuildOp => wit::BuildOp, new: { input: new.input.into(), filename: new.filename });

impl From<llb::Op> for wit::Op {
    fn from(new: llb::Op) -> Self {
        match new {
            llb::Op::Source(source) => Self::Source(source.into()),
            llb::Op::Exec(exec) => Self::Exec(exec.into()),
            llb::Op::File(file) => Self::File(all(file.actions)),
            llb::Op::Merge(merge) => Self::Merge(all(merge.inputs)),
            llb::Op::Diff(diff) => Self::Diff(diff.into()),
            llb::Op::Build(build) => Self::Build(build.into()),
        }
    }
}

record!(llb::ProgressGroup => wit::ProgressGroup, new: { id: new.id, name: new.name, weak: new.weak });
record!(llb::LinuxResources => wit::LinuxResources, new: {
    memory_bytes: new.memory_bytes,
    memory_swap_bytes: new.memory_swap_bytes,
    cpu_shares: new.cpu_shares,
    cpu_period_us: new.cpu_period_us,
    cpu_quota_us: new.cpu_quota_us,
    cpuset_cpus: new.cpuset_cpus,
    cpuset_mems: new.cpuset_mems,
});
record!(llb::Vertex => wit::Vertex, new: {
    op: new.op.into(),
    platform: new.platform.map(Into::into),
    name: new.metadata.name,
    description: key_values(new.metadata.description.into_iter().collect()),
    ranges: all(new.metadata.ranges),
    ignore_cache: new.metadata.ignore_cache,
    export_cache: new.metadata.export_cache,
    progress_group: new.metadata.progress_group.map(Into::into),
    resources: new.metadata.resources.map(Into::into),
    constraints: new.constraints,
});
record!(llb::Definition => wit::Definition, new: {
    vertices: all(new.vertices),
    sources: all(new.sources),
});

enumeration!(llb::Severity => diagnostics::Severity {
    Error => Error,
    Warning => Warning,
    Info => Info,
    Hint => Hint,
});
record!(llb::Related => diagnostics::Related, new: { message: new.message, range: new.range.into() });
record!(llb::Diagnostic => diagnostics::Diagnostic, new: {
    severity: new.severity.into(),
    code: new.code,
    message: new.message,
    help: new.help,
    url: new.url,
    ranges: all(new.ranges),
    related: all(new.related),
});
record!(llb::Report => diagnostics::Report, new: { items: all(new.items), sources: all(new.sources) });
record!(llb::BuiltImage => requests::BuiltImage, new: {
    platform: new.platform.into(),
    root: new.root.map(Into::into),
    config: new.config.into(),
    annotations: key_values(new.annotations),
});
record!(BuildResult => requests::BuildResult, new: {
    definition: new.definition.into(),
    images: all(new.images),
    warnings: new.warnings.into(),
});
