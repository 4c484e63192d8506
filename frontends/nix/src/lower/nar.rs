//! Nix archives: one byte string for a tree, so that it has a hash (E. Dolstra's thesis, figure 5.2). Only the hash is made
//! here; the archive is nowhere. Knows nothing of store paths.

use lapstrake_sdk::Reference;
use lapstrake_sdk::types::*;
use sha2::{Digest as _, Sha256, Sha512};

use super::error::LowerError;
use super::hash::{Algorithm, Hash};

/// Bytes of a file that are read at once.
pub(super) const CHUNK: u32 = 4 << 20;

/// A hash that is not finished.
enum Hasher {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    fn new(algorithm: Algorithm) -> Result<Self, LowerError> {
        match algorithm {
            Algorithm::Sha256 => Ok(Self::Sha256(Sha256::new())),
            Algorithm::Sha512 => Ok(Self::Sha512(Sha512::new())),
            // They prove nothing any more.
            Algorithm::Md5 | Algorithm::Sha1 => Err(LowerError::WeakHash(algorithm.name())),
        }
    }

    fn add(&mut self, data: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(data),
            Self::Sha512(hasher) => hasher.update(data),
        }
    }

    /// A string of an archive: its length, its bytes, zeros up to a multiple of eight.
    fn string(&mut self, data: &[u8]) {
        self.add(&(data.len() as u64).to_le_bytes());
        self.add(data);
        self.padding(data.len() as u64);
    }

    fn padding(&mut self, length: u64) {
        let missing = (8 - length % 8) % 8;
        self.add(&[0; 8][..missing as usize]);
    }

    fn strings(&mut self, strings: &[&str]) {
        strings.iter().for_each(|string| self.string(string.as_bytes()));
    }

    fn finish(self, algorithm: Algorithm) -> Hash {
        let bytes = match self {
            Self::Sha256(hasher) => hasher.finalize().to_vec(),
            Self::Sha512(hasher) => hasher.finalize().to_vec(),
        };
        Hash { algorithm, bytes }
    }
}

/// Hashes the bytes of a file.
///
/// # Errors
/// It is no file, or cannot be read.
pub fn file_hash(reference: &dyn Reference, path: &str, algorithm: Algorithm) -> Result<Hash, LowerError> {
    let mut hasher = Hasher::new(algorithm)?;
    let info = reference.stat(path).map_err(|error| unreadable(path, &error))?;
    if info.kind != FileKind::Regular {
        return Err(unreadable(path, &FileError::NotAFile));
    }
    contents(reference, path, info.size, |data| hasher.add(data))?;
    Ok(hasher.finish(algorithm))
}

/// What is left to be written of an archive.
enum Step {
    Node(String, FileInfo),
    Entry(String, FileInfo),
    Close,
}

/// Hashes the archive of a file or directory.
///
/// # Errors
/// Something in it cannot be in an archive, or cannot be read.
pub fn hash(reference: &dyn Reference, path: &str, algorithm: Algorithm) -> Result<Hash, LowerError> {
    let mut hasher = Hasher::new(algorithm)?;
    hasher.string(b"nix-archive-1");
    let info = reference.stat(path).map_err(|error| unreadable(path, &error))?;
    let mut next = vec![Step::Node(path.to_owned(), info)];
    while let Some(step) = next.pop() {
        let (path, info) = match step {
            Step::Close => {
                hasher.string(b")");
                continue;
            }
            Step::Entry(path, info) => {
                hasher.strings(&["entry", "(", "name", &info.name, "node"]);
                next.push(Step::Close);
                (path, info)
            }
            Step::Node(path, info) => (path, info),
        };
        next.push(Step::Close);
        hasher.string(b"(");
        match info.kind {
            FileKind::Regular => {
                hasher.strings(&["type", "regular"]);
                if info.mode & 0o100 != 0 {
                    hasher.strings(&["executable", ""]);
                }
                hasher.string(b"contents");
                hasher.add(&info.size.to_le_bytes());
                contents(reference, &path, info.size, |data| hasher.add(data))?;
                hasher.padding(info.size);
            }
            FileKind::Symlink => {
                let target = info.link_target.unwrap_or_default();
                hasher.strings(&["type", "symlink", "target", &target]);
            }
            FileKind::Directory => {
                hasher.strings(&["type", "directory"]);
                let entries = reference
                    .read_dir(&path, None)
                    .map_err(|error| unreadable(&path, &error))?;
                let entry = |info: FileInfo| Step::Entry(format!("{path}/{}", info.name), info);
                next.extend(entries.into_iter().rev().map(entry));
            }
            FileKind::Device | FileKind::Fifo | FileKind::Socket => {
                return Err(LowerError::Read {
                    path,
                    message: "it is neither a file nor a directory nor a link".to_owned(),
                });
            }
        }
    }
    Ok(hasher.finish(algorithm))
}

