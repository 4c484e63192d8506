//! Reads a tar file, one member at a time: v7, ustar, PAX, GNU.
//!
//! Global PAX headers are passed over, as Docker and containerd do. Nothing is trusted: every number is checked, and
//! what has to be held in memory is limited.
//! Knows nothing of where members are written to.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use lapstrake_llb::Timestamp;

use super::error::{ArchiveError, Result};
use super::field::{self, Block};
use super::member::{Member, MemberKind};
use super::pax::Records;
use super::sparse::{self, Extent, MapPlace, MapReader};
use super::{BLOCK, BUFFER};
use crate::tree::FileKind;

/// The most that may stand before a header, bytes: extended headers and long names, together.
const MAX_HEADER: u64 = 4 << 20;
/// The largest file that Linux has, bytes.
const MAX_FILE: u64 = i64::MAX as u64;

/// Reads a tar file. After [`Archive::next_member`] it reads the data of that member, as far as it is in the archive.
pub struct Archive<R: Read> {
    inner: R,
    /// Bytes of data of the current member that were not read.
    rest: u64,
    /// Bytes that fill its last block.
    padding: u64,
    /// Bytes read so far.
    offset: u64,
    ended: bool,
}

/// What stands before the header proper.
#[derive(Default)]
struct Prelude {
    records: Records,
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    /// Bytes of all that.
    length: u64,
}

