//! An image's configuration: what it inherits, what it sets, and its history. Knows nothing of trees.

use std::collections::BTreeMap;

use lapstrake_sdk::types::{HistoryEntry, ImageConfig, KeyValue, Platform, Request, Timestamp};

use crate::findings::{Findings, did_you_mean};
use crate::model::{Command, Image, Text};

/// What the search path is where an image says nothing of it.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Comment of the lines of the history.
const COMMENT: &str = "mockerfile";

/// Gives a configuration a search path, unless it has one or the system has none.
pub(super) fn add_path(config: &mut ImageConfig) {
    if config.platform.os != "windows" && !config.env.iter().any(|pair| pair.key == "PATH") {
        config.env.insert(0, KeyValue::new("PATH", DEFAULT_PATH));
    }
}

/// How the shell is called.
pub(super) fn shell(config: &ImageConfig) -> Vec<String> {
    match &config.shell {
        Some(shell) if !shell.is_empty() => shell.clone(),
        _ => vec!["/bin/sh".to_owned(), "-c".to_owned()],
    }
}

/// Sets what an image says.
pub(super) fn apply(image: &Image, config: &mut ImageConfig, findings: &mut Findings) {
    // Triggers of the base are for Dockerfiles.
    config.on_build.clear();
    for (name, value) in image.env.iter().flat_map(|env| &env.pairs) {
        let value = expand(value, config, findings);
        config.set_env(name, value);
    }
    for (name, value) in image.labels.iter().flat_map(|labels| &labels.pairs) {
        config.set_label(name, &value.text);
    }
    if let Some(user) = &image.user {
        config.user.clone_from(&user.text);
    }
    if let Some(workdir) = &image.workdir {
        config.working_dir = lapstrake_sdk::path::join("/", workdir);
    }
    let shell = shell(config);
    let words = |command: &Command| match command {
        Command::Words(words) => words.clone(),
        Command::Shell(text) => [&shell[..], std::slice::from_ref(text)].concat(),
    };
    if let Some(entrypoint) = &image.entrypoint {
        config.entrypoint = Some(words(entrypoint));
        // Arguments of another program.
        config.cmd = None;
    }
    if let Some(cmd) = &image.cmd {
        config.cmd = Some(words(cmd));
    }
}

/// Replaces `$NAME` and `${NAME}` by what is set already, and `$$` by `$`.
fn expand(value: &Text, config: &ImageConfig, findings: &mut Findings) -> String {
    let mut out = String::new();
    let mut rest = value.text.as_str();
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let name_of = |text: &str| {
            let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
            text.chars().take_while(|c| good(*c)).count()
        };
        let (name, next) = if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            ("", after)
        } else if let Some((name, next)) = after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            if name.is_empty() || name_of(name) != name.len() {
                let message = format!("`${{{}}}` stands for nothing", name.escape_debug());
                findings
                    .error("InvalidVariable", &value.span, message)
                    .help("a variable is `${NAME}`; a `$` alone is written `$$`");
            }
            (name, next)
        } else {
            let length = name_of(after);
            if length == 0 {
                out.push('$');
            }
            after.split_at(length)
        };
        rest = next;
        if name.is_empty() {
            continue;
        }
        match config.env.iter().rev().find(|pair| pair.key == name) {
            Some(pair) => out.push_str(&pair.value),
            None => {
                let known = config.env.iter().map(|pair| pair.key.as_str());
                let help = did_you_mean(name, known);
                let message = format!("`{name}` is not set here, and so nothing");
                findings
                    .warning("UndefinedVariable", &value.span, message)
                    .maybe_help(help);
            }
        }
    }
    out.push_str(rest);
    out
}

/// The configuration of the image that is built.
pub(super) fn finish(
    mut config: ImageConfig,
    layers: Vec<String>,
    platform: &Platform,
    request: &Request,
    epoch: Option<Timestamp>,
) -> ImageConfig {
    config.platform = platform.clone();
    config.created = epoch;
    for pair in &request.labels {
        config.set_label(&pair.key, &pair.value);
    }
    // Labels have no order.
    let labels: BTreeMap<String, String> = config
        .labels
        .into_iter()
        .map(|pair| (pair.key, pair.value))
        .collect();
    config.labels = labels.into_iter().map(KeyValue::from).collect();
    config
        .history
        .extend(layers.into_iter().map(|layer| HistoryEntry {
            created: epoch,
            created_by: layer,
            comment: COMMENT.to_owned(),
            ..HistoryEntry::default()
        }));
    config
}
