//! `lapstrake history inspect`: one build, for people or as JSON.

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::{Value, json};

use super::times::{length, stamp};
use crate::cli::Failure;
use crate::cli::words::AnswerFormat;
use crate::history::{Build, Counts, Recorded, Status, Step};
use crate::progress::{Ending, FoundBy};

/// Prints a build.
pub fn print(build: &Build, format: AnswerFormat) -> Result<(), Failure> {
    let text = match format {
        AnswerFormat::Text => text(build),
        AnswerFormat::Json => format!("{:#}\n", object(build)),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// State of a step in one word, and how a cached one was found.
fn state(step: &Recorded) -> (&'static str, Option<&'static str>) {
    match step.vertex.completed.as_ref().map(|(_, ending)| ending) {
        None => ("running", None),
        Some(Ending::Done) => ("done", None),
        Some(Ending::Cached(FoundBy::Local)) => ("cached", Some("local")),
        Some(Ending::Cached(FoundBy::Content)) => ("cached", Some("content")),
        Some(Ending::Skipped) => ("skipped", None),
        Some(Ending::Cancelled) => ("cancelled", None),
        Some(Ending::Failed(_)) => ("failed", None),
    }
}

fn counts(build: &Build, steps: &[Recorded]) -> Counts {
    if let Some(end) = &build.summary.end {
        return end.steps;
    }
    let state = |step: &Recorded| {
        step.vertex
            .completed
            .as_ref()
            .map_or(Step::Running, |(_, ending)| ending.into())
    };
    steps.iter().map(state).collect()
}

/// The keys of `docker buildx history inspect --format json`, and ours.
fn object(build: &Build) -> Value {
    let (summary, start) = (&build.summary, &build.summary.start);
    let steps = build.steps();
    let counts = counts(build, &steps);
    let named = |pairs: &[(String, String)]| -> Vec<Value> {
        let pair = |(name, value): &(String, String)| json!({ "Name": name, "Value": value });
        pairs.iter().map(pair).collect()
    };
    let mut object = json!({
        "Name": start.name,
        "Ref": start.id,
        "Context": start.context,
        "Dockerfile": start.file.as_deref().unwrap_or("Dockerfile"),
        "Target": start.target,
        "Frontend": start.frontend,
        "Platform": start.platforms,
        "NamedContexts": named(&start.contexts),
        "StartedAt": stamp(start.at),
        "Duration": u64::try_from(summary.duration().as_nanos()).unwrap_or(u64::MAX),
        "Status": summary.status,
        "NumTotalSteps": counts.total,
        "NumCompletedSteps": counts.done + counts.cached,
        "NumCachedSteps": counts.cached,
        "NumSkippedSteps": counts.skipped,
        "NumCancelledSteps": counts.cancelled,
        "NumFailedSteps": counts.failed,
        "BuildArgs": named(&start.build_args),
        "Labels": named(&start.labels),
        "Config": named(&start.options),
        "Secrets": start.secrets,
        "Allow": start.allow,
        "Tags": start.tags,
        "Outputs": start.outputs,
        "Steps": steps.iter().map(step_object).collect::<Vec<_>>(),
    });
    if summary.status != Status::Running {
        object["CompletedAt"] = json!(stamp(summary.last));
    }
    if let Some(end) = &summary.end {
        object["Results"] = json!(end.outputs);
        if let Some(error) = &end.error {
            object["Error"] = json!({ "Code": error.code, "Message": error.message });
            if let Some(place) = &error.place {
                object["Error"]["File"] = json!(place.file);
                object["Error"]["Line"] = json!(place.line);
            }
        }
    }
    object
}

fn step_object(step: &Recorded) -> Value {
    let (state, found) = state(step);
    let mut object = json!({
        "Name": step.vertex.name,
        "Digest": step.vertex.digest,
        "Inputs": step.vertex.inputs,
        "State": state,
        "LogBytes": step.log.iter().map(|chunk| chunk.data.len()).sum::<usize>(),
    });
    if let Some(found) = found {
        object["FoundBy"] = json!(found);
    }
    if let Some(started) = step.vertex.started {
        object["StartedAt"] = json!(stamp(started));
    }
    if let Some((at, ending)) = &step.vertex.completed {
        object["CompletedAt"] = json!(stamp(*at));
        if let Ending::Failed(error) = ending {
            object["Error"] = json!(error);
        }
    }
    object
}

fn text(build: &Build) -> String {
    let (summary, start) = (&build.summary, &build.summary.start);
    let steps = build.steps();
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(out, "{:<15}{}", format!("{name}:"), clean(value));
        }
    };
    line("Build", start.id.as_str());
    line("Name", &start.name);
    line("Status", summary.status.word());
    line("Context", start.context.as_deref().unwrap_or("(none)"));
    line("Build file", start.file.as_deref().unwrap_or("Dockerfile"));
    line("Target", start.target.as_deref().unwrap_or_default());
    line("Frontend", start.frontend.as_deref().unwrap_or_default());
    line("Platform", &start.platforms.join(", "));
    line("Started", &stamp(start.at));
    line("Duration", &length(summary.duration()));
    line("Steps", &counted(counts(build, &steps)));
    for (name, pairs) in [
        ("Build arg", &start.build_args),
        ("Named context", &start.contexts),
        ("Label", &start.labels),
        ("Option", &start.options),
    ] {
        for (key, value) in pairs {
            line(name, &format!("{key}={value}"));
        }
    }
    line("Secrets", &start.secrets.join(", "));
    line("Allowed", &start.allow.join(", "));
    line("Tags", &start.tags.join(", "));
    match &summary.end {
        Some(end) => {
            for made in &end.outputs {
                let digest = made.digest.map(|digest| format!(" {digest}")).unwrap_or_default();
                line(
                    "Output",
                    &format!("{}{digest} {}", made.output, made.names.join(" ")),
                );
            }
        }
        None => start.outputs.iter().for_each(|output| line("Output", output)),
    }
    if !steps.is_empty() {
        out.push_str("\n   STATE                   TIME  STEP\n");
    }
    for (index, step) in steps.iter().enumerate() {
        let _ = writeln!(out, "{}", step_line(index + 1, step));
    }
    if let Some(error) = summary.end.as_ref().and_then(|end| end.error.as_ref()) {
        let _ = write!(out, "\n{}", error.message);
    }
    out
}

fn step_line(number: usize, step: &Recorded) -> String {
    let word = match state(step) {
        ("cached", Some("content")) => "cached (content)",
        (state, _) => state,
    };
    let took = match (&step.vertex.started, &step.vertex.completed) {
        (Some(started), Some((at, Ending::Done | Ending::Failed(_) | Ending::Cancelled))) => {
            length(at.duration_since(*started).unwrap_or_default())
        }
        _ => "-".to_owned(),
    };
    format!(
        "{:<22} {took:>8}  #{number} {}",
        format!("   {word}"),
        clean(&step.vertex.name)
    )
}

fn counted(counts: Counts) -> String {
    let parts = [
        (counts.cached, "cached"),
        (counts.done, "done"),
        (counts.skipped, "skipped"),
        (counts.cancelled, "cancelled"),
        (counts.failed, "failed"),
    ];
    let said: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if said.is_empty() {
        return counts.total.to_string();
    }
    format!("{} ({})", counts.total, said.join(", "))
}

/// Without what a terminal would obey.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect::<String>()
        .trim_end()
        .to_owned()
}
