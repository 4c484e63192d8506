//! Why a solve ends without a result.
//! Knows nothing of how an error is shown.

use lapstrake_llb::{Digest, SourceRange};

/// A step that failed. `E` is the worker's error.
#[derive(Debug, thiserror::Error)]
#[error("step {name:?} failed")]
pub struct StepError<E: std::error::Error + 'static> {
    /// The vertex, by the digest of its definition.
    pub vertex: Digest,
    /// Its index in the definition that was solved.
    pub index: usize,
    /// What it is called; may be empty.
    pub name: String,
    /// Where it comes from; files are those of the definition.
    pub ranges: Vec<SourceRange>,
    /// Why.
    pub source: E,
}

/// Why a solve ended without a result. `E` is the worker's error, `R` the records'.
#[derive(Debug, thiserror::Error)]
pub enum SolveError<E: std::error::Error + 'static, R: std::error::Error + 'static> {
    /// A step failed.
    #[error(transparent)]
    Step(Box<StepError<E>>),
    /// The worker panicked.
    #[error("step {name:?} panicked: {message}")]
    Panicked {
        /// At which step.
        name: String,
        /// The panic's message.
        message: String,
    },
    /// The worker broke its contract.
    #[error("step {name:?}: the worker spoke of {found} {what}, not {expected}")]
    Mismatch {
        /// At which step.
        name: String,
        /// What was wrong in number.
        what: &'static str,
        /// How many there were.
        found: usize,
        /// How many there should have been.
        expected: usize,
    },
    /// Records could not be read or written.
    #[error("cannot use the cache records")]
    Records(#[source] R),
    /// A thread for a step could not be made.
    #[error("step {name:?}: cannot start a thread")]
    Thread {
        /// For which step.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// The solve was cancelled.
    #[error("cancelled")]
    Cancelled,
}
