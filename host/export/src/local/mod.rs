//! The files of a result in a directory. What is there already and not part of the result stays; nothing outside of the
//! directory is reached through links in it.
//!
//! Owners are kept as far as the process may give files away. Knows nothing of images.

mod copy;
mod place;

use std::collections::HashMap;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use lapstrake_store::tree::{Entry, FileKind, FileTree, LayeredView, LinkId, Powers, Root};
use lapstrake_store::{Store, Tree, parallel};
use rustix::io::Errno;

use crate::assemble::check_platforms;
use crate::error::{Error, Result};
use crate::image::ImageInput;
use crate::observer::{Observer, Omission, Part, go_on, part};
use crate::tar::platform_dir;

/// Files that one thread takes at a time.
const BATCH: usize = 32;

/// Writes the files of a result into a directory, which is made where there is none; of several results, each into a
/// directory of its own.
pub fn write(store: &Store, inputs: &[ImageInput], dir: &Path, observer: &dyn Observer) -> Result<()> {
    if inputs.is_empty() {
        return Err(Error::NoResult);
    }
    check_platforms(inputs)?;
    part(observer, &Part::Files, || {
        for input in inputs {
            let tree = store.view(&Tree {
                layers: input.layers.clone(),
            })?;
            match inputs.len() {
                1 => write_tree(&tree, dir, observer)?,
                _ => write_tree(&tree, &dir.join(platform_dir(input)), observer)?,
            }
        }
        Ok(())
    })
}

fn write_tree(tree: &LayeredView, dir: &Path, observer: &dyn Observer) -> Result<()> {
    match fs::metadata(dir) {
        Ok(meta) if !meta.is_dir() => return Err(Error::NotADirectory(dir.to_owned())),
        Ok(_) => {}
        Err(_) => fs::create_dir_all(dir).map_err(Error::io("create", dir))?,
    }
    let writer = Writer {
        tree,
        root: Root::new(dir),
        observer,
        // Files of the ids of a user namespace could not even be removed by who asked for them.
        owners: AtomicBool::new(Powers::current().is_full()),
        clones: AtomicBool::new(true),
        bytes: AtomicU64::new(0),
    };
    if !writer.gives_away() {
        observer.omitted(Omission::Owners);
    }
    let (send, receive) = sync_channel(64);
    let receive = Mutex::new(receive);
    let failed = Failure::default();
    let found = std::thread::scope(|scope| {
        for _ in 0..parallel::threads() {
            scope.spawn(|| writer.work(&receive, &failed));
        }
        let mut walk = Walk {
            writer: &writer,
            send,
            failed: &failed,
            found: Found::default(),
            seen: HashMap::new(),
        };
        let done = walk.directory(Path::new(""));
        if let Err(error) = done {
            failed.set(error);
        }
        // The channel ends with the walk, and the threads with the channel.
        walk.found
    });
    match failed.take() {
        Some(error) => Err(error),
        None => writer.finish(&found),
    }
}

/// Files of one directory that one thread writes.
struct Batch {
    dir: PathBuf,
    files: Vec<Entry>,
}

/// What can only be done at the end.
#[derive(Default)]
struct Found {
    /// Directories, each after its parent: their times change while something is written into them.
    dirs: Vec<Entry>,
    /// Further names of files, with the first.
    links: Vec<(PathBuf, PathBuf)>,
}

/// The first error.
#[derive(Default)]
struct Failure {
    any: AtomicBool,
    first: Mutex<Option<Error>>,
}

impl Failure {
    fn set(&self, error: Error) {
        self.any.store(true, Ordering::Relaxed);
        self.first
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .get_or_insert(error);
    }

    fn is_set(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    fn take(&self) -> Option<Error> {
        self.first
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take()
    }
}

/// Makes the directories and finds the files.
struct Walk<'a> {
    writer: &'a Writer<'a>,
    send: SyncSender<Batch>,
    failed: &'a Failure,
    found: Found,
    seen: HashMap<LinkId, PathBuf>,
}

