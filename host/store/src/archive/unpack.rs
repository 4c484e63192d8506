//! Archives to layers. An archive is a stranger's: nothing in it reaches outside of the layer's directory, whatever its
//! paths and links say, and there is a limit to what it may hold.
//!
//! As containerd does, a link *in the layer* is followed on the way to a member, and a link *below the layer* is not:
//! a directory takes its place.
//! Knows nothing of compression and digests.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::error::{ArchiveError, Result};
use super::limits::{Count, Limits};
use super::member::{Member, MemberKind};
use super::read::Archive;
use super::{AUFS, BUFFER, OPAQUE, WHITEOUT};
use crate::edit::{LayerEditor, LostXattrs, Lower, Metadata};
use crate::tree::{FileKind, FileTree, TreeError, is_portable_xattr};

/// Links in one path.
const MAX_LINKS: usize = 255;

/// What was unpacked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Number of members.
    pub members: u64,
    /// Data of the regular files, holes included, bytes.
    pub bytes: u64,
    /// Extended attributes that could not be set.
    pub lost_xattrs: LostXattrs,
}

/// Unpacks an archive that is not compressed into the empty directory of a layer. Reads it to its end.
///
/// After an error the directory holds parts of the layer.
pub fn unpack(reader: impl Read, dir: &Path, lower: Lower<'_>, limits: &Limits) -> Result<Unpacked> {
    run(reader, dir, lower, limits, Marks::Applied)
}

/// As [`unpack`], of an archive that is no layer: names with `.wh.` are names like others.
pub fn unpack_files(reader: impl Read, dir: &Path, limits: &Limits) -> Result<Unpacked> {
    run(reader, dir, Lower::Unknown, limits, Marks::Kept)
}

/// What becomes of a layer's marks (OCI image specification, layer.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marks {
    /// They delete and hide.
    Applied,
    /// They are files.
    Kept,
}

fn run(reader: impl Read, dir: &Path, lower: Lower<'_>, limits: &Limits, marks: Marks) -> Result<Unpacked> {
    let mut archive = Archive::new(reader);
    let mut unpacker = Unpacker {
        editor: LayerEditor::new(dir, lower)?,
        lower,
        limits,
        marks,
        count: Count::default(),
        buffer: vec![0; BUFFER],
    };
    while let Some(member) = archive.next_member()? {
        unpacker.member(member, &mut archive)?;
    }
    archive.drain()?;
    let Unpacker { editor, count, .. } = unpacker;
    Ok(Unpacked {
        members: count.members,
        bytes: count.bytes,
        lost_xattrs: editor.finish()?,
    })
}

struct Unpacker<'a> {
    editor: LayerEditor<'a>,
    lower: Lower<'a>,
    limits: &'a Limits,
    marks: Marks,
    count: Count,
    buffer: Vec<u8>,
}

