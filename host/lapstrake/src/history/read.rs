//! Reads records: the beginning and the end only, or the whole.
//! A line that was cut off when its process died is left out.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::record::{End, Start, Status};
use super::{Entry, HistoryError, Liveness, failed, liveness};
use crate::progress::{Ending, Event, LogChunk, VertexUpdate};

/// The last line is looked for in this much of a file's end before all of it is read.
const TAIL: u64 = 64 * 1024;

/// A line that is no event.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Frame {
    Start(Box<Start>),
    End(Box<End>),
}

/// What a listing says of a build.
#[derive(Debug, Clone)]
pub struct Summary {
    /// How it began.
    pub start: Start,
    /// How it ended, if it has.
    pub end: Option<End>,
    /// Whether and how it ended.
    pub status: Status,
    /// When it ended, or when something was heard of it last.
    pub last: SystemTime,
}

impl Summary {
    /// How long it took, or takes.
    pub fn duration(&self) -> Duration {
        let end = match self.status {
            Status::Running => SystemTime::now(),
            _ => self.last,
        };
        end.duration_since(self.start.at).unwrap_or_default()
    }
}

/// All that is known of a step.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Its name, inputs, times, ending and result.
    pub vertex: VertexUpdate,
    /// Its log, as it was written.
    pub log: Vec<LogChunk>,
}

/// A whole record.
#[derive(Debug, Clone)]
pub struct Build {
    /// How it began and ended.
    pub summary: Summary,
    /// What happened, in order.
    pub events: Vec<Event>,
}

impl Build {
    /// The steps, in the order in which they appeared, each with the last that is known of it.
    pub fn steps(&self) -> Vec<Recorded> {
        let mut steps: Vec<Recorded> = Vec::new();
        let mut places = std::collections::HashMap::new();
        for event in &self.events {
            match event {
                Event::Vertex(update) => {
                    let place = *places.entry(update.digest).or_insert(steps.len());
                    match steps.get_mut(place) {
                        Some(step) => {
                            let started = step.vertex.started.or(update.started);
                            step.vertex = update.clone();
                            step.vertex.started = started;
                        }
                        None => steps.push(Recorded {
                            vertex: update.clone(),
                            log: Vec::new(),
                        }),
                    }
                }
                Event::Log(chunk) => {
                    if let Some(place) = places.get(&chunk.vertex) {
                        steps[*place].log.push(chunk.clone());
                    }
                }
                Event::Status(_) | Event::Warning(_) => {}
            }
        }
        // What ran when the process died has ended with it.
        if self.summary.status == Status::Interrupted {
            for step in steps.iter_mut().filter(|step| step.vertex.completed.is_none()) {
                step.vertex.completed = Some((self.summary.last, Ending::Cancelled));
            }
        }
        steps
    }
}

impl Entry {
    /// Reads how it began and ended. None: it is gone, or has only just begun.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn summary(&self) -> Result<Option<Summary>, HistoryError> {
        match read_summary(&self.path) {
            Err(HistoryError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            other => other,
        }
    }

    /// Reads all of it. None: it is gone, or has only just begun.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self) -> Result<Option<Build>, HistoryError> {
        let Some(summary) = self.summary()? else {
            return Ok(None);
        };
        let file = File::open(&self.path).map_err(failed("open", &self.path))?;
        let mut reader = BufReader::new(file);
        let mut events = Vec::new();
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = reader
                .read_until(b'\n', &mut line)
                .map_err(failed("read", &self.path))?;
            if length == 0 {
                break;
            }
            // Neither the first nor the last line is an event, nor is one that was cut off.
            events.extend(serde_json::from_slice::<Event>(&line));
        }
        Ok(Some(Build { summary, events }))
    }
}

fn read_summary(path: &Path) -> Result<Option<Summary>, HistoryError> {
    // The lock is asked first: what has no end after it was free will never have one.
    let liveness = liveness(path)?;
    let mut file = File::open(path).map_err(failed("open", path))?;
    let meta = file.metadata().map_err(failed("read", path))?;
    let mut first = Vec::new();
    let mut reader = BufReader::new(&file);
    reader
        .read_until(b'\n', &mut first)
        .map_err(failed("read", path))?;
    if first.last() != Some(&b'\n') {
        return Ok(None);
    }
    let frame = serde_json::from_slice(&first).map_err(|source| HistoryError::Damaged {
        path: path.to_owned(),
        source,
    })?;
    let Frame::Start(start) = frame else {
        return Ok(None);
    };
    let end = last_line(&mut file, meta.len()).map_err(failed("read", path))?;
    let end = match serde_json::from_slice(&end) {
        Ok(Frame::End(end)) => Some(*end),
        _ => None,
    };
    let status = match (&end, liveness) {
        (Some(end), _) => end.status,
        (None, Liveness::Alive) => Status::Running,
        (None, Liveness::Dead) => Status::Interrupted,
    };
    let last = match &end {
        Some(end) => end.at,
        None => meta.modified().unwrap_or(start.at),
    };
    Ok(Some(Summary {
        start: *start,
        end,
        status,
        last,
    }))
}

/// The last whole line of a file.
fn last_line(file: &mut File, length: u64) -> std::io::Result<Vec<u8>> {
    let mut reach = TAIL;
    loop {
        let from = length.saturating_sub(reach);
        file.seek(SeekFrom::Start(from))?;
        let mut tail = Vec::new();
        file.take(length - from).read_to_end(&mut tail)?;
        let whole = tail.strip_suffix(b"\n").unwrap_or_default();
        match whole.iter().rposition(|byte| *byte == b'\n') {
            Some(begin) => return Ok(whole[begin + 1..].to_vec()),
            None if from == 0 || whole.is_empty() => return Ok(whole.to_vec()),
            None => reach = reach.saturating_mul(8),
        }
    }
}
