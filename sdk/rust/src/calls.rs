//! Named sub-requests as text and JSON. Knows nothing of how the answers are found.

use std::fmt::Write;

use crate::types::{CallResult, Outline, Report, Severity, SourceRange, TargetInfo};

/// Findings, one a paragraph.
pub fn report(report: &Report) -> CallResult {
    let mut text = String::new();
    let mut items = Vec::new();
    for item in &report.items {
        let severity = match item.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
            Severity::Hint => "hint",
        };
        let place = item
            .ranges
            .first()
            .map(|range| format!("{}:{}: ", range.start.line, range.start.column));
        let _ = writeln!(
            text,
            "{}{severity}: {} [{}]",
            place.unwrap_or_default(),
            item.message,
            item.code
        );
        if let Some(help) = &item.help {
            let _ = writeln!(text, "  {help}");
        }
        let ranges: Vec<String> = item.ranges.iter().map(range).collect();
        items.push(format!(
            "{{\"rule\":{},\"severity\":{},\"message\":{},\"help\":{},\"url\":{},\"ranges\":[{}]}}",
            string(&item.code),
            string(severity),
            string(&item.message),
            option(item.help.as_deref()),
            option(item.url.as_deref()),
            ranges.join(",")
        ));
    }
    CallResult {
        text,
        json: format!("{{\"findings\":[{}]}}", items.join(",")),
    }
}

/// A target and what can be set for it.
pub fn outline(outline: &Outline) -> CallResult {
    let mut text = String::new();
    let name = if outline.target.name.is_empty() {
        "(default)"
    } else {
        &outline.target.name
    };
    let _ = writeln!(text, "TARGET {name}");
    let mut args = Vec::new();
    for arg in &outline.args {
        let value = arg
            .default_value
            .as_deref()
            .map(|value| format!("={value}"))
            .unwrap_or_default();
        let _ = writeln!(text, "ARG    {}{value}  {}", arg.name, arg.description);
        args.push(format!(
            "{{\"name\":{},\"description\":{},\"value\":{}}}",
            string(&arg.name),
            string(&arg.description),
            option(arg.default_value.as_deref())
        ));
    }
    let mut lists = String::new();
    for (title, key, names) in [
        ("SECRET", "secrets", &outline.secrets),
        ("SSH   ", "ssh", &outline.ssh),
        ("CACHE ", "caches", &outline.cache_ids),
    ] {
        for name in names {
            let _ = writeln!(text, "{title} {name}");
        }
        let names: Vec<String> = names.iter().map(|name| string(name)).collect();
        let _ = write!(lists, ",\"{key}\":[{}]", names.join(","));
    }
    let json = format!(
        "{{\"target\":{},\"description\":{},\"args\":[{}]{lists}}}",
        string(&outline.target.name),
        string(&outline.target.description),
        args.join(",")
    );
    CallResult { text, json }
}

/// The stages that can be built.
pub fn targets(targets: &[TargetInfo]) -> CallResult {
    let mut text = String::new();
    let mut items = Vec::new();
    for target in targets {
        let name = if target.name.is_empty() { "-" } else { &target.name };
        let default = if target.is_default { " (default)" } else { "" };
        let _ = writeln!(text, "{name}{default}  {}", target.description);
        items.push(format!(
            "{{\"name\":{},\"description\":{},\"base\":{},\"default\":{}}}",
            string(&target.name),
            string(&target.description),
            string(&target.base),
            target.is_default
        ));
    }
    CallResult {
        text,
        json: format!("{{\"targets\":[{}]}}", items.join(",")),
    }
}

fn range(range: &SourceRange) -> String {
    format!(
        "{{\"start\":{{\"line\":{},\"column\":{}}},\"stop\":{{\"line\":{},\"column\":{}}}}}",
        range.start.line, range.start.column, range.stop.line, range.stop.column
    )
}

fn option(text: Option<&str>) -> String {
    text.map_or_else(|| "null".to_owned(), string)
}

/// A JSON string (RFC 8259).
fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
