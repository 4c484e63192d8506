//! The files of the stock: what is on disk beside what rows say, so that nothing is left out.
//! Knows nothing of what leads from one item to another.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use lapstrake_llb::Digest;
use rustix::fs::{FileType, Stat};

use super::disk::{self, bytes_on_disk};
use super::stock::{Sizes, Stock, blob};
use super::{Item, Kind, Limits, What};
use crate::LayerId;
use crate::db::now;
use crate::error::{Error, Result};
use crate::mend;
use crate::parallel;
use crate::reserve;
use crate::store::Store;

/// A measure of a directory that commands keep is good for so long, unless it is asked for exactly.
const MEASURE_AGE: Duration = Duration::from_secs(600);
/// A temporary file of somebody who writes beside its target is one of a killed process after this time.
const ORPHAN_AGE: Duration = Duration::from_secs(3600);

impl Stock {
    /// Puts what layers and blobs take on disk in place of what their rows say.
    pub(super) fn measure_layers(&mut self, store: &Store) -> Result<()> {
        let mut layers: Vec<(LayerId, usize)> = self.layers.iter().map(|(id, at)| (*id, *at)).collect();
        layers.sort_unstable();
        let ids: Vec<LayerId> = layers.iter().map(|(id, _)| *id).collect();
        for ((_, index), bytes) in layers.iter().zip(measure(store, &ids)?) {
            self.items[*index].bytes = bytes;
        }
        for (digest, index) in &self.blobs {
            let stat = disk::look(&store.blob_path(digest))?;
            self.items[*index].bytes = stat.as_ref().map_or(0, disk::of_stat);
        }
        Ok(())
    }

    /// Blobs whose row a killed process did not write.
    pub(super) fn add_stray_blobs(&mut self, root: &Path) -> Result<()> {
        for (path, stat) in list(&root.join("blobs/sha256"))? {
            let digest = path.file_name().and_then(OsStr::to_str);
            let Some(digest) = digest.and_then(|hex| format!("sha256:{hex}").parse::<Digest>().ok()) else {
                continue;
            };
            if !self.blobs.contains_key(&digest) {
                let time = stat.st_mtime;
                let index = self.add(blob(digest, disk::of_stat(&stat), time, time));
                self.blobs.insert(digest, index);
            }
        }
        Ok(())
    }

