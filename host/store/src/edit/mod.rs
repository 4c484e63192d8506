//! Writes a layer: an overlayfs upper directory over a tree, without mounting anything.
//!
//! A [`LayerEditor`] starts with an empty directory and is the only one that writes to it. It shows what a mount of the
//! two would show, copies up what overlayfs would copy up, and leaves the same marks. Times of directories are set at
//! the end, by [`LayerEditor::finish`].
//! Knows nothing of what is written or why.

mod data;
mod metadata;
mod remove;
mod view;
mod write;

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use lapstrake_llb::Timestamp;

pub use data::copy_data;
pub use metadata::{LostXattrs, Metadata};

use crate::tree::ownership::LinkOwners;
use crate::tree::{Entry, FileTree, Marks, Result, Root, TreeError};

/// [`Entry::layer`] of what the editor itself wrote.
pub const UPPER: u32 = u32::MAX;

/// What is below the layer.
#[derive(Clone, Copy)]
pub enum Lower<'a> {
    /// This tree.
    Tree(&'a dyn FileTree),
    /// Something that is not known: every deletion is written down, and missing parents are made new.
    Unknown,
}

/// Writes a layer.
pub struct LayerEditor<'a> {
    root: Root,
    lower: Lower<'a>,
    marks: Marks,
    /// The directories of the upper directory; all of them, as nobody else makes any.
    dirs: HashMap<PathBuf, Dir>,
    /// The directory used last, open.
    last: Mutex<Option<(PathBuf, Arc<OwnedFd>)>>,
    lost: LostXattrs,
    /// Owners of links that could not be given away.
    links: LinkOwners,
}

#[derive(Debug, Clone, Copy)]
struct Dir {
    /// Set at the end.
    mtime: Timestamp,
    /// Whether the directory below shows through.
    open_below: bool,
}

impl<'a> LayerEditor<'a> {
    /// Starts a layer in an empty directory. Its root looks like that of the tree below.
    pub fn new(dir: &Path, lower: Lower<'a>) -> Result<Self> {
        let mut editor = Self {
            root: Root::new(dir),
            lower,
            marks: Marks::current(),
            dirs: HashMap::new(),
            last: Mutex::default(),
            lost: LostXattrs::default(),
            links: LinkOwners::default(),
        };
        let metadata = match lower {
            Lower::Tree(tree) => {
                let entry = tree.entry(Path::new(""))?.unwrap_or_else(Entry::empty_root);
                Metadata::of(&entry, tree.xattrs(&entry)?)
            }
            Lower::Unknown => Metadata::default_dir(),
        };
        editor.dirs.insert(
            PathBuf::new(),
            Dir {
                mtime: metadata.mtime,
                open_below: true,
            },
        );
        editor.set_metadata(Path::new(""), &metadata)?;
        Ok(editor)
    }

    /// The layer's directory.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The extended attributes that could not be set so far.
    pub fn lost_xattrs(&self) -> &LostXattrs {
        &self.lost
    }

    /// Counts attributes that others could not set.
    pub fn add_lost_xattrs(&mut self, lost: LostXattrs) {
        self.lost.merge(lost);
    }

    /// Sets the times of the directories. Returns the attributes that could not be set.
    pub fn finish(mut self) -> Result<LostXattrs> {
        for (path, dir) in &self.dirs {
            let io = |e: rustix::io::Errno| TreeError::io("set the time of", path)(e);
            let place = self.root.place(path).map_err(io)?;
            metadata::set_times(&place, dir.mtime).map_err(io)?;
        }
        let written = self.links.write(self.root.path());
        written.map_err(TreeError::io("write the owners of links of", self.root.path()))?;
        Ok(std::mem::take(&mut self.lost))
    }
}

#[cfg(test)]
mod tests;
