//! Opening a store, its folders, and what belongs to the store as a whole.
//!
//! ```text
//! db.sqlite            rows: blobs, layers, records, values (db.rs)
//! blobs/sha256/<hex>   content by digest
//! layers/<id>/fs       files of a layer, one overlayfs upper directory
//! reserve              room for removing things when the disk is full (reserve.rs)
//! tmp/<session>/       temporary names of a living process (temp.rs)
//! leases/<epoch>       locked by those who may use what was not condemned then (lease.rs)
//! index/, compiled/    files of the callers' own, which they can make again
//! owners               whose the files of the layers are, if not root's (owners.rs)
//! locks/<name>         locked by those who have something under way that only one may do (named_lock.rs)
//! git/<name>           copies of repositories, used under the lock `git-<name>`
//! cache-mounts/<key>/<number>/
//!                      the callers' too: `fs`, and `lock`, on which a user holds a lock; `about` says what it is for,
//!                      `size` is ours
//! ```
//!
//! Knows nothing of what its callers keep in it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use lapstrake_llb::Digest;

use crate::db::{self, Db, lock};
use crate::error::{Error, Result};
use crate::last_use::LastUses;
use crate::lease::{self, Lease};
use crate::mend;
use crate::notice::Notice;
use crate::reserve;
use crate::temp::{Session, TempDir};
use crate::{owners, state, sweep};

/// A store: blobs, layers, records and small values under one folder. Clones are the same store.
///
/// Any number of processes may have one folder open.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    root: PathBuf,
    pub(crate) db: Db,
    session: Mutex<Option<Arc<Session>>>,
    sweeper: Mutex<Option<JoinHandle<()>>>,
    closing: Arc<AtomicBool>,
    pub(crate) last_uses: LastUses,
    notices: Mutex<Vec<Notice>>,
    lease: Mutex<Lease>,
    /// Held until the end: the database is not replaced meanwhile.
    _gate: File,
}

impl Store {
    /// Opens the store in `root`, and makes it where there is none.
    ///
    /// Looks at no more than the head of the database: what killed processes left is removed in the background, once
    /// something is written.
    pub fn open(root: &Path) -> Result<Self> {
        // Mounts and helper processes do not share the working directory.
        let root = &std::path::absolute(root).map_err(Error::io("find", root))?;
        // Before anything is mended by somebody who sees other owners.
        if root.join("db.sqlite").exists() {
            owners::check(root)?;
        }
        let (opened, notice) = open_database(root)?;
        let Opened {
            db,
            gate,
            last_boot,
            lease,
        } = opened;
        let boot = state::boot_id();
        if last_boot.as_deref() != Some(boot.as_str()) {
            db.write("note the boot", |work| Ok(state::enter_boot(work, &boot)?))?;
        }
        let inner = Inner {
            root: root.to_owned(),
            db,
            session: Mutex::default(),
            sweeper: Mutex::default(),
            closing: Arc::default(),
            last_uses: LastUses::default(),
            notices: Mutex::new(notice.into_iter().collect()),
            lease: Mutex::new(lease),
            _gate: gate,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The store's folder.
    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    /// Path of a file below `index/` that the caller keeps there. Nothing is made at it.
    pub fn index_file(&self, name: &str) -> PathBuf {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let folder = self.inner.root.join("index");
        if !name.is_empty() && name.len() <= 128 && !name.starts_with('.') && name.chars().all(plain) {
            folder.join(name)
        } else {
            folder.join(Digest::of(name.as_bytes()).hex())
        }
    }

    /// Folder for compiled components. It exists.
    pub fn compiled_dir(&self) -> PathBuf {
        self.inner.root.join("compiled")
    }

    /// Makes an empty directory on the store's file system, removed when it is dropped.
    pub fn temp_dir(&self) -> Result<TempDir> {
        TempDir::new(self.session()?)
    }

    /// Writes down what was used since the last call. Also done when the last clone is dropped.
    pub fn flush(&self) -> Result<()> {
        self.inner.flush()
    }

    /// Takes what the store had to repair since the last call, for the user to know.
    pub fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut *lock(&self.inner.notices))
    }

    /// Whether the database was found damaged, so that the store has to be opened anew.
    pub fn is_damaged(&self) -> bool {
        mend::is_needed(&self.inner.root.join("db.sqlite"))
    }

    /// Removes what killed processes left and waits for it.
    pub fn sweep(&self) -> Result<sweep::Swept> {
        if let Some(thread) = lock(&self.inner.sweeper).take() {
            let _ = thread.join();
        }
        let (session, _) = self.start_session()?;
        sweep::sweep(&self.inner.root, &self.inner.db, &session, &|| true)
    }

    /// Whether this store value has written anything but rows.
    pub(crate) fn has_session(&self) -> bool {
        lock(&self.inner.session).is_some()
    }

    pub(crate) fn leases_dir(&self) -> PathBuf {
        self.inner.root.join("leases")
    }

