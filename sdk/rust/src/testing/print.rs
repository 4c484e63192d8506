//! Graphs, configurations and findings as text that is good to compare and to read.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::types::*;

/// A graph, one vertex a paragraph, and the images.
pub fn graph(result: &BuildResult) -> String {
    let mut out = String::new();
    for (index, vertex) in result.definition.vertices.iter().enumerate() {
        let _ = write!(out, "#{index} {}", op(&vertex.op));
        if let Some(platform) = &vertex.platform {
            let _ = writeln!(out, "  platform {platform}");
        }
        if !vertex.name.is_empty() {
            let _ = writeln!(out, "  name {}", vertex.name);
        }
        for pair in &vertex.description {
            let _ = writeln!(out, "  {} {}", pair.key, pair.value);
        }
        for r in &vertex.ranges {
            let _ = writeln!(out, "  at {}", range(r));
        }
        if vertex.ignore_cache {
            let _ = writeln!(out, "  ignore-cache");
        }
        if let Some(group) = &vertex.progress_group {
            let _ = writeln!(
                out,
                "  group {}{}: {}",
                group.id,
                if group.weak { " (weak)" } else { "" },
                group.name
            );
        }
        if let Some(resources) = &vertex.resources {
            let _ = writeln!(out, "  resources {resources:?}");
        }
        out.push('\n');
    }
    for image in &result.images {
        let root = image.root.map_or("scratch".to_owned(), edge);
        let _ = writeln!(out, "image {} {root}", image.platform);
    }
    out
}

fn edge(edge: Edge) -> String {
    format!("#{}.{}", edge.vertex, edge.output)
}

fn tree(edge_or_none: Option<Edge>) -> String {
    edge_or_none.map_or("scratch".to_owned(), edge)
}

fn range(range: &SourceRange) -> String {
    format!(
        "{}:{}-{}:{}",
        range.start.line, range.start.column, range.stop.line, range.stop.column
    )
}

fn op(op: &Op) -> String {
    match op {
        Op::Source(source) => format!("source {}", self::source(source)),
        Op::Exec(exec) => format!("exec {:?}\n{}", exec.args, self::exec(exec)),
        Op::File(actions) => {
            let mut out = "file\n".to_owned();
            for (index, action) in actions.iter().enumerate() {
                let base = input(&action.base);
                let output = if action.output { " output" } else { "" };
                let _ = writeln!(out, "  [{index}] {base}: {}{output}", self::action(&action.kind));
            }
            out
        }
        Op::Merge(inputs) => {
            format!(
                "merge {}\n",
                inputs.iter().map(|e| edge(*e)).collect::<Vec<_>>().join(" ")
            )
        }
        Op::Diff(diff) => format!("diff {} {}\n", tree(diff.lower), tree(diff.upper)),
        Op::Build(build) => format!("build {} {}\n", edge(build.input), build.filename),
    }
}

fn source(source: &SourceOp) -> String {
    match source {
        SourceOp::Image(image) => format!("image {}{}\n", image.reference, mode(image.mode)),
        SourceOp::OciLayout(layout) => format!("oci-layout {} of {}\n", layout.reference, layout.store),
        SourceOp::Local(local) => {
            let mut out = format!("local {}\n", local.name);
            for (name, list) in [
                ("include", &local.include_patterns),
                ("exclude", &local.exclude_patterns),
                ("follow", &local.follow_paths),
            ] {
                if !list.is_empty() {
                    let _ = writeln!(out, "  {name} {list:?}");
                }
            }
            if let Some(hint) = &local.shared_key_hint {
                let _ = writeln!(out, "  shared-key-hint {hint}");
            }
            out
        }
        SourceOp::Git(git) => format!(
            "git {} ref {:?} subdir {:?} keep-git-dir {} checksum {:?} ssh {:?}\n",
            git.remote, git.git_ref, git.subdir, git.keep_git_dir, git.checksum, git.mount_ssh_sock
        ),
        SourceOp::Http(http) => {
            format!(
                "http {} filename {:?} checksum {:?}\n",
                http.url, http.filename, http.checksum
            )
        }
    }
}

fn mode(mode: ResolveMode) -> &'static str {
    match mode {
        ResolveMode::Default => "",
        ResolveMode::PreferLocal => " prefer-local",
        ResolveMode::ForcePull => " force-pull",
    }
}

