//! Writes ops as BuildKit's client does.
//! Knows nothing of digests: inputs are named by their place in the op's list of inputs.

use std::collections::{BTreeMap, HashMap};

use super::encode::entries;
use super::message as pb;
use super::{ABSENT, DEFINITION_FILENAME, DEFINITION_INPUT, attributes};
use crate::{
    CacheSharing, Chown, CopyAction, DiffOp, Edge, ExecOp, FileActionKind, FileInput, FileMode, FileOp,
    MergeOp, Mount, MountKind, NetworkMode, Op, SecretMount, SecurityMode, Timestamp, UserRef,
};

/// Writes an op. Returns its inputs in the order in which it names them.
pub(super) fn op(op: &Op) -> (Vec<Edge>, pb::OpKind) {
    match op {
        Op::Source(source) => {
            let (identifier, attrs) = attributes::write(source);
            (
                Vec::new(),
                pb::OpKind::Source(pb::SourceOp {
                    identifier,
                    attrs: entries(attrs),
                }),
            )
        }
        Op::Exec(exec) => {
            let inputs = op.inputs();
            let kind = self::exec(exec, &Places::new(&inputs));
            (inputs, pb::OpKind::Exec(kind))
        }
        Op::File(file) => {
            let inputs = op.inputs();
            let kind = self::file(file, &Places::new(&inputs));
            (inputs, pb::OpKind::File(kind))
        }
        Op::Merge(merge) => self::merge(merge),
        Op::Diff(diff) => self::diff(diff),
        Op::Build(build) => {
            let mut attrs = BTreeMap::new();
            if !build.filename.is_empty() {
                attrs.insert(DEFINITION_FILENAME.to_owned(), build.filename.clone());
            }
            let input = pb::BuildInputEntry {
                key: Some(DEFINITION_INPUT.to_owned()),
                value: Some(pb::IndexInput { input: 0 }),
            };
            let kind = pb::BuildOp {
                builder: ABSENT,
                inputs: vec![input],
                def: None,
                attrs: entries(attrs),
            };
            (vec![build.input], pb::OpKind::Build(kind))
        }
    }
}

/// BuildKit's client lists the inputs of a merge one by one, equal ones too.
fn merge(merge: &MergeOp) -> (Vec<Edge>, pb::OpKind) {
    let inputs = (0..merge.inputs.len())
        .map(|i| pb::IndexInput { input: i as i64 })
        .collect();
    (merge.inputs.clone(), pb::OpKind::Merge(pb::MergeOp { inputs }))
}

/// As with a merge, lower and upper are two inputs even where they are equal.
fn diff(diff: &DiffOp) -> (Vec<Edge>, pb::OpKind) {
    let mut inputs = Vec::new();
    let mut add = |edge: Option<Edge>| {
        let input = edge.map_or(ABSENT, |edge| {
            inputs.push(edge);
            inputs.len() as i64 - 1
        });
        Some(pb::IndexInput { input })
    };
    let kind = pb::DiffOp {
        lower: add(diff.lower),
        upper: add(diff.upper),
    };
    (inputs, pb::OpKind::Diff(kind))
}

/// The places of edges in the list of inputs.
struct Places(HashMap<Edge, i64>);

impl Places {
    fn new(inputs: &[Edge]) -> Self {
        Self(
            inputs
                .iter()
                .enumerate()
                .map(|(index, edge)| (*edge, index as i64))
                .collect(),
        )
    }

    fn of(&self, edge: Option<Edge>) -> i64 {
        edge.and_then(|edge| self.0.get(&edge).copied()).unwrap_or(ABSENT)
    }
}

