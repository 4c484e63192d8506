//! A build whose every event is written down beside being shown.
//! A history that cannot be written is said, and the build goes on without.

use std::io::Write;
use std::path::Path;

use lapstrake_store::Store;

use super::{Failure, with_listener};
use crate::config::Config;
use crate::engine::{Client, Outcome};
use crate::error::{Error, chain};
use crate::history::{End, History, HistoryError, Journal, Limits, Start};
use crate::options::BuildOptions;
use crate::progress::Mode;

/// Where builds are recorded, and how many records are kept.
pub struct Recording<'a> {
    history: History,
    limits: Limits,
    store: &'a Store,
}

impl<'a> Recording<'a> {
    /// In a store, with the limits of the configuration.
    ///
    /// # Errors
    /// Limits without a meaning.
    pub fn new(store: &'a Store, config: &Config) -> Result<Self, Failure> {
        Ok(Self {
            history: History::of(store.root()),
            limits: config.history.limits().map_err(|error| super::usage(&error))?,
            store,
        })
    }

    /// Does a build, shows it and records it. `timings`: where to write where its time went, however it ends.
    ///
    /// # Errors
    /// The build's; or, of one that ended well, that of writing its times.
    pub fn build(
        &self,
        mode: Mode,
        options: &BuildOptions,
        timings: Option<&Path>,
        work: impl FnOnce(&Client) -> Result<Outcome, Error>,
    ) -> Result<Outcome, Failure> {
        let journal = self
            .history
            .begin(Start::of(options))
            .map_err(|error| warn(&error));
        let Ok(journal) = journal else {
            return Ok(with_listener(mode, None, work)??);
        };
        let id = journal.id().clone();
        let result = with_listener(mode, Some(journal.listener()), work)?;
        let ended = self.end(journal, options, &result);
        let _ = ended.map_err(|error| warn(&error));
        let Some(file) = timings else {
            return Ok(result?);
        };
        let written = super::history::write_timings(&self.history, self.store, &id, file);
        let outcome = result?;
        written?;
        Ok(outcome)
    }

    fn end(
        &self,
        journal: Journal,
        options: &BuildOptions,
        result: &Result<Outcome, Error>,
    ) -> Result<(), HistoryError> {
        let ended = journal.end(|steps| End::of(options, result, steps))?;
        // Times that are lost make a later saving unknown, nothing else.
        let _ = self.store.note_durations(&ended.took);
        self.history.trim(&self.limits, ended.large)
    }
}

fn warn(error: &HistoryError) {
    let _ = writeln!(
        std::io::stderr(),
        "warning: the history of builds is not kept: {}",
        chain(error)
    );
}
