//! A guest's graph as the host's: one line for every field of the contract's `llb` interface, in its order. Checks
//! nothing.

use lapstrake_llb as llb;

use super::{all, enumeration, pairs, record};
use crate::bindings::lapstrake::frontend::llb as wit;

record!(wit::Edge => llb::Edge, old: { vertex: old.vertex, output: old.output });
record!(wit::Platform => llb::Platform, old: {
    os: old.os,
    architecture: old.architecture,
    variant: old.cpu_variant,
    os_version: old.os_version,
    os_features: old.os_features,
});
record!(wit::Timestamp => llb::Timestamp, old: { seconds: old.seconds, nanoseconds: old.nanoseconds });
record!(wit::Position => llb::Position, old: { line: old.line, column: old.column });
record!(wit::SourceRange => llb::SourceRange, old: {
    file: old.file,
    start: old.start.into(),
    stop: old.stop.into(),
});
record!(wit::SourceFile => llb::SourceFile, old: { name: old.name, language: old.language, text: old.text });

// ---- sources ----

enumeration!(wit::ResolveMode => llb::ResolveMode {
    Default => Default,
    PreferLocal => PreferLocal,
    ForcePull => ForcePull,
});
enumeration!(wit::LocalDiffer => llb::LocalDiffer { None => None, Metadata => Metadata });
record!(wit::ImageSource => llb::ImageSource, old: {
    reference: old.reference,
    mode: old.mode.into(),
    layer_limit: old.layer_limit,
    checksum: old.checksum,
});
record!(wit::GitSource => llb::GitSource, old: {
    remote: old.remote,
    git_ref: old.git_ref,
    subdir: old.subdir,
    keep_git_dir: old.keep_git_dir,
    checksum: old.checksum,
    auth_token_secret: old.auth_token_secret,
    auth_header_secret: old.auth_header_secret,
    mount_ssh_sock: old.mount_ssh_sock,
    known_hosts: old.known_hosts,
    skip_submodules: old.skip_submodules,
});
record!(wit::HttpSource => llb::HttpSource, old: {
    url: old.url,
    checksum: old.checksum,
    filename: old.filename,
    mode: old.mode,
    uid: old.uid,
    gid: old.gid,
    headers: pairs(old.headers),
    auth_header_secret: old.auth_header_secret,
});
record!(wit::LocalSource => llb::LocalSource, old: {
    name: old.name,
    include_patterns: old.include_patterns,
    exclude_patterns: old.exclude_patterns,
    follow_paths: old.follow_paths,
    shared_key_hint: old.shared_key_hint,
    differ: old.differ.into(),
});
record!(wit::OciLayoutSource => llb::OciLayoutSource, old: {
    reference: old.reference,
    store: old.store,
    layer_limit: old.layer_limit,
});

impl From<wit::SourceOp> for llb::SourceOp {
    fn from(old: wit::SourceOp) -> Self {
        match old {
            wit::SourceOp::Image(image) => Self::Image(image.into()),
            wit::SourceOp::Git(git) => Self::Git(git.into()),
            wit::SourceOp::Http(http) => Self::Http(http.into()),
            wit::SourceOp::Local(local) => Self::Local(local.into()),
            wit::SourceOp::OciLayout(layout) => Self::OciLayout(layout.into()),
        }
    }
}

// ---- exec ----

enumeration!(wit::NetworkMode => llb::NetworkMode {
    Sandbox => Sandbox,
    HostNetwork => Host,
    NoNetwork => None,
});
enumeration!(wit::SecurityMode => llb::SecurityMode { Sandbox => Sandbox, Insecure => Insecure });
enumeration!(wit::CacheSharing => llb::CacheSharing {
    Shared => Shared,
    PrivateCopy => Private,
    Locked => Locked,
});
record!(wit::BindMount => llb::BindMount, old: {
    input: old.input.map(Into::into),
    selector: old.selector,
    read_only: old.read_only,
    output: old.output,
});
record!(wit::CacheMount => llb::CacheMount, old: {
    id: old.id,
    input: old.input.map(Into::into),
    selector: old.selector,
    sharing: old.sharing.into(),
    read_only: old.read_only,
});
record!(wit::TmpfsMount => llb::TmpfsMount, old: { size: old.size });
record!(wit::SecretMount => llb::SecretMount, old: {
    id: old.id,
    uid: old.uid,
    gid: old.gid,
    mode: old.mode,
    optional: old.optional,
});
record!(wit::SshMount => llb::SecretMount, old: {
    id: old.id,
    uid: old.uid,
    gid: old.gid,
    mode: old.mode,
    optional: old.optional,
});

