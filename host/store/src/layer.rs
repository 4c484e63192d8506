//! Layers: what is known of one, and where its files are.
//!
//! A layer's files are one overlayfs upper directory, with overlayfs's marks for what is deleted and opaque. A layer is
//! *lazy* while only its archive's descriptor is known.
//! Knows nothing of how layers are made (draft.rs), stacked (tree) or packed (archive).

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use lapstrake_llb::Digest;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::blob::BlobDescriptor;
use crate::collect::Kind;
use crate::compress::Compression;
use crate::db::{self, now};
use crate::draft::spare_layer;
use crate::error::{Error, Result};
use crate::last_use::Used;
use crate::state::State;
use crate::store::Store;
use crate::tree::{LayerDir, LayeredView};

/// Names a layer of one store. Short, because mount options are; never used again after the layer is removed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerId(i64);

/// A file tree: layers, the lowest first. Without layers: an empty tree.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tree {
    /// The layers, the lowest first.
    pub layers: Vec<LayerId>,
}

/// What a layer is committed with.
#[derive(Debug, Clone, Default)]
pub struct LayerMeta {
    /// For people.
    pub description: String,
    /// Digest of this layer with all below it (OCI image specification, config.md, "Layer ChainID"). Layers of one
    /// chain id are one.
    pub chain_id: Option<Digest>,
    /// Digest of the uncompressed archive.
    pub diff_id: Option<Digest>,
    /// What it holds.
    pub kind: Kind,
}

/// A layer whose files are not here yet.
#[derive(Debug, Clone)]
pub struct LazyLayer {
    /// Digest of this layer with all below it.
    pub chain_id: Digest,
    /// Digest of the uncompressed archive.
    pub diff_id: Digest,
    /// How the archive is compressed.
    pub compression: Compression,
    /// The archive.
    pub descriptor: BlobDescriptor,
    /// Where the archive comes from, in the caller's words.
    pub origin: String,
    /// The layer below it in its image: it stays as long as this one does.
    pub below: Option<LayerId>,
    /// For people.
    pub description: String,
}

/// An archive of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerBlob {
    /// How it is compressed.
    pub compression: Compression,
    /// The blob. It need not be in the store.
    pub descriptor: BlobDescriptor,
    /// Digest of the uncompressed archive.
    pub diff_id: Digest,
    /// The level it was compressed at, where it is known and not the compression's own.
    pub level: Option<i32>,
    /// Whether it is the archive that a lazy layer came as, not one made here.
    pub original: bool,
}

/// What is known of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerInfo {
    /// Its name.
    pub id: LayerId,
    /// Whether its files are here.
    pub unpacked: bool,
    /// Digest of this layer with all below it.
    pub chain_id: Option<Digest>,
    /// Digest of the uncompressed archive; none until one was made.
    pub diff_id: Option<Digest>,
    /// Where the archive comes from, in the words of whoever added the layer.
    pub origin: Option<String>,
    /// For people.
    pub description: String,
    /// Its archives: first the one that a lazy layer came as, then those made here, at most one a compression.
    pub blobs: Vec<LayerBlob>,
    /// What its files hold, bytes; 0 while they are not here.
    pub bytes: u64,
    /// Number of files, directories and the like; 0 while they are not here.
    pub entries: u64,
    /// When it was made, Unix seconds.
    pub created: i64,
}

impl LayerId {
    pub(crate) fn to_sql(self) -> i64 {
        self.0
    }

    pub(crate) fn from_sql(number: i64) -> Option<Self> {
        (number > 0).then_some(Self(number))
    }
}

impl fmt::Display for LayerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0u8; 13];
        let mut rest = self.0;
        let mut start = digits.len();
        while rest > 0 {
            start -= 1;
            digits[start] = b"0123456789abcdefghijklmnopqrstuvwxyz"[(rest % 36) as usize];
            rest /= 36;
        }
        f.pad(&String::from_utf8_lossy(&digits[start..]))
    }
}

impl fmt::Debug for LayerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for LayerId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digit = |c: char| c.is_ascii_digit() || c.is_ascii_lowercase();
        let wellformed = !text.starts_with('0') && text.chars().all(digit);
        let number = i64::from_str_radix(text, 36).ok().filter(|_| wellformed);
        number
            .and_then(Self::from_sql)
            .ok_or_else(|| Error::ParseLayerId(text.to_owned()))
    }
}

/// Base 36 text for people's formats, a number else.
impl Serialize for LayerId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for LayerId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        if deserializer.is_human_readable() {
            let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
            text.parse().map_err(D::Error::custom)
        } else {
            let number = i64::deserialize(deserializer)?;
            Self::from_sql(number).ok_or_else(|| D::Error::custom("a layer id is a positive number"))
        }
    }
}

impl ToSql for LayerId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.into())
    }
}

