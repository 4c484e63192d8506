//! Reads single ops.
//! Knows nothing of digests: inputs are edges by now.

use std::collections::HashMap;

use super::message as pb;
use super::{ABSENT, DEFINITION_FILENAME, DEFINITION_INPUT, attributes, decode};
use crate::{
    BindMount, BuildOp, CacheMount, CacheSharing, CdiDevice, Chown, CopyAction, DiffOp, Edge, ExecOp,
    FileAction, FileActionKind, FileInput, FileMode, FileOp, HostIp, MergeOp, MkdirAction, MkfileAction,
    Mount, MountKind, NetworkMode, Op, PbError, ProxyEnv, RmAction, SecretEnv, SecretMount, SecurityMode,
    SymlinkAction, Timestamp, TmpfsMount, Ulimit, UserRef,
};

/// BuildKit's numbers of an op's outputs, and ours: the order in which the op has them.
pub(super) type Outputs = HashMap<i64, u32>;

/// Reads an op. Returns it with the numbers of its outputs.
pub(super) fn op(index: usize, kind: pb::OpKind, inputs: &[Edge]) -> Result<(Op, Outputs), PbError> {
    let numbers = Numbers { index, inputs };
    Ok(match kind {
        pb::OpKind::Source(source) => {
            let attrs = decode::map(source.attrs);
            (
                Op::Source(attributes::read(index, &source.identifier, attrs)?),
                Outputs::from([(0, 0)]),
            )
        }
        pb::OpKind::Exec(exec) => numbers.exec(exec)?,
        pb::OpKind::File(file) => numbers.file(file)?,
        pb::OpKind::Merge(merge) => {
            let inputs = merge
                .inputs
                .iter()
                .map(|input| numbers.input("a merge's input", input.input));
            (
                Op::Merge(MergeOp {
                    inputs: inputs.collect::<Result<_, _>>()?,
                }),
                Outputs::from([(0, 0)]),
            )
        }
        pb::OpKind::Diff(diff) => {
            let side =
                |side: Option<pb::IndexInput>| numbers.optional(side.map_or(ABSENT, |side| side.input));
            (
                Op::Diff(DiffOp {
                    lower: side(diff.lower)?,
                    upper: side(diff.upper)?,
                }),
                Outputs::from([(0, 0)]),
            )
        }
        pb::OpKind::Build(build) => (Op::Build(numbers.build(build)?), Outputs::from([(0, 0)])),
    })
}

/// What the numbers of an op refer to.
struct Numbers<'a> {
    index: usize,
    inputs: &'a [Edge],
}

