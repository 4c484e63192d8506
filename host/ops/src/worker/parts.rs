//! The one walk over all that is in an op's key: hashed for the key, kept for an explanation.
//!
//! Every field of every op is taken apart here, so that a new one cannot be forgotten. Left out is what does not change
//! the result: proxies, addresses of extra hosts; and what selectors stand for. The content of a secret is nowhere; its
//! id is. The numbers of inputs stand in place of edges.
//! Pure functions. Knows nothing of what is done with the parts.

use std::fmt::Write as _;

use lapstrake_llb::{
    BindMount, CacheMount, CacheSharing, Chown, CopyAction, Edge, ExecOp, FileAction, FileActionKind,
    FileInput, FileMode, FileOp, MkdirAction, MkfileAction, Mount, MountKind, NetworkMode, Platform,
    RmAction, SecretEnv, SecretMount, SecurityMode, SymlinkAction, Timestamp, TmpfsMount, UserRef,
};
use lapstrake_solver::{Parts, Role, Value};
use lapstrake_store::content::Selection;

/// The number of an input that there is not.
const NO_INPUT: usize = u32::MAX as usize;

/// The parts of a platform and the constraints.
pub(super) fn platform(platform: &Platform, constraints: &[String], parts: &mut dyn Parts) {
    let Platform {
        os,
        architecture,
        variant,
        os_version,
        os_features,
    } = platform;
    // A slash inside of a word is no separator.
    let word = |text: &str| match text.contains(['/', '"', '\\']) {
        true => format!("{text:?}"),
        false => text.to_owned(),
    };
    let mut text = format!("{}/{}", word(os), word(architecture));
    if let Some(variant) = variant {
        let _ = write!(text, "/{}", word(variant));
    }
    parts.text("platform", "", &text);
    if let Some(version) = os_version {
        parts.text("platform version", "", version);
    }
    parts.list("platform features", "", os_features);
    parts.list("constraints", "", constraints);
}

/// The parts of a command.
pub(super) fn exec(exec: &ExecOp, edges: &[Edge], parts: &mut dyn Parts) {
    let ExecOp {
        args,
        env,
        cwd,
        user,
        hostname,
        mounts,
        secret_env,
        extra_hosts,
        ulimits,
        cgroup_parent,
        proxy: _,
        devices,
        network,
        security,
        valid_exit_codes,
    } = exec;
    parts.list("command", "", args);
    for (name, value) in env {
        parts.text("ENV", name, value);
    }
    parts.text("working directory", "", cwd);
    optional("user", user, parts);
    optional("host name", hostname, parts);
    for mount in mounts {
        self::mount(mount, edges, parts);
    }
    for SecretEnv {
        name,
        secret_id,
        optional,
    } in secret_env
    {
        parts.text(
            "secret variable",
            name,
            &format!("id={secret_id:?} optional={optional}"),
        );
    }
    for host in extra_hosts {
        parts.text("extra host", &host.host, "");
    }
    for limit in ulimits {
        let number =
            |value: Option<u64>| value.map_or_else(|| "unlimited".to_owned(), |value| value.to_string());
        let value = format!("{}:{}", number(limit.soft), number(limit.hard));
        parts.text("ulimit", &limit.name, &value);
    }
    optional("parent of the control group", cgroup_parent, parts);
    for device in devices {
        let word = if device.optional { "optional" } else { "required" };
        parts.text("device", &device.name, word);
    }
    parts.text("network", "", network_word(*network));
    parts.text("security", "", security_word(*security));
    let codes: Vec<String> = valid_exit_codes.iter().map(i32::to_string).collect();
    parts.list("valid exit codes", "", &codes);
}

fn network_word(mode: NetworkMode) -> &'static str {
    match mode {
        NetworkMode::Sandbox => "sandbox",
        NetworkMode::Host => "host",
        NetworkMode::None => "none",
    }
}

fn security_word(mode: SecurityMode) -> &'static str {
    match mode {
        SecurityMode::Sandbox => "sandbox",
        SecurityMode::Insecure => "insecure",
    }
}