impl<R: Read> Archive<R> {
    /// Reads from `inner`, which is not compressed.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            rest: 0,
            padding: 0,
            offset: 0,
            ended: false,
        }
    }

    /// Goes to the next member; none: there is no more.
    pub fn next_member(&mut self) -> Result<Option<Member>> {
        if self.ended {
            return Ok(None);
        }
        let mut prelude = Prelude::default();
        let mut pending = false;
        loop {
            self.skip_rest()?;
            let start = self.offset;
            let malformed = |problem| ArchiveError::Malformed {
                problem,
                offset: start,
            };
            let Some(block) = self.header()? else {
                self.ended = true;
                return if pending {
                    Err(ArchiveError::Truncated)
                } else {
                    Ok(None)
                };
            };
            let size = positive(field::number(&block[field::SIZE]))
                .ok_or_else(|| malformed("the size is no number"))?;
            if matches!(block[field::TYPEFLAG], b'x' | b'L' | b'K') {
                prelude.length = prelude.length.saturating_add(size);
                if prelude.length > MAX_HEADER {
                    return Err(malformed("its extended headers are too long"));
                }
            }
            match block[field::TYPEFLAG] {
                b'x' => {
                    let data = self.header_data(size)?;
                    prelude
                        .records
                        .read(&data)
                        .map_err(|()| malformed("the extended header is no list of records"))?;
                }
                b'L' => prelude.path = Some(self.long_name(size)?),
                b'K' => prelude.link = Some(self.long_name(size)?),
                b'g' | b'V' => {
                    self.set_rest(size);
                    continue;
                }
                _ => return self.member(&block, size, prelude, start).map(Some),
            }
            pending = true;
        }
    }

    /// Reads what is left behind the last member, so that whoever counts or digests the archive sees all of it.
    pub fn drain(&mut self) -> Result<()> {
        self.skip_rest()?;
        let read = io::copy(&mut self.inner, &mut io::sink()).map_err(ArchiveError::Read)?;
        self.offset += read;
        Ok(())
    }

    fn member(&mut self, block: &Block, mut stored: u64, prelude: Prelude, start: u64) -> Result<Member> {
        let malformed = |problem| ArchiveError::Malformed {
            problem,
            offset: start,
        };
        let number =
            |place: field::Field, problem| field::number(&block[place]).ok_or_else(|| malformed(problem));
        let id = |given: Option<u32>, place, problem| match given {
            Some(id) => Ok(id),
            None => number(place, problem)?.try_into().map_err(|_| malformed(problem)),
        };
        let Prelude {
            records, path, link, ..
        } = prelude;
        let sparse = records.sparse;
        let path = match (sparse.name.as_deref(), &records.path, path) {
            (Some(name), _, _) => name.to_vec(),
            (None, Some(path), _) => path.as_os_str().as_bytes().to_vec(),
            (None, None, Some(long)) => long,
            (None, None, None) => header_path(block),
        };
        let kind = kind(block[field::TYPEFLAG], &path)?;
        let link = match (records.link, link) {
            (Some(link), _) => link,
            (None, Some(long)) => PathBuf::from(OsStr::from_bytes(&long)),
            (None, None) => PathBuf::from(OsStr::from_bytes(field::text(&block[field::LINK]))),
        };
        let is_file = kind == MemberKind::Inode(FileKind::File);
        stored = records.size.unwrap_or(stored);
        if stored > MAX_FILE {
            return Err(malformed("the size is no file's"));
        }
        if !is_file {
            // Some programs give links the size of what they name; POSIX lets a hard link bring data, nobody writes any.
            stored = 0;
        }
        let mut extents = match sparse
            .place()
            .map_err(|()| malformed("the list of a sparse file's parts is malformed"))?
        {
            Some(MapPlace::Known(extents)) => Some(extents),
            Some(MapPlace::InData) => Some(self.map_in_data(&mut stored, start)?),
            None if block[field::TYPEFLAG] == b'S' => Some(self.old_map(block, start)?),
            None => None,
        };
        let size = match (&extents, sparse.real_size, block[field::TYPEFLAG]) {
            (None, _, _) => stored,
            (Some(_), Some(real), _) => real,
            (Some(_), None, b'S') => positive(field::number(&block[field::SPARSE_SIZE]))
                .ok_or_else(|| malformed("the size of a sparse file is no number"))?,
            (Some(_), None, _) => return Err(malformed("a sparse file has no size")),
        };
        if size > MAX_FILE {
            return Err(malformed("the size is no file's"));
        }
        if extents
            .as_ref()
            .is_some_and(|extents| !is_file || !sparse::is_sound(extents, size, stored))
        {
            return Err(malformed("the parts of a sparse file do not fit together"));
        }
        extents = extents.filter(|_| is_file);
        let mtime = match records.mtime {
            Some(time) => time,
            None => Timestamp {
                seconds: number(field::MTIME, "the time is no number")?,
                nanoseconds: 0,
            },
        };
        let device = |place| -> Result<u32> {
            let value = number(place, "the device number is no number")?;
            u32::try_from(value).map_err(|_| malformed("the device number is too large"))
        };
        let rdev = match kind {
            MemberKind::Inode(kind) if kind.is_device() => {
                rustix::fs::makedev(device(field::DEV_MAJOR)?, device(field::DEV_MINOR)?)
            }
            _ => 0,
        };
        let trimmed = path.strip_suffix(b"/").unwrap_or(&path);
        self.set_rest(stored);
        Ok(Member {
            path: PathBuf::from(OsStr::from_bytes(trimmed)),
            kind,
            mode: number(field::MODE, "the mode is no number")? as u32 & 0o7777,
            uid: id(records.uid, field::UID, "the owner is no number")?,
            gid: id(records.gid, field::GID, "the group is no number")?,
            mtime,
            size: if is_file { size } else { 0 },
            link,
            rdev,
            xattrs: records.xattrs.into_iter().collect(),
            extents,
        })
    }

    /// The list of parts at the start of the data, which is no data then.
    fn map_in_data(&mut self, stored: &mut u64, start: u64) -> Result<Vec<Extent>> {
        let malformed = || ArchiveError::Malformed {
            problem: "the list of a sparse file's parts is malformed",
            offset: start,
        };
        let mut reader = MapReader::default();
        loop {
            *stored = stored.checked_sub(BLOCK as u64).ok_or_else(malformed)?;
            let block = self.block()?.ok_or(ArchiveError::Truncated)?;
            if let Some(extents) = reader.take(&block).map_err(|()| malformed())? {
                return Ok(extents);
            }
        }
    }

    fn old_map(&mut self, block: &Block, start: u64) -> Result<Vec<Extent>> {
        let malformed = |()| ArchiveError::Malformed {
            problem: "the list of a sparse file's parts is malformed",
            offset: start,
        };
        let mut extents = Vec::new();
        sparse::old_extents(&block[field::SPARSE], &mut extents).map_err(malformed)?;
        let mut more = sparse::continues(block, field::SPARSE_CONTINUES);
        while more {
            let block = self.block()?.ok_or(ArchiveError::Truncated)?;
            sparse::old_extents(&block[field::SPARSE_EXTENSION], &mut extents).map_err(malformed)?;
            more = sparse::continues(&block, field::SPARSE_EXTENSION_CONTINUES);
        }
        Ok(extents)
    }

    /// The next header; none: the end. A file may simply end, or with blocks of zeros.
    fn header(&mut self) -> Result<Option<Block>> {
        let start = self.offset;
        let malformed = |problem| ArchiveError::Malformed {
            problem,
            offset: start,
        };
        let Some(block) = self.block()? else {
            return Ok(None);
        };
        if block.iter().all(|b| *b == 0) {
            return match self.block()? {
                Some(next) if next.iter().any(|b| *b != 0) => {
                    Err(malformed("a block of zeros stands before a header"))
                }
                _ => Ok(None),
            };
        }
        if !field::checksum_is_right(&block) {
            return Err(malformed("a header has the wrong checksum"));
        }
        Ok(Some(block))
    }

    fn long_name(&mut self, size: u64) -> Result<Vec<u8>> {
        let data = self.header_data(size)?;
        Ok(field::text(&data).to_vec())
    }

    /// The data of an extended header, whose length was checked.
    fn header_data(&mut self, size: u64) -> Result<Vec<u8>> {
        self.set_rest(size);
        let mut data = Vec::new();
        let read = self.read_to_end(&mut data).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ArchiveError::Truncated,
            _ => ArchiveError::Read(error),
        })?;
        debug_assert_eq!(read as u64, size);
        Ok(data)
    }

    fn block(&mut self) -> Result<Option<Block>> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.inner.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(ArchiveError::Truncated),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ArchiveError::Read(error)),
            }
        }
        self.offset += BLOCK as u64;
        Ok(Some(block))
    }

    fn set_rest(&mut self, size: u64) {
        self.rest = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
    }

    fn skip_rest(&mut self) -> Result<()> {
        let mut buffer = [0u8; BUFFER / 8];
        while self.rest + self.padding > 0 {
            let want = buffer
                .len()
                .min(usize::try_from(self.rest.saturating_add(self.padding)).unwrap_or(usize::MAX));
            match self.inner.read(&mut buffer[..want]) {
                // The last member's padding is sometimes missing.
                Ok(0) if self.rest == 0 => self.padding = 0,
                Ok(0) => return Err(ArchiveError::Truncated),
                Ok(read) => {
                    self.offset += read as u64;
                    let data = self.rest.min(read as u64);
                    self.rest -= data;
                    self.padding -= read as u64 - data;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ArchiveError::Read(error)),
            }
        }
        Ok(())
    }
}

