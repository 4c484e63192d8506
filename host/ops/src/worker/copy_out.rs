//! Copies a tree, or a part of one, into an empty directory: for what cannot be mounted where it is.
//! Knows nothing of why.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use lapstrake_llb::Digest;
use lapstrake_store::edit::{LayerEditor, Lower, Metadata, copy_data};
use lapstrake_store::tree::{Entry, FileKind, FileTree, LinkId, TreeError};
use sha2::{Digest as _, Sha256};

/// Copies what is at `path` of a tree: a directory becomes `directory` itself, anything else a file in it. Sockets are
/// left out.
///
/// # Errors
/// Nothing is there, or reading or writing fails.
pub(super) fn copy_out(tree: &dyn FileTree, path: &Path, directory: &Path) -> Result<(), TreeError> {
    let from = tree.resolve(path, true)?;
    let top = tree
        .entry(&from)?
        .ok_or_else(|| TreeError::NotFound(path.to_owned()))?;
    let mut copy = Copy {
        tree,
        editor: LayerEditor::new(directory, Lower::Unknown)?,
        links: HashMap::new(),
    };
    if top.is_dir() {
        let metadata = copy.metadata(&top)?;
        copy.editor.set_metadata(Path::new(""), &metadata)?;
        copy.directory(&top, Path::new(""))?;
    } else {
        copy.file(&top, Path::new(top.name()))?;
    }
    copy.editor.finish()?;
    Ok(())
}

struct Copy<'a> {
    tree: &'a dyn FileTree,
    editor: LayerEditor<'a>,
    /// Where the first name of a file with several names went.
    links: HashMap<LinkId, PathBuf>,
}

impl Copy<'_> {
    fn directory(&mut self, from: &Entry, to: &Path) -> Result<(), TreeError> {
        for entry in self.tree.read_dir(&from.path)? {
            let to = to.join(entry.name());
            if entry.is_dir() {
                let metadata = self.metadata(&entry)?;
                self.editor.put_dir(&to, &metadata)?;
                self.directory(&entry, &to)?;
                // What was put into it has changed its time.
                self.editor.set_dir_time(&to, entry.mtime);
            } else {
                self.file(&entry, &to)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, entry: &Entry, to: &Path) -> Result<(), TreeError> {
        if entry.nlink > 1 {
            if let Some(first) = self.links.get(&entry.link_id()) {
                return self.editor.put_link(first, to);
            }
            self.links.insert(entry.link_id(), to.to_owned());
        }
        let metadata = self.metadata(entry)?;
        match entry.kind {
            FileKind::File => {
                let from = self.tree.open(entry)?;
                let target = self.editor.create_file(to)?;
                let read = match self.tree.must_digest(entry) {
                    true => copy_and_digest(&from, &target).map(Some),
                    false => copy_data(&from, &target, entry.size).map(|()| None),
                };
                let read = read.map_err(TreeError::io("copy", &entry.path))?;
                self.tree.verify(entry, &from, read.as_ref())?;
                self.editor.close_file(to, &target, &metadata)
            }
            FileKind::Symlink => {
                let target = entry.link_target.as_deref().unwrap_or(Path::new(""));
                self.editor.put_symlink(to, target, &metadata)
            }
            FileKind::CharDevice | FileKind::BlockDevice | FileKind::Fifo => {
                self.editor.put_node(to, entry.kind, entry.rdev, &metadata)
            }
            FileKind::Socket | FileKind::Dir => Ok(()),
        }
    }

    fn metadata(&self, entry: &Entry) -> Result<Metadata, TreeError> {
        Ok(Metadata::of(entry, self.tree.xattrs(entry)?))
    }
}

fn copy_and_digest(mut from: &File, mut to: &File) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(Digest::from_bytes(hash.finalize().into())),
            count => {
                hash.update(&buffer[..count]);
                to.write_all(&buffer[..count])?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};

    use lapstrake_store::tree::LayeredView;

    use super::*;

    #[test]
    fn copies_all_kinds_with_their_metadata() {
        let source = tempfile::tempdir().unwrap();
        let root = source.path();
        fs::create_dir_all(root.join("d/e")).unwrap();
        fs::set_permissions(root.join("d"), fs::Permissions::from_mode(0o751)).unwrap();
        fs::write(root.join("d/file"), "text").unwrap();
        fs::set_permissions(root.join("d/file"), fs::Permissions::from_mode(0o640)).unwrap();
        fs::hard_link(root.join("d/file"), root.join("d/e/other")).unwrap();
        symlink("/nowhere", root.join("d/link")).unwrap();
        symlink("d", root.join("way")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            root.join("d/pipe"),
            rustix::fs::FileType::Fifo,
            0o600.into(),
            0,
        )
        .unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        for path in ["d/file", "d/e", "d"] {
            File::open(root.join(path)).unwrap().set_modified(time).unwrap();
        }
        let view = LayeredView::new([root.to_owned()]);
        for path in ["d", "/way/"] {
            let target = tempfile::tempdir().unwrap();
            let to = target.path();
            copy_out(&view, Path::new(path), to).unwrap();
            let meta = |path: &str| fs::symlink_metadata(to.join(path)).unwrap();
            assert_eq!((meta("").mode() & 0o7777, meta("").mtime()), (0o751, 1_000_000));
            assert_eq!(
                (meta("file").mode() & 0o7777, meta("file").mtime()),
                (0o640, 1_000_000)
            );
            assert_eq!(meta("e").mtime(), 1_000_000);
            assert_eq!(meta("file").ino(), meta("e/other").ino());
            assert_ne!(
                meta("file").ino(),
                fs::metadata(root.join("d/file")).unwrap().ino()
            );
            assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("/nowhere"));
            assert!(meta("pipe").file_type().is_fifo());
        }
        let target = tempfile::tempdir().unwrap();
        copy_out(&view, Path::new("d/file"), target.path()).unwrap();
        assert_eq!(fs::read(target.path().join("file")).unwrap(), b"text");
        assert!(matches!(
            copy_out(&view, Path::new("none"), target.path()),
            Err(TreeError::NotFound(_))
        ));
    }
}
