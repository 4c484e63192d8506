//! Data digests of the files of one layer, kept in a file beside the layer, so that a file is read once.
//!
//! The file is a cache: what is missing, damaged or does not fit the inode's size and time is digested again.
//! Knows nothing of trees' digests (content.rs).

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use lapstrake_llb::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Entry;

/// Starts the file; another format has another start.
const MAGIC: &[u8] = b"lapstrake digests 1\n";
/// Bytes read at a time.
const BUFFER: usize = 128 << 10;

/// The data digest of a file of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownDigest {
    /// Length of the file.
    pub size: u64,
    /// Modification time of the file.
    pub mtime: Timestamp,
    /// Digest of what it holds.
    pub digest: Digest,
    /// Whether it has extended attributes that belong to the tree.
    pub xattrs: bool,
}

/// What is known of the data digests of a layer's files.
#[derive(Debug)]
pub struct DigestIndex {
    file: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    loaded: bool,
    changed: bool,
    /// By path.
    known: Known,
}

type Known = HashMap<Box<[u8]>, KnownDigest>;

#[derive(Serialize, Deserialize)]
struct Row<'a> {
    path: &'a [u8],
    size: u64,
    seconds: i64,
    nanoseconds: u32,
    digest: [u8; 32],
    xattrs: bool,
}

impl DigestIndex {
    /// Makes an index that is kept in `file`. Nothing is read yet.
    pub fn new(file: PathBuf) -> Self {
        Self {
            file,
            state: Mutex::default(),
        }
    }

    /// What is known of a file.
    pub fn get(&self, entry: &Entry) -> Option<KnownDigest> {
        let state = self.loaded();
        let known = state.known.get(entry.path.as_os_str().as_bytes())?;
        (known.size == entry.size && known.mtime == entry.mtime).then_some(*known)
    }

    /// Remembers the digest of the file at a path.
    pub fn put(&self, path: &Path, known: KnownDigest) {
        let mut state = self.loaded();
        let before = state.known.insert(path.as_os_str().as_bytes().into(), known);
        state.changed |= before != Some(known);
    }

    /// Writes what is new. Also done when the index is dropped, then without telling of a failure.
    pub fn save(&self) -> io::Result<()> {
        let mut state = self.lock();
        if !state.changed {
            return Ok(());
        }
        // Another process may have learned of other files meanwhile.
        for (path, known) in read(&self.file) {
            state.known.entry(path).or_insert(known);
        }
        state.changed = false;
        write(&self.file, &state.known)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    fn loaded(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        if !state.loaded {
            state.loaded = true;
            state.known = read(&self.file);
        }
        state
    }
}

impl Drop for DigestIndex {
    fn drop(&mut self) {
        // A cache that could not be written costs time later, nothing else.
        let _ = self.save();
    }
}

fn read(path: &Path) -> Known {
    std::fs::read(path)
        .ok()
        .and_then(|bytes| decode(&bytes))
        .unwrap_or_default()
}

fn decode(bytes: &[u8]) -> Option<Known> {
    let (body, check) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
    let rows = body.strip_prefix(MAGIC)?;
    if Sha256::digest(body).as_slice() != check {
        return None;
    }
    let rows: Vec<Row<'_>> = postcard::from_bytes(rows).ok()?;
    let known = rows.into_iter().map(|row| {
        let mtime = Timestamp {
            seconds: row.seconds,
            nanoseconds: row.nanoseconds,
        };
        let digest = Digest::from_bytes(row.digest);
        let known = KnownDigest {
            size: row.size,
            mtime,
            digest,
            xattrs: row.xattrs,
        };
        (Box::from(row.path), known)
    });
    Some(known.collect())
}

fn write(path: &Path, known: &Known) -> io::Result<()> {
    let mut rows: Vec<Row<'_>> = known
        .iter()
        .map(|(path, known)| Row {
            path,
            size: known.size,
            seconds: known.mtime.seconds,
            nanoseconds: known.mtime.nanoseconds,
            digest: *known.digest.as_bytes(),
            xattrs: known.xattrs,
        })
        .collect();
    rows.sort_unstable_by_key(|row| row.path);
    let mut bytes = postcard::to_extend(&rows, MAGIC.to_vec()).map_err(io::Error::other)?;
    let check = Sha256::digest(&bytes);
    bytes.extend_from_slice(&check);
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(&bytes)?;
    new.persist(path)?;
    Ok(())
}

/// Digests a file from where it stands to its end.
pub fn digest_file(mut file: &File, size_hint: u64) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    let length = usize::try_from(size_hint)
        .unwrap_or(BUFFER)
        .saturating_add(1)
        .min(BUFFER);
    let mut buffer = vec![0u8; length];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Digest::from_bytes(hasher.finalize().into())),
            Ok(read) => hasher.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(size: u64, text: &str) -> KnownDigest {
        KnownDigest {
            size,
            mtime: Timestamp {
                seconds: -5,
                nanoseconds: 7,
            },
            digest: Digest::of(text.as_bytes()),
            xattrs: true,
        }
    }

    #[test]
    fn is_there_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("digests");
        let name = b"d/\xff";
        DigestIndex::new(file.clone()).put(Path::new(std::ffi::OsStr::from_bytes(name)), known(3, "abc"));
        DigestIndex::new(file.clone()).put(Path::new("b"), known(0, ""));
        let found = read(&file);
        assert_eq!(found.len(), 2, "what another one wrote stays");
        assert_eq!(found[&name[..]], known(3, "abc"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn damage_is_no_digest() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("digests");
        DigestIndex::new(file.clone()).put(Path::new("a"), known(3, "abc"));
        let good = std::fs::read(&file).unwrap();
        for i in 0..good.len() {
            let mut bad = good.clone();
            bad[i] ^= 1;
            assert!(decode(&bad).is_none(), "byte {i}");
            assert!(decode(&good[..i]).is_none(), "cut at {i}");
        }
        assert!(decode(&good).is_some());
    }

    #[test]
    fn digests_files_of_any_size() {
        let mut file = tempfile::tempfile().unwrap();
        for size in [0, 1, BUFFER, BUFFER + 1, 3 * BUFFER] {
            let data: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            file.set_len(0).unwrap();
            for hint in [0, size as u64, u64::MAX] {
                use std::io::Seek;
                file.rewind().unwrap();
                file.write_all(&data).unwrap();
                file.rewind().unwrap();
                assert_eq!(digest_file(&file, hint).unwrap(), Digest::of(&data));
            }
        }
    }
}
