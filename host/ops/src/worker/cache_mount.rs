//! Directories that commands keep between builds: `cache-mounts/<key>/<number>/` in the store's folder, with the files in
//! `fs` and a lock beside them. Several numbers exist only where private users met.
//!
//! A user holds the lock as long as its command runs, shared or alone, against threads and processes alike.
//! Knows nothing of containers or of what the directories are for.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use lapstrake_llb::{CacheSharing, Digest};

use crate::error::{Error, Result};
use crate::locks::is_still_at;

/// How often a waiting user looks again.
const PATIENCE: Duration = Duration::from_millis(25);

/// All cache mounts of a store.
#[derive(Debug, Clone)]
pub(super) struct CacheMounts {
    root: PathBuf,
}

/// A directory that is wanted.
pub(super) struct Wanted<'a> {
    /// Mounts of one key are one directory.
    pub(super) key: Digest,
    pub(super) sharing: CacheSharing,
    /// What it is for, to tell people.
    pub(super) about: &'a str,
    /// Fills a new one: gets an empty directory.
    pub(super) seed: &'a dyn Fn(&Path) -> Result<()>,
}

/// Directories that are in use, until this is dropped.
#[derive(Debug, Default)]
pub(super) struct Held {
    directories: BTreeMap<Digest, (PathBuf, File)>,
}

impl Held {
    /// The directory of a key.
    pub(super) fn directory(&self, key: &Digest) -> Option<&Path> {
        self.directories.get(key).map(|(path, _)| path.as_path())
    }
}

impl CacheMounts {
    pub(super) fn new(store: &Path) -> Self {
        Self {
            root: store.join("cache-mounts"),
        }
    }

    /// Takes directories into use. `temporary` makes an empty directory on the same file system.
    ///
    /// # Errors
    /// [`Error::Cancelled`] while waiting, an I/O error, or what a seed says.
    pub(super) fn hold(
        &self,
        wanted: &[Wanted<'_>],
        temporary: &dyn Fn() -> Result<lapstrake_store::TempDir>,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Held> {
        // In the order of the keys, so that two commands never wait for each other; each once, as one user cannot
        // wait for itself.
        let mut by_key: BTreeMap<Digest, &Wanted<'_>> = BTreeMap::new();
        for one in wanted {
            let known = by_key.entry(one.key).or_insert(one);
            if strength(one.sharing) > strength(known.sharing) {
                *known = one;
            }
        }
        let mut held = Held::default();
        for (key, wanted) in by_key {
            let (home, lock) = self.lock(&key, wanted.sharing, cancelled)?;
            // For whoever looks for what has not been used for long.
            let _ = lock.set_modified(SystemTime::now());
            let directory = home.join("fs");
            if !directory.exists() {
                let draft = temporary()?;
                // People can do without it.
                let _ = fs::write(home.join("about"), wanted.about);
                let files = draft.path().join("fs");
                fs::create_dir(&files).map_err(fail(&files))?;
                rustix::fs::chmod(&files, 0o755.into()).map_err(|error| fail(&files)(error.into()))?;
                (wanted.seed)(&files)?;
                match fs::rename(&files, &directory) {
                    // A shared user was faster: its directory is as good.
                    Err(_) if directory.exists() => {}
                    other => other.map_err(fail(&directory))?,
                }
            }
            held.directories.insert(key, (directory, lock));
        }
        Ok(held)
    }

    fn lock(
        &self,
        key: &Digest,
        sharing: CacheSharing,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(PathBuf, File)> {
        let mut number = 0u32;
        loop {
            let home = self.root.join(key.hex()).join(number.to_string());
            // What commands keep here is as private as the rest of the store.
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&home)
                .map_err(fail(&home))?;
            let path = home.join("lock");
            let file = File::options()
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path);
            let file = match file {
                // It was collected just now.
                Err(error) if error.kind() == io::ErrorKind::NotFound && !home.exists() => continue,
                other => other.map_err(fail(&path))?,
            };
            let locked = match sharing {
                CacheSharing::Shared => file.try_lock_shared(),
                CacheSharing::Private | CacheSharing::Locked => file.try_lock(),
            };
            match locked {
                Ok(()) if !is_still_at(&file, &path).map_err(fail(&path))? => {
                    // It was collected meanwhile: whoever comes next would lock another file.
                }
                Ok(()) => return Ok((home, file)),
                Err(TryLockError::Error(source)) => return Err(fail(&path)(source)),
                Err(TryLockError::WouldBlock) if cancelled() => return Err(Error::Cancelled),
                Err(TryLockError::WouldBlock) if sharing == CacheSharing::Private => number += 1,
                Err(TryLockError::WouldBlock) => std::thread::sleep(PATIENCE),
            }
        }
    }
}

fn strength(sharing: CacheSharing) -> u8 {
    match sharing {
        CacheSharing::Shared => 0,
        CacheSharing::Locked => 1,
        CacheSharing::Private => 2,
    }
}

fn fail(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::CacheMount { path, source }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use lapstrake_store::Store;

    use super::*;

    struct Fixture {
        _directory: tempfile::TempDir,
        store: Store,
        mounts: CacheMounts,
    }

    impl Fixture {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let store = Store::open(directory.path()).unwrap();
            let mounts = CacheMounts::new(store.root());
            Self {
                _directory: directory,
                store,
                mounts,
            }
        }

        fn hold(&self, list: &[(&str, CacheSharing)]) -> Held {
            self.try_hold(list, &|| false).unwrap()
        }

        fn try_hold(&self, list: &[(&str, CacheSharing)], cancelled: &dyn Fn() -> bool) -> Result<Held> {
            let wanted: Vec<_> = list
                .iter()
                .map(|(key, sharing)| Wanted {
                    key: Digest::of(key.as_bytes()),
                    sharing: *sharing,
                    about: "a test's",
                    seed: &|path| fs::write(path.join("seed"), "").map_err(fail(path)),
                })
                .collect();
            self.mounts
                .hold(&wanted, &|| Ok(self.store.temp_dir()?), cancelled)
        }
    }