impl Walk<'_> {
    fn directory(&mut self, start: &Path) -> Result<()> {
        let mut todo = vec![start.to_owned()];
        while let Some(dir) = todo.pop() {
            if self.failed.is_set() {
                return Ok(());
            }
            go_on(self.writer.observer)?;
            let fd = self.writer.root.open_dir(&dir)?;
            let mut files = Vec::new();
            for entry in self.writer.tree.read_dir(&dir)? {
                if entry.is_dir() {
                    place::directory(fd.as_fd(), entry.name(), &self.writer.host(&entry.path))?;
                    todo.push(entry.path.clone());
                    self.found.dirs.push(entry);
                } else if !self.is_further_name(&entry) {
                    files.push(entry);
                }
            }
            while !files.is_empty() {
                let rest = files.split_off(files.len().min(BATCH));
                let batch = Batch {
                    dir: dir.clone(),
                    files,
                };
                files = rest;
                if self.send.send(batch).is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn is_further_name(&mut self, entry: &Entry) -> bool {
        if entry.nlink < 2 {
            return false;
        }
        match self.seen.get(&entry.link_id()) {
            Some(first) => {
                self.found.links.push((first.clone(), entry.path.clone()));
                true
            }
            None => {
                self.seen.insert(entry.link_id(), entry.path.clone());
                false
            }
        }
    }
}

/// Writes into the directory.
struct Writer<'a> {
    tree: &'a LayeredView,
    root: Root,
    observer: &'a dyn Observer,
    /// Whether files can be given to their owners.
    owners: AtomicBool,
    /// Whether the file system may be able to let files share blocks.
    clones: AtomicBool,
    bytes: AtomicU64,
}

impl Writer<'_> {
    fn host(&self, path: &Path) -> PathBuf {
        self.root.host_path(path)
    }

    fn gives_away(&self) -> bool {
        self.owners.load(Ordering::Relaxed)
    }

    /// Takes the result of giving a file away. Root of a user namespace may find that an owner does not exist there.
    fn given_away(&self, result: rustix::io::Result<()>, host: &Path) -> Result<()> {
        match result {
            Err(Errno::PERM | Errno::INVAL) => {
                if self.owners.swap(false, Ordering::Relaxed) {
                    self.observer.omitted(Omission::Owners);
                }
                Ok(())
            }
            other => other.map_err(Error::io("change the owner of", host)),
        }
    }

    /// Takes batches until there are no more.
    fn work(&self, batches: &Mutex<Receiver<Batch>>, failed: &Failure) {
        loop {
            let next = batches
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .recv();
            let Ok(batch) = next else { return };
            if failed.is_set() {
                // The walk must not wait for room in the channel.
                continue;
            }
            if let Err(error) = self.batch(&batch) {
                failed.set(error);
            }
        }
    }

    fn batch(&self, batch: &Batch) -> Result<()> {
        let dir = self.root.open_dir(&batch.dir)?;
        for entry in &batch.files {
            go_on(self.observer)?;
            self.file(&dir, entry)?;
        }
        Ok(())
    }

    fn file(&self, dir: &OwnedFd, entry: &Entry) -> Result<()> {
        let host = self.host(&entry.path);
        let (dir, name) = (dir.as_fd(), entry.name());
        match entry.kind {
            FileKind::File => {
                let from = self.tree.open(entry)?;
                let to = place::file(dir, name, &host)?;
                copy::data(&from, &to, entry, &host, &self.clones)?;
                place::describe_file(&to, entry, &self.xattrs(entry)?, &host, self)?;
                let done = self.bytes.fetch_add(entry.size, Ordering::Relaxed) + entry.size;
                self.observer.progress(&Part::Files, done, 0);
            }
            FileKind::Symlink => {
                place::symlink(
                    dir,
                    name,
                    entry.link_target.as_deref().unwrap_or(Path::new("")),
                    &host,
                )?;
                place::describe(dir, name, entry, &host, self)?;
            }
            FileKind::Fifo | FileKind::CharDevice | FileKind::BlockDevice => {
                if place::node(dir, name, entry, &host)? {
                    place::describe(dir, name, entry, &host, self)?;
                } else {
                    self.observer.omitted(Omission::Device(entry.path.clone()));
                }
            }
            FileKind::Socket => self.observer.omitted(Omission::Socket(entry.path.clone())),
            // The walk makes them.
            FileKind::Dir => {}
        }
        Ok(())
    }

    fn xattrs(&self, entry: &Entry) -> Result<lapstrake_store::tree::Xattrs> {
        Ok(self.tree.xattrs(entry)?)
    }

    /// Does what can only be done when all files are there.
    fn finish(&self, found: &Found) -> Result<()> {
        for (first, name) in &found.links {
            let parent = |path: &Path| self.root.open_dir(path.parent().unwrap_or(Path::new("")));
            let (from, to) = (parent(first)?, parent(name)?);
            let (old, new) = (
                first.file_name().unwrap_or_default(),
                name.file_name().unwrap_or_default(),
            );
            place::link(from.as_fd(), old, to.as_fd(), new, &self.host(name))?;
        }
        // Children first: a parent may be closed to those who are not root.
        for entry in found.dirs.iter().rev() {
            go_on(self.observer)?;
            let dir = self.root.open_dir(&entry.path)?;
            place::describe_file(&dir, entry, &self.xattrs(entry)?, &self.host(&entry.path), self)?;
        }
        Ok(())
    }
}
