//! Removal of what killed processes left: their temporary names, and layer directories without a row.
//!
//! A layer directory gets its name inside of the transaction that writes its row, by a process that has a session; so a
//! directory without a row is looked for only where a dead session is found, and nothing is being committed meanwhile.
//! Knows nothing of what may be removed though it is whole.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::db::Db;
use crate::error::{Error, Fault, Result};
use crate::remove::remove_while;
use crate::state::State;
use crate::temp::{Session, find_remains};
use crate::{LayerId, named_lock};

/// What a sweep removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Sessions of killed processes.
    pub sessions: usize,
    /// Layer directories that no row speaks of.
    pub layers: usize,
}

/// Removes all of it. `keep_going` is asked often; after `false` the rest is left to a later process.
pub(crate) fn sweep(root: &Path, db: &Db, own: &Session, keep_going: &dyn Fn() -> bool) -> Result<Swept> {
    let remains = find_remains(&root.join("tmp"), own)?;
    if remains.is_empty() {
        return Ok(Swept::default());
    }
    named_lock::remove_unheld(&root.join("locks"));
    let buried = bury_orphans(root, db, own)?;
    let done = || -> Result<()> {
        for path in &buried {
            remove_while(path, keep_going).map_err(Error::io("remove", path))?;
        }
        for one in &remains {
            one.remove(keep_going)?;
        }
        Ok(())
    };
    done().inspect_err(|_| own.abandon())?;
    Ok(Swept {
        sessions: remains.len(),
        layers: buried.len(),
    })
}

/// The same over a connection of its own, which is opened only if there is something to remove.
pub(crate) fn sweep_apart(root: &Path, own: &Session, keep_going: &dyn Fn() -> bool) -> Result<Swept> {
    if find_remains(&root.join("tmp"), own)?.is_empty() {
        return Ok(Swept::default());
    }
    match Db::open(&root.join("db.sqlite"))? {
        Some(db) => sweep(root, &db, own, keep_going),
        None => Ok(Swept::default()),
    }
}

/// Moves layer directories without a row into the session.
pub(crate) fn bury_orphans(root: &Path, db: &Db, own: &Session) -> Result<Vec<PathBuf>> {
    let layers = root.join("layers");
    db.write("look for layers without rows", |work| {
        let mut statement = work.prepare("SELECT id FROM layers WHERE state <> ?1")?;
        let known: HashSet<LayerId> = statement
            .query_map([State::Lazy], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let mut buried = Vec::new();
        for entry in fs::read_dir(&layers).map_err(Error::io("list", &layers))? {
            let entry = entry.map_err(Error::io("list", &layers))?;
            let id = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<LayerId>().ok());
            if id.is_some_and(|id| known.contains(&id)) {
                continue;
            }
            let grave = own.fresh_path();
            match fs::rename(entry.path(), &grave) {
                Ok(()) => buried.push(grave),
                // The one who removed the row was quicker.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(Fault::from(Error::io("rename", &entry.path())(error))),
            }
        }
        Ok(buried)
    })
}
