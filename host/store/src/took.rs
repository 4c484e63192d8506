//! How long steps took when they were executed: for whoever tells what a record has saved.
//! A time is part of a record and goes with it. Knows nothing of how it was measured.

use std::time::Duration;

use lapstrake_llb::Digest;
use rusqlite::OptionalExtension;

use crate::error::Result;
use crate::store::Store;

impl Store {
    /// Notes how long it took to make the results of records, by their ids. Records that are not there are left out.
    pub fn note_durations(&self, took: &[(Digest, Duration)]) -> Result<()> {
        if took.is_empty() {
            return Ok(());
        }
        self.db().write("note the times of steps", |work| {
            let mut update = work.prepare_cached("UPDATE records SET took = ?2 WHERE id = ?1")?;
            for (id, took) in took {
                let took = i64::try_from(took.as_micros()).unwrap_or(i64::MAX);
                update.execute((id.as_bytes(), took))?;
            }
            Ok(())
        })
    }

    /// How long it took to make the result of a record, by its id or a key. `None`: it is not there, or nobody noted it.
    pub fn duration_of(&self, id: &Digest) -> Result<Option<Duration>> {
        let took: Option<Option<i64>> = self.db().read("read the time of a step", |db| {
            db.prepare_cached("SELECT took FROM records WHERE id = ?1 OR id = (SELECT record FROM record_keys WHERE key = ?1)")?
                .query_row([id.as_bytes()], |row| row.get(0))
                .optional()
        })?;
        Ok(took
            .flatten()
            .map(|took| Duration::from_micros(took.unsigned_abs())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_goes_with_its_record() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let id = Digest::of(b"id");
        let took = Duration::from_millis(1500);
        let key = Digest::of(b"key");
        store
            .save_record(&[id, key], &id, b"payload", &[], "a step")
            .unwrap();
        assert_eq!(store.duration_of(&id).unwrap(), None);
        store
            .note_durations(&[(id, took), (Digest::of(b"gone"), took)])
            .unwrap();
        assert_eq!(store.duration_of(&id).unwrap(), Some(took));
        assert_eq!(store.duration_of(&key).unwrap(), Some(took));
        assert_eq!(store.duration_of(&Digest::of(b"gone")).unwrap(), None);
        store.remove_record(&id).unwrap();
        assert_eq!(store.duration_of(&id).unwrap(), None);
    }
}
