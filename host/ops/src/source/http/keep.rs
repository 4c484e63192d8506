//! What is kept of downloads: what servers said of files, and the files in layers.
//! Knows nothing of requests.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;

use lapstrake_llb::{Digest, Timestamp};
use lapstrake_store::edit::{LayerEditor, Lower, Metadata, copy_data};
use lapstrake_store::{LayerDraft, LayerId, LayerMeta, Store};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::HttpError;
use super::client::{Head, Sink};
use crate::error::{Error, Result};
use crate::source::progress::Progress;

/// Kind of the store's values that hold what servers said, by question.
const SAID: &str = "http-said";
/// Kind of the store's values that hold the layers of a content, by its digest.
const FILES: &str = "http-files";
/// A time of change that is younger than this when the file comes says nothing: the file may change again within it,
/// seconds.
const SETTLED: u64 = 2;
/// Layers of one content that are remembered.
const MOST_LAYERS: usize = 16;

/// What a server said of a file, and what the file was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Said {
    pub(super) digest: Digest,
    pub(super) etag: Option<String>,
    /// As the server wrote it.
    pub(super) modified: Option<String>,
    pub(super) disposition: Option<String>,
    length: Option<u64>,
    /// When the file came, seconds since 1970.
    came: u64,
}

impl Said {
    pub(super) fn new(head: &Head, digest: Digest, came: u64) -> Self {
        Self {
            digest,
            etag: head.etag.clone(),
            modified: head.modified.clone(),
            disposition: head.disposition.clone(),
            length: head.length,
            came,
        }
    }

    /// What is remembered of a question.
    pub(super) fn recall(store: &Store, question: &Digest) -> Result<Option<Self>> {
        let bytes = store.get_value(SAID, &question.hex())?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Keeps it for later builds.
    pub(super) fn remember(&self, store: &Store, question: &Digest) -> Result<()> {
        let Ok(bytes) = serde_json::to_vec(self) else {
            return Ok(());
        };
        Ok(store.set_value(SAID, &question.hex(), &bytes)?)
    }

    /// Whether a server can tell that nothing has changed.
    pub(super) fn can_be_checked(&self) -> bool {
        self.etag.is_some() || self.time_says()
    }

    /// Whether an answer without a body is about the same content.
    pub(super) fn is_still(&self, head: &Head) -> bool {
        if head.unchanged {
            return head.etag.is_none() || same_tag(&self.etag, &head.etag);
        }
        match (&self.etag, &head.etag) {
            (Some(_), _) => same_tag(&self.etag, &head.etag),
            (None, None) => self.time_says() && self.modified == head.modified && self.length == head.length,
            (None, Some(_)) => false,
        }
    }

    /// Whether the file was old enough for its time of change to mean something.
    fn time_says(&self) -> bool {
        self.modified_seconds()
            .is_some_and(|time| time.saturating_add_unsigned(SETTLED) <= self.came.cast_signed())
    }

    /// When the file was changed last, seconds since 1970.
    pub(super) fn modified_seconds(&self) -> Option<i64> {
        // An IMF-fixdate is a date of RFC 2822 (RFC 9110, section 5.6.7).
        let time = jiff::fmt::rfc2822::parse(self.modified.as_deref()?).ok()?;
        Some(time.timestamp().as_second())
    }
}

/// Whether two tags are equal; weak ones count, as a compressed form of a file is still the file.
fn same_tag(one: &Option<String>, other: &Option<String>) -> bool {
    let plain = |tag: &Option<String>| {
        tag.as_deref()
            .map(|tag| tag.strip_prefix("W/").unwrap_or(tag).to_owned())
    };
    one.is_some() && plain(one) == plain(other)
}

/// How a file is in its layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Look {
    pub(super) filename: String,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Seconds since 1970. None, when a layer is looked for: any.
    pub(super) modified: Option<i64>,
}