fn exec(exec: &ExecOp) -> String {
    let mut out = String::new();
    for pair in &exec.env {
        let _ = writeln!(out, "  env {}={}", pair.key, pair.value);
    }
    let _ = writeln!(out, "  cwd {}", exec.cwd);
    let mut option = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(out, "  {name} {value}");
        }
    };
    option("user", exec.user.clone());
    option("hostname", exec.hostname.clone());
    option("cgroup-parent", exec.cgroup_parent.clone());
    option("proxy", exec.proxy.as_ref().map(|proxy| format!("{proxy:?}")));
    option(
        "network",
        (exec.network != NetworkMode::Sandbox).then(|| format!("{:?}", exec.network)),
    );
    option(
        "security",
        (exec.security != SecurityMode::Sandbox).then(|| format!("{:?}", exec.security)),
    );
    for mount in &exec.mounts {
        let _ = writeln!(out, "  mount {} {}", mount.target, self::mount(&mount.kind));
    }
    for secret in &exec.secret_envs {
        let _ = writeln!(
            out,
            "  secret-env {}={} optional {}",
            secret.name, secret.secret_id, secret.optional
        );
    }
    for device in &exec.devices {
        let _ = writeln!(out, "  device {} optional {}", device.name, device.optional);
    }
    for host in &exec.extra_hosts {
        let _ = writeln!(out, "  host {} {}", host.host, host.ip);
    }
    for ulimit in &exec.ulimits {
        let _ = writeln!(
            out,
            "  ulimit {} {:?} {:?}",
            ulimit.name, ulimit.soft, ulimit.hard
        );
    }
    out
}

fn mount(kind: &MountKind) -> String {
    let flags = |selector: &str, read_only: bool| {
        let selector = if selector.is_empty() {
            String::new()
        } else {
            format!(" path {selector}")
        };
        format!("{selector}{}", if read_only { " read-only" } else { "" })
    };
    match kind {
        MountKind::Bind(bind) => format!(
            "bind {}{}{}",
            tree(bind.input),
            flags(&bind.selector, bind.read_only),
            if bind.output { " output" } else { "" }
        ),
        MountKind::Cache(cache) => format!(
            "cache {} {:?} from {}{}",
            cache.id,
            cache.sharing,
            tree(cache.input),
            flags(&cache.selector, cache.read_only)
        ),
        MountKind::Tmpfs(tmpfs) => format!("tmpfs {:?}", tmpfs.size),
        MountKind::Secret(s) => format!(
            "secret {} {}:{} {:o} optional {}",
            s.id, s.uid, s.gid, s.mode, s.optional
        ),
        MountKind::Ssh(s) => format!(
            "ssh {} {}:{} {:o} optional {}",
            s.id, s.uid, s.gid, s.mode, s.optional
        ),
    }
}

fn input(input: &FileInput) -> String {
    match input {
        FileInput::Scratch => "scratch".to_owned(),
        FileInput::Edge(e) => edge(*e),
        FileInput::Action(index) => format!("[{index}]"),
    }
}

fn action(kind: &FileActionKind) -> String {
    let owner = |owner: &Option<Chown>| match owner {
        Some(chown) => format!(" owner {}:{}", user(&chown.user), user(&chown.group)),
        None => String::new(),
    };
    let time = |time: &Option<Timestamp>| time.map(|t| format!(" time {}", t.seconds)).unwrap_or_default();
    match kind {
        FileActionKind::Copy(copy) => {
            let mut out = format!("copy {} {} -> {}", input(&copy.src), copy.src_path, copy.dst_path);
            out.push_str(&owner(&copy.owner));
            match &copy.mode {
                Some(FileMode::Octal(mode)) => out.push_str(&format!(" mode {mode:o}")),
                Some(FileMode::Symbolic(mode)) => out.push_str(&format!(" mode {mode}")),
                None => {}
            }
            for (name, set) in [
                ("follow-symlink", copy.follow_symlink),
                ("dir-contents-only", copy.dir_contents_only),
                ("unpack", copy.unpack_archive),
                ("create-dst-path", copy.create_dst_path),
                ("wildcard", copy.allow_wildcard),
                ("empty-wildcard", copy.allow_empty_wildcard),
                ("replace", copy.replace_existing),
            ] {
                if set {
                    out.push_str(&format!(" {name}"));
                }
            }
            for (name, list) in [
                ("include", &copy.include_patterns),
                ("exclude", &copy.exclude_patterns),
                ("required", &copy.required_paths),
            ] {
                if !list.is_empty() {
                    out.push_str(&format!(" {name} {list:?}"));
                }
            }
            out + &time(&copy.timestamp)
        }
        FileActionKind::Mkfile(file) => format!(
            "mkfile {} {:o} {:?}{}",
            file.path,
            file.mode,
            String::from_utf8_lossy(&file.data),
            owner(&file.owner)
        ),
        FileActionKind::Mkdir(dir) => format!(
            "mkdir {} {:o}{}{}{}",
            dir.path,
            dir.mode,
            if dir.make_parents { " parents" } else { "" },
            owner(&dir.owner),
            time(&dir.timestamp)
        ),
        FileActionKind::Rm(rm) => format!("rm {}", rm.path),
        FileActionKind::Symlink(link) => format!("symlink {} -> {}", link.path, link.target),
    }
}

