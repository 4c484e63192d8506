//! Writes a tar file, one member at a time: ustar, and PAX records where a member needs them. What it writes depends on
//! the members only.
//! Knows nothing of where members come from.

use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;

use super::error::{ArchiveError, Result};
use super::field::{self, Block};
use super::member::{Member, MemberKind};
use super::pax::{RecordWriter, format_time};
use super::{BLOCK, BUFFER};
use crate::tree::FileKind;

/// Writes a tar file. [`Builder::finish`] MUST be called, else the end is missing.
pub struct Builder<W: Write> {
    inner: W,
    buffer: Vec<u8>,
}

/// A path that goes into a header block.
struct Split<'a> {
    prefix: &'a [u8],
    name: &'a [u8],
}

impl<W: Write> Builder<W> {
    /// Writes into `inner`.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            buffer: Vec::new(),
        }
    }

    /// Writes a member. Of a regular file, `data` MUST give exactly as many bytes as the member says.
    pub fn append(&mut self, member: &Member, data: Option<&mut dyn Read>) -> Result<()> {
        self.header(member)?;
        if let Some(data) = data {
            self.data(member, data)?;
        }
        Ok(())
    }

    /// Writes the end and gives the inner writer back.
    pub fn finish(mut self) -> Result<W> {
        self.inner
            .write_all(&[0; 2 * BLOCK])
            .map_err(ArchiveError::Write)?;
        Ok(self.inner)
    }

    fn header(&mut self, member: &Member) -> Result<()> {
        let mut path = member.path.as_os_str().as_bytes().to_vec();
        if member.is_dir() {
            path.push(b'/');
        }
        let link = member.link.as_os_str().as_bytes();
        let mut block: Block = [0; BLOCK];
        let mut records = RecordWriter::default();
        match split(&path) {
            Some(Split { prefix, name }) => {
                field::put_text(&mut block, field::NAME, name);
                field::put_text(&mut block, field::PREFIX, prefix);
            }
            None => {
                field::put_text(&mut block, field::NAME, &path);
                records.add("path", path.as_slice());
            }
        }
        field::put_text(&mut block, field::LINK, link);
        if link.len() > field::LINK.len() || needs_record(link) {
            records.add("linkpath", link);
        }
        field::put_number(&mut block, field::MODE, member.mode.into());
        for (place, key, value) in [
            (field::UID, "uid", i64::from(member.uid)),
            (field::GID, "gid", i64::from(member.gid)),
            (
                field::SIZE,
                "size",
                i64::try_from(member.size).unwrap_or(i64::MAX),
            ),
        ] {
            if !field::put_number(&mut block, place, value) {
                records.add(key, value.to_string());
            }
        }
        if !field::put_number(&mut block, field::MTIME, member.mtime.seconds) || member.mtime.nanoseconds != 0
        {
            records.add("mtime", format_time(member.mtime));
        }
        field::put_number(
            &mut block,
            field::DEV_MAJOR,
            rustix::fs::major(member.rdev).into(),
        );
        field::put_number(
            &mut block,
            field::DEV_MINOR,
            rustix::fs::minor(member.rdev).into(),
        );
        records.add_xattrs(member);
        block[field::MAGIC].copy_from_slice(field::POSIX_MAGIC);
        block[field::TYPEFLAG] = typeflag(member.kind);
        if let Some(data) = records.finish() {
            self.extended_header(&data)?;
        }
        field::put_checksum(&mut block);
        self.inner.write_all(&block).map_err(ArchiveError::Write)
    }

    fn extended_header(&mut self, data: &[u8]) -> Result<()> {
        let mut block: Block = [0; BLOCK];
        field::put_text(&mut block, field::NAME, b"PaxHeaders");
        field::put_number(&mut block, field::MODE, 0o644);
        for place in [
            field::UID,
            field::GID,
            field::MTIME,
            field::DEV_MAJOR,
            field::DEV_MINOR,
        ] {
            field::put_number(&mut block, place, 0);
        }
        field::put_number(
            &mut block,
            field::SIZE,
            i64::try_from(data.len()).unwrap_or(i64::MAX),
        );
        block[field::MAGIC].copy_from_slice(field::POSIX_MAGIC);
        block[field::TYPEFLAG] = b'x';
        field::put_checksum(&mut block);
        let mut write = || -> io::Result<()> {
            self.inner.write_all(&block)?;
            self.inner.write_all(data)?;
            self.inner.write_all(&[0; BLOCK][..padding(data.len() as u64)])
        };
        write().map_err(ArchiveError::Write)
    }

    fn data(&mut self, member: &Member, data: &mut dyn Read) -> Result<()> {
        self.buffer.resize(BUFFER, 0);
        let mut rest = member.size;
        while rest > 0 {
            let want = self.buffer.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
            let read = match data.read(&mut self.buffer[..want]) {
                Ok(0) => return Err(ArchiveError::Changed(member.path.clone())),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(ArchiveError::file("read", &member.path)(error)),
            };
            self.inner
                .write_all(&self.buffer[..read])
                .map_err(ArchiveError::Write)?;
            rest -= read as u64;
        }
        self.inner
            .write_all(&[0; BLOCK][..padding(member.size)])
            .map_err(ArchiveError::Write)
    }
}

fn padding(size: u64) -> usize {
    (size.wrapping_neg() % BLOCK as u64) as usize
}

/// Letters outside of ASCII are written as records, which say that they are UTF-8. What is not UTF-8 is no text, and
/// stays as it is.
fn needs_record(text: &[u8]) -> bool {
    !text.is_ascii() && std::str::from_utf8(text).is_ok()
}

/// Finds how a path fits into a header block; none: it does not.
fn split(path: &[u8]) -> Option<Split<'_>> {
    if needs_record(path) {
        return None;
    }
    if path.len() <= field::NAME.len() {
        return Some(Split {
            prefix: b"",
            name: path,
        });
    }
    // The name is not empty: a directory's slash at the end is no place to split.
    let earliest = path.len().checked_sub(field::NAME.len() + 1)?;
    let latest = field::PREFIX.len().min(path.len() - 2);
    let slash = (earliest.max(1)..=latest).find(|at| path[*at] == b'/')?;
    Some(Split {
        prefix: &path[..slash],
        name: &path[slash + 1..],
    })
}

fn typeflag(kind: MemberKind) -> u8 {
    match kind {
        MemberKind::HardLink => b'1',
        // A socket has no type of its own; whoever packs leaves sockets out.
        MemberKind::Inode(FileKind::File | FileKind::Socket) => b'0',
        MemberKind::Inode(FileKind::Symlink) => b'2',
        MemberKind::Inode(FileKind::CharDevice) => b'3',
        MemberKind::Inode(FileKind::BlockDevice) => b'4',
        MemberKind::Inode(FileKind::Dir) => b'5',
        MemberKind::Inode(FileKind::Fifo) => b'6',
    }
}
