//! Where an archive is written to: a file, which appears when it is whole, or a stream.
//! Knows nothing of what is written.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::error::{Error, Result};

/// Bytes that are copied at once.
const CHUNK: usize = 256 * 1024;

/// Where an archive goes.
pub enum Destination {
    /// A file. It is written under another name beside and renamed when it is whole; what is no regular file, such as a
    /// pipe, is written into. Missing parents are made.
    File(PathBuf),
    /// A stream, such as standard output. It is used once.
    Stream(Mutex<Box<dyn Write + Send>>),
}

impl Destination {
    /// Makes a destination of a stream.
    pub fn stream(stream: impl Write + Send + 'static) -> Self {
        Self::Stream(Mutex::new(Box::new(stream)))
    }

    /// Lets `work` write, and keeps what it has written if it succeeds.
    pub(crate) fn write(&self, work: impl FnOnce(&mut Sink<'_>) -> Result<()>) -> Result<()> {
        match self {
            Destination::File(path) => to_file(path, work),
            Destination::Stream(stream) => {
                let mut stream = stream.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                let mut sink = Sink::Stream(&mut **stream);
                work(&mut sink)?;
                sink.flush().map_err(|source| Error::Stream { source })
            }
        }
    }
}

impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Destination::File(path) => f.debug_tuple("File").field(path).finish(),
            Destination::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// Takes an archive.
pub(crate) enum Sink<'a> {
    File(File, &'a Path),
    Stream(&'a mut (dyn Write + Send)),
}

impl Sink<'_> {
    /// Copies exactly `size` bytes of a file, inside the kernel where that is possible.
    pub(crate) fn copy(
        &mut self,
        from: &mut File,
        size: u64,
        go_on: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<()> {
        let mut left = size;
        while left > 0 {
            let step = left.min(32 << 20);
            let mut part = from.take(step);
            let copied = match self {
                Sink::File(file, _) => io::copy(&mut part, file),
                Sink::Stream(stream) => copy_buffered(&mut part, *stream),
            };
            match copied.map_err(|error| self.failure(error))? {
                0 => return Err(self.failure(io::ErrorKind::UnexpectedEof.into())),
                count => left -= count,
            }
            go_on(size - left)?;
        }
        Ok(())
    }

    /// Writes a short text.
    pub(crate) fn put(&mut self, data: &[u8]) -> Result<()> {
        self.write_all(data).map_err(|error| self.failure(error))
    }

    /// Names what could not be written.
    pub(crate) fn failure(&self, source: io::Error) -> Error {
        match self {
            Sink::File(_, path) => Error::io("write", path)(source),
            Sink::Stream(_) => Error::Stream { source },
        }
    }
}

impl Write for Sink<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Sink::File(file, _) => file.write(data),
            Sink::Stream(stream) => stream.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::File(file, _) => file.flush(),
            Sink::Stream(stream) => stream.flush(),
        }
    }
}

fn copy_buffered(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<u64> {
    let mut buffer = vec![0; CHUNK];
    let mut total = 0;
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return Ok(total);
        }
        to.write_all(&buffer[..count])?;
        total += count as u64;
    }
}

fn to_file(path: &Path, work: impl FnOnce(&mut Sink<'_>) -> Result<()>) -> Result<()> {
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => return Err(Error::IsDirectory(path.to_owned())),
        Ok(meta) if !meta.is_file() => {
            let file = File::options()
                .write(true)
                .open(path)
                .map_err(Error::io("open", path))?;
            return work(&mut Sink::File(file, path));
        }
        _ => {}
    }
    // A link stays a link: what it leads to is replaced.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if let Some(parent) = target.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
    }
    replace(&target, work)
}

/// Writes a file under another name in the same directory, then renames it.
pub(crate) fn replace(path: &Path, work: impl FnOnce(&mut Sink<'_>) -> Result<()>) -> Result<()> {
    let (temporary, file) = beside(path)?;
    let guard = Unfinished(&temporary);
    work(&mut Sink::File(file, path))?;
    fs::rename(&temporary, path).map_err(Error::io("rename", &temporary))?;
    std::mem::forget(guard);
    Ok(())
}

/// Creates a file with a name that nothing else has.
fn beside(path: &Path) -> Result<(PathBuf, File)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // The name may be as long as names can be.
    let name: String = name.chars().take(40).collect();
    let mut count = 0;
    loop {
        let temporary = path.with_file_name(format!(".{name}.{}-{count}.tmp", std::process::id()));
        match File::options().write(true).create_new(true).open(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => count += 1,
            Err(error) => return Err(Error::io("create", path)(error)),
        }
    }
}

/// Removes a file when dropped.
struct Unfinished<'a>(&'a Path);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        // Nothing depends on it.
        let _ = fs::remove_file(self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_appears_when_it_is_whole() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("new/out.tar");
        let destination = Destination::File(path.clone());
        destination
            .write(|sink| {
                sink.put(b"half")?;
                assert!(!path.exists());
                sink.put(b"whole")
            })
            .unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"halfwhole");
        let error = destination.write(|sink| {
            sink.put(b"x")?;
            Err(Error::Cancelled)
        });
        assert!(matches!(error, Err(Error::Cancelled)));
        assert_eq!(fs::read(&path).unwrap(), b"halfwhole", "the old one stays");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn links_devices_and_directories() {
        let home = tempfile::tempdir().unwrap();
        let (target, link) = (home.path().join("target"), home.path().join("link"));
        fs::write(&target, "old").unwrap();
        symlink("target", &link).unwrap();
        Destination::File(link.clone())
            .write(|sink| sink.put(b"new"))
            .unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert!(link.symlink_metadata().unwrap().is_symlink());
        Destination::File("/dev/null".into())
            .write(|sink| sink.put(b"x"))
            .unwrap();
        let error = Destination::File(home.path().to_owned())
            .write(|sink| sink.put(b"x"))
            .unwrap_err();
        assert!(matches!(error, Error::IsDirectory(_)), "{error}");
    }

    #[test]
    fn a_file_that_is_too_short_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("short");
        fs::write(&path, "four").unwrap();
        for destination in [
            Destination::File(home.path().join("out")),
            Destination::stream(io::sink()),
        ] {
            let mut file = File::open(&path).unwrap();
            destination
                .write(|sink| sink.copy(&mut file, 4, &mut |_| Ok(())))
                .unwrap();
            let mut file = File::open(&path).unwrap();
            assert!(
                destination
                    .write(|sink| sink.copy(&mut file, 5, &mut |_| Ok(())))
                    .is_err()
            );
        }
    }
}
