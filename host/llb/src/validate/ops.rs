//! The rules of each kind of op.
//! Knows nothing of the form of a text (see `text`) and of the graph beyond one vertex and what its edges name.

use super::text::{
    Ending, absolute, at_most, commit, digest, image_reference, inside, malformed, mode, required, word,
};
use super::{At as _, Fault, Limits, bounded, edge, timestamp};
use crate::patterns::{Glob, Patterns};
use crate::{
    BuildOp, Chown, CopyAction, Definition, DiffOp, Edge, ExecOp, FileAction, FileActionKind, FileInput,
    FileMode, FileOp, MergeOp, Mount, MountKind, Platform, Problem, SecretMount, SourceOp, UserRef,
};

/// What the edges of a vertex are checked against.
pub(super) struct Inputs<'a> {
    pub definition: &'a Definition,
    pub index: usize,
    pub limits: &'a Limits,
}

impl Inputs<'_> {
    fn edge(&self, to: Edge) -> Result<(), Problem> {
        edge(self.definition, self.index, to)
    }

    fn optional(&self, to: Option<Edge>) -> Result<(), Problem> {
        to.map_or(Ok(()), |to| self.edge(to))
    }
}

pub(super) fn count(count: usize, limit: usize) -> Result<(), Problem> {
    if count > limit {
        Err(Problem::TooMany { count, limit })
    } else {
        Ok(())
    }
}

/// Checks a list of free texts.
pub(super) fn list(texts: &[String], limits: &Limits) -> Result<(), Problem> {
    count(texts.len(), limits.list)?;
    texts.iter().try_for_each(|text| bounded(text, limits.text))
}

fn patterns(texts: &[String], limits: &Limits) -> Result<(), Problem> {
    list(texts, limits)?;
    Patterns::new(texts).map(|_| ()).map_err(Problem::Pattern)
}

pub(super) fn platform(platform: &Platform, limits: &Limits) -> Result<(), Problem> {
    const EXPECTED: &str = "a part of a platform (letters, digits, `.`, `_` and `-`)";
    let part = |text: &str| {
        required(text, limits.component)?;
        if text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        {
            Ok(())
        } else {
            Err(malformed(text, EXPECTED))
        }
    };
    part(&platform.os)?;
    part(&platform.architecture)?;
    for text in [&platform.variant, &platform.os_version].into_iter().flatten() {
        bounded(text, limits.component)?;
    }
    list(&platform.os_features, limits)
}

pub(super) fn source(source: &SourceOp, limits: &Limits) -> Result<(), Fault> {
    match source {
        SourceOp::Image(image) => {
            image_reference(&image.reference, limits.path).at(|| "reference".into())?;
            image
                .checksum
                .as_deref()
                .map_or(Ok(()), digest)
                .at(|| "checksum".into())?;
            image
                .layer_limit
                .map_or(Ok(()), |n| at_most(n.into(), i32::MAX as u64))
                .at(|| "layer_limit".into())
        }
        SourceOp::OciLayout(layout) => {
            word(&layout.reference, limits.path, "a reference in an OCI layout").at(|| "reference".into())?;
            if let Some((_, checksum)) = layout.reference.split_once('@') {
                digest(checksum).at(|| "reference".into())?;
            }
            required(&layout.store, limits.path).at(|| "store".into())?;
            layout
                .layer_limit
                .map_or(Ok(()), |n| at_most(n.into(), i32::MAX as u64))
                .at(|| "layer_limit".into())
        }
        SourceOp::Local(local) => {
            required(&local.name, limits.path).at(|| "name".into())?;
            patterns(&local.include_patterns, limits).at(|| "include_patterns".into())?;
            patterns(&local.exclude_patterns, limits).at(|| "exclude_patterns".into())?;
            list(&local.follow_paths, limits).at(|| "follow_paths".into())?;
            optional(&local.shared_key_hint, limits).at(|| "shared_key_hint".into())
        }
        SourceOp::Git(git) => {
            word(&git.remote, limits.path, "the URL of a git repository").at(|| "remote".into())?;
            // A leading `-` would be an option of git.
            if git.remote.starts_with('-') {
                return Err(malformed(&git.remote, "the URL of a git repository")).at(|| "remote".into());
            }
            let good = |c: char| !c.is_whitespace() && !c.is_control() && !"~^:?*[\\".contains(c);
            if git.git_ref.starts_with('-') || git.git_ref.contains("..") || !git.git_ref.chars().all(good) {
                return Err(malformed(&git.git_ref, "a git ref")).at(|| "git_ref".into());
            }
            bounded(&git.git_ref, limits.path).at(|| "git_ref".into())?;
            inside(&git.subdir, limits).at(|| "subdir".into())?;
            git.checksum
                .as_deref()
                .map_or(Ok(()), commit)
                .at(|| "checksum".into())?;
            for (field, text) in [
                ("auth_token_secret", &git.auth_token_secret),
                ("auth_header_secret", &git.auth_header_secret),
                ("mount_ssh_sock", &git.mount_ssh_sock),
                ("known_hosts", &git.known_hosts),
            ] {
                optional(text, limits).at(|| field.into())?;
            }
            Ok(())
        }
        SourceOp::Http(http) => self::http(http, limits),
    }
}

