//! Parser directives: the `# key=value` lines at the top of the file.
//! Knows nothing of what `syntax` names; the host has followed it before the frontend is called.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::span::Span;
use crate::suggest;
use crate::syntax::words::Word;

/// What the top of the file says.
#[derive(Debug, Clone)]
pub struct Directives {
    /// `# syntax=`.
    pub syntax: Option<Word>,
    /// `# escape=`; the character itself.
    pub escape: char,
    /// `# check=`.
    pub check: Option<Word>,
    /// First byte of the text, after a byte-order mark.
    pub start: usize,
    /// First byte after the directives.
    pub body: usize,
}

const KEYS: [&str; 3] = ["syntax", "escape", "check"];

/// Reads the directives; they end at the first line that is none.
pub fn parse(text: &str, diagnostics: &mut Diagnostics) -> Directives {
    let start = if text.starts_with('\u{feff}') {
        '\u{feff}'.len_utf8()
    } else {
        0
    };
    let mut directives = Directives {
        syntax: None,
        escape: '\\',
        check: None,
        start,
        body: start,
    };
    let mut seen: Vec<(&'static str, Span)> = Vec::new();
    let mut position = start;
    for (number, line) in text[start..].split_inclusive('\n').enumerate() {
        let offset = position;
        position += line.len();
        let content = line.trim_end();
        if number == 0 && content.starts_with("#!") {
            directives.body = position;
            continue;
        }
        let Some((key, value)) = key_and_value(content, offset) else {
            break;
        };
        let Some(name) = KEYS.into_iter().find(|k| k.eq_ignore_ascii_case(&key.text)) else {
            note_misspelling(&key, diagnostics);
            break;
        };
        directives.body = position;
        let span = key.span.to(value.span);
        if let Some((_, first)) = seen.iter().find(|(k, _)| *k == name) {
            diagnostics.push(
                Diagnostic::error(
                    "DuplicateDirective",
                    span,
                    format!("the {name} directive is given twice"),
                )
                .help("remove one of them")
                .related(*first, "first given here"),
            );
            continue;
        }
        seen.push((name, span));
        match name {
            "escape" => match value.text.as_str() {
                "\\" => directives.escape = '\\',
                "`" => directives.escape = '`',
                other => diagnostics.push(
                    Diagnostic::error(
                        "InvalidEscape",
                        value.span,
                        format!("`{other}` cannot be the escape character"),
                    )
                    .help("the escape character is \\ or `"),
                ),
            },
            "syntax" => directives.syntax = Some(value),
            _ => directives.check = Some(value),
        }
    }
    directives
}

/// Splits `# key = value`.
fn key_and_value(line: &str, offset: usize) -> Option<(Word, Word)> {
    let comment = line.trim_start().strip_prefix('#')?.trim_start();
    let (key, value) = comment.split_once('=')?;
    let start = offset + (line.len() - comment.len());
    let name = key.trim_end();
    let well_formed = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric());
    let text = value.trim();
    if !well_formed || text.is_empty() {
        return None;
    }
    let value_start = start + key.len() + 1 + (value.len() - value.trim_start().len());
    Some((Word::at(name, start), Word::at(text, value_start)))
}

/// A comment that looks like a misspelt directive changes nothing: say so, as nothing else will.
fn note_misspelling(key: &Word, diagnostics: &mut Diagnostics) {
    if let Some(help) = suggest::did_you_mean(&key.text.to_ascii_lowercase(), KEYS) {
        diagnostics.push(
            Diagnostic::info(
                "UnknownDirective",
                key.span,
                format!("`{}` is no directive, so this is a comment", key.text),
            )
            .help(help),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Directives, Vec<&'static str>) {
        let mut diagnostics = Diagnostics::default();
        let directives = parse(text, &mut diagnostics);
        (directives, diagnostics.items().iter().map(|d| d.code).collect())
    }

    #[test]
    fn reads_all_three() {
        let (d, codes) = read("# syntax=docker/dockerfile:1\n#ESCAPE = `\n# check=skip=all\nFROM x\n");
        assert_eq!(d.syntax.unwrap().text, "docker/dockerfile:1");
        assert_eq!(d.escape, '`');
        assert_eq!(d.check.unwrap().text, "skip=all");
        assert!(codes.is_empty());
        assert_eq!(
            d.body,
            "# syntax=docker/dockerfile:1\n#ESCAPE = `\n# check=skip=all\n".len()
        );
    }

    #[test]
    fn stops_at_the_first_other_line() {
        let (d, codes) = read("# hello\n# escape=`\n");
        assert_eq!(d.escape, '\\');
        assert!(codes.is_empty());
        assert_eq!(read("\n# escape=`\n").0.escape, '\\');
    }

    #[test]
    fn byte_order_mark_and_shebang() {
        let text = "\u{feff}#!/usr/bin/env build\n# escape=`\nFROM x";
        let (d, _) = read(text);
        assert_eq!(d.escape, '`');
        assert_eq!(d.start, 3);
        assert_eq!(&text[d.body..], "FROM x");
    }

    #[test]
    fn errors() {
        assert_eq!(read("# escape=`\n# Escape=\\\n").1, ["DuplicateDirective"]);
        assert_eq!(read("# escape=x\n").1, ["InvalidEscape"]);
        assert_eq!(read("# escap=`\n").1, ["UnknownDirective"]);
    }

    #[test]
    fn places() {
        let text = "  #  syntax =  a b \nFROM x";
        let word = read(text).0.syntax.unwrap();
        assert_eq!(&text[word.span.start..word.span.end], "a b");
    }
}
