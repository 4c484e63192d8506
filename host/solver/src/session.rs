//! What several solves of one build share: results and cache maps by vertex digest.
//! Knows nothing of records, which outlive the build.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lapstrake_llb::Digest;

use crate::CacheMap;
use crate::state::Resolved;

/// One build, in which a frontend may solve parts before the whole is solved.
#[derive(Debug)]
pub struct Session<O>(Mutex<Known<O>>);

#[derive(Debug)]
pub(crate) struct Known<O> {
    pub(crate) results: HashMap<Digest, Resolved<O>>,
    pub(crate) maps: HashMap<Digest, CacheMap>,
}

impl<O> Default for Session<O> {
    fn default() -> Self {
        Self(Mutex::new(Known {
            results: HashMap::new(),
            maps: HashMap::new(),
        }))
    }
}

impl<O> Session<O> {
    /// A build of which nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Known<O>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
