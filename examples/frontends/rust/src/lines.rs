//! The text: words, flags, variables and their places. Knows nothing of what instructions do.

use lapstrake_sdk::LineIndex;
use lapstrake_sdk::types::*;

const SPACE: [char; 2] = [' ', '\t'];

/// One instruction.
#[derive(Debug)]
pub struct Line {
    /// The first word.
    pub word: String,
    /// What follows, with variables replaced.
    pub rest: String,
    /// The whole of it as it stands there.
    pub text: String,
    /// Where that is.
    pub range: SourceRange,
    /// Where the first word is.
    pub word_range: SourceRange,
}

impl Line {
    /// The flags before the first word that is none, as names and values, and the rest.
    pub fn flags(&self) -> (Vec<(&str, &str)>, &str) {
        let mut flags = Vec::new();
        let mut rest = self.rest.as_str();
        while let Some(flag) = rest.strip_prefix("--") {
            let (flag, more) = flag.split_once(SPACE).unwrap_or((flag, ""));
            flags.push(flag.split_once('=').unwrap_or((flag, "")));
            rest = more.trim_matches(SPACE);
        }
        (flags, rest)
    }
}

/// Reads all lines; a variable that is not there is an error.
pub fn read(
    source: &SourceFile,
    file: u32,
    index: &LineIndex,
    request: &Request,
) -> (Vec<Line>, Vec<Diagnostic>) {
    let (mut lines, mut errors) = (Vec::new(), Vec::new());
    let mut variables: Vec<(String, String)> = Vec::new();
    let mut offset = 0;
    for raw in source.text.split('\n') {
        let start = offset + raw.len() - raw.trim_start_matches(SPACE).len();
        offset += raw.len() + 1;
        let text = raw.strip_suffix('\r').unwrap_or(raw).trim_matches(SPACE);
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let (word, rest) = text.split_once(SPACE).unwrap_or((text, ""));
        let range = index.range(file, start..start + text.len());
        let mut rest = rest.trim_matches(SPACE).to_owned();
        if word != "run" {
            rest = replace(&rest, &variables, range, &mut errors);
        }
        if word == "arg" {
            let (name, default) = rest.split_once('=').unwrap_or((&rest, ""));
            let value = request.build_arg(name).unwrap_or(default);
            variables.push((name.to_owned(), value.to_owned()));
        }
        lines.push(Line {
            word: word.to_owned(),
            rest,
            text: text.to_owned(),
            range,
            word_range: index.range(file, start..start + word.len()),
        });
    }
    (lines, errors)
}

/// Replaces every `${NAME}`; the last variable of a name counts.
fn replace(
    text: &str,
    variables: &[(String, String)],
    range: SourceRange,
    errors: &mut Vec<Diagnostic>,
) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, end)) = after.split_once('}') else {
            break;
        };
        out.push_str(before);
        match variables.iter().rev().find(|(known, _)| known == name) {
            Some((_, value)) => out.push_str(value),
            None => errors.push(
                Diagnostic::error("UnknownVariable", format!("there is no variable {name}"))
                    .at(range)
                    .help(format!("a line before can say: arg {name}=")),
            ),
        }
        rest = end;
    }
    out + rest
}