fn user(user: &Option<UserRef>) -> String {
    match user {
        Some(UserRef::Id(id)) => id.to_string(),
        Some(UserRef::Name(name)) => format!("{name:?}"),
        None => String::new(),
    }
}

/// Findings, with the line and the columns that they point at.
pub fn report(items: &[Diagnostic], text: &str) -> String {
    let lines: Vec<&str> = text.split('\n').collect();
    let mut out = String::new();
    for item in items {
        let severity = format!("{:?}", item.severity).to_lowercase();
        let severity = severity.rsplit("::").next().unwrap_or_default();
        let _ = writeln!(out, "{severity}[{}] {}", item.code, item.message);
        for r in &item.ranges {
            let line = lines
                .get(r.start.line as usize - 1)
                .copied()
                .unwrap_or("")
                .trim_end_matches('\r');
            let _ = writeln!(out, "  at {} | {line}", range(r));
        }
        if let Some(help) = &item.help {
            let _ = writeln!(out, "  help {help}");
        }
        for related in &item.related {
            let _ = writeln!(out, "  also {} {}", range(&related.range), related.message);
        }
    }
    out
}

/// The images' configurations as JSON, without what is empty.
pub fn configs(images: &[BuiltImage]) -> String {
    let all: Vec<Value> = images.iter().map(|image| config(&image.config)).collect();
    let value = if all.len() == 1 {
        all[0].clone()
    } else {
        Value::Array(all)
    };
    format!("{value:#}\n")
}

fn config(config: &ImageConfig) -> Value {
    let pairs = |pairs: &[KeyValue]| {
        pairs
            .iter()
            .map(|pair| format!("{}={}", pair.key, pair.value))
            .collect::<Vec<_>>()
    };
    let history: Vec<Value> = config
        .history
        .iter()
        .map(|entry| {
            let mut value = json!({ "created_by": entry.created_by });
            if !entry.comment.is_empty() {
                value["comment"] = json!(entry.comment);
            }
            if let Some(created) = entry.created {
                value["created"] = json!(created.seconds);
            }
            if entry.empty_layer {
                value["empty_layer"] = json!(true);
            }
            value
        })
        .collect();
    let mut out = Map::new();
    let mut put = |name: &str, value: Value, empty: bool| {
        if !empty {
            out.insert(name.to_owned(), value);
        }
    };
    put("platform", json!(config.platform.to_string()), false);
    put("author", json!(config.author), config.author.is_none());
    put(
        "created",
        json!(config.created.map(|t| t.seconds)),
        config.created.is_none(),
    );
    put("env", json!(pairs(&config.env)), config.env.is_empty());
    put(
        "entrypoint",
        json!(config.entrypoint),
        config.entrypoint.is_none(),
    );
    put("cmd", json!(config.cmd), config.cmd.is_none());
    put("args_escaped", json!(config.args_escaped), !config.args_escaped);
    put("shell", json!(config.shell), config.shell.is_none());
    put(
        "working_dir",
        json!(config.working_dir),
        config.working_dir.is_empty(),
    );
    put("user", json!(config.user), config.user.is_empty());
    put(
        "ports",
        json!(config.exposed_ports),
        config.exposed_ports.is_empty(),
    );
    put("volumes", json!(config.volumes), config.volumes.is_empty());
    put("labels", json!(pairs(&config.labels)), config.labels.is_empty());
    put(
        "stop_signal",
        json!(config.stop_signal),
        config.stop_signal.is_none(),
    );
    if let Some(check) = &config.healthcheck {
        let check = json!({
            "test": check.test,
            "interval_ns": check.interval_ns,
            "timeout_ns": check.timeout_ns,
            "start_period_ns": check.start_period_ns,
            "start_interval_ns": check.start_interval_ns,
            "retries": check.retries,
        });
        put("healthcheck", check, false);
    }
    put("onbuild", json!(config.on_build), config.on_build.is_empty());
    put("history", json!(history), false);
    Value::Object(out)
}
