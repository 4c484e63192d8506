//! What a build's result becomes as an image: pure functions from results to documents.
//! Knows nothing of the store, of archives and of where the image goes.

use std::collections::BTreeMap;

use lapstrake_llb::{Digest, HistoryEntry, ImageConfig, Platform, Timestamp};
use lapstrake_store::LayerId;
use lapstrake_store::compress::Compression;

use crate::document::{
    ConfigFile, Descriptor, Empty, Family, HealthcheckDocument, History, Index, Manifest, PlatformDocument,
    RootFs, RunConfig,
};
use crate::error::Result;
use crate::json;

/// Comment of the history entries that the exporter adds.
const COMMENT: &str = "lapstrake.exporter.v0";

/// A build's result for one platform.
#[derive(Debug, Clone)]
pub struct ImageInput {
    /// The platform.
    pub platform: Platform,
    /// Its files, the lowest layer first.
    pub layers: Vec<LayerId>,
    /// Its configuration. The platform in it is not looked at.
    pub config: ImageConfig,
    /// Annotations for this platform only.
    pub annotations: Annotations,
}

/// Annotations by the place where they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Annotations {
    /// In the manifest.
    pub manifest: BTreeMap<String, String>,
    /// In the descriptor of the manifest, which stands in an index.
    pub manifest_descriptor: BTreeMap<String, String>,
    /// In the index.
    pub index: BTreeMap<String, String>,
    /// In the descriptor of the index, which stands in the index of the layout.
    pub index_descriptor: BTreeMap<String, String>,
}

/// A layer with its archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedLayer {
    /// Digest of the archive.
    pub digest: Digest,
    /// Length of the archive in bytes.
    pub size: u64,
    /// How the archive is compressed.
    pub compression: Compression,
    /// Digest of the uncompressed archive.
    pub diff_id: Digest,
    /// What made the layer, for a history that does not say it.
    pub description: String,
    /// When the layer was made, Unix seconds.
    pub created: i64,
}

/// A history that fits the layers, in which every entry has a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Timeline {
    pub(crate) entries: Vec<HistoryEntry>,
    /// Time of the image.
    pub(crate) created: Timestamp,
}

/// Makes the history fit the layers, as BuildKit does: where layers have no entry, entries are added at the end; where
/// entries have no layer, the last ones become empty. An entry without a time gets its layer's, an empty one that of
/// its neighbours. No time is later than `epoch`.
pub(crate) fn timeline(
    config: &ImageConfig,
    layers: &[PackedLayer],
    epoch: Option<Timestamp>,
    now: Timestamp,
) -> Timeline {
    let clamp = |time: Timestamp| epoch.map_or(time, |epoch| time.min(epoch));
    let made = |layer: &PackedLayer| Timestamp {
        seconds: layer.created,
        nanoseconds: 0,
    };
    let mut entries = config.history.clone();
    let mut unseen = layers.iter();
    for entry in entries.iter_mut().filter(|entry| !entry.empty_layer) {
        match unseen.next() {
            Some(layer) => entry.created = Some(entry.created.unwrap_or(made(layer))),
            None => entry.empty_layer = true,
        }
    }
    entries.extend(unseen.map(|layer| HistoryEntry {
        created: Some(made(layer)),
        created_by: layer.description.clone(),
        comment: COMMENT.to_owned(),
        author: None,
        empty_layer: false,
    }));
    fill_times(&mut entries, epoch.unwrap_or(now));
    for entry in &mut entries {
        entry.created = entry.created.map(clamp);
    }
    let last = entries.iter().rev().find_map(|entry| entry.created);
    let created = config.created.or(last).or(epoch).unwrap_or(now);
    Timeline {
        entries,
        created: clamp(created),
    }
}

/// Gives the entries that have no time, which made no layer, the time of the first layer after the first of them, and
/// later ones that of the layer before.
fn fill_times(entries: &mut [HistoryEntry], fallback: Timestamp) {
    let first_without = entries
        .iter()
        .position(|entry| entry.created.is_none())
        .unwrap_or(entries.len());
    let (old, new) = entries.split_at(first_without);
    let next = new.iter().find_map(|entry| entry.created);
    let previous = old.iter().rev().find_map(|entry| entry.created);
    let mut time = next.or(previous).unwrap_or(fallback);
    for entry in &mut entries[first_without..] {
        time = *entry.created.get_or_insert(time);
    }
}

