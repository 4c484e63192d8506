//! The files that the build script put into the program. Knows nothing of what they are for.

/// A file inside of this program.
pub(super) struct Embedded {
    /// The language that it is for; empty: all.
    pub(super) language: &'static str,
    /// What it is a part of.
    pub(super) part: Part,
    /// Its path there.
    pub(super) path: &'static str,
    /// Its contents.
    pub(super) data: &'static [u8],
}

/// What a file is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// What a new project begins with.
    Template,
    /// What it is written against.
    Sdk,
    /// The contract.
    Wit,
}

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// All of them.
pub(super) fn files() -> &'static [Embedded] {
    FILES
}
