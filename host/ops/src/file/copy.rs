//! Copies: which sources, to where, and how files and directories that are in the way are met.
//!
//! As BuildKit's copy: a directory that is copied *onto* one that exists leaves that one's metadata alone, and one whose
//! contents are copied to where nothing is makes a directory with the default mode and root's, while directories below
//! get the source's. Knows nothing of how data is copied (`write`).

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use lapstrake_llb::{CopyAction, Timestamp};
use lapstrake_store::edit::{LayerEditor, Metadata};
use lapstrake_store::tree::{Entry, Expansion, FileKind, FileTree, Filter, LinkId, Xattrs, clean, expand};

use super::mode::Mode;
use super::owner::Owner;
use super::select::{Selected, select};
use super::write::{Job, Writer};
use super::{FileError, Input, Shared, Work, go_on, simple, unpack};

/// What becomes of the metadata of everything that is copied.
pub(super) struct Changes {
    pub(super) owner: Owner,
    pub(super) mode: Option<Mode>,
    pub(super) timestamp: Option<Timestamp>,
}

impl Changes {
    /// Metadata of the copy of an entry.
    pub(super) fn apply(&self, entry: &Entry, xattrs: Xattrs) -> Metadata {
        let mode = match &self.mode {
            Some(mode) if entry.kind != FileKind::Symlink => mode.apply(entry.mode, entry.is_dir()),
            _ => entry.mode,
        };
        Metadata {
            mode,
            uid: self.owner.uid.unwrap_or(entry.uid),
            gid: self.owner.gid.unwrap_or(entry.gid),
            mtime: self.timestamp.unwrap_or(entry.mtime),
            xattrs,
        }
    }

    /// Metadata of the directory that takes the contents of another one, which gives it nothing but its time.
    fn receiving(&self, entry: &Entry) -> Metadata {
        let made = self.made(entry.mtime);
        Metadata {
            mode: self
                .mode
                .as_ref()
                .map_or(made.mode, |mode| mode.apply(made.mode, true)),
            ..made
        }
    }

    /// Metadata of a directory that is made for the copy.
    fn made(&self, now: Timestamp) -> Metadata {
        Metadata {
            mode: 0o755,
            uid: self.owner.uid.unwrap_or(0),
            gid: self.owner.gid.unwrap_or(0),
            mtime: self.timestamp.unwrap_or(now),
            xattrs: Xattrs::new(),
        }
    }
}

/// A source that was found.
struct Source {
    /// As the op names it: its last part names the copy.
    path: PathBuf,
    /// Where it is when links are followed.
    entry: Entry,
}

pub(super) fn copy(
    editor: &mut LayerEditor<'_>,
    source: &Input,
    action: &CopyAction,
    work: &Work<'_>,
    shared: Option<&mut Shared>,
) -> Result<(), FileError> {
    let tree = &*source.files;
    let mut filter = Filter::new(&action.include_patterns, &action.exclude_patterns)
        .map_err(lapstrake_store::tree::TreeError::from)?;
    if action.follow_symlink {
        filter = filter.following(&action.include_patterns);
    }
    let changes = Changes {
        owner: Owner::resolve(action.owner.as_ref(), editor)?,
        mode: action.mode.as_ref().map(Mode::read).transpose()?,
        timestamp: action.timestamp,
    };
    for path in &action.required_paths {
        if tree.follow(&clean(Path::new(path)))?.is_none() {
            return Err(FileError::RequiredMissing { path: path.clone() });
        }
    }
    let mut copier = Copier {
        tree,
        action,
        changes,
        filter,
        work,
        writer: Writer::new(source, shared),
        links: HashMap::new(),
        placed: None,
    };
    let sources = sources(tree, action)?;
    copier.placed = (sources.len() > 1).then(HashSet::new);
    for found in sources {
        go_on(work.context.cancel_token())?;
        copier.one(editor, &found)?;
    }
    copier.writer.finish(editor, work.context)
}

