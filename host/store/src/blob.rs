//! Blobs: content under the name of its SHA-256.
//!
//! The file is what counts; its row holds size, state and times. A file without a row, left by a process that was killed
//! between the two, is good once its digest has been checked.
//! Knows nothing of what a blob means.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use lapstrake_llb::Digest;
use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::db::now;
use crate::error::{Error, Result};
use crate::last_use::Used;
use crate::notice::Notice;
use crate::state::State;
use crate::store::Store;
use crate::temp::Session;

/// Bytes that are written or read at once.
const CHUNK: usize = 256 * 1024;

/// Names content (OCI image specification, descriptor.md).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlobDescriptor {
    /// Media type.
    pub media_type: String,
    /// Digest.
    pub digest: Digest,
    /// Length in bytes.
    pub size: u64,
}

/// A blob that is being written. Hashes on the way; removed when dropped without a commit.
pub struct BlobWriter {
    store: Store,
    /// Keeps the temporary name ours.
    _session: Arc<Session>,
    path: PathBuf,
    file: BufWriter<File>,
    hash: Sha256,
    size: u64,
}

impl BlobWriter {
    /// Bytes written so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Ends the blob and puts it under its name.
    ///
    /// # Errors
    /// [`Error::DigestMismatch`] or [`Error::SizeMismatch`] if it is not what was expected: then nothing is kept.
    pub fn commit(mut self, expected: Option<&Digest>, expected_size: Option<u64>) -> Result<(Digest, u64)> {
        self.file.flush().map_err(Error::io("write", &self.path))?;
        let size = self.size;
        if let Some(expected) = expected_size
            && expected != size
        {
            return Err(Error::SizeMismatch {
                expected,
                actual: size,
            });
        }
        let digest = Digest::from_bytes(std::mem::take(&mut self.hash).finalize().into());
        if let Some(expected) = expected
            && *expected != digest
        {
            return Err(Error::DigestMismatch {
                expected: *expected,
                actual: digest,
            });
        }
        let target = self.store.blob_path(&digest);
        let mtime = mtime(self.file.get_ref()).map_err(Error::io("read", &self.path))?;
        self.store.db().write("note a blob", |work| {
            // One that is there already is replaced: it may be corrupt, or be about to be removed.
            fs::rename(&self.path, &target).map_err(Error::io("rename", &self.path))?;
            work.prepare_cached(
                "INSERT INTO blobs (digest, size, state, created, used, mtime) VALUES (?1, ?2, ?3, ?4, ?4, ?5)
                 ON CONFLICT (digest) DO UPDATE
                 SET size = ?2, state = ?3, used = ?4, mtime = ?5, condemned = NULL",
            )?
            .execute((
                digest.as_bytes(),
                i64::try_from(size).unwrap_or(i64::MAX),
                State::Fresh,
                now(),
                mtime,
            ))?;
            Ok(())
        })?;
        Ok((digest, size))
    }
}

impl Write for BlobWriter {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = self.file.write(data)?;
        self.hash.update(&data[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        // After a commit nothing is there.
        let _ = fs::remove_file(&self.path);
    }
}

/// Reads a blob and checks its digest on the way: the last read fails, with [`Error::CorruptBlob`] as the cause, if the
/// content is not what its name says.
pub struct BlobReader {
    store: Store,
    digest: Digest,
    file: File,
    hash: Sha256,
    checked: bool,
}

impl BlobReader {
    fn check(&mut self) -> io::Result<()> {
        if self.checked {
            return Ok(());
        }
        let actual = Digest::from_bytes(std::mem::take(&mut self.hash).finalize().into());
        if actual == self.digest {
            self.checked = true;
            let noted = self.store.note_sound_blob(&self.digest, &self.file);
            return noted.map_err(io::Error::other);
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            self.store.drop_corrupt(&self.digest, actual, &self.file),
        ))
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        if count > 0 {
            self.hash.update(&buffer[..count]);
        } else if !buffer.is_empty() {
            self.check()?;
        }
        Ok(count)
    }
}

