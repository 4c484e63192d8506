//! `ONBUILD`: instructions for images that are built on this one. Knows nothing of when they run.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::lower::stage::Stage;
use crate::parse::{self, Arguments};
use crate::syntax::flags::Flags;

/// `ONBUILD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Onbuild {
    /// The instruction, with its heredocs.
    pub trigger: String,
}

impl Onbuild {
    /// Reads the argument, and the instruction in it for what is wrong with it.
    pub fn parse(arguments: &Arguments<'_>, diagnostics: &mut Diagnostics) -> Option<Self> {
        Flags::check("ONBUILD", &arguments.flags, &[], &[], diagnostics);
        if arguments.rest.is_empty() {
            arguments.missing("an instruction", "write ONBUILD RUN command", diagnostics);
            return None;
        }
        let (keyword, instruction) = parse::nested(arguments, diagnostics)?;
        if instruction.is_none() {
            diagnostics.push(
                Diagnostic::error(
                    "InvalidTrigger",
                    keyword.span,
                    format!("{} cannot be a trigger", keyword.text.to_ascii_uppercase()),
                )
                .help("ONBUILD takes any instruction but ONBUILD, FROM and MAINTAINER"),
            );
            return None;
        }
        let mut trigger = arguments.line.text[arguments.rest.start..].to_owned();
        for heredoc in &arguments.heredocs {
            trigger.push('\n');
            trigger.push_str(&heredoc.body);
            trigger.push_str(&heredoc.marker.name);
        }
        Some(Self { trigger })
    }

    /// Stores the trigger in the image.
    pub fn lower(&self, stage: &mut Stage) {
        stage.image.on_build.push(self.trigger.clone());
    }
}