impl FromSql for LayerId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let number = i64::column_result(value)?;
        Self::from_sql(number).ok_or(FromSqlError::OutOfRange(number))
    }
}

impl Store {
    /// Whether the layer is known, lazy or not, and not condemned.
    pub fn layer_exists(&self, id: LayerId) -> Result<bool> {
        self.layers_exist(&[id])
    }

    /// Whether all of them are known.
    pub fn layers_exist(&self, ids: &[LayerId]) -> Result<bool> {
        self.db().read("look for layers", |db| {
            let mut statement =
                db.prepare_cached("SELECT 1 FROM layers WHERE id = ?1 AND condemned IS NULL")?;
            for id in ids {
                if !statement.exists([id])? {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    /// Tells what is known of a layer.
    pub fn layer(&self, id: LayerId) -> Result<LayerInfo> {
        self.db()
            .read("read a layer", |db| info(db, id))?
            .ok_or(Error::NoSuchLayer(id))
    }

    /// Tells what is known of several layers, in their order.
    pub fn layers(&self, ids: &[LayerId]) -> Result<Vec<LayerInfo>> {
        let infos: Vec<Option<LayerInfo>> = self
            .db()
            .read("read layers", |db| ids.iter().map(|id| info(db, *id)).collect())?;
        infos
            .into_iter()
            .zip(ids)
            .map(|(info, id)| info.ok_or(Error::NoSuchLayer(*id)))
            .collect()
    }

    /// The directory with a layer's files. MUST not be changed.
    ///
    /// # Errors
    /// [`Error::NotUnpacked`] while the layer is lazy.
    pub fn layer_dir(&self, id: LayerId) -> Result<PathBuf> {
        type Found = (State, i64, u64, u64);
        let found: Option<Found> = self.db().read("read a layer", |db| {
            db.prepare_cached("SELECT state, used, bytes, entries FROM layers WHERE id = ?1")?
                .query_row([id], |row| {
                    Ok((row.get(0)?, row.get(1)?, number(row, 2)?, number(row, 3)?))
                })
                .optional()
        })?;
        let Some((state, used, bytes, entries)) = found else {
            return Err(Error::NoSuchLayer(id));
        };
        match state {
            State::Lazy => return Err(Error::NotUnpacked(id)),
            State::Suspect => self.check_suspect_layer(id, bytes, entries)?,
            State::Fresh | State::Sound => {}
        }
        let path = self.layer_home(id).join("fs");
        if !path.is_dir() {
            return Err(self.drop_damaged_layer(id)?);
        }
        self.inner().last_uses.note(used, || Used::Layer(id));
        Ok(path)
    }

    /// The directories of a tree's layers, the lowest first.
    pub fn tree_dirs(&self, tree: &Tree) -> Result<Vec<PathBuf>> {
        tree.layers.iter().map(|id| self.layer_dir(*id)).collect()
    }

    /// Shows a tree without mounting it. The digests that are computed through it are kept beside the layers.
    pub fn view(&self, tree: &Tree) -> Result<LayeredView> {
        let layer = |id: &LayerId| {
            Ok(LayerDir {
                path: self.layer_dir(*id)?,
                digests: Some(self.layer_home(*id).join("digests")),
            })
        };
        Ok(LayeredView::new(
            tree.layers.iter().map(layer).collect::<Result<Vec<_>>>()?,
        ))
    }

    /// Adds layers whose files are not here, in one go. A layer whose chain id is known is not added again; it learns
    /// the new origin.
    pub fn add_lazy_layers(&self, layers: &[LazyLayer]) -> Result<Vec<LayerId>> {
        // The usual case, all are known, takes no write lock.
        let known: Option<Vec<LayerId>> = self.db().read("look for layers", |db| {
            layers.iter().map(|layer| known_layer(db, layer)).collect()
        })?;
        if let Some(known) = known {
            return Ok(known);
        }
        self.db().write("add layers", |work| {
            Ok(layers
                .iter()
                .map(|l| add_lazy(work, l))
                .collect::<Result<_, _>>()?)
        })
    }

    /// Adds one layer whose files are not here; see [`Store::add_lazy_layers`].
    pub fn add_lazy_layer(&self, layer: &LazyLayer) -> Result<LayerId> {
        match self.db().read("look for a layer", |db| known_layer(db, layer))? {
            Some(known) => Ok(known),
            None => self.db().write("add a layer", |work| Ok(add_lazy(work, layer)?)),
        }
    }

    /// Remembers an archive of a layer; one of the same compression is replaced. The layer gets its diff id if it has
    /// none.
    pub fn set_layer_blob(&self, id: LayerId, blob: &LayerBlob) -> Result<()> {
        self.db().write("note the archive of a layer", |work| {
            let known = work
                .prepare_cached("UPDATE layers SET diff_id = coalesce(diff_id, ?2) WHERE id = ?1")?
                .execute((id, blob.diff_id.as_bytes()))?;
            if known == 0 {
                return Err(Error::NoSuchLayer(id).into());
            }
            insert_blob(work, id, blob)?;
            Ok(())
        })
    }

    pub(crate) fn layer_home(&self, id: LayerId) -> PathBuf {
        self.root().join("layers").join(id.to_string())
    }
}

fn known_layer(db: &Connection, layer: &LazyLayer) -> rusqlite::Result<Option<LayerId>> {
    db.prepare_cached("SELECT id FROM layers WHERE chain_id = ?1 AND origin = ?2 AND condemned IS NULL")?
        .query_row((layer.chain_id.as_bytes(), &layer.origin), |row| row.get(0))
        .optional()
}

fn add_lazy(work: &Connection, layer: &LazyLayer) -> rusqlite::Result<LayerId> {
    let sql =
        "INSERT INTO layers (chain_id, diff_id, state, origin, description, bytes, entries, created, used, below)
               VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, ?6, ?6, ?7)
               ON CONFLICT (chain_id) DO UPDATE
               SET origin = excluded.origin, below = excluded.below, condemned = NULL RETURNING id";
    let (chain_id, diff_id) = (layer.chain_id.as_bytes(), layer.diff_id.as_bytes());
    let row = (
        chain_id,
        diff_id,
        State::Lazy,
        &layer.origin,
        &layer.description,
        now(),
        layer.below,
    );
    let id = work.prepare_cached(sql)?.query_row(row, |row| row.get(0))?;
    if let Some(below) = layer.below {
        spare_layer(work, below)?;
    }
    let blob = LayerBlob {
        compression: layer.compression,
        descriptor: layer.descriptor.clone(),
        diff_id: layer.diff_id,
        level: None,
        original: true,
    };
    insert_blob(work, id, &blob)?;
    Ok(id)
}

fn insert_blob(work: &Connection, id: LayerId, blob: &LayerBlob) -> rusqlite::Result<()> {
    work.prepare_cached(
        "INSERT INTO layer_blobs (layer, compression, digest, size, media_type, diff_id, level, original)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (layer, original, compression) DO UPDATE
         SET digest = ?3, size = ?4, media_type = ?5, diff_id = ?6, level = ?7",
    )?
    .execute((
        id,
        blob.compression.name(),
        blob.descriptor.digest.as_bytes(),
        i64::try_from(blob.descriptor.size).unwrap_or(i64::MAX),
        &blob.descriptor.media_type,
        blob.diff_id.as_bytes(),
        blob.level,
        blob.original,
    ))?;
    Ok(())
}

fn info(db: &Connection, id: LayerId) -> rusqlite::Result<Option<LayerInfo>> {
    let found = db
        .prepare_cached(
            "SELECT state, chain_id, diff_id, origin, description, bytes, entries, created FROM layers WHERE id = ?1",
        )?
        .query_row([id], |row| {
            Ok(LayerInfo {
                id,
                unpacked: row.get::<_, State>(0)? != State::Lazy,
                chain_id: digest_column(row, 1)?,
                diff_id: digest_column(row, 2)?,
                origin: row.get(3)?,
                description: row.get(4)?,
                blobs: Vec::new(),
                bytes: number(row, 5)?,
                entries: number(row, 6)?,
                created: row.get(7)?,
            })
        })
        .optional()?;
    let Some(mut info) = found else { return Ok(None) };
    let sql = "SELECT compression, digest, size, media_type, diff_id, level, original
               FROM layer_blobs WHERE layer = ?1 ORDER BY original DESC, compression";
    let mut statement = db.prepare_cached(sql)?;
    let blobs = statement.query_and_then([id], layer_blob)?;
    // A compression that this program does not know is none it can use.
    info.blobs = blobs
        .filter_map(Result::transpose)
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some(info))
}

fn layer_blob(row: &Row<'_>) -> rusqlite::Result<Option<LayerBlob>> {
    let Some(compression) = Compression::from_name(row.get_ref(0)?.as_str()?) else {
        return Ok(None);
    };
    let (Some(digest), Some(diff_id)) = (digest_column(row, 1)?, digest_column(row, 4)?) else {
        return Ok(None);
    };
    let descriptor = BlobDescriptor {
        media_type: row.get(3)?,
        digest,
        size: number(row, 2)?,
    };
    Ok(Some(LayerBlob {
        compression,
        descriptor,
        diff_id,
        level: row.get(5)?,
        original: row.get(6)?,
    }))
}

/// Reads a digest. NULL, and what is no digest, is none.
fn digest_column(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Digest>> {
    let bytes: Option<&[u8]> = row.get_ref(index)?.as_blob_or_null()?;
    Ok(bytes.and_then(db::digest))
}

fn number(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(index)?.max(0).unsigned_abs())
}