fn sources(tree: &dyn FileTree, action: &CopyAction) -> Result<Vec<Source>, FileError> {
    let found = match action.allow_wildcard {
        true => expand(tree, &action.src_path)?,
        false => Expansion::Literal(PathBuf::from(&action.src_path)),
    };
    let missing = || FileError::SourceMissing {
        path: action.src_path.clone(),
    };
    let paths = match found {
        Expansion::Literal(path) => {
            let resolved = tree.resolve(&path, action.follow_symlink)?;
            // Where the source of a build is filtered, its root is there though nothing is in it.
            let entry = match tree.entry(&resolved)? {
                Some(entry) => entry,
                None if resolved.as_os_str().is_empty() => Entry::empty_root(),
                None => return Err(missing()),
            };
            return Ok(vec![Source {
                path: clean(&path),
                entry,
            }]);
        }
        Expansion::Matches(paths) => paths,
    };
    if paths.is_empty() && !action.allow_empty_wildcard {
        return Err(FileError::NothingMatches {
            pattern: action.src_path.clone(),
        });
    }
    let mut out = Vec::new();
    for path in paths {
        let resolved = if action.follow_symlink {
            tree.resolve(&path, true)?
        } else {
            path.clone()
        };
        let entry = tree.entry(&resolved)?.ok_or_else(missing)?;
        out.push(Source { path, entry });
    }
    Ok(out)
}

struct Copier<'a> {
    tree: &'a dyn FileTree,
    action: &'a CopyAction,
    changes: Changes,
    filter: Filter,
    work: &'a Work<'a>,
    writer: Writer<'a>,
    /// Copies of files with several names.
    links: HashMap<LinkId, PathBuf>,
    /// Where something was put; only where there are several sources, which may have equal names.
    placed: Option<HashSet<PathBuf>>,
}