impl From<wit::MountKind> for llb::MountKind {
    fn from(old: wit::MountKind) -> Self {
        match old {
            wit::MountKind::Bind(bind) => Self::Bind(bind.into()),
            wit::MountKind::Cache(cache) => Self::Cache(cache.into()),
            wit::MountKind::Tmpfs(tmpfs) => Self::Tmpfs(tmpfs.into()),
            wit::MountKind::Secret(secret) => Self::Secret(secret.into()),
            wit::MountKind::Ssh(ssh) => Self::Ssh(ssh.into()),
        }
    }
}

record!(wit::Mount => llb::Mount, old: { target: old.target, kind: old.kind.into() });
record!(wit::SecretEnv => llb::SecretEnv, old: {
    name: old.name,
    secret_id: old.secret_id,
    optional: old.optional,
});
record!(wit::HostIp => llb::HostIp, old: { host: old.host, ip: old.ip });
record!(wit::Ulimit => llb::Ulimit, old: { name: old.name, soft: old.soft, hard: old.hard });
record!(wit::ProxyEnv => llb::ProxyEnv, old: {
    http: old.http_proxy,
    https: old.https_proxy,
    ftp: old.ftp_proxy,
    no: old.no_proxy,
    all: old.all_proxy,
});
record!(wit::CdiDevice => llb::CdiDevice, old: { name: old.name, optional: old.optional });
record!(wit::ExecOp => llb::ExecOp, old: {
    args: old.args,
    env: pairs(old.env),
    cwd: old.cwd,
    user: old.user,
    hostname: old.hostname,
    mounts: all(old.mounts),
    secret_env: all(old.secret_envs),
    extra_hosts: all(old.extra_hosts),
    ulimits: all(old.ulimits),
    cgroup_parent: old.cgroup_parent,
    proxy: old.proxy.map(Into::into),
    devices: all(old.devices),
    network: old.network.into(),
    security: old.security.into(),
    valid_exit_codes: old.valid_exit_codes,
});

// ---- file ----

impl From<wit::UserRef> for llb::UserRef {
    fn from(old: wit::UserRef) -> Self {
        match old {
            wit::UserRef::Id(id) => Self::Id(id),
            wit::UserRef::Name(name) => Self::Name(name),
        }
    }
}

record!(wit::Chown => llb::Chown, old: { user: old.user.map(Into::into), group: old.group.map(Into::into) });

impl From<wit::FileMode> for llb::FileMode {
    fn from(old: wit::FileMode) -> Self {
        match old {
            wit::FileMode::Octal(bits) => Self::Octal(bits),
            wit::FileMode::Symbolic(text) => Self::Symbolic(text),
        }
    }
}

impl From<wit::FileInput> for llb::FileInput {
    fn from(old: wit::FileInput) -> Self {
        match old {
            wit::FileInput::Scratch => Self::Scratch,
            wit::FileInput::Edge(edge) => Self::Edge(edge.into()),
            wit::FileInput::Action(index) => Self::Action(index),
        }
    }
}

