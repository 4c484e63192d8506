//! Prints a graph as text, the form that test cases are compared with: a block a vertex, fields only where they are set.
//! Stable: a change here changes every expected graph.

use std::fmt::Write as _;

use crate::{
    CacheSharing, Chown, CopyAction, Definition, Edge, ExecOp, FileAction, FileActionKind, FileInput,
    FileMode, FileOp, LocalDiffer, Metadata, Mount, MountKind, NetworkMode, Op, Platform, ResolveMode,
    SecretMount, SecurityMode, SourceOp, Timestamp, UserRef, Vertex,
};

/// Prints the graph. `#3` is the first output of vertex 3, `#3:1` its second; quotes are JSON's.
pub fn text(definition: &Definition, roots: &[Edge]) -> String {
    let mut out = String::new();
    for (index, vertex) in definition.vertices.iter().enumerate() {
        block(&mut out, index, vertex, definition);
    }
    for root in roots {
        line(&mut out, format_args!("root {}", edge(*root)));
    }
    out
}

/// One line that says what an op does, for a vertex without a name.
pub fn summary(op: &Op) -> String {
    match op {
        Op::Source(source) => match source {
            SourceOp::Image(image) => format!("source image {}", word(&image.reference)),
            SourceOp::OciLayout(layout) => {
                format!(
                    "source oci-layout {} store={}",
                    word(&layout.reference),
                    word(&layout.store)
                )
            }
            SourceOp::Local(local) => format!("source local {}", word(&local.name)),
            SourceOp::Git(git) => format!("source git {}", word(&git.remote)),
            SourceOp::Http(http) => format!("source http {}", word(&http.url)),
        },
        Op::Exec(exec) => format!("exec {}", words(&exec.args)),
        Op::File(_) => "file".to_owned(),
        Op::Merge(merge) => {
            let inputs: Vec<String> = merge.inputs.iter().map(|input| edge(*input)).collect();
            format!("merge {}", inputs.join(" "))
        }
        Op::Diff(diff) => format!("diff {} {}", optional(diff.lower), optional(diff.upper)),
        Op::Build(build) => format!("build {} {}", edge(build.input), word(&build.filename)),
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{text}");
}

fn block(out: &mut String, index: usize, vertex: &Vertex, definition: &Definition) {
    line(out, format_args!("#{index} {}", summary(&vertex.op)));
    let mut fields = Fields { out };
    match &vertex.op {
        Op::Source(source) => fields.source(source),
        Op::Exec(exec) => fields.exec(exec),
        Op::File(file) => fields.file(file),
        Op::Merge(_) | Op::Diff(_) | Op::Build(_) => {}
    }
    if let Some(platform) = &vertex.platform {
        fields.add("platform", self::platform(platform));
    }
    fields.list("constraint", &vertex.constraints);
    fields.metadata(&vertex.metadata, definition);
}

fn edge(edge: Edge) -> String {
    match edge.output {
        0 => format!("#{}", edge.vertex),
        output => format!("#{}:{output}", edge.vertex),
    }
}

fn optional(input: Option<Edge>) -> String {
    input.map_or_else(|| "scratch".to_owned(), edge)
}

/// A text as it is where that is clear, else in quotes.
fn word(text: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '"' && c != '\\';
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}

fn words(texts: &[String]) -> String {
    let all: Vec<String> = texts.iter().map(|text| word(text)).collect();
    all.join(" ")
}

fn platform(platform: &Platform) -> String {
    let mut out = format!("{}/{}", platform.os, platform.architecture);
    for part in [&platform.variant, &platform.os_version].into_iter().flatten() {
        let _ = write!(out, "/{part}");
    }
    if !platform.os_features.is_empty() {
        let _ = write!(out, " features={}", words(&platform.os_features));
    }
    out
}

fn time(time: Timestamp) -> String {
    match time.nanoseconds {
        0 => time.seconds.to_string(),
        nanoseconds => format!("{}.{nanoseconds:09}", time.seconds),
    }
}

/// Collects `key=value` and flags behind the words of a line.
struct Tail(String);

impl Tail {
    fn flag(&mut self, name: &str, set: bool) {
        if set {
            self.0.push(' ');
            self.0.push_str(name);
        }
    }

    fn set(&mut self, name: &str, value: impl std::fmt::Display) {
        let _ = write!(self.0, " {name}={value}");
    }

    fn text(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.set(name, word(value));
        }
    }

    fn list(&mut self, name: &str, values: &[String]) {
        for value in values {
            self.set(name, word(value));
        }
    }

    fn owner(&mut self, owner: &Option<Chown>) {
        let Some(owner) = owner else { return };
        let part = |part: &Option<UserRef>| match part {
            None => String::new(),
            Some(UserRef::Id(id)) => id.to_string(),
            Some(UserRef::Name(name)) => word(name),
        };
        self.set(
            "owner",
            format_args!("{}:{}", part(&owner.user), part(&owner.group)),
        );
    }

    fn time(&mut self, at: Option<Timestamp>) {
        if let Some(at) = at {
            self.set("time", time(at));
        }
    }

    fn secret(&mut self, secret: &SecretMount) {
        self.text("id", &secret.id);
        self.set("uid", secret.uid);
        self.set("gid", secret.gid);
        self.set("mode", format_args!("{:04o}", secret.mode));
        self.flag("optional", secret.optional);
    }
}

