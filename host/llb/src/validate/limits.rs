//! How large a graph may be, and how its text is counted.
//! Knows nothing of what the text means.

use crate::{FileActionKind, MountKind, Op, SourceFile, SourceOp, Vertex};

/// How large a graph may be. The defaults are far above what build files make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Vertices of the graph.
    pub vertices: usize,
    /// Edges asked of the graph.
    pub roots: usize,
    /// Source files.
    pub source_files: usize,
    /// Bytes of all texts together, contents of files included.
    pub total_text: usize,
    /// Bytes of one text that is neither a path nor the content of a file.
    pub text: usize,
    /// Entries of one list: mounts, actions, inputs, variables, patterns.
    pub list: usize,
    /// Bytes of a path, NUL excluded (Linux's PATH_MAX).
    pub path: usize,
    /// Bytes of a component of a path (Linux's NAME_MAX).
    pub component: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            vertices: 100_000,
            roots: 10_000,
            source_files: 10_000,
            total_text: 64 << 20,
            text: 4 << 20,
            list: 10_000,
            path: 4096,
            component: 255,
        }
    }
}

pub(super) fn text_of_sources(sources: &[SourceFile]) -> usize {
    sources
        .iter()
        .map(|file| file.name.len() + file.language.len() + file.text.len())
        .sum()
}

/// What one list entry costs beside its text, so that a flood of empty texts is counted too.
const ENTRY: usize = 8;

fn all<'a>(texts: impl IntoIterator<Item = &'a String>) -> usize {
    texts.into_iter().map(|text| text.len() + ENTRY).sum()
}

fn pairs<'a>(texts: impl IntoIterator<Item = (&'a String, &'a String)>) -> usize {
    texts
        .into_iter()
        .map(|(key, value)| key.len() + value.len() + ENTRY)
        .sum()
}

/// Counts the large texts of a vertex: all lists and all free text.
pub(super) fn text_of_vertex(vertex: &Vertex) -> usize {
    let metadata = &vertex.metadata;
    let mut bytes = ENTRY + metadata.name.len() + pairs(&metadata.description) + all(&vertex.constraints);
    bytes += metadata.ranges.len() * ENTRY;
    bytes += metadata
        .progress_group
        .as_ref()
        .map_or(0, |group| group.id.len() + group.name.len());
    bytes += vertex
        .platform
        .as_ref()
        .map_or(0, |platform| all(&platform.os_features));
    bytes
        + match &vertex.op {
            Op::Source(source) => text_of_source(source),
            Op::Exec(exec) => {
                let mounts = exec.mounts.iter().map(|mount| {
                    let inner = match &mount.kind {
                        MountKind::Bind(bind) => bind.selector.len(),
                        MountKind::Cache(cache) => cache.id.len() + cache.selector.len(),
                        MountKind::Tmpfs(_) => 0,
                        MountKind::Secret(secret) | MountKind::Ssh(secret) => secret.id.len(),
                    };
                    mount.target.len() + inner + ENTRY
                });
                all(&exec.args)
                    + pairs(exec.env.iter().map(|(key, value)| (key, value)))
                    + exec.cwd.len()
                    + mounts.sum::<usize>()
                    + pairs(
                        exec.secret_env
                            .iter()
                            .map(|secret| (&secret.name, &secret.secret_id)),
                    )
                    + pairs(exec.extra_hosts.iter().map(|host| (&host.host, &host.ip)))
                    + all(exec.ulimits.iter().map(|limit| &limit.name))
                    + all(exec.devices.iter().map(|device| &device.name))
                    + exec.valid_exit_codes.len() * ENTRY
            }
            Op::File(file) => file
                .actions
                .iter()
                .map(|action| ENTRY + text_of_action(&action.kind))
                .sum(),
            Op::Merge(merge) => merge.inputs.len() * ENTRY,
            Op::Diff(_) => 0,
            Op::Build(build) => build.filename.len(),
        }
}

fn text_of_source(source: &SourceOp) -> usize {
    match source {
        SourceOp::Image(image) => image.reference.len(),
        SourceOp::OciLayout(layout) => layout.reference.len() + layout.store.len(),
        SourceOp::Local(local) => {
            local.name.len()
                + all(&local.include_patterns)
                + all(&local.exclude_patterns)
                + all(&local.follow_paths)
        }
        SourceOp::Git(git) => {
            git.remote.len() + git.git_ref.len() + git.subdir.len() + all(git.known_hosts.as_ref())
        }
        SourceOp::Http(http) => http.url.len() + pairs(http.headers.iter().map(|(key, value)| (key, value))),
    }
}

fn text_of_action(action: &FileActionKind) -> usize {
    match action {
        FileActionKind::Copy(copy) => {
            copy.src_path.len()
                + copy.dst_path.len()
                + all(&copy.include_patterns)
                + all(&copy.exclude_patterns)
                + all(&copy.required_paths)
        }
        FileActionKind::Mkfile(mkfile) => mkfile.path.len() + mkfile.data.len(),
        FileActionKind::Mkdir(mkdir) => mkdir.path.len(),
        FileActionKind::Rm(rm) => rm.path.len(),
        FileActionKind::Symlink(symlink) => symlink.target.len() + symlink.path.len(),
    }
}
