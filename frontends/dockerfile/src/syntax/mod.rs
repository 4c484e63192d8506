//! The text of a Dockerfile as a list of words with places: lines, directives, flags, JSON arrays, heredocs.
//! Knows nothing of what any instruction means.

pub mod directives;
pub mod flags;
pub mod heredoc;
pub mod json;
pub mod lines;
pub mod words;
