//! What a page or a trace of a build tells, worked out from its record. Pure.
//!
//! Times are microseconds from the beginning of the build.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use lapstrake_llb::Digest;

use super::critical::{self, Node};
use super::lanes::lanes;
use crate::history::{Build, Start, Status};
use crate::progress::{Ending, FoundBy};

/// Bytes of a step's log that are shown: this many from its beginning, and from its end.
const EXCERPT: usize = 4000;

/// State of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It still runs.
    Running,
    /// It was executed.
    Done,
    /// Found by where its inputs come from.
    Cached,
    /// Found by the content of its inputs.
    CachedByContent,
    /// Nothing needed it.
    Skipped,
    /// It was given up.
    Cancelled,
    /// It went wrong.
    Failed,
}

impl State {
    /// Whether the cache spared its work.
    pub fn is_saved(self) -> bool {
        matches!(self, Self::Cached | Self::CachedByContent | Self::Skipped)
    }

    /// As words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Cached => "cached",
            Self::CachedByContent => "cached by content",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }
}

/// One step.
#[derive(Debug, Clone)]
pub struct PlannedStep {
    /// Its name.
    pub name: String,
    /// Digest of its definition.
    pub digest: Digest,
    /// Places of its inputs among the steps.
    pub inputs: Vec<usize>,
    /// How it ended.
    pub state: State,
    /// When it began and ended; none: it never ran.
    pub span: Option<(u64, u64)>,
    /// Its lane on the time line.
    pub lane: usize,
    /// Whether it is on the critical path.
    pub critical: bool,
    /// What it took when it was executed, of a cached or skipped one, if that is known.
    pub saved: Option<Duration>,
    /// The error of a failed one.
    pub error: Option<String>,
    /// Its log, or the beginning and the end of a long one.
    pub log: String,
    /// Bytes of its whole log.
    pub log_bytes: usize,
}

impl PlannedStep {
    /// Microseconds that it took here.
    pub fn took(&self) -> u64 {
        self.span.map_or(0, |(begin, end)| end - begin)
    }
}

/// What the cache saved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Saved {
    /// Time of the found and skipped steps whose time is known.
    pub known: Duration,
    /// Found and skipped steps whose time nobody noted.
    pub unknown: usize,
}

/// All of it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What was wanted.
    pub start: Start,
    /// How it ended.
    pub status: Status,
    /// Length of the build, in microseconds.
    pub length: u64,
    /// The steps, in the order in which they appeared.
    pub steps: Vec<PlannedStep>,
    /// Places of the critical path's steps, the first one first.
    pub critical: Vec<usize>,
    /// Lanes of the time line.
    pub lanes: usize,
    /// What the cache saved.
    pub saved: Saved,
    /// The error, as it was shown.
    pub error: Option<String>,
}

impl Plan {
    /// Works it out. `took` says how long it took to make a result, if that is known.
    pub fn new(build: &Build, took: impl Fn(&Digest) -> Option<Duration>) -> Self {
        let summary = &build.summary;
        let recorded = build.steps();
        let places: HashMap<Digest, usize> = recorded
            .iter()
            .enumerate()
            .map(|(place, step)| (step.vertex.digest, place))
            .collect();
        let length = micros(summary.start.at, summary.start.at + summary.duration());
        let mut steps: Vec<PlannedStep> = recorded
            .into_iter()
            .map(|step| {
                let vertex = step.vertex;
                let state = state(vertex.completed.as_ref().map(|(_, ending)| ending));
                let begin = vertex.started.map(|at| micros(summary.start.at, at));
                let end = match &vertex.completed {
                    Some((at, _)) => micros(summary.start.at, *at),
                    None => length,
                };
                let (log, log_bytes) = excerpt(step.log.iter().map(|chunk| chunk.data.as_slice()));
                PlannedStep {
                    inputs: vertex
                        .inputs
                        .iter()
                        .filter_map(|input| places.get(input).copied())
                        .collect(),
                    span: begin.map(|begin| (begin, end.max(begin))),
                    lane: 0,
                    critical: false,
                    saved: vertex
                        .result
                        .as_ref()
                        .filter(|_| state.is_saved())
                        .and_then(&took),
                    error: match vertex.completed {
                        Some((_, Ending::Failed(error))) => Some(error),
                        _ => None,
                    },
                    name: vertex.name,
                    digest: vertex.digest,
                    state,
                    log,
                    log_bytes,
                }
            })
            .collect();
        let lanes = place_in_lanes(&mut steps);
        let critical = critical::path(&nodes(&steps));
        for place in &critical {
            steps[*place].critical = true;
        }
        let end = summary.end.as_ref();
        Self {
            start: summary.start.clone(),
            status: summary.status,
            length: steps
                .iter()
                .filter_map(|step| Some(step.span?.1))
                .fold(length, u64::max),
            critical,
            lanes,
            saved: saved(&steps),
            error: end.and_then(|end| Some(end.error.as_ref()?.message.clone())),
            steps,
        }
    }

