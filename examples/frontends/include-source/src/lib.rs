//! `INCLUDE <path>` for any language: `# syntax=./include-source.wasm | docker/dockerfile:1`. The line becomes the lines of
//! that file of the build context, which may include others. What the next frontend says of a line is told with the file
//! that the line is in.

use lapstrake_sdk::types::*;
use lapstrake_sdk::{Frontend, Graph, Host, LineIndex, Rewriting, path, register};

/// Files inside of files.
const DEEPEST: usize = 32;

/// The frontend.
pub struct IncludeSource;

impl Frontend for IncludeSource {
    fn describe() -> FrontendInfo {
        FrontendInfo {
            name: "include-source".into(),
            version: "0.1.0".into(),
            roles: vec![Role::RewritesSources],
            ..Default::default()
        }
    }

    fn rewrite_sources(host: &dyn Host, request: Request) -> Result<Rewritten, BuildError> {
        let main = request.main_source()?.clone();
        if main.text.lines().all(|line| included(line).is_none()) {
            let mut rewriting = Rewriting::new();
            rewriting.copy(&main, 1, u32::MAX);
            return Ok(rewriting.finish(Vec::new()));
        }
        let mut including = Including {
            context: context(host, &request)?,
            rewriting: Rewriting::new(),
            errors: Vec::new(),
        };
        including.file(&main, &mut vec![main.name.clone()]);
        match including.errors.is_empty() {
            true => Ok(including.rewriting.finish(Vec::new())),
            false => Err(BuildError::invalid(including.errors, including.rewriting.files())),
        }
    }
}

struct Including {
    context: Box<dyn lapstrake_sdk::Reference>,
    rewriting: Rewriting,
    errors: Vec<Diagnostic>,
}

impl Including {
    /// Appends a file; `open` are the ones that it is inside of, and itself.
    fn file(&mut self, file: &SourceFile, open: &mut Vec<String>) {
        let index = LineIndex::new(&file.text);
        let place = self.rewriting.file(file);
        for (number, line) in (1..).zip(file.text.lines()) {
            let Some(name) = included(line) else {
                self.rewriting.copy(file, number, 1);
                continue;
            };
            let range = index.lines(place, number, number);
            let path = path::join("/", name);
            match self.read(&path, open) {
                Ok(text) => {
                    let name = path.trim_start_matches('/').to_owned();
                    open.push(name.clone());
                    let part = SourceFile {
                        name,
                        text,
                        language: file.language.clone(),
                    };
                    self.file(&part, open);
                    open.pop();
                }
                Err(error) => self.errors.push(error.at(range)),
            }
        }
    }

    fn read(&self, path: &str, open: &[String]) -> Result<String, Diagnostic> {
        let name = path.trim_start_matches('/');
        if open.iter().any(|other| other == name) {
            let message = format!("{name} includes itself: {} > {name}", open.join(" > "));
            return Err(Diagnostic::error("IncludeCycle", message));
        }
        if open.len() >= DEEPEST {
            let message = format!("files are included more than {DEEPEST} deep");
            return Err(Diagnostic::error("IncludeDepth", message));
        }
        self.context.read_text(path).map_err(|error| {
            let why = match error {
                FileError::NotFound => "there is no such file in the build context".to_owned(),
                FileError::NotUtf8 => "it is no text".to_owned(),
                other => format!("{other:?}"),
            };
            Diagnostic::error("IncludeFile", format!("cannot include {name}: {why}"))
        })
    }
}

/// The path of an `INCLUDE` line.
fn included(line: &str) -> Option<&str> {
    let (word, path) = line.trim().split_once([' ', '\t'])?;
    word.eq_ignore_ascii_case("INCLUDE").then_some(path.trim())
}

fn context(host: &dyn Host, request: &Request) -> Result<Box<dyn lapstrake_sdk::Reference>, BuildError> {
    let ContextSource::Local(name) = &request.context else {
        return Err(BuildError::unsupported(
            "including files of a context that is not local",
        ));
    };
    let graph = Graph::new();
    let root = graph.local(name).name("[internal] load included files");
    let (definition, roots) = graph.definition(&root.edge().into_iter().collect::<Vec<_>>());
    let mut trees = host.solve(&definition, &roots)?;
    trees
        .pop()
        .ok_or_else(|| BuildError::HostFailed("the host gave no tree".to_owned()))
}

register!(IncludeSource);
