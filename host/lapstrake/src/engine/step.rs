//! The engine's own steps ("[internal] load build definition", "exporting …"), shown like the solver's.

use std::time::SystemTime;

use lapstrake_llb::credentials::redact;
use lapstrake_llb::{Digest, Hasher};

use crate::progress::{Ending, Event, Sink, StatusUpdate, VertexUpdate};

/// A step that has begun. It ends as failed when it is dropped without an end.
pub struct Step {
    sink: Sink,
    digest: Digest,
    name: String,
    inputs: Vec<Digest>,
    started: SystemTime,
    ended: bool,
}

impl Step {
    /// Begins a step. Steps of one name and build are one.
    pub fn begin(sink: &Sink, name: &str) -> Self {
        Self::begin_after(sink, name, Vec::new())
    }

    /// Begins a step that takes the results of others.
    pub fn begin_after(sink: &Sink, name: &str, inputs: Vec<Digest>) -> Self {
        let mut hasher = Hasher::new("lapstrake.internal-step");
        hasher.field(name.as_bytes());
        let step = Self {
            sink: sink.clone(),
            digest: hasher.finish(),
            name: name.to_owned(),
            inputs,
            started: SystemTime::now(),
            ended: false,
        };
        step.send(None);
        step
    }

    /// Says that a part of the step is done: `what` and, where they mean something, its bytes.
    pub fn part(&self, what: &str, bytes: u64, started: SystemTime) {
        let now = SystemTime::now();
        self.sink.send(Event::Status(StatusUpdate {
            vertex: self.digest,
            id: what.to_owned(),
            current: bytes,
            total: 0,
            timestamp: now,
            started,
            completed: Some(now),
        }));
    }

    /// Says how far a part of the step is.
    pub fn advance(&self, what: &str, current: u64, total: Option<u64>) {
        let now = SystemTime::now();
        self.sink.send(Event::Status(StatusUpdate {
            vertex: self.digest,
            id: what.to_owned(),
            current,
            total: total.unwrap_or(0),
            timestamp: now,
            started: self.started,
            completed: (Some(current) == total).then_some(now),
        }));
    }

    /// Shows a line as the step's log.
    pub fn log(&self, line: &str) {
        self.sink.send(Event::Log(crate::progress::LogChunk {
            vertex: self.digest,
            stream: 2,
            data: format!("{}\n", redact(line)).into_bytes(),
            timestamp: SystemTime::now(),
        }));
    }

    /// Ends it well.
    pub fn done(mut self) {
        self.end(Ending::Done);
    }

    /// Ends it badly.
    pub fn failed(mut self, error: &dyn std::error::Error) {
        self.end(Ending::Failed(crate::error::chain(error)));
    }

    /// Ends it by what came out.
    ///
    /// # Errors
    /// The one that was given.
    pub fn end_with<T, E: std::error::Error>(self, result: Result<T, E>) -> Result<T, E> {
        match &result {
            Ok(_) => self.done(),
            Err(error) => self.failed(error),
        }
        result
    }

    fn end(&mut self, ending: Ending) {
        self.ended = true;
        self.send(Some((SystemTime::now(), ending)));
    }

    fn send(&self, completed: Option<(SystemTime, Ending)>) {
        self.sink.send(Event::Vertex(VertexUpdate {
            digest: self.digest,
            name: self.name.clone(),
            inputs: self.inputs.clone(),
            started: Some(self.started),
            completed,
            result: None,
        }));
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Ending::Cancelled);
        }
    }
}