fn http(http: &crate::HttpSource, limits: &Limits) -> Result<(), Fault> {
    const URL: &str = "a URL (http:// or https://)";
    word(&http.url, limits.text, URL).at(|| "url".into())?;
    let rest = http
        .url
        .strip_prefix("https://")
        .or_else(|| http.url.strip_prefix("http://"));
    if rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
        return Err(malformed(&http.url, URL)).at(|| "url".into());
    }
    http.checksum
        .as_deref()
        .map_or(Ok(()), digest)
        .at(|| "checksum".into())?;
    if let Some(name) = &http.filename {
        required(name, limits.component).at(|| "filename".into())?;
        if name.contains('/') || name == "." || name == ".." {
            return Err(malformed(name, "the name of a file, without `/`")).at(|| "filename".into());
        }
    }
    http.mode.map_or(Ok(()), mode).at(|| "mode".into())?;
    count(http.headers.len(), limits.list).at(|| "headers".into())?;
    for (index, (name, value)) in http.headers.iter().enumerate() {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || name.len() > limits.component || !name.bytes().all(token) {
            return Err(malformed(name, "the name of an HTTP header")).at(|| format!("headers[{index}]"));
        }
        bounded(value, limits.text).at(|| format!("headers[{index}]"))?;
        if value.contains(['\r', '\n']) {
            return Err(malformed(value, "the value of an HTTP header")).at(|| format!("headers[{index}]"));
        }
    }
    optional(&http.auth_header_secret, limits).at(|| "auth_header_secret".into())
}

fn optional(text: &Option<String>, limits: &Limits) -> Result<(), Problem> {
    text.as_deref().map_or(Ok(()), |text| bounded(text, limits.text))
}

pub(super) fn exec(exec: &ExecOp, inputs: &Inputs<'_>) -> Result<(), Fault> {
    let limits = inputs.limits;
    if exec.args.first().is_none_or(String::is_empty) {
        return Err(Problem::Empty).at(|| "args".into());
    }
    list(&exec.args, limits).at(|| "args".into())?;
    count(exec.env.len(), limits.list).at(|| "env".into())?;
    for (index, (name, value)) in exec.env.iter().enumerate() {
        variable(name, limits).at(|| format!("env[{index}]"))?;
        bounded(value, limits.text).at(|| format!("env[{index}]"))?;
    }
    absolute(&exec.cwd, Ending::Slash, limits).at(|| "cwd".into())?;
    optional(&exec.user, limits).at(|| "user".into())?;
    if let Some(hostname) = &exec.hostname {
        word(hostname, 64, "a host name").at(|| "hostname".into())?;
    }
    if let Some(parent) = &exec.cgroup_parent {
        inside(parent, limits).at(|| "cgroup_parent".into())?;
    }
    mounts(&exec.mounts, inputs)?;
    count(exec.secret_env.len(), limits.list).at(|| "secret_env".into())?;
    for (index, secret) in exec.secret_env.iter().enumerate() {
        variable(&secret.name, limits).at(|| format!("secret_env[{index}].name"))?;
        required(&secret.secret_id, limits.path).at(|| format!("secret_env[{index}].secret_id"))?;
    }
    count(exec.extra_hosts.len(), limits.list).at(|| "extra_hosts".into())?;
    for (index, host) in exec.extra_hosts.iter().enumerate() {
        word(&host.host, limits.component, "a host name").at(|| format!("extra_hosts[{index}].host"))?;
        if host.ip.parse::<std::net::IpAddr>().is_err() {
            return Err(malformed(&host.ip, "an IP address")).at(|| format!("extra_hosts[{index}].ip"));
        }
    }
    count(exec.ulimits.len(), limits.list).at(|| "ulimits".into())?;
    for (index, limit) in exec.ulimits.iter().enumerate() {
        if limit.name.is_empty() || !limit.name.bytes().all(|b| b.is_ascii_lowercase()) {
            return Err(malformed(
                &limit.name,
                "the name of a resource limit, such as nofile",
            ))
            .at(|| format!("ulimits[{index}].name"));
        }
        for value in [limit.soft, limit.hard].into_iter().flatten() {
            at_most(value, i64::MAX as u64).at(|| format!("ulimits[{index}]"))?;
        }
    }
    if let Some(proxy) = &exec.proxy {
        for text in [&proxy.http, &proxy.https, &proxy.ftp, &proxy.no, &proxy.all] {
            bounded(text, limits.text).at(|| "proxy".into())?;
        }
    }
    count(exec.devices.len(), limits.list).at(|| "devices".into())?;
    for (index, device) in exec.devices.iter().enumerate() {
        word(&device.name, limits.path, "the name of a CDI device").at(|| format!("devices[{index}]"))?;
    }
    count(exec.valid_exit_codes.len(), limits.list).at(|| "valid_exit_codes".into())
}

