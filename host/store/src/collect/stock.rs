//! The stock: everything that the store holds, as items whose bytes add up to what its folder takes on disk, and what
//! leads from one to the other.
//! Knows nothing of what is to go.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use lapstrake_llb::Digest;
use rusqlite::{Connection, Row};
use rustix::fs::{FileType, Stat};

use super::disk::{self, bytes_on_disk};
use super::{Item, Kind, Limits, What};
use crate::LayerId;
use crate::db::{self, now};
use crate::error::{Error, Result};
use crate::mend;
use crate::parallel;
use crate::store::Store;

/// Bytes of a row beside its key and its value, about.
const ROW: u64 = 64;
/// A measure of a directory that commands keep is good for so long, unless it is asked for exactly.
const MEASURE_AGE: Duration = Duration::from_secs(600);
/// A temporary file of somebody who writes beside its target is one of a killed process after this time.
const ORPHAN_AGE: Duration = Duration::from_secs(3600);

/// Where sizes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sizes {
    /// All files are looked at.
    Measured,
    /// What was noted when a layer was made, or a directory last measured.
    Known,
}

/// What leads from one item to others, by index.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// The records that speak of a layer: indexes of [`Stock::records`].
    pub(super) records: Vec<usize>,
    /// The layers that lie on a layer in their image.
    pub(super) above: Vec<usize>,
    /// The layer that a layer lies on.
    pub(super) below: Option<usize>,
    /// The archives of a layer.
    pub(super) archives: Vec<usize>,
}

/// Everything that the store holds.
#[derive(Debug, Default)]
pub(super) struct Stock {
    pub(super) items: Vec<Item>,
    /// One for each item.
    pub(super) links: Vec<Links>,
    /// The layers that each record speaks of.
    pub(super) records: Vec<Vec<usize>>,
    layers: HashMap<LayerId, usize>,
    blobs: HashMap<Digest, usize>,
}

impl Stock {
    /// Reads it. What changes meanwhile is in it or not.
    pub(super) fn read(store: &Store, sizes: Sizes) -> Result<Self> {
        let mut stock = Self::default();
        store.db().read("list what is stored", |db| {
            let moment = db.unchecked_transaction()?;
            stock.add_layers(&moment)?;
            stock.add_blobs(&moment)?;
            stock.add_records(&moment)?;
            stock.add_values(&moment)?;
            moment.commit()
        })?;
        stock.carry_uses_down();
        let rows = stock.total_of(Item::is_row);
        let root = store.root();
        if sizes == Sizes::Measured {
            stock.measure_layers(store)?;
        }
        stock.add_stray_blobs(root)?;
        stock.add_files(&root.join("compiled"), Kind::Frontend, "compiled frontend")?;
        stock.add_files(
            &root.join("index"),
            Kind::SourceLocal,
            "index of a local directory",
        )?;
        stock.add_cache_mounts(&root.join("cache-mounts"), sizes)?;
        stock.add_rest(root, rows)?;
        stock.links.resize_with(stock.items.len(), Links::default);
        Ok(stock)
    }

    /// Bytes of all that is not about to go.
    pub(super) fn total(&self) -> u64 {
        self.total_of(|item| item.what != What::Condemned)
    }

    /// A layer that others lie on in a result is used with them, even where that was not written down (last_use.rs).
    pub(super) fn carry_uses_down(&mut self) {
        for record in &self.records {
            // Layers have the order in which they were made: the upper ones last.
            let mut layers = record.clone();
            layers.sort_unstable();
            let mut latest = i64::MIN;
            for layer in layers.into_iter().rev() {
                let item = &mut self.items[layer];
                latest = latest.max(item.written);
                item.used = item.used.max(latest);
            }
        }
    }

    fn total_of(&self, which: impl Fn(&Item) -> bool) -> u64 {
        self.items
            .iter()
            .filter(|item| which(item))
            .map(|item| item.bytes)
            .sum()
    }

    fn add(&mut self, item: Item) -> usize {
        self.items.push(item);
        self.links.push(Links::default());
        self.items.len() - 1
    }

    fn fixed(&mut self, id: &str, description: &str, bytes: u64) {
        let time = now();
        self.add(Item {
            id: id.to_owned(),
            kind: Kind::Internal,
            description: description.to_owned(),
            bytes,
            created: time,
            used: time,
            written: time,
            in_use: true,
            what: What::Fixed,
        });
    }

    // ---- Rows ----

    fn add_layers(&mut self, db: &Connection) -> rusqlite::Result<()> {
        let sql =
            "SELECT id, kind, description, disk, created, used, condemned, below FROM layers ORDER BY id";
        let mut statement = db.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut lies_on = Vec::new();
        while let Some(row) = rows.next()? {
            let id: LayerId = row.get(0)?;
            let condemned = row.get::<_, Option<i64>>(6)?.is_some();
            let what = if condemned {
                What::Condemned
            } else {
                What::Layer(id)
            };
            let index = self.add(Item {
                id: id.to_string(),
                kind: Kind::from_name(row.get_ref(1)?.as_str()?).unwrap_or_default(),
                description: row.get(2)?,
                bytes: unsigned(row, 3)?,
                created: row.get(4)?,
                used: row.get(5)?,
                written: row.get(5)?,
                in_use: condemned,
                what,
            });
            self.layers.insert(id, index);
            if let Some(below) = row.get::<_, Option<LayerId>>(7)? {
                lies_on.push((index, below));
            }
        }
        for (index, below) in lies_on {
            if let Some(below) = self.layers.get(&below).copied().filter(|below| *below != index) {
                self.links[index].below = Some(below);
                self.links[below].above.push(index);
            }
        }
        Ok(())
    }

