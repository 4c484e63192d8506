//! The digests of a directory's files, kept from one build to the next.
//!
//! A file whose length, times, mode and inode are those of the last build is not read again; the time of the last
//! change (ctime) cannot be set by programs. A file that was changed in the last moments before it was read may change
//! again within the same tick of the clock, so it is read again the next time.
//!
//! The index is a cache: one that is damaged, or lost to another process that writes at the same time, costs time only.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use lapstrake_llb::{Digest, Timestamp};
use lapstrake_store::parallel;
use lapstrake_store::tree::{Entry, Filter, Root, TreeError, digest_file, has_xattrs};
use rustix::fs::Stat;
use serde::{Deserialize, Serialize};

use super::walk::ctime;
use super::{Content, Dir, LocalError, Read};

const MAGIC: &[u8] = b"lapstrake local 1\n";
/// Clocks of file systems tick as slowly as every two seconds (FAT).
const TICK: i64 = 2;
/// What no build asked for in so many days is forgotten.
const KEEP_DAYS: u32 = 30;
/// Times of use are written this often only.
const NOTE_DAYS: u32 = 7;
/// A file that changes while it is read is read again, but not for ever.
const TRIES: usize = 3;
/// Less is not worth a second thread.
const PARALLEL_BYTES: u64 = 1 << 20;
const PARALLEL_FILES: usize = 64;

/// A file as it was when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Row<'a> {
    path: &'a [u8],
    size: u64,
    mtime: (i64, u32),
    ctime: (i64, u32),
    ino: u64,
    dev: u64,
    mode: u32,
    digest: [u8; 32],
    xattrs: bool,
    /// Day of the last build that asked for it, counted from 1970.
    day: u32,
}

impl Row<'_> {
    fn is_of(&self, entry: &Entry, ctime: Timestamp) -> bool {
        self.size == entry.size
            && self.mtime == pair(entry.mtime)
            && self.ctime == pair(ctime)
            && (self.ino, self.dev, self.mode) == (entry.ino, entry.dev, entry.mode)
    }
}

fn pair(time: Timestamp) -> (i64, u32) {
    (time.seconds, time.nanoseconds)
}

/// Finds out what all files hold: from the index, or by reading them. The index is written if there is news.
pub(super) fn fill(
    root: &Root,
    filter: &Filter,
    dirs: &mut BTreeMap<PathBuf, Dir>,
    index: Option<&Path>,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Read, LocalError> {
    let bytes = index
        .and_then(|path| std::fs::read(path).ok())
        .unwrap_or_default();
    let rows = decode(&bytes).unwrap_or_default();
    let known: HashMap<&[u8], &Row<'_>> = rows.iter().map(|row| (row.path, row)).collect();
    let now = now();
    let day = u32::try_from(now / 86_400).unwrap_or(0);
    let mut read = Read::default();
    let mut news = false;
    let mut unknown = Vec::new();
    for node in dirs
        .values_mut()
        .flat_map(|dir| &mut dir.entries)
        .filter(|node| node.entry.is_file())
    {
        read.files += 1;
        read.bytes += node.entry.size;
        match known
            .get(node.entry.path.as_os_str().as_bytes())
            .filter(|row| row.is_of(&node.entry, node.ctime))
        {
            Some(row) => {
                news |= row.day + NOTE_DAYS < day;
                let digest = Digest::from_bytes(row.digest);
                node.content = Some(Content {
                    digest,
                    xattrs: row.xattrs,
                    settled: true,
                });
            }
            None => {
                read.files_read += 1;
                read.bytes_read += node.entry.size;
                unknown.push(node);
            }
        }
    }
    let worth_it =
        unknown.len() >= PARALLEL_FILES || (read.bytes_read >= PARALLEL_BYTES && unknown.len() > 1);
    let threads = if worth_it { parallel::threads() } else { 1 };
    let found = parallel::map(unknown.len(), threads, |index| {
        if cancelled() {
            return Err(LocalError::Cancelled);
        }
        Ok(look(root, &unknown[index].entry)?)
    })?;
    for (node, (stat, digest, xattrs)) in unknown.into_iter().zip(found) {
        let path = std::mem::take(&mut node.entry.path);
        node.entry = Entry {
            uid: 0,
            gid: 0,
            ..Entry::new(path, &stat, 0, None)
        };
        node.ctime = ctime(&stat);
        let settled = node.ctime.seconds.saturating_add(TICK) < now;
        node.content = Some(Content {
            digest,
            xattrs,
            settled,
        });
        news |= settled;
    }
    if let (Some(path), true) = (index, news) {
        // Without an index, the next build is slower. Nothing else.
        let _ = save(path, filter, dirs, &rows, day);
    }
    Ok(read)
}

/// Reads a file, and looks at it before and after.
fn look(root: &Root, entry: &Entry) -> Result<(Stat, Digest, bool), TreeError> {
    let host = || root.host_path(&entry.path);
    let file = root.open_file(&entry.path).map_err(|error| match error {
        TreeError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            TreeError::Changed(host())
        }
        other => other,
    })?;
    let stat = || rustix::fs::fstat(&file).map_err(|error| TreeError::io("look at", &host())(error));
    let mut before = stat()?;
    for _ in 0..TRIES {
        if !Entry::new(PathBuf::new(), &before, 0, None).is_file() {
            break;
        }
        rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0)).map_err(TreeError::io("read", &host()))?;
        let digest = digest_file(&file, entry.size).map_err(TreeError::io("read", &host()))?;
        let xattrs = has_xattrs(&file).map_err(TreeError::io("read", &host()))?;
        let after = stat()?;
        let same = ctime(&before) == ctime(&after)
            && is_same_inode(&Entry::new(PathBuf::new(), &before, 0, None), &after);
        if same {
            return Ok((after, digest, xattrs));
        }
        before = after;
    }
    Err(TreeError::Changed(host()))
}

