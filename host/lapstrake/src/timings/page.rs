//! A build as a page of its own: one HTML file that loads nothing. Pure.
//!
//! All of a build's words are data in it (JSON in a script element that is not run) and put on the page as text, so that
//! none of them is obeyed.

use serde_json::{Value, json};

use super::plan::{Plan, PlannedStep};

const TEMPLATE: &str = include_str!("page.html");

/// The page as HTML text.
pub fn page(plan: &Plan) -> String {
    let (head, rest) = TEMPLATE.split_once("{{TITLE}}").unwrap_or((TEMPLATE, ""));
    let (middle, tail) = rest.split_once("{{DATA}}").unwrap_or((rest, ""));
    let data = data(plan).to_string();
    [head, &title(&plan.start.name), middle, &in_script(&data), tail].concat()
}

fn data(plan: &Plan) -> Value {
    let started = jiff::Timestamp::try_from(plan.start.at).map(|at| at.to_string());
    json!({
        "id": plan.start.id,
        "name": plan.start.name,
        "status": plan.status,
        "started": started.unwrap_or_default(),
        "context": plan.start.context,
        "file": plan.start.file,
        "target": plan.start.target,
        "platforms": plan.start.platforms,
        "jobs": plan.start.jobs,
        "length": plan.length,
        "lanes": plan.lanes,
        "critical": plan.critical,
        "criticalLength": plan.critical_length(),
        "saved": micros(plan.saved.known),
        "savedUnknown": plan.saved.unknown,
        "error": plan.error,
        "steps": plan.steps.iter().map(step).collect::<Vec<_>>(),
    })
}

fn step(step: &PlannedStep) -> Value {
    json!({
        "name": step.name,
        "digest": step.digest,
        "inputs": step.inputs,
        "state": step.state.words(),
        "begin": step.span.map(|(begin, _)| begin),
        "end": step.span.map(|(_, end)| end),
        "lane": step.lane,
        "critical": step.critical,
        "saved": step.saved.map(micros),
        "error": step.error,
        "log": step.log,
        "logBytes": step.log_bytes,
    })
}

fn micros(length: std::time::Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}

/// JSON that a script element can hold: no character in it begins or ends an element (HTML, section 4.12.1.3).
fn in_script(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
    out
}

fn title(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '&' => "&amp;".to_owned(),
            c if c.is_control() => " ".to_owned(),
            c => c.to_string(),
        })
        .collect()
}
