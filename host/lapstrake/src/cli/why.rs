//! `lapstrake why`: explains a build instead of doing it.
//! Knows nothing of how that is found out or put into words.

use std::io::Write;
use std::time::SystemTime;

use crate::engine::{Engine, Wanted};
use crate::history::{Build, History, HistoryError, Start};
use crate::options::BuildOptions;
use crate::progress::Mode;
use crate::why::{self, Telling};

use super::words::{AnswerFormat, BuildWords, WhyWords};
use super::{Failure, Place, convert, usage, with_display};

/// Digits of a step's number; more are the beginning of a digest.
const NUMBER: usize = 5;

/// Explains, on standard output.
pub fn why(words: WhyWords, place: &Place) -> Result<(), Failure> {
    let config = place.config()?;
    let WhyWords { build, step, verbose } = words;
    if build.check || build.call.as_deref().is_some_and(|what| what != "build") {
        return Err(Failure::Usage(
            "why explains builds: it does not go with --call".to_owned(),
        ));
    }
    if let Some(warning) = without_effect(&build) {
        writeln!(std::io::stderr(), "{warning}")?;
    }
    let format = build.format;
    let options = convert::build(build, &config).map_err(|error| usage(&error))?;
    let engine = place.engine(&config)?;
    let wanted = step.map(|step| wanted(step, &engine, &options)).transpose()?;
    let explanation = with_display(Mode::Quiet, |client| {
        engine.why(&options, wanted.as_ref(), client)
    })?;
    let build_args: Vec<String> = options
        .compile
        .build_args
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let telling = Telling {
        all: verbose,
        now: SystemTime::now(),
        build_args: &build_args,
    };
    let mut out = std::io::stdout().lock();
    match format {
        AnswerFormat::Text => out.write_all(why::text(&explanation, telling).as_bytes())?,
        AnswerFormat::Json => writeln!(out, "{}", why::json(&explanation))?,
    }
    out.flush()?;
    Ok(())
}

/// A warning about options that say what becomes of a result: there is none. They are no error, so that a build's command
/// line can be given as it is.
fn without_effect(words: &BuildWords) -> Option<String> {
    let given = [
        ("--output", !words.output.is_empty()),
        ("--tag", !words.tag.is_empty()),
        ("--annotation", !words.annotation.is_empty()),
        ("--metadata-file", words.metadata_file.is_some()),
        ("--iidfile", words.iidfile.is_some()),
        ("--timings", words.timings.is_some()),
    ];
    let names: Vec<&str> = given
        .iter()
        .filter(|(_, given)| *given)
        .map(|(name, _)| *name)
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "warning: why builds nothing and writes nothing: it takes no notice of {}",
            names.join(", ")
        )
    })
}

/// What a word means: `#7` is the step that had this number in the last build.
fn wanted(word: String, engine: &Engine, options: &BuildOptions) -> Result<Wanted, Failure> {
    let digits = word.strip_prefix('#').unwrap_or(&word);
    let is_number =
        !digits.is_empty() && digits.len() <= NUMBER && digits.bytes().all(|byte| byte.is_ascii_digit());
    let Some(number) = is_number.then(|| digits.parse::<usize>().ok()).flatten() else {
        return Ok(Wanted::Word(word));
    };
    let last = last_build(engine, options).map_err(|error| usage(&error))?;
    let Some(last) = last else {
        return Err(Failure::Usage(format!(
            "{word}: no build of this context and file is in the history, so its steps have no numbers; name the step"
        )));
    };
    let steps = last.steps();
    match number.checked_sub(1).and_then(|place| steps.get(place)) {
        Some(step) => Ok(Wanted::Vertex {
            digest: step.vertex.digest,
            name: step.vertex.name.clone(),
        }),
        None => Err(Failure::Usage(format!(
            "{word}: the last build of this context and file had {} steps",
            steps.len()
        ))),
    }
}

/// The record of the last build of the same context, file and target.
fn last_build(engine: &Engine, options: &BuildOptions) -> Result<Option<Build>, HistoryError> {
    let now = Start::of(options);
    for entry in History::of(engine.store().root()).entries()?.iter().rev() {
        let Some(summary) = entry.summary()? else {
            continue;
        };
        let start = summary.start;
        if start.context == now.context && start.file == now.file && start.target == now.target {
            return entry.read();
        }
    }
    Ok(None)
}
