//! An image's configuration and history while a stage is being lowered.
//! Knows nothing of trees; what an instruction writes into the configuration is in the instruction's file.

use std::collections::{BTreeMap, BTreeSet};

use lapstrake_sdk::types::{Healthcheck, HistoryEntry, ImageConfig, KeyValue, Platform, Timestamp};

use crate::expand::Variables;
use crate::lower::env::Env;

/// What the search path is where an image says nothing of it.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const COMMENT: &str = "buildkit.dockerfile.v0";

/// A configuration in the making.
#[derive(Debug, Clone)]
pub struct Image {
    /// Platform that the image runs on.
    pub platform: Platform,
    /// Environment.
    pub env: Env,
    /// `ENTRYPOINT`.
    pub entrypoint: Option<Vec<String>>,
    /// `CMD`.
    pub cmd: Option<Vec<String>>,
    /// `SHELL`.
    pub shell: Option<Vec<String>>,
    /// `WORKDIR`; empty: never set.
    pub working_dir: String,
    /// `USER`; empty: never set.
    pub user: String,
    /// `EXPOSE`.
    pub ports: BTreeSet<String>,
    /// `VOLUME`.
    pub volumes: BTreeSet<String>,
    /// `LABEL`.
    pub labels: BTreeMap<String, String>,
    /// `STOPSIGNAL`.
    pub stop_signal: Option<String>,
    /// `HEALTHCHECK`.
    pub healthcheck: Option<Healthcheck>,
    /// Triggers for images built on this one.
    pub on_build: Vec<String>,
    /// Docker's mark of a configuration whose command `CMD` has set, here or in the base.
    pub args_escaped: bool,
    /// `MAINTAINER`.
    pub author: Option<String>,
    /// The last entry of the history.
    pub history: Option<usize>,
}

impl Image {
    /// Makes the configuration that `FROM scratch` begins with.
    pub fn scratch(platform: &Platform) -> Self {
        let mut image = Self::bare(platform);
        image.working_dir = "/".to_owned();
        image.add_default_path();
        image
    }

    /// Makes an empty configuration, as a directory used as a stage has it.
    pub fn bare(platform: &Platform) -> Self {
        Self {
            platform: platform.clone(),
            env: Env::default(),
            entrypoint: None,
            cmd: None,
            shell: None,
            working_dir: String::new(),
            user: String::new(),
            ports: BTreeSet::new(),
            volumes: BTreeSet::new(),
            labels: BTreeMap::new(),
            stop_signal: None,
            healthcheck: None,
            on_build: Vec::new(),
            args_escaped: false,
            author: None,
            history: None,
        }
    }

    /// Makes a configuration of an image's.
    pub fn of(config: &ImageConfig, history: &mut History) -> Self {
        let mut last = None;
        for entry in &config.history {
            last = Some(history.push(last, entry.clone()));
        }
        Self {
            platform: config.platform.clone(),
            env: Env::from_pairs(&config.env),
            entrypoint: config.entrypoint.clone(),
            cmd: config.cmd.clone(),
            shell: config.shell.clone(),
            working_dir: config.working_dir.clone(),
            user: config.user.clone(),
            ports: config.exposed_ports.iter().cloned().collect(),
            volumes: config.volumes.iter().cloned().collect(),
            labels: config
                .labels
                .iter()
                .map(|pair| (pair.key.clone(), pair.value.clone()))
                .collect(),
            stop_signal: config.stop_signal.clone(),
            healthcheck: config.healthcheck.clone(),
            on_build: config.on_build.clone(),
            args_escaped: config.args_escaped,
            author: config.author.clone(),
            history: last,
        }
    }

    /// Gives it a search path, unless it has one or the system has none.
    pub fn add_default_path(&mut self) {
        if self.env.get("PATH").is_none() && self.platform.os != "windows" {
            self.env.set_in_place("PATH", DEFAULT_PATH);
        }
    }

