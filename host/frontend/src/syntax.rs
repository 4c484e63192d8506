//! Finds the syntax line, by which a build file in any language names its frontend. The rules are BuildKit's
//! (frontend/dockerfile/parser, `DetectSyntax`). Knows nothing of what a reference means.

use std::borrow::Cow;

use lapstrake_llb::{Position, SourceRange};

/// What a build file says of its frontend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxLine {
    /// The reference: the value up to its first space.
    pub reference: String,
    /// What stands behind it, for the frontend.
    pub arguments: String,
    /// Where the reference is, in file 0.
    pub range: SourceRange,
    /// The frontends after it in a chain, `a | b`; these have no others.
    pub then: Vec<SyntaxLine>,
}

/// What a person says instead of a syntax line: the same, but the path of a component may hold spaces.
pub fn said(text: &str) -> SyntaxLine {
    let start = Position { line: 1, column: 1 };
    links(text, start, |link| {
        if link.ends_with(".wasm") {
            (link, "")
        } else {
            split_link(link)
        }
    })
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Finds the syntax line of a text: `# syntax=` or `// syntax=` among the directives at its top, or the `syntax` key
/// of a JSON object. A byte order mark and a `#!` line may stand before it.
///
/// None, too, where directives are repeated: the default frontend complains of it better.
pub fn detect(text: &[u8]) -> Option<SyntaxLine> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let (text, line) = skip_interpreter(text);
    directive(text, "#", line)
        .or_else(|| directive(text, "//", line))
        .or_else(|| json(text, line))
        .filter(|found| !found.reference.is_empty())
}

/// What follows a `#!` line, and the number of its first line.
fn skip_interpreter(text: &[u8]) -> (&[u8], u32) {
    if !text.starts_with(b"#!") {
        return (text, 1);
    }
    match text.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&text[end + 1..], 2),
        None => (&[], 2),
    }
}

/// Looks through the directives; the first line that is none ends them.
fn directive(text: &[u8], comment: &str, first_line: u32) -> Option<SyntaxLine> {
    let mut seen: Vec<String> = Vec::new();
    let mut found = None;
    for (line, number) in text.split(|byte| *byte == b'\n').zip(first_line..) {
        let Some((key, value)) = std::str::from_utf8(line)
            .ok()
            .and_then(|line| split(line, comment))
        else {
            break;
        };
        let key = key.to_ascii_lowercase();
        if seen.contains(&key) {
            return None;
        }
        if key == "syntax" {
            let start = Position {
                line: number,
                column: (offset(line, value.as_bytes()) + 1) as u32,
            };
            found = Some(syntax_line(value, start));
        }
        seen.push(key);
    }
    found
}

/// `<comment> key = value`; nothing stands before the comment's sign.
fn split<'a>(line: &'a str, comment: &str) -> Option<(&'a str, &'a str)> {
    let (key, value) = line.strip_prefix(comment)?.split_once('=')?;
    let (key, value) = (key.trim_ascii(), value.trim_ascii());
    let mut letters = key.bytes();
    let is_key =
        letters.next()?.is_ascii_alphabetic() && letters.all(|letter| letter.is_ascii_alphanumeric());
    (is_key && !value.is_empty()).then_some((key, value))
}

/// The `syntax` key of a text that is one JSON object.
fn json(text: &[u8], first_line: u32) -> Option<SyntaxLine> {
    #[derive(serde::Deserialize)]
    struct Object<'a> {
        #[serde(borrow)]
        syntax: Cow<'a, str>,
    }

    if text.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let object: Object<'_> = serde_json::from_str(text).ok()?;
    let start = match object.syntax {
        // A value without escapes is a part of the text.
        Cow::Borrowed(value) => {
            let before = &text[..offset(text.as_bytes(), value.trim_ascii_start().as_bytes())];
            let column = before.rsplit('\n').next().map_or(0, str::len) + 1;
            let line = first_line + before.matches('\n').count() as u32;
            Position {
                line,
                column: column as u32,
            }
        }
        Cow::Owned(_) => Position {
            line: first_line,
            column: 1,
        },
    };
    Some(syntax_line(object.syntax.trim_ascii(), start))
}

fn syntax_line(value: &str, start: Position) -> SyntaxLine {
    links(value, start, split_link)
}

fn split_link(link: &str) -> (&str, &str) {
    link.split_once(' ').unwrap_or((link, ""))
}

/// The frontends of a chain.
fn links(value: &str, start: Position, split: impl Fn(&str) -> (&str, &str)) -> SyntaxLine {
    let link = |part: &str| {
        let text = part.trim_ascii();
        let (reference, arguments) = split(text);
        let column = start.column + offset(value.as_bytes(), text.as_bytes()) as u32;
        let stop = column + reference.len() as u32;
        SyntaxLine {
            reference: reference.to_owned(),
            arguments: arguments.trim_ascii().to_owned(),
            range: SourceRange {
                file: 0,
                start: Position { column, ..start },
                stop: Position {
                    column: stop,
                    ..start
                },
            },
            then: Vec::new(),
        }
    };
    let mut parts = value.split('|').map(link);
    // A split has always a first part.
    let mut first = parts.next().unwrap_or_else(|| link(value));
    first.then = parts.collect();
    first
}

