//! Prints what a frontend answered to `--call`: as text for people or as JSON for programs.

use std::io::Write;

use lapstrake_llb::{Report, Severity};
use serde_json::{Value, json};

use crate::engine::Answer;
use crate::error::{Error, FrontendFailure};
use crate::report;

use super::Failure;
use super::words::AnswerFormat;

/// Prints an answer on standard output. A check that found an error fails.
pub fn print(answer: &Answer, format: AnswerFormat) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match format {
        AnswerFormat::Text => out.write_all(text(answer).as_bytes())?,
        AnswerFormat::Json => writeln!(out, "{}", json(answer))?,
    }
    out.flush()?;
    match answer {
        Answer::Check(report) if report.items.iter().any(|item| item.severity == Severity::Error) => {
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

fn text(answer: &Answer) -> String {
    match answer {
        Answer::Check(report) if report.items.is_empty() => "Check complete, no warnings found.\n".to_owned(),
        Answer::Check(found) => {
            let items = found
                .items
                .iter()
                .map(|item| report::diagnostic(item, &found.sources));
            let count = found.items.len();
            let plural = if count == 1 { "" } else { "s" };
            format!(
                "{}\nCheck complete, {count} finding{plural}.\n",
                items.collect::<Vec<_>>().join("\n")
            )
        }
        Answer::Targets(targets) => {
            let rows = targets.iter().map(|target| {
                let mark = if target.is_default { " (default)" } else { "" };
                [
                    format!("{}{mark}", target.name),
                    target.base.clone(),
                    target.description.clone(),
                ]
            });
            table(["TARGET", "BASE", "DESCRIPTION"], rows)
        }
        Answer::Outline(outline) => {
            let mut out = format!("TARGET: {}\n", outline.target.name);
            if !outline.target.description.is_empty() {
                out += &format!("DESCRIPTION: {}\n", outline.target.description);
            }
            if !outline.args.is_empty() {
                let rows = outline.args.iter().map(|arg| {
                    [
                        arg.name.clone(),
                        arg.default_value.clone().unwrap_or_default(),
                        arg.description.clone(),
                    ]
                });
                out += &format!("\n{}", table(["BUILD ARG", "VALUE", "DESCRIPTION"], rows));
            }
            for (title, names) in [
                ("SECRET", &outline.secrets),
                ("SSH", &outline.ssh),
                ("CACHE", &outline.cache_ids),
            ] {
                if !names.is_empty() {
                    out += &format!("\n{title}\n{}\n", names.join("\n"));
                }
            }
            out
        }
        Answer::Describe(info) => {
            let mut out = format!("{} {}\n", info.name, info.version);
            if !info.file_patterns.is_empty() {
                out += &format!("files: {}\n", info.file_patterns.join(", "));
            }
            if !info.options.is_empty() {
                let rows = info.options.iter().map(|option| {
                    let default = option.default_value.clone().unwrap_or_default();
                    [option.name.clone(), default, option.description.clone()]
                });
                out += &format!("\n{}", table(["OPTION", "DEFAULT", "DESCRIPTION"], rows));
            }
            if !info.calls.is_empty() {
                let rows = info
                    .calls
                    .iter()
                    .map(|call| [call.name.clone(), call.description.clone()]);
                out += &format!("\n{}", table(["CALL", "DESCRIPTION"], rows));
            }
            out
        }
        Answer::Named(result) => {
            let end = if result.text.ends_with('\n') { "" } else { "\n" };
            format!("{}{end}", result.text)
        }
    }
}

fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(rows);
    let widths: Vec<usize> = (0..N)
        .map(|column| {
            lines
                .iter()
                .map(|line| console::measure_text_width(&line[column]))
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut out = String::new();
    for line in lines {
        let cells: Vec<_> = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| console::pad_str(cell, *width, console::Alignment::Left, None).into_owned())
            .collect();
        out += cells.join("   ").trim_end();
        out.push('\n');
    }
    out
}

fn json(answer: &Answer) -> Value {
    let found = match answer {
        Answer::Check(report) => serde_json::to_value(report),
        Answer::Targets(targets) => {
            serde_json::to_value(targets).map(|targets| json!({ "targets": targets }))
        }
        Answer::Outline(outline) => serde_json::to_value(outline),
        Answer::Describe(info) => serde_json::to_value(info),
        Answer::Named(result) => {
            Ok(serde_json::from_str(&result.json).unwrap_or(Value::String(result.json.clone())))
        }
    };
    found.unwrap_or(Value::Null)
}