    /// Files in a folder that anybody can do without.
    pub(super) fn add_files(&mut self, folder: &Path, kind: Kind, description: &str) -> Result<()> {
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for (path, stat) in list(&folder)? {
                if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                    folders.push(path);
                    continue;
                }
                let name = path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                let used = stat.st_mtime.max(stat.st_atime);
                let temporary = name.starts_with(".tmp");
                let old = used < now().saturating_sub(ORPHAN_AGE.as_secs() as i64);
                let what = if temporary && !old {
                    What::Fixed
                } else {
                    What::File(path)
                };
                self.add(Item {
                    id: name.chars().take(12).collect(),
                    kind: if temporary { Kind::Internal } else { kind },
                    description: description.to_owned(),
                    bytes: disk::of_stat(&stat),
                    created: stat.st_mtime,
                    used,
                    written: used,
                    in_use: what == What::Fixed,
                    what,
                });
            }
        }
        Ok(())
    }

    pub(super) fn add_cache_mounts(&mut self, folder: &Path, sizes: Sizes) -> Result<()> {
        for home in cache_mounts(folder)? {
            let lock = home.join("lock");
            let Some(stat) = disk::look(&lock)? else { continue };
            let bytes = measure_mount(&home, sizes == Sizes::Measured)?;
            let about = fs::read_to_string(home.join("about")).unwrap_or_default();
            let key = home.parent().and_then(Path::file_name).unwrap_or_default();
            let number = home.file_name().unwrap_or_default().to_string_lossy();
            let mut id: String = key.to_string_lossy().chars().take(12).collect();
            if number != "0" {
                id = format!("{id}-{number}");
            }
            self.add(Item {
                id,
                kind: Kind::CacheMount,
                description: match about.trim() {
                    "" => "cached mount".to_owned(),
                    about => format!("cached mount {about}"),
                },
                bytes,
                created: disk::look(&home)?.map_or(stat.st_mtime, |home| home.st_mtime),
                used: stat.st_mtime,
                written: stat.st_mtime,
                in_use: is_locked(&lock)?,
                what: What::CacheMount(home),
            });
        }
        Ok(())
    }

    /// Whatever else is in the folder, so that nothing is left out.
    pub(super) fn add_rest(&mut self, root: &Path, rows: u64) -> Result<()> {
        let own = |stat: Option<Stat>| stat.as_ref().map_or(0, disk::of_stat);
        let mut folders = own(disk::look(root)?);
        let (mut database, mut small) = (0, 0);
        for (path, stat) in list(root)? {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            match name.as_str() {
                "blobs" => folders += disk::of_stat(&stat) + own(disk::look(&path.join("sha256"))?),
                "layers" => {
                    folders += disk::of_stat(&stat);
                    self.add_stray_layers(&path)?;
                }
                "compiled" | "index" => folders += folders_below(&path)?,
                "cache-mounts" => {
                    folders += disk::of_stat(&stat);
                    for (key, stat) in list(&path)? {
                        // Not the homes, which are items.
                        folders += if key.is_dir() { disk::of_stat(&stat) } else { 0 };
                    }
                }
                "git" => {
                    folders += disk::of_stat(&stat);
                    self.add_repositories(root, &path)?;
                }
                "db.sqlite" | "db.sqlite-wal" | "db.sqlite-shm" => database += disk::of_stat(&stat),
                "tmp" => self.fixed("tmp", "temporary files", bytes_on_disk(&path)?),
                "lock" | "locks" | "leases" | reserve::NAME => small += bytes_on_disk(&path)?,
                other if other.starts_with(mend::ASIDE) => {
                    self.add(Item {
                        id: other.to_owned(),
                        kind: Kind::Internal,
                        description: "a damaged database that was replaced".to_owned(),
                        bytes: disk::of_stat(&stat),
                        created: stat.st_mtime,
                        used: stat.st_mtime,
                        written: stat.st_mtime,
                        in_use: false,
                        what: What::File(path),
                    });
                }
                other => {
                    let description = format!("files in {other}");
                    self.fixed(other, &description, bytes_on_disk(&path)?);
                }
            }
        }
        self.fixed(
            "database",
            "rows of layers, blobs and records",
            database.saturating_sub(rows),
        );
        self.fixed("folders", "folders and locks", folders + small);
        Ok(())
    }

    fn add_repositories(&mut self, root: &Path, folder: &Path) -> Result<()> {
        for (home, stat) in list(folder)? {
            let name = home
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let in_use = match repository_lock(root, &home) {
                Some(lock) => is_locked(&lock)?,
                None => true,
            };
            self.add(Item {
                id: name.chars().take(12).collect(),
                kind: Kind::SourceGit,
                description: "copy of a git repository".to_owned(),
                bytes: bytes_on_disk(&home)?,
                created: stat.st_mtime,
                used: stat.st_mtime.max(stat.st_atime),
                written: stat.st_mtime,
                in_use,
                what: What::Repository(home),
            });
        }
        Ok(())
    }

    /// Layers without a row, which a killed process left.
    fn add_stray_layers(&mut self, folder: &Path) -> Result<()> {
        for (path, _) in list(folder)? {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let id = name.parse::<LayerId>().ok();
            if !id.is_some_and(|id| self.layers.contains_key(&id)) {
                self.fixed(&name, "left by a killed process", bytes_on_disk(&path)?);
            }
        }
        Ok(())
    }
}

/// Bytes of layers, given in their order. Files that several have (docs/decisions/0009) count for the last one: it is likely
/// to stay the longest.
pub(super) fn measure(store: &Store, layers: &[LayerId]) -> Result<Vec<u64>> {
    let threads = parallel::threads();
    let found = parallel::map(layers.len(), threads, |at| {
        disk::taken(&store.layer_home(layers[at]))
    })?;
    let mut counted = HashSet::new();
    let mut sizes: Vec<u64> = found
        .iter()
        .rev()
        .map(|taken| {
            let new = taken.shared.iter().filter(|(inode, _)| counted.insert(*inode));
            taken.own + new.map(|(_, bytes)| bytes).sum::<u64>()
        })
        .collect();
    sizes.reverse();
    Ok(sizes)
}