/// Reads a file bit by bit.
pub(super) fn contents(
    reference: &dyn Reference,
    path: &str,
    size: u64,
    mut take: impl FnMut(&[u8]),
) -> Result<(), LowerError> {
    let mut offset = 0;
    while offset < size {
        let part = ByteRange {
            offset,
            length: CHUNK,
        };
        let data = reference
            .read_file(path, Some(part))
            .map_err(|error| unreadable(path, &error))?;
        if data.is_empty() {
            break;
        }
        take(&data);
        offset += data.len() as u64;
    }
    Ok(())
}

pub(super) fn unreadable(path: &str, error: &FileError) -> LowerError {
    LowerError::Read {
        path: path.to_owned(),
        message: describe(error),
    }
}

/// Says what a file error means.
pub(super) fn describe(error: &FileError) -> String {
    match error {
        FileError::NotFound => "it was not made".to_owned(),
        FileError::NotAFile => "it is no file".to_owned(),
        FileError::NotADirectory => "it is no directory".to_owned(),
        FileError::TooLarge => "it is too large".to_owned(),
        FileError::NotUtf8 => "it is not UTF-8".to_owned(),
        FileError::BadPath(message) | FileError::Other(message) => message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use lapstrake_sdk::Host;
    use lapstrake_sdk::testing::{MemoryHost, MemoryTree};

    use super::*;

    fn tree(tree: MemoryTree) -> Box<dyn Reference> {
        let host = MemoryHost::new().context("context", tree);
        let graph = lapstrake_sdk::Graph::new();
        let (definition, roots) = graph.definition(&[graph.local("context").edge().unwrap()]);
        host.solve(&definition, &roots).ok().unwrap().remove(0)
    }

    #[test]
    fn archives_have_the_hashes_that_nix_gives_them() {
        // `printf hello > f; nix hash path --base32 f`, and of a directory that has just that.
        let reference = tree(MemoryTree::new().file("/d/f", "hello"));
        let file = hash(reference.as_ref(), "/d/f", Algorithm::Sha256).unwrap();
        let bytes = b"\x0d\0\0\0\0\0\0\0nix-archive-1\0\0\0\x01\0\0\0\0\0\0\0(\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0type\0\0\0\0\
            \x07\0\0\0\0\0\0\0regular\0\x08\0\0\0\0\0\0\0contents\x05\0\0\0\0\0\0\0hello\0\0\0\x01\0\0\0\0\0\0\0)\0\0\0\0\0\0\0";
        assert_eq!(file, Hash::sha256(bytes));
        let directory = hash(reference.as_ref(), "/d", Algorithm::Sha256).unwrap();
        assert_ne!(directory, file);
        let other = tree(MemoryTree::new().file("/d/g", "hello"));
        assert_ne!(hash(other.as_ref(), "/d", Algorithm::Sha256).unwrap(), directory);
    }

    #[test]
    fn a_file_is_hashed_by_its_bytes() {
        let reference = tree(MemoryTree::new().file("/f", "hello"));
        let found = file_hash(reference.as_ref(), "/f", Algorithm::Sha256).unwrap();
        assert_eq!(found, Hash::sha256(b"hello"));
        assert!(file_hash(reference.as_ref(), "/", Algorithm::Sha256).is_err());
        assert!(file_hash(reference.as_ref(), "/f", Algorithm::Sha1).is_err());
    }
}
