//! Writes the record of a build while it goes on.
//! A record that cannot be written ends the record, never the build; the person is told at the end.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapstrake_llb::Digest;
use serde::Serialize;

use super::record::{Counts, End, Start, Step};
use super::{HistoryError, Id, failed};
use crate::progress::{Ending, Event, Listener};

/// Bytes that are collected at most before they are written.
const BUFFER: usize = 64 * 1024;
/// A record from this length on makes the whole history's size worth looking at.
const LARGE: u64 = 1024 * 1024;

/// A line that is no event.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Frame<'a> {
    Start(&'a Start),
    End(&'a End),
}

/// The record of a running build.
pub struct Journal {
    id: Id,
    pages: Arc<Mutex<Pages>>,
}

struct Pages {
    file: File,
    path: PathBuf,
    buffer: Vec<u8>,
    written: u64,
    failure: Option<io::Error>,
    steps: HashMap<Digest, Step>,
    took: Vec<(Digest, Duration)>,
}

/// What is known when a record is over.
#[derive(Debug)]
pub struct Ended {
    /// Results of the steps that were executed, and how long each took.
    pub took: Vec<(Digest, Duration)>,
    /// Whether the record is so long that the size of the history is worth looking at.
    pub large: bool,
}

impl Journal {
    /// Begins to write to an empty file, whose lock is held.
    pub(super) fn begin(file: File, path: PathBuf, start: Start) -> Result<Self, HistoryError> {
        let mut pages = Pages {
            file,
            path,
            buffer: Vec::with_capacity(4096),
            written: 0,
            failure: None,
            steps: HashMap::new(),
            took: Vec::new(),
        };
        pages.line(&Frame::Start(&start));
        pages.flush();
        if let Some(source) = pages.failure.take() {
            return Err(failed("write", &pages.path)(source));
        }
        Ok(Self {
            id: start.id,
            pages: Arc::new(Mutex::new(pages)),
        })
    }

    /// Name of the build.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// Whoever tells the build's events to it writes them down.
    pub fn listener(&self) -> Box<dyn Listener> {
        Box::new(Writer(Arc::clone(&self.pages)))
    }

    /// Ends the record. `end` is made from the counts of steps.
    ///
    /// # Errors
    /// Something of the record could not be written.
    pub fn end(self, end: impl FnOnce(Counts) -> End) -> Result<Ended, HistoryError> {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let end = end(pages.steps.values().copied().collect());
        pages.line(&Frame::End(&end));
        pages.flush();
        if let Some(source) = pages.failure.take() {
            return Err(failed("write", &pages.path)(source));
        }
        Ok(Ended {
            took: std::mem::take(&mut pages.took),
            large: pages.written >= LARGE,
        })
    }
}

impl Pages {
    fn line(&mut self, line: &impl Serialize) {
        if self.failure.is_some() {
            return;
        }
        if let Err(error) = serde_json::to_writer(&mut self.buffer, line) {
            self.failure = Some(error.into());
            return;
        }
        self.buffer.push(b'\n');
        if self.buffer.len() >= BUFFER {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.buffer.is_empty() || self.failure.is_some() {
            return;
        }
        if let Err(error) = self.file.write_all(&self.buffer) {
            self.failure = Some(error);
        }
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Vertex(update) => {
                let state = update
                    .completed
                    .as_ref()
                    .map_or(Step::Running, |(_, ending)| ending.into());
                self.steps.insert(update.digest, state);
                if let (Some(result), Some(started), Some((at, Ending::Done))) =
                    (update.result, update.started, &update.completed)
                {
                    let took = at.duration_since(started).unwrap_or_default();
                    self.took.push((result, took));
                }
            }
            // How far a transfer is interests nobody later.
            Event::Status(update) if update.completed.is_none() => return,
            Event::Status(_) | Event::Log(_) | Event::Warning(_) => {}
        }
        self.line(event);
    }
}

struct Writer(Arc<Mutex<Pages>>);

impl Listener for Writer {
    fn event(&mut self, event: &Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).event(event);
    }

    fn flush(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush();
    }
}