/// Writes the fields of a block, one a line.
struct Fields<'a> {
    out: &'a mut String,
}

impl Fields<'_> {
    fn add(&mut self, name: &str, value: impl std::fmt::Display) {
        line(self.out, format_args!("    {name} {value}"));
    }

    fn text(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.add(name, word(value));
        }
    }

    fn some(&mut self, name: &str, value: &Option<String>) {
        if let Some(value) = value {
            self.add(name, word(value));
        }
    }

    fn list(&mut self, name: &str, values: &[String]) {
        if !values.is_empty() {
            self.add(name, words(values));
        }
    }

    fn flag(&mut self, name: &str, set: bool) {
        if set {
            line(self.out, format_args!("    {name}"));
        }
    }

    fn source(&mut self, source: &SourceOp) {
        match source {
            SourceOp::Image(image) => {
                match image.mode {
                    ResolveMode::Default => {}
                    ResolveMode::PreferLocal => self.add("mode", "prefer-local"),
                    ResolveMode::ForcePull => self.add("mode", "force-pull"),
                }
                self.some("checksum", &image.checksum);
                if let Some(limit) = image.layer_limit {
                    self.add("layer-limit", limit);
                }
            }
            SourceOp::OciLayout(layout) => {
                if let Some(limit) = layout.layer_limit {
                    self.add("layer-limit", limit);
                }
            }
            SourceOp::Local(local) => {
                self.list("include", &local.include_patterns);
                self.list("exclude", &local.exclude_patterns);
                self.list("follow", &local.follow_paths);
                self.some("shared-key", &local.shared_key_hint);
                self.flag("differ none", local.differ == LocalDiffer::None);
            }
            SourceOp::Git(git) => {
                self.text("ref", &git.git_ref);
                self.text("subdir", &git.subdir);
                self.flag("keep-git-dir", git.keep_git_dir);
                self.flag("skip-submodules", git.skip_submodules);
                self.some("checksum", &git.checksum);
                self.some("auth-token-secret", &git.auth_token_secret);
                self.some("auth-header-secret", &git.auth_header_secret);
                self.some("ssh", &git.mount_ssh_sock);
                self.some("known-hosts", &git.known_hosts);
            }
            SourceOp::Http(http) => {
                self.some("checksum", &http.checksum);
                self.some("filename", &http.filename);
                if let Some(mode) = http.mode {
                    self.add("mode", format_args!("{mode:04o}"));
                }
                for (name, id) in [("uid", http.uid), ("gid", http.gid)] {
                    if let Some(id) = id {
                        self.add(name, id);
                    }
                }
                for (name, value) in &http.headers {
                    self.add("header", format_args!("{name}={}", word(value)));
                }
                self.some("auth-header-secret", &http.auth_header_secret);
            }
        }
    }

    fn exec(&mut self, exec: &ExecOp) {
        for mount in &exec.mounts {
            self.mount(mount);
        }
        for (name, value) in &exec.env {
            self.add("env", format_args!("{name}={}", word(value)));
        }
        self.add("cwd", word(&exec.cwd));
        self.some("user", &exec.user);
        self.some("hostname", &exec.hostname);
        for secret in &exec.secret_env {
            let mut tail = Tail(String::new());
            tail.flag("optional", secret.optional);
            self.add(
                "secret-env",
                format_args!("{}={}{}", secret.name, word(&secret.secret_id), tail.0),
            );
        }
        for host in &exec.extra_hosts {
            self.add("host", format_args!("{} {}", word(&host.host), host.ip));
        }
        for limit in &exec.ulimits {
            let value =
                |value: Option<u64>| value.map_or_else(|| "unlimited".to_owned(), |value| value.to_string());
            self.add(
                "ulimit",
                format_args!("{}={}:{}", limit.name, value(limit.soft), value(limit.hard)),
            );
        }
        self.some("cgroup-parent", &exec.cgroup_parent);
        if let Some(proxy) = &exec.proxy {
            let mut tail = Tail(String::new());
            tail.text("http", &proxy.http);
            tail.text("https", &proxy.https);
            tail.text("ftp", &proxy.ftp);
            tail.text("no", &proxy.no);
            tail.text("all", &proxy.all);
            line(self.out, format_args!("    proxy{}", tail.0));
        }
        for device in &exec.devices {
            let mut tail = Tail(String::new());
            tail.flag("optional", device.optional);
            self.add("device", format_args!("{}{}", word(&device.name), tail.0));
        }
        match exec.network {
            NetworkMode::Sandbox => {}
            NetworkMode::Host => self.add("network", "host"),
            NetworkMode::None => self.add("network", "none"),
        }
        self.flag("security insecure", exec.security == SecurityMode::Insecure);
        if !exec.valid_exit_codes.is_empty() {
            let codes: Vec<String> = exec.valid_exit_codes.iter().map(i32::to_string).collect();
            self.add("exit-codes", codes.join(" "));
        }
    }

    fn mount(&mut self, mount: &Mount) {
        let mut tail = Tail(String::new());
        let kind = match &mount.kind {
            MountKind::Bind(bind) => {
                tail.0 = format!(" {}", optional(bind.input));
                tail.text("selector", &bind.selector);
                tail.flag("read-only", bind.read_only);
                tail.flag("output", bind.output);
                "bind"
            }
            MountKind::Cache(cache) => {
                tail.text("id", &cache.id);
                if let Some(input) = cache.input {
                    tail.set("from", edge(input));
                }
                tail.text("selector", &cache.selector);
                match cache.sharing {
                    CacheSharing::Shared => {}
                    CacheSharing::Private => tail.flag("private", true),
                    CacheSharing::Locked => tail.flag("locked", true),
                }
                tail.flag("read-only", cache.read_only);
                "cache"
            }
            MountKind::Tmpfs(tmpfs) => {
                if let Some(size) = tmpfs.size {
                    tail.set("size", size);
                }
                "tmpfs"
            }
            MountKind::Secret(secret) => {
                tail.secret(secret);
                "secret"
            }
            MountKind::Ssh(ssh) => {
                tail.secret(ssh);
                "ssh"
            }
        };
        self.add("mount", format_args!("{} {kind}{}", word(&mount.target), tail.0));
    }

    fn file(&mut self, file: &FileOp) {
        for (index, action) in file.actions.iter().enumerate() {
            self.action(index, action);
        }
    }

    fn action(&mut self, index: usize, action: &FileAction) {
        let input = |input: FileInput| match input {
            FileInput::Scratch => "scratch".to_owned(),
            FileInput::Edge(from) => edge(from),
            FileInput::Action(earlier) => format!("@{earlier}"),
        };
        let base = input(action.base);
        let mut tail = Tail(String::new());
        let what = match &action.kind {
            FileActionKind::Copy(copy) => {
                tail.copy(copy);
                format!(
                    "copy {} {} to {}",
                    input(copy.src),
                    word(&copy.src_path),
                    word(&copy.dst_path)
                )
            }
            FileActionKind::Mkfile(mkfile) => {
                tail.set("mode", format_args!("{:04o}", mkfile.mode));
                tail.owner(&mkfile.owner);
                tail.time(mkfile.timestamp);
                format!("mkfile {} {}", word(&mkfile.path), content(&mkfile.data))
            }
            FileActionKind::Mkdir(mkdir) => {
                tail.set("mode", format_args!("{:04o}", mkdir.mode));
                tail.flag("parents", mkdir.make_parents);
                tail.owner(&mkdir.owner);
                tail.time(mkdir.timestamp);
                format!("mkdir {}", word(&mkdir.path))
            }
            FileActionKind::Rm(rm) => {
                tail.flag("allow-not-found", rm.allow_not_found);
                tail.flag("wildcard", rm.allow_wildcard);
                format!("rm {}", word(&rm.path))
            }
            FileActionKind::Symlink(symlink) => {
                tail.owner(&symlink.owner);
                tail.time(symlink.timestamp);
                format!("symlink {} to {}", word(&symlink.path), word(&symlink.target))
            }
        };
        tail.flag("output", action.output);
        line(self.out, format_args!("    @{index} on {base} {what}{}", tail.0));
    }

    fn metadata(&mut self, metadata: &Metadata, definition: &Definition) {
        self.text("name", &metadata.name);
        for (key, value) in &metadata.description {
            self.add("description", format_args!("{}={}", word(key), word(value)));
        }
        for range in &metadata.ranges {
            let file = definition
                .sources
                .get(range.file as usize)
                .map_or("?", |file| file.name.as_str());
            let (start, stop) = (range.start, range.stop);
            self.add(
                "source",
                format_args!(
                    "{} {}:{}-{}:{}",
                    word(file),
                    start.line,
                    start.column,
                    stop.line,
                    stop.column
                ),
            );
        }
        self.flag("ignore-cache", metadata.ignore_cache);
        if let Some(export) = metadata.export_cache {
            self.add("export-cache", export);
        }
        if let Some(group) = &metadata.progress_group {
            let mut tail = Tail(String::new());
            tail.text("name", &group.name);
            tail.flag("weak", group.weak);
            self.add("group", format_args!("{}{}", word(&group.id), tail.0));
        }
        if let Some(resources) = &metadata.resources {
            let mut tail = Tail(String::new());
            for (name, value) in [
                ("memory", resources.memory_bytes.map(i128::from)),
                ("memory-swap", resources.memory_swap_bytes.map(i128::from)),
                ("cpu-shares", resources.cpu_shares.map(i128::from)),
                ("cpu-period", resources.cpu_period_us.map(i128::from)),
                ("cpu-quota", resources.cpu_quota_us.map(i128::from)),
            ] {
                if let Some(value) = value {
                    tail.set(name, value);
                }
            }
            tail.text(
                "cpuset-cpus",
                resources.cpuset_cpus.as_deref().unwrap_or_default(),
            );
            tail.text(
                "cpuset-mems",
                resources.cpuset_mems.as_deref().unwrap_or_default(),
            );
            line(self.out, format_args!("    resources{}", tail.0));
        }
    }
}

