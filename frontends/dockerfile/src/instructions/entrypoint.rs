//! `ENTRYPOINT` and `CMD`: what a container runs.
//! Knows nothing of shells beyond the stage's `SHELL`.

use crate::diagnostic::Diagnostics;
use crate::instructions::Command;
use crate::instructions::command_line::CommandLine;
use crate::lint;
use crate::lower::golang;
use crate::lower::stage::{Cx, Stage};
use crate::parse::Arguments;
use crate::syntax::flags::Flags;

/// Reads the arguments of either.
pub fn parse(arguments: &Arguments<'_>, diagnostics: &mut Diagnostics) -> Option<CommandLine> {
    Flags::check(arguments.name, &arguments.flags, &[], &[], diagnostics);
    CommandLine::parse(arguments, diagnostics)
}

/// Sets the image's command.
pub fn lower_cmd(line: &CommandLine, command: &Command, stage: &mut Stage, cx: &mut Cx<'_>) {
    used_once(command, stage.cmd.replace(command.span), cx);
    let words = words(line, command, stage, cx);
    let created_by = format!("CMD {}", golang::quote_all(&words));
    stage.image.cmd = Some(words);
    stage.image.args_escaped = true;
    cx.record(stage, created_by, false);
}

/// Sets the image's entry point. It drops a command that comes from the base image.
pub fn lower_entrypoint(line: &CommandLine, command: &Command, stage: &mut Stage, cx: &mut Cx<'_>) {
    used_once(command, stage.entrypoint.replace(command.span), cx);
    let words = words(line, command, stage, cx);
    let created_by = format!("ENTRYPOINT {}", golang::quote_all(&words));
    stage.image.entrypoint = (!words.is_empty()).then_some(words);
    if stage.cmd.is_none() {
        stage.image.cmd = None;
    }
    cx.record(stage, created_by, false);
}

fn words(line: &CommandLine, command: &Command, stage: &Stage, cx: &mut Cx<'_>) -> Vec<String> {
    if line.shell && stage.image.shell.as_ref().is_none_or(Vec::is_empty) {
        let help = match line.problem {
            Some(reason) if line.words.iter().any(|text| text.starts_with('[')) => {
                format!("it begins as a JSON array but is none: {reason}")
            }
            _ => format!("write {} [\"program\", \"argument\"]", command.name),
        };
        let message = format!(
            "{} in shell form: signals reach the shell and not the program",
            command.name
        );
        cx.diagnostics
            .push(lint::finding(lint::JSON_ARGS_RECOMMENDED, command.span, message).help(help));
    }
    line.with_shell(&stage.image)
}

/// Reports an instruction that a later one of the same stage makes useless.
pub fn used_once(command: &Command, before: Option<crate::span::Span>, cx: &mut Cx<'_>) {
    if let Some(before) = before {
        cx.lint(lint::MULTIPLE_INSTRUCTIONS_DISALLOWED, before, || {
            format!(
                "this {} has no effect: a later one of the same stage replaces it",
                command.name
            )
        });
    }
}
