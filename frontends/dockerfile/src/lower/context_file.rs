//! Reads single files of a context while a frontend runs. For frontends that extend the language.
//! Knows nothing of what the files are for.

use lapstrake_sdk::Host;
use lapstrake_sdk::types::{BuildError, ContextSource, FileError, LocalDiffer, LocalSource, SourceOp};

use crate::lower::context::solve_source;
use crate::lower::git;

/// Reads a text file of a context that is a directory or a git repository; the path counts from its top.
///
/// The outer error ends the build; the inner one is about the file, and worth a diagnostic.
pub fn read_text(
    host: &dyn Host,
    context: &ContextSource,
    path: &str,
) -> Result<Result<String, FileError>, BuildError> {
    let source = match context {
        ContextSource::Local(name) => SourceOp::Local(LocalSource {
            name: name.clone(),
            follow_paths: vec![path.to_owned()],
            shared_key_hint: Some(format!("{name}-{path}")),
            differ: LocalDiffer::None,
            ..LocalSource::default()
        }),
        ContextSource::Git(url) => match git::parse(url) {
            Some(Ok(git)) => SourceOp::Git(git.into_source()),
            _ => {
                return Err(BuildError::HostFailed(format!(
                    "the context {url} is no git repository"
                )));
            }
        },
        _ => return Err(BuildError::unsupported("a file of this kind of context")),
    };
    let tree = solve_source(host, source, &format!("[internal] load {path}"))?;
    Ok(tree.read_text(&format!("/{}", path.trim_start_matches('/'))))
}
