//! From instructions to stages: what stands before the first `FROM`, and what belongs to each.
//! Knows nothing of platforms or of the values of variables.

use std::rc::Rc;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::instructions::arg::Arg;
use crate::instructions::from::From;
use crate::instructions::{Command, Instruction};
use crate::lint::{self, Config, Local};
use crate::parse::Parsed;
use crate::span::Span;

/// A stage as written.
#[derive(Debug, Clone)]
pub struct StageDefinition {
    /// Its `FROM`.
    pub command: Rc<Command>,
    /// What `FROM` says.
    pub from: From,
    /// The instructions after it.
    pub commands: Vec<Rc<Command>>,
    /// The comment that describes it.
    pub description: String,
}

impl StageDefinition {
    /// Returns its name in lower case; empty: it has none.
    pub fn name(&self) -> String {
        self.from
            .name
            .as_ref()
            .map(|name| name.text.to_lowercase())
            .unwrap_or_default()
    }
}

/// A file, taken apart.
#[derive(Debug, Clone)]
pub struct Dockerfile {
    /// The escape character.
    pub escape: char,
    /// The arguments before the first `FROM`.
    pub globals: Vec<(Rc<Command>, Arg)>,
    /// The stages in order.
    pub stages: Vec<StageDefinition>,
    /// Which checks are wanted.
    pub checks: Config,
    /// Which checks single instructions do not want.
    pub local_checks: Vec<Local>,
}

/// Sorts the instructions into stages, and checks what can be seen without any value.
pub fn build(parsed: Parsed, end: usize, diagnostics: &mut Diagnostics) -> Dockerfile {
    let checks = match &parsed.directives.check {
        Some(word) => Config::parse(&word.text).unwrap_or_else(|(message, help)| {
            diagnostics.push(Diagnostic::error("InvalidCheckOption", word.span, message).help(help));
            Config::default()
        }),
        None => Config::default(),
    };
    if let Some(word) = &parsed.directives.check {
        checks.note_unknown(word.span, diagnostics);
    }
    let mut file = Dockerfile {
        escape: parsed.directives.escape,
        globals: Vec::new(),
        stages: Vec::new(),
        checks,
        local_checks: Vec::new(),
    };
    if !parsed.has_instructions {
        diagnostics.push(
            Diagnostic::error("EmptyFile", Span::new(end, end), "the file has no instructions")
                .help("begin with FROM image"),
        );
        return file;
    }
    let mut without_stage = false;
    let misread = diagnostics
        .items()
        .iter()
        .any(|item| item.code == "UnknownInstruction");
    for command in parsed.commands {
        local_checks(&command, &mut file.local_checks);
        let command = Rc::new(command);
        match (&command.instruction, file.stages.last_mut()) {
            (Instruction::From(from), _) => file.stages.push(StageDefinition {
                from: from.clone(),
                commands: Vec::new(),
                description: from
                    .name
                    .as_ref()
                    .map(|name| description(&command, &name.text))
                    .unwrap_or_default(),
                command,
            }),
            (_, Some(stage)) => stage.commands.push(command),
            (Instruction::Arg(arg), None) => file.globals.push((command.clone(), arg.clone())),
            // What was meant for a FROM may stand before it.
            (_, None) if !without_stage && !misread => {
                without_stage = true;
                diagnostics.push(
                    Diagnostic::error(
                        "MissingFrom",
                        command.keyword.span,
                        format!("{} stands before the first FROM", command.name),
                    )
                    .help("begin with FROM image; only ARG may stand before it"),
                );
            }
            _ => {}
        }
    }
    if file.stages.is_empty() && !without_stage && !diagnostics.has_errors() {
        diagnostics.push(
            Diagnostic::error("MissingFrom", Span::new(end, end), "the file has no stage")
                .help("add FROM image"),
        );
    }
    check_names(&file, diagnostics);
    check_casing(&file, diagnostics);
    check_descriptions(&file, diagnostics);
    file
}

