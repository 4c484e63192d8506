//! What a check found, as docker buildx prints it: text for people, and BuildKit's `result.json` of `frontend.lint`.
//! Knows nothing of what is checked.

use std::fmt::Write as _;

use lapstrake_llb::{Diagnostic, Report, Severity, SourceFile, SourceRange};
use serde_json::{Value, json};

use super::location;
use crate::report;

/// Whether the check fails: a warning is enough.
pub fn fails(report: &Report) -> bool {
    let bad = |item: &Diagnostic| matches!(item.severity, Severity::Error | Severity::Warning);
    report.items.iter().any(bad)
}

/// Writes for people: the number of warnings, the warnings with their lines, then the errors and remarks.
pub fn text(found: &Report) -> String {
    let (warnings, others) = split(found);
    let errors = others.iter().any(|item| item.severity == Severity::Error);
    let mut out = match warnings.len() {
        0 if errors => String::new(),
        0 => "Check complete, no warnings found.\n".to_owned(),
        1 => "Check complete, 1 warning has been found!\n".to_owned(),
        count => format!("Check complete, {count} warnings have been found!\n"),
    };
    for item in warnings {
        let url = item.url.as_deref().map(|url| format!(" - {url}"));
        let _ = write!(
            out,
            "\nWARNING: {}{}\n{}\n",
            item.code,
            url.unwrap_or_default(),
            report::clean(&item.message)
        );
        if let Some(help) = &item.help {
            let _ = writeln!(out, "help: {}", report::clean(help));
        }
        lines(&mut out, &item.ranges, &found.sources);
    }
    for item in others {
        let gap = if out.is_empty() { "" } else { "\n" };
        let _ = write!(out, "{gap}{}", report::diagnostic(item, &found.sources));
    }
    out
}

fn split(found: &Report) -> (Vec<&Diagnostic>, Vec<&Diagnostic>) {
    found
        .items
        .iter()
        .partition(|item| item.severity == Severity::Warning)
}

/// Writes the name of the first range's file, and the lines of the ranges in it with up to two around them.
fn lines(out: &mut String, ranges: &[SourceRange], sources: &[SourceFile]) {
    let Some(file) = ranges.first().map(|range| range.file) else {
        return;
    };
    let Some(source) = sources.get(file as usize) else {
        return;
    };
    let ranges = ranges.iter().filter(|range| range.file == file);
    let ranges: Vec<_> = ranges
        .map(|range| range.start.line as usize..=range.stop.line as usize)
        .collect();
    let all: Vec<&str> = source.text.split('\n').collect();
    let first = ranges.iter().map(|range| *range.start()).min().unwrap_or(0);
    if first == 0 || first > all.len() {
        return;
    }
    let last = ranges.iter().map(|range| *range.end()).max().unwrap_or(first);
    let last = last.clamp(first, all.len());
    let around = if first == last { 2 } else { 1 };
    let _ = writeln!(out, "{}:{first}\n--------------------", source.name);
    for number in first.saturating_sub(around).max(1)..=(last + around).min(all.len()) {
        let is_meant = number == first || ranges.iter().any(|range| range.contains(&number));
        let mark = if is_meant { ">>>" } else { "   " };
        let line = report::clean(all[number - 1].trim_end_matches('\r'));
        let _ = writeln!(out, " {number:>3} | {mark} {line}");
    }
    out.push_str("--------------------\n");
}

/// Makes BuildKit's JSON. `buildError` is the first error; `errors` has all of them, and is there with it.
pub fn json(found: &Report) -> Value {
    let (warnings, others) = split(found);
    let errors: Vec<&Diagnostic> = others
        .into_iter()
        .filter(|item| item.severity == Severity::Error)
        .collect();
    let warning = |item: &&Diagnostic| {
        let mut value = json!({ "ruleName": item.code, "detail": item.message });
        if let Some(url) = &item.url {
            value["url"] = json!(url);
        }
        if let Some(location) = location(&item.ranges) {
            value["location"] = location;
        }
        value
    };
    let error = |item: &&Diagnostic| {
        let mut value = json!({ "code": item.code, "message": item.message });
        if let Some(help) = &item.help {
            value["help"] = json!(help);
        }
        value["location"] = location(&item.ranges).unwrap_or_else(|| json!({}));
        value
    };
    let mut value = json!({
        "warnings": warnings.iter().map(warning).collect::<Vec<_>>(),
        "sources": found.sources.iter().map(super::source_info).collect::<Vec<_>>(),
    });
    if let Some(first) = errors.first() {
        let place = location(&first.ranges).unwrap_or_else(|| json!({}));
        value["buildError"] = json!({ "message": first.message, "location": place });
        value["errors"] = errors.iter().map(error).collect();
    }
    value
}