/// Writes an image configuration (OCI image specification, config.md).
pub(crate) fn config(
    config: &ImageConfig,
    platform: &Platform,
    timeline: &Timeline,
    diff_ids: &[Digest],
) -> Result<Vec<u8>> {
    let not_empty = |text: &'_ Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    let document = ConfigFile {
        architecture: &platform.architecture,
        author: config.author.as_deref().filter(|_| not_empty(&config.author)),
        config: run_config(config),
        created: json::time(timeline.created)?,
        history: timeline.entries.iter().map(history).collect::<Result<_>>()?,
        os: &platform.os,
        os_features: &platform.os_features,
        os_version: platform
            .os_version
            .as_deref()
            .filter(|_| not_empty(&platform.os_version)),
        rootfs: RootFs {
            kind: "layers",
            diff_ids,
        },
        variant: platform
            .variant
            .as_deref()
            .filter(|_| not_empty(&platform.variant)),
    };
    json::compact("configuration", &document)
}

fn history(entry: &HistoryEntry) -> Result<History<'_>> {
    Ok(History {
        created: entry.created.map(json::time).transpose()?,
        created_by: &entry.created_by,
        author: entry.author.as_deref().filter(|text| !text.is_empty()),
        comment: &entry.comment,
        empty_layer: entry.empty_layer,
    })
}

fn run_config(config: &ImageConfig) -> RunConfig<'_> {
    let some = |time: Option<i64>| time.filter(|time| *time != 0);
    RunConfig {
        user: &config.user,
        exposed_ports: config
            .exposed_ports
            .iter()
            .map(|port| (port.as_str(), Empty {}))
            .collect(),
        env: config
            .env
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect(),
        entrypoint: config.entrypoint.as_deref().unwrap_or_default(),
        cmd: config.cmd.as_deref().unwrap_or_default(),
        volumes: config
            .volumes
            .iter()
            .map(|path| (path.as_str(), Empty {}))
            .collect(),
        working_dir: &config.working_dir,
        labels: config
            .labels
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect(),
        stop_signal: config.stop_signal.as_deref().unwrap_or_default(),
        args_escaped: config.args_escaped,
        healthcheck: config.healthcheck.as_ref().map(|check| HealthcheckDocument {
            test: &check.test,
            interval: some(check.interval_ns),
            timeout: some(check.timeout_ns),
            start_period: some(check.start_period_ns),
            start_interval: some(check.start_interval_ns),
            retries: check.retries.filter(|count| *count != 0),
        }),
        on_build: &config.on_build,
        shell: config.shell.as_deref().unwrap_or_default(),
    }
}

/// Writes an image manifest (OCI image specification, manifest.md).
pub(crate) fn manifest(
    family: Family,
    config: Descriptor,
    layers: &[PackedLayer],
    annotations: BTreeMap<String, String>,
) -> Result<Vec<u8>> {
    let layers = layers
        .iter()
        .map(|layer| descriptor(family.layer(layer.compression), layer.digest, layer.size));
    let document = Manifest {
        schema_version: 2,
        media_type: family.manifest(),
        config,
        layers: layers.collect(),
        annotations,
    };
    json::indented("manifest", &document)
}

/// Writes an image index (OCI image specification, image-index.md).
pub(crate) fn index(
    family: Family,
    manifests: Vec<Descriptor>,
    annotations: &BTreeMap<String, String>,
) -> Result<Vec<u8>> {
    json::indented(
        "index",
        &Index {
            schema_version: 2,
            media_type: Some(family.index()),
            manifests,
            annotations,
        },
    )
}

/// A descriptor without annotations and platform.
pub(crate) fn descriptor(media_type: &str, digest: Digest, size: u64) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest,
        size,
        annotations: BTreeMap::new(),
        platform: None,
    }
}

/// A descriptor of what stands for a platform in an index.
pub(crate) fn for_platform(
    descriptor: Descriptor,
    platform: &Platform,
    annotations: BTreeMap<String, String>,
) -> Descriptor {
    Descriptor {
        platform: Some(PlatformDocument::from(platform)),
        annotations,
        ..descriptor
    }
}

/// `os/architecture[/variant]`, as `--platform` takes it.
pub(crate) fn platform_text(platform: &Platform) -> String {
    let variant = platform.variant.as_deref().filter(|text| !text.is_empty());
    let tail = variant.map(|text| format!("/{text}")).unwrap_or_default();
    format!("{}/{}{tail}", platform.os, platform.architecture)
}

#[cfg(test)]
#[path = "image_tests.rs"]
mod tests;
