//! Removing what a plan has chosen, while others use the store.
//!
//! The write lock is held for some hundred rows at a time and for no more than renames; files are removed when it is
//! free again. Rows go before names: a directory without a row is found by the sweep.
//! Knows nothing of why something was chosen.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use lapstrake_llb::Digest;
use rusqlite::{Connection, OptionalExtension, Transaction};

use super::stock::Stock;
use super::{Item, Pruned, What, files};
use crate::LayerId;
use crate::db::now;
use crate::error::{Error, Fault, Result};
use crate::lease;
use crate::named_lock;
use crate::remove::remove_tree;
use crate::state::{self, State};
use crate::store::Store;
use crate::sweep;
use crate::temp::Session;

/// Rows that are changed in one transaction.
pub(super) const ROWS: usize = 256;
/// The same while there is hardly any room for the log.
pub(super) const FEW: usize = 8;
/// Names that are changed in one transaction.
const NAMES: usize = 64;
/// Pages that are free, in a database of which a quarter is: then it is worth writing it anew.
const FREE_PAGES: i64 = 256;

impl Store {
    /// Removes what was chosen of a stock, so many `rows` at a time, and notes what has gone.
    pub(super) fn remove(
        &self,
        stock: &Stock,
        chosen: &[usize],
        rows: usize,
        pruned: &mut Pruned,
    ) -> Result<()> {
        let session = self.session()?;
        let items = || chosen.iter().map(|index| &stock.items[*index]);
        for item in items() {
            let gone = match &item.what {
                What::File(path) => unlink(path)?,
                What::CacheMount(home) => self.remove_cache_mount(home, &session)?,
                What::Repository(home) => self.remove_repository(home, &session)?,
                _ => continue,
            };
            if gone {
                pruned.freed += item.bytes;
                pruned.items.push(item.clone());
            }
        }
        let mut condemned: Vec<&Item> = items()
            .filter(|item| matches!(item.what, What::Layer(_) | What::Blob(_)))
            .collect();
        // Layers before those that they lie on, which are older.
        condemned.sort_by_key(|item| match item.what {
            What::Layer(id) => Reverse(Some(id)),
            _ => Reverse(None),
        });
        let sizes: HashMap<Key, u64> = condemned
            .iter()
            .filter_map(|item| Some((key(item)?, item.bytes)))
            .collect();
        for some in condemned.chunks(rows) {
            let done = self
                .db()
                .write("condemn what is not used", |work| Ok(condemn(work, some)?))?;
            pruned.items.extend(done.into_iter().map(|at| some[at].clone()));
            if rows < ROWS {
                self.renew_lease()?;
                pruned.freed += self.reap_with(&sizes)?;
            }
        }
        self.renew_lease()?;
        pruned.freed += self.reap_with(&sizes)?;
        let small: Vec<&Item> = items().filter(|item| item.is_row()).collect();
        for some in small.chunks(rows) {
            self.db()
                .write("remove rows", |work| Ok(delete_rows(work, some)?))?;
            pruned.freed += some.iter().map(|item| item.bytes).sum::<u64>();
            pruned.items.extend(some.iter().map(|item| (*item).clone()));
        }
        pruned.waiting = self.waiting()?;
        Ok(())
    }

    /// Takes a lease of the present epoch in place of the one that is held.
    pub(super) fn renew_lease(&self) -> Result<()> {
        let epoch = self.db().read("read the epoch", state::epoch)?;
        self.hold_lease(lease::Lease::take(&self.leases_dir(), epoch)?);
        Ok(())
    }

    /// Bytes of what is condemned, about.
    pub(super) fn waiting(&self) -> Result<u64> {
        let sql = "SELECT (SELECT coalesce(sum(disk), 0) FROM layers WHERE condemned IS NOT NULL)
                        + (SELECT coalesce(sum(size), 0) FROM blobs WHERE condemned IS NOT NULL)";
        let bytes: i64 = self.db().read("look for what is condemned", |db| {
            db.query_row(sql, [], |row| row.get(0))
        })?;
        Ok(bytes.max(0).unsigned_abs())
    }

    /// Removes what is condemned and cannot be in use any more. Returns the bytes, about.
    pub(super) fn reap(&self) -> Result<u64> {
        self.reap_with(&HashMap::new())
    }

    fn reap_with(&self, sizes: &HashMap<Key, u64>) -> Result<u64> {
        let session = self.session()?;
        let epoch = self.db().read("read the epoch", state::epoch)?;
        let limit = lease::oldest(&self.leases_dir(), epoch)?.unwrap_or(epoch);
        let mut freed = 0;
        loop {
            let buried = self.db().write("remove what is condemned", |work| {
                self.bury(work, limit, &session)
            })?;
            if buried.is_empty() {
                return Ok(freed);
            }
            let mut graves = Vec::new();
            for one in buried {
                freed += sizes.get(&one.key).copied().unwrap_or(one.bytes);
                match one.grave {
                    Grave::None => {}
                    Grave::Open(home) => graves.extend(bury_path(&home, &session)?),
                    Grave::Filled(grave) => graves.push(grave),
                }
            }
            for grave in graves {
                remove_tree(&grave).map_err(Error::io("remove", &grave))?;
            }
        }
    }