fn local_checks(command: &Command, local: &mut Vec<Local>) {
    for comment in &command.comments {
        if let Some(options) = comment.text.strip_prefix("check=") {
            local.extend(Config::parse(options).map(|config| Local {
                span: command.span,
                config,
            }));
        }
    }
}

/// Returns what the comments above an instruction say of a name: `# name what it is`.
pub fn description(command: &Command, name: &str) -> String {
    let said = |text: &str| {
        text.strip_prefix(name)
            .and_then(|rest| rest.strip_prefix(' '))
            .map(str::to_owned)
    };
    command
        .comments
        .iter()
        .find_map(|comment| said(&comment.text))
        .unwrap_or_default()
}

fn check_names(file: &Dockerfile, diagnostics: &mut Diagnostics) {
    let mut seen: std::collections::HashMap<String, Span> = std::collections::HashMap::new();
    for stage in &file.stages {
        let Some(word) = &stage.from.name else { continue };
        let name = stage.name();
        if matches!(name.as_str(), "context" | "scratch") {
            lint::report(diagnostics, lint::RESERVED_STAGE_NAME, word.span, || {
                format!("the stage name `{name}` is reserved")
            });
        }
        if let Some(first) = seen.insert(name, word.span) {
            let message = format!(
                "the stage name `{}` is given twice; the later stage hides the other",
                word.text
            );
            diagnostics.push(
                lint::finding(lint::DUPLICATE_STAGE_NAME, word.span, message)
                    .related(first, "first given here"),
            );
        }
    }
}

fn check_casing(file: &Dockerfile, diagnostics: &mut Diagnostics) {
    let keywords = || {
        file.stages
            .iter()
            .flat_map(|stage| std::iter::once(&stage.command).chain(&stage.commands))
            .map(|c| &c.keyword)
    };
    let (mut lower, mut upper) = (0, 0);
    for keyword in keywords() {
        match keyword.text.as_str() {
            text if text == text.to_ascii_lowercase() => lower += 1,
            text if text == text.to_ascii_uppercase() => upper += 1,
            _ => {}
        }
    }
    for keyword in keywords() {
        let (wanted, case) = match lower > upper {
            true => (keyword.text.to_ascii_lowercase(), "lower"),
            false => (keyword.text.to_ascii_uppercase(), "upper"),
        };
        if keyword.text != wanted {
            lint::report(
                diagnostics,
                lint::CONSISTENT_INSTRUCTION_CASING,
                keyword.span,
                || {
                    format!(
                        "`{}` is not in {case} case as most instructions are",
                        keyword.text
                    )
                },
            );
        }
    }
}

/// A comment right above a stage or argument is its description, and begins with its name.
fn check_descriptions(file: &Dockerfile, diagnostics: &mut Diagnostics) {
    let mut check = |command: &Command, names: &[String]| {
        let Some(last) = command.comments.last() else {
            return;
        };
        let first = last.text.split(' ').next().unwrap_or_default();
        if !first.starts_with("check=") && !names.iter().any(|name| name == first) {
            lint::report(
                diagnostics,
                lint::INVALID_DEFINITION_DESCRIPTION,
                last.span,
                || {
                    format!(
                        "this comment describes {}, and should begin with that name",
                        names.join(" or ")
                    )
                },
            );
        }
    };
    for (command, arg) in &file.globals {
        check(
            command,
            &arg.definitions
                .iter()
                .map(|d| d.key.text.clone())
                .collect::<Vec<_>>(),
        );
    }
    for stage in &file.stages {
        if let Some(name) = &stage.from.name {
            check(&stage.command, std::slice::from_ref(&name.text));
        }
        for command in &stage.commands {
            if let Instruction::Arg(arg) = &command.instruction {
                check(
                    command,
                    &arg.definitions
                        .iter()
                        .map(|d| d.key.text.clone())
                        .collect::<Vec<_>>(),
                );
            }
        }
    }
}
