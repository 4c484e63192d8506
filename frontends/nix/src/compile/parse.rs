//! From text to syntax, with the parser's errors in words. Knows nothing of what the syntax means.

use rnix::{ParseError, Root, SyntaxKind, TextRange};

use super::nesting;
use crate::error::{Error, ErrorKind};
use crate::span::Span;

/// Parses a text. Every error has its place.
pub fn parse(text: &str, file: u32) -> Result<Root, Vec<Error>> {
    if u32::try_from(text.len()).is_err() {
        return Err(vec![Error::new(ErrorKind::Syntax, "the file is too large")]);
    }
    if let Some(error) = nesting::check(rnix::tokenize(text), file) {
        return Err(vec![error]);
    }
    let parsed = Root::parse(text);
    let mut errors: Vec<Error> = parsed
        .errors()
        .iter()
        .map(|error| explain(error, text, file))
        .collect();
    if errors.is_empty() {
        errors = bad_tokens(&parsed.syntax(), file);
    }
    if errors.is_empty() {
        return Ok(parsed.tree());
    }
    errors.dedup_by(|a, b| a.details().span == b.details().span);
    Err(errors)
}

/// Whether a text nests deeper than the parser can go; then it MUST not be given one.
pub fn nests_too_deep(text: &str) -> bool {
    nesting::check(rnix::tokenize(text), 0).is_some()
}

/// What the tokenizer could not read but the parser took.
fn bad_tokens(root: &rnix::SyntaxNode, file: u32) -> Vec<Error> {
    let tokens = root
        .descendants_with_tokens()
        .filter_map(|element| element.into_token());
    let bad = tokens.filter(|token| token.kind() == SyntaxKind::TOKEN_ERROR);
    bad.map(|token| {
        let span = Span::new(file, token.text_range());
        unexpected(&format!("'{}'", token.text())).at(Some(span))
    })
    .collect()
}

fn unexpected(what: &str) -> Error {
    Error::new(ErrorKind::Syntax, format!("syntax error: unexpected {what}"))
}

fn explain(error: &ParseError, text: &str, file: u32) -> Error {
    let end = TextRange::empty((text.trim_end().len() as u32).into());
    let (error, range) = match error {
        ParseError::Unexpected(range) | ParseError::UnexpectedExtra(range) => {
            (unexpected(&source(text, *range)), *range)
        }
        ParseError::UnexpectedWanted(_, range, wanted) => {
            (unexpected(&source(text, *range)).help(expected(wanted)), *range)
        }
        ParseError::UnexpectedDoubleBind(range) => {
            let message = "syntax error: the pattern is bound to a name on both sides";
            (Error::new(ErrorKind::Syntax, message), *range)
        }
        ParseError::UnexpectedEOF => (unexpected("end of file"), end),
        ParseError::UnexpectedEOFWanted(wanted) => (unexpected("end of file").help(expected(wanted)), end),
        ParseError::DuplicatedArgs(range, name) => {
            let message = format!("duplicate formal function argument '{name}'");
            (Error::new(ErrorKind::Syntax, message), *range)
        }
        _ => (
            Error::new(ErrorKind::Syntax, "the expression nests too deeply to be read"),
            end,
        ),
    };
    error.at(Some(Span::new(file, range)))
}

/// The text of a range as it is shown: its first word.
fn source(text: &str, range: TextRange) -> String {
    const LIMIT: usize = 30;
    let (start, end) = (usize::from(range.start()), usize::from(range.end()));
    let text = text.get(start..end).unwrap_or_default().trim();
    let word = text.split_whitespace().next().unwrap_or_default();
    if word.is_empty() {
        return "end of file".to_owned();
    }
    format!("'{}'", word.chars().take(LIMIT).collect::<String>())
}

fn expected(wanted: &[SyntaxKind]) -> String {
    let words: Vec<&str> = wanted.iter().map(|kind| describe(*kind)).collect();
    match words.split_last() {
        Some((last, [])) => format!("expected {last}"),
        Some((last, rest)) => format!("expected {} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

fn describe(kind: SyntaxKind) -> &'static str {
    match kind {
        SyntaxKind::TOKEN_SEMICOLON => "';'",
        SyntaxKind::TOKEN_ASSIGN => "'='",
        SyntaxKind::TOKEN_COLON => "':'",
        SyntaxKind::TOKEN_COMMA => "','",
        SyntaxKind::TOKEN_L_BRACE => "'{'",
        SyntaxKind::TOKEN_R_BRACE | SyntaxKind::TOKEN_INTERPOL_END => "'}'",
        SyntaxKind::TOKEN_L_PAREN => "'('",
        SyntaxKind::TOKEN_R_PAREN => "')'",
        SyntaxKind::TOKEN_L_BRACK => "'['",
        SyntaxKind::TOKEN_R_BRACK => "']'",
        SyntaxKind::TOKEN_ELLIPSIS => "'...'",
        SyntaxKind::TOKEN_THEN => "'then'",
        SyntaxKind::TOKEN_ELSE => "'else'",
        SyntaxKind::TOKEN_IN => "'in'",
        SyntaxKind::TOKEN_REC => "'rec'",
        SyntaxKind::TOKEN_OR => "'or'",
        SyntaxKind::TOKEN_IDENT => "a name",
        SyntaxKind::TOKEN_CUR_POS => "'__curPos'",
        SyntaxKind::TOKEN_STRING_START => "a string",
        SyntaxKind::TOKEN_STRING_END => "the end of the string",
        SyntaxKind::TOKEN_STRING_CONTENT => "text",
        SyntaxKind::TOKEN_INTERPOL_START => "'${'",
        _ => "an expression",
    }
}