/// When a file was last written, nanoseconds.
fn mtime(file: &File) -> io::Result<i64> {
    let meta = file.metadata()?;
    Ok(meta
        .mtime()
        .saturating_mul(1_000_000_000)
        .saturating_add(meta.mtime_nsec()))
}

impl Store {
    /// Whether the blob is in the store. One that is condemned is spared.
    pub fn has_blob(&self, digest: &Digest) -> bool {
        let path = self.blob_path(digest);
        // Where it cannot be known or spared it is better made anew.
        path.exists() && self.spare_blob(digest).is_ok() && path.exists()
    }

    /// Takes the condemnation from a blob, so that it stays.
    fn spare_blob(&self, digest: &Digest) -> Result<()> {
        let condemned: Option<Option<i64>> = self.db().read("read a blob's row", |db| {
            db.prepare_cached("SELECT condemned FROM blobs WHERE digest = ?1")?
                .query_row([digest.as_bytes()], |row| row.get(0))
                .optional()
        })?;
        if condemned.flatten().is_none() {
            return Ok(());
        }
        self.db().write("spare a blob", |work| {
            work.prepare_cached("UPDATE blobs SET condemned = NULL WHERE digest = ?1")?
                .execute([digest.as_bytes()])?;
            Ok(())
        })
    }

