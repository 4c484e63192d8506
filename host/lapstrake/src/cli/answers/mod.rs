//! Prints what a frontend answered to `--call`, as docker buildx does: as text for people or as JSON for programs.

mod asked;
mod check;
mod json;
mod text;

use std::io::Write;

use base64::Engine as _;
use lapstrake_frontend::FrontendInfo;
use lapstrake_llb::{Position, Report, SourceFile, SourceRange};
use serde_json::{Map, Value, json};

use crate::engine::Answer;
use crate::error::{Error, FrontendFailure};

use super::Failure;
use super::words::AnswerFormat;

pub use asked::Asked;

/// Prints an answer on standard output. A check that found a warning or an error fails, unless that is to be ignored.
pub fn print(answer: &Answer, asked: &Asked, format: AnswerFormat) -> Result<(), Failure> {
    let subrequests = asked.what == "subrequests.describe";
    let mut out = std::io::stdout().lock();
    match asked.format.unwrap_or(format) {
        AnswerFormat::Text => out.write_all(as_text(answer, subrequests).as_bytes())?,
        AnswerFormat::Json => writeln!(out, "{:#}", as_json(answer, subrequests))?,
    }
    out.flush()?;
    match answer {
        Answer::Check(report) if check::fails(report) && !asked.ignore_status => {
            // What was found is printed already; the exit code says that it is bad.
            let source = lapstrake_frontend::FrontendError::Diagnostics(Report::default());
            let failure = FrontendFailure {
                source,
                frontend: String::new(),
                place: None,
                environment: false,
                hint: None,
            };
            Err(Failure::Engine(Error::Frontend(Box::new(failure))))
        }
        _ => Ok(()),
    }
}

fn as_text(answer: &Answer, subrequests: bool) -> String {
    match answer {
        Answer::Check(found) => check::text(found),
        Answer::Targets(targets, _) => text::targets(targets),
        Answer::Outline(outline) => text::outline(outline),
        Answer::Describe(info) if subrequests => text::subrequests(info),
        Answer::Describe(info) => text::describe(info),
        Answer::Named(result) => {
            let end = if result.text.ends_with('\n') { "" } else { "\n" };
            format!("{}{end}", result.text)
        }
    }
}

fn as_json(answer: &Answer, subrequests: bool) -> Value {
    match answer {
        Answer::Check(found) => check::json(found),
        Answer::Targets(targets, sources) => json::targets(targets, sources),
        Answer::Outline(outline) => json::outline(outline),
        Answer::Describe(info) if subrequests => json::subrequests(info),
        Answer::Describe(info) => serde_json::to_value(info).unwrap_or(Value::Null),
        Answer::Named(result) => {
            serde_json::from_str(&result.json).unwrap_or_else(|_| Value::String(result.json.clone()))
        }
    }
}

/// What can be asked of every frontend, then what this one knows besides.
fn subrequests(info: &FrontendInfo) -> Vec<(String, String)> {
    let all = [
        ("lint", "Lint a build file"),
        ("outline", "List all parameters that the current build takes"),
        ("targets", "List all targets that the current build supports"),
        ("subrequests.describe", "List available subrequest types"),
    ];
    let own = info
        .calls
        .iter()
        .filter(|call| all.iter().all(|(name, _)| *name != call.name));
    let own = own.map(|call| (call.name.clone(), call.description.clone()));
    all.map(|(name, description)| (name.to_owned(), description.to_owned()))
        .into_iter()
        .chain(own)
        .collect()
}

/// BuildKit's `pb.Location`; none: there is no place. What is 0 is left out, as protobuf's JSON does.
fn location(ranges: &[SourceRange]) -> Option<Value> {
    let first = ranges.first()?;
    let position = |position: Position| {
        let mut value = Map::new();
        value.insert("line".to_owned(), json!(position.line));
        if position.column > 1 {
            value.insert("character".to_owned(), json!(position.column - 1));
        }
        value
    };
    let ranges = ranges.iter().filter(|range| range.file == first.file);
    let ranges = ranges.map(|range| json!({ "start": position(range.start), "end": position(range.stop) }));
    let mut value = json!({ "ranges": ranges.collect::<Vec<_>>() });
    if first.file > 0 {
        value["sourceIndex"] = json!(first.file);
    }
    Some(value)
}

/// BuildKit's `pb.SourceInfo`.
fn source_info(source: &SourceFile) -> Value {
    json!({ "filename": source.name, "language": source.language, "data": base64(&source.text) })
}

fn base64(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}
