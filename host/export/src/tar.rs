//! The files of a result as one tar.
//! Knows nothing of images.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use lapstrake_llb::Digest;
use lapstrake_store::archive::{ArchiveError, pack_tree};
use lapstrake_store::tree::{Entry, FileTree, LayeredView, TreeError, Xattrs};
use lapstrake_store::{Store, Tree};

pub use lapstrake_store::archive::PackOptions;

use crate::assemble::check_platforms;
use crate::destination::{Destination, Sink};
use crate::error::{Error, Result};
use crate::image::{ImageInput, platform_text};
use crate::observer::{Observer, Part, go_on, part};

/// Bytes that are gathered before they are written.
const BUFFER: usize = 256 * 1024;

/// Writes the files of a result; of several results, each in a directory of its own.
pub fn write(
    store: &Store,
    inputs: &[ImageInput],
    destination: &Destination,
    options: &PackOptions,
    observer: &dyn Observer,
) -> Result<()> {
    check_platforms(inputs)?;
    let view = |input: &ImageInput| {
        store.view(&Tree {
            layers: input.layers.clone(),
        })
    };
    let tree: Box<dyn FileTree> = match inputs {
        [] => return Err(Error::NoResult),
        [one] => Box::new(view(one)?),
        several => {
            let trees = several
                .iter()
                .map(|input| Ok((platform_dir(input), view(input)?)));
            Box::new(Platforms(trees.collect::<Result<_>>()?))
        }
    };
    part(observer, &Part::Archive, || {
        destination.write(|sink| {
            let writer = io::BufWriter::with_capacity(
                BUFFER,
                Watched {
                    sink,
                    observer,
                    done: 0,
                },
            );
            let written = pack_tree(&*tree, writer, options)
                .and_then(|(mut writer, _)| writer.flush().map_err(ArchiveError::Write));
            match written {
                Ok(()) => Ok(()),
                Err(_) if observer.cancelled() => Err(Error::Cancelled),
                Err(ArchiveError::Tree(error)) => Err(Error::Tree(error)),
                Err(ArchiveError::Write(source)) => Err(sink.failure(source)),
                Err(source) => Err(Error::PackTree { source }),
            }
        })
    })
}

/// Name of the directory for a platform, such as `linux_arm_v7`.
pub(crate) fn platform_dir(input: &ImageInput) -> PathBuf {
    platform_text(&input.platform).replace('/', "_").into()
}

/// Tells the observer what is written, and stops when it wants to.
struct Watched<'a, 'b> {
    sink: &'a mut Sink<'b>,
    observer: &'a dyn Observer,
    done: u64,
}

impl Write for Watched<'_, '_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        go_on(self.observer).map_err(io::Error::other)?;
        let count = self.sink.write(data)?;
        self.done += count as u64;
        self.observer.progress(&Part::Archive, self.done, 0);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// Trees beside each other, each under a name of its own.
struct Platforms(Vec<(PathBuf, LayeredView)>);

/// More layers than a tree can have: files of two trees are never names of one file.
const LAYERS: u32 = 1 << 16;

impl Platforms {
    /// The tree that a path is in, and the path in it.
    fn inside<'a>(&self, path: &'a Path) -> Option<(usize, &LayeredView, &'a Path)> {
        let found = self
            .0
            .iter()
            .enumerate()
            .find(|(_, (name, _))| path.starts_with(name));
        let (index, (name, tree)) = found?;
        Some((index, tree, path.strip_prefix(name).unwrap_or(path)))
    }

    fn outside(&self, index: usize, entry: Entry) -> Entry {
        let name = self
            .0
            .get(index)
            .map(|(name, _)| name.as_path())
            .unwrap_or(Path::new(""));
        let path = if entry.path.as_os_str().is_empty() {
            name.to_owned()
        } else {
            name.join(&entry.path)
        };
        Entry {
            path,
            layer: entry.layer + index as u32 * LAYERS,
            ..entry
        }
    }

    /// The tree that an entry comes from, and the entry as that tree gave it.
    fn original(&self, entry: &Entry) -> Result<(&LayeredView, Entry), TreeError> {
        let missing = || TreeError::NotFound(entry.path.clone());
        let (_, tree, path) = self.inside(&entry.path).ok_or_else(missing)?;
        Ok((
            tree,
            Entry {
                path: path.to_owned(),
                layer: entry.layer % LAYERS,
                ..entry.clone()
            },
        ))
    }
}

impl FileTree for Platforms {
    fn entry(&self, path: &Path) -> Result<Option<Entry>, TreeError> {
        match self.inside(path) {
            Some((index, tree, path)) => Ok(tree.entry(path)?.map(|entry| self.outside(index, entry))),
            None if path.as_os_str().is_empty() => Ok(Some(Entry::empty_root())),
            None => Ok(None),
        }
    }

    fn read_dir(&self, dir: &Path) -> Result<Vec<Entry>, TreeError> {
        if let Some((index, tree, path)) = self.inside(dir) {
            return Ok(tree
                .read_dir(path)?
                .into_iter()
                .map(|entry| self.outside(index, entry))
                .collect());
        }
        if !dir.as_os_str().is_empty() {
            return Err(TreeError::NotFound(dir.to_owned()));
        }
        let mut roots = Vec::with_capacity(self.0.len());
        for (index, (_, tree)) in self.0.iter().enumerate() {
            let root = tree.entry(Path::new(""))?.unwrap_or_else(Entry::empty_root);
            roots.push(self.outside(index, root));
        }
        roots.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(roots)
    }

    fn open(&self, entry: &Entry) -> Result<File, TreeError> {
        let (tree, entry) = self.original(entry)?;
        tree.open(&entry)
    }

    fn xattrs(&self, entry: &Entry) -> Result<Xattrs, TreeError> {
        let (tree, entry) = self.original(entry)?;
        tree.xattrs(&entry)
    }

    fn data_digest(&self, entry: &Entry) -> Result<Digest, TreeError> {
        let (tree, entry) = self.original(entry)?;
        tree.data_digest(&entry)
    }
}
