//! Copies what one file holds into another: shared blocks where the file system can, in the kernel else, holes left out.
//! Knows nothing of names and owners.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use rustix::fs::{copy_file_range, ioctl_ficlone};
use rustix::io::Errno;

/// For small files a read and a write are the cheapest.
const SMALL: u64 = 64 << 10;

/// Copies `size` bytes into an empty file.
///
/// # Errors
/// `UnexpectedEof` where the source is shorter.
pub fn copy_data(from: &File, to: &File, size: u64) -> io::Result<()> {
    if size == 0 {
        return Ok(());
    }
    if size <= SMALL {
        return copy_small(from, to, size);
    }
    if ioctl_ficlone(to, from).is_ok() {
        // The clone has the length that the source has now.
        return if to.metadata()?.len() == size {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        };
    }
    let stat = rustix::fs::fstat(from)?;
    if u64::try_from(stat.st_size).unwrap_or(0) < size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let stored = u64::try_from(stat.st_blocks)
        .unwrap_or(u64::MAX)
        .saturating_mul(512);
    if stored >= size {
        return copy_range(from, to, 0, size);
    }
    copy_sparse(from, to, size)
}

fn copy_small(mut from: &File, mut to: &File, size: u64) -> io::Result<()> {
    let mut buffer = vec![0u8; size as usize];
    from.read_exact(&mut buffer)?;
    to.write_all(&buffer)
}

fn copy_sparse(from: &File, to: &File, size: u64) -> io::Result<()> {
    use rustix::fs::SeekFrom::{Data, Hole};
    to.set_len(size)?;
    let mut at = 0;
    while at < size {
        at = match rustix::fs::seek(from, Data(at)) {
            Ok(start) if start < size => start,
            Ok(_) | Err(Errno::NXIO) => break,
            // The file system does not know where its holes are.
            Err(Errno::INVAL) => return copy_range(from, to, at, size - at),
            Err(error) => return Err(error.into()),
        };
        let end = rustix::fs::seek(from, Hole(at))?.min(size);
        copy_range(from, to, at, end - at)?;
        at = end;
    }
    Ok(())
}

/// Copies a part to the same place.
fn copy_range(from: &File, to: &File, start: u64, length: u64) -> io::Result<()> {
    let (mut source, mut target) = (start, start);
    let end = start + length;
    while source < end {
        let want = usize::try_from(end - source).unwrap_or(usize::MAX).min(1 << 30);
        match copy_file_range(from, Some(&mut source), to, Some(&mut target), want) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL | Errno::PERM) => {
                return copy_through_memory(from, to, source, end - source);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn copy_through_memory(mut from: &File, mut to: &File, start: u64, length: u64) -> io::Result<()> {
    from.seek(SeekFrom::Start(start))?;
    to.seek(SeekFrom::Start(start))?;
    let copied = io::copy(&mut from.take(length), &mut to)?;
    if copied == length {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{FileExt, MetadataExt};

    #[test]
    fn copies_any_size() {
        for size in [0, 1, SMALL, SMALL + 1, 3 << 20] {
            let data: Vec<u8> = (0..size).map(|i| (i % 249) as u8 + 1).collect();
            let (from, to) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
            from.write_all_at(&data, 0).unwrap();
            copy_data(&from, &to, size).unwrap();
            let mut copy = vec![0; size as usize + 1];
            assert_eq!(to.read_at(&mut copy, 0).unwrap(), size as usize);
            assert!(copy[..size as usize] == data);
            let error = copy_data(&from, &tempfile::tempfile().unwrap(), size + 1).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    #[test]
    fn holes_stay_holes() {
        let (from, to) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        from.set_len(64 << 20).unwrap();
        from.write_all_at(b"middle", 20 << 20).unwrap();
        copy_data(&from, &to, 64 << 20).unwrap();
        assert_eq!(to.metadata().unwrap().len(), 64 << 20);
        assert!(to.metadata().unwrap().blocks() * 512 < 1 << 20);
        let mut read = [0; 6];
        to.read_exact_at(&mut read, 20 << 20).unwrap();
        assert_eq!(&read, b"middle");
    }
}
