//! The stock: everything that the store holds, as items whose bytes add up to what its folder takes on disk, and what
//! leads from one to the other.
//! Knows nothing of what is to go.

use std::collections::HashMap;

use lapstrake_llb::Digest;
use rusqlite::{Connection, Row};

use super::{Item, Kind, What};
use crate::LayerId;
use crate::db::{self, now};
use crate::error::Result;
use crate::store::Store;

/// Bytes of a row beside its key and its value, about.
const ROW: u64 = 64;

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
    pub(super) layers: HashMap<LayerId, usize>,
    pub(super) blobs: HashMap<Digest, usize>,
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

    pub(super) fn add(&mut self, item: Item) -> usize {
        self.items.push(item);
        self.links.push(Links::default());
        self.items.len() - 1
    }

    pub(super) fn fixed(&mut self, id: &str, description: &str, bytes: u64) {
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
        let sql =
            "SELECT sum(length(account) + length(name)), count(*), min(created), max(created) FROM accounts";
        db.query_row(sql, [], |row| {
            let count = unsigned(row, 1)?;
            if count > 0 {
                let used = row.get(3)?;
                self.add(Item {
                    id: "accounts".to_owned(),
                    kind: Kind::Internal,
                    description: "what records were made of".to_owned(),
                    bytes: unsigned(row, 0)? + count * ROW,
                    created: row.get(2)?,
                    used,
                    written: used,
                    in_use: false,
                    what: What::Accounts,
                });
            }
            Ok(())
        })?;
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
}

pub(super) fn blob(digest: Digest, bytes: u64, created: i64, used: i64) -> Item {
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

fn unsigned(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(index)?.max(0).unsigned_abs())
}
