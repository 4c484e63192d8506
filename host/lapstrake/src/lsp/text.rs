//! A text and its positions in three forms: bytes, those of the protocol (lines and units from 0) and those of frontends
//! (lines and bytes from 1). Knows nothing of what the text says.

use std::sync::Arc;

use lapstrake_llb as llb;
use lsp_types::{Position, Range};

/// What the protocol's columns count (`PositionEncodingKind`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Bytes.
    Utf8,
    /// UTF-16 code units: what every client knows.
    #[default]
    Utf16,
    /// Characters.
    Utf32,
}

impl Encoding {
    /// How many units a character has.
    fn units(self, character: char) -> usize {
        match self {
            Self::Utf8 => character.len_utf8(),
            Self::Utf16 => character.len_utf16(),
            Self::Utf32 => 1,
        }
    }
}

/// A text with its lines.
#[derive(Debug, Clone)]
pub struct Text {
    text: Arc<str>,
    /// Where the protocol's lines begin: after `\n`, `\r\n` and `\r`.
    lines: Vec<usize>,
    /// Where frontends' lines begin: after `\n`.
    rows: Vec<usize>,
    encoding: Encoding,
}

impl Text {
    /// Finds the lines of a text.
    pub fn new(text: impl Into<Arc<str>>, encoding: Encoding) -> Self {
        let text: Arc<str> = text.into();
        let bytes = text.as_bytes();
        let (mut lines, mut rows) = (vec![0], vec![0]);
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b'\n' => {
                    lines.push(at + 1);
                    rows.push(at + 1);
                }
                b'\r' if bytes.get(at + 1) != Some(&b'\n') => lines.push(at + 1),
                _ => {}
            }
        }
        Self {
            text,
            lines,
            rows,
            encoding,
        }
    }

    /// The text.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The byte of a position; one outside of the text is moved to its line's or the text's end.
    pub fn offset(&self, position: Position) -> usize {
        let Some(start) = self.lines.get(position.line as usize) else {
            return self.text.len();
        };
        let line = self.line(position.line as usize);
        let (mut at, mut units) = (*start, 0);
        for character in line.chars() {
            units += self.encoding.units(character);
            if units > position.character as usize {
                break;
            }
            at += character.len_utf8();
        }
        at
    }

    /// A line of the protocol without its end.
    fn line(&self, number: usize) -> &str {
        let start = self.lines.get(number).copied().unwrap_or(self.text.len());
        let end = self.lines.get(number + 1).copied().unwrap_or(self.text.len());
        self.text[start..end].trim_end_matches(['\r', '\n'])
    }

    /// The position of a byte.
    pub fn position(&self, offset: usize) -> Position {
        let offset = self.boundary(offset);
        let line = self.lines.partition_point(|start| *start <= offset) - 1;
        let before = &self.text[self.lines[line]..offset];
        let units: usize = before
            .chars()
            .map(|character| self.encoding.units(character))
            .sum();
        Position::new(line as u32, units as u32)
    }

    /// The byte of a frontend's position, moved into the text where it is outside.
    pub fn source_offset(&self, position: llb::Position) -> usize {
        let row = position.line.saturating_sub(1) as usize;
        let Some(start) = self.rows.get(row) else {
            return self.text.len();
        };
        let end = self.rows.get(row + 1).map_or(self.text.len(), |next| next - 1);
        self.boundary((start + position.column.saturating_sub(1) as usize).min(end))
    }

    /// A frontend's position of a byte.
    pub fn source_position(&self, offset: usize) -> llb::Position {
        let offset = self.boundary(offset);
        let row = self.rows.partition_point(|start| *start <= offset) - 1;
        llb::Position {
            line: row as u32 + 1,
            column: (offset - self.rows[row]) as u32 + 1,
        }
    }

    /// A frontend's range as the protocol's.
    pub fn range(&self, range: llb::SourceRange) -> Range {
        let start = self.source_offset(range.start);
        let stop = self.source_offset(range.stop).max(start);
        Range::new(self.position(start), self.position(stop))
    }

    /// The first line.
    pub fn first_line(&self) -> Range {
        Range::new(Position::new(0, 0), self.position(self.line(0).len()))
    }

    /// The text with a part of it replaced; none: the whole.
    #[must_use]
    pub fn changed(&self, range: Option<Range>, text: &str) -> Self {
        let Some(range) = range else {
            return Self::new(text, self.encoding);
        };
        let start = self.offset(range.start);
        let end = self.offset(range.end).max(start);
        let mut new = String::with_capacity(start + text.len() + self.text.len() - end);
        new.push_str(&self.text[..start]);
        new.push_str(text);
        new.push_str(&self.text[end..]);
        Self::new(new, self.encoding)
    }

    /// The nearest beginning of a character, not after the byte.
    fn boundary(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "aä𝄞x\r\nb\rc\n";

    #[test]
    fn columns_count_what_was_agreed() {
        for (encoding, x) in [(Encoding::Utf8, 7), (Encoding::Utf16, 4), (Encoding::Utf32, 3)] {
            let text = Text::new(TEXT, encoding);
            assert_eq!(text.position(7), Position::new(0, x));
            assert_eq!(text.offset(Position::new(0, x)), 7);
            // Inside of a character and behind a line's end.
            assert!(text.offset(Position::new(0, 2)) >= 1);
            assert_eq!(text.offset(Position::new(0, 99)), 8);
        }
        let text = Text::new(TEXT, Encoding::Utf16);
        assert_eq!(text.offset(Position::new(0, 3)), 3);
    }

    #[test]
    fn lines_end_as_the_protocol_says_and_as_frontends_say() {
        let text = Text::new(TEXT, Encoding::Utf16);
        // "c" is on the protocol's third line and on the second of frontends.
        assert_eq!(text.position(12), Position::new(2, 0));
        assert_eq!(text.source_position(12), llb::Position { line: 2, column: 3 });
        assert_eq!(text.source_offset(llb::Position { line: 2, column: 3 }), 12);
        assert_eq!(text.offset(Position::new(9, 9)), TEXT.len());
        assert_eq!(text.position(TEXT.len()), Position::new(3, 0));
        assert_eq!(
            text.source_offset(llb::Position { line: 9, column: 1 }),
            TEXT.len()
        );
        assert_eq!(text.source_offset(llb::Position { line: 2, column: 99 }), 13);
    }

    #[test]
    fn changes() {
        let text = Text::new(TEXT, Encoding::Utf16);
        let at = |line, from, to| Some(Range::new(Position::new(line, from), Position::new(line, to)));
        assert_eq!(&**text.changed(at(0, 2, 4), "y").text(), "aäyx\r\nb\rc\n");
        assert_eq!(&**text.changed(at(2, 1, 1), "d").text(), "aä𝄞x\r\nb\rcd\n");
        assert_eq!(&**text.changed(None, "new").text(), "new");
        // A range that ends before it starts changes nothing but at its start.
        assert_eq!(&**text.changed(at(1, 1, 0), "!").text(), "aä𝄞x\r\nb!\rc\n");
    }

    #[test]
    fn any_place_of_any_text_is_taken() {
        for sample in ["", "\n", "\r", "ä\r\n𝄞", "x"] {
            for encoding in [Encoding::Utf8, Encoding::Utf16, Encoding::Utf32] {
                let text = Text::new(sample, encoding);
                for line in 0..4 {
                    for column in 0..6 {
                        let offset = text.offset(Position::new(line, column));
                        assert_eq!(text.offset(text.position(offset)), offset, "{sample:?}");
                        let place = llb::Position { line, column };
                        assert!(sample.is_char_boundary(text.source_offset(place)));
                    }
                }
            }
        }
    }
}
