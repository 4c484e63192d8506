//! Kept results: frontends are pure, so a build whose request and whose every answer of the gateway are as before has
//! the result of before. Keys, records and their bytes; [`Recorder`] writes down the answers, [`Trace::replay`] asks
//! again. Knows nothing of where records are kept.

mod private;
mod trace;

use std::sync::Arc;

use lapstrake_llb::{Digest, Hasher};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use trace::{Recorder, Trace};

use crate::chain::{Asking, RewriteInput};
use crate::error::FrontendError;
use crate::frontends::Frontend;
use crate::gateway::Gateway;
use crate::limits::Limits;
use crate::request::{BuildResult, Request, Rewritten};
use crate::watch::Cancel;

use private::MayBePrivate;

/// To be raised when the form of a record, or the way from a guest's answer to a result, changes.
const FORMAT: u64 = 2;

const MAGIC: &[u8; 8] = b"lapsfr\x00\x01";

/// Where records are kept. Errors are the keeper's: a record that cannot be read or written costs time only.
pub trait Results {
    /// Finds the record of a key.
    fn find(&self, key: &Digest) -> Option<Vec<u8>>;
    /// Keeps a record in place of the one before.
    fn save(&self, key: &Digest, record: &[u8]);
}

/// A result, and the answers that it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record<T> {
    /// The answers.
    pub trace: Trace,
    /// The result.
    pub result: T,
}

/// Key of the result of a call: the component, the function and what it is given, but not the answers.
///
/// None: the input cannot be written down.
pub fn key<T: Serialize>(component: &Digest, function: &str, input: &T) -> Option<Digest> {
    let input = postcard::to_allocvec(input).ok()?;
    let mut hasher = Hasher::new("lapstrake frontend result");
    hasher
        .number(FORMAT)
        .digest(component)
        .field(function.as_bytes())
        .field(&input);
    Some(hasher.finish())
}

impl<T: Serialize> Record<T> {
    /// The record as bytes: a mark, the digest of the rest, the rest. None: it cannot be written down.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let body = postcard::to_allocvec(self).ok()?;
        let mut bytes = Vec::with_capacity(body.len() + 40);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(Digest::of(&body).as_bytes());
        bytes.extend_from_slice(&body);
        Some(bytes)
    }
}

impl<T: DeserializeOwned> Record<T> {
    /// Reads a record. None: damaged, or of another version.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (digest, body) = bytes.strip_prefix(MAGIC)?.split_at_checked(32)?;
        if Digest::of(body).as_bytes() != digest {
            return None;
        }
        postcard::from_bytes(body).ok()
    }
}

impl Frontend {
    /// As [`Frontend::build`], but without the guest where the result is known already: then neither WebAssembly's
    /// engine is started nor a component compiled.
    ///
    /// A graph that has credentials in the addresses of its sources, or in its build file, is not kept.
    ///
    /// The gateway is asked twice what it answered otherwise than before: it should remember.
    pub fn build_or_recall(
        &self,
        request: &Request,
        gateway: &Arc<dyn Gateway>,
        limits: &Limits,
        cancel: &Cancel,
        results: &dyn Results,
    ) -> Result<BuildResult, FrontendError> {
        let asking = Asking {
            gateway: Arc::clone(gateway),
            limits,
            cancel,
            results: Some(results),
        };
        self.recall_build(request, &asking)
    }

    pub(crate) fn recall_build(
        &self,
        request: &Request,
        asking: &Asking<'_>,
    ) -> Result<BuildResult, FrontendError> {
        let check = |result: &BuildResult| result.check(&asking.limits.graph).is_ok();
        self.recall("build", request, asking, check, |gateway| {
            self.build(request, gateway, asking.limits, asking.cancel)
        })
    }

    pub(crate) fn recall_rewrite_sources(
        &self,
        request: &Request,
        asking: &Asking<'_>,
    ) -> Result<Rewritten, FrontendError> {
        let check = |made: &Rewritten| made.check().is_ok();
        self.recall("rewrite-sources", request, asking, check, |gateway| {
            self.rewrite_sources(request, gateway, asking.limits, asking.cancel)
        })
    }

    pub(crate) fn recall_rewrite_result(
        &self,
        request: &Request,
        built: BuildResult,
        asking: &Asking<'_>,
    ) -> Result<BuildResult, FrontendError> {
        let check = |result: &BuildResult| result.check(&asking.limits.graph).is_ok();
        let input = RewriteInput {
            request,
            built: &built,
        };
        self.recall("rewrite-result", &input, asking, check, |gateway| {
            self.rewrite_result(request, built.clone(), gateway, asking.limits, asking.cancel)
        })
    }

    /// Takes what a call gave before, or calls and keeps.
    fn recall<T: Serialize + DeserializeOwned + MayBePrivate>(
        &self,
        function: &str,
        input: &impl Serialize,
        asking: &Asking<'_>,
        // It was checked before it was kept, but by whom?
        check: impl FnOnce(&T) -> bool,
        call: impl FnOnce(Arc<dyn Gateway>) -> Result<T, FrontendError>,
    ) -> Result<T, FrontendError> {
        let Some(results) = asking.results else {
            return call(Arc::clone(&asking.gateway));
        };
        let key = key(&self.digest(), function, input);
        let record = key.and_then(|key| Record::<T>::decode(&results.find(&key)?));
        if let Some(record) = record
            && check(&record.result)
            && record.trace.replay(asking.gateway.as_ref())
        {
            return Ok(record.result);
        }
        if asking.cancel.is_cancelled() {
            return Err(FrontendError::Cancelled);
        }
        let recorder = Arc::new(Recorder::new(Arc::clone(&asking.gateway)));
        let result = call(recorder.clone())?;
        let record = Record {
            trace: recorder.trace(),
            result,
        };
        // What is kept is there for long, and for others to read.
        let private = record.result.is_private() || record.trace.is_private();
        if let Some((key, bytes)) = key.filter(|_| !private).zip(record.encode()) {
            results.save(&key, &bytes);
        }
        Ok(record.result)
    }
}
