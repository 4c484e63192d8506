//! Unpacks a local archive into a directory of the tree, as ADD does. What an archive is, its content says, not its name.
//!
//! Nothing leaves the directory's tree: paths and hard links are resolved inside its root, links followed there.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use lapstrake_solver::StepContext;
use lapstrake_store::archive::{Archive, ArchiveError, Count, Limits, Member, MemberKind, inside};
use lapstrake_store::compress;
use lapstrake_store::edit::{LayerEditor, Metadata};
use lapstrake_store::tree::{Entry, FileKind, FileTree, TreeError, Xattrs, is_portable_xattr};

use super::copy::Changes;
use super::{FileError, go_on};

/// An archive that can be read.
pub(super) struct Opened {
    entry: Entry,
    archive: Archive<compress::AnyReader<io::BufReader<File>>>,
    first: Option<Member>,
}

/// Opens a file as an archive; none: it is not one.
pub(super) fn open(tree: &dyn FileTree, entry: &Entry) -> Result<Option<Opened>, FileError> {
    // An archive has a header of 512 bytes; compressed ones are shorter.
    if entry.size < 16 {
        return Ok(None);
    }
    let reader = match compress::any_reader(io::BufReader::with_capacity(256 << 10, tree.open(entry)?)) {
        Ok(reader) => reader,
        Err(_) => return Ok(None),
    };
    let mut archive = Archive::new(reader);
    match archive.next_member() {
        // Zeros alone are an empty archive only if they are whole blocks; anything else is a plain file.
        Ok(None) => Ok(None),
        Ok(Some(first)) => Ok(Some(Opened {
            entry: entry.clone(),
            archive,
            first: Some(first),
        })),
        Err(_) => Ok(None),
    }
}

pub(super) fn unpack(
    editor: &mut LayerEditor<'_>,
    mut opened: Opened,
    dir: &Path,
    changes: &Changes,
    context: &StepContext,
) -> Result<(), FileError> {
    let path = opened.entry.path.clone();
    let failed = |source: ArchiveError| FileError::Unpack {
        path: path.clone(),
        source: Box::new(source),
    };
    let mut dirs = Vec::new();
    let mut count = Count::default();
    let mut next = opened.first.take();
    while let Some(member) = next {
        go_on(context.cancel_token())?;
        count.add(&member, &Limits::default()).map_err(failed)?;
        put(editor, &mut opened.archive, &member, dir, changes, &mut dirs).map_err(|source| {
            FileError::UnpackMember {
                path: path.clone(),
                member: member.path.clone(),
                source: Box::new(source),
            }
        })?;
        next = opened.archive.next_member().map_err(failed)?;
    }
    // What was put into a directory after it changed its time.
    for (dir, time) in dirs {
        editor.set_dir_time(&dir, time);
    }
    Ok(())
}

fn put(
    editor: &mut LayerEditor<'_>,
    archive: &mut impl Read,
    member: &Member,
    dir: &Path,
    changes: &Changes,
    dirs: &mut Vec<(std::path::PathBuf, lapstrake_llb::Timestamp)>,
) -> Result<(), FileError> {
    let path = inside(&member.path)?;
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    let to = editor.resolve(&dir.join(&path), false)?;
    let parent = to.parent().unwrap_or(Path::new("")).to_owned();
    super::simple::make_dirs(
        editor,
        &parent,
        &Metadata {
            mtime: member.mtime,
            ..Metadata::default_dir()
        },
    )?;
    let metadata = Metadata {
        mode: member.mode,
        uid: changes.owner.uid.unwrap_or(member.uid),
        gid: changes.owner.gid.unwrap_or(member.gid),
        mtime: changes.timestamp.unwrap_or(member.mtime),
        xattrs: portable(member),
    };
    let there = editor.entry(&to)?;
    match member.kind {
        MemberKind::Inode(FileKind::Dir) => {
            match there {
                Some(entry) if !entry.is_dir() => {
                    // A link to a directory stays, as tar does it; a file makes room.
                    if editor.follow(&to)?.is_some_and(|entry| entry.is_dir()) {
                        return Ok(());
                    }
                    editor.remove(&to)?;
                }
                _ => {}
            }
            editor.put_dir(&to, &metadata)?;
            dirs.push((to, metadata.mtime));
            return Ok(());
        }
        _ if there.as_ref().is_some_and(Entry::is_dir) => {
            return Err(FileError::FileOverDir {
                source_path: member.path.clone(),
                path: Path::new("/").join(to),
            });
        }
        MemberKind::HardLink => {
            let old = editor.resolve(&dir.join(inside(&member.link)?), false)?;
            match editor.put_link(&old, &to) {
                Err(TreeError::NotFound(_) | TreeError::NotAFile(_)) => {
                    return Err(FileError::Member(ArchiveError::DanglingLink {
                        path: member.path.clone(),
                        target: member.link.clone(),
                    }));
                }
                other => other?,
            }
        }
        MemberKind::Inode(FileKind::File) => {
            let mut file = editor.create_file(&to)?;
            write(archive, member, &mut file).map_err(|source| FileError::Copy {
                path: to.clone(),
                source,
            })?;
            editor.close_file(&to, &file, &metadata)?;
        }
        MemberKind::Inode(FileKind::Symlink) => editor.put_symlink(&to, &member.link, &metadata)?,
        MemberKind::Inode(FileKind::Socket) => {}
        MemberKind::Inode(kind) => editor.put_node(&to, kind, member.rdev, &metadata)?,
    }
    Ok(())
}

/// The attributes that an archive may set: not overlayfs's own, with which it could hide or show what is below.
fn portable(member: &Member) -> Xattrs {
    let mut xattrs = member.xattrs.clone();
    xattrs.retain(|(name, _)| is_portable_xattr(name));
    xattrs
}

/// Writes the data of a member, holes of a sparse one left out.
fn write(archive: &mut impl Read, member: &Member, file: &mut File) -> io::Result<()> {
    use std::io::{Seek, SeekFrom};
    let short = || io::Error::from(io::ErrorKind::UnexpectedEof);
    match &member.extents {
        None => {
            if io::copy(&mut archive.take(member.size), file)? != member.size {
                return Err(short());
            }
        }
        Some(extents) => {
            for extent in extents {
                file.seek(SeekFrom::Start(extent.offset))?;
                if io::copy(&mut archive.take(extent.length), file)? != extent.length {
                    return Err(short());
                }
            }
            file.set_len(member.size)?;
        }
    }
    Ok(())
}
