//! Small values of the callers' own, by kind and key, such as what a registry said of a tag.
//! Knows nothing of what they mean.

use rusqlite::OptionalExtension;

use crate::db::now;
use crate::error::Result;
use crate::last_use::Used;
use crate::store::Store;

impl Store {
    /// Reads a value.
    pub fn get_value(&self, kind: &str, key: &str) -> Result<Option<Vec<u8>>> {
        let found: Option<(Vec<u8>, i64)> = self.db().read("read a value", |db| {
            db.prepare_cached("SELECT value, used FROM small_values WHERE kind = ?1 AND key = ?2")?
                .query_row((kind, key), |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
        })?;
        let Some((value, used)) = found else {
            return Ok(None);
        };
        self.inner()
            .last_uses
            .note(used, || Used::Value(kind.to_owned(), key.to_owned()));
        Ok(Some(value))
    }

    /// All values of a kind with their keys and when each was used last, seconds since 1970.
    pub fn values(&self, kind: &str) -> Result<Vec<(String, Vec<u8>, u64)>> {
        self.db().read("list values", |db| {
            let mut statement =
                db.prepare_cached("SELECT key, value, used FROM small_values WHERE kind = ?1 ORDER BY key")?;
            let rows = statement.query_map([kind], |row| {
                let used: i64 = row.get(2)?;
                Ok((row.get(0)?, row.get(1)?, u64::try_from(used).unwrap_or_default()))
            })?;
            rows.collect()
        })
    }

    /// Writes a value over the one that is there.
    pub fn set_value(&self, kind: &str, key: &str, value: &[u8]) -> Result<()> {
        self.db().write("write a value", |work| {
            work.prepare_cached(
                "INSERT OR REPLACE INTO small_values (kind, key, value, created, used) VALUES (?1, ?2, ?3, ?4, ?4)",
            )?
            .execute((kind, key, value, now()))?;
            Ok(())
        })
    }

    /// Removes a value. One that is not there is no error.
    pub fn remove_value(&self, kind: &str, key: &str) -> Result<()> {
        self.db().write("remove a value", |work| {
            work.prepare_cached("DELETE FROM small_values WHERE kind = ?1 AND key = ?2")?
                .execute((kind, key))?;
            Ok(())
        })
    }
}
