//! The documents of the OCI image specification, with the order of fields that the specification's Go types have.
//! Plain data. Knows nothing of where the values come from.

use std::collections::BTreeMap;

use lapstrake_llb::{Digest, Platform};
use lapstrake_store::compress::Compression;
use serde::Serialize;

/// Annotation with the tag (OCI image specification, annotations.md).
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Annotation with the time (OCI image specification, annotations.md).
pub const CREATED: &str = "org.opencontainers.image.created";
/// Annotation with the whole name, which containerd reads.
pub const IMAGE_NAME: &str = "io.containerd.image.name";

/// Media types of one family of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Oci,
    Docker,
}

impl Family {
    pub(crate) fn index(self) -> &'static str {
        match self {
            Family::Oci => "application/vnd.oci.image.index.v1+json",
            Family::Docker => "application/vnd.docker.distribution.manifest.list.v2+json",
        }
    }

    pub(crate) fn manifest(self) -> &'static str {
        match self {
            Family::Oci => "application/vnd.oci.image.manifest.v1+json",
            Family::Docker => "application/vnd.docker.distribution.manifest.v2+json",
        }
    }

    pub(crate) fn config(self) -> &'static str {
        match self {
            Family::Oci => "application/vnd.oci.image.config.v1+json",
            Family::Docker => "application/vnd.docker.container.image.v1+json",
        }
    }

    /// Docker has no type for zstd: an image with such a layer is of the OCI family.
    pub(crate) fn layer(self, compression: Compression) -> &'static str {
        match (self, compression) {
            (Family::Oci, Compression::None) => "application/vnd.oci.image.layer.v1.tar",
            (Family::Oci, Compression::Gzip) => "application/vnd.oci.image.layer.v1.tar+gzip",
            (_, Compression::Zstd) => "application/vnd.oci.image.layer.v1.tar+zstd",
            (Family::Docker, Compression::None) => "application/vnd.docker.image.rootfs.diff.tar",
            (Family::Docker, Compression::Gzip) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        }
    }
}

/// Names content (descriptor.md).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Media type.
    pub media_type: String,
    /// Digest.
    pub digest: Digest,
    /// Length in bytes.
    pub size: u64,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Platform that the content is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<PlatformDocument>,
}

/// A platform (image-index.md).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlatformDocument {
    architecture: String,
    os: String,
    #[serde(rename = "os.version", skip_serializing_if = "Option::is_none")]
    os_version: Option<String>,
    #[serde(rename = "os.features", skip_serializing_if = "Vec::is_empty")]
    os_features: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<String>,
}

impl From<&Platform> for PlatformDocument {
    fn from(platform: &Platform) -> Self {
        Self {
            architecture: platform.architecture.clone(),
            os: platform.os.clone(),
            os_version: platform.os_version.clone().filter(|text| !text.is_empty()),
            os_features: platform.os_features.clone(),
            variant: platform.variant.clone().filter(|text| !text.is_empty()),
        }
    }
}

/// An image manifest (manifest.md).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u8,
    pub(crate) media_type: &'static str,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// An image index (image-index.md).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index<'a> {
    pub(crate) schema_version: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<&'static str>,
    pub(crate) manifests: Vec<Descriptor>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: &'a BTreeMap<String, String>,
}

/// Content of the file `oci-layout` (image-layout.md).
pub(crate) const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// An image configuration (config.md) with Docker's extensions. BuildKit writes the outer fields in alphabetical order.
#[derive(Debug, Serialize)]
pub(crate) struct ConfigFile<'a> {
    pub(crate) architecture: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) author: Option<&'a str>,
    pub(crate) config: RunConfig<'a>,
    pub(crate) created: String,
    pub(crate) history: Vec<History<'a>>,
    pub(crate) os: &'a str,
    #[serde(rename = "os.features", skip_serializing_if = "<[String]>::is_empty")]
    pub(crate) os_features: &'a [String],
    #[serde(rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub(crate) os_version: Option<&'a str>,
    pub(crate) rootfs: RootFs<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) variant: Option<&'a str>,
}

/// The part `config` of an image configuration.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RunConfig<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) user: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) exposed_ports: BTreeMap<&'a str, Empty>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) env: Vec<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(crate) entrypoint: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(crate) cmd: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) volumes: BTreeMap<&'a str, Empty>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) working_dir: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) stop_signal: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) args_escaped: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) healthcheck: Option<HealthcheckDocument<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(crate) on_build: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(crate) shell: &'a [String],
}

/// `{}`
#[derive(Debug, Serialize)]
pub(crate) struct Empty {}

/// Docker's health check. Times in nanoseconds; nothing that is zero is written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct HealthcheckDocument<'a> {
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(crate) test: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) interval: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timeout: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_period: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_interval: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retries: Option<u32>,
}

/// One step of the history.
#[derive(Debug, Serialize)]
pub(crate) struct History<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) created_by: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) author: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) comment: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) empty_layer: bool,
}

/// The layers.
#[derive(Debug, Serialize)]
pub(crate) struct RootFs<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) diff_ids: &'a [Digest],
}
