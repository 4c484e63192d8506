//! `VOLUME`: directories that a container gets from outside. Knows nothing of mounts of a build.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::instructions::command_line::not_a_string;
use crate::lower::golang;
use crate::lower::stage::{Cx, Stage};
use crate::parse::Arguments;
use crate::syntax::flags::Flags;
use crate::syntax::json::{self, JsonError};
use crate::syntax::words::{self, Word};

/// `VOLUME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// The directories.
    pub paths: Vec<Word>,
}

impl Volume {
    /// Reads the arguments: a JSON array, or words.
    pub fn parse(arguments: &Arguments<'_>, diagnostics: &mut Diagnostics) -> Option<Self> {
        Flags::check("VOLUME", &arguments.flags, &[], &[], diagnostics);
        let paths = words_or_array(arguments, diagnostics)?;
        if paths.is_empty() {
            arguments.missing("a path", "write VOLUME /path or VOLUME [\"/path\"]", diagnostics);
            return None;
        }
        if let Some(empty) = paths.iter().find(|path| path.text.trim().is_empty()) {
            diagnostics.push(empty_path(empty));
            return None;
        }
        Some(Self { paths })
    }

    /// Adds the volumes.
    pub fn lower(&self, stage: &mut Stage, cx: &mut Cx<'_>) {
        let mut paths = Vec::new();
        for word in &self.paths {
            let word = Word {
                text: word.text.trim().to_owned(),
                span: word.span,
            };
            let path = cx.expand(stage, &word);
            if path.is_empty() {
                cx.diagnostics.push(empty_path(&word));
            }
            stage.image.volumes.insert(path.clone());
            paths.push(path);
        }
        cx.record(stage, format!("VOLUME {}", golang::list(&paths)), false);
    }
}

fn empty_path(word: &Word) -> Diagnostic {
    Diagnostic::error("EmptyPath", word.span, "a volume's path is empty").help("write an absolute path")
}

/// Reads arguments that are a JSON array, or else words.
pub fn words_or_array(arguments: &Arguments<'_>, diagnostics: &mut Diagnostics) -> Option<Vec<Word>> {
    match json::strings(arguments.text()) {
        Ok(items) => Some(
            items
                .into_iter()
                .map(|item| {
                    let range =
                        arguments.rest.start + item.range.start..arguments.rest.start + item.range.end;
                    Word {
                        text: item.value,
                        span: arguments.line.span_of(range),
                    }
                })
                .collect(),
        ),
        Err(JsonError::NotAString { offset }) => {
            diagnostics.push(not_a_string(arguments, offset));
            None
        }
        Err(_) => Some(words::split(arguments.line, arguments.rest.clone())),
    }
}
