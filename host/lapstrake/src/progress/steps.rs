//! The steps of a build as they stand after the events so far; what both the plain and the tty display need.
//! Knows nothing of how they are written.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use lapstrake_llb::Digest;

use super::{Ending, LogChunk, StatusUpdate, VertexUpdate};

/// A line of a step's log.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// Time since the step began.
    pub at: Duration,
    /// The line without its end.
    pub text: String,
}

/// One step.
#[derive(Debug)]
pub struct Step {
    /// Number in the order of appearance, from 1.
    pub number: usize,
    /// What it is called.
    pub name: String,
    /// When it began.
    pub started: Option<SystemTime>,
    /// When and how it ended.
    pub completed: Option<(SystemTime, Ending)>,
    /// Parts that go on, in the order of appearance.
    pub statuses: Vec<StatusUpdate>,
    /// Whole lines of its log.
    pub log: Vec<LogLine>,
    /// The line that has no end yet, by stream.
    partial: [Vec<u8>; 2],
}

impl Step {
    /// How long it took, or takes up to now.
    pub fn duration(&self, now: SystemTime) -> Duration {
        let end = self.completed.as_ref().map_or(now, |(at, _)| *at);
        self.started
            .and_then(|started| end.duration_since(started).ok())
            .unwrap_or_default()
    }

    /// Whether there is something to show: a step that was given up before it began only buries what went wrong.
    pub fn is_shown(&self) -> bool {
        match &self.completed {
            Some((_, Ending::Cancelled)) | None => self.started.is_some(),
            Some(_) => true,
        }
    }

    /// Whether it runs.
    pub fn running(&self) -> bool {
        self.started.is_some() && self.completed.is_none()
    }

    fn add_log(&mut self, chunk: &LogChunk) {
        let at = self
            .started
            .and_then(|started| chunk.timestamp.duration_since(started).ok())
            .unwrap_or_default();
        let partial = &mut self.partial[usize::from(chunk.stream != 1)];
        partial.extend_from_slice(&chunk.data);
        while let Some(end) = partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = partial.drain(..=end).collect();
            self.log.push(LogLine {
                at,
                text: printable(&line[..line.len() - 1]),
            });
        }
    }

    /// Takes what has no line end as lines: the step is over.
    fn end_log(&mut self, at: Duration) {
        for partial in &mut self.partial {
            if !partial.is_empty() {
                let line = std::mem::take(partial);
                self.log.push(LogLine {
                    at,
                    text: printable(&line),
                });
            }
        }
    }
}

/// What a terminal shows of a line: after the last carriage return, without control characters but tabs and colours.
fn printable(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = line.rsplit(|byte| *byte == b'\r').next().unwrap_or_default();
    let text = String::from_utf8_lossy(line);
    text.chars()
        .filter(|c| !c.is_control() || matches!(c, '\t' | '\u{1b}'))
        .collect()
}

/// A step's name on one line, without what a terminal would obey.
fn shown(name: &str) -> String {
    match name {
        "" => "(step without a name)".to_owned(),
        name => name
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect(),
    }
}

/// All steps so far.
#[derive(Debug, Default)]
pub struct Steps {
    by_digest: HashMap<Digest, usize>,
    /// In the order of appearance.
    pub all: Vec<Step>,
}

impl Steps {
    /// Takes a step's news in and returns its index.
    pub fn vertex(&mut self, update: VertexUpdate) -> usize {
        let index = self.index(&update.digest, &update.name);
        let step = &mut self.all[index];
        if update.started.is_some() {
            // A step that comes again (another solve of the same build) begins anew.
            if step.completed.is_some() && update.completed.is_none() {
                step.completed = None;
            }
            if step.started.is_none() {
                step.started = update.started;
            }
        }
        if let Some((at, ending)) = update.completed {
            step.completed = Some((at, ending));
            let duration = step.duration(at);
            step.end_log(duration);
        }
        index
    }

    /// Takes a status in and returns the step's index.
    pub fn status(&mut self, mut update: StatusUpdate) -> Option<usize> {
        update.id = shown(&update.id);
        let index = *self.by_digest.get(&update.vertex)?;
        let statuses = &mut self.all[index].statuses;
        match statuses.iter_mut().find(|status| status.id == update.id) {
            Some(status) => *status = update,
            None => statuses.push(update),
        }
        Some(index)
    }

    /// Takes a log in and returns the step's index.
    pub fn log(&mut self, chunk: &LogChunk) -> Option<usize> {
        let index = *self.by_digest.get(&chunk.vertex)?;
        self.all[index].add_log(chunk);
        Some(index)
    }

    fn index(&mut self, digest: &Digest, name: &str) -> usize {
        let next = self.all.len();
        let index = *self.by_digest.entry(*digest).or_insert(next);
        if index == next {
            self.all.push(Step {
                number: next + 1,
                name: shown(name),
                started: None,
                completed: None,
                statuses: Vec::new(),
                log: Vec::new(),
                partial: [Vec::new(), Vec::new()],
            });
        }
        index
    }
}

/// Bytes for people, powers of 1000, as Docker writes them.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{count}B")
    } else {
        format!("{value:.2}{}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_docker_does() {
        assert_eq!(bytes(0), "0B");
        assert_eq!(bytes(999), "999B");
        assert_eq!(bytes(1500), "1.50kB");
        assert_eq!(bytes(250_000_000), "250.00MB");
    }

    #[test]
    fn a_log_is_cut_into_lines_and_the_rest_comes_at_the_end() {
        let digest = Digest::of(b"x");
        let at = SystemTime::UNIX_EPOCH;
        let mut steps = Steps::default();
        let update = |completed| VertexUpdate {
            digest,
            name: "x".into(),
            inputs: vec![],
            started: Some(at),
            completed,
            result: None,
        };
        steps.vertex(update(None));
        let chunk = |data: &[u8]| LogChunk {
            vertex: digest,
            stream: 1,
            data: data.to_vec(),
            timestamp: at,
        };
        steps.log(&chunk(b"one\ntw"));
        steps.log(&chunk(b"o\r\n10%\r20%\nrest"));
        steps.vertex(update(Some((at, Ending::Done))));
        let lines: Vec<_> = steps.all[0].log.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(lines, ["one", "two", "20%", "rest"]);
    }

    #[test]
    fn a_log_of_an_unknown_step_is_no_panic() {
        let chunk = LogChunk {
            vertex: Digest::of(b"?"),
            stream: 1,
            data: vec![],
            timestamp: SystemTime::UNIX_EPOCH,
        };
        assert_eq!(Steps::default().log(&chunk), None);
    }
}
