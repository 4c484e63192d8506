//! What a guest is given: requests and the gateway's answers as the contract has them.

use lapstrake_llb as llb;

use super::{all, enumeration, key_values, record};
use crate::bindings::lapstrake::frontend::{host, llb as wit_llb, requests};
use crate::gateway::{FileError, FileInfo, FileKind, ImageInfo, ImageRequest, SolveError};
use crate::request::{ContextSource, NamedContext, Request};

record!(llb::Platform => wit_llb::Platform, new: {
    os: new.os,
    architecture: new.architecture,
    cpu_variant: new.variant,
    os_version: new.os_version,
    os_features: new.os_features,
});
record!(llb::Timestamp => wit_llb::Timestamp, new: { seconds: new.seconds, nanoseconds: new.nanoseconds });
record!(llb::SourceFile => wit_llb::SourceFile, new: {
    name: new.name,
    language: new.language,
    text: new.text,
});
record!(llb::OciLayoutSource => wit_llb::OciLayoutSource, new: {
    reference: new.reference,
    store: new.store,
    layer_limit: new.layer_limit,
});
record!(ImageRequest => requests::ImageRequest, new: {
    reference: new.reference,
    oci_layout_store: new.oci_layout_store,
    platform: new.platform.map(Into::into),
    mode: new.mode.into(),
});

impl From<ContextSource> for requests::ContextSource {
    fn from(new: ContextSource) -> Self {
        match new {
            ContextSource::Local(name) => Self::Local(name),
            ContextSource::Image(reference) => Self::Image(reference),
            ContextSource::OciLayout(layout) => Self::OciLayout(layout.into()),
            ContextSource::Git(remote) => Self::Git(remote),
            ContextSource::Http(url) => Self::Http(url),
            ContextSource::Target(target) => Self::Target(target),
        }
    }
}

record!(NamedContext => requests::NamedContext, new: { name: new.name, source: new.source.into() });
record!(Request => requests::Request, new: {
    sources: all(new.sources),
    target: new.target,
    platforms: all(new.platforms),
    build_platform: new.build_platform.into(),
    build_args: key_values(new.build_args),
    labels: key_values(new.labels),
    context: new.context.into(),
    named_contexts: all(new.named_contexts),
    options: key_values(new.options),
    source_date_epoch: new.source_date_epoch.map(Into::into),
});
record!(llb::Healthcheck => requests::Healthcheck, new: {
    test: new.test,
    interval_ns: new.interval_ns,
    timeout_ns: new.timeout_ns,
    start_period_ns: new.start_period_ns,
    start_interval_ns: new.start_interval_ns,
    retries: new.retries,
});
record!(llb::HistoryEntry => requests::HistoryEntry, new: {
    created: new.created.map(Into::into),
    created_by: new.created_by,
    comment: new.comment,
    author: new.author,
    empty_layer: new.empty_layer,
});
record!(llb::ImageConfig => requests::ImageConfig, new: {
    platform: new.platform.into(),
    env: key_values(new.env),
    entrypoint: new.entrypoint,
    cmd: new.cmd,
    shell: new.shell,
    working_dir: new.working_dir,
    user: new.user,
    exposed_ports: new.exposed_ports,
    volumes: new.volumes,
    labels: key_values(new.labels),
    annotations: key_values(new.annotations),
    stop_signal: new.stop_signal,
    healthcheck: new.healthcheck.map(Into::into),
    on_build: new.on_build,
    author: new.author,
    created: new.created.map(Into::into),
    history: all(new.history),
    args_escaped: new.args_escaped,
});
record!(ImageInfo => host::ImageInfo, new: {
    reference: new.reference,
    digest: new.digest.to_string(),
    config: new.config.into(),
});

impl From<SolveError> for host::SolveError {
    fn from(new: SolveError) -> Self {
        match new {
            SolveError::InvalidDefinition(message) => Self::InvalidDefinition(message),
            SolveError::Failed(message) => Self::Failed(message),
            SolveError::NotAllowed(message) => Self::NotAllowed(message),
            SolveError::Cancelled => Self::Cancelled,
        }
    }
}

impl From<FileError> for host::FileError {
    fn from(new: FileError) -> Self {
        match new {
            FileError::NotFound => Self::NotFound,
            FileError::NotAFile => Self::NotAFile,
            FileError::NotADirectory => Self::NotADirectory,
            FileError::BadPath(message) => Self::BadPath(message),
            FileError::TooLarge => Self::TooLarge,
            FileError::NotUtf8 => Self::NotUtf8,
            FileError::Failed(message) => Self::Other(message),
        }
    }
}

enumeration!(FileKind => host::FileKind {
    Regular => Regular,
    Directory => Directory,
    Symlink => Symlink,
    Device => Device,
    Fifo => Fifo,
    Socket => Socket,
});
record!(FileInfo => host::FileInfo, new: {
    name: new.name,
    kind: new.kind.into(),
    size: new.size,
    mode: new.mode,
    uid: new.uid,
    gid: new.gid,
    link_target: new.link_target,
});