impl Tail {
    fn copy(&mut self, copy: &CopyAction) {
        self.owner(&copy.owner);
        match &copy.mode {
            None => {}
            Some(FileMode::Octal(bits)) => self.set("mode", format_args!("{bits:04o}")),
            Some(FileMode::Symbolic(text)) => self.set("mode", word(text)),
        }
        self.flag("follow-symlink", copy.follow_symlink);
        self.flag("contents-only", copy.dir_contents_only);
        self.flag("unpack", copy.unpack_archive);
        self.flag("parents", copy.create_dst_path);
        self.flag("wildcard", copy.allow_wildcard);
        self.flag("allow-empty", copy.allow_empty_wildcard);
        self.flag("replace", copy.replace_existing);
        self.list("include", &copy.include_patterns);
        self.list("exclude", &copy.exclude_patterns);
        self.list("required", &copy.required_paths);
        self.time(copy.timestamp);
    }
}

/// The content of a file: whole where it is short text, else its size and digest.
fn content(data: &[u8]) -> String {
    const SHOWN: usize = 1024;
    match std::str::from_utf8(data) {
        Ok(text) if data.len() <= SHOWN => serde_json::Value::from(text).to_string(),
        _ => format!("({} bytes, {})", data.len(), crate::Digest::of(data)),
    }
}
