//! A case's `request.json`: what the request says beside the file, and what the host knows.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{MemoryHost, MemoryTree};
use crate::types::*;

/// `request.json`; everything may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Case {
    /// Name of the file; none: `Dockerfile`.
    pub file: Option<String>,
    /// A named sub-request instead of a build.
    pub call: Option<String>,
    target: Option<String>,
    platforms: Vec<String>,
    build_platform: Option<String>,
    build_args: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    options: BTreeMap<String, String>,
    /// Named contexts: `local:name`, `image:reference`, `oci:store/reference`, `git:url`, `http:url`, `target:stage`.
    contexts: BTreeMap<String, String>,
    context: Option<String>,
    source_date_epoch: Option<i64>,
    /// More sources, by name.
    sources: BTreeMap<String, String>,
    /// Images that the host knows, beside the usual ones.
    images: BTreeMap<String, Image>,
    /// Files of the main context.
    files: BTreeMap<String, String>,
    /// Files of other directories.
    locals: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Image {
    platform: Option<String>,
    env: Vec<String>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    shell: Option<Vec<String>>,
    workdir: String,
    user: String,
    ports: Vec<String>,
    labels: BTreeMap<String, String>,
    onbuild: Vec<String>,
    history: Vec<String>,
}

const USUAL: [&str; 4] = ["alpine:latest", "debian:12", "busybox:latest", "golang:1.23"];

impl Case {
    /// Makes the request.
    ///
    /// # Panics
    /// If a platform or context of the case is none.
    pub fn request(&self, text: &str) -> Request {
        let platform =
            |text: &str| Platform::parse(text, &Platform::new("linux", "amd64")).expect("a platform");
        let mut request = super::request(self.file.as_deref().unwrap_or("Dockerfile"), text);
        let pairs =
            |map: &BTreeMap<String, String>| map.iter().map(|(k, v)| KeyValue::new(k, v)).collect::<Vec<_>>();
        for (name, text) in &self.sources {
            request.sources.push(SourceFile {
                name: name.clone(),
                language: String::new(),
                text: text.clone(),
            });
        }
        request.target.clone_from(&self.target);
        request.platforms = self.platforms.iter().map(|text| platform(text)).collect();
        if let Some(text) = &self.build_platform {
            request.build_platform = platform(text);
        }
        request.build_args = pairs(&self.build_args);
        request.labels = pairs(&self.labels);
        request.options = pairs(&self.options);
        if let Some(text) = &self.context {
            request.context = context(text);
        }
        request.named_contexts = self
            .contexts
            .iter()
            .map(|(name, text)| NamedContext {
                name: name.clone(),
                source: context(text),
            })
            .collect();
        request.source_date_epoch = self.source_date_epoch.map(|seconds| Timestamp {
            seconds,
            nanoseconds: 0,
        });
        request
    }

    /// Makes the host.
    ///
    /// # Panics
    /// If an image of the case is none.
    pub fn host(&self) -> MemoryHost {
        let mut host = MemoryHost::new().context("context", tree(&self.files));
        for (name, files) in &self.locals {
            host = host.context(name, tree(files));
        }
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let usual = Image {
            env: vec![path.to_owned()],
            cmd: Some(vec!["/bin/sh".to_owned()]),
            ..Image::default()
        };
        for name in USUAL {
            host = host.image(&format!("docker.io/library/{name}"), config(&usual));
        }
        for (name, image) in &self.images {
            host = host.image(name, config(image));
        }
        host
    }
}

fn tree(files: &BTreeMap<String, String>) -> MemoryTree {
    files.iter().fold(MemoryTree::new(), |tree, (path, text)| {
        tree.file(path, text.as_str())
    })
}

fn context(text: &str) -> ContextSource {
    let (kind, value) = text.split_once(':').unwrap_or_else(|| panic!("context {text:?}"));
    let value = value.to_owned();
    match kind {
        "local" => ContextSource::Local(value),
        "image" => ContextSource::Image(value),
        "git" => ContextSource::Git(value),
        "http" => ContextSource::Http(value),
        "target" => ContextSource::Target(value),
        "oci" => {
            let (store, reference) = value.split_once('/').expect("store/reference");
            let (store, reference) = (store.to_owned(), reference.to_owned());
            ContextSource::OciLayout(OciLayoutSource {
                reference,
                store,
                layer_limit: None,
            })
        }
        _ => panic!("context {text:?}"),
    }
}

fn config(image: &Image) -> ImageConfig {
    let platform = image.platform.as_deref().unwrap_or("linux/amd64");
    let mut config =
        ImageConfig::new(Platform::parse(platform, &Platform::new("linux", "amd64")).expect("a platform"));
    config.env = image
        .env
        .iter()
        .map(|pair| pair.split_once('=').expect("key=value").into())
        .collect();
    config.entrypoint.clone_from(&image.entrypoint);
    config.cmd.clone_from(&image.cmd);
    config.shell.clone_from(&image.shell);
    config.working_dir.clone_from(&image.workdir);
    config.user.clone_from(&image.user);
    config.exposed_ports.clone_from(&image.ports);
    config.labels = image.labels.iter().map(|(k, v)| KeyValue::new(k, v)).collect();
    config.on_build.clone_from(&image.onbuild);
    config.history = image
        .history
        .iter()
        .map(|line| HistoryEntry {
            created_by: line.clone(),
            ..HistoryEntry::default()
        })
        .collect();
    config
}
