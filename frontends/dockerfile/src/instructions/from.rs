//! `FROM`: begins a stage. Knows nothing of what its words expand to; `lower/plan.rs` finds out.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::lint;
use crate::parse::Arguments;
use crate::span::Span;
use crate::syntax::flags::{Flags, Kind};
use crate::syntax::words::{self, Word};

/// `FROM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    /// Image, stage or `scratch`, before expansion.
    pub base: Word,
    /// `AS name`, as written.
    pub name: Option<Word>,
    /// `--platform`, before expansion.
    pub platform: Option<Word>,
}

impl From {
    /// Reads the arguments. What cannot be read is reported and left empty: the stage begins all the same.
    pub fn parse(arguments: &Arguments<'_>, diagnostics: &mut Diagnostics) -> Self {
        let flags = Flags::check(
            "FROM",
            &arguments.flags,
            &[("platform", Kind::Text)],
            &[],
            diagnostics,
        );
        let list = words::split(arguments.line, arguments.rest.clone());
        let is_as = |word: &Word| word.text.eq_ignore_ascii_case("as");
        let mut from = Self {
            base: Word::default(),
            name: None,
            platform: flags.text("platform"),
        };
        match list.as_slice() {
            [] => arguments.missing(
                "an image",
                "write FROM image, FROM scratch or FROM stage",
                diagnostics,
            ),
            [base] => from.base = base.clone(),
            [base, keyword, name] if is_as(keyword) => {
                from.base = base.clone();
                from.name = stage_name(&arguments.keyword, keyword, name, diagnostics);
            }
            [base, keyword] if is_as(keyword) => {
                from.base = base.clone();
                diagnostics.push(
                    Diagnostic::error("MissingArgument", keyword.span, "AS needs a name")
                        .help("write FROM image AS name"),
                );
            }
            [base, rest @ ..] => {
                from.base = base.clone();
                let unexpected = if rest.len() >= 2 && is_as(&rest[0]) {
                    &rest[2..]
                } else {
                    rest
                };
                let span = unexpected
                    .iter()
                    .map(|word| word.span)
                    .reduce(Span::to)
                    .unwrap_or(base.span);
                diagnostics.push(
                    Diagnostic::error(
                        "TooManyArguments",
                        span,
                        "FROM takes an image, or an image, AS and a name",
                    )
                    .help("write FROM image AS name"),
                );
            }
        }
        from
    }
}

fn stage_name(keyword: &Word, as_word: &Word, name: &Word, diagnostics: &mut Diagnostics) -> Option<Word> {
    let lower = name.text.to_lowercase();
    if !is_stage_name(&lower) {
        diagnostics.push(
            Diagnostic::error(
                "InvalidStageName",
                name.span,
                format!("`{}` cannot be a stage's name", name.text),
            )
            .help("a name begins with a letter, and has letters, digits, `-`, `_` and `.` after it"),
        );
        return None;
    }
    if lower != name.text {
        lint::report(diagnostics, lint::STAGE_NAME_CASING, name.span, || {
            format!("the stage name `{}` should be in lower case", name.text)
        });
    }
    let matches = match keyword.text.as_str() {
        text if text == text.to_lowercase() => as_word.text == as_word.text.to_lowercase(),
        text if text == text.to_uppercase() => as_word.text == as_word.text.to_uppercase(),
        _ => true,
    };
    if !matches {
        lint::report(diagnostics, lint::FROM_AS_CASING, as_word.span, || {
            format!(
                "`{}` and `{}` are in different letter case",
                keyword.text, as_word.text
            )
        });
    }
    Some(name.clone())
}

fn is_stage_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'))
}
