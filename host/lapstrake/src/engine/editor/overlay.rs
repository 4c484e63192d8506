//! A directory with what is open in an editor over it: open files are as the editor has them, saved or not, all others as
//! they are on disk. Knows nothing of who reads.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use lapstrake_frontend::{ByteRange, FileError, FileInfo, FileKind, MAX_READ, Reference};
use lapstrake_store::tree::LayeredView;

use super::OpenFiles;
use crate::engine::SolvedTree;

/// Paths that were asked for.
pub(super) type Reads = Arc<Mutex<BTreeSet<PathBuf>>>;

/// The directory.
pub(super) struct Overlay {
    folder: Option<PathBuf>,
    disk: SolvedTree,
    open: Arc<OpenFiles>,
    reads: Reads,
}

impl Overlay {
    /// Puts open files over a folder; none: an empty one.
    pub(super) fn new(folder: Option<PathBuf>, open: Arc<OpenFiles>, reads: Reads) -> Self {
        let folder = folder.map(|folder| folder.canonicalize().unwrap_or(folder));
        Self {
            disk: SolvedTree(Arc::new(LayeredView::new(folder.clone()))),
            folder,
            open,
            reads,
        }
    }

    /// Where a path of the tree is on this machine, when links are followed.
    fn place(&self, path: &str) -> Option<PathBuf> {
        let inside = self.disk.0.resolve(Path::new(path), true).ok()?;
        let inside = inside.strip_prefix("/").unwrap_or(&inside);
        Some(self.folder.as_ref()?.join(inside))
    }

    /// The text of an open file.
    fn opened(&self, path: &str) -> Option<&Arc<str>> {
        let place = self.place(path)?;
        let text = self.open.get(&place);
        self.reads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(place);
        text
    }
}

fn info(name: &str, text: &str) -> FileInfo {
    FileInfo {
        name: name.to_owned(),
        kind: FileKind::Regular,
        size: text.len() as u64,
        mode: 0o644,
        uid: 0,
        gid: 0,
        link_target: None,
    }
}

impl Reference for Overlay {
    fn read_file(&self, path: &str, part: Option<ByteRange>) -> Result<Vec<u8>, FileError> {
        let Some(text) = self.opened(path) else {
            return self.disk.read_file(path, part);
        };
        let bytes = text.as_bytes();
        let (offset, length) = match part {
            Some(part) => (part.offset, u64::from(part.length)),
            None => (0, bytes.len() as u64),
        };
        if length > MAX_READ {
            return Err(FileError::TooLarge);
        }
        let bytes = bytes
            .get(usize::try_from(offset).unwrap_or(usize::MAX)..)
            .unwrap_or_default();
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        Ok(bytes[..length.min(bytes.len())].to_vec())
    }

    fn read_text(&self, path: &str) -> Result<String, FileError> {
        match self.opened(path) {
            Some(text) if text.len() as u64 > MAX_READ => Err(FileError::TooLarge),
            Some(text) => Ok(text.to_string()),
            None => self.disk.read_text(path),
        }
    }

    fn read_dir(&self, path: &str, pattern: Option<&str>) -> Result<Vec<FileInfo>, FileError> {
        let mut listed = self.disk.read_dir(path, pattern)?;
        let Some(folder) = self.place(path) else {
            return Ok(listed);
        };
        for (place, text) in self.open.iter() {
            let name = place.file_name().and_then(|name| name.to_str());
            let Some(name) = name.filter(|_| place.parent() == Some(&folder)) else {
                continue;
            };
            match listed.iter_mut().find(|file| file.name == name) {
                Some(file) if file.kind == FileKind::Regular => file.size = text.len() as u64,
                Some(_) => {}
                None => {
                    let wanted = pattern.is_none_or(|pattern| {
                        lapstrake_llb::patterns::glob(pattern, name).unwrap_or_default()
                    });
                    listed.extend(wanted.then(|| info(name, text)));
                }
            }
        }
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }

    fn stat(&self, path: &str) -> Result<FileInfo, FileError> {
        let text = self.opened(path);
        match (self.disk.stat(path), text) {
            (Ok(file), Some(text)) if file.kind == FileKind::Regular => Ok(FileInfo {
                size: text.len() as u64,
                ..file
            }),
            (Err(FileError::NotFound), Some(text)) => {
                let name = path.rsplit('/').next().unwrap_or(path);
                Ok(info(name, text))
            }
            (found, _) => found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlay(open: &[(&str, &str)]) -> (tempfile::TempDir, Overlay) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("saved"), "disk").unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        std::os::unix::fs::symlink("saved", folder.path().join("link")).unwrap();
        let root = folder.path().canonicalize().unwrap();
        let open = open
            .iter()
            .map(|(name, text)| (root.join(name), Arc::from(*text)))
            .collect();
        let overlay = Overlay::new(Some(root), Arc::new(open), Reads::default());
        (folder, overlay)
    }

    #[test]
    fn open_files_are_as_the_editor_has_them() {
        let (_folder, overlay) = overlay(&[("saved", "editor"), ("sub/new", "not saved")]);
        assert_eq!(overlay.read_text("/saved").unwrap(), "editor");
        assert_eq!(overlay.read_text("/link").unwrap(), "editor");
        assert_eq!(overlay.read_text("sub/new").unwrap(), "not saved");
        let part = ByteRange {
            offset: 4,
            length: 99,
        };
        assert_eq!(overlay.read_file("/sub/new", Some(part)).unwrap(), b"saved");
        assert_eq!(overlay.stat("/saved").unwrap().size, 6);
        assert_eq!(overlay.stat("/sub/new").unwrap().name, "new");
        let names: Vec<String> = overlay
            .read_dir("/sub", None)
            .unwrap()
            .into_iter()
            .map(|file| file.name)
            .collect();
        assert_eq!(names, ["new"]);
        assert_eq!(overlay.read_text("/none"), Err(FileError::NotFound));
    }

    #[test]
    fn what_was_looked_for_is_known() {
        let (folder, overlay) = overlay(&[]);
        assert_eq!(overlay.read_text("/saved").unwrap(), "disk");
        assert_eq!(overlay.read_text("/missing"), Err(FileError::NotFound));
        let root = folder.path().canonicalize().unwrap();
        let reads = overlay.reads.lock().unwrap().clone();
        assert_eq!(
            reads.into_iter().collect::<Vec<_>>(),
            [root.join("missing"), root.join("saved")]
        );
    }
}
