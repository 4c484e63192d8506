//! The build context: its vertex, of which only the paths that are used are transferred, and what `.dockerignore` leaves
//! out of it. Knows nothing of what is done with its files.

use std::collections::BTreeSet;

use lapstrake_sdk::types::{
    BuildError, ContextSource, CopyAction, FileError, HttpSource, LocalDiffer, LocalSource, SourceOp,
};
use lapstrake_sdk::{Graph, Host, State, git, ignore, path};

use super::Job;
use crate::check::{Source, is_address};
use crate::findings::Findings;

const IGNORE_FILE: &str = ".dockerignore";

/// Loads the context, if one of the images needs it.
pub(super) fn load(
    job: &Job<'_>,
    order: &[usize],
    graph: &Graph,
    findings: &mut Findings,
) -> Result<Option<State>, BuildError> {
    let paths = paths(job, order);
    if paths.is_empty() {
        return Ok(None);
    }
    let state = match &job.request.context {
        ContextSource::Local(name) => {
            let follow_paths = match paths.contains("/") {
                true => Vec::new(),
                false => paths.iter().map(|path| path[1..].to_owned()).collect(),
            };
            graph.source(
                SourceOp::Local(LocalSource {
                    name: name.clone(),
                    follow_paths,
                    exclude_patterns: ignored(job.host, name, findings)?,
                    shared_key_hint: Some(name.clone()),
                    ..LocalSource::default()
                }),
                None,
            )
        }
        ContextSource::Git(url) => match git::parse(url) {
            Some(Ok(parsed)) => graph.source(SourceOp::Git(parsed.into_source()), None),
            Some(Err(problem)) => {
                return Err(BuildError::HostFailed(format!("the context {url}: {problem}")));
            }
            None => {
                return Err(BuildError::HostFailed(format!(
                    "the context {url} is no git repository"
                )));
            }
        },
        ContextSource::Http(url) => {
            let source = HttpSource {
                url: url.clone(),
                filename: Some("context".to_owned()),
                ..HttpSource::default()
            };
            let file = graph.source(SourceOp::Http(source), None);
            let unpack = CopyAction {
                src_path: "/context".to_owned(),
                dst_path: "/".to_owned(),
                unpack_archive: true,
                ..CopyAction::default()
            };
            graph.scratch().file().copy_with(&file, unpack).done()
        }
        ContextSource::Image(_) | ContextSource::OciLayout(_) | ContextSource::Target(_) => {
            return Err(BuildError::unsupported(
                "an image or a target as the main context",
            ));
        }
    };
    Ok(Some(state.name("[internal] load build context")))
}

/// The paths of the context that images use.
fn paths(job: &Job<'_>, order: &[usize]) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for index in order {
        let (image, links) = (&job.file.images[*index], &job.links[*index]);
        for (copy, source) in image.copy.iter().zip(&links.copies) {
            if *source == Source::Context {
                paths.extend(copy.src.iter().map(|src| path::join("/", src)));
            }
        }
        let keys = image.package.iter().flat_map(|package| &package.gpg);
        paths.extend(
            keys.filter(|key| !is_address(&key.src))
                .map(|key| path::join("/", &key.src)),
        );
    }
    paths
}

/// The patterns of what is left out of the context.
fn ignored(host: &dyn Host, local: &str, findings: &mut Findings) -> Result<Vec<String>, BuildError> {
    let graph = Graph::new();
    let source = SourceOp::Local(LocalSource {
        name: local.to_owned(),
        follow_paths: vec![IGNORE_FILE.to_owned()],
        shared_key_hint: Some(format!("{local}-{IGNORE_FILE}")),
        differ: LocalDiffer::None,
        ..LocalSource::default()
    });
    let state = graph
        .source(source, None)
        .name(format!("[internal] load {IGNORE_FILE}"));
    let root: Vec<_> = state.edge().into_iter().collect();
    let (definition, roots) = graph.definition(&root);
    let tree = host.solve(&definition, &roots)?.into_iter().next();
    let tree = tree.ok_or_else(|| BuildError::HostFailed("the host did not answer".to_owned()))?;
    match tree.read_text(&format!("/{IGNORE_FILE}")) {
        Ok(text) => Ok(ignore::parse(&text).unwrap_or_else(|problem| {
            findings
                .error("InvalidIgnoreFile", &(0..0), format!("{IGNORE_FILE}, {problem}"))
                .help("mend the pattern in that file");
            Vec::new()
        })),
        Err(FileError::NotFound | FileError::NotAFile | FileError::NotADirectory) => Ok(Vec::new()),
        Err(FileError::NotUtf8) => Err(BuildError::HostFailed(format!("{IGNORE_FILE} is not UTF-8"))),
        Err(error) => Err(BuildError::HostFailed(format!(
            "{IGNORE_FILE} cannot be read: {error:?}"
        ))),
    }
}
