//! The database file: schema, connections, transactions.
//!
//! SQLite in WAL mode with `synchronous=NORMAL`: a commit writes no fsync, a killed process loses nothing that it had
//! committed, a crash of the machine loses at most the last commits, never consistency; of a database that was made in
//! the last moments it may lose all. One connection reads, another
//! one writes and is opened by the first write, so that a reader never waits for the lock of another process.
//! Knows nothing of the files that the rows speak of.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lapstrake_llb::Digest;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use crate::error::{Error, Fault, Result};

/// Marks the file as ours in its header ("Laps").
const APPLICATION_ID: i64 = 0x4c61_7073;

/// The schema, one step a format: step `n` takes a database of format `n` to format `n + 1`.
/// A released step is never changed.
const STEPS: &[&str] = &["
    CREATE TABLE meta (
        key   TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;

    -- One row a file in blobs/. state: 1 fresh, 2 suspect, 3 sound (see state.rs). used, created: Unix seconds.
    CREATE TABLE blobs (
        digest  BLOB PRIMARY KEY,
        size    INTEGER NOT NULL,
        state   INTEGER NOT NULL,
        created INTEGER NOT NULL,
        used    INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    -- One row a layer; its files are in layers/<id>/ unless state is 0 (lazy). Ids are never used again.
    CREATE TABLE layers (
        id          INTEGER PRIMARY KEY AUTOINCREMENT,
        chain_id    BLOB UNIQUE,
        diff_id     BLOB,
        state       INTEGER NOT NULL,
        origin      TEXT,
        description TEXT NOT NULL,
        bytes       INTEGER NOT NULL,
        entries     INTEGER NOT NULL,
        created     INTEGER NOT NULL,
        used        INTEGER NOT NULL
    ) STRICT;

    -- The archives of a layer. The blob itself need not be here. original: 1 for the archive that a lazy layer came
    -- as, 0 for those made here, one a compression.
    CREATE TABLE layer_blobs (
        layer       INTEGER NOT NULL REFERENCES layers (id) ON DELETE CASCADE,
        compression TEXT NOT NULL,
        digest      BLOB NOT NULL,
        size        INTEGER NOT NULL,
        media_type  TEXT NOT NULL,
        diff_id     BLOB NOT NULL,
        level       INTEGER,
        original    INTEGER NOT NULL,
        PRIMARY KEY (layer, original, compression)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX layer_blobs_digest ON layer_blobs (digest);

    -- Results of steps. check_sum: the first eight bytes of the payload's SHA-256.
    CREATE TABLE records (
        id          BLOB PRIMARY KEY,
        payload     BLOB NOT NULL,
        check_sum   BLOB NOT NULL,
        description TEXT NOT NULL,
        created     INTEGER NOT NULL,
        used        INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE record_keys (
        key    BLOB PRIMARY KEY,
        record BLOB NOT NULL REFERENCES records (id) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX record_keys_record ON record_keys (record);
    CREATE TABLE record_layers (
        record BLOB NOT NULL REFERENCES records (id) ON DELETE CASCADE,
        layer  INTEGER NOT NULL REFERENCES layers (id),
        PRIMARY KEY (record, layer)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX record_layers_layer ON record_layers (layer);

    CREATE TABLE small_values (
        kind    TEXT NOT NULL,
        key     TEXT NOT NULL,
        value   BLOB NOT NULL,
        created INTEGER NOT NULL,
        used    INTEGER NOT NULL,
        PRIMARY KEY (kind, key)
    ) STRICT, WITHOUT ROWID;
", "
    -- What records were made of; may outlive them. position: bytes of all accounts so far, this one included, so that
    -- it gives order and size. The rest as in account.rs.
    CREATE TABLE accounts (
        position INTEGER PRIMARY KEY,
        record   BLOB NOT NULL UNIQUE,
        scope    BLOB NOT NULL,
        kind     TEXT NOT NULL,
        label    TEXT NOT NULL,
        name     TEXT NOT NULL,
        created  INTEGER NOT NULL,
        account  BLOB NOT NULL
    ) STRICT;
    CREATE INDEX accounts_scope ON accounts (scope, kind);
    CREATE INDEX accounts_name ON accounts (kind, name);
", "
    -- kind: BuildKit's name of what the layer holds. below: the layer that it lies on in its image and needs to be
    -- unpacked. disk: bytes on disk. condemned: see collect.
    ALTER TABLE layers ADD COLUMN kind TEXT NOT NULL DEFAULT 'regular';
    ALTER TABLE layers ADD COLUMN below INTEGER;
    ALTER TABLE layers ADD COLUMN disk INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE layers ADD COLUMN condemned INTEGER;
    ALTER TABLE blobs ADD COLUMN condemned INTEGER;
    -- Modification time of the file when it was known to be whole, nanoseconds.
    ALTER TABLE blobs ADD COLUMN mtime INTEGER;
    UPDATE layers SET disk = bytes;
    CREATE INDEX layers_condemned ON layers (condemned) WHERE condemned IS NOT NULL;
    CREATE INDEX layers_below ON layers (below) WHERE below IS NOT NULL;
    CREATE INDEX blobs_condemned ON blobs (condemned) WHERE condemned IS NOT NULL;
    INSERT INTO meta (key, value) VALUES ('epoch', '1');
", "
    -- How long the step took that made the result, in microseconds. NULL: not known.
    ALTER TABLE records ADD COLUMN took INTEGER;
"];

/// A write-ahead log that is longer is moved into the database when the process that wrote it ends. A shorter one is
/// left: reading it costs the next process less than the fsyncs would cost this one.
const LOG_LIMIT: u64 = 512 * 1024;

/// The database of one store.
pub(crate) struct Db {
    path: PathBuf,
    reader: Mutex<Connection>,
    writer: Mutex<Option<Connection>>,
}

impl Db {
    /// Opens the database, which MUST exist and have been through [`Db::create`] once.
    ///
    /// `None`: there is none yet, or one of an older format.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = match connect(path, flags) {
            Ok(connection) => connection,
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen) && !path.exists() => {
                return Ok(None);
            }
            Err(source) => {
                return Err(Error::Database {
                    action: "open the file",
                    source,
                });
            }
        };
        let format = format_of(&reader, path)?;
        if format > STEPS.len() as i64 {
            let folder = path.parent().unwrap_or(path);
            return Err(Error::NewerFormat {
                path: folder.to_owned(),
                found: format,
                known: STEPS.len() as i64,
            });
        }
        if format < STEPS.len() as i64 {
            return Ok(None);
        }
        Ok(Some(Self {
            path: path.to_owned(),
            reader: Mutex::new(reader),
            writer: Mutex::new(None),
        }))
    }

    /// Makes the database, or brings an older one to the present format.
    ///
    /// The caller MUST hold a lock that keeps other processes from doing the same.
    pub(crate) fn create(path: &Path) -> Result<()> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let act = "make the schema";
        let fail = |source| Error::Database { action: act, source };
        let mut connection = connect(path, flags).map_err(fail)?;
        let format = format_of(&connection, path)?;
        if format == 0 {
            // A new database has nothing to lose. Its seven fsyncs would be most of what a first small build waits for.
            connection
                .pragma_update(None, "synchronous", "OFF")
                .map_err(fail)?;
        }
        connection
            .query_row("PRAGMA journal_mode=WAL", [], |_| Ok(()))
            .map_err(fail)?;
        let work = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(fail)?;
        for (number, step) in STEPS.iter().enumerate().skip(format.max(0) as usize) {
            work.execute_batch(step).map_err(fail)?;
            work.pragma_update(None, "user_version", number as i64 + 1)
                .map_err(fail)?;
        }
        work.pragma_update(None, "application_id", APPLICATION_ID)
            .map_err(fail)?;
        work.commit().map_err(fail)
    }

    /// Runs queries. `action` completes "cannot …" when one fails.
    pub(crate) fn read<T>(
        &self,
        action: &'static str,
        queries: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        queries(&lock(&self.reader)).map_err(|source| self.failure(action, source))
    }

    /// Runs a transaction that holds the write lock from its beginning; an error undoes it.
    ///
    /// What must not happen in two processes at once happens inside of it, so it MUST be short.
    pub(crate) fn write<T>(
        &self,
        action: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>,
    ) -> Result<T> {
        let mut slot = lock(&self.writer);
        let connection = match &mut *slot {
            Some(connection) => connection,
            empty => empty.insert(
                self.open_writer()
                    .map_err(|source| self.failure(action, source))?,
            ),
        };
        let run = || -> Result<T, Fault> {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        run().map_err(|fault| match fault {
            Fault::Sql(source) => self.failure(action, source),
            Fault::Store(error) => error,
        })
    }

    /// Says what was tried. Damage is noted, so that it is mended.
    fn failure(&self, action: &'static str, source: rusqlite::Error) -> Error {
        if !is_damage(&source) {
            return Error::Database { action, source };
        }
        // Without the note, it is found again.
        let _ = std::fs::File::create(damage_note(&self.path));
        Error::DamagedDatabase {
            path: self.path.clone(),
            source,
        }
    }

    /// Does what no transaction can be around. Does not wait for others.
    pub(crate) fn rewrite(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let connection = self.open_writer()?;
        connection.busy_timeout(Duration::ZERO)?;
        work(&connection)
    }

    fn open_writer(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = connect(&self.path, flags)?;
        connection.execute_batch("PRAGMA foreign_keys=ON; PRAGMA synchronous=NORMAL;")?;
        Ok(connection)
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        let writer = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(connection) = writer else { return };
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        if std::fs::metadata(&log).is_ok_and(|meta| meta.len() > LOG_LIMIT) {
            // Readers of other processes may be in the way: then a later process does it.
            let _ = connection.busy_timeout(Duration::ZERO);
            let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        }
    }
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_handler(Some(wait))?;
    // SQLite's last connection would checkpoint with two fsyncs, even after a build that only read.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Waits for the write lock of another process: transactions are short, so the steps are small. A minute at most.
fn wait(count: i32) -> bool {
    let pause = u64::from(count.clamp(0, 9).unsigned_abs() + 1) * 500;
    std::thread::sleep(Duration::from_micros(pause));
    count < 12_000
}

fn format_of(connection: &Connection, path: &Path) -> Result<i64> {
    let damaged = |source: rusqlite::Error| match is_damage(&source) {
        true => Error::DamagedDatabase {
            path: path.to_owned(),
            source,
        },
        false => Error::Database {
            action: "read the format",
            source,
        },
    };
    let format: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(damaged)?;
    let owner: i64 = connection
        .query_row("PRAGMA application_id", [], |row| row.get(0))
        .map_err(damaged)?;
    if owner != APPLICATION_ID && (owner != 0 || format != 0) {
        return Err(Error::ForeignDatabase {
            path: path.to_owned(),
        });
    }
    Ok(format)
}

/// Whether the file is not what SQLite wrote.
fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
    )
}

/// The file that says that a database is damaged.
pub(crate) fn damage_note(database: &Path) -> PathBuf {
    database.with_extension("found-damaged")
}

/// Locks a mutex whose content is whole even if a thread panicked while it held it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a digest column. `None`: the bytes are no digest.
pub(crate) fn digest(bytes: &[u8]) -> Option<Digest> {
    Some(Digest::from_bytes(bytes.try_into().ok()?))
}

/// Unix time in whole seconds.
pub(crate) fn now() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}
