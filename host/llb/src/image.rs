//! What a frontend says of an image beside its files: configuration and history.
//! Plain data, without layers. Knows nothing of the JSON that the OCI image specification makes of it.

use serde::{Deserialize, Serialize};

use crate::{Platform, Timestamp};

/// An image configuration (OCI image specification, config.md) without `rootfs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// Platform that the image runs on.
    pub platform: Platform,
    /// Environment, in order.
    pub env: Vec<(String, String)>,
    /// Entry point.
    pub entrypoint: Option<Vec<String>>,
    /// Default arguments.
    pub cmd: Option<Vec<String>>,
    /// Shell of the shell forms. Docker's extension.
    pub shell: Option<Vec<String>>,
    /// Working directory; empty: `/`.
    pub working_dir: String,
    /// `user[:group]`; empty: root.
    pub user: String,
    /// Ports, such as `80/tcp`.
    pub exposed_ports: Vec<String>,
    /// Paths of volumes.
    pub volumes: Vec<String>,
    /// Labels, in order.
    pub labels: Vec<(String, String)>,
    /// Annotations of the manifest, in order.
    pub annotations: Vec<(String, String)>,
    /// Signal that ends a container.
    pub stop_signal: Option<String>,
    /// Docker's extension.
    pub healthcheck: Option<Healthcheck>,
    /// Docker's extension.
    pub on_build: Vec<String>,
    /// Author.
    pub author: Option<String>,
    /// When it was made; none: the exporter decides.
    pub created: Option<Timestamp>,
    /// How it was made, the oldest first.
    pub history: Vec<HistoryEntry>,
    /// Docker's extension: set by `CMD` of a Dockerfile. It has a meaning on Windows only, and stands in all images.
    pub args_escaped: bool,
}

/// Docker's health check. Times in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", command]`.
    pub test: Vec<String>,
    /// Time between two checks.
    pub interval_ns: Option<i64>,
    /// Time a check may take.
    pub timeout_ns: Option<i64>,
    /// Time a container has to start.
    pub start_period_ns: Option<i64>,
    /// Time between two checks while it starts.
    pub start_interval_ns: Option<i64>,
    /// Failures that make it unhealthy.
    pub retries: Option<u32>,
}

/// One step of an image's history. Entries that are not empty follow the order of the layers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When; none: the exporter decides.
    pub created: Option<Timestamp>,
    /// The command.
    pub created_by: String,
    /// Free text.
    pub comment: String,
    /// Who.
    pub author: Option<String>,
    /// Whether it made no layer.
    pub empty_layer: bool,
}

/// What a frontend made for one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuiltImage {
    /// The platform.
    pub platform: Platform,
    /// Its files; none: scratch.
    pub root: Option<crate::Edge>,
    /// Its configuration.
    pub config: ImageConfig,
    /// Annotations of its manifest.
    pub annotations: Vec<(String, String)>,
}
