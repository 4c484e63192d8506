//! `lapstrake history`: what was built, when, and what came of it.
//! Knows nothing of how records are kept.

mod inspect;
mod ls;
mod times;
mod trace;
mod words;

use std::io::Write;

use super::{Failure, Place};
use crate::error::Error;
use crate::history::{Build, Entry, History};
use crate::progress::{self, Mode};

pub use trace::write_timings;
pub use words::HistoryWords;
use words::{HistoryCommand, LogsWords, RmWords};

/// Runs the command.
pub fn run(words: HistoryWords, place: &Place) -> Result<(), Failure> {
    let history = History::of(&place.root()?);
    match words.command {
        HistoryCommand::Ls(words) => ls::run(&words, &history),
        HistoryCommand::Inspect(words) => {
            let (_, build) = read(&history, words.id.as_deref())?;
            inspect::print(&build, words.format)
        }
        HistoryCommand::Logs(words) => logs(&words, &history),
        HistoryCommand::Trace(words) => trace::run(&words, &history, &place.root()?),
        HistoryCommand::Rm(words) => remove(&words, &history),
    }
}

/// Reads the record that a word means.
fn read(history: &History, word: Option<&str>) -> Result<(Entry, Build), Failure> {
    let entry = history.find(word).map_err(Error::from)?;
    let build = entry.read().map_err(Error::from)?;
    let gone = || Failure::Usage(format!("the build {} is no longer recorded", entry.id));
    Ok((entry.clone(), build.ok_or_else(gone)?))
}

fn logs(words: &LogsWords, history: &History) -> Result<(), Failure> {
    let mode: Mode = words
        .progress
        .parse()
        .map_err(|text| Failure::Usage(format!("--progress {}: {text}", words.progress)))?;
    let (_, build) = read(history, words.id.as_deref())?;
    progress::replay(mode, build.events)
        .map_err(|text| Failure::Usage(format!("--progress {}: {text}", words.progress)))?;
    Ok(())
}

fn remove(words: &RmWords, history: &History) -> Result<(), Failure> {
    if words.all {
        for entry in history.entries().map_err(Error::from)? {
            match history.remove(&entry) {
                Err(crate::history::HistoryError::Running(id)) => {
                    writeln!(std::io::stderr(), "kept: the build {id} is running")?;
                }
                other => other.map_err(Error::from)?,
            }
        }
        return Ok(());
    }
    // All words are looked at before anything is removed.
    let entries = words.ids.iter().map(|word| history.find(Some(word)));
    let entries: Vec<Entry> = entries.collect::<Result<_, _>>().map_err(Error::from)?;
    for entry in entries {
        history.remove(&entry).map_err(Error::from)?;
        writeln!(std::io::stdout(), "{}", entry.id)?;
    }
    Ok(())
}
