//! What a step tells of its downloads, in the solver's words.
//! Knows nothing of who downloads.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use lapstrake_llb::credentials::redact;
use lapstrake_solver::{StepContext, Stream};

use crate::source::progress::Progress;

/// Passes the progress of downloads on to the events of a step.
pub(super) struct StepProgress<'a> {
    context: &'a StepContext,
    /// When each began.
    started: Mutex<HashMap<String, SystemTime>>,
}

impl<'a> StepProgress<'a> {
    pub(super) fn new(context: &'a StepContext) -> Self {
        Self {
            context,
            started: Mutex::default(),
        }
    }
}

impl Progress for StepProgress<'_> {
    fn advance(&self, name: &str, current: u64, total: Option<u64>, done: bool) {
        let started = {
            let mut known = self.started.lock().unwrap_or_else(PoisonError::into_inner);
            *known.entry(name.to_owned()).or_insert_with(SystemTime::now)
        };
        self.context
            .status(name, current, total.unwrap_or(0), started, done);
    }

    fn log(&self, line: &str) {
        // Programs and servers repeat the addresses that they were given.
        let line = redact(line);
        self.context.log(Stream::Stderr, format!("{line}\n").as_bytes());
    }

    fn cancelled(&self) -> bool {
        self.context.cancelled()
    }
}
