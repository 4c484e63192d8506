//! What the solver asks of those who know the ops, and of those who keep records.
//! Knows nothing of scheduling and of how keys are combined.

use std::time::SystemTime;

use lapstrake_llb::{Digest, Vertex};

use crate::StepContext;
use crate::account::{Account, Told};

/// Knows what ops mean: how they are keyed, executed and remembered.
///
/// Inputs are always those of [`Op::inputs`](lapstrake_llb::Op::inputs), in that order. Methods are called on several
/// threads at the same time.
pub trait Worker: Send + Sync + 'static {
    /// A result: one for each output of a vertex. Cheap to clone.
    type Output: Clone + Send + Sync + 'static;
    /// Why a step failed.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Says what a vertex's key is made of, where that needs no I/O and no time: called on the solver's own thread.
    ///
    /// None: [`cache_map`](Self::cache_map) is called on a thread of its own.
    fn quick_cache_map(&self, vertex: &Vertex) -> Option<CacheMap>;

    /// Says what a vertex's key is made of. May do I/O: asks a registry what a tag means, walks a directory.
    fn cache_map(&self, vertex: &Vertex, context: &StepContext) -> Result<CacheMap, Self::Error>;

    /// Digests all that a vertex sees of one of its inputs, so that equal digests mean equal results.
    ///
    /// Called only where the cache map says [`content`](InputKey::content).
    fn content_digest(
        &self,
        vertex: &Vertex,
        input: usize,
        output: &Self::Output,
        context: &StepContext,
    ) -> Result<Digest, Self::Error>;

    /// Executes a vertex. Returns [`Op::output_count`](lapstrake_llb::Op::output_count) results.
    ///
    /// MUST end soon after the context is [cancelled](StepContext::cancelled), with any result, and leave nothing behind.
    fn execute(
        &self,
        vertex: &Vertex,
        inputs: &[Self::Output],
        context: &StepContext,
    ) -> Result<Vec<Self::Output>, Self::Error>;

    /// The name of results where the key does not tell what they are, such as where a vertex finds out what it means by its
    /// input. Equal names mean equal results. None: they have the name of the key.
    fn name(&self, vertex: &Vertex, outputs: &[Self::Output]) -> Option<Digest> {
        let _ = (vertex, outputs);
        None
    }

    /// Writes results for a record. None: they are not to be recorded.
    fn encode(&self, outputs: &[Self::Output]) -> Option<Vec<u8>>;

    /// Reads results from a record. None: what the record names is gone, so the record is dropped and the vertex executed.
    fn decode(&self, payload: &[u8]) -> Option<Vec<Self::Output>>;

    /// Tells the parts of a vertex's cache map with their names, by the walk that makes the map. Called for what was
    /// executed, with all inputs, and for explanations, with those that are known. What cannot be told is left out.
    fn tell(&self, vertex: &Vertex, inputs: &[Option<Self::Output>], context: &StepContext) -> Told {
        let _ = (vertex, inputs, context);
        Told::default()
    }

    /// The results of a vertex that are there without any work, such as those of a directory that was looked at for
    /// the key.
    fn glance(&self, vertex: &Vertex, context: &StepContext) -> Option<Vec<Self::Output>> {
        let _ = (vertex, context);
        None
    }

    /// As [`content_digest`](Self::content_digest), but fetches and writes nothing. None: then it is not known.
    ///
    /// # Errors
    /// As of `content_digest`.
    fn known_content(
        &self,
        vertex: &Vertex,
        input: usize,
        output: &Self::Output,
        context: &StepContext,
    ) -> Result<Option<Digest>, Self::Error> {
        let _ = (vertex, input, output, context);
        Ok(None)
    }
}

/// What a vertex's cache key is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheMap {
    /// Covers what the op does, without its inputs: equal digests over equal inputs mean equal results.
    pub digest: Digest,
    /// One for each input.
    pub inputs: Vec<InputKey>,
}

/// How an input enters the key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputKey {
    /// Covers which part of the input is taken, where [`CacheMap::digest`] does not. Left out where the content is known.
    pub selector: Option<Digest>,
    /// Whether the content of what is taken may stand for the input, so that a changed input with equal content is found.
    pub content: bool,
}

/// The result of a vertex in an earlier build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Identity of the result. Keys of what is made of it are made of this.
    pub id: Digest,
    /// The results, as [`Worker::encode`] wrote them.
    pub payload: Vec<u8>,
}

/// Keeps records. Used by several threads at the same time; finding is frequent and should take microseconds.
pub trait Records: Send + Sync + 'static {
    /// Why records cannot be read or written.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Finds the records that keys lead to, in the order of the keys.
    fn find(&self, keys: &[Digest]) -> Result<Vec<Option<Record>>, Self::Error>;

    /// Keeps a record under its keys. A key that leads to another record leads to this one from now on.
    fn save(&self, keys: &[Digest], record: &Record, description: &str) -> Result<(), Self::Error>;

    /// Adds keys to records that are there: pairs of a record's id and a key.
    fn alias(&self, pairs: &[(Digest, Digest)]) -> Result<(), Self::Error>;

    /// Drops a record, by its id.
    fn remove(&self, id: &Digest) -> Result<(), Self::Error>;

    /// Keeps what records were made of, by their ids. Accounts may outlive their records, and may be forgotten before.
    fn keep(&self, accounts: &[(Digest, Account)]) -> Result<(), Self::Error> {
        let _ = accounts;
        Ok(())
    }

    /// Finds what a record was made of.
    fn account(&self, id: &Digest) -> Result<Option<Known>, Self::Error> {
        let _ = id;
        Ok(None)
    }

    /// Finds accounts of steps that may be earlier versions of a step, in groups: the likeliest first, and in each the
    /// newest first. Only so many that all can be compared.
    fn near(&self, kind: &str, name: &str) -> Result<Vec<Vec<Known>>, Self::Error> {
        let _ = (kind, name);
        Ok(Vec::new())
    }

    /// Finds when a record was made, and by which step.
    fn made(&self, id: &Digest) -> Result<Option<Made>, Self::Error> {
        let _ = id;
        Ok(None)
    }
}

/// A record's origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its id.
    pub id: Digest,
    /// When it was made.
    pub at: SystemTime,
    /// Name of the step that made it.
    pub by: String,
}

/// What is known of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub id: Digest,
    /// When it was made.
    pub at: SystemTime,
    /// What it was made of.
    pub account: Account,
}