impl Copier<'_> {
    fn one(&mut self, editor: &mut LayerEditor<'_>, source: &Source) -> Result<(), FileError> {
        let target = self.target(editor, source)?;
        if self.action.unpack_archive
            && source.entry.is_file()
            && let Some(archive) = unpack::open(self.tree, &source.entry)?
        {
            let dir = self.destination(editor)?;
            simple::make_dirs(editor, &dir, &self.changes.made(self.work.now))?;
            return unpack::unpack(editor, archive, &dir, &self.changes, self.work.context);
        }
        if let Some(parent) = target.parent() {
            simple::make_dirs(editor, parent, &self.changes.made(self.work.now))?;
        }
        for selected in select(self.tree, source.entry.clone(), &self.filter)? {
            self.put(editor, &target, selected)?;
        }
        Ok(())
    }

    /// The destination as the op names it, links followed.
    fn destination(&self, editor: &LayerEditor<'_>) -> Result<PathBuf, FileError> {
        let written = clean(Path::new(&self.action.dst_path));
        let resolved = editor.resolve(&written, true)?;
        if !self.action.create_dst_path {
            let parent = resolved.parent().unwrap_or(Path::new(""));
            if !parent.as_os_str().is_empty() && editor.entry(parent)?.is_none() {
                return Err(FileError::ParentMissing {
                    path: Path::new("/").join(parent),
                });
            }
        }
        Ok(resolved)
    }

    /// Where a source is copied to: the destination itself, or its own name in it.
    fn target(&self, editor: &LayerEditor<'_>, source: &Source) -> Result<PathBuf, FileError> {
        let destination = self.destination(editor)?;
        let written = &self.action.dst_path;
        let wants_dir = written.ends_with('/') || written.ends_with("/.") || written == ".";
        let there = editor.entry(&destination)?;
        let exists = there.is_some() || destination.as_os_str().is_empty();
        let is_dir = there.as_ref().is_some_and(Entry::is_dir) || destination.as_os_str().is_empty();
        let inside = match source.entry.is_dir() {
            true => !self.action.dir_contents_only && exists,
            false => is_dir || (wants_dir && !exists),
        };
        if wants_dir && exists && !is_dir {
            return Err(FileError::NotADirectory {
                path: Path::new("/").join(&destination),
            });
        }
        if !inside {
            return Ok(destination);
        }
        let Some(name) = source.path.file_name() else {
            return Ok(destination);
        };
        let target = destination.join(name);
        // A link of that name in the destination is replaced by a file, and followed to a directory.
        match (source.entry.is_dir(), editor.entry(&target)?) {
            (true, Some(entry)) if entry.kind == FileKind::Symlink => Ok(editor.resolve(&target, true)?),
            _ => Ok(target),
        }
    }

    fn put(
        &mut self,
        editor: &mut LayerEditor<'_>,
        target: &Path,
        selected: Selected,
    ) -> Result<(), FileError> {
        let Selected { entry, path } = selected;
        let top = path.as_os_str().is_empty();
        let to = if top {
            target.to_owned()
        } else {
            target.join(&path)
        };
        if to.as_os_str().is_empty() && entry.is_dir() {
            return Ok(());
        }
        let known = self
            .placed
            .as_mut()
            .is_some_and(|placed| !placed.insert(to.clone()));
        if known {
            // What another source has put there MUST be there before it is met.
            self.writer.flush(editor, self.work.context)?;
        }
        let there = if self.writer.is_fresh(editor, &to) {
            None
        } else {
            editor.entry(&to)?
        };
        if there.is_some() {
            self.writer.forget(&to);
        }
        if entry.is_dir() {
            return self.put_dir(editor, &to, &entry, there, top);
        }
        if there.as_ref().is_some_and(Entry::is_dir) {
            if !self.action.replace_existing {
                return Err(FileError::FileOverDir {
                    source_path: entry.path,
                    path: Path::new("/").join(to),
                });
            }
            editor.remove(&to)?;
        }
        let several = entry.nlink > 1 && entry.kind == FileKind::File;
        if several && let Some(first) = self.links.get(&entry.link_id()) {
            let first = first.clone();
            // The first name MUST be there before another can be given.
            self.writer.flush(editor, self.work.context)?;
            return Ok(editor.put_link(&first, &to)?);
        }
        if several {
            self.links.insert(entry.link_id(), to.clone());
        }
        let metadata = self.changes.apply(&entry, self.tree.xattrs(&entry)?);
        match entry.kind {
            FileKind::File => {
                let fresh = there.is_none();
                self.writer.add(
                    editor,
                    Job {
                        entry,
                        to,
                        metadata,
                        fresh,
                    },
                    self.work.context,
                )
            }
            FileKind::Symlink => {
                let says = entry.link_target.clone().unwrap_or_default();
                Ok(editor.put_symlink(&to, &says, &metadata)?)
            }
            kind => Ok(editor.put_node(&to, kind, entry.rdev, &metadata)?),
        }
    }

    fn put_dir(
        &mut self,
        editor: &mut LayerEditor<'_>,
        to: &Path,
        entry: &Entry,
        there: Option<Entry>,
        top: bool,
    ) -> Result<(), FileError> {
        match there {
            // What is copied onto a directory leaves that one as it is.
            Some(there) if there.is_dir() && top => return Ok(()),
            Some(there) if there.is_dir() => {}
            Some(_) if !self.action.replace_existing => {
                let source_path = entry.path.clone();
                return Err(FileError::DirOverFile {
                    source_path,
                    path: Path::new("/").join(to),
                });
            }
            Some(_) => {
                editor.remove(to)?;
            }
            None => {}
        }
        let metadata = match top && self.action.dir_contents_only {
            true => self.changes.receiving(entry),
            false => self.changes.apply(entry, self.tree.xattrs(entry)?),
        };
        Ok(editor.put_dir(to, &metadata)?)
    }
}
