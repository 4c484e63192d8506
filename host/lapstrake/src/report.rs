//! Writes diagnostics and failed steps for people: message, file and line, the source with a caret, and what to do.
//! Knows nothing of where they come from, and prints nothing itself.

use std::fmt::Write as _;

use lapstrake_llb::{Diagnostic, Severity, SourceFile, SourceRange, credentials};

/// Lines of one range that are shown before it is cut.
const MOST_LINES: u32 = 12;

/// Writes one diagnostic.
pub fn diagnostic(diagnostic: &Diagnostic, sources: &[SourceFile]) -> String {
    let word = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
        Severity::Hint => "hint",
    };
    let mut out = match diagnostic.code.as_str() {
        "" => format!("{word}: {}\n", clean(&diagnostic.message)),
        code => format!("{word}[{}]: {}\n", one_line(code), clean(&diagnostic.message)),
    };
    for range in &diagnostic.ranges {
        excerpt(&mut out, range, sources);
    }
    for related in &diagnostic.related {
        let _ = writeln!(out, "  note: {}", clean(&related.message));
        excerpt(&mut out, &related.range, sources);
    }
    if let Some(help) = &diagnostic.help {
        let _ = writeln!(out, "  help: {}", clean(help));
    }
    if let Some(url) = &diagnostic.url {
        let _ = writeln!(out, "  see: {}", clean(url));
    }
    out
}

/// Writes a place: `--> file:line:column`, the source lines, and carets under the range.
pub fn excerpt(out: &mut String, range: &SourceRange, sources: &[SourceFile]) {
    let Some(source) = sources.get(range.file as usize) else {
        return;
    };
    let _ = writeln!(
        out,
        "  --> {}:{}:{}",
        one_line(&source.name),
        range.start.line,
        range.start.column
    );
    let end = if range.stop.line > range.start.line && range.stop.column <= 1 {
        range.stop.line - 1
    } else {
        range.stop.line.max(range.start.line)
    };
    let last = end.min(range.start.line.saturating_add(MOST_LINES - 1));
    let gutter = last.to_string().len();
    let mut lines = source
        .text
        .split('\n')
        .skip(range.start.line.saturating_sub(1) as usize);
    let _ = writeln!(out, " {:gutter$} |", "");
    for number in range.start.line..=last {
        let Some(line) = lines.next() else { break };
        let line = line.strip_suffix('\r').unwrap_or(line);
        let _ = writeln!(out, " {number:gutter$} | {}", clean(line).replace('\t', "    "));
        let from = if number == range.start.line {
            range.start.column.saturating_sub(1) as usize
        } else {
            indent(line)
        };
        let to = if number == range.stop.line {
            range.stop.column.saturating_sub(1) as usize
        } else {
            line.len()
        };
        let before = width(line.get(..from.min(line.len())).unwrap_or(line));
        let under = line
            .get(from.min(line.len())..to.min(line.len()).max(from.min(line.len())))
            .map_or(1, width);
        let _ = writeln!(
            out,
            " {:gutter$} | {}{}",
            "",
            " ".repeat(before),
            "^".repeat(under.max(1))
        );
    }
    if last < end {
        let _ = writeln!(out, " {:gutter$} | … {} more lines", "", end - last);
    }
}

/// Text of others without what a terminal would obey, and without credentials.
pub fn clean(text: &str) -> String {
    // Carets stand below it.
    credentials::mask(text)
        .chars()
        .map(|c| {
            if c.is_control() && !matches!(c, '\t' | '\n') {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// The same for what is one line.
fn one_line(text: &str) -> String {
    clean(text).replace('\n', "\u{fffd}")
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Columns of a terminal.
fn width(text: &str) -> usize {
    console::measure_text_width(&text.replace('\t', "    "))
}

#[cfg(test)]
mod tests {
    use lapstrake_llb::Position;

    use super::*;

    fn range(from: (u32, u32), to: (u32, u32)) -> SourceRange {
        let position = |(line, column)| Position { line, column };
        SourceRange {
            file: 0,
            start: position(from),
            stop: position(to),
        }
    }

    fn show(text: &str, range: SourceRange) -> String {
        let sources = [SourceFile {
            name: "Dockerfile".into(),
            language: String::new(),
            text: text.into(),
        }];
        let mut out = String::new();
        excerpt(&mut out, &range, &sources);
        out
    }

    #[test]
    fn a_caret_stands_under_the_word() {
        let expected = "  --> Dockerfile:2:1\n   |\n 2 | RUNN x\n   | ^^^^\n";
        assert_eq!(show("FROM a\nRUNN x\n", range((2, 1), (2, 5))), expected);
    }

    #[test]
    fn wide_characters_and_tabs_keep_the_caret_in_place() {
        let expected = "  --> Dockerfile:1:5\n   |\n 1 |     日x\n   |       ^\n";
        assert_eq!(show("\t日x", range((1, 5), (1, 6))), expected);
    }

    #[test]
    fn several_lines() {
        let text = show("RUN a \\\n  b\n", range((1, 1), (2, 4)));
        assert_eq!(
            text,
            "  --> Dockerfile:1:1\n   |\n 1 | RUN a \\\n   | ^^^^^^^\n 2 |   b\n   |   ^\n"
        );
    }

    #[test]
    fn a_terminal_obeys_nothing_of_it() {
        let text = show("FROM \u{1b}[2Jx", range((1, 1), (1, 5)));
        assert!(
            !text.contains('\u{1b}') && text.contains("FROM \u{fffd}[2Jx"),
            "{text}"
        );
    }

    #[test]
    fn credentials_are_hidden_below_a_caret_that_stays_in_place() {
        let expected = "  --> Dockerfile:1:26\n   |\n 1 | ADD https://xxxx@h/?sig=x /d\n   |                          ^^\n";
        assert_eq!(
            show("ADD https://a:pw@h/?sig=1 /d", range((1, 26), (1, 28))),
            expected
        );
    }

    #[test]
    fn a_range_outside_of_the_text_is_no_panic() {
        for bad in [
            range((9, 9), (9, 10)),
            range((1, 50), (1, 60)),
            range((2, 1), (1, 1)),
            range((0, 0), (0, 0)),
        ] {
            show("FROM ä", bad);
        }
        show("ää", range((1, 2), (1, 4)));
    }
}