    /// Returns the shell of the shell forms.
    pub fn shell(&self) -> Vec<String> {
        match &self.shell {
            Some(shell) if !shell.is_empty() => shell.clone(),
            _ if self.platform.os == "windows" => vec!["cmd".to_owned(), "/S".to_owned(), "/C".to_owned()],
            _ => vec!["/bin/sh".to_owned(), "-c".to_owned()],
        }
    }

    /// Adds a line to the history.
    pub fn record(
        &mut self,
        history: &mut History,
        created_by: String,
        has_layer: bool,
        epoch: Option<Timestamp>,
    ) {
        let entry = HistoryEntry {
            created: epoch,
            created_by,
            comment: COMMENT.to_owned(),
            author: None,
            empty_layer: !has_layer,
        };
        self.history = Some(history.push(self.history, entry));
    }

    /// Returns the configuration in the contract's form. What has no order is sorted.
    pub fn to_config(&self, history: &History, epoch: Option<Timestamp>) -> ImageConfig {
        ImageConfig {
            platform: self.platform.clone(),
            env: self.env.to_pairs(),
            entrypoint: self.entrypoint.clone(),
            cmd: self.cmd.clone(),
            shell: self.shell.clone(),
            working_dir: self.working_dir.clone(),
            user: self.user.clone(),
            exposed_ports: self.ports.iter().cloned().collect(),
            volumes: self.volumes.iter().cloned().collect(),
            labels: self
                .labels
                .iter()
                .map(|(key, value)| KeyValue::new(key, value))
                .collect(),
            annotations: Vec::new(),
            stop_signal: self.stop_signal.clone(),
            healthcheck: self.healthcheck.clone(),
            on_build: self.on_build.clone(),
            author: self.author.clone(),
            created: epoch,
            history: history.entries(self.history),
            args_escaped: self.args_escaped,
        }
    }
}

/// The history of all stages: each entry knows the one before, so that stages share what they have in common.
#[derive(Debug, Default)]
pub struct History {
    entries: Vec<(Option<usize>, HistoryEntry)>,
}

impl History {
    fn push(&mut self, before: Option<usize>, entry: HistoryEntry) -> usize {
        self.entries.push((before, entry));
        self.entries.len() - 1
    }

    /// Returns the entries up to one, the oldest first.
    pub fn entries(&self, last: Option<usize>) -> Vec<HistoryEntry> {
        let mut entries = Vec::new();
        let mut next = last;
        while let Some((before, entry)) = next.and_then(|at| self.entries.get(at)) {
            entries.push(entry.clone());
            next = *before;
        }
        entries.reverse();
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_share_history() {
        let mut history = History::default();
        let platform = Platform::new("linux", "amd64");
        let mut base = Image::scratch(&platform);
        base.record(&mut history, "ENV a=b".into(), false, None);
        let mut one = base.clone();
        one.record(&mut history, "RUN one".into(), true, None);
        base.record(&mut history, "RUN two".into(), true, None);
        let lines = |image: &Image| -> Vec<String> {
            image
                .to_config(&history, None)
                .history
                .into_iter()
                .map(|h| h.created_by)
                .collect()
        };
        assert_eq!(lines(&one), ["ENV a=b", "RUN one"]);
        assert_eq!(lines(&base), ["ENV a=b", "RUN two"]);
        assert!(one.to_config(&history, None).history[0].empty_layer);
    }

    #[test]
    fn scratch_has_a_path_and_a_directory() {
        let image = Image::scratch(&Platform::new("linux", "arm64"));
        assert_eq!(image.env.get("PATH"), Some(DEFAULT_PATH));
        assert_eq!(image.working_dir, "/");
        assert_eq!(image.shell(), ["/bin/sh", "-c"]);
        assert!(
            Image::scratch(&Platform::new("windows", "amd64"))
                .env
                .get("PATH")
                .is_none()
        );
    }
}
