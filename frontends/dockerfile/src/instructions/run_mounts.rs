//! The mounts of `RUN` as parts of an exec op. Knows nothing of how they are written.

use lapstrake_sdk::path;
use lapstrake_sdk::types::{
    BindMount, CacheMount, CacheSharing, Chown, ExecOp, FileAction, FileActionKind, MkdirAction, Mount,
    MountKind, Op, SecretEnv, SecretMount, SshMount, TmpfsMount, UserRef, Vertex,
};

use crate::instructions::mount::{self, MountFlag, MountType};
use crate::lower::stage::{Cx, Stage};

/// Adds the mounts that the flags say; returns the variables that hold secrets, and the agent's socket.
pub fn add(
    flags: &[MountFlag],
    stage: &Stage,
    exec: &mut ExecOp,
    cx: &mut Cx<'_>,
) -> (Vec<String>, Option<String>) {
    let mut masked = Vec::new();
    let mut socket = None;
    let mut secrets = Vec::new();
    let mut sockets = Vec::new();
    for (index, flag) in flags.iter().enumerate() {
        let Some(mount) = flag.resolve(stage, cx) else {
            continue;
        };
        match mount.kind {
            MountType::Secret => {
                let name = secret(&mount, stage, exec, &mut secrets);
                let unnamed = |env: &SecretEnv| env.name.is_empty() || env.name.contains('=');
                if exec.secret_envs.pop_if(|env| unnamed(env)).is_some() {
                    let help = "a name is not empty and has no `=`";
                    cx.error(
                        "InvalidMount",
                        flag.span,
                        "the secret's env is no name of a variable",
                        help,
                    );
                    continue;
                }
                cx.outline.secret(&name);
                masked.extend(mount.env.map(|env| if env.is_empty() { name } else { env }));
            }
            MountType::Ssh => {
                let number = sockets.len();
                let mount = ssh(&mount, number, stage);
                socket.get_or_insert_with(|| mount.target.clone());
                if let MountKind::Ssh(ssh) = &mount.kind {
                    cx.outline.ssh(&ssh.id);
                }
                sockets.push(mount);
            }
            MountType::Bind | MountType::Cache | MountType::Tmpfs => {
                let target = path::join(&stage.directory, &mount.target);
                if target == "/" {
                    let help = "give it a target below the root";
                    cx.error(
                        "InvalidMount",
                        flag.span,
                        "nothing can be mounted over the root",
                        help,
                    );
                    continue;
                }
                let kind = tree_mount(index, &mount, cx);
                exec.mounts.push(Mount { target, kind });
            }
        }
    }
    exec.mounts.sort_by(|a, b| a.target.cmp(&b.target));
    exec.mounts.extend(secrets);
    exec.mounts.extend(sockets);
    (masked, socket)
}

/// Makes a bind, cache or tmpfs mount. `index` is that of its tree among those the instruction names.
fn tree_mount(index: usize, mount: &mount::Mount, cx: &mut Cx<'_>) -> MountKind {
    if mount.kind == MountType::Tmpfs {
        return MountKind::Tmpfs(TmpfsMount {
            size: mount.size.filter(|size| *size > 0),
        });
    }
    let source = path::join("/", &mount.source);
    let named = cx.from.get(index).cloned().flatten();
    let mut input = match (&named, mount.kind) {
        (Some(tree), _) => {
            cx.taken.push((index, source.clone()));
            tree.edge
        }
        (None, MountType::Cache) => None,
        (None, _) => cx.main_context(&source),
    };
    let mut selector = if source == "/" { String::new() } else { source };
    if selector.is_empty() && (mount.uid.is_some() || mount.gid.is_some() || mount.mode.is_some()) {
        let owner = Chown {
            user: Some(UserRef::Id(mount.uid.unwrap_or(0))),
            group: Some(UserRef::Id(mount.gid.unwrap_or(0))),
        };
        let mkdir = MkdirAction {
            path: "/cache".to_owned(),
            mode: mount.mode.unwrap_or(0o755) & 0o777,
            make_parents: false,
            owner: Some(owner),
            timestamp: None,
        };
        let action = FileAction {
            base: input.into(),
            kind: FileActionKind::Mkdir(mkdir),
            output: true,
        };
        let mut vertex = Vertex::new(Op::File(vec![action]), None);
        vertex.name = "[internal] settings cache mount permissions".to_owned();
        input = Some(cx.vertices.add(vertex));
        selector = "/cache".to_owned();
    }
    if mount.kind == MountType::Bind {
        return MountKind::Bind(BindMount {
            input,
            selector,
            read_only: mount.read_only,
            output: false,
        });
    }
    let name = if mount.id.is_empty() {
        clean_relative(&mount.target)
    } else {
        mount.id.clone()
    };
    // Asked for, it is named as the file names it.
    cx.outline.cache(&name);
    let id = format!("{}/{name}", cx.options.cache_namespace);
    let sharing = match mount.sharing.as_str() {
        "private" => CacheSharing::PrivateCopy,
        "locked" => CacheSharing::Locked,
        _ => CacheSharing::Shared,
    };
    MountKind::Cache(CacheMount {
        id,
        input,
        selector,
        sharing,
        read_only: mount.read_only,
    })
}

/// A path as Go's `path.Clean` leaves it: a relative one stays relative.
fn clean_relative(target: &str) -> String {
    let clean = path::join("/", target);
    match target.starts_with('/') {
        true => clean,
        false if clean == "/" => ".".to_owned(),
        false => clean[1..].to_owned(),
    }
}

/// Adds a secret as file, variable or both; returns its name.
fn secret(mount: &mount::Mount, stage: &Stage, exec: &mut ExecOp, files: &mut Vec<Mount>) -> String {
    let base = |text: &str| {
        text.trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let id = match (mount.source.as_str(), mount.id.as_str()) {
        ("", "") => base(&mount.target),
        ("", id) => id.to_owned(),
        (source, _) => source.to_owned(),
    };
    let target = match (mount.target.as_str(), &mount.env) {
        ("", Some(_)) => None,
        ("", None) => Some(format!("/run/secrets/{}", base(&id))),
        (target, _) => Some(path::join(&stage.directory, target)),
    };
    if let Some(name) = &mount.env {
        let name = if name.is_empty() { id.clone() } else { name.clone() };
        exec.secret_envs.push(SecretEnv {
            name,
            secret_id: id.clone(),
            optional: !mount.required,
        });
    }
    if let Some(target) = target {
        let secret = SecretMount {
            id: id.clone(),
            uid: mount.uid.unwrap_or(0),
            gid: mount.gid.unwrap_or(0),
            mode: mount.mode.unwrap_or(0o400),
            optional: !mount.required,
        };
        files.push(Mount {
            target,
            kind: MountKind::Secret(secret),
        });
    }
    id
}

fn ssh(mount: &mount::Mount, number: usize, stage: &Stage) -> Mount {
    let target = match mount.target.as_str() {
        "" => format!("/run/buildkit/ssh_agent.{number}"),
        target => path::join(&stage.directory, target),
    };
    let ssh = SshMount {
        id: if mount.id.is_empty() {
            "default".to_owned()
        } else {
            mount.id.clone()
        },
        uid: mount.uid.unwrap_or(0),
        gid: mount.gid.unwrap_or(0),
        mode: mount.mode.unwrap_or(0o600),
        optional: !mount.required,
    };
    Mount {
        target,
        kind: MountKind::Ssh(ssh),
    }
}