/// Where `part`, a slice of `whole`, starts in it.
fn offset(whole: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr() - whole.as_ptr().addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn found(text: &str) -> (String, String, u32, u32, u32) {
        let found = detect(text.as_bytes()).unwrap();
        let range = found.range;
        (
            found.reference,
            found.arguments,
            range.start.line,
            range.start.column,
            range.stop.column,
        )
    }

    fn expected(
        reference: &str,
        arguments: &str,
        line: u32,
        start: u32,
        stop: u32,
    ) -> (String, String, u32, u32, u32) {
        (reference.to_owned(), arguments.to_owned(), line, start, stop)
    }

    #[test]
    fn finds_it_in_comments() {
        assert_eq!(found("# syntax=a/b:1\nFROM x"), expected("a/b:1", "", 1, 10, 15));
        assert_eq!(
            found("#syntax = a/b:1  x=1 y \r\n"),
            expected("a/b:1", "x=1 y", 1, 11, 16)
        );
        assert_eq!(found("#\t SynTax=a"), expected("a", "", 1, 11, 12));
        assert_eq!(found("// syntax=a\nx"), expected("a", "", 1, 11, 12));
        assert_eq!(
            found("# escape=`\n# check=skip=all\n# syntax=a"),
            expected("a", "", 3, 10, 11)
        );
    }

    #[test]
    fn finds_chains() {
        let first = detect(b"# syntax=a/inc:1 x=1 |  docker/dockerfile:1| m\nFROM x").unwrap();
        let all: Vec<_> = std::iter::once(&first)
            .chain(&first.then)
            .map(|link| {
                let range = (link.range.start.column, link.range.stop.column);
                (link.reference.as_str(), link.arguments.as_str(), range)
            })
            .collect();
        let expected = [
            ("a/inc:1", "x=1", (10, 17)),
            ("docker/dockerfile:1", "", (25, 44)),
            ("m", "", (46, 47)),
        ];
        assert_eq!(all, expected);
        let said = said("./my own.wasm | b c");
        assert_eq!(said.reference, "./my own.wasm");
        assert_eq!(
            (said.then[0].reference.as_str(), said.then[0].arguments.as_str()),
            ("b", "c")
        );
    }

    #[test]
    fn skips_byte_order_mark_and_interpreter() {
        assert_eq!(found("\u{feff}# syntax=a"), expected("a", "", 1, 10, 11));
        assert_eq!(found("#!/usr/bin/x\n# syntax=a"), expected("a", "", 2, 10, 11));
        assert_eq!(
            found("\u{feff}#!/usr/bin/x\n// syntax=a"),
            expected("a", "", 2, 11, 12)
        );
        assert_eq!(
            found("#!/usr/bin/x\n{\n \"syntax\": \"a b\"}"),
            expected("a", "b", 3, 13, 14)
        );
    }

    #[test]
    fn finds_it_in_json() {
        assert_eq!(
            found("{\"x\": [1],\n\t\"syntax\": \"a/b c\", \"syntaxes\": null}"),
            expected("a/b", "c", 2, 13, 16)
        );
        assert_eq!(found("{\"syntax\": \"  a b\"}"), expected("a", "b", 1, 15, 16));
        assert_eq!(found("{\"syntax\": \"a\\u002fb\"}").0, "a/b");
    }

    #[test]
    fn stops_where_the_directives_end() {
        for text in [
            "",
            "FROM x\n# syntax=a",
            "\n# syntax=a",
            "# a comment\n# syntax=a",
            " # syntax=a",
            "# syntax=",
            "# syntax= \n",
            "# syntax=a\n# syntax=b\n",
            "# syntax=a\n# escape=`\n# Escape=`",
            "# syn tax=a",
            "# 1syntax=a",
            "// escape=`\n# syntax=a",
            "{\"syntax\": 1}",
            "{\"syntax\": \"\"}",
            "{\"syntax\": \"a\"",
            "{\"syntax\": \"a\", \"syntax\": \"b\"}",
            "[\"syntax\"]",
            "#!/usr/bin/x",
        ] {
            assert_eq!(detect(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(detect(b"# syntax=\xff\n"), None);
    }

    proptest::proptest! {
        /// Any text is taken, and what is found is where it says.
        #[test]
        fn finds_what_is_there(
            start in "(\u{feff})?(#!x\n)?",
            lines in "((# ?(syntax|escape|[a-c])|// ?(syntax|[a-c])|\\{\n? ?\"syntax\") ?(=|= ?|:) ?\"?[a-z/:\\\\\u{e9}]{0,6}( [a-z]{0,3})?\"?\\}?\r?\n){1,3}",
        ) {
            let text = start + &lines;
            if let Some(found) = detect(text.as_bytes()) {
                let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
                let range = found.range;
                let line = text.split('\n').nth(range.start.line as usize - 1).unwrap();
                let part = &line[range.start.column as usize - 1..range.stop.column as usize - 1];
                proptest::prop_assert!(part == found.reference || line.contains('\\'), "{text:?}: {found:?}");
            }
        }
    }
}
