//! The actions without a source: new files, directories and links, and removals.
//! Paths are resolved inside the tree, links followed, and never leave it.

use std::path::{Path, PathBuf};

use lapstrake_llb::{MkdirAction, MkfileAction, RmAction, SymlinkAction, Timestamp};
use lapstrake_store::edit::{LayerEditor, Metadata};
use lapstrake_store::tree::{Expansion, FileTree, Xattrs, clean, expand};

use super::FileError;
use super::owner::Owner;

/// The path of an entry whose parents are followed and which itself is not.
fn at(editor: &LayerEditor<'_>, path: &str) -> Result<PathBuf, FileError> {
    Ok(editor.resolve(&clean(Path::new(path)), false)?)
}

/// The directory that something is put into MUST be there.
fn need_parent(editor: &LayerEditor<'_>, path: &Path) -> Result<(), FileError> {
    let parent = path.parent().unwrap_or(Path::new(""));
    match editor.entry(parent)? {
        Some(entry) if entry.is_dir() => Ok(()),
        Some(_) => Err(FileError::NotADirectory {
            path: Path::new("/").join(parent),
        }),
        // The root is always there.
        None if parent.as_os_str().is_empty() => Ok(()),
        None => Err(FileError::ParentMissing {
            path: Path::new("/").join(parent),
        }),
    }
}

fn metadata(mode: u32, owner: Owner, mtime: Timestamp) -> Metadata {
    let (uid, gid) = (owner.uid.unwrap_or(0), owner.gid.unwrap_or(0));
    Metadata {
        mode,
        uid,
        gid,
        mtime,
        xattrs: Xattrs::new(),
    }
}

/// Makes directories where they are missing, all with the same metadata. Those that are there stay as they are.
pub(super) fn make_dirs(editor: &mut LayerEditor<'_>, path: &Path, new: &Metadata) -> Result<(), FileError> {
    let mut missing = Vec::new();
    for dir in path.ancestors() {
        if dir.as_os_str().is_empty() {
            break;
        }
        match editor.entry(dir)? {
            Some(entry) if entry.is_dir() => break,
            Some(_) => {
                return Err(FileError::NotADirectory {
                    path: Path::new("/").join(dir),
                });
            }
            None => missing.push(dir),
        }
    }
    while let Some(dir) = missing.pop() {
        editor.put_dir(dir, new)?;
    }
    Ok(())
}

pub(super) fn mkdir(
    editor: &mut LayerEditor<'_>,
    action: &MkdirAction,
    now: Timestamp,
) -> Result<(), FileError> {
    let owner = Owner::resolve(action.owner.as_ref(), editor)?;
    let path = editor.resolve(&clean(Path::new(&action.path)), true)?;
    let new = metadata(action.mode & 0o777, owner, action.timestamp.unwrap_or(now));
    if !action.make_parents {
        need_parent(editor, &path)?;
    }
    make_dirs(editor, &path, &new)
}

pub(super) fn mkfile(
    editor: &mut LayerEditor<'_>,
    action: &MkfileAction,
    now: Timestamp,
) -> Result<(), FileError> {
    use std::io::Write as _;
    let owner = Owner::resolve(action.owner.as_ref(), editor)?;
    let path = editor.resolve(&clean(Path::new(&action.path)), true)?;
    need_parent(editor, &path)?;
    if path.as_os_str().is_empty() || editor.entry(&path)?.is_some_and(|entry| entry.is_dir()) {
        return Err(FileError::FileOverDir {
            source_path: PathBuf::from(&action.path),
            path,
        });
    }
    let mut file = editor.create_file(&path)?;
    file.write_all(&action.data).map_err(|source| FileError::Copy {
        path: path.clone(),
        source,
    })?;
    let new = metadata(action.mode & 0o777, owner, action.timestamp.unwrap_or(now));
    Ok(editor.close_file(&path, &file, &new)?)
}

pub(super) fn symlink(
    editor: &mut LayerEditor<'_>,
    action: &SymlinkAction,
    now: Timestamp,
) -> Result<(), FileError> {
    let owner = Owner::resolve(action.owner.as_ref(), editor)?;
    let path = at(editor, &action.path)?;
    need_parent(editor, &path)?;
    if path.as_os_str().is_empty() || editor.entry(&path)?.is_some() {
        return Err(FileError::Exists {
            path: Path::new("/").join(path),
        });
    }
    let new = metadata(0o777, owner, action.timestamp.unwrap_or(now));
    Ok(editor.put_symlink(&path, Path::new(&action.target), &new)?)
}

pub(super) fn rm(editor: &mut LayerEditor<'_>, action: &RmAction) -> Result<(), FileError> {
    let paths = match action.allow_wildcard {
        true => match expand(&*editor, &action.path)? {
            Expansion::Literal(path) => vec![editor.resolve(&path, false)?],
            Expansion::Matches(paths) => paths,
        },
        false => vec![at(editor, &action.path)?],
    };
    let mut removed = false;
    for path in paths {
        if path.as_os_str().is_empty() {
            return Err(FileError::RemoveRoot);
        }
        removed |= editor.remove(&path)?;
    }
    if !removed && !action.allow_not_found {
        return Err(FileError::NothingToRemove {
            path: action.path.clone(),
        });
    }
    Ok(())
}