impl Look {
    fn metadata(&self) -> Metadata {
        Metadata {
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            mtime: Timestamp {
                seconds: self.modified.unwrap_or(0),
                nanoseconds: 0,
            },
            ..Metadata::default_dir()
        }
    }

    fn serves(&self, wanted: &Self) -> bool {
        let any_time = Self {
            modified: wanted.modified.or(self.modified),
            ..wanted.clone()
        };
        *self == any_time
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    layer: String,
    look: Look,
}

impl Entry {
    fn layer(&self) -> Option<LayerId> {
        self.layer.parse().ok()
    }
}

fn entries(store: &Store, digest: &Digest) -> Result<Vec<Entry>> {
    let bytes = store.get_value(FILES, &digest.hex())?;
    let all: Vec<Entry> = bytes
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let mut here = Vec::new();
    for entry in all {
        if let Some(id) = entry.layer()
            && store.layer_exists(id)?
        {
            here.push(entry);
        }
    }
    Ok(here)
}

fn note(store: &Store, digest: &Digest, layer: LayerId, look: &Look) -> Result<()> {
    let mut all = entries(store, digest)?;
    all.retain(|entry| entry.look != *look);
    all.insert(
        0,
        Entry {
            layer: layer.to_string(),
            look: look.clone(),
        },
    );
    all.truncate(MOST_LAYERS);
    let Ok(bytes) = serde_json::to_vec(&all) else {
        return Ok(());
    };
    Ok(store.set_value(FILES, &digest.hex(), &bytes)?)
}

/// The layer of a content that looks as wanted: one that is there, or a copy of one that looks otherwise.
pub(super) fn find(
    store: &Store,
    digest: &Digest,
    wanted: &Look,
    progress: &dyn Progress,
) -> Result<Option<LayerId>> {
    let all = entries(store, digest)?;
    if let Some(entry) = all.iter().find(|entry| entry.look.serves(wanted)) {
        return Ok(entry.layer());
    }
    if progress.cancelled() {
        return Err(Error::Cancelled);
    }
    let Some((id, entry)) = all.iter().find_map(|entry| Some((entry.layer()?, entry))) else {
        return Ok(None);
    };
    let look = Look {
        modified: wanted.modified.or(entry.look.modified),
        ..wanted.clone()
    };
    let path = store.layer_dir(id)?.join(&entry.look.filename);
    let write = |source| {
        Error::Http(HttpError::Write {
            url: look.filename.clone(),
            source,
        })
    };
    let from = File::open(path).map_err(write)?;
    let size = from.metadata().map_err(write)?.len();
    let draft = store.new_layer()?;
    fill(&draft, &look, |to| copy_data(&from, to, size).map_err(write))?;
    let id = commit(store, draft, digest, &look)?;
    Ok(Some(id))
}

fn fill(draft: &LayerDraft, look: &Look, data: impl FnOnce(&File) -> Result<()>) -> Result<()> {
    let mut editor = LayerEditor::new(draft.dir(), Lower::Unknown).map_err(Error::WriteLayer)?;
    let path = Path::new(&look.filename);
    let file = editor.create_file(path).map_err(Error::WriteLayer)?;
    data(&file)?;
    editor
        .close_file(path, &file, &look.metadata())
        .map_err(Error::WriteLayer)?;
    editor.finish().map_err(Error::WriteLayer)?;
    Ok(())
}

fn commit(store: &Store, draft: LayerDraft, digest: &Digest, look: &Look) -> Result<LayerId> {
    let id = draft.commit(&LayerMeta {
        description: format!("download {}", look.filename),
        ..LayerMeta::default()
    })?;
    note(store, digest, id, look)?;
    Ok(id)
}

/// A file that comes in, in a temporary directory of the store.
pub(super) struct Kept<'a> {
    store: &'a Store,
    url: String,
    home: lapstrake_store::TempDir,
    file: File,
    hash: Sha256,
}

