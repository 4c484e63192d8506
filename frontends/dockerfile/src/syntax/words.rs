//! Splitting an instruction's arguments into words: at white space, or with quotes.
//! Knows nothing of what the words mean; quotes and variables stay in them until they are expanded.

use std::ops::Range;

use crate::span::Span;
use crate::syntax::lines::Logical;

/// A text and where it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Word {
    /// As written, continuations joined.
    pub text: String,
    /// Place in the source.
    pub span: Span,
}

impl Word {
    /// Makes a word that stands in the source as it is.
    pub fn at(text: &str, start: usize) -> Self {
        Self {
            text: text.to_owned(),
            span: Span::new(start, start + text.len()),
        }
    }

    /// Takes a word out of a line.
    pub fn of(line: &Logical, range: Range<usize>) -> Self {
        Self {
            text: line.text[range.clone()].to_owned(),
            span: line.span_of(range),
        }
    }

    /// Returns the place of a byte of the text; the whole word's where continuations are in it.
    pub fn span_at(&self, offset: usize) -> Span {
        if self.span.len() != self.text.len() || offset >= self.text.len() {
            return self.span;
        }
        let length = self.text[offset..].chars().next().map_or(1, char::len_utf8);
        Span::new(self.span.start + offset, self.span.start + offset + length)
    }
}

/// The white space that separates arguments.
pub fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\u{b}' | '\u{c}')
}

/// Trims a range of the text of what `char::is_whitespace` says.
pub fn trim(text: &str, range: Range<usize>) -> Range<usize> {
    let slice = &text[range.clone()];
    let start = range.start + (slice.len() - slice.trim_start().len());
    start..start + slice.trim().len()
}

/// Splits at white space, without a thought for quotes.
pub fn split(line: &Logical, range: Range<usize>) -> Vec<Word> {
    let slice = &line.text[range.clone()];
    let mut words = Vec::new();
    let mut start = None;
    for (offset, c) in slice.char_indices().chain([(slice.len(), ' ')]) {
        match (is_separator(c), start) {
            (false, None) => start = Some(offset),
            (true, Some(from)) => {
                words.push(Word::of(line, range.start + from..range.start + offset));
                start = None;
            }
            _ => {}
        }
    }
    words
}

/// Splits at white space outside of quotes; quotes and escapes stay in the words.
pub fn split_quoted(line: &Logical, range: Range<usize>, escape: char) -> Vec<Word> {
    let slice = &line.text[range.clone()];
    let mut words = Vec::new();
    let mut start: Option<usize> = None;
    let mut quote: Option<char> = None;
    let mut chars = slice.char_indices().peekable();
    while let Some((offset, c)) = chars.next() {
        if quote.is_none() && c.is_whitespace() {
            if let Some(from) = start.take() {
                words.push(Word::of(line, range.start + from..range.start + offset));
            }
            continue;
        }
        let from = *start.get_or_insert(offset);
        if c == escape && quote != Some('\'') {
            // An escape character at the very end escapes nothing and is dropped.
            if chars.next().is_none() {
                if from < offset {
                    words.push(Word::of(line, range.start + from..range.start + offset));
                }
                return words;
            }
            continue;
        }
        quote = match quote {
            Some(open) if c == open => None,
            None if c == '\'' || c == '"' => Some(c),
            other => other,
        };
    }
    if let Some(from) = start {
        words.push(Word::of(line, range.start + from..range.end));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(words: Vec<Word>) -> Vec<String> {
        words.into_iter().map(|w| w.text).collect()
    }

    #[test]
    fn at_white_space() {
        let line = Logical::single("a\t 'b c'  d", 5);
        let words = split(&line, 0..line.text.len());
        assert_eq!(words[1].span, Span::new(8, 10));
        assert_eq!(texts(words), ["a", "'b", "c'", "d"]);
    }

    #[test]
    fn with_quotes() {
        let quoted = |text: &str| {
            let line = Logical::single(text, 0);
            texts(split_quoted(&line, 0..line.text.len(), '\\'))
        };
        assert_eq!(
            quoted("a='b c' d=\"e \\\" f\"  g\\ h"),
            ["a='b c'", "d=\"e \\\" f\"", "g\\ h"]
        );
        assert_eq!(quoted("a=b\\"), ["a=b"]);
        assert_eq!(quoted("\\"), Vec::<String>::new());
        assert_eq!(quoted("'it\\' s"), ["'it\\'", "s"]);
        assert_eq!(quoted("a=\"open b"), ["a=\"open b"]);
    }
}
