//! Places in a source text, as byte ranges. Knows nothing of lines, which only what is shown to people has.

/// A byte range of the source text; `end` is exclusive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// The byte after the last one. MUST not be smaller than `start`.
    pub end: usize,
}

impl Span {
    /// Makes a range.
    pub fn new(start: usize, end: usize) -> Self {
        Self {
            start,
            end: end.max(start),
        }
    }

    /// Returns the smallest range that holds both.
    pub fn to(self, other: Span) -> Span {
        Span {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }

    /// Returns the number of bytes.
    pub fn len(self) -> usize {
        self.end - self.start
    }

    /// Returns whether there is no byte in it.
    pub fn is_empty(self) -> bool {
        self.end == self.start
    }

    /// Returns whether all of `other` is in it.
    pub fn contains(self, other: Span) -> bool {
        self.start <= other.start && other.end <= self.end
    }
}
