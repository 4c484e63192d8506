//! What a build tells while it runs, with the meaning of BuildKit's `SolveStatus`.
//! Knows neither how events come about nor how they are shown.

use std::time::SystemTime;

use lapstrake_llb::{Diagnostic, Digest, SourceFile, credentials};
use serde::{Deserialize, Serialize};

use super::wire;

/// One thing that happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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

impl Event {
    /// Hides the credentials of URLs in what the event says. What a command writes is its own.
    pub fn redact(&mut self) {
        let hide = |text: &mut String| {
            if credentials::are_in(text) {
                *text = credentials::redact(text);
            }
        };
        match self {
            Self::Vertex(update) => {
                hide(&mut update.name);
                if let Some((_, Ending::Failed(text))) = &mut update.completed {
                    hide(text);
                }
            }
            Self::Status(update) => hide(&mut update.id),
            Self::Log(_) => {}
            Self::Warning(warning) => {
                let Warning {
                    diagnostic, sources, ..
                } = &mut **warning;
                hide(&mut diagnostic.message);
                diagnostic.help.iter_mut().for_each(hide);
                let related = diagnostic.related.iter_mut();
                related.for_each(|related| hide(&mut related.message));
                // Ranges are places in it.
                let texts = sources.iter_mut().map(|source| &mut source.text);
                texts.for_each(|text| *text = credentials::mask(text));
            }
        }
    }
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It was executed.
    Done,
    /// A record of it was found.
    Cached(FoundBy),
    /// Nothing needed it: what is made of it was cached.
    Skipped,
    /// It was given up, begun or not, as something else failed or the build was interrupted.
    Cancelled,
    /// It went wrong; the text says how.
    Failed(String),
}

/// What led to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FoundBy {
    /// The step and where its inputs come from, in this store.
    Local,
    /// The content of what it takes of its inputs, which came about in another way.
    Content,
}

/// A step is known, began or ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VertexUpdate {
    /// Names the step in all further events.
    pub digest: Digest,
    /// What it is called.
    pub name: String,
    /// The steps it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Digest>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "wire::option")]
    pub started: Option<SystemTime>,
    /// When and how it ended.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "wire::ended")]
    pub completed: Option<(SystemTime, Ending)>,
    /// Id of the result in the store, if there is one; of a skipped step, a key that may lead to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Digest>,
}

impl VertexUpdate {
    /// Whether nothing needed it.
    pub fn is_skipped(&self) -> bool {
        matches!(self.completed, Some((_, Ending::Skipped)))
    }
}

/// A part of a step went on.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
    #[serde(with = "wire")]
    pub timestamp: SystemTime,
    /// When it began.
    #[serde(with = "wire")]
    pub started: SystemTime,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "wire::option")]
    pub completed: Option<SystemTime>,
}

/// A step's process wrote something.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogChunk {
    /// The step.
    pub vertex: Digest,
    /// 1: standard output, 2: standard error.
    pub stream: u8,
    /// What it wrote, as it came.
    #[serde(with = "wire::text")]
    pub data: Vec<u8>,
    /// When.
    #[serde(with = "wire")]
    pub timestamp: SystemTime,
}

/// The build is questionable but goes on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Warning {
    /// The step it belongs to, where it belongs to one.
    pub vertex: Option<Digest>,
    /// What is questionable.
    pub diagnostic: Diagnostic,
    /// The files that its ranges refer to.
    pub sources: Vec<SourceFile>,
}
