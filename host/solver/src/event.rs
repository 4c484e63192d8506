//! What a solve tells while it runs, with the meaning of BuildKit's `SolveStatus`.
//! Knows nothing of how events are shown.

use std::sync::Arc;
use std::time::SystemTime;

use lapstrake_llb::Digest;

/// Takes events. Called on several threads at the same time; it MUST not block for long.
pub type Events = Arc<dyn Fn(Event) + Send + Sync>;

/// One thing that happened to a vertex, which is named by the digest of its definition.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Work on it begins.
    Started {
        /// The vertex.
        vertex: Digest,
        /// What it is called; may be empty.
        name: String,
        /// The vertices that it needs.
        inputs: Vec<Digest>,
        /// When.
        at: SystemTime,
    },
    /// It is over. One whose record was found, or that was skipped, was never started.
    Finished {
        /// The vertex.
        vertex: Digest,
        /// What it is called; may be empty.
        name: String,
        /// The vertices that it needs.
        inputs: Vec<Digest>,
        /// When work on it began, if it did.
        started: Option<SystemTime>,
        /// When it ended.
        at: SystemTime,
        /// Id of its result, if it has one; of a skipped one, the key under which its record would be looked for.
        result: Option<Digest>,
        /// Whether it was looked for by the content of its inputs.
        by_content: bool,
        /// How it ended.
        ending: Ending,
    },
    /// Its process wrote something.
    Log {
        /// The vertex.
        vertex: Digest,
        /// Where it was written.
        stream: Stream,
        /// What was written, as it came.
        data: Vec<u8>,
        /// When.
        at: SystemTime,
    },
    /// A part of it went on: a transfer, an export.
    Status {
        /// The vertex.
        vertex: Digest,
        /// What goes on, such as a blob's digest.
        id: String,
        /// Bytes done.
        current: u64,
        /// Bytes in all; 0: not known.
        total: u64,
        /// When it began.
        started: SystemTime,
        /// When this was true.
        at: SystemTime,
        /// Whether it is over.
        done: bool,
    },
}

/// How a vertex ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// A record of it was found.
    Cached,
    /// It was executed.
    Done,
    /// Nothing needed it: what is made of it was found.
    Skipped,
    /// It was given up, begun or not, as something else failed or the solve was cancelled.
    Cancelled,
    /// It went wrong; the text says how.
    Failed(String),
}

/// Where a process writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}
