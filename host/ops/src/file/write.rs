//! Writes the regular files of a copy: many at once, by several threads.
//!
//! In a tree every copy has an inode of its own. Another name of the source's would be cheaper, but where both are seen in
//! one container they would be one file to programs that ask (cp, tar, rsync). What the last layer of the same copy has at
//! the same path is shared (`earlier`).
//! Knows nothing of which files are copied.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use lapstrake_llb::Digest;
use lapstrake_solver::StepContext;
use lapstrake_store::edit::{LayerEditor, LostXattrs, Metadata, copy_data};
use lapstrake_store::parallel;
use lapstrake_store::tree::{Entry, FileTree};
use rustix::fs::{Mode, OFlags};
use sha2::{Digest as _, Sha256};

use super::earlier::EarlierDir;
use super::{FileError, Input, Shared, go_on};

/// So many files are collected before they are written.
const BATCH: usize = 4096;
/// Fewer are not worth threads.
const FEW: usize = 8;

/// One file to write.
pub(super) struct Job {
    /// In the source.
    pub(super) entry: Entry,
    /// In the layer.
    pub(super) to: PathBuf,
    pub(super) metadata: Metadata,
    /// Whether nothing is there.
    pub(super) fresh: bool,
}

/// Writes files.
pub(super) struct Writer<'a> {
    tree: &'a dyn FileTree,
    shared: Option<&'a mut Shared>,
    jobs: Vec<Job>,
    /// The directory that was asked for last, and whether only this copy has put anything into it.
    last: Option<(PathBuf, bool)>,
    lost: LostXattrs,
}

impl<'a> Writer<'a> {
    pub(super) fn new(source: &'a Input, shared: Option<&'a mut Shared>) -> Self {
        Self {
            tree: &*source.files,
            shared,
            jobs: Vec::new(),
            last: None,
            lost: LostXattrs::default(),
        }
    }

    /// Whether nothing can be at a path, as its directory is new and empty of what others put there.
    pub(super) fn is_fresh(&mut self, editor: &LayerEditor<'_>, path: &Path) -> bool {
        let parent = path.parent().unwrap_or(Path::new(""));
        if let Some((known, fresh)) = &self.last
            && known == parent
        {
            return *fresh;
        }
        let fresh = editor.has_dir(parent)
            && !editor.shows_through(parent)
            && editor.read_dir(parent).is_ok_and(|entries| entries.is_empty())
            && !self.jobs.iter().any(|job| job.to.parent() == Some(parent));
        self.last = Some((parent.to_owned(), fresh));
        fresh
    }

    /// Something that is at a path already is replaced.
    pub(super) fn forget(&mut self, path: &Path) {
        if let Some(shared) = &mut self.shared {
            shared.written.forget(path);
        }
    }

    /// Takes a file; it is written now or later.
    pub(super) fn add(
        &mut self,
        editor: &mut LayerEditor<'_>,
        job: Job,
        context: &StepContext,
    ) -> Result<(), FileError> {
        if !job.fresh {
            return self.replace(editor, &job);
        }
        editor.ensure_parent(&job.to)?;
        if let Some(shared) = &mut self.shared {
            let digest = self.tree.data_digest(&job.entry)?;
            shared.written.note(&job.to, &job.entry, &job.metadata, &digest);
        }
        self.jobs.push(job);
        if self.jobs.len() >= BATCH {
            self.flush(editor, context)
        } else {
            Ok(())
        }
    }

    fn replace(&mut self, editor: &mut LayerEditor<'_>, job: &Job) -> Result<(), FileError> {
        let file = editor.create_file(&job.to)?;
        copy(self.tree, &job.entry, &file)?;
        Ok(editor.close_file(&job.to, &file, &job.metadata)?)
    }