impl Unpacker<'_> {
    fn member<R: Read>(&mut self, mut member: Member, archive: &mut Archive<R>) -> Result<()> {
        self.count.add(&member, self.limits)?;
        let path = inside(&member.path)?;
        member.xattrs.retain(|(name, _)| is_portable_xattr(name));
        let metadata = Metadata {
            mode: member.mode,
            uid: member.uid,
            gid: member.gid,
            mtime: member.mtime,
            xattrs: std::mem::take(&mut member.xattrs),
        };
        let Some(name) = path.file_name().map(OsStrExt::as_bytes) else {
            // The root. Only a directory can be meant.
            return match member.is_dir() {
                true => Ok(self.editor.set_metadata(&path, &metadata)?),
                false => Err(ArchiveError::Escapes(member.path)),
            };
        };
        let parent = self.parent(&path)?;
        if self.marks == Marks::Applied && name.starts_with(WHITEOUT) {
            return self.mark(name, &parent, &member);
        }
        let place = parent.join(OsStr::from_bytes(name));
        match member.kind {
            MemberKind::Inode(FileKind::Dir) => self.editor.put_dir(&place, &metadata)?,
            MemberKind::Inode(FileKind::File) => self.file(&place, &member, &metadata, archive)?,
            MemberKind::Inode(FileKind::Symlink) => {
                self.editor.put_symlink(&place, &member.link, &metadata)?
            }
            // Overlayfs's own mark, packed by somebody who did not translate it.
            MemberKind::Inode(FileKind::CharDevice) if member.rdev == 0 => self.editor.hide(&place)?,
            MemberKind::Inode(kind) => self.editor.put_node(&place, kind, member.rdev, &metadata)?,
            MemberKind::HardLink => self.hard_link(&place, &member)?,
        }
        Ok(())
    }

    /// Applies a mark.
    fn mark(&mut self, name: &[u8], parent: &Path, member: &Member) -> Result<()> {
        if name == OPAQUE {
            return Ok(self.editor.make_opaque(parent)?);
        }
        if name.starts_with(AUFS) {
            return Ok(());
        }
        match &name[WHITEOUT.len()..] {
            b"" | b"." | b".." => Err(ArchiveError::Escapes(member.path.clone())),
            deleted => Ok(self.editor.hide(&parent.join(OsStr::from_bytes(deleted)))?),
        }
    }

    /// Follows the links that the layer has on the way to a path. Nothing is made.
    fn parent(&self, path: &Path) -> Result<PathBuf> {
        let parent = path.parent().unwrap_or(Path::new(""));
        if self.editor.has_dir(parent) {
            return Ok(parent.to_owned());
        }
        let mut resolved = PathBuf::new();
        let mut rest: Vec<PathBuf> = parent
            .components()
            .rev()
            .map(|c| PathBuf::from(c.as_os_str()))
            .collect();
        let mut links = 0;
        while let Some(part) = rest.pop() {
            match part.components().next() {
                Some(Component::RootDir) => resolved.clear(),
                Some(Component::ParentDir) => drop(resolved.pop()),
                Some(Component::Normal(name)) => resolved.push(name),
                _ => {}
            }
            if self.editor.has_dir(&resolved) {
                continue;
            }
            let Some(entry) = self.editor.own_entry(&resolved)? else {
                continue;
            };
            let Some(target) = entry.link_target else {
                return Err(ArchiveError::NotADirectory {
                    path: path.to_owned(),
                    parent: resolved,
                });
            };
            links += 1;
            if links > MAX_LINKS {
                return Err(TreeError::TooManyLinks(path.to_owned()).into());
            }
            resolved.pop();
            rest.extend(target.components().rev().map(|c| PathBuf::from(c.as_os_str())));
        }
        Ok(resolved)
    }

    fn file<R: Read>(
        &mut self,
        place: &Path,
        member: &Member,
        metadata: &Metadata,
        archive: &mut Archive<R>,
    ) -> Result<()> {
        let mut file = self.editor.create_file(place)?;
        match &member.extents {
            None => drop(self.data(place, &mut file, archive)?),
            Some(extents) => {
                for extent in extents {
                    let seek = file.seek(SeekFrom::Start(extent.offset));
                    seek.map_err(ArchiveError::file("write", place))?;
                    let stored = self.data(place, &mut file, &mut archive.take(extent.length))?;
                    if stored != extent.length {
                        return Err(ArchiveError::Truncated);
                    }
                }
                file.set_len(member.size)
                    .map_err(ArchiveError::file("write", place))?;
            }
        }
        Ok(self.editor.close_file(place, &file, metadata)?)
    }

    fn data(&mut self, place: &Path, file: &mut File, data: &mut impl Read) -> Result<u64> {
        let mut written = 0;
        loop {
            let read = match data.read(&mut self.buffer) {
                Ok(0) => return Ok(written),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(ArchiveError::Truncated);
                }
                Err(error) => return Err(ArchiveError::Read(error)),
            };
            file.write_all(&self.buffer[..read])
                .map_err(ArchiveError::file("write", place))?;
            written += read as u64;
        }
    }

    /// Links to a file of the layer, or to one below, which is copied up as overlayfs would.
    fn hard_link(&mut self, place: &Path, member: &Member) -> Result<()> {
        let target = inside(&member.link)?;
        let dangling = || ArchiveError::DanglingLink {
            path: member.path.clone(),
            target: member.link.clone(),
        };
        let name = target.file_name().ok_or_else(dangling)?;
        let mut old = self.parent(&target)?.join(name);
        if self.editor.entry(&old)?.is_none()
            && let Lower::Tree(tree) = self.lower
        {
            old = tree.resolve(&target, false)?;
        }
        match self.editor.put_link(&old, place) {
            Err(TreeError::NotFound(_) | TreeError::NotAFile(_)) => Err(dangling()),
            other => Ok(other?),
        }
    }
}

/// The path of a member or of what it links to, without `.` and a leading `/`. `..` may take away what the path itself
/// says, no more.
///
/// # Errors
/// [`ArchiveError::Escapes`]
pub fn inside(path: &Path) -> Result<PathBuf> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir if !clean.pop() => return Err(ArchiveError::Escapes(path.to_owned())),
            _ => {}
        }
    }
    Ok(clean)
}