impl<'a> Kept<'a> {
    pub(super) fn new(store: &'a Store, url: &str) -> Result<Self> {
        let home = store.temp_dir()?;
        let file = File::create_new(home.path().join("file")).map_err(|source| HttpError::Write {
            url: url.to_owned(),
            source,
        })?;
        Ok(Self {
            store,
            url: url.to_owned(),
            home,
            file,
            hash: Sha256::new(),
        })
    }

    fn failed(&self, source: std::io::Error) -> Error {
        Error::Http(HttpError::Write {
            url: self.url.clone(),
            source,
        })
    }

    /// Digest of what has come.
    pub(super) fn digest(&self) -> Digest {
        Digest::from_bytes(self.hash.clone().finalize().into())
    }

    /// Makes a layer of it.
    pub(super) fn commit(self, look: &Look, modified: Option<i64>) -> Result<LayerId> {
        let look = Look {
            modified: look.modified.or(modified),
            ..look.clone()
        };
        let digest = self.digest();
        let draft = self.store.new_layer()?;
        let mut editor = LayerEditor::new(draft.dir(), Lower::Unknown).map_err(Error::WriteLayer)?;
        let path = Path::new(&look.filename);
        let place = draft.dir().join(path);
        std::fs::rename(self.home.path().join("file"), &place).map_err(|source| self.failed(source))?;
        editor
            .close_file(path, &self.file, &look.metadata())
            .map_err(Error::WriteLayer)?;
        editor.finish().map_err(Error::WriteLayer)?;
        commit(self.store, draft, &digest, &look)
    }
}

impl Sink for Kept<'_> {
    fn begin(&mut self, _head: &Head) -> Result<()> {
        self.hash = Sha256::new();
        let empty = |file: &mut File| file.set_len(0).and_then(|()| file.rewind());
        empty(&mut self.file).map_err(|source| self.failed(source))
    }

    fn write(&mut self, data: &[u8]) -> Result<()> {
        self.hash.update(data);
        self.file.write_all(data).map_err(|source| self.failed(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(etag: Option<&str>, modified: Option<&str>, came: u64) -> Said {
        let head = Head {
            etag: etag.map(str::to_owned),
            modified: modified.map(str::to_owned),
            length: Some(3),
            ..Head::default()
        };
        Said::new(&head, Digest::of(b"abc"), came)
    }

    const THEN: &str = "Sun, 13 Sep 2020 12:26:40 GMT";

    #[test]
    fn what_says_that_nothing_changed() {
        let head = |etag: Option<&str>, modified: Option<&str>, length| Head {
            etag: etag.map(str::to_owned),
            modified: modified.map(str::to_owned),
            length: Some(length),
            ..Head::default()
        };
        let tagged = said(Some("W/\"a\""), Some(THEN), 1_700_000_000);
        assert!(tagged.is_still(&head(Some("\"a\""), None, 9)));
        assert!(!tagged.is_still(&head(Some("\"b\""), Some(THEN), 3)));
        assert!(!tagged.is_still(&head(None, Some(THEN), 3)));
        let not_modified = Head {
            unchanged: true,
            ..Head::default()
        };
        assert!(tagged.is_still(&not_modified));
        let timed = said(None, Some(THEN), 1_700_000_000);
        assert!(timed.is_still(&head(None, Some(THEN), 3)));
        assert!(!timed.is_still(&head(None, Some(THEN), 4)));
        assert!(!timed.is_still(&head(None, Some("Sun, 13 Sep 2020 12:26:41 GMT"), 3)));
        assert!(!timed.is_still(&head(Some("\"new\""), Some(THEN), 3)));
    }

    #[test]
    fn a_time_of_just_now_says_nothing() {
        let seconds = 1_600_000_000;
        assert_eq!(said(None, Some(THEN), 0).modified_seconds(), Some(seconds as i64));
        assert!(!said(None, Some(THEN), seconds + 1).can_be_checked());
        assert!(said(None, Some(THEN), seconds + 2).can_be_checked());
        assert!(said(Some("\"a\""), None, 0).can_be_checked());
        assert!(!said(None, Some("yesterday"), seconds * 2).can_be_checked());
    }
}