fn exec(exec: &ExecOp, places: &Places) -> pb::ExecOp {
    let meta = pb::Meta {
        args: exec.args.clone(),
        env: exec
            .env
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect(),
        cwd: exec.cwd.clone(),
        user: exec.user.clone().unwrap_or_default(),
        proxy_env: exec.proxy.as_ref().map(|proxy| pb::ProxyEnv {
            http_proxy: proxy.http.clone(),
            https_proxy: proxy.https.clone(),
            ftp_proxy: proxy.ftp.clone(),
            no_proxy: proxy.no.clone(),
            all_proxy: proxy.all.clone(),
        }),
        extra_hosts: exec
            .extra_hosts
            .iter()
            .map(|host| pb::HostIp {
                host: host.host.clone(),
                ip: host.ip.clone(),
            })
            .collect(),
        hostname: exec.hostname.clone().unwrap_or_default(),
        ulimit: exec
            .ulimits
            .iter()
            .map(|limit| pb::Ulimit {
                name: limit.name.clone(),
                soft: unlimited(limit.soft),
                hard: unlimited(limit.hard),
            })
            .collect(),
        cgroup_parent: exec.cgroup_parent.clone().unwrap_or_default(),
        remove_mount_stubs_recursive: true,
        valid_exit_codes: exec.valid_exit_codes.clone(),
    };
    let mut output = 0;
    let mut mounts = Vec::with_capacity(exec.mounts.len());
    for mount in &exec.mounts {
        mounts.push(self::mount(mount, places, &mut output));
    }
    pb::ExecOp {
        meta: Some(meta),
        mounts,
        network: match exec.network {
            NetworkMode::Sandbox => pb::NetMode::Unset,
            NetworkMode::Host => pb::NetMode::Host,
            NetworkMode::None => pb::NetMode::None,
        } as i32,
        security: match exec.security {
            SecurityMode::Sandbox => pb::SecurityMode::Sandbox,
            SecurityMode::Insecure => pb::SecurityMode::Insecure,
        } as i32,
        secretenv: exec
            .secret_env
            .iter()
            .map(|secret| pb::SecretEnv {
                id: secret.secret_id.clone(),
                name: secret.name.clone(),
                optional: secret.optional,
            })
            .collect(),
        cdi_devices: exec
            .devices
            .iter()
            .map(|device| pb::CdiDevice {
                name: device.name.clone(),
                optional: device.optional,
            })
            .collect(),
    }
}

fn unlimited(value: Option<u64>) -> i64 {
    value.map_or(-1, |value| i64::try_from(value).unwrap_or(-1))
}

fn mount(mount: &Mount, places: &Places, output: &mut i64) -> pb::Mount {
    let mut message = pb::Mount {
        input: places.of(mount.input()),
        dest: mount.target.clone(),
        output: ABSENT,
        ..pb::Mount::default()
    };
    if mount.is_output() {
        message.output = *output;
        *output += 1;
    }
    match &mount.kind {
        MountKind::Bind(bind) => {
            message.selector.clone_from(&bind.selector);
            message.readonly = bind.read_only;
        }
        MountKind::Cache(cache) => {
            message.set_mount_type(pb::MountType::Cache);
            message.selector.clone_from(&cache.selector);
            message.readonly = cache.read_only;
            let sharing = match cache.sharing {
                CacheSharing::Shared => pb::CacheSharingOpt::Shared,
                CacheSharing::Private => pb::CacheSharingOpt::Private,
                CacheSharing::Locked => pb::CacheSharingOpt::Locked,
            };
            message.cache_opt = Some(pb::CacheOpt {
                id: cache.id.clone(),
                sharing: sharing as i32,
            });
        }
        MountKind::Tmpfs(tmpfs) => {
            message.set_mount_type(pb::MountType::Tmpfs);
            let size = i64::try_from(tmpfs.size.unwrap_or(0)).unwrap_or(i64::MAX);
            message.tmpfs_opt = Some(pb::TmpfsOpt { size });
        }
        MountKind::Secret(secret) => {
            message.set_mount_type(pb::MountType::Secret);
            message.secret_opt = Some(self::secret(secret));
            // BuildKit's client leaves the number at 0 here, where it means nothing.
            message.output = 0;
        }
        MountKind::Ssh(ssh) => {
            message.set_mount_type(pb::MountType::Ssh);
            message.ssh_opt = Some(self::secret(ssh));
            message.output = 0;
        }
    }
    message
}

fn secret(secret: &SecretMount) -> pb::SecretOpt {
    pb::SecretOpt {
        id: secret.id.clone(),
        uid: secret.uid,
        gid: secret.gid,
        mode: secret.mode,
        optional: secret.optional,
    }
}

