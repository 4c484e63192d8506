//! `ARG`: variables that the person who builds may set. Knows nothing of which ones the request sets.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::expand::Variables;
use crate::instructions::Command;
use crate::instructions::pairs;
use crate::lint;
use crate::lower::stage::{Cx, Stage};
use crate::parse::Arguments;
use crate::span::Span;
use crate::syntax::flags::Flags;
use crate::syntax::words::{self, Word};

/// One argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Its name.
    pub key: Word,
    /// Its default.
    pub value: Option<Word>,
}

/// `ARG`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arg {
    /// The arguments in order.
    pub definitions: Vec<Definition>,
}

/// Arguments that steer the build and never reach a command's environment.
const NOT_IN_ENV: [&str; 2] = ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];

impl Arg {
    /// Reads the arguments.
    pub fn parse(arguments: &Arguments<'_>, diagnostics: &mut Diagnostics) -> Option<Self> {
        Flags::check("ARG", &arguments.flags, &[], &[], diagnostics);
        let list = words::split_quoted(arguments.line, arguments.rest.clone(), arguments.escape);
        if list.is_empty() {
            arguments.missing("a name", "write ARG name or ARG name=default", diagnostics);
            return None;
        }
        let errors = diagnostics.error_count();
        let mut definitions = Vec::new();
        for word in list {
            match pairs::split_at_equals(&word) {
                Some(pair) if pair.key.text.is_empty() => diagnostics.push(
                    Diagnostic::error("BlankName", word.span, "a name of ARG is empty")
                        .help("write the name before the `=`"),
                ),
                Some(pair) => definitions.push(Definition {
                    key: pair.key,
                    value: Some(pair.value),
                }),
                None => definitions.push(Definition {
                    key: word,
                    value: None,
                }),
            }
        }
        (errors == diagnostics.error_count()).then_some(Self { definitions })
    }

    /// Declares the arguments in a stage. What the request says wins, then the default, then the argument of the same
    /// name from before the first `FROM`.
    pub fn lower(&self, command: &Command, stage: &mut Stage, cx: &mut Cx<'_>) {
        let mut created_by = "ARG".to_owned();
        for definition in &self.definitions {
            let key = definition.key.text.as_str();
            check_secret("ARG", key, definition.key.span, cx);
            let given = cx.options.build_args.get(key).cloned();
            let value = match (given, &definition.value) {
                (Some(value), _) => Some(value),
                (None, Some(default)) => Some(cx.expand(stage, default)),
                (None, None) => cx.globals.get(key).map(str::to_owned),
            };
            if let Some(value) = &value
                && !NOT_IN_ENV.contains(&key)
            {
                stage.env.set_last(key, value);
            }
            cx.outline.argument(command, definition, value.as_deref());
            created_by.push(' ');
            created_by.push_str(key);
            if let Some(value) = &value {
                created_by.push('=');
                created_by.push_str(value);
            }
            stage.arguments.declare(key, value);
        }
        cx.record(stage, created_by, false);
    }
}

/// Reports a name that looks as if its value should be secret: it stays in the image's history.
pub fn check_secret(instruction: &str, key: &str, span: Span, cx: &mut Cx<'_>) {
    if lapstrake_sdk::is_secret_name(key) {
        cx.diagnostics.push(
            lint::finding(
                lint::SECRETS_USED_IN_ARG_OR_ENV,
                span,
                format!("{instruction} {key} looks like a secret, and stays readable in the image"),
            )
            .help("use RUN --mount=type=secret"),
        );
    }
}
