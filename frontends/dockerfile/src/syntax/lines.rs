//! From physical lines to logical ones: comments, continuations, heredoc bodies, each with its place in the source.
//! Knows no instruction.

use std::ops::Range;

use crate::diagnostic::Diagnostics;
use crate::lint;
use crate::span::Span;

/// A comment line, without `#` and the space around.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Its text.
    pub text: String,
    /// The line, from its `#`.
    pub span: Span,
}

/// One instruction's text, with its continuation lines joined as a shell would see them.
#[derive(Debug, Clone)]
pub struct Logical {
    /// The joined text, without white space at the front.
    pub text: String,
    /// Where in the source pieces of the text come from: offset in the text, offset in the source; ascending.
    pieces: Vec<(usize, usize)>,
    /// From the first byte of the instruction to the last one of its last line.
    pub span: Span,
    /// The comments right above it.
    pub comments: Vec<Comment>,
    /// Whether the text ended where the line says that it goes on.
    pub unfinished: bool,
}

impl Logical {
    /// Makes a line of a text that has no continuations; `start` is its place in the source.
    pub fn single(text: &str, start: usize) -> Self {
        Self {
            text: text.to_owned(),
            pieces: vec![(0, start)],
            span: Span::new(start, start + text.len()),
            comments: Vec::new(),
            unfinished: false,
        }
    }

    /// Makes a line whose every part is said to come from `span`, as a trigger's that a base image brought.
    pub fn elsewhere(text: &str, span: Span) -> Self {
        Self {
            text: text.to_owned(),
            pieces: Vec::new(),
            span,
            comments: Vec::new(),
            unfinished: false,
        }
    }

    /// Translates a range of the text into one of the source.
    pub fn span_of(&self, range: Range<usize>) -> Span {
        if self.pieces.is_empty() {
            return self.span;
        }
        let start = self.source_offset(range.start);
        let end = match range.end > range.start {
            true => self.source_offset(range.end - 1) + 1,
            false => start,
        };
        Span::new(start, end)
    }

    /// Translates a byte of the source into one of the text: the nearest one before it that is there.
    pub fn offset_of(&self, source: usize) -> usize {
        let piece = self.pieces.partition_point(|(_, start)| *start <= source);
        let Some((text, start)) = piece.checked_sub(1).and_then(|at| self.pieces.get(at)) else {
            return 0;
        };
        let end = self.pieces.get(piece).map_or(self.text.len(), |(next, _)| *next);
        (text + (source - start)).min(end)
    }

    fn source_offset(&self, offset: usize) -> usize {
        let piece = self
            .pieces
            .partition_point(|(text, _)| *text <= offset)
            .saturating_sub(1);
        match self.pieces.get(piece) {
            Some((text, source)) => source + (offset - text),
            None => self.span.start,
        }
    }
}

/// Reads logical lines one after another.
pub struct Reader<'a> {
    text: &'a str,
    position: usize,
    /// Where the parser directives end: their lines are no comments.
    body: usize,
    escape: char,
}

/// A physical line, `content` without its line break.
struct Raw<'a> {
    start: usize,
    content: &'a str,
}

impl<'a> Reader<'a> {
    /// Starts at byte `start`; comments before `body` are parser directives.
    pub fn new(text: &'a str, start: usize, body: usize, escape: char) -> Self {
        Self {
            text,
            position: start,
            body,
            escape,
        }
    }

