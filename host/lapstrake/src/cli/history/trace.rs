//! `lapstrake history trace` and `lapstrake build --timings`: where a build's time went.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use lapstrake_store::Store;

use super::words::{TraceFormat, TraceWords};
use crate::cli::Failure;
use crate::error::Error;
use crate::history::{Build, History, Id};
use crate::timings::{Plan, page, trace};

/// Writes one of the two forms of one build.
pub fn run(words: &TraceWords, history: &History, root: &Path) -> Result<(), Failure> {
    let (_, build) = super::read(history, words.id.as_deref())?;
    let output = words.output.as_deref().filter(|path| *path != Path::new("-"));
    let format = words.format.unwrap_or(match output {
        Some(path) if is_json(path) => TraceFormat::Json,
        _ => TraceFormat::Html,
    });
    let store = Store::open(root).map_err(Error::from)?;
    let plan = plan(&build, &store);
    let text = match format {
        TraceFormat::Html => page(&plan),
        TraceFormat::Json => trace(&plan),
    };
    match output {
        Some(path) => write(path, &text),
        None if format == TraceFormat::Html && std::io::stdout().is_terminal() => Err(Failure::Usage(
            "a page is not for a terminal: name a file with --output".to_owned(),
        )),
        None => Ok(std::io::stdout().write_all(text.as_bytes())?),
    }
}

/// Writes the page and the trace of a build; the trace alone where the file's name ends so.
pub fn write_timings(history: &History, store: &Store, id: &Id, file: &Path) -> Result<(), Failure> {
    let (_, build) = super::read(history, Some(id.as_str()))?;
    let plan = plan(&build, store);
    if !is_json(file) {
        write(file, &page(&plan))?;
    }
    write(&beside(file), &trace(&plan))
}

fn plan(build: &Build, store: &Store) -> Plan {
    // A time that cannot be read is not known.
    Plan::new(build, |result| store.duration_of(result).ok().flatten())
}

fn is_json(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

/// The trace's file: the page's with another ending.
fn beside(file: &Path) -> PathBuf {
    if is_json(file) {
        file.to_owned()
    } else {
        file.with_extension("json")
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|source| {
        Failure::Engine(Error::Write {
            path: path.to_owned(),
            source,
        })
    })
}
