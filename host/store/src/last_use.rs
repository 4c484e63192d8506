//! Times of last use: collected in memory, written in one transaction at the end.
//! Knows nothing of who removes what was not used for long.

use std::collections::BTreeSet;
use std::sync::Mutex;

use lapstrake_llb::Digest;
use rusqlite::Connection;

use crate::LayerId;
use crate::db::{Db, lock, now};
use crate::error::Result;

/// Seconds for which a written time is good enough, so that a build that follows soon writes nothing at all.
pub(crate) const GRANULARITY: i64 = 600;

/// One thing that was used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Used {
    Blob(Digest),
    Layer(LayerId),
    Record(Digest),
    Value(String, String),
}

/// What was used since the last flush.
#[derive(Debug, Default)]
pub(crate) struct LastUses(Mutex<BTreeSet<Used>>);

impl LastUses {
    /// Notes a use, unless the time in the row is new enough.
    pub(crate) fn note(&self, written: i64, what: impl FnOnce() -> Used) {
        // A time in the future comes from a clock that was put back.
        if (now() - written).unsigned_abs() >= GRANULARITY as u64 {
            lock(&self.0).insert(what());
        }
    }

    /// Writes all down.
    pub(crate) fn flush(&self, db: &Db) -> Result<()> {
        let used = std::mem::take(&mut *lock(&self.0));
        if used.is_empty() {
            return Ok(());
        }
        let time = now();
        db.write("write times of use", |work| {
            for one in &used {
                write(work, one, time)?;
            }
            Ok(())
        })
    }
}

fn write(work: &Connection, used: &Used, time: i64) -> rusqlite::Result<()> {
    match used {
        Used::Blob(digest) => work
            .prepare_cached("UPDATE blobs SET used = ?2 WHERE digest = ?1")?
            .execute((digest.as_bytes(), time))?,
        Used::Layer(id) => work
            .prepare_cached("UPDATE layers SET used = ?2 WHERE id = ?1")?
            .execute((id.to_sql(), time))?,
        Used::Record(id) => {
            // The layers of a record are used by whoever uses the record.
            work.prepare_cached(
                "UPDATE layers SET used = ?2
                 WHERE id IN (SELECT layer FROM record_layers WHERE record = ?1)",
            )?
            .execute((id.as_bytes(), time))?;
            work.prepare_cached("UPDATE records SET used = ?2 WHERE id = ?1")?
                .execute((id.as_bytes(), time))?
        }
        Used::Value(kind, key) => work
            .prepare_cached("UPDATE small_values SET used = ?3 WHERE kind = ?1 AND key = ?2")?
            .execute((kind, key, time))?,
    };
    Ok(())
}
