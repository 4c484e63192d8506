//! A damaged database is replaced by a new one that has all rows that can still be read.
//!
//! Damage is found when something is read, and noted by a file beside the database (db.rs); whoever opens the store next
//! mends it, alone: not while another process has it open. The old file is set aside, not removed. What was saved is
//! suspect (state.rs) and checked when it is first used; a record without one of its layers is not found.
//! Whoever is killed on the way leaves the damaged file and its note, so that the next one begins anew.
//! Knows nothing of what the rows mean, but for those that name files.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};

use crate::LayerId;
use crate::db::{self, Db};
use crate::error::{Error, Result};
use crate::notice::Notice;
use crate::store::private;

/// Where a damaged database is put.
pub(crate) const ASIDE: &str = "db.sqlite.damaged";

/// Whether the database of a store was found damaged.
pub(crate) fn is_needed(database: &Path) -> bool {
    db::damage_note(database).exists()
}

/// Replaces the database, unless somebody else has done so meanwhile. The caller MUST NOT have the store open.
pub(crate) fn mend(root: &Path) -> Result<Option<Notice>> {
    let path = root.join("db.sqlite");
    let lock_path = root.join("lock");
    let guard = private(&lock_path)?;
    guard.lock().map_err(Error::io("lock", &lock_path))?;
    let leases = root.join("leases");
    fs::create_dir_all(&leases).map_err(Error::io("create", &leases))?;
    let gate = File::open(&leases).map_err(Error::io("open", &leases))?;
    match gate.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Error::DamagedInUse { path }),
        Err(TryLockError::Error(error)) => return Err(Error::io("lock", &leases)(error)),
    }
    if !is_needed(&path) && !matches!(Db::open(&path), Err(Error::DamagedDatabase { .. })) {
        return Ok(None);
    }
    let new = root.join("db.sqlite.new");
    remove_database(&new)?;
    drop(private(&new)?);
    Db::create(&new)?;
    let rows = salvage(&path, &new, root)?;
    put_in_place(&path, &new, &root.join(ASIDE))?;
    remove(&db::damage_note(&path))?;
    Ok(Some(Notice::MendedDatabase {
        aside: root.join(ASIDE),
        rows,
    }))
}

fn put_in_place(path: &Path, new: &Path, aside: &Path) -> Result<()> {
    remove_database(aside)?;
    match fs::hard_link(path, aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            // A file system without links: then a copy.
            fs::copy(path, aside).map_err(Error::io("copy", path))?;
        }
        _ => {}
    }
    // The log of the old one would be read into the new one.
    let log = with(path, "-wal");
    match fs::rename(&log, with(aside, "-wal")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::io("rename", &log)(error));
        }
        _ => {}
    }
    remove(&with(path, "-shm"))?;
    fs::rename(new, path).map_err(Error::io("rename", new))
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn remove_database(path: &Path) -> Result<()> {
    ["", "-wal", "-shm"]
        .iter()
        .try_for_each(|suffix| remove(&with(path, suffix)))
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Copies what can be read into the new database, which is then whole in one file. Returns the number of rows.
fn salvage(old: &Path, new: &Path, root: &Path) -> Result<u64> {
    let fail = |source| Error::Database {
        action: "make a new database",
        source,
    };
    let mut target = Connection::open_with_flags(new, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(fail)?;
    target.execute_batch("PRAGMA foreign_keys=ON").map_err(fail)?;
    let work = target.transaction().map_err(fail)?;
    let mut rows = 0;
    // What cannot even be opened has nothing to give.
    if let Ok(source) = Connection::open_with_flags(old, OpenFlags::SQLITE_OPEN_READ_WRITE) {
        for table in tables(&work).map_err(fail)? {
            for order in ["ASC", "DESC"] {
                rows += copy_table(&source, &work, &table, order).map_err(fail)?;
            }
        }
    }
    // Files of layers whose rows are lost keep their names from being used again.
    let last = fs::read_dir(root.join("layers"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<LayerId>().ok())
        .map(LayerId::to_sql)
        .max()
        .unwrap_or(0);
    work.execute_batch(&format!(
        "UPDATE layers SET state = 2 WHERE state IN (1, 3);
         UPDATE blobs SET state = 2 WHERE state IN (1, 3);
         DELETE FROM sqlite_sequence WHERE name = 'layers';
         INSERT INTO sqlite_sequence (name, seq)
             SELECT 'layers', max({last}, coalesce(max(id), 0)) FROM layers;"
    ))
    .map_err(fail)?;
    work.commit().map_err(fail)?;
    target
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .map_err(fail)?;
    drop(target);
    for suffix in ["-wal", "-shm"] {
        remove(&with(new, suffix))?;
    }
    Ok(rows)
}

/// The tables with their columns, those that others refer to first.
fn tables(db: &Connection) -> rusqlite::Result<Vec<Table>> {
    let sql =
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid";
    let mut statement = db.prepare(sql)?;
    let names: Vec<String> = statement
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    names
        .into_iter()
        .map(|name| {
            let sql = "SELECT name, pk FROM pragma_table_info(?1) ORDER BY cid";
            let mut statement = db.prepare(sql)?;
            let rows = statement.query_map([&name], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let columns: Vec<(String, i64)> = rows.collect::<Result<_, _>>()?;
            Ok(Table { name, columns })
        })
        .collect()
}

struct Table {
    name: String,
    /// With the position in the primary key, 0: not part of it.
    columns: Vec<(String, i64)>,
}

impl Table {
    fn columns(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        names.join(", ")
    }

    fn order(&self, direction: &str) -> String {
        let mut key: Vec<_> = self
            .columns
            .iter()
            .filter(|(_, position)| *position > 0)
            .collect();
        key.sort_by_key(|(_, position)| *position);
        let words: Vec<String> = key
            .iter()
            .map(|(name, _)| format!("{name} {direction}"))
            .collect();
        match words.is_empty() {
            true => format!("rowid {direction}"),
            false => words.join(", "),
        }
    }
}

/// Copies the rows of a table up to the first that cannot be read. Rows that speak of lost ones are left out.
fn copy_table(from: &Connection, to: &Connection, table: &Table, direction: &str) -> rusqlite::Result<u64> {
    let (name, columns) = (&table.name, table.columns());
    let order = table.order(direction);
    let Ok(mut read) = from.prepare(&format!("SELECT {columns} FROM {name} ORDER BY {order}")) else {
        return Ok(0);
    };
    let marks = vec!["?"; table.columns.len()].join(", ");
    // The new database has values of its own there.
    let how = if name == "meta" { "REPLACE" } else { "IGNORE" };
    let mut write = to.prepare(&format!(
        "INSERT OR {how} INTO {name} ({columns}) VALUES ({marks})"
    ))?;
    let Ok(mut rows) = read.query([]) else {
        return Ok(0);
    };
    let mut count = 0;
    while let Ok(Some(row)) = rows.next() {
        let values: rusqlite::Result<Vec<Value>> = (0..table.columns.len()).map(|at| row.get(at)).collect();
        let Ok(values) = values else { continue };
        match write.execute(params_from_iter(values)) {
            Ok(changed) => count += changed as u64,
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}