/// Checks the name of an environment variable.
fn variable(name: &str, limits: &Limits) -> Result<(), Problem> {
    required(name, limits.text)?;
    if name.contains('=') {
        return Err(malformed(name, "the name of a variable, without `=`"));
    }
    Ok(())
}

fn mounts(mounts: &[Mount], inputs: &Inputs<'_>) -> Result<(), Fault> {
    let limits = inputs.limits;
    count(mounts.len(), limits.list).at(|| "mounts".into())?;
    for (index, mount) in mounts.iter().enumerate() {
        absolute(&mount.target, Ending::Slash, limits).at(|| format!("mounts[{index}].target"))?;
        inputs
            .optional(mount.input())
            .at(|| format!("mounts[{index}].input"))?;
        match &mount.kind {
            MountKind::Bind(bind) => {
                inside(&bind.selector, limits).at(|| format!("mounts[{index}].selector"))?
            }
            MountKind::Cache(cache) => {
                required(&cache.id, limits.path).at(|| format!("mounts[{index}].id"))?;
                inside(&cache.selector, limits).at(|| format!("mounts[{index}].selector"))?;
            }
            MountKind::Tmpfs(tmpfs) => {
                at_most(tmpfs.size.unwrap_or(0), i64::MAX as u64).at(|| format!("mounts[{index}].size"))?;
            }
            MountKind::Secret(secret) => {
                required(&secret.id, limits.path).at(|| format!("mounts[{index}].id"))?;
                secret_mount(secret, limits).at(|| format!("mounts[{index}]"))?;
            }
            MountKind::Ssh(ssh) => secret_mount(ssh, limits).at(|| format!("mounts[{index}]"))?,
        }
    }
    let roots: Vec<&Mount> = mounts.iter().filter(|mount| mount.target == "/").collect();
    match roots[..] {
        [root] if matches!(root.kind, MountKind::Bind(_)) => Ok(()),
        [_] => Err(Problem::RootNotBind),
        _ => Err(Problem::RootMounts { count: roots.len() }),
    }
    .at(|| "mounts".into())
}

fn secret_mount(secret: &SecretMount, limits: &Limits) -> Result<(), Problem> {
    bounded(&secret.id, limits.path)?;
    mode(secret.mode)
}

pub(super) fn file(file: &FileOp, inputs: &Inputs<'_>) -> Result<(), Fault> {
    if file.actions.is_empty() {
        return Err(Problem::Empty).at(|| "actions".into());
    }
    count(file.actions.len(), inputs.limits.list).at(|| "actions".into())?;
    for (index, action) in file.actions.iter().enumerate() {
        self::action(index, action, inputs).map_err(|fault| Fault {
            field: format!("actions[{index}].{}", fault.field),
            ..fault
        })?;
    }
    Ok(())
}

fn file_input(input: FileInput, index: usize, inputs: &Inputs<'_>) -> Result<(), Problem> {
    match input {
        FileInput::Scratch => Ok(()),
        FileInput::Edge(edge) => inputs.edge(edge),
        FileInput::Action(to) if (to as usize) < index => Ok(()),
        FileInput::Action(to) => Err(Problem::NoSuchAction { to }),
    }
}

