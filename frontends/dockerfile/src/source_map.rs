//! The text that is read, put together of parts of files, and the way back from a place in it to a file's line.
//! A plain Dockerfile is one part; another frontend that extends the language adds more (`document.rs`).
//! Knows nothing of what the text says.

use std::ops::Range;

use lapstrake_sdk::LineIndex;
use lapstrake_sdk::types::{SourceFile, SourceRange};

use crate::span::Span;

/// A text with the origin of its every byte.
#[derive(Debug, Clone, Default)]
pub struct SourceMap {
    files: Vec<SourceFile>,
    lines: Vec<LineIndex>,
    text: String,
    /// In the order of the text, without gaps; none empty.
    parts: Vec<Part>,
}

/// Where a part of the text comes from; it ends where the next one begins.
#[derive(Debug, Clone)]
struct Part {
    /// First byte of the text.
    start: usize,
    file: u32,
    origin: Origin,
}

#[derive(Debug, Clone)]
enum Origin {
    /// Copied, from this byte of the file on.
    Copied(usize),
    /// Written in place of this part of the file.
    Written(Span),
}

impl SourceMap {
    /// Makes an empty text over some files.
    pub fn new(files: Vec<SourceFile>) -> Self {
        Self {
            lines: files.iter().map(|file| LineIndex::new(&file.text)).collect(),
            files,
            ..Self::default()
        }
    }

    /// Makes the text of the first file.
    pub fn of_first(files: Vec<SourceFile>) -> Self {
        let mut map = Self::new(files);
        let length = map.files.first().map_or(0, |file| file.text.len());
        map.copy(0, 0..length);
        map
    }

    /// Returns the text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the files, in the order of their numbers.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// Adds a file, or finds the one of that name, and returns its number.
    pub fn add_file(&mut self, file: SourceFile) -> u32 {
        let known = self.files.iter().position(|known| known.name == file.name);
        let index = known.unwrap_or_else(|| {
            self.lines.push(LineIndex::new(&file.text));
            self.files.push(file);
            self.files.len() - 1
        });
        index as u32
    }

    /// Appends bytes of a file; nothing, where the file does not have them.
    pub fn copy(&mut self, file: u32, bytes: Range<usize>) {
        let start = bytes.start;
        let Some(text) = self.files.get(file as usize).and_then(|f| f.text.get(bytes)) else {
            return;
        };
        if !text.is_empty() {
            let origin = Origin::Copied(start);
            self.parts.push(Part {
                start: self.text.len(),
                file,
                origin,
            });
            self.text.push_str(text);
        }
    }

    /// Appends a text of no file, which is said to be at one place of one.
    pub fn write(&mut self, text: &str, file: u32, place: Span) {
        if !text.is_empty() {
            let origin = Origin::Written(place);
            self.parts.push(Part {
                start: self.text.len(),
                file,
                origin,
            });
            self.text.push_str(text);
        }
    }

    /// Returns the lines and columns of a range of one file's bytes.
    pub fn range_in(&self, file: u32, span: Span) -> SourceRange {
        match self.lines.get(file as usize) {
            Some(lines) => lines.range(file, span.start..span.end),
            None => LineIndex::new("").range(file, 0..0),
        }
    }

    /// Returns the file, lines and columns of a range of the text. Of one that goes on in another file, the part in the
    /// file where it begins.
    pub fn range(&self, span: Span) -> SourceRange {
        let next = self.parts.partition_point(|part| part.start <= span.start);
        let Some(part) = next.checked_sub(1).and_then(|index| self.parts.get(index)) else {
            return self.range_in(0, Span::new(0, 0));
        };
        let offset = match part.origin {
            Origin::Copied(offset) => offset,
            Origin::Written(place) => return self.range_in(part.file, place),
        };
        let start = offset + (span.start - part.start);
        // The last byte says where it ends: the byte after it may be one of another part.
        let last = span.end.saturating_sub(1).max(span.start);
        let ending = self.parts[next - 1..].iter().take_while(|p| p.start <= last);
        let end = ending
            .filter(|p| p.file == part.file)
            .last()
            .map(|p| match p.origin {
                Origin::Copied(offset) => {
                    let after = self.parts.iter().find(|other| other.start > p.start);
                    let part_end = after.map_or(self.text.len(), |other| other.start);
                    offset + (span.end.min(part_end) - p.start)
                }
                Origin::Written(place) => place.end,
            });
        self.range_in(part.file, Span::new(start, end.unwrap_or(start)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> SourceFile {
        SourceFile {
            name: name.to_owned(),
            language: String::new(),
            text: text.to_owned(),
        }
    }

    fn shown(map: &SourceMap, word: &str) -> String {
        let at = map.text().find(word).unwrap();
        let range = map.range(Span::new(at, at + word.len()));
        let (start, stop) = (range.start, range.stop);
        format!(
            "{} {}:{}-{}:{}",
            map.files()[range.file as usize].name,
            start.line,
            start.column,
            stop.line,
            stop.column
        )
    }

    #[test]
    fn one_file() {
        let map = SourceMap::of_first(vec![file("a", "one\ntwo\n")]);
        assert_eq!(shown(&map, "two"), "a 2:1-2:4");
        assert_eq!(map.range(Span::new(8, 8)).start.line, 3);
        let empty = SourceMap::of_first(Vec::new());
        assert_eq!(empty.range(Span::new(0, 0)).start.line, 1);
    }

    #[test]
    fn parts_of_two_files() {
        let mut map = SourceMap::new(vec![file("a", "one\nINCLUDE b\nthree\n")]);
        let b = map.add_file(file("b", "x\ntwo"));
        assert_eq!(map.add_file(file("b", "")), b);
        map.copy(0, 0..4);
        map.copy(b, 0..5);
        map.write("\n", b, Span::new(5, 5));
        map.write("made\n", 0, Span::new(4, 13));
        map.copy(0, 14..20);
        assert_eq!(map.text(), "one\nx\ntwo\nmade\nthree\n");
        assert_eq!(shown(&map, "one"), "a 1:1-1:4");
        assert_eq!(shown(&map, "two"), "b 2:1-2:4");
        assert_eq!(shown(&map, "made"), "a 2:1-2:10");
        assert_eq!(shown(&map, "three"), "a 3:1-3:6");
        assert_eq!(shown(&map, "one\nx"), "a 1:1-2:1");
        assert_eq!(shown(&map, "one\nx\ntwo\nmade\nthree"), "a 1:1-3:6");
    }
}