    /// Path of the blob's file, whether or not it is there. The file MUST not be changed.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root().join("blobs/sha256").join(digest.hex())
    }

    /// Length of the blob. One that is condemned is spared.
    pub fn blob_size(&self, digest: &Digest) -> Result<u64> {
        let path = self.blob_path(digest);
        self.spare_blob(digest)?;
        match fs::metadata(&path) {
            Ok(meta) => Ok(meta.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::NoSuchBlob(*digest)),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    /// Opens a blob. It is checked against its digest only where a crash of the machine may have damaged it, or somebody
    /// has written to it.
    pub fn open_blob(&self, digest: &Digest) -> Result<File> {
        let mut file = self.open_file(digest)?;
        let found: Option<(State, i64, Option<i64>)> = self.db().read("read a blob's row", |db| {
            db.prepare_cached("SELECT state, used, mtime FROM blobs WHERE digest = ?1")?
                .query_row([digest.as_bytes()], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })
                .optional()
        })?;
        let written = mtime(&file).map_err(Error::io("read", &self.blob_path(digest)))?;
        match found {
            Some((State::Fresh | State::Sound, used, noted)) if noted == Some(written) => {
                self.inner().last_uses.note(used, || Used::Blob(*digest));
            }
            _ => self.check_file(digest, &mut file)?,
        }
        Ok(file)
    }

    /// Opens a blob after its whole content has been checked against its digest.
    ///
    /// # Errors
    /// [`Error::CorruptBlob`]; the blob is then no longer in the store.
    pub fn open_blob_verified(&self, digest: &Digest) -> Result<File> {
        let mut file = self.open_file(digest)?;
        self.check_file(digest, &mut file)?;
        Ok(file)
    }

    /// Opens a blob for one pass that checks it on the way.
    pub fn read_blob(&self, digest: &Digest) -> Result<BlobReader> {
        let file = self.open_file(digest)?;
        Ok(BlobReader {
            store: self.clone(),
            digest: *digest,
            file,
            hash: Sha256::new(),
            checked: false,
        })
    }

    /// Reads a small blob whole and checks it.
    pub fn blob_bytes(&self, digest: &Digest) -> Result<Vec<u8>> {
        let mut data = Vec::new();
        let mut file = self.open_file(digest)?;
        file.read_to_end(&mut data)
            .map_err(Error::io("read", &self.blob_path(digest)))?;
        match Digest::of(&data) {
            actual if actual == *digest => Ok(data),
            actual => Err(self.drop_corrupt(digest, actual, &file)),
        }
    }

    /// Starts a blob.
    pub fn blob_writer(&self) -> Result<BlobWriter> {
        let session = self.session()?;
        let path = session.fresh_path();
        let file = File::options().write(true).create_new(true).open(&path);
        let file = BufWriter::with_capacity(CHUNK, file.map_err(Error::io("create", &path))?);
        Ok(BlobWriter {
            store: self.clone(),
            _session: session,
            path,
            file,
            hash: Sha256::new(),
            size: 0,
        })
    }

    /// Stores a small blob, unless it is there and whole.
    pub fn put_blob(&self, data: &[u8]) -> Result<Digest> {
        let digest = Digest::of(data);
        self.spare_blob(&digest)?;
        if fs::read(self.blob_path(&digest)).is_ok_and(|present| present == data) {
            return Ok(digest);
        }
        let mut writer = self.blob_writer()?;
        writer.write_all(data).map_err(Error::io("write", &writer.path))?;
        writer.commit(Some(&digest), None)?;
        Ok(digest)
    }

    /// Removes a blob. One that is not there is no error.
    pub fn remove_blob(&self, digest: &Digest) -> Result<()> {
        self.db().write("remove a blob", |work| {
            work.prepare_cached("DELETE FROM blobs WHERE digest = ?1")?
                .execute([digest.as_bytes()])?;
            let path = self.blob_path(digest);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(Error::io("remove", &path)(error).into())
                }
                _ => Ok(()),
            }
        })
    }

    fn open_file(&self, digest: &Digest) -> Result<File> {
        let path = self.blob_path(digest);
        match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::NoSuchBlob(*digest)),
            other => other.map_err(Error::io("open", &path)),
        }
    }

    /// Checks a whole file and goes back to its beginning.
    fn check_file(&self, digest: &Digest, file: &mut File) -> Result<()> {
        let path = self.blob_path(digest);
        let mut hash = Sha256::new();
        let mut buffer = vec![0; CHUNK];
        loop {
            match file.read(&mut buffer).map_err(Error::io("read", &path))? {
                0 => break,
                count => hash.update(&buffer[..count]),
            }
        }
        let actual = Digest::from_bytes(hash.finalize().into());
        if actual != *digest {
            return Err(self.drop_corrupt(digest, actual, file));
        }
        file.rewind().map_err(Error::io("read", &path))?;
        self.note_sound_blob(digest, file)
    }

    /// Notes that a blob has been checked, if that was not known.
    fn note_sound_blob(&self, digest: &Digest, file: &File) -> Result<()> {
        let state: Option<(State, Option<i64>)> = self.db().read("read a blob's row", |db| {
            db.prepare_cached("SELECT state, mtime FROM blobs WHERE digest = ?1")?
                .query_row([digest.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
        })?;
        let written = mtime(file).map_err(Error::io("read", &self.blob_path(digest)))?;
        if let Some((State::Fresh | State::Sound, noted)) = state
            && noted == Some(written)
        {
            return Ok(());
        }
        let size = self.blob_size(digest)?;
        self.db().write("note a sound blob", |work| {
            work.prepare_cached(
                "INSERT INTO blobs (digest, size, state, created, used, mtime) VALUES (?1, ?2, ?3, ?4, ?4, ?5)
                 ON CONFLICT (digest) DO UPDATE SET size = ?2, state = ?3, used = ?4, mtime = ?5",
            )?
            .execute((
                digest.as_bytes(),
                i64::try_from(size).unwrap_or(i64::MAX),
                State::Sound,
                now(),
                written,
            ))?;
            Ok(())
        })
    }

    /// Removes a blob whose content is wrong, unless another process has replaced it meanwhile.
    fn drop_corrupt(&self, digest: &Digest, actual: Digest, file: &File) -> Error {
        let path = self.blob_path(digest);
        let same = match (file.metadata(), fs::metadata(&path)) {
            (Ok(ours), Ok(theirs)) => ours.ino() == theirs.ino() && ours.dev() == theirs.dev(),
            _ => false,
        };
        if same && let Err(error) = self.remove_blob(digest) {
            return error;
        }
        self.notice(Notice::CorruptBlob(*digest));
        Error::CorruptBlob {
            digest: *digest,
            actual,
        }
    }
}