impl Numbers<'_> {
    fn bad_index(&self, field: &'static str, value: i64) -> PbError {
        PbError::BadIndex {
            index: self.index,
            field,
            value,
        }
    }

    fn unsupported(&self, what: &'static str, value: impl ToString) -> PbError {
        PbError::Unsupported {
            index: self.index,
            what,
            value: value.to_string(),
        }
    }

    fn input(&self, field: &'static str, number: i64) -> Result<Edge, PbError> {
        let found = usize::try_from(number)
            .ok()
            .and_then(|number| self.inputs.get(number));
        found.copied().ok_or_else(|| self.bad_index(field, number))
    }

    fn optional(&self, number: i64) -> Result<Option<Edge>, PbError> {
        if number == ABSENT {
            Ok(None)
        } else {
            self.input("an input", number).map(Some)
        }
    }

    fn build(&self, build: pb::BuildOp) -> Result<BuildOp, PbError> {
        if build.def.is_some() {
            return Err(self.unsupported("a build op's own definition", ""));
        }
        if build.builder != ABSENT {
            return Err(self.unsupported("the builder of a build op", build.builder));
        }
        let mut input = None;
        for entry in build.inputs {
            let name = entry.key.unwrap_or_default();
            if name != DEFINITION_INPUT {
                return Err(self.unsupported("the input of a build op", name));
            }
            input = Some(self.input("the input of a build op", entry.value.unwrap_or_default().input)?);
        }
        let mut attrs = decode::map(build.attrs);
        let filename = attrs.remove(DEFINITION_FILENAME).unwrap_or_default();
        if let Some(key) = attrs.into_keys().next() {
            return Err(self.unsupported("the attribute of a build op", key));
        }
        let input = input.ok_or_else(|| self.bad_index("the input of a build op", ABSENT))?;
        Ok(BuildOp { input, filename })
    }

    fn exec(&self, exec: pb::ExecOp) -> Result<(Op, Outputs), PbError> {
        let meta = exec.meta.unwrap_or_default();
        let network = match pb::NetMode::try_from(exec.network) {
            Ok(pb::NetMode::Unset) => NetworkMode::Sandbox,
            Ok(pb::NetMode::Host) => NetworkMode::Host,
            Ok(pb::NetMode::None) => NetworkMode::None,
            Err(_) => return Err(self.unsupported("the network mode", exec.network)),
        };
        let security = match pb::SecurityMode::try_from(exec.security) {
            Ok(pb::SecurityMode::Sandbox) => SecurityMode::Sandbox,
            Ok(pb::SecurityMode::Insecure) => SecurityMode::Insecure,
            Err(_) => return Err(self.unsupported("the security mode", exec.security)),
        };
        let mut outputs = Outputs::new();
        let mut mounts = Vec::with_capacity(exec.mounts.len());
        for mount in exec.mounts {
            let number = mount.output;
            let mount = self.mount(mount)?;
            if mount.is_output() {
                self.add_output(&mut outputs, number)?;
            }
            mounts.push(mount);
        }
        let optional = |text: String| Some(text).filter(|text| !text.is_empty());
        let op = ExecOp {
            args: meta.args,
            env: meta
                .env
                .into_iter()
                .map(|entry| self.variable(entry))
                .collect::<Result<_, _>>()?,
            cwd: meta.cwd,
            user: optional(meta.user),
            hostname: optional(meta.hostname),
            mounts,
            secret_env: exec
                .secretenv
                .into_iter()
                .map(|env| SecretEnv {
                    name: env.name,
                    secret_id: env.id,
                    optional: env.optional,
                })
                .collect(),
            extra_hosts: meta
                .extra_hosts
                .into_iter()
                .map(|h| HostIp {
                    host: h.host,
                    ip: h.ip,
                })
                .collect(),
            ulimits: meta
                .ulimit
                .into_iter()
                .map(|limit| Ulimit {
                    name: limit.name,
                    soft: u64::try_from(limit.soft).ok(),
                    hard: u64::try_from(limit.hard).ok(),
                })
                .collect(),
            cgroup_parent: optional(meta.cgroup_parent),
            proxy: meta.proxy_env.map(|proxy| ProxyEnv {
                http: proxy.http_proxy,
                https: proxy.https_proxy,
                ftp: proxy.ftp_proxy,
                no: proxy.no_proxy,
                all: proxy.all_proxy,
            }),
            devices: exec
                .cdi_devices
                .into_iter()
                .map(|device| CdiDevice {
                    name: device.name,
                    optional: device.optional,
                })
                .collect(),
            network,
            security,
            valid_exit_codes: meta.valid_exit_codes,
        };
        Ok((Op::Exec(op), outputs))
    }

    fn add_output(&self, outputs: &mut Outputs, number: i64) -> Result<(), PbError> {
        let ours = outputs.len() as u32;
        if number < 0 || outputs.insert(number, ours).is_some() {
            return Err(self.bad_index("an output", number));
        }
        Ok(())
    }

    fn variable(&self, entry: String) -> Result<(String, String), PbError> {
        match entry.split_once('=') {
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => Err(PbError::BadValue {
                index: self.index,
                field: "the variable",
                value: entry,
            }),
        }
    }

    fn mount(&self, mount: pb::Mount) -> Result<Mount, PbError> {
        let kind = match pb::MountType::try_from(mount.mount_type) {
            Ok(pb::MountType::Bind) => MountKind::Bind(BindMount {
                input: self.optional(mount.input)?,
                selector: mount.selector,
                read_only: mount.readonly,
                output: mount.output != ABSENT,
            }),
            Ok(pb::MountType::Cache) => {
                let cache = mount.cache_opt.unwrap_or_default();
                if mount.output != ABSENT {
                    return Err(self.unsupported("the output of a cache mount", mount.output));
                }
                MountKind::Cache(CacheMount {
                    sharing: match cache.sharing() {
                        pb::CacheSharingOpt::Shared => CacheSharing::Shared,
                        pb::CacheSharingOpt::Private => CacheSharing::Private,
                        pb::CacheSharingOpt::Locked => CacheSharing::Locked,
                    },
                    id: cache.id,
                    input: self.optional(mount.input)?,
                    selector: mount.selector,
                    read_only: mount.readonly,
                })
            }
            Ok(pb::MountType::Tmpfs) => {
                let size = mount.tmpfs_opt.unwrap_or_default().size;
                MountKind::Tmpfs(TmpfsMount {
                    size: u64::try_from(size).ok().filter(|size| *size != 0),
                })
            }
            Ok(pb::MountType::Secret) => MountKind::Secret(secret(mount.secret_opt.unwrap_or_default())),
            Ok(pb::MountType::Ssh) => MountKind::Ssh(secret(mount.ssh_opt.unwrap_or_default())),
            Err(_) => return Err(self.unsupported("the mount type", mount.mount_type)),
        };
        Ok(Mount {
            target: mount.dest,
            kind,
        })
    }

    fn file(&self, file: pb::FileOp) -> Result<(Op, Outputs), PbError> {
        let mut outputs = Outputs::new();
        let mut actions: Vec<FileAction> = Vec::with_capacity(file.actions.len());
        for action in file.actions {
            let before = actions.len();
            let base = self.file_input("the input of an action", action.input, before)?;
            let kind = match action.action {
                Some(pb::FileActionKind::Copy(copy)) => {
                    let src = self.file_input("the source of a copy", action.secondary_input, before)?;
                    FileActionKind::Copy(self.copy(copy, src)?)
                }
                Some(pb::FileActionKind::Mkfile(mkfile)) => FileActionKind::Mkfile(MkfileAction {
                    path: mkfile.path,
                    data: mkfile.data,
                    mode: self.mode(mkfile.mode)?,
                    owner: self.owner(mkfile.owner)?,
                    timestamp: time(mkfile.timestamp),
                }),
                Some(pb::FileActionKind::Mkdir(mkdir)) => FileActionKind::Mkdir(MkdirAction {
                    path: mkdir.path,
                    mode: self.mode(mkdir.mode)?,
                    make_parents: mkdir.make_parents,
                    owner: self.owner(mkdir.owner)?,
                    timestamp: time(mkdir.timestamp),
                }),
                Some(pb::FileActionKind::Rm(rm)) => FileActionKind::Rm(RmAction {
                    path: rm.path,
                    allow_not_found: rm.allow_not_found,
                    allow_wildcard: rm.allow_wildcard,
                }),
                Some(pb::FileActionKind::Symlink(symlink)) => FileActionKind::Symlink(SymlinkAction {
                    target: symlink.oldpath,
                    path: symlink.newpath,
                    owner: self.owner(symlink.owner)?,
                    timestamp: time(symlink.timestamp),
                }),
                None => return Err(self.unsupported("a file action without content", "")),
            };
            let output = action.output != ABSENT;
            if output {
                self.add_output(&mut outputs, action.output)?;
            }
            actions.push(FileAction { base, kind, output });
        }
        Ok((Op::File(FileOp { actions }), outputs))
    }

    /// Inputs are numbered first, then actions.
    fn file_input(&self, field: &'static str, number: i64, before: usize) -> Result<FileInput, PbError> {
        let Ok(place) = usize::try_from(number) else {
            return if number == ABSENT {
                Ok(FileInput::Scratch)
            } else {
                Err(self.bad_index(field, number))
            };
        };
        match (self.inputs.get(place), place.checked_sub(self.inputs.len())) {
            (Some(edge), _) => Ok(FileInput::Edge(*edge)),
            (None, Some(action)) if action < before => Ok(FileInput::Action(action as u32)),
            _ => Err(self.bad_index(field, number)),
        }
    }

    fn mode(&self, mode: i32) -> Result<u32, PbError> {
        u32::try_from(mode).map_err(|_| self.unsupported("the mode", mode))
    }

    fn copy(&self, copy: pb::FileActionCopy, src: FileInput) -> Result<CopyAction, PbError> {
        Ok(CopyAction {
            src,
            src_path: copy.src,
            dst_path: copy.dest,
            owner: self.owner(copy.owner)?,
            mode: match (copy.mode_str.is_empty(), copy.mode) {
                (false, _) => Some(FileMode::Symbolic(copy.mode_str)),
                (true, -1) => None,
                (true, bits) => Some(FileMode::Octal(self.mode(bits)?)),
            },
            follow_symlink: copy.follow_symlink,
            dir_contents_only: copy.dir_copy_contents,
            unpack_archive: copy.attempt_unpack_docker_compatibility,
            create_dst_path: copy.create_dest_path,
            allow_wildcard: copy.allow_wildcard,
            allow_empty_wildcard: copy.allow_empty_wildcard,
            replace_existing: copy.always_replace_existing_dest_paths,
            include_patterns: copy.include_patterns,
            exclude_patterns: copy.exclude_patterns,
            required_paths: copy.required_paths,
            timestamp: time(copy.timestamp),
        })
    }

    fn owner(&self, owner: Option<pb::ChownOpt>) -> Result<Option<Chown>, PbError> {
        let part = |part: Option<pb::UserOpt>| match part.and_then(|part| part.user) {
            None => None,
            Some(pb::UserKind::ById(id)) => Some(UserRef::Id(id)),
            Some(pb::UserKind::ByName(named)) => Some(UserRef::Name(named.name)),
        };
        Ok(owner.map(|owner| Chown {
            user: part(owner.user),
            group: part(owner.group),
        }))
    }
}

fn secret(secret: pb::SecretOpt) -> SecretMount {
    SecretMount {
        id: secret.id,
        uid: secret.uid,
        gid: secret.gid,
        mode: secret.mode,
        optional: secret.optional,
    }
}

fn time(nanoseconds: i64) -> Option<Timestamp> {
    (nanoseconds != ABSENT).then(|| Timestamp {
        seconds: nanoseconds.div_euclid(1_000_000_000),
        nanoseconds: nanoseconds.rem_euclid(1_000_000_000) as u32,
    })
}
