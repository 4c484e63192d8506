//! Progress as one JSON object a line with the fields of BuildKit's `client.SolveStatus`: for programs.

use std::io::Write;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use lapstrake_llb::{Digest, Severity, SourceRange};
use serde::Serialize;

use super::{Ending, Event, Renderer};

#[derive(Serialize, Default)]
struct SolveStatus {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vertexes: Vec<Vertex>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    statuses: Vec<Status>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logs: Vec<Log>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

#[derive(Serialize)]
struct Vertex {
    digest: Digest,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    inputs: Vec<Digest>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cached: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    error: String,
}

#[derive(Serialize)]
struct Status {
    id: String,
    vertex: Digest,
    current: u64,
    total: u64,
    timestamp: String,
    started: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed: Option<String>,
}

#[derive(Serialize)]
struct Log {
    vertex: Digest,
    stream: u8,
    data: String,
    timestamp: String,
}

#[derive(Serialize)]
struct Warning {
    #[serde(skip_serializing_if = "Option::is_none")]
    vertex: Option<Digest>,
    level: u8,
    short: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    detail: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    url: String,
    #[serde(rename = "sourceInfo", skip_serializing_if = "Option::is_none")]
    source_info: Option<SourceInfo>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    range: Vec<Range>,
}

#[derive(Serialize)]
struct SourceInfo {
    filename: String,
    data: String,
    language: String,
}

#[derive(Serialize)]
struct Range {
    start: Place,
    end: Place,
}

#[derive(Serialize)]
struct Place {
    line: u32,
    character: u32,
}

impl From<&SourceRange> for Range {
    /// BuildKit counts characters from 0.
    fn from(range: &SourceRange) -> Self {
        let place = |at: lapstrake_llb::Position| Place {
            line: at.line,
            character: at.column.saturating_sub(1),
        };
        Self {
            start: place(range.start),
            end: place(range.stop),
        }
    }
}

fn time(at: SystemTime) -> String {
    jiff::Timestamp::try_from(at)
        .map(|at| at.to_string())
        .unwrap_or_default()
}

fn status(event: Event) -> SolveStatus {
    let mut out = SolveStatus::default();
    match event {
        Event::Vertex(update) => {
            let ending = update.completed.as_ref().map(|(_, ending)| ending);
            // As BuildKit tells a vertex that nothing needed: it is named, and neither begins nor ends.
            let skipped = ending == Some(&Ending::Skipped);
            out.vertexes.push(Vertex {
                digest: update.digest,
                inputs: update.inputs,
                cached: matches!(ending, Some(Ending::Cached(_))),
                error: match ending {
                    Some(Ending::Failed(error)) => error.clone(),
                    Some(Ending::Cancelled) => "context canceled".to_owned(),
                    Some(Ending::Done | Ending::Cached(_) | Ending::Skipped) | None => String::new(),
                },
                name: update.name,
                started: update.started.filter(|_| !skipped).map(time),
                completed: update.completed.filter(|_| !skipped).map(|(at, _)| time(at)),
            });
        }
        Event::Status(update) => out.statuses.push(Status {
            id: update.id,
            vertex: update.vertex,
            current: update.current,
            total: update.total,
            timestamp: time(update.timestamp),
            started: time(update.started),
            completed: update.completed.map(time),
        }),
        Event::Log(chunk) => out.logs.push(Log {
            vertex: chunk.vertex,
            stream: chunk.stream,
            data: BASE64.encode(&chunk.data),
            timestamp: time(chunk.timestamp),
        }),
        Event::Warning(warning) => {
            let diagnostic = &warning.diagnostic;
            let source = diagnostic
                .ranges
                .first()
                .and_then(|range| warning.sources.get(range.file as usize));
            out.warnings.push(Warning {
                vertex: warning.vertex,
                level: u8::from(diagnostic.severity == Severity::Error),
                short: BASE64.encode(format!("{}: {}", diagnostic.code, diagnostic.message)),
                detail: diagnostic.help.iter().map(|help| BASE64.encode(help)).collect(),
                url: diagnostic.url.clone().unwrap_or_default(),
                source_info: source.map(|file| SourceInfo {
                    filename: file.name.clone(),
                    data: BASE64.encode(&file.text),
                    language: file.language.clone(),
                }),
                range: diagnostic.ranges.iter().map(Range::from).collect(),
            });
        }
    }
    out
}

/// Writes to `W`.
pub struct RawJson<W> {
    out: W,
}

impl<W> RawJson<W> {
    /// A display that has written nothing.
    pub fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Write + Send> Renderer for RawJson<W> {
    fn event(&mut self, event: Event) {
        // A reader that went away ends the display, not the build.
        if let Ok(line) = serde_json::to_string(&status(event)) {
            let _ = writeln!(self.out, "{line}");
        }
    }

    fn flush(&mut self) {
        let _ = self.out.flush();
    }

    fn finish(&mut self) {
        let _ = self.out.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FoundBy, LogChunk, VertexUpdate};
    use super::*;

    #[test]
    fn has_the_fields_of_solve_status() {
        let digest = Digest::of(b"x");
        let at = SystemTime::UNIX_EPOCH;
        let cached = Ending::Cached(FoundBy::Local);
        let mut json = RawJson::new(Vec::new());
        json.event(Event::Vertex(VertexUpdate {
            digest,
            name: "RUN x".into(),
            inputs: vec![],
            started: Some(at),
            completed: Some((at, cached)),
            result: None,
        }));
        json.event(Event::Vertex(VertexUpdate {
            digest,
            name: "RUN y".into(),
            inputs: vec![],
            started: None,
            completed: Some((at, Ending::Skipped)),
            result: None,
        }));
        json.event(Event::Vertex(VertexUpdate {
            digest,
            name: "RUN z".into(),
            inputs: vec![],
            started: None,
            completed: Some((at, Ending::Cancelled)),
            result: None,
        }));
        json.event(Event::Log(LogChunk {
            vertex: digest,
            stream: 2,
            data: b"hi\xff".to_vec(),
            timestamp: at,
        }));
        let text = String::from_utf8(json.out).unwrap();
        let expected = format!(
            "{{\"vertexes\":[{{\"digest\":\"{digest}\",\"name\":\"RUN x\",\"started\":\"1970-01-01T00:00:00Z\",\
             \"completed\":\"1970-01-01T00:00:00Z\",\"cached\":true}}]}}\n\
             {{\"vertexes\":[{{\"digest\":\"{digest}\",\"name\":\"RUN y\"}}]}}\n\
             {{\"vertexes\":[{{\"digest\":\"{digest}\",\"name\":\"RUN z\",\
             \"completed\":\"1970-01-01T00:00:00Z\",\"error\":\"context canceled\"}}]}}\n\
             {{\"logs\":[{{\"vertex\":\"{digest}\",\"stream\":2,\"data\":\"aGn/\",\
             \"timestamp\":\"1970-01-01T00:00:00Z\"}}]}}\n"
        );
        assert_eq!(text, expected);
    }
}