    /// Holds another lease in place of the one that was held.
    pub(crate) fn hold_lease(&self, lease: Lease) {
        *lock(&self.inner.lease) = lease;
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    pub(crate) fn db(&self) -> &Db {
        &self.inner.db
    }

    pub(crate) fn notice(&self, notice: Notice) {
        lock(&self.inner.notices).push(notice);
    }

    /// The session of this process. The first call starts it, and the removal of what dead ones left.
    pub(crate) fn session(&self) -> Result<Arc<Session>> {
        let (session, is_new) = self.start_session()?;
        if is_new {
            self.sweep_in_background(session.clone());
        }
        Ok(session)
    }

    /// The session, and whether it was started just now.
    fn start_session(&self) -> Result<(Arc<Session>, bool)> {
        let mut slot = lock(&self.inner.session);
        if let Some(session) = &*slot {
            return Ok((session.clone(), false));
        }
        let session = Arc::new(Session::start(&self.inner.root.join("tmp"))?);
        *slot = Some(session.clone());
        Ok((session, true))
    }

    fn sweep_in_background(&self, session: Arc<Session>) {
        let root = self.inner.root.clone();
        let closing = self.inner.closing.clone();
        let work = move || {
            // A failure is met again by the next process; nothing depends on the removal.
            let _ = sweep::sweep_apart(&root, &session, &|| !closing.load(Ordering::Relaxed));
        };
        if let Ok(thread) = std::thread::Builder::new()
            .name("store-sweep".to_owned())
            .spawn(work)
        {
            *lock(&self.inner.sweeper) = Some(thread);
        }
    }
}

impl Inner {
    fn flush(&self) -> Result<()> {
        self.last_uses.flush(&self.db)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        // The times of use are lost if this fails, nothing else.
        let _ = self.flush();
        if let Some(thread) = lock(&self.sweeper).take() {
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("root", &self.inner.root).finish()
    }
}

/// An opened database, and what it says at first.
struct Opened {
    db: Db,
    gate: File,
    last_boot: Option<String>,
    lease: Lease,
}

/// Opens the database, mends it where it is damaged, and makes it where there is none.
fn open_database(root: &Path) -> Result<(Opened, Option<Notice>)> {
    let path = root.join("db.sqlite");
    let mut notice = None;
    for _ in 0..2 {
        if !mend::is_needed(&path) {
            match try_open(root, &path) {
                Err(Error::DamagedDatabase { .. }) => {}
                other => return Ok((other?, notice)),
            }
        }
        notice = mend::mend(root)?.or(notice);
    }
    Ok((try_open(root, &path)?, notice))
}

fn try_open(root: &Path, path: &Path) -> Result<Opened> {
    let leases = root.join("leases");
    let missing = || Error::io("open", path)(io::Error::from(io::ErrorKind::NotFound));
    // Keeps the database from being replaced.
    let mut opened = None;
    if let Some(gate) = lease::enter(&leases)? {
        opened = Db::open(path)?.map(|db| (db, gate));
    }
    let (db, gate) = match opened {
        Some(opened) => opened,
        None => {
            create(root, path)?;
            let gate = lease::enter(&leases)?.ok_or_else(missing)?;
            (Db::open(path)?.ok_or_else(missing)?, gate)
        }
    };
    let (last_boot, epoch) = db.read("read the last boot", |db| {
        Ok((state::last_boot(db)?, state::epoch(db)?))
    })?;
    Ok(Opened {
        db,
        gate,
        last_boot,
        // Before anything is looked for.
        lease: Lease::take(&leases, epoch)?,
    })
}

/// Makes the folders and the database, one process after another.
fn create(root: &Path, database: &Path) -> Result<()> {
    // A layer may hold programs that run as their owner: nobody else reaches them.
    let make = |path: &Path| {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(Error::io("create", path))
    };
    make(root)?;
    let path = root.join("lock");
    let guard = private(&path)?;
    guard.lock().map_err(Error::io("lock", &path))?;
    for folder in ["blobs/sha256", "layers", "tmp", "index", "compiled", "leases"] {
        make(&root.join(folder))?;
    }
    for folder in ["layers", "tmp"] {
        spread(&root.join(folder));
    }
    if !database.exists() {
        owners::begin(root)?;
    }
    drop(private(database)?);
    db::Db::create(database)?;
    reserve::keep(root);
    Ok(())
}

/// Opens a file, or makes it for this user alone: the folder may be somebody's who has left it open to others. What SQLite
/// adds takes the database's mode.
pub(crate) fn private(path: &Path) -> Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(Error::io("create", path))
}

/// Tells ext4 that what is in a folder has nothing to do with each other, so that it looks for free inodes near each
/// layer and not far and wide: half the time of a small step. Other file systems refuse, which does not matter.
fn spread(folder: &Path) {
    if let Ok(open) = File::open(folder)
        && let Ok(flags) = rustix::fs::ioctl_getflags(&open)
    {
        let _ = rustix::fs::ioctl_setflags(&open, flags | rustix::fs::IFlags::TOPDIR);
    }
}
