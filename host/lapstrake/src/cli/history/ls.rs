//! `lapstrake history ls`.

use std::io::Write;
use std::time::SystemTime;

use serde_json::json;

use super::times::{ago, length, stamp};
use super::words::LsWords;
use crate::cli::Failure;
use crate::cli::words::AnswerFormat;
use crate::error::Error;
use crate::history::{Filter, History, HistoryError, Status, Summary};

/// Characters of a name that are shown.
const NAME: usize = 40;

/// Lists, the latest first.
pub fn run(words: &LsWords, history: &History) -> Result<(), Failure> {
    let filters: Vec<Filter> = words
        .filter
        .iter()
        .map(|text| text.parse())
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::Usage(format!("--filter: {error}")))?;
    let mut builds = Vec::new();
    for entry in history.entries().map_err(Error::from)?.iter().rev() {
        match entry.summary() {
            Ok(Some(build)) if filters.iter().all(|filter| filter.holds(&build)) => builds.push(build),
            Ok(_) => {}
            Err(error @ HistoryError::Damaged { .. }) => {
                writeln!(std::io::stderr(), "warning: {}", crate::error::chain(&error))?;
            }
            Err(error) => return Err(Error::from(error).into()),
        }
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    match words.format {
        AnswerFormat::Json => {
            for build in &builds {
                writeln!(out, "{}", object(build))?;
            }
        }
        AnswerFormat::Text => table(&mut out, &builds, words.no_trunc, SystemTime::now())?,
    }
    out.flush()?;
    Ok(())
}

/// The keys of `docker buildx history ls --format json`, and ours.
fn object(build: &Summary) -> serde_json::Value {
    let mut object = json!({
        "ref": build.start.id,
        "name": build.start.name,
        "status": build.status,
        "created_at": stamp(build.start.at),
        "duration": build.duration().as_secs_f64(),
    });
    if build.status != Status::Running {
        object["completed_at"] = json!(stamp(build.last));
    }
    if let Some(end) = &build.end {
        object["total_steps"] = json!(end.steps.total);
        object["completed_steps"] = json!(end.steps.done + end.steps.cached);
        object["cached_steps"] = json!(end.steps.cached);
    }
    object
}

fn table(out: &mut impl Write, builds: &[Summary], whole: bool, now: SystemTime) -> std::io::Result<()> {
    let mut rows = vec![["BUILD ID", "NAME", "STATUS", "CREATED AT", "DURATION"].map(str::to_owned)];
    for build in builds {
        let name: String = build.start.name.chars().filter(|c| !c.is_control()).collect();
        rows.push([
            build.start.id.to_string(),
            if whole {
                name
            } else {
                console::truncate_str(&name, NAME, "…").into_owned()
            },
            build.status.word().to_owned(),
            ago(build.start.at, now),
            length(build.duration()),
        ]);
    }
    let width = |column: usize| {
        let widths = rows.iter().map(|row| console::measure_text_width(&row[column]));
        widths.max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..5).map(width).collect();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width - console::measure_text_width(cell) + 3));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
