//! `SHELL`: what runs the shell forms. Knows nothing of them.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::instructions::command_line::not_a_string;
use crate::lower::golang;
use crate::lower::stage::{Cx, Stage};
use crate::parse::Arguments;
use crate::syntax::flags::Flags;
use crate::syntax::json::{self, JsonError};

/// `SHELL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shell {
    /// Program and arguments; the command comes after them.
    pub words: Vec<String>,
}

impl Shell {
    /// Reads the argument: a JSON array, and nothing else.
    pub fn parse(arguments: &Arguments<'_>, diagnostics: &mut Diagnostics) -> Option<Self> {
        const HELP: &str = "write SHELL [\"/bin/bash\", \"-c\"]";
        Flags::check("SHELL", &arguments.flags, &[], &[], diagnostics);
        let invalid = |span, message: &str| Diagnostic::error("InvalidJson", span, message).help(HELP);
        match json::strings(arguments.text()) {
            Ok(items) if !items.is_empty() => {
                return Some(Self {
                    words: items.into_iter().map(|item| item.value).collect(),
                });
            }
            Ok(_) => arguments.missing("at least one word", HELP, diagnostics),
            Err(_) if arguments.rest.is_empty() => arguments.missing("a JSON array", HELP, diagnostics),
            Err(JsonError::NotAnArray) => {
                diagnostics.push(invalid(arguments.rest_span(), "SHELL takes a JSON array"));
            }
            Err(JsonError::Invalid { offset, reason }) => {
                diagnostics.push(invalid(arguments.span_at(offset), reason));
            }
            Err(JsonError::NotAString { offset }) => diagnostics.push(not_a_string(arguments, offset)),
        }
        None
    }

    /// Sets the shell.
    pub fn lower(&self, stage: &mut Stage, cx: &mut Cx<'_>) {
        stage.image.shell = Some(self.words.clone());
        cx.record(stage, format!("SHELL {}", golang::list(&self.words)), false);
    }
}
