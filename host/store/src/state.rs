//! Whether what a row speaks of has certainly reached the disk.
//!
//! Blobs and layers are not fsynced: a build would wait for the disk at every step. The kernel writes them in its own
//! time; only a crash of the machine can lose them. So a row is *fresh* when it is written, with the boot of the machine
//! kept beside; the first process of another boot turns all fresh rows *suspect*, and what is suspect is checked when it
//! is first used: a blob against its digest, a layer against its number of entries and bytes. After that it is *sound*.
//! Knows nothing of how the checks are made.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Transaction};

/// State of a blob's or layer's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// There are no files yet. Layers only.
    Lazy,
    /// Written since the machine booted.
    Fresh,
    /// Written before the machine booted, not checked since.
    Suspect,
    /// On disk.
    Sound,
}

impl ToSql for State {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let number: i64 = match self {
            State::Lazy => 0,
            State::Fresh => 1,
            State::Suspect => 2,
            State::Sound => 3,
        };
        Ok(number.into())
    }
}

impl FromSql for State {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match i64::column_result(value)? {
            0 => Ok(State::Lazy),
            1 => Ok(State::Fresh),
            2 => Ok(State::Suspect),
            3 => Ok(State::Sound),
            other => Err(FromSqlError::OutOfRange(other)),
        }
    }
}

/// Identifies the present boot of the machine. Empty where it cannot be known.
pub(crate) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

/// Reads the epoch (lease.rs).
pub(crate) fn epoch(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'epoch'";
    Ok(connection
        .query_row(sql, [], |row| row.get(0))
        .optional()?
        .unwrap_or(0))
}

/// Reads the boot in which the store was last written.
pub(crate) fn last_boot(connection: &Connection) -> rusqlite::Result<Option<String>> {
    connection
        .query_row("SELECT value FROM meta WHERE key = 'boot'", [], |row| row.get(0))
        .optional()
}

/// Turns what is fresh into suspect, if the store was last written in another boot.
pub(crate) fn enter_boot(work: &Transaction<'_>, boot: &str) -> rusqlite::Result<()> {
    match last_boot(work)? {
        Some(last) if last == boot => return Ok(()),
        Some(_) => {
            for table in ["layers", "blobs"] {
                work.execute(
                    &format!("UPDATE {table} SET state = ?1 WHERE state = ?2"),
                    (State::Suspect, State::Fresh),
                )?;
            }
        }
        None => {}
    }
    work.execute(
        "INSERT OR REPLACE INTO meta (key, value) VALUES ('boot', ?1)",
        [boot],
    )?;
    Ok(())
}