fn sharing_word(sharing: CacheSharing) -> &'static str {
    match sharing {
        CacheSharing::Shared => "shared",
        CacheSharing::Private => "private",
        CacheSharing::Locked => "locked",
    }
}

fn optional(name: &'static str, value: &Option<String>, parts: &mut dyn Parts) {
    if let Some(value) = value {
        parts.text(name, "", value);
    }
}

fn mount(mount: &Mount, edges: &[Edge], parts: &mut dyn Parts) {
    let Mount { target, kind } = mount;
    let from = |input: &Option<Edge>| match input {
        Some(edge) => format!("input {}", number(*edge, edges)),
        None => "scratch".to_owned(),
    };
    let access = |read_only: bool| if read_only { "ro" } else { "rw" };
    let text = match kind {
        MountKind::Bind(BindMount {
            input,
            selector: _,
            read_only,
            output,
        }) => {
            let kept = if *output { " kept" } else { "" };
            format!("bind {} {}{kept}", from(input), access(*read_only))
        }
        MountKind::Cache(CacheMount {
            id,
            input,
            selector: _,
            sharing,
            read_only,
        }) => format!(
            "cache {} {} {} id={id:?}",
            from(input),
            access(*read_only),
            sharing_word(*sharing)
        ),
        MountKind::Tmpfs(TmpfsMount { size }) => match size {
            Some(size) => format!("tmpfs size={size}"),
            None => "tmpfs".to_owned(),
        },
        MountKind::Secret(secret) => format!("secret {}", self::secret(secret)),
        MountKind::Ssh(secret) => format!("ssh {}", self::secret(secret)),
    };
    parts.text("mount", target, &text);
}

fn secret(secret: &SecretMount) -> String {
    let SecretMount {
        id,
        uid,
        gid,
        mode,
        optional,
    } = secret;
    format!("owner={uid}:{gid} mode={mode:04o} optional={optional} id={id:?}")
}

/// The parts of changes of files. Names of users are looked up in the tree itself, so no platform counts here.
pub(super) fn file(file: &FileOp, edges: &[Edge], parts: &mut dyn Parts) {
    let FileOp { actions } = file;
    for (index, action) in actions.iter().enumerate() {
        let of = match actions.len() {
            1 => String::new(),
            _ => format!("of action {}", index + 1),
        };
        let FileAction { base, kind, output } = action;
        parts.text("base", &of, &input(*base, edges));
        parts.flag("kept", &of, *output);
        match kind {
            FileActionKind::Copy(copy) => self::copy(copy, edges, &of, parts),
            FileActionKind::Mkfile(MkfileAction {
                path,
                data,
                mode,
                owner,
                timestamp,
            }) => {
                parts.text("file", &of, path);
                parts.add(Role::Key, "content", &of, Value::Bytes(data));
                parts.text("mode", &of, &octal(*mode));
                self::owner(owner, &of, parts);
                time(*timestamp, &of, parts);
            }
            FileActionKind::Mkdir(MkdirAction {
                path,
                mode,
                make_parents,
                owner,
                timestamp,
            }) => {
                parts.text("directory", &of, path);
                parts.text("mode", &of, &octal(*mode));
                parts.flag("with parents", &of, *make_parents);
                self::owner(owner, &of, parts);
                time(*timestamp, &of, parts);
            }
            FileActionKind::Rm(RmAction {
                path,
                allow_not_found,
                allow_wildcard,
            }) => {
                parts.text("remove", &of, path);
                parts.flag("may be missing", &of, *allow_not_found);
                parts.flag("wildcards", &of, *allow_wildcard);
            }
            FileActionKind::Symlink(SymlinkAction {
                target,
                path,
                owner,
                timestamp,
            }) => {
                parts.text("link", &of, path);
                parts.text("target", &of, target);
                self::owner(owner, &of, parts);
                time(*timestamp, &of, parts);
            }
        }
    }
}

