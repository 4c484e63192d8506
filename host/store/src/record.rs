//! Cache records: what a step made, found under any of its keys.
//!
//! A record names the layers that its payload speaks of, so that it goes when one of them does, and they can go when no
//! record speaks of them.
//! Knows nothing of what keys and payloads mean.

use lapstrake_llb::Digest;
use rusqlite::{Connection, OptionalExtension, Transaction};

use crate::LayerId;
use crate::db::{self, now};
use crate::draft::spare_layer;
use crate::error::{Error, Fault, Result};
use crate::last_use::Used;
use crate::notice::Notice;
use crate::store::Store;

/// What was stored of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its canonical key: the first one that it was stored under.
    pub id: Digest,
    /// In the caller's own encoding.
    pub payload: Vec<u8>,
    /// When it was made, Unix seconds.
    pub created: i64,
}

/// A record as it lies in the database.
struct Row {
    id: Digest,
    payload: Vec<u8>,
    sum: Vec<u8>,
    created: i64,
    used: i64,
}

impl Store {
    /// Finds the record stored under a key.
    pub fn find_record(&self, key: &Digest) -> Result<Option<Record>> {
        let row = self.db().read("look for a record", |db| find(db, key))?;
        row.map_or(Ok(None), |row| self.accept(row))
    }

    /// Finds the records stored under several keys, in their order, all at one moment.
    pub fn find_records(&self, keys: &[Digest]) -> Result<Vec<Option<Record>>> {
        let rows: Vec<Option<Row>> = self.db().read("look for records", |db| {
            let moment = db.unchecked_transaction()?;
            let rows = keys
                .iter()
                .map(|key| find(&moment, key))
                .collect::<rusqlite::Result<_>>()?;
            moment.commit()?;
            Ok(rows)
        })?;
        rows.into_iter()
            .map(|row| row.map_or(Ok(None), |row| self.accept(row)))
            .collect()
    }

    /// Stores a record under keys, or puts a new one in its place. A key that leads to another record leads to this one
    /// afterwards; a record to which no key leads any more is removed.
    ///
    /// # Errors
    /// [`Error::NoSuchLayer`] if one of the layers is gone: then nothing is stored.
    pub fn save_record(
        &self,
        keys: &[Digest],
        id: &Digest,
        payload: &[u8],
        layers: &[LayerId],
        description: &str,
    ) -> Result<()> {
        self.db().write("save a record", |work| {
            work.prepare_cached(
                "INSERT INTO records (id, payload, check_sum, description, created, used) VALUES (?1, ?2, ?3, ?4, ?5, ?5)
                 ON CONFLICT (id) DO UPDATE SET payload = ?2, check_sum = ?3, description = ?4, created = ?5, used = ?5",
            )?
            .execute((id.as_bytes(), payload, check_sum(payload), description, now()))?;
            set_layers(work, id, layers)?;
            for key in keys {
                set_key(work, key, id)?;
            }
            Ok(())
        })
    }

    /// Lets more keys lead to a record. Nothing happens if it is gone.
    pub fn add_record_keys(&self, id: &Digest, keys: &[Digest]) -> Result<()> {
        self.db().write("add keys to a record", |work| {
            if work
                .prepare_cached("SELECT 1 FROM records WHERE id = ?1")?
                .exists([id.as_bytes()])?
            {
                for key in keys {
                    set_key(work, key, id)?;
                }
            }
            Ok(())
        })
    }

    /// Removes a record and all its keys. One that is not there is no error.
    pub fn remove_record(&self, id: &Digest) -> Result<()> {
        self.db().write("remove a record", |work| {
            work.prepare_cached("DELETE FROM records WHERE id = ?1")?
                .execute([id.as_bytes()])?;
            Ok(())
        })
    }

    /// Checks what was read; what is damaged is removed and not found.
    fn accept(&self, row: Row) -> Result<Option<Record>> {
        if row.sum != check_sum(&row.payload) {
            self.remove_record(&row.id)?;
            self.notice(Notice::CorruptRecord(row.id));
            return Ok(None);
        }
        self.inner().last_uses.note(row.used, || Used::Record(row.id));
        Ok(Some(Record {
            id: row.id,
            payload: row.payload,
            created: row.created,
        }))
    }
}

fn find(db: &Connection, key: &Digest) -> rusqlite::Result<Option<Row>> {
    let sql = "SELECT id, payload, check_sum, created, used
               FROM record_keys JOIN records ON records.id = record_keys.record WHERE key = ?1";
    let row = db.prepare_cached(sql)?.query_row([key.as_bytes()], |row| {
        let Some(id) = db::digest(row.get_ref(0)?.as_blob()?) else {
            return Ok(None);
        };
        let (payload, sum) = (row.get(1)?, row.get(2)?);
        Ok(Some(Row {
            id,
            payload,
            sum,
            created: row.get(3)?,
            used: row.get(4)?,
        }))
    });
    Ok(row.optional()?.flatten())
}

fn set_layers(work: &Transaction<'_>, id: &Digest, layers: &[LayerId]) -> Result<(), Fault> {
    work.prepare_cached("DELETE FROM record_layers WHERE record = ?1")?
        .execute([id.as_bytes()])?;
    let mut present = work.prepare_cached("SELECT 1 FROM layers WHERE id = ?1")?;
    let mut insert =
        work.prepare_cached("INSERT OR IGNORE INTO record_layers (record, layer) VALUES (?1, ?2)")?;
    for layer in layers {
        if !present.exists([layer])? {
            return Err(Error::NoSuchLayer(*layer).into());
        }
        spare_layer(work, *layer)?;
        insert.execute((id.as_bytes(), layer))?;
    }
    Ok(())
}

fn set_key(work: &Transaction<'_>, key: &Digest, id: &Digest) -> rusqlite::Result<()> {
    let previous: Option<Vec<u8>> = work
        .prepare_cached("SELECT record FROM record_keys WHERE key = ?1")?
        .query_row([key.as_bytes()], |row| row.get(0))
        .optional()?;
    if previous.as_deref() == Some(id.as_bytes().as_slice()) {
        return Ok(());
    }
    work.prepare_cached("INSERT OR REPLACE INTO record_keys (key, record) VALUES (?1, ?2)")?
        .execute((key.as_bytes(), id.as_bytes()))?;
    if let Some(previous) = previous {
        work.prepare_cached(
            "DELETE FROM records WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM record_keys WHERE record = ?1)",
        )?
        .execute([previous])?;
    }
    Ok(())
}

fn check_sum(payload: &[u8]) -> [u8; 8] {
    let digest = Digest::of(payload);
    let mut sum = [0; 8];
    sum.copy_from_slice(&digest.as_bytes()[..8]);
    sum
}