/// What the store takes, about, from rows and measures that are there: cheap enough for the end of every build that
/// stored something.
pub(super) fn estimate(store: &Store, limits: &Limits) -> Result<u64> {
    let root = store.root();
    let sql = "SELECT (SELECT coalesce(sum(disk), 0) FROM layers WHERE condemned IS NULL)
                    + (SELECT coalesce(sum((size + 4095) / 4096 * 4096), 0) FROM blobs WHERE condemned IS NULL)";
    let mut total = store.db().read("sum up what is stored", |db| {
        db.query_row(sql, [], |row| row.get::<_, i64>(0))
    })?;
    for folder in ["compiled/components", "index", "."] {
        for (_, stat) in list(&root.join(folder))? {
            if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
                total += stat.st_blocks * 512;
            }
        }
    }
    let mut total = total.max(0).unsigned_abs();
    let mounts = cache_mounts(&root.join("cache-mounts"))?;
    for home in &mounts {
        total += measure_mount(home, false)?;
    }
    // Near the limit the measures have to be new.
    if !mounts.is_empty()
        && limits
            .max_used
            .is_some_and(|max| total <= max && total > max / 4 * 3)
    {
        for home in &mounts {
            total = total.saturating_sub(measure_mount(home, false)?) + measure_mount(home, true)?;
        }
    }
    Ok(total)
}

/// The homes of all directories that commands keep.
fn cache_mounts(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut homes = Vec::new();
    for (key, _) in list(folder)? {
        homes.extend(list(&key)?.into_keys());
    }
    Ok(homes)
}

/// Bytes of a directory that commands keep: as it was measured last, if it was not used since, or not long ago.
fn measure_mount(home: &Path, anew: bool) -> Result<u64> {
    let note = home.join("size");
    let time = |path: &Path| fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let noted = time(&note);
    let unused = noted > time(&home.join("lock"));
    let recent = noted.is_some_and(|noted| {
        SystemTime::now()
            .duration_since(noted)
            .is_ok_and(|age| age < MEASURE_AGE)
    });
    if !anew && (unused || recent) {
        let known = fs::read_to_string(&note);
        if let Some(bytes) = known.ok().and_then(|text| text.parse().ok()) {
            return Ok(bytes);
        }
    }
    let bytes = bytes_on_disk(home)?;
    if !anew {
        // Without it, it is measured again.
        let _ = fs::write(&note, bytes.to_string());
    }
    Ok(bytes)
}

/// The lock of a copy of a repository. `None`: it is none.
pub(super) fn repository_lock(root: &Path, home: &Path) -> Option<PathBuf> {
    let name = home.file_name()?.to_str()?;
    Some(root.join("locks").join(format!("git-{name}")))
}

fn is_locked(path: &Path) -> Result<bool> {
    let Ok(file) = File::open(path) else {
        return Ok(false);
    };
    match file.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(Error::io("lock", path)(error)),
    }
}

/// What is in a folder, with what each entry itself is. A folder that is not there is empty.
fn list(folder: &Path) -> Result<BTreeMap<PathBuf, Stat>> {
    let mut found = BTreeMap::new();
    let entries = match fs::read_dir(folder) {
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(found);
        }
        other => other.map_err(Error::io("list", folder))?,
    };
    for entry in entries {
        let path = entry.map_err(Error::io("list", folder))?.path();
        if let Some(stat) = disk::look(&path)? {
            found.insert(path, stat);
        }
    }
    Ok(found)
}

/// Bytes of a folder and the folders in it, without files.
fn folders_below(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    let mut todo = vec![folder.to_owned()];
    while let Some(folder) = todo.pop() {
        bytes += disk::look(&folder)?.as_ref().map_or(0, disk::of_stat);
        let is_dir = |stat: &Stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let below = list(&folder)?.into_iter().filter(|(_, stat)| is_dir(stat));
        todo.extend(below.map(|(path, _)| path));
    }
    Ok(bytes)
}