fn action(index: usize, action: &FileAction, inputs: &Inputs<'_>) -> Result<(), Fault> {
    let limits = inputs.limits;
    file_input(action.base, index, inputs).at(|| "base".into())?;
    match &action.kind {
        FileActionKind::Copy(copy) => {
            file_input(copy.src, index, inputs).at(|| "src".into())?;
            self::copy(copy, limits)
        }
        FileActionKind::Mkfile(mkfile) => {
            absolute(&mkfile.path, Ending::Name, limits).at(|| "path".into())?;
            mode(mkfile.mode).at(|| "mode".into())?;
            owner(&mkfile.owner, limits).at(|| "owner".into())?;
            timestamp(&mkfile.timestamp).at(|| "timestamp".into())
        }
        FileActionKind::Mkdir(mkdir) => {
            absolute(&mkdir.path, Ending::Slash, limits).at(|| "path".into())?;
            mode(mkdir.mode).at(|| "mode".into())?;
            owner(&mkdir.owner, limits).at(|| "owner".into())?;
            timestamp(&mkdir.timestamp).at(|| "timestamp".into())
        }
        FileActionKind::Rm(rm) => {
            absolute(&rm.path, Ending::Slash, limits).at(|| "path".into())?;
            if rm.allow_wildcard {
                Glob::new(&rm.path)
                    .map_err(Problem::Pattern)
                    .at(|| "path".into())?;
            }
            Ok(())
        }
        FileActionKind::Symlink(symlink) => {
            absolute(&symlink.path, Ending::Name, limits).at(|| "path".into())?;
            required(&symlink.target, limits.path).at(|| "target".into())?;
            owner(&symlink.owner, limits).at(|| "owner".into())?;
            timestamp(&symlink.timestamp).at(|| "timestamp".into())
        }
    }
}

fn copy(copy: &CopyAction, limits: &Limits) -> Result<(), Fault> {
    absolute(&copy.src_path, Ending::SlashOrDot, limits).at(|| "src_path".into())?;
    absolute(&copy.dst_path, Ending::SlashOrDot, limits).at(|| "dst_path".into())?;
    if copy.allow_wildcard {
        Glob::new(&copy.src_path)
            .map_err(Problem::Pattern)
            .at(|| "src_path".into())?;
    }
    owner(&copy.owner, limits).at(|| "owner".into())?;
    match &copy.mode {
        None => {}
        Some(FileMode::Octal(bits)) => mode(*bits).at(|| "mode".into())?,
        Some(FileMode::Symbolic(text)) => {
            let good = |b: u8| b"ugoarwxXst+-=,".contains(&b);
            if text.is_empty() || text.len() > limits.component || !text.bytes().all(good) {
                return Err(malformed(text, "a symbolic mode, such as u=rwX,go=rX")).at(|| "mode".into());
            }
        }
    }
    patterns(&copy.include_patterns, limits).at(|| "include_patterns".into())?;
    patterns(&copy.exclude_patterns, limits).at(|| "exclude_patterns".into())?;
    count(copy.required_paths.len(), limits.list).at(|| "required_paths".into())?;
    for path in &copy.required_paths {
        inside(path, limits).at(|| "required_paths".into())?;
    }
    timestamp(&copy.timestamp).at(|| "timestamp".into())
}

fn owner(owner: &Option<Chown>, limits: &Limits) -> Result<(), Problem> {
    let Some(owner) = owner else { return Ok(()) };
    for part in [&owner.user, &owner.group].into_iter().flatten() {
        if let UserRef::Name(name) = part {
            word(name, limits.component, "the name of a user or group")?;
            if name.contains(':') {
                return Err(malformed(name, "the name of a user or group"));
            }
        }
    }
    Ok(())
}

pub(super) fn merge(merge: &MergeOp, inputs: &Inputs<'_>) -> Result<(), Fault> {
    if merge.inputs.is_empty() {
        return Err(Problem::Empty).at(|| "inputs".into());
    }
    count(merge.inputs.len(), inputs.limits.list).at(|| "inputs".into())?;
    for (index, input) in merge.inputs.iter().enumerate() {
        inputs.edge(*input).at(|| format!("inputs[{index}]"))?;
    }
    Ok(())
}

pub(super) fn diff(diff: &DiffOp, inputs: &Inputs<'_>) -> Result<(), Fault> {
    inputs.optional(diff.lower).at(|| "lower".into())?;
    inputs.optional(diff.upper).at(|| "upper".into())
}

pub(super) fn build(build: &BuildOp, inputs: &Inputs<'_>) -> Result<(), Fault> {
    inputs.edge(build.input).at(|| "input".into())?;
    inside(&build.filename, inputs.limits).at(|| "filename".into())
}
