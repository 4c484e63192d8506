//! Removal: of what the layer itself holds, and, by whiteouts and opaque directories, of what is below.
//! Knows nothing of wildcards.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode};

use super::view::Upper;
use super::{LayerEditor, Lower, Metadata};
use crate::tree::{FileKind, FileTree, Result, TreeError};

impl LayerEditor<'_> {
    /// Removes what is at a path, with all below it. Returns whether anything was there.
    ///
    /// The path has no links in its parents; what is there is not followed.
    pub fn remove(&mut self, path: &Path) -> Result<bool> {
        if path.as_os_str().is_empty() {
            return Err(TreeError::io("remove", path)(rustix::io::Errno::BUSY));
        }
        let shows = self.entry(path)?.is_some();
        self.remove_upper(path)?;
        if matches!(self.upper(path)?, Upper::Below) && self.is_below(path)? {
            self.put_whiteout(path)?;
        }
        Ok(shows)
    }

    /// Writes down that something below is deleted, whatever the layer itself has there.
    ///
    /// A directory of the layer stays and becomes opaque. Without anything below, nothing is written.
    pub fn hide(&mut self, path: &Path) -> Result<()> {
        match self.upper(path)? {
            Upper::Below if self.is_below(path)? => self.put_whiteout(path),
            Upper::Inode(stat) if FileKind::of_mode(stat.st_mode) == FileKind::Dir => self.make_opaque(path),
            _ => Ok(()),
        }
    }

    /// Makes a directory hide all that is below it. It is made where it is missing. The root, which overlayfs always
    /// shows through, gets whiteouts for what is below.
    pub fn make_opaque(&mut self, path: &Path) -> Result<()> {
        if path.as_os_str().is_empty() {
            let Lower::Tree(tree) = self.lower else {
                return Ok(());
            };
            for entry in tree.read_dir(path)? {
                self.hide(&entry.path)?;
            }
            return Ok(());
        }
        self.ensure_dir(path, &Metadata::default_dir())?;
        let Some(dir) = self.dirs.get(path).copied() else {
            return Ok(());
        };
        if dir.open_below {
            if self.dir_is_below(path)? {
                self.mark_opaque(path)?;
            }
            self.dirs.insert(
                path.to_owned(),
                super::Dir {
                    open_below: false,
                    ..dir
                },
            );
        }
        Ok(())
    }

    pub(super) fn mark_opaque(&self, path: &Path) -> Result<()> {
        let io = |e| TreeError::io("mark", path)(e);
        let place = self.root.place(path).map_err(io)?;
        let whole = crate::tree::root::proc_path(rustix::fd::AsFd::as_fd(&place), place.name);
        self.marks.set_opaque(&whole).map_err(io)
    }

    /// Whether something below the layer would show at a path if the layer had nothing there; if that is not known, it
    /// would.
    pub(super) fn is_below(&self, path: &Path) -> Result<bool> {
        Ok(matches!(self.lower, Lower::Unknown) || self.lower_entry(path)?.is_some())
    }

    pub(super) fn dir_is_below(&self, path: &Path) -> Result<bool> {
        Ok(matches!(self.lower, Lower::Unknown)
            || self.lower_entry(path)?.is_some_and(|entry| entry.is_dir()))
    }

    /// Removes what the layer itself has at a path, a whiteout too.
    pub(super) fn remove_upper(&mut self, path: &Path) -> Result<()> {
        let io = |e| TreeError::io("remove", path)(e);
        self.links.remove(path);
        if self.dirs.contains_key(path) {
            let below: Vec<PathBuf> = self
                .dirs
                .keys()
                .filter(|dir| dir.starts_with(path))
                .cloned()
                .collect();
            for dir in below {
                self.dirs.remove(&dir);
            }
            self.close_last();
            let removed = self.root.at(path, crate::remove::remove_tree);
            return removed.map_err(TreeError::io("remove", path));
        }
        if !path.parent().is_some_and(|parent| self.dirs.contains_key(parent)) {
            return Ok(());
        }
        let place = self.root.place(path).map_err(io)?;
        match rustix::fs::unlinkat(&place, place.name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(io(error)),
        }
    }

    fn put_whiteout(&mut self, path: &Path) -> Result<()> {
        self.ensure_parent(path)?;
        let io = |e| TreeError::io("mark", path)(e);
        let place = self.root.place(path).map_err(io)?;
        debug_assert!(!place.name.as_bytes().is_empty() && place.name != OsStr::new("."));
        rustix::fs::mknodat(&place, place.name, FileType::CharacterDevice, Mode::empty(), 0).map_err(io)
    }
}
