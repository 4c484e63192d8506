//! Which results are not for keeping: those with credentials in URLs, of sources, commands or the build file's text.
//! Knows nothing of where results are kept.

use lapstrake_llb::{Definition, ImageConfig, Op, SourceOp, Vertex, credentials};

use crate::request::{BuildResult, Rewritten};

/// What a frontend gave, which may be kept or not.
pub(super) trait MayBePrivate {
    /// Whether it has credentials in it.
    fn is_private(&self) -> bool;
}

impl MayBePrivate for BuildResult {
    fn is_private(&self) -> bool {
        let config = |config: &ImageConfig| {
            let envs = config.env.iter().map(|(_, value)| value);
            let mut texts = envs.chain(config.history.iter().map(|entry| &entry.created_by));
            texts.any(|text| credentials::are_in(text))
        };
        definition(&self.definition) || self.images.iter().any(|image| config(&image.config))
    }
}

impl MayBePrivate for Rewritten {
    fn is_private(&self) -> bool {
        let files = self.files.iter().map(|file| &file.text);
        std::iter::once(&self.text)
            .chain(files)
            .any(|text| credentials::are_in(text))
    }
}

/// Whether a graph has credentials in it.
pub(super) fn definition(definition: &Definition) -> bool {
    definition.vertices.iter().any(vertex)
        || definition
            .sources
            .iter()
            .any(|source| credentials::are_in(&source.text))
}

fn vertex(vertex: &Vertex) -> bool {
    let op = match &vertex.op {
        Op::Source(SourceOp::Http(http)) => credentials::are_in(&http.url),
        Op::Source(SourceOp::Git(git)) => credentials::are_in(&git.remote),
        Op::Exec(exec) => {
            let values = exec.env.iter().map(|(_, value)| value);
            let proxies = exec
                .proxy
                .iter()
                .flat_map(|proxy| [&proxy.http, &proxy.https, &proxy.ftp, &proxy.all]);
            let mut texts = exec.args.iter().chain(values).chain(proxies);
            texts.any(|text| credentials::are_in(text))
        }
        _ => false,
    };
    op || credentials::are_in(&vertex.metadata.name)
}