fn file(file: &FileOp, places: &Places) -> pb::FileOp {
    // Inputs are numbered first, then actions.
    let number = |input: FileInput| match input {
        FileInput::Scratch => ABSENT,
        FileInput::Edge(edge) => places.of(Some(edge)),
        FileInput::Action(action) => places.0.len() as i64 + i64::from(action),
    };
    // The tree whose /etc/passwd knows a name: the one that the chain of actions starts from.
    let mut origins: Vec<i64> = Vec::with_capacity(file.actions.len());
    let mut actions = Vec::with_capacity(file.actions.len());
    let mut output = 0;
    for action in &file.actions {
        let origin = match action.base {
            FileInput::Action(earlier) => origins.get(earlier as usize).copied().unwrap_or(ABSENT),
            base => number(base),
        };
        origins.push(origin);
        let mut message = pb::FileAction {
            input: number(action.base),
            secondary_input: match &action.kind {
                FileActionKind::Copy(copy) => number(copy.src),
                _ => ABSENT,
            },
            output: ABSENT,
            action: Some(self::action(&action.kind, origin)),
        };
        if action.output {
            message.output = output;
            output += 1;
        }
        actions.push(message);
    }
    pb::FileOp { actions }
}

fn action(kind: &FileActionKind, origin: i64) -> pb::FileActionKind {
    match kind {
        FileActionKind::Copy(copy) => pb::FileActionKind::Copy(self::copy(copy, origin)),
        FileActionKind::Mkfile(mkfile) => pb::FileActionKind::Mkfile(pb::FileActionMkFile {
            path: mkfile.path.clone(),
            mode: mkfile.mode as i32,
            data: mkfile.data.clone(),
            owner: owner(&mkfile.owner, origin),
            timestamp: nanoseconds(mkfile.timestamp),
        }),
        FileActionKind::Mkdir(mkdir) => pb::FileActionKind::Mkdir(pb::FileActionMkDir {
            path: mkdir.path.clone(),
            mode: mkdir.mode as i32,
            make_parents: mkdir.make_parents,
            owner: owner(&mkdir.owner, origin),
            timestamp: nanoseconds(mkdir.timestamp),
        }),
        FileActionKind::Rm(rm) => pb::FileActionKind::Rm(pb::FileActionRm {
            path: rm.path.clone(),
            allow_not_found: rm.allow_not_found,
            allow_wildcard: rm.allow_wildcard,
        }),
        FileActionKind::Symlink(symlink) => pb::FileActionKind::Symlink(pb::FileActionSymlink {
            oldpath: symlink.target.clone(),
            newpath: symlink.path.clone(),
            owner: owner(&symlink.owner, origin),
            timestamp: nanoseconds(symlink.timestamp),
        }),
    }
}

fn copy(copy: &CopyAction, origin: i64) -> pb::FileActionCopy {
    let (mode, mode_str) = match &copy.mode {
        None => (ABSENT as i32, String::new()),
        Some(FileMode::Octal(bits)) => (*bits as i32, String::new()),
        Some(FileMode::Symbolic(text)) => (0, text.clone()),
    };
    pb::FileActionCopy {
        src: copy.src_path.clone(),
        dest: copy.dst_path.clone(),
        owner: owner(&copy.owner, origin),
        mode,
        follow_symlink: copy.follow_symlink,
        dir_copy_contents: copy.dir_contents_only,
        attempt_unpack_docker_compatibility: copy.unpack_archive,
        create_dest_path: copy.create_dst_path,
        allow_wildcard: copy.allow_wildcard,
        allow_empty_wildcard: copy.allow_empty_wildcard,
        timestamp: nanoseconds(copy.timestamp),
        include_patterns: copy.include_patterns.clone(),
        exclude_patterns: copy.exclude_patterns.clone(),
        always_replace_existing_dest_paths: copy.replace_existing,
        mode_str,
        required_paths: copy.required_paths.clone(),
    }
}

fn owner(owner: &Option<Chown>, origin: i64) -> Option<pb::ChownOpt> {
    let part = |part: &Option<UserRef>| {
        part.as_ref().map(|part| pb::UserOpt {
            user: Some(match part {
                UserRef::Id(id) => pb::UserKind::ById(*id),
                UserRef::Name(name) => pb::UserKind::ByName(pb::NamedUserOpt {
                    name: name.clone(),
                    input: origin,
                }),
            }),
        })
    };
    owner.as_ref().map(|owner| pb::ChownOpt {
        user: part(&owner.user),
        group: part(&owner.group),
    })
}

/// Nanoseconds since 1970. A validated time fits.
fn nanoseconds(time: Option<Timestamp>) -> i64 {
    time.map_or(ABSENT, |time| {
        let total = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanoseconds);
        i64::try_from(total).unwrap_or(if total < 0 { i64::MIN } else { i64::MAX })
    })
}