fn copy(copy: &CopyAction, edges: &[Edge], of: &str, parts: &mut dyn Parts) {
    let CopyAction {
        src,
        src_path,
        dst_path,
        owner,
        mode,
        follow_symlink,
        dir_contents_only,
        unpack_archive,
        create_dst_path,
        allow_wildcard,
        allow_empty_wildcard,
        replace_existing,
        include_patterns,
        exclude_patterns,
        required_paths,
        timestamp,
    } = copy;
    parts.text("from", of, &input(*src, edges));
    if src.edge().is_some() {
        // The rest of the path and the patterns are in the selector. Of the path the last part names the result.
        let name = src_path.trim_end_matches('/').rsplit('/').next();
        parts.text("name of the source", of, name.unwrap_or_default());
    } else {
        parts.text("source", of, src_path);
        parts.list("include", of, include_patterns);
        parts.list("exclude", of, exclude_patterns);
    }
    parts.text("destination", of, dst_path);
    self::owner(owner, of, parts);
    match mode {
        None => {}
        Some(FileMode::Octal(bits)) => parts.text("chmod", of, &octal(*bits)),
        Some(FileMode::Symbolic(text)) => parts.text("chmod", of, text),
    }
    let flags = [
        ("links followed", follow_symlink),
        ("contents of the directory only", dir_contents_only),
        ("archive unpacked", unpack_archive),
        ("parents of the destination made", create_dst_path),
        ("wildcards", allow_wildcard),
        ("nothing may match", allow_empty_wildcard),
        ("other types replaced", replace_existing),
    ];
    flags
        .into_iter()
        .for_each(|(name, set)| parts.flag(name, of, *set));
    parts.list("required paths", of, required_paths);
    time(*timestamp, of, parts);
}

/// The parts of a merge.
pub(super) fn merge(inputs: &[Edge], edges: &[Edge], parts: &mut dyn Parts) {
    let numbers: Vec<String> = inputs
        .iter()
        .map(|edge| number(*edge, edges).to_string())
        .collect();
    parts.list("inputs merged", "", &numbers);
}

/// The parts of a diff.
pub(super) fn diff(lower: Option<Edge>, upper: Option<Edge>, edges: &[Edge], parts: &mut dyn Parts) {
    for (name, edge) in [("lower", lower), ("upper", upper)] {
        match edge {
            Some(edge) => parts.text(name, "", &format!("input {}", number(edge, edges))),
            None => parts.text(name, "", "scratch"),
        }
    }
}

/// The parts of what is taken of an input.
pub(super) fn selection(selection: &Selection, parts: &mut dyn Parts) {
    let Selection {
        path,
        follow_links,
        wildcard,
        include,
        exclude,
        contents_only,
    } = selection;
    parts.text("source", "", path);
    parts.flag("links followed", "", *follow_links);
    parts.flag("wildcards", "", *wildcard);
    parts.flag("contents of the directory only", "", *contents_only);
    parts.list("include", "", include);
    parts.list("exclude", "", exclude);
}

/// An input's number in place of its edge.
fn number(edge: Edge, edges: &[Edge]) -> usize {
    edges.iter().position(|known| *known == edge).unwrap_or(NO_INPUT)
}

fn input(input: FileInput, edges: &[Edge]) -> String {
    match input {
        FileInput::Scratch => "scratch".to_owned(),
        FileInput::Edge(edge) => format!("input {}", number(edge, edges)),
        FileInput::Action(action) => format!("action {}", u64::from(action) + 1),
    }
}

fn octal(bits: u32) -> String {
    format!("{bits:04o}")
}

/// Names are quoted where they look like a number, or like two names.
fn owner(owner: &Option<Chown>, of: &str, parts: &mut dyn Parts) {
    let Some(Chown { user, group }) = owner else {
        return;
    };
    let name = |user: &Option<UserRef>| match user {
        None => String::new(),
        Some(UserRef::Id(id)) => id.to_string(),
        Some(UserRef::Name(name)) => {
            let plain =
                name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && !name.contains(':');
            if plain { name.clone() } else { format!("{name:?}") }
        }
    };
    parts.text("chown", of, &format!("{}:{}", name(user), name(group)));
}

fn time(timestamp: Option<Timestamp>, of: &str, parts: &mut dyn Parts) {
    if let Some(Timestamp { seconds, nanoseconds }) = timestamp {
        parts.text("modification time", of, &format!("{seconds}.{nanoseconds:09}"));
    }
}
