//! `lapstrake frontend ls`: the built-in frontends and those that were fetched.
//! Knows nothing of where they come from.

use std::io::Write;

use lapstrake_frontend::{Cancel, FrontendSource, Limits, built_in};
use serde_json::{Value, json};

use super::words::LsWords;
use super::{Failure, Place};
use crate::cli::words::AnswerFormat;
use crate::engine::Engine;

/// Digits of a digest that people need.
const SHORT: usize = 12;

struct Row {
    reference: String,
    kind: &'static str,
    version: Option<String>,
    contract: Option<String>,
    digest: String,
    size: u64,
    /// Seconds since 1970.
    used: Option<u64>,
}

/// Lists.
pub fn ls(words: &LsWords, place: &Place) -> Result<(), Failure> {
    let engine = place.engine(&place.config()?)?;
    let rows = rows(&engine)?;
    let mut out = std::io::stdout().lock();
    match words.format {
        AnswerFormat::Text => out.write_all(text(&rows).as_bytes())?,
        AnswerFormat::Json => {
            let rows: Vec<Value> = rows.iter().map(json).collect();
            writeln!(out, "{}", Value::from(rows))?;
        }
    }
    out.flush()?;
    Ok(())
}

fn rows(engine: &Engine) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for built_in in built_in() {
        let source = FrontendSource::BuiltIn(built_in.name.to_owned());
        let frontend = engine.frontends().load(&source).ok();
        let info = frontend
            .as_ref()
            .and_then(|frontend| frontend.describe(&Limits::default(), &Cancel::new()).ok());
        rows.push(Row {
            reference: built_in.name.to_owned(),
            kind: "built-in",
            version: info.map(|info| info.version),
            contract: frontend.and_then(|frontend| frontend.contract_version().ok()),
            digest: built_in.digest.to_string(),
            size: built_in.wasm_size,
            used: None,
        });
    }
    for known in engine.known_components()? {
        // Nothing of a stranger's runs for a list; what was compiled before says its contract at once.
        rows.push(Row {
            contract: engine.contract_of(&known),
            reference: known.reference,
            kind: "fetched",
            version: None,
            digest: known.digest.to_string(),
            size: known.size,
            used: Some(known.used),
        });
    }
    Ok(rows)
}

fn json(row: &Row) -> Value {
    json!({
        "reference": row.reference,
        "kind": row.kind,
        "version": row.version,
        "contract": row.contract,
        "digest": row.digest,
        "size": row.size,
        "lastUsed": row.used,
    })
}

fn text(rows: &[Row]) -> String {
    let now = std::time::SystemTime::now();
    let now = now
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let lines = rows.iter().map(|row| {
        [
            row.reference.clone(),
            row.version.clone().unwrap_or_default(),
            row.contract.clone().unwrap_or_default(),
            row.digest
                .trim_start_matches("sha256:")
                .chars()
                .take(SHORT)
                .collect(),
            size(row.size),
            row.used
                .map_or_else(|| row.kind.to_owned(), |used| ago(now.saturating_sub(used))),
        ]
    });
    table(
        ["FRONTEND", "VERSION", "CONTRACT", "DIGEST", "SIZE", "LAST USED"],
        lines,
    )
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

fn ago(seconds: u64) -> String {
    match seconds {
        0..120 => "now".to_owned(),
        120..7200 => format!("{} minutes ago", seconds / 60),
        7200..172_800 => format!("{} hours ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// Columns as wide as their widest cell.
pub(super) fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut all: Vec<[String; N]> = vec![head.map(str::to_owned)];
    all.extend(rows);
    let mut widths = [0; N];
    for row in &all {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; N]| {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    };
    all.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_sizes_and_times() {
        assert_eq!(
            [size(900), size(115_000), size(18_600_000)],
            ["900 B", "115 kB", "18 MB"]
        );
        assert_eq!(
            [ago(5), ago(600), ago(90_000)],
            ["now", "10 minutes ago", "25 hours ago"]
        );
    }
}
