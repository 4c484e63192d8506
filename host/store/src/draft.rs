//! Making, filling and removing layers.
//!
//! A draft is a directory with a temporary name. Inside of one transaction it gets its final name, then its row is
//! written: whoever is killed between the two leaves a directory without a row, which counts for nothing.
//! Knows nothing of what is written into a draft.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lapstrake_llb::Digest;
use rusqlite::{Connection, OptionalExtension, Transaction};
use rustix::fs::Mode;

use crate::db::now;
use crate::error::{Error, Fault, Result};
use crate::layer::{LayerId, LayerMeta};
use crate::measure::{Usage, measure};
use crate::notice::Notice;
use crate::remove::remove_tree;
use crate::state::State;
use crate::store::Store;
use crate::temp::TempDir;

/// The files of a layer that is being made. Removed when dropped without a commit.
#[derive(Debug)]
pub struct LayerDraft {
    store: Store,
    home: TempDir,
    files: PathBuf,
}

impl LayerDraft {
    /// The directory for the files, at first empty, of mode 0755. On the store's file system.
    pub fn dir(&self) -> &Path {
        &self.files
    }

    /// Makes an empty directory beside [`LayerDraft::dir`], such as overlayfs wants as `workdir`. Not part of the layer.
    pub fn work_dir(&self) -> Result<PathBuf> {
        let path = self.home.path().join("work");
        match fs::create_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(Error::io("create", &path)(error))
            }
            _ => Ok(path),
        }
    }

    /// Path of a file of the caller's own, which stays beside the layer and goes with it. Not part of the layer.
    ///
    /// See [`Store::beside_layer`].
    pub fn beside(&self, name: &str) -> PathBuf {
        beside(self.home.path(), name)
    }

    /// Makes a layer of the files. If a layer of the same chain id has its files already, that one is returned and
    /// these are dropped.
    pub fn commit(self, meta: &LayerMeta) -> Result<LayerId> {
        let usage = self.settle()?;
        self.store.db().write("commit a layer", |work| {
            if let Some(chain_id) = &meta.chain_id
                && let Some((id, state)) = find_by_chain(work, chain_id)?
            {
                spare_layer(work, id)?;
                if state == State::Lazy {
                    self.put_in_place(work, id, usage)?;
                }
                return Ok(id);
            }
            let sql =
                "INSERT INTO layers (chain_id, diff_id, state, description, bytes, entries, created, used, kind)
                       VALUES (?1, ?2, ?3, ?4, 0, 0, ?5, ?5, ?6) RETURNING id";
            let chain_id = meta.chain_id.as_ref().map(Digest::as_bytes);
            let diff_id = meta.diff_id.as_ref().map(Digest::as_bytes);
            let row = (chain_id, diff_id, State::Lazy, &meta.description, now(), meta.kind.as_str());
            let id: LayerId = work.prepare_cached(sql)?.query_row(row, |row| row.get(0))?;
            self.put_in_place(work, id, usage)?;
            Ok(id)
        })
    }

    /// Leaves only the files in the draft, and measures them.
    fn settle(&self) -> Result<Usage> {
        let work = self.home.path().join("work");
        remove_tree(&work).map_err(Error::io("remove", &work))?;
        measure(&self.files)
    }

    /// Gives the directory its final name and the row its state.
    fn put_in_place(&self, work: &Transaction<'_>, id: LayerId, usage: Usage) -> Result<(), Fault> {
        let home = self.store.layer_home(id);
        match fs::symlink_metadata(&home) {
            // Its maker was killed before the row was written.
            Ok(_) => {
                let grave = self.home.session().fresh_path();
                fs::rename(&home, &grave).map_err(Error::io("rename", &home))?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("read", &home)(error).into()),
        }
        fs::rename(self.home.path(), &home).map_err(Error::io("rename", self.home.path()))?;
        work.prepare_cached(
            "UPDATE layers SET state = ?2, bytes = ?3, entries = ?4, used = ?5, disk = ?6 WHERE id = ?1",
        )?
        .execute((
            id,
            State::Fresh,
            to_sql(usage.bytes),
            to_sql(usage.entries),
            now(),
            to_sql(usage.disk),
        ))?;
        Ok(())
    }
}

