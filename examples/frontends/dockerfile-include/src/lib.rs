//! Dockerfile with one more instruction: `INCLUDE file` stands for the lines of a file of the context.
//!
//! Reading and lowering are the Dockerfile frontend's; this one says what `INCLUDE` is replaced by. Findings, failed
//! commands and everything else that has a place show the included file's name and line.

use lapstrake_dockerfile::lower::context_file;
use lapstrake_dockerfile::{DockerfileFrontend, Document, Extension, Replacement};
use lapstrake_sdk::types::*;
use lapstrake_sdk::{Frontend, Host, register};

/// The language.
pub struct DockerfileInclude;

impl Frontend for DockerfileInclude {
    fn describe() -> FrontendInfo {
        FrontendInfo {
            name: "dockerfile-include".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            ..DockerfileFrontend::describe()
        }
    }

    fn build(host: &dyn Host, request: Request) -> Result<BuildResult, BuildError> {
        DockerfileFrontend::build_document(host, &document(host, request)?)
    }

    fn lint(host: &dyn Host, request: Request) -> Result<Report, BuildError> {
        match document(host, request) {
            Ok(document) => DockerfileFrontend::lint_document(host, &document),
            Err(BuildError::Invalid(report)) => Ok(report),
            Err(error) => Err(error),
        }
    }

    fn outline(host: &dyn Host, request: Request) -> Result<Outline, BuildError> {
        DockerfileFrontend::outline_document(host, &document(host, request)?)
    }

    fn list_targets(host: &dyn Host, request: Request) -> Result<Vec<TargetInfo>, BuildError> {
        DockerfileFrontend::targets_of_document(&document(host, request)?)
    }

    fn call(host: &dyn Host, name: &str, request: Request) -> Result<CallResult, BuildError> {
        DockerfileFrontend::call_document(host, name, &document(host, request)?)
    }
}

/// Replaces every `INCLUDE`.
fn document(host: &dyn Host, request: Request) -> Result<Document, BuildError> {
    let context = request.context.clone();
    let mut failure = None;
    let document = Document::expand(request, &["INCLUDE"], &mut |include| {
        let path = path(include)?;
        match context_file::read_text(host, &context, &path) {
            Ok(Ok(text)) => Ok(Replacement::File(SourceFile {
                name: path,
                language: "dockerfile".into(),
                text,
            })),
            Ok(Err(error)) => Err(vec![unreadable(include, &path, &error)]),
            // Nothing can be read at all: that is not this line's fault.
            Err(error) => {
                failure.get_or_insert(error);
                Ok(Replacement::Lines(String::new()))
            }
        }
    });
    match failure {
        Some(error) => Err(error),
        None => document,
    }
}

/// Reads the argument: one path, inside of the context, of a file that does not lead here already.
fn path(include: &Extension<'_>) -> Result<String, Vec<Diagnostic>> {
    let wrong = |message: String, help: &str| Err(vec![include.error("InvalidInclude", message).help(help)]);
    let mut words = include.arguments.split_whitespace();
    let (Some(word), None) = (words.next(), words.next()) else {
        return wrong(
            "INCLUDE needs one file".into(),
            "write `INCLUDE path`, one instruction for each file",
        );
    };
    let mut parts = Vec::new();
    for part in word.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => {
                let message = format!("`{word}` is outside of the context");
                return wrong(message, "paths count from the top of the context");
            }
            ".." => {}
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    if include.files.contains(&path.as_str()) {
        let chain = [include.files.as_slice(), &[path.as_str()]].concat().join(" -> ");
        let error = include.error("IncludeCycle", format!("`{path}` includes itself: {chain}"));
        return Err(vec![error.help("move what both need into a third file")]);
    }
    Ok(path)
}

fn unreadable(include: &Extension<'_>, path: &str, error: &FileError) -> Diagnostic {
    let (what, help) = match error {
        FileError::NotFound | FileError::NotADirectory => {
            ("is not in the context", "paths count from its top")
        }
        FileError::NotAFile => ("is not a file", "name a file in it"),
        FileError::NotUtf8 => ("is not UTF-8", "include text only"),
        _ => ("cannot be read", "see whether the context has it"),
    };
    include
        .error("InvalidInclude", format!("`{path}` {what}"))
        .help(help)
}

register!(DockerfileInclude);