/// The data of the current member. An archive that is cut off gives `UnexpectedEof`.
impl<R: Read> Read for Archive<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = buffer.len().min(usize::try_from(self.rest).unwrap_or(usize::MAX));
        if want == 0 {
            return Ok(0);
        }
        let read = self.inner.read(&mut buffer[..want])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.rest -= read as u64;
        self.offset += read as u64;
        Ok(read)
    }
}

fn positive(number: Option<i64>) -> Option<u64> {
    number.and_then(|n| u64::try_from(n).ok())
}

fn header_path(block: &Block) -> Vec<u8> {
    let name = field::text(&block[field::NAME]);
    let prefix = match &block[field::MAGIC] == field::POSIX_MAGIC {
        true => field::text(&block[field::PREFIX]),
        false => b"",
    };
    if prefix.is_empty() {
        name.to_vec()
    } else {
        [prefix, b"/", name].concat()
    }
}

fn kind(typeflag: u8, path: &[u8]) -> Result<MemberKind> {
    let kind = match typeflag {
        // In the oldest format a directory is a file with a slash at its end.
        b'0' | 0 if path.ends_with(b"/") => FileKind::Dir,
        b'0' | 0 | b'7' | b'S' => FileKind::File,
        b'1' => return Ok(MemberKind::HardLink),
        b'2' => FileKind::Symlink,
        b'3' => FileKind::CharDevice,
        b'4' => FileKind::BlockDevice,
        b'5' => FileKind::Dir,
        b'6' => FileKind::Fifo,
        other => {
            let path = PathBuf::from(OsStr::from_bytes(path));
            return Err(ArchiveError::UnknownType {
                path,
                typeflag: other.into(),
            });
        }
    };
    Ok(MemberKind::Inode(kind))
}
