//! From byte offsets to lines and columns, and from a wrong word to the one that was meant.
//! Knows nothing of any language.

use std::ops::Range;

use crate::types::{Position, SourceRange};

/// Where the lines of a text are. Lines and columns count from 1, columns in UTF-8 bytes.
#[derive(Clone, Debug)]
pub struct LineIndex {
    /// Begin and end of each line, the end without its line break. Never empty.
    lines: Vec<Range<u32>>,
}

impl LineIndex {
    /// Indexes a text. A line ends with `\n` or `\r\n`.
    pub fn new(text: &str) -> Self {
        let mut lines = Vec::new();
        let mut start = 0;
        for line in text.split('\n') {
            let end = start + line.len();
            let visible = start + line.strip_suffix('\r').unwrap_or(line).len();
            lines.push(start as u32..visible as u32);
            start = end + 1;
        }
        Self { lines }
    }

    /// How many lines there are; a last line break begins one more, empty line.
    pub fn line_count(&self) -> u32 {
        self.lines.len() as u32
    }

    /// The place of a byte; one after the end of the text is the place after its last byte or later in that line.
    pub fn position(&self, offset: usize) -> Position {
        let offset = offset as u32;
        let line = self.lines.partition_point(|line| line.start <= offset).max(1);
        let start = self.lines[line - 1].start;
        Position {
            line: line as u32,
            column: offset - start + 1,
        }
    }

    /// The byte of a place; none: there is no such line, or the column is behind its end.
    pub fn offset(&self, position: Position) -> Option<usize> {
        let line = self.lines.get(position.line.checked_sub(1)? as usize)?;
        let offset = line.start.checked_add(position.column.checked_sub(1)?)?;
        (offset <= line.end).then_some(offset as usize)
    }

    /// The range of bytes `bytes` of file `file`.
    pub fn range(&self, file: u32, bytes: Range<usize>) -> SourceRange {
        SourceRange {
            file,
            start: self.position(bytes.start),
            stop: self.position(bytes.end),
        }
    }

    /// Whole lines, without the last one's line break. Both numbers count from 1 and are inside.
    pub fn lines(&self, file: u32, first: u32, last: u32) -> SourceRange {
        let width = self
            .lines
            .get(last.saturating_sub(1) as usize)
            .map_or(0, |line| line.end - line.start);
        SourceRange {
            file,
            start: Position {
                line: first,
                column: 1,
            },
            stop: Position {
                line: last,
                column: width + 1,
            },
        }
    }
}

/// The candidate that was probably meant by `word`; none: nothing is near.
///
/// Near is an edit distance (insert, delete, replace, swap neighbours) of at most a third of the word's length, rounded up.
/// Letters of another case are equal. Among equally near ones the first wins.
///
/// ```
/// use lapstrake_sdk::did_you_mean;
/// assert_eq!(did_you_mean("FORM", ["COPY", "FROM"]), Some("FROM"));
/// assert_eq!(did_you_mean("xyz", ["COPY", "FROM"]), None);
/// ```
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = lower(word);
    // Nobody mistypes a word of that length; and the distance costs the square of it.
    if word.is_empty() || word.len() > 64 {
        return None;
    }
    let mut best: Option<(usize, &'a str)> = None;
    for candidate in candidates {
        let other = lower(candidate);
        let longer = word.len().max(other.len());
        let limit = word.len().div_ceil(3).min(longer - 1);
        if word.len().abs_diff(other.len()) > limit {
            continue;
        }
        let distance = distance(&word, &other);
        if distance <= limit && best.is_none_or(|(nearest, _)| distance < nearest) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Returns whether the name of a variable says that its value should be secret: one of its words, between `_`, does, and
/// none says that it is something else.
pub fn is_secret_name(name: &str) -> bool {
    const SECRET: [&str; 10] = [
        "apikey",
        "auth",
        "credential",
        "credentials",
        "key",
        "password",
        "pword",
        "passwd",
        "secret",
        "token",
    ];
    const HARMLESS: [&str; 3] = ["public", "file", "version"];
    let lower = name.to_ascii_lowercase();
    let has = |words: &[&str]| lower.split('_').any(|part| words.contains(&part));
    has(&SECRET) && !has(&HARMLESS)
}

fn lower(text: &str) -> Vec<char> {
    text.chars().map(|c| c.to_ascii_lowercase()).collect()
}

/// Optimal string alignment: the edit distance in which no part is edited twice.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replace = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replace.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}