    /// Writes all that was taken.
    pub(super) fn flush(
        &mut self,
        editor: &mut LayerEditor<'_>,
        context: &StepContext,
    ) -> Result<(), FileError> {
        // What is at a path decides how it is met, so the answer of before is not the answer any more.
        self.last = None;
        let jobs = std::mem::take(&mut self.jobs);
        let lost = Mutex::new(LostXattrs::default());
        let threads = if jobs.len() < FEW { 1 } else { parallel::threads() };
        let shown: &LayerEditor<'_> = editor;
        let token = context.cancel_token();
        let earlier = self.shared.as_ref().and_then(|shared| shared.earlier.as_ref());
        let groups = groups(&jobs, threads);
        parallel::map_batches(groups.len(), threads, 1, |index| {
            let group = &jobs[groups[index].clone()];
            let parent = group[0].to.parent().unwrap_or(Path::new(""));
            let dir = shown.open_dir(parent)?;
            let earlier = earlier.and_then(|earlier| earlier.directory(parent));
            for job in group {
                go_on(token)?;
                match &earlier {
                    Some(earlier) if is_shared(self.tree, earlier, job, &dir)? => {}
                    _ => write(self.tree, job, &dir, &lost)?,
                }
            }
            Ok::<_, FileError>(())
        })?;
        self.lost
            .merge(lost.into_inner().unwrap_or_else(|poison| poison.into_inner()));
        Ok(())
    }

    /// Writes what is left.
    pub(super) fn finish(
        mut self,
        editor: &mut LayerEditor<'_>,
        context: &StepContext,
    ) -> Result<(), FileError> {
        self.flush(editor, context)?;
        editor.add_lost_xattrs(std::mem::take(&mut self.lost));
        Ok(())
    }
}

/// Parts of the jobs that one thread does, each in one directory: two threads in one wait for each other at its lock.
fn groups(jobs: &[Job], threads: usize) -> Vec<Range<usize>> {
    let most = (jobs.len() / (threads * 8)).max(FEW);
    let mut groups: Vec<Range<usize>> = Vec::new();
    for (index, job) in jobs.iter().enumerate() {
        match groups.last_mut() {
            Some(group) if group.len() < most && jobs[group.start].to.parent() == job.to.parent() => {
                group.end += 1
            }
            _ => groups.push(index..index + 1),
        }
    }
    groups
}

fn is_shared(
    tree: &dyn FileTree,
    earlier: &EarlierDir<'_>,
    job: &Job,
    dir: &OwnedFd,
) -> Result<bool, FileError> {
    let digest = tree.data_digest(&job.entry)?;
    Ok(earlier.link(&job.to, &job.entry, &job.metadata, &digest, dir))
}

fn write(tree: &dyn FileTree, job: &Job, dir: &OwnedFd, lost: &Mutex<LostXattrs>) -> Result<(), FileError> {
    let failed = |source: io::Error| FileError::Copy {
        path: job.entry.path.clone(),
        source,
    };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let name = job.to.file_name().unwrap_or_default();
    let created = rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o600));
    let file = File::from(created.map_err(|errno| failed(errno.into()))?);
    copy(tree, &job.entry, &file)?;
    let mut mine = LostXattrs::default();
    job.metadata
        .set_on(&file, &job.to, &mut mine)
        .map_err(|errno| failed(errno.into()))?;
    if !mine.is_empty() {
        lost.lock()
            .unwrap_or_else(|poison| poison.into_inner())
            .merge(mine);
    }
    Ok(())
}

/// Copies the data, and makes sure that it is what the tree says.
fn copy(tree: &dyn FileTree, entry: &Entry, to: &File) -> Result<(), FileError> {
    let failed = |source: io::Error| FileError::Copy {
        path: entry.path.clone(),
        source,
    };
    let from = tree.open(entry)?;
    if tree.must_digest(entry) {
        let digest = digesting(&from, to).map_err(failed)?;
        tree.verify(entry, &from, Some(&digest))?;
        return Ok(());
    }
    match copy_data(&from, to, entry.size) {
        // A file that is shorter than it was is a changed one: the tree says so better.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            tree.verify(entry, &from, None)?;
            Err(failed(error))
        }
        Err(error) => Err(failed(error)),
        Ok(()) => Ok(tree.verify(entry, &from, None)?),
    }
}

/// Copies and digests. What is a hole, or as empty as one, stays one where the source has any.
fn digesting(mut from: &File, mut to: &File) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 << 10];
    let stat = rustix::fs::fstat(from)?;
    let has_holes = stat.st_blocks.saturating_mul(512) < stat.st_size;
    let mut length = 0u64;
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            if has_holes {
                to.set_len(length)?;
            }
            return Ok(Digest::from_bytes(hasher.finalize().into()));
        }
        length += count as u64;
        let data = &buffer[..count];
        hasher.update(data);
        if has_holes && data.iter().all(|byte| *byte == 0) {
            to.seek(io::SeekFrom::Start(length))?;
        } else {
            to.write_all(data)?;
        }
    }
}