    /// Counts anew what layers take, if some of them are gone since it was counted.
    pub(super) fn measure_anew(&self) -> Result<()> {
        let needed = self.db().read("see whether to measure", |db| {
            db.prepare("SELECT 1 FROM meta WHERE key = 'measure'")?.exists([])
        })?;
        if !needed {
            return Ok(());
        }
        let layers = self.db().read("list layers", |db| {
            let mut statement = db.prepare("SELECT id, disk FROM layers WHERE state <> 0 ORDER BY id")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<(LayerId, i64)>>>()
        })?;
        let ids: Vec<LayerId> = layers.iter().map(|(id, _)| *id).collect();
        let sizes = files::measure(self, &ids)?;
        self.db().write("note what layers take", |work| {
            let mut update = work.prepare_cached("UPDATE layers SET disk = ?2 WHERE id = ?1")?;
            for ((id, known), bytes) in layers.iter().zip(sizes) {
                let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
                if bytes != *known {
                    update.execute((id, bytes))?;
                }
            }
            work.execute("DELETE FROM meta WHERE key = 'measure'", [])?;
            Ok(())
        })
    }

    /// Deletes some condemned rows. Blobs lose their names with their rows, as another process may give a name to the
    /// same content at any time; layers, whose names are never used again, are left to the caller.
    fn bury(&self, work: &Transaction<'_>, limit: i64, session: &Session) -> Result<Vec<Buried>, Fault> {
        // Nothing that a record speaks of is condemned; if it were, it would have been spared.
        work.execute(
            "UPDATE layers SET condemned = NULL
             WHERE condemned <= ?1 AND id IN (SELECT layer FROM record_layers)",
            [limit],
        )?;
        let mut buried = Vec::new();
        // Files that several layers have count for one of them, which may be one of these.
        work.execute(
            "INSERT OR REPLACE INTO meta (key, value)
             SELECT 'measure', '1' FROM layers WHERE condemned <= ?1 LIMIT 1",
            [limit],
        )?;
        let sql = "DELETE FROM layers WHERE id IN (SELECT id FROM layers WHERE condemned <= ?1 LIMIT ?2)
                   RETURNING id, disk, state";
        let mut statement = work.prepare_cached(sql)?;
        let mut rows = statement.query((limit, NAMES as i64))?;
        while let Some(row) = rows.next()? {
            let id: LayerId = row.get(0)?;
            let bytes = row.get::<_, i64>(1)?.max(0).unsigned_abs();
            let here = row.get::<_, State>(2)? != State::Lazy;
            let grave = if here {
                Grave::Open(self.layer_home(id))
            } else {
                Grave::None
            };
            buried.push(Buried {
                key: Key::Layer(id),
                bytes,
                grave,
            });
        }
        let sql =
            "DELETE FROM blobs WHERE digest IN (SELECT digest FROM blobs WHERE condemned <= ?1 LIMIT ?2)
                   RETURNING digest, size";
        let mut statement = work.prepare_cached(sql)?;
        let mut rows = statement.query((limit, NAMES as i64))?;
        while let Some(row) = rows.next()? {
            let Some(digest) = crate::db::digest(&row.get::<_, Vec<u8>>(0)?) else {
                continue;
            };
            let grave = bury_path(&self.blob_path(&digest), session)?;
            let bytes = row.get::<_, i64>(1)?.max(0).unsigned_abs();
            buried.push(Buried {
                key: Key::Blob(digest),
                bytes,
                grave: grave.map_or(Grave::None, Grave::Filled),
            });
        }
        Ok(buried)
    }