/// Whether an inode looks as it did, but for the time of the last change.
pub(super) fn is_same_inode(entry: &Entry, stat: &Stat) -> bool {
    let now = Entry::new(PathBuf::new(), stat, 0, None);
    (now.size, now.mtime, now.mode, now.kind, now.ino, now.dev)
        == (
            entry.size,
            entry.mtime,
            entry.mode,
            entry.kind,
            entry.ino,
            entry.dev,
        )
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

fn decode(bytes: &[u8]) -> Option<Vec<Row<'_>>> {
    let (body, check) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
    let rows = body.strip_prefix(MAGIC)?;
    if Digest::of(body).as_bytes() != check {
        return None;
    }
    postcard::from_bytes(rows).ok()
}

/// Writes what is known now, and what was known of files that this build did not ask for.
fn save(
    path: &Path,
    filter: &Filter,
    dirs: &BTreeMap<PathBuf, Dir>,
    old: &[Row<'_>],
    day: u32,
) -> std::io::Result<()> {
    let mut rows: BTreeMap<&[u8], Row<'_>> = BTreeMap::new();
    for row in old {
        let asked = || {
            filter
                .check(Path::new(std::ffi::OsStr::from_bytes(row.path)))
                .wanted
        };
        if row.day + KEEP_DAYS >= day && !asked() {
            rows.insert(row.path, *row);
        }
    }
    for node in dirs.values().flat_map(|dir| &dir.entries) {
        let Some(content) = node.content.filter(|content| content.settled) else {
            continue;
        };
        let entry = &node.entry;
        let path = entry.path.as_os_str().as_bytes();
        let row = Row {
            path,
            size: entry.size,
            mtime: pair(entry.mtime),
            ctime: pair(node.ctime),
            ino: entry.ino,
            dev: entry.dev,
            mode: entry.mode,
            digest: *content.digest.as_bytes(),
            xattrs: content.xattrs,
            day,
        };
        rows.insert(path, row);
    }
    let rows: Vec<Row<'_>> = rows.into_values().collect();
    let mut bytes = postcard::to_extend(&rows, MAGIC.to_vec()).map_err(std::io::Error::other)?;
    let check = Digest::of(&bytes);
    bytes.extend_from_slice(check.as_bytes());
    let mut new = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    new.write_all(&bytes)?;
    new.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_index_is_none() {
        let row = Row {
            path: b"a\xff",
            size: 1,
            mtime: (-2, 3),
            ctime: (4, 5),
            ino: 6,
            dev: 7,
            mode: 0o644,
            digest: [8; 32],
            xattrs: true,
            day: 9,
        };
        let mut bytes = postcard::to_extend(&vec![row], MAGIC.to_vec()).unwrap();
        bytes.extend_from_slice(Digest::of(&bytes).as_bytes());
        assert_eq!(decode(&bytes).unwrap(), [row]);
        for i in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[i] ^= 0x10;
            assert!(decode(&bad).is_none(), "byte {i}");
            assert!(decode(&bytes[..i]).is_none(), "cut at {i}");
        }
    }
}