    /// Microseconds of the critical path.
    pub fn critical_length(&self) -> u64 {
        self.critical.iter().map(|place| self.steps[*place].took()).sum()
    }
}

fn micros(from: SystemTime, to: SystemTime) -> u64 {
    let length = to.duration_since(from).unwrap_or_default();
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}

fn state(ending: Option<&Ending>) -> State {
    match ending {
        None => State::Running,
        Some(Ending::Done) => State::Done,
        Some(Ending::Cached(FoundBy::Local)) => State::Cached,
        Some(Ending::Cached(FoundBy::Content)) => State::CachedByContent,
        Some(Ending::Skipped) => State::Skipped,
        Some(Ending::Cancelled) => State::Cancelled,
        Some(Ending::Failed(_)) => State::Failed,
    }
}

/// Gives each step that took time its lane, and says how many there are.
fn place_in_lanes(steps: &mut [PlannedStep]) -> usize {
    let running = |step: &PlannedStep| step.span.filter(|(begin, end)| end > begin);
    let spans: Vec<(u64, u64)> = steps.iter().filter_map(running).collect();
    let lanes = lanes(&spans);
    let ran = steps.iter_mut().filter(|step| running(step).is_some());
    for (step, lane) in ran.zip(&lanes) {
        step.lane = *lane;
    }
    lanes.iter().max().map_or(0, |most| most + 1)
}

/// The graph for the critical path. The first step reads the build file: what has no inputs waits for it.
fn nodes(steps: &[PlannedStep]) -> Vec<Node> {
    let first = steps
        .first()
        .filter(|step| step.name.starts_with("[internal] load build definition"));
    let node = |(place, step): (usize, &PlannedStep)| Node {
        cost: step.took(),
        inputs: if step.inputs.is_empty() && first.is_some() && place > 0 {
            vec![0]
        } else {
            step.inputs.clone()
        },
    };
    steps.iter().enumerate().map(node).collect()
}

/// A step that was found, or skipped as another was found, saved what it took when it was executed.
fn saved(steps: &[PlannedStep]) -> Saved {
    let mut saved = Saved::default();
    for step in steps.iter().filter(|step| step.state.is_saved()) {
        match step.saved {
            Some(took) => saved.known += took,
            None => saved.unknown += 1,
        }
    }
    saved
}

/// The text of a log, without its middle where it is long, and how many bytes it has.
fn excerpt<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> (String, usize) {
    let whole: Vec<u8> = chunks.flatten().copied().collect();
    let bytes = whole.len();
    if bytes <= 2 * EXCERPT {
        return (String::from_utf8_lossy(&whole).into_owned(), bytes);
    }
    let head = String::from_utf8_lossy(&whole[..EXCERPT]).into_owned();
    let tail = String::from_utf8_lossy(&whole[bytes - EXCERPT..]).into_owned();
    let left_out = bytes - 2 * EXCERPT;
    (
        format!("{head}\n[… {left_out} bytes are left out …]\n{tail}"),
        bytes,
    )
}

#[cfg(test)]
mod tests;