    /// Removes a directory that commands keep, unless one uses it. Returns whether it has.
    fn remove_cache_mount(&self, home: &Path, session: &Session) -> Result<bool> {
        let path = home.join("lock");
        let lock = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other.map_err(Error::io("open", &path))?,
        };
        if lock.try_lock().is_err() {
            return Ok(false);
        }
        // Who waits for this lock sees that the file is not in its place any more, and begins anew.
        let Some(grave) = bury_path(home, session)? else {
            return Ok(false);
        };
        drop(lock);
        if let Some(key) = home.parent() {
            // It is not empty if several commands wanted a directory of their own.
            let _ = fs::remove_dir(key);
        }
        remove_tree(&grave).map_err(Error::io("remove", &grave))?;
        Ok(true)
    }

    /// Removes a copy of a repository, unless somebody uses it. Returns whether it has.
    fn remove_repository(&self, home: &Path, session: &Session) -> Result<bool> {
        let Some(lock) = files::repository_lock(self.root(), home) else {
            return Ok(false);
        };
        let Some(_guard) = named_lock::take(&lock)? else {
            return Ok(false);
        };
        let Some(grave) = bury_path(home, session)? else {
            return Ok(false);
        };
        remove_tree(&grave).map_err(Error::io("remove", &grave))?;
        Ok(true)
    }

    /// Removes layer directories without rows.
    pub(super) fn bury_strays(&self) -> Result<()> {
        let session = self.session()?;
        for grave in sweep::bury_orphans(self.root(), self.db(), &session)? {
            remove_tree(&grave).map_err(Error::io("remove", &grave))?;
        }
        Ok(())
    }

    /// Gives the pages that removed rows have left back to the file system. Others who write may be in the way: then
    /// the pages are used again.
    pub(super) fn tidy_database(&self) {
        let _ = self.db().rewrite(|db| {
            let number = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0));
            let (free, all) = (number("PRAGMA freelist_count")?, number("PRAGMA page_count")?);
            if free > FREE_PAGES && free > all / 4 {
                db.execute_batch("VACUUM")?;
            }
            db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        });
    }
}

/// What is condemned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Layer(LayerId),
    Blob(Digest),
}

/// Something whose row is gone.
struct Buried {
    key: Key,
    bytes: u64,
    grave: Grave,
}

/// Where the files are.
enum Grave {
    /// There are none.
    None,
    /// Still under their name.
    Open(PathBuf),
    /// In the session.
    Filled(PathBuf),
}

fn key(item: &Item) -> Option<Key> {
    match &item.what {
        What::Layer(id) => Some(Key::Layer(*id)),
        What::Blob(digest) => Some(Key::Blob(*digest)),
        _ => None,
    }
}

fn delete_rows(work: &Connection, items: &[&Item]) -> rusqlite::Result<()> {
    for item in items {
        match &item.what {
            What::Value(kind, key) => {
                work.prepare_cached("DELETE FROM small_values WHERE kind = ?1 AND key = ?2")?
                    .execute((kind, key))?;
            }
            What::Accounts => {
                work.execute("DELETE FROM accounts", [])?;
            }
            What::Record(id) => {
                work.prepare_cached("DELETE FROM records WHERE id = ?1")?
                    .execute([id.as_bytes()])?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Condemns layers, with the records that speak of them, and blobs, all in an epoch of their own. What was used since it
/// was chosen stays. Returns the indexes of those that are condemned.
fn condemn(work: &Connection, items: &[&Item]) -> rusqlite::Result<Vec<usize>> {
    let sql = "INSERT INTO meta (key, value) VALUES ('epoch', '1')
               ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + 1
               RETURNING CAST(value AS INTEGER)";
    let epoch: i64 = work.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    let mut done = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let changed = match &item.what {
            What::Layer(id) => condemn_layer(work, *id, item.written, epoch)?,
            What::Blob(digest) => {
                // One without a row gets one, so that it can be condemned.
                let sql = "INSERT INTO blobs (digest, size, state, created, used, condemned)
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                           ON CONFLICT (digest) DO UPDATE SET condemned = ?6 WHERE used = ?5 AND condemned IS NULL";
                let size = i64::try_from(item.bytes).unwrap_or(i64::MAX);
                work.prepare_cached(sql)?.execute((
                    digest.as_bytes(),
                    size,
                    State::Suspect,
                    now(),
                    item.used,
                    epoch,
                ))? > 0
            }
            _ => false,
        };
        if changed {
            done.push(at);
        }
    }
    Ok(done)
}

fn condemn_layer(work: &Connection, id: LayerId, used: i64, epoch: i64) -> rusqlite::Result<bool> {
    let sql = "UPDATE layers SET condemned = ?3 WHERE id = ?1 AND used = ?2 AND condemned IS NULL
               AND NOT EXISTS (SELECT 1 FROM layers AS above WHERE above.below = ?1 AND above.condemned IS NULL)
               RETURNING 1";
    let changed = work
        .prepare_cached(sql)?
        .query_row((id, used, epoch), |_| Ok(()))
        .optional()?
        .is_some();
    if changed {
        work.prepare_cached(
            "DELETE FROM records WHERE id IN (SELECT record FROM record_layers WHERE layer = ?1)",
        )?
        .execute([id])?;
    }
    Ok(changed)
}

/// Moves what is at a path into the session. `None`: nothing is there.
fn bury_path(path: &Path, session: &Session) -> Result<Option<PathBuf>> {
    let grave = session.fresh_path();
    match fs::rename(path, &grave) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("rename", path)(error)),
        Ok(()) => Ok(Some(grave)),
    }
}

fn unlink(path: &Path) -> Result<bool> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("remove", path)(error)),
        Ok(()) => Ok(true),
    }
}