impl Store {
    /// Starts a layer.
    pub fn new_layer(&self) -> Result<LayerDraft> {
        let home = TempDir::new(self.session()?)?;
        let files = home.path().join("fs");
        fs::create_dir(&files).map_err(Error::io("create", &files))?;
        // Whatever the umask is: the root of a tree can be read by all.
        rustix::fs::chmod(&files, Mode::from_raw_mode(0o755))
            .map_err(Error::io("change the mode of", &files))?;
        Ok(LayerDraft {
            store: self.clone(),
            home,
            files,
        })
    }

    /// Path of the file that [`LayerDraft::beside`] was for.
    pub fn beside_layer(&self, id: LayerId, name: &str) -> PathBuf {
        beside(&self.layer_home(id), name)
    }

    /// Gives a lazy layer its files. If somebody else has done so meanwhile, these are dropped.
    pub fn fill_layer(&self, id: LayerId, draft: LayerDraft) -> Result<()> {
        let usage = draft.settle()?;
        self.db().write("fill a layer", |work| {
            let state: Option<State> = work
                .prepare_cached("SELECT state FROM layers WHERE id = ?1")?
                .query_row([id], |row| row.get(0))
                .optional()?;
            match state {
                None => Err(Error::NoSuchLayer(id).into()),
                Some(State::Lazy) => draft.put_in_place(work, id, usage),
                Some(_) => Ok(()),
            }
        })
    }

    /// Removes a layer, every record that speaks of it, and the lazy layers that lie on it. One that is not there is no error.
    ///
    /// Nobody may be using it.
    pub fn remove_layer(&self, id: LayerId) -> Result<()> {
        // With a session, so that the directory is found should this process be killed in between.
        let session = self.session()?;
        self.db().write("remove a layer", |work| {
            // Without it those that lie on it can no more be unpacked.
            let doomed = "WITH RECURSIVE doomed (id) AS (
                              SELECT ?1 UNION SELECT layers.id FROM layers JOIN doomed ON below = doomed.id WHERE state = 0)";
            work.execute(
                &format!(
                    "{doomed} DELETE FROM records WHERE id IN
                     (SELECT record FROM record_layers WHERE layer IN doomed)"
                ),
                [id],
            )?;
            work.execute(&format!("{doomed} DELETE FROM layers WHERE id IN doomed"), [id])?;
            Ok(())
        })?;
        let (home, grave) = (self.layer_home(id), session.fresh_path());
        match fs::rename(&home, &grave) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Error::io("rename", &home)(error)),
            Ok(()) => remove_tree(&grave).map_err(Error::io("remove", &grave)),
        }
    }

    /// Compares a layer's files with what its row says, after the machine has been booted anew.
    pub(crate) fn check_suspect_layer(&self, id: LayerId, bytes: u64, entries: u64) -> Result<()> {
        if measure(&self.layer_home(id).join("fs")).is_ok_and(|found| found.is(bytes, entries)) {
            return self.db().write("note a sound layer", |work| {
                work.execute(
                    "UPDATE layers SET state = ?2 WHERE id = ?1 AND state = ?3",
                    (id, State::Sound, State::Suspect),
                )?;
                Ok(())
            });
        }
        Err(self.drop_damaged_layer(id)?)
    }

    /// Removes a layer that is not what it was.
    pub(crate) fn drop_damaged_layer(&self, id: LayerId) -> Result<Error> {
        self.remove_layer(id)?;
        self.notice(Notice::DamagedLayer(id));
        Ok(Error::DamagedLayer(id))
    }
}

/// Names of the store's own have no dash.
fn beside(home: &Path, name: &str) -> PathBuf {
    home.join(format!("x-{name}"))
}

fn find_by_chain(work: &Transaction<'_>, chain_id: &Digest) -> rusqlite::Result<Option<(LayerId, State)>> {
    work.prepare_cached("SELECT id, state FROM layers WHERE chain_id = ?1")?
        .query_row([chain_id.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// Takes the condemnation from a layer, and from those that it lies on.
pub(crate) fn spare_layer(work: &Connection, id: LayerId) -> rusqlite::Result<()> {
    let mut spare = work.prepare_cached(
        "UPDATE layers SET condemned = NULL WHERE id = ?1 AND condemned IS NOT NULL RETURNING below",
    )?;
    let mut next = Some(id);
    while let Some(id) = next {
        // What is not condemned lies on nothing that is.
        next = spare.query_row([id], |row| row.get(0)).optional()?.flatten();
    }
    Ok(())
}

fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
