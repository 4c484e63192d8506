//! `lapstrake why`: explains a build instead of doing it.
//! Knows nothing of how that is found out or put into words.

use std::io::Write;
use std::time::SystemTime;

use crate::progress::Mode;
use crate::why::{self, Telling};

use super::words::{AnswerFormat, WhyWords};
use super::{Failure, Place, convert, usage, with_display};

/// Explains, on standard output.
pub fn why(words: WhyWords, place: &Place) -> Result<(), Failure> {
    let config = place.config()?;
    let WhyWords { build, step, verbose } = words;
    if build.check || build.call.as_deref().is_some_and(|what| what != "build") {
        return Err(Failure::Usage(
            "why explains builds: it does not go with --call".to_owned(),
        ));
    }
    let format = build.format;
    let options = convert::build(build, &config).map_err(|error| usage(&error))?;
    let engine = place.engine(&config)?;
    let explanation = with_display(Mode::Quiet, |client| {
        engine.why(&options, step.as_deref(), client)
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
