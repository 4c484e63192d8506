//! `key=value` pairs, as `ENV` and `LABEL` have them, and the old `key value` form.
//! Knows nothing of what the pairs are for.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::instructions::Command;
use crate::lint;
use crate::lower::stage::{Cx, Stage};
use crate::parse::Arguments;
use crate::syntax::flags::Flags;
use crate::syntax::words::{self, Word};

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Before the `=`.
    pub key: Word,
    /// After it.
    pub value: Word,
}

/// All pairs of an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairs {
    /// In order.
    pub pairs: Vec<Pair>,
    /// Whether it is the old form.
    pub legacy: bool,
}

impl Pairs {
    /// Reads pairs. The first word decides: without `=` in it, it is the old form.
    pub fn parse(arguments: &Arguments<'_>, diagnostics: &mut Diagnostics) -> Option<Self> {
        let name = arguments.name;
        Flags::check(name, &arguments.flags, &[], &[], diagnostics);
        let list = words::split_quoted(arguments.line, arguments.rest.clone(), arguments.escape);
        let Some(first) = list.first() else {
            arguments.missing(
                "a key and a value",
                &format!("write {name} key=value"),
                diagnostics,
            );
            return None;
        };
        if !first.text.contains('=') {
            return Self::legacy(arguments, diagnostics);
        }
        let errors = diagnostics.error_count();
        let mut pairs = Vec::new();
        for word in &list {
            match split_at_equals(word) {
                Some(pair) if pair.key.text.is_empty() => diagnostics.push(
                    Diagnostic::error("BlankName", word.span, format!("a name of {name} is empty"))
                        .help("write the name before the `=`"),
                ),
                Some(pair) => pairs.push(pair),
                None => diagnostics.push(
                    Diagnostic::error("MissingEquals", word.span, format!("`{}` has no `=`", word.text))
                        .help("write key=value, and put a value with spaces into quotes"),
                ),
            }
        }
        (errors == diagnostics.error_count()).then_some(Self { pairs, legacy: false })
    }

    fn legacy(arguments: &Arguments<'_>, diagnostics: &mut Diagnostics) -> Option<Self> {
        let text = arguments.text();
        let start = arguments.rest.start;
        let key_length = text.find(words::is_separator).unwrap_or(text.len());
        let key = Word::of(arguments.line, start..start + key_length);
        let value = &text[key_length..];
        if value.is_empty() {
            diagnostics.push(
                Diagnostic::error(
                    "MissingArgument",
                    key.span,
                    format!("{} needs a value", arguments.name),
                )
                .help(format!("write {} {}=value", arguments.name, key.text)),
            );
            return None;
        }
        let skip = value.len() - value.trim_start_matches(words::is_separator).len();
        let value = Word::of(arguments.line, start + key_length + skip..arguments.rest.end);
        Some(Self {
            pairs: vec![Pair { key, value }],
            legacy: true,
        })
    }

    /// Expands all pairs against the environment before the instruction.
    pub fn expand(&self, command: &Command, stage: &Stage, cx: &mut Cx<'_>) -> Vec<(String, String)> {
        if self.legacy {
            let name = command.name;
            cx.lint(lint::LEGACY_KEY_VALUE_FORMAT, command.span, || {
                format!("`{name} key value` is an old form; write `{name} key=value`")
            });
        }
        self.pairs
            .iter()
            .map(|pair| (cx.expand(stage, &pair.key), cx.expand(stage, &pair.value)))
            .collect()
    }
}

/// Returns pairs as they stand in the history.
pub fn in_history(name: &str, pairs: &[(String, String)]) -> String {
    pairs.iter().fold(name.to_owned(), |text, (key, value)| {
        format!("{text} {key}={value}")
    })
}

/// Splits a word at its first `=`.
pub fn split_at_equals(word: &Word) -> Option<Pair> {
    let (key, value) = word.text.split_once('=')?;
    // Where a continuation is inside the word, its parts have no place of their own.
    if word.span.len() != word.text.len() {
        let part = |text: &str| Word {
            text: text.to_owned(),
            span: word.span,
        };
        return Some(Pair {
            key: part(key),
            value: part(value),
        });
    }
    let start = word.span.start;
    Some(Pair {
        key: Word::at(key, start),
        value: Word::at(value, start + key.len() + 1),
    })
}