    fn raw(&mut self) -> Option<Raw<'a>> {
        let start = self.position;
        let rest = self.text.get(start..).filter(|rest| !rest.is_empty())?;
        let length = rest.find('\n').map_or(rest.len(), |i| i + 1);
        self.position = start + length;
        Some(Raw {
            start,
            content: rest[..length].trim_end_matches(['\r', '\n']),
        })
    }

    /// Returns the next instruction's line; none at the end.
    pub fn next(&mut self, diagnostics: &mut Diagnostics) -> Option<Logical> {
        let mut comments: Vec<Comment> = Vec::new();
        let (first, content) = loop {
            let raw = self.raw()?;
            let content = raw.content.trim_start();
            let start = raw.start + (raw.content.len() - content.len());
            if let Some(comment) = content.strip_prefix('#') {
                let text = comment.trim();
                if text.is_empty() {
                    comments.clear();
                } else if raw.start >= self.body {
                    comments.push(Comment {
                        text: text.to_owned(),
                        span: Span::new(start, start + content.len()),
                    });
                }
            } else if content.is_empty() {
                comments.clear();
            } else {
                break (start, content);
            }
        };
        let mut line = Logical {
            text: String::new(),
            pieces: Vec::new(),
            span: Span::new(first, first),
            comments,
            unfinished: false,
        };
        let mut open = self.append(&mut line, first, content);
        let mut empty: Option<Span> = None;
        while open {
            let Some(raw) = self.raw() else { break };
            let trimmed = raw.content.trim_start();
            if trimmed.starts_with('#') {
                continue;
            }
            if trimmed.is_empty() {
                empty.get_or_insert(Span::new(raw.start, raw.start + raw.content.len()));
                continue;
            }
            open = self.append(&mut line, raw.start, raw.content);
        }
        if let Some(empty) = empty {
            lint::report(diagnostics, lint::NO_EMPTY_CONTINUATION, empty, || {
                "a line continuation is followed by an empty line".to_owned()
            });
        }
        line.unfinished = open;
        Some(line)
    }

    /// Adds a physical line, and returns whether the next one continues it.
    fn append(&self, line: &mut Logical, start: usize, content: &str) -> bool {
        let continued = without_continuation(content, self.escape);
        let added = continued.unwrap_or(content);
        if !added.is_empty() {
            line.pieces.push((line.text.len(), start));
            line.text.push_str(added);
        } else if line.pieces.is_empty() {
            line.pieces.push((0, start));
        }
        line.span.end = start + content.trim_end().len();
        continued.is_some()
    }

    /// Reads a heredoc's body up to the line that is its terminator; none: the text ends before.
    pub fn heredoc(&mut self, terminator: &str, chomp: bool) -> Option<(String, Span)> {
        let start = self.position;
        loop {
            let raw = self.raw()?;
            let content = if chomp {
                raw.content.trim_start_matches('\t')
            } else {
                raw.content
            };
            if content == terminator {
                return Some((
                    self.text[start..raw.start].to_owned(),
                    Span::new(start, raw.start + raw.content.len()),
                ));
            }
        }
    }

    /// Returns the byte that is read next.
    pub fn position(&self) -> usize {
        self.position
    }
}

/// Returns the line without the escape character at its end, where it has one that is not itself escaped.
fn without_continuation(line: &str, escape: char) -> Option<&str> {
    let before = line.trim_end_matches([' ', '\t']).strip_suffix(escape)?;
    (!before.ends_with(escape)).then_some(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<Logical> {
        let mut diagnostics = Diagnostics::default();
        let mut reader = Reader::new(text, 0, 0, '\\');
        std::iter::from_fn(|| reader.next(&mut diagnostics)).collect()
    }

    #[test]
    fn joins_continuations_and_keeps_places() {
        let text = "RUN a && \\\n  # why\n  b \\  \n\n  c\nENV x=y\n";
        let lines = lines(text);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].text, "RUN a &&   b   c");
        for word in ["a", "b", "c"] {
            let at = lines[0].text.find(word).unwrap();
            let span = lines[0].span_of(at..at + 1);
            assert_eq!(&text[span.start..span.end], word);
        }
        assert_eq!(
            &text[lines[0].span.start..lines[0].span.end],
            &text[..text.find("\nENV").unwrap()]
        );
        assert_eq!(lines[1].text, "ENV x=y");
    }

    #[test]
    fn an_escaped_escape_continues_nothing() {
        assert_eq!(lines("RUN a \\\\\nRUN b").len(), 2);
        assert_eq!(lines("RUN a \\\nRUN b").len(), 1);
    }

    #[test]
    fn comments_above_belong_to_the_instruction() {
        let lines = lines("# one\n#two\nFROM a\n# gone\n\nRUN b\n# also gone\n#\nRUN c");
        let texts = |l: &Logical| l.comments.iter().map(|c| c.text.clone()).collect::<Vec<_>>();
        assert_eq!(texts(&lines[0]), ["one", "two"]);
        assert!(texts(&lines[1]).is_empty());
        assert!(texts(&lines[2]).is_empty());
    }

    #[test]
    fn windows_line_ends() {
        let lines = lines("RUN a \\\r\n b\r\nRUN c\r\n");
        assert_eq!(lines[0].text, "RUN a  b");
        assert_eq!(lines[1].text, "RUN c");
    }

    #[test]
    fn a_heredoc_ends_at_its_word() {
        let mut reader = Reader::new("one\n\tEOF\nEOF\nrest", 0, 0, '\\');
        let (body, span) = reader.heredoc("EOF", false).unwrap();
        assert_eq!(body, "one\n\tEOF\n");
        assert_eq!(span, Span::new(0, 12));
        let mut reader = Reader::new("one\n\tEOF\nEOF\nrest", 0, 0, '\\');
        assert_eq!(reader.heredoc("EOF", true).unwrap().0, "one\n");
        assert!(Reader::new("one\n", 0, 0, '\\').heredoc("EOF", false).is_none());
    }
}
