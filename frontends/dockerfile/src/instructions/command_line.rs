//! The command of `RUN`, `CMD`, `ENTRYPOINT` and `HEALTHCHECK`: a JSON array, or text for the shell.
//! Knows nothing of what is done with it.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::lower::image::Image;
use crate::parse::Arguments;
use crate::syntax::json::{self, JsonError};

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// The words of the exec form; the whole text of the shell form, none where there is no text.
    pub words: Vec<String>,
    /// Whether it is the shell form.
    pub shell: bool,
    /// Why text that begins as an array is none.
    pub problem: Option<&'static str>,
}

impl CommandLine {
    /// Reads a command; an array with something else than strings in it is an error.
    pub fn parse(arguments: &Arguments<'_>, diagnostics: &mut Diagnostics) -> Option<Self> {
        Self::read(arguments, 0, diagnostics)
    }

    /// Reads a command that begins at byte `skip` of the arguments.
    pub fn read(arguments: &Arguments<'_>, skip: usize, diagnostics: &mut Diagnostics) -> Option<Self> {
        let text = &arguments.text()[skip..];
        match json::strings(text) {
            Ok(items) => Some(Self {
                words: items.into_iter().map(|item| item.value).collect(),
                shell: false,
                problem: None,
            }),
            Err(JsonError::NotAString { offset }) => {
                diagnostics.push(not_a_string(arguments, skip + offset));
                None
            }
            Err(error) => Some(Self {
                words: if text.is_empty() {
                    Vec::new()
                } else {
                    vec![text.to_owned()]
                },
                shell: true,
                problem: match error {
                    JsonError::Invalid { reason, .. } => Some(reason),
                    _ => None,
                },
            }),
        }
    }

    /// Returns the words with the shell before them, where it is the shell form.
    pub fn with_shell(&self, image: &Image) -> Vec<String> {
        self.with_words(self.words.clone(), image)
    }

    /// Returns other words in the same form.
    pub fn with_words(&self, mut words: Vec<String>, image: &Image) -> Vec<String> {
        if !self.shell {
            return words;
        }
        let text = match words.len() {
            1 => words.pop().unwrap_or_default(),
            _ => words.join(" "),
        };
        let mut words = image.shell();
        words.push(text);
        words
    }
}

/// Says that an array has an element that is not a string.
pub fn not_a_string(arguments: &Arguments<'_>, offset: usize) -> Diagnostic {
    Diagnostic::error(
        "InvalidJson",
        arguments.span_at(offset),
        "every element of the array must be a string",
    )
    .help("put it into double quotes")
}
