//! A build whose every event is written down beside being shown.
//! A history that cannot be written is said, and the build goes on without.

use std::io::Write;

use lapstrake_store::Store;

use super::{Failure, with_listener};
use crate::config::Config;
use crate::engine::{Client, Outcome};
use crate::error::{Error, chain};
use crate::history::{End, Entry, History, HistoryError, Journal, Limits, Start};
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

    /// Does a build, shows it and records it.
    ///
    /// # Errors
    /// The build's.
    pub fn build(
        &self,
        mode: Mode,
        options: &BuildOptions,
        work: impl FnOnce(&Client) -> Result<Outcome, Error>,
    ) -> (Result<Outcome, Failure>, Option<Entry>) {
        let journal = self
            .history
            .begin(Start::of(options))
            .map_err(|error| warn(&error))
            .ok();
        let listener = journal.as_ref().map(Journal::listener);
        let result = match with_listener(mode, listener, work) {
            Ok(result) => result,
            Err(failure) => return (Err(failure), None),
        };
        let mut entry = None;
        if let Some(journal) = journal {
            let id = journal.id().clone();
            match self.end(journal, options, &result) {
                Ok(()) => entry = self.history.find(Some(id.as_str())).ok(),
                Err(error) => warn(&error),
            }
        }
        (result.map_err(Failure::Engine), entry)
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