    fn path<'a>(held: &'a Held, key: &str) -> &'a Path {
        held.directory(&Digest::of(key.as_bytes())).unwrap()
    }

    use CacheSharing::{Locked, Private, Shared};

    #[test]
    fn what_is_written_is_there_again_and_seeded_once() {
        let fixture = Fixture::new();
        let held = fixture.hold(&[("a", Shared)]);
        fs::remove_file(path(&held, "a").join("seed")).unwrap();
        fs::write(path(&held, "a").join("kept"), "").unwrap();
        drop(held);
        for sharing in [Shared, Locked, Private] {
            let held = fixture.hold(&[("a", sharing)]);
            assert!(path(&held, "a").join("kept").exists());
            assert!(!path(&held, "a").join("seed").exists());
        }
        assert!(path(&fixture.hold(&[("b", Shared)]), "b").join("seed").exists());
    }

    #[test]
    fn private_users_get_directories_of_their_own_and_reuse_them() {
        let fixture = Fixture::new();
        let one = fixture.hold(&[("a", Private)]);
        let two = fixture.hold(&[("a", Private)]);
        assert_ne!(path(&one, "a"), path(&two, "a"));
        let first = path(&one, "a").to_owned();
        drop(one);
        assert_eq!(path(&fixture.hold(&[("a", Private)]), "a"), first);
    }

    #[test]
    fn shared_users_share_and_locked_ones_wait() {
        let fixture = Fixture::new();
        let one = fixture.hold(&[("a", Shared)]);
        let two = fixture.hold(&[("a", Shared)]);
        assert_eq!(path(&one, "a"), path(&two, "a"));
        assert!(matches!(
            fixture.try_hold(&[("a", Locked)], &|| true),
            Err(Error::Cancelled)
        ));
        drop((one, two));

        let inside = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for turn in 0..4 {
                let (fixture, inside) = (&fixture, &inside);
                scope.spawn(move || {
                    // Two locks in both orders: nobody waits for ever.
                    let list = [("a", Locked), ("b", Locked)];
                    let list = if turn % 2 == 0 { list } else { [list[1], list[0]] };
                    let _held = fixture.hold(&list);
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    std::thread::sleep(Duration::from_millis(10));
                    inside.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
    }

    #[test]
    fn one_command_may_mount_a_directory_twice() {
        let fixture = Fixture::new();
        let held = fixture.hold(&[("a", Shared), ("a", Locked), ("a", Locked)]);
        assert!(path(&held, "a").exists());
        assert!(matches!(
            fixture.try_hold(&[("a", Shared)], &|| true),
            Err(Error::Cancelled)
        ));
    }

    #[test]
    fn a_seed_that_fails_leaves_nothing() {
        let fixture = Fixture::new();
        let wanted = Wanted {
            key: Digest::of(b"a"),
            sharing: Shared,
            about: "",
            seed: &|_| Err(Error::Cancelled),
        };
        let temporary = || Ok(fixture.store.temp_dir()?);
        assert!(fixture.mounts.hold(&[wanted], &temporary, &|| false).is_err());
        assert!(path(&fixture.hold(&[("a", Shared)]), "a").join("seed").exists());
    }
}
