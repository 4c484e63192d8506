//! What a build tells while it runs, with the meaning of BuildKit's `SolveStatus`.
//! Knows neither how events come about nor how they are shown.

use std::time::SystemTime;

use lapstrake_llb::{Diagnostic, Digest, SourceFile};

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A step is known, began or ended.
    Vertex(VertexUpdate),
    /// A part of a step went on: a transfer, an export.
    Status(StatusUpdate),
    /// A step's process wrote something.
    Log(LogChunk),
    /// The build is questionable but goes on.
    Warning(Box<Warning>),
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It was executed.
    Done,
    /// A record of it was found.
    Cached,
    /// It was given up as nobody needed it any more.
    Cancelled,
    /// It went wrong; the text says how.
    Failed(String),
}

/// A step is known, began or ended.
#[derive(Debug, Clone)]
pub struct VertexUpdate {
    /// Names the step in all further events.
    pub digest: Digest,
    /// What it is called.
    pub name: String,
    /// The steps it needs.
    pub inputs: Vec<Digest>,
    /// When it began.
    pub started: Option<SystemTime>,
    /// When and how it ended.
    pub completed: Option<(SystemTime, Ending)>,
}

/// A part of a step went on.
#[derive(Debug, Clone)]
pub struct StatusUpdate {
    /// The step.
    pub vertex: Digest,
    /// What goes on, such as a blob's digest.
    pub id: String,
    /// Bytes done.
    pub current: u64,
    /// Bytes in all; 0: not known.
    pub total: u64,
    /// When this was true.
    pub timestamp: SystemTime,
    /// When it began.
    pub started: SystemTime,
    /// When it ended.
    pub completed: Option<SystemTime>,
}

/// A step's process wrote something.
#[derive(Debug, Clone)]
pub struct LogChunk {
    /// The step.
    pub vertex: Digest,
    /// 1: standard output, 2: standard error.
    pub stream: u8,
    /// What it wrote, as it came.
    pub data: Vec<u8>,
    /// When.
    pub timestamp: SystemTime,
}

/// The build is questionable but goes on.
#[derive(Debug, Clone)]
pub struct Warning {
    /// The step it belongs to, where it belongs to one.
    pub vertex: Option<Digest>,
    /// What is questionable.
    pub diagnostic: Diagnostic,
    /// The files that its ranges refer to.
    pub sources: Vec<SourceFile>,
}