    fn add_blobs(&mut self, db: &Connection) -> rusqlite::Result<()> {
        let mut statement = db.prepare("SELECT digest, size, created, used, condemned FROM blobs")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let Some(digest) = db::digest(row.get_ref(0)?.as_blob()?) else {
                continue;
            };
            let condemned = row.get::<_, Option<i64>>(4)?.is_some();
            let what = if condemned {
                What::Condemned
            } else {
                What::Blob(digest)
            };
            let mut item = blob(digest, unsigned(row, 1)?, row.get(2)?, row.get(3)?);
            (item.what, item.in_use) = (what, condemned);
            let index = self.add(item);
            self.blobs.insert(digest, index);
        }
        let mut statement = db.prepare("SELECT DISTINCT layer, digest FROM layer_blobs")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let digest = db::digest(row.get_ref(1)?.as_blob()?);
            let archive = digest.and_then(|digest| self.blobs.get(&digest).copied());
            let layer = self.layers.get(&row.get(0)?).copied();
            if let (Some(layer), Some(archive)) = (layer, archive) {
                self.links[layer].archives.push(archive);
                let description = format!("archive of {}", self.items[layer].description);
                self.items[archive].description = description;
            }
        }
        Ok(())
    }

    fn add_records(&mut self, db: &Connection) -> rusqlite::Result<()> {
        let mut statement = db.prepare("SELECT record, layer FROM record_layers ORDER BY record")?;
        let mut rows = statement.query([])?;
        let mut last: Vec<u8> = Vec::new();
        while let Some(row) = rows.next()? {
            let record = row.get_ref(0)?.as_blob()?;
            if record != last.as_slice() {
                last = record.to_vec();
                self.records.push(Vec::new());
            }
            let Some(layer) = self.layers.get(&row.get(1)?).copied() else {
                continue;
            };
            let number = self.records.len() - 1;
            self.links[layer].records.push(number);
            self.records[number].push(layer);
        }
        let sql = "SELECT id, length(payload), description, created, used FROM records
                   WHERE NOT EXISTS (SELECT 1 FROM record_layers WHERE record = id)";
        let mut statement = db.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let Some(id) = db::digest(row.get_ref(0)?.as_blob()?) else {
                continue;
            };
            self.add(Item {
                id: "records".to_owned(),
                kind: Kind::Internal,
                description: row.get(2)?,
                bytes: unsigned(row, 1)? + ROW,
                created: row.get(3)?,
                used: row.get(4)?,
                written: row.get(4)?,
                in_use: false,
                what: What::Record(id),
            });
        }
        Ok(())
    }

    fn add_values(&mut self, db: &Connection) -> rusqlite::Result<()> {
        let mut statement = db.prepare("SELECT kind, key, length(value), created, used FROM small_values")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (kind, key): (String, String) = (row.get(0)?, row.get(1)?);
            let is_frontend = kind.starts_with("frontend");
            self.add(Item {
                id: kind.clone(),
                kind: if is_frontend {
                    Kind::Frontend
                } else {
                    Kind::Internal
                },
                description: kind.clone(),
                bytes: unsigned(row, 2)? + key.len() as u64 + ROW,
                created: row.get(3)?,
                used: row.get(4)?,
                written: row.get(4)?,
                in_use: false,
                what: What::Value(kind, key),
            });
        }
        Ok(())
    }

    // ---- Files ----

    /// Puts what layers and blobs take on disk in place of what their rows say.
    fn measure_layers(&mut self, store: &Store) -> Result<()> {
        let layers: Vec<(usize, PathBuf)> = self
            .layers
            .iter()
            .map(|(id, index)| (*index, store.layer_home(*id)))
            .collect();
        let threads = parallel::threads();
        let found = parallel::map(layers.len(), threads, |at| bytes_on_disk(&layers[at].1))?;
        for ((index, _), bytes) in layers.iter().zip(found) {
            self.items[*index].bytes = bytes;
        }
        for (digest, index) in &self.blobs {
            let stat = disk::look(&store.blob_path(digest))?;
            self.items[*index].bytes = stat.as_ref().map_or(0, disk::of_stat);
        }
        Ok(())
    }

    /// Blobs whose row a killed process did not write.
    fn add_stray_blobs(&mut self, root: &Path) -> Result<()> {
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
    fn add_files(&mut self, folder: &Path, kind: Kind, description: &str) -> Result<()> {
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

    fn add_cache_mounts(&mut self, folder: &Path, sizes: Sizes) -> Result<()> {
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
    fn add_rest(&mut self, root: &Path, rows: u64) -> Result<()> {
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
                "db.sqlite" | "db.sqlite-wal" | "db.sqlite-shm" => database += disk::of_stat(&stat),
                "tmp" => self.fixed("tmp", "temporary files", bytes_on_disk(&path)?),
                "lock" | "locks" | "leases" => small += bytes_on_disk(&path)?,
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

fn blob(digest: Digest, bytes: u64, created: i64, used: i64) -> Item {
    Item {
        id: digest.hex().chars().take(12).collect(),
        kind: Kind::Internal,
        description: format!("blob {digest}"),
        bytes,
        created,
        used,
        written: used,
        in_use: false,
        what: What::Blob(digest),
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

fn unsigned(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(index)?.max(0).unsigned_abs())
}