record!(wit::CopyAction => llb::CopyAction, old: {
    src: old.src.into(),
    src_path: old.src_path,
    dst_path: old.dst_path,
    owner: old.owner.map(Into::into),
    mode: old.mode.map(Into::into),
    follow_symlink: old.follow_symlink,
    dir_contents_only: old.dir_contents_only,
    unpack_archive: old.unpack_archive,
    create_dst_path: old.create_dst_path,
    allow_wildcard: old.allow_wildcard,
    allow_empty_wildcard: old.allow_empty_wildcard,
    replace_existing: old.replace_existing,
    include_patterns: old.include_patterns,
    exclude_patterns: old.exclude_patterns,
    required_paths: old.required_paths,
    timestamp: old.timestamp.map(Into::into),
});
record!(wit::MkfileAction => llb::MkfileAction, old: {
    path: old.path,
    data: old.data,
    mode: old.mode,
    owner: old.owner.map(Into::into),
    timestamp: old.timestamp.map(Into::into),
});
record!(wit::MkdirAction => llb::MkdirAction, old: {
    path: old.path,
    mode: old.mode,
    make_parents: old.make_parents,
    owner: old.owner.map(Into::into),
    timestamp: old.timestamp.map(Into::into),
});
record!(wit::RmAction => llb::RmAction, old: {
    path: old.path,
    allow_not_found: old.allow_not_found,
    allow_wildcard: old.allow_wildcard,
});
record!(wit::SymlinkAction => llb::SymlinkAction, old: {
    target: old.target,
    path: old.path,
    owner: old.owner.map(Into::into),
    timestamp: old.timestamp.map(Into::into),
});

impl From<wit::FileActionKind> for llb::FileActionKind {
    fn from(old: wit::FileActionKind) -> Self {
        match old {
            wit::FileActionKind::Copy(copy) => Self::Copy(copy.into()),
            wit::FileActionKind::Mkfile(mkfile) => Self::Mkfile(mkfile.into()),
            wit::FileActionKind::Mkdir(mkdir) => Self::Mkdir(mkdir.into()),
            wit::FileActionKind::Rm(rm) => Self::Rm(rm.into()),
            wit::FileActionKind::Symlink(symlink) => Self::Symlink(symlink.into()),
        }
    }
}

record!(wit::FileAction => llb::FileAction, old: {
    base: old.base.into(),
    kind: old.kind.into(),
    output: old.output,
});

// ---- the rest ----

record!(wit::DiffOp => llb::DiffOp, old: {
    lower: old.lower.map(Into::into),
    upper: old.upper.map(Into::into),
});
record!(wit::BuildOp => llb::BuildOp, old: { input: old.input.into(), filename: old.filename });

impl From<wit::Op> for llb::Op {
    fn from(old: wit::Op) -> Self {
        match old {
            wit::Op::Source(source) => Self::Source(source.into()),
            wit::Op::Exec(exec) => Self::Exec(exec.into()),
            wit::Op::File(actions) => Self::File(llb::FileOp {
                actions: all(actions),
            }),
            wit::Op::Merge(inputs) => Self::Merge(llb::MergeOp { inputs: all(inputs) }),
            wit::Op::Diff(diff) => Self::Diff(diff.into()),
            wit::Op::Build(build) => Self::Build(build.into()),
        }
    }
}

record!(wit::ProgressGroup => llb::ProgressGroup, old: { id: old.id, name: old.name, weak: old.weak });
record!(wit::LinuxResources => llb::LinuxResources, old: {
    memory_bytes: old.memory_bytes,
    memory_swap_bytes: old.memory_swap_bytes,
    cpu_shares: old.cpu_shares,
    cpu_period_us: old.cpu_period_us,
    cpu_quota_us: old.cpu_quota_us,
    cpuset_cpus: old.cpuset_cpus,
    cpuset_mems: old.cpuset_mems,
});
record!(wit::Vertex => llb::Vertex, old: {
    op: old.op.into(),
    platform: old.platform.map(Into::into),
    constraints: old.constraints,
    metadata: llb::Metadata {
        name: old.name,
        description: pairs(old.description).into_iter().collect(),
        ranges: all(old.ranges),
        ignore_cache: old.ignore_cache,
        export_cache: old.export_cache,
        progress_group: old.progress_group.map(Into::into),
        resources: old.resources.map(Into::into),
    },
});
record!(wit::Definition => llb::Definition, old: {
    vertices: all(old.vertices),
    sources: all(old.sources),
});
