//! Places in source files. Knows nothing of lines; `sources.rs` does.

use rnix::TextRange;

/// A range of bytes of one of the evaluation's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Which file, in the order in which they were read.
    pub file: u32,
    /// First byte.
    pub start: u32,
    /// Byte after the last one.
    pub end: u32,
}

impl Span {
    /// Makes one of the parser's range.
    pub fn new(file: u32, range: TextRange) -> Self {
        Self {
            file,
            start: range.start().into(),
            end: range.end().into(),
        }
    }
}
