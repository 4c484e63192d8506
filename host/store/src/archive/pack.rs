//! Layers and trees to archives. The bytes depend on the files only: members are sorted, owners are numbers, and times
//! are whole seconds unless more is asked for.
//! Knows nothing of how archives are compressed or where they are kept.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lapstrake_llb::Timestamp;

use super::error::{ArchiveError, Result};
use super::member::{Member, MemberKind};
use super::{Builder, OPAQUE, WHITEOUT};
use crate::tree::marks::{Opaque, is_whiteout};
use crate::tree::root::{self, Root};
use crate::tree::{Entry, FileKind, FileTree, LinkId, Marks, TreeError, Xattrs};

/// How files are written down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PackOptions {
    /// Modification times after this one become this one (SOURCE_DATE_EPOCH).
    pub clamp_mtime: Option<Timestamp>,
    /// Whether times keep their fractions of a second. Costs 1 KiB a member.
    pub sub_second: bool,
}

/// What was packed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Packed {
    /// Number of members.
    pub members: u64,
    /// Data of the regular files, bytes.
    pub bytes: u64,
}

/// Packs a layer: overlayfs's marks become whiteouts, which stand where what they delete would. The layer's root itself
/// is no member. Marks below an opaque directory say nothing new and are left out.
///
/// Names of one inode are hard links: a layer MUST NOT hold two names of an inode that somebody did not link.
pub fn pack<W: Write>(layer: &Path, writer: W, options: &PackOptions) -> Result<(W, Packed)> {
    let mut packer = Packer::new(writer, options);
    let layer = LayerFiles {
        root: Root::new(layer),
        marks: Marks::current(),
    };
    let mut levels = vec![layer.level(Path::new(""), Opaque::No, false)?];
    while let Some(level) = levels.last_mut() {
        let Some(found) = level.rest.next() else {
            levels.pop();
            continue;
        };
        let hidden = level.hidden;
        match found {
            Found::Whiteout(_) if hidden => {}
            Found::Whiteout(path) => packer.whiteout(&path)?,
            Found::Entry(entry) => {
                let xattrs = layer.root.xattrs(&entry.path)?;
                packer.entry(&entry, xattrs, || layer.root.open_file(&entry.path))?;
                if entry.is_dir() {
                    let opaque = layer.root.at(&entry.path, |path| layer.marks.read_opaque(path));
                    if opaque == Opaque::Yes && !hidden {
                        packer.mark(entry.path.join(OsStr::from_bytes(OPAQUE)))?;
                    }
                    levels.push(layer.level(&entry.path, opaque, hidden)?);
                }
            }
        }
    }
    packer.finish()
}

/// Packs a whole tree. Its root itself is no member.
pub fn pack_tree<W: Write>(tree: &dyn FileTree, writer: W, options: &PackOptions) -> Result<(W, Packed)> {
    let mut packer = Packer::new(writer, options);
    let mut dirs = vec![tree.read_dir(Path::new(""))?.into_iter()];
    while let Some(entries) = dirs.last_mut() {
        let Some(entry) = entries.next() else {
            dirs.pop();
            continue;
        };
        packer.entry(&entry, tree.xattrs(&entry)?, || tree.open(&entry))?;
        if entry.is_dir() {
            dirs.push(tree.read_dir(&entry.path)?.into_iter());
        }
    }
    packer.finish()
}

/// A directory whose entries are being packed.
struct Level {
    rest: std::vec::IntoIter<Found>,
    /// Whether nothing of what is below the layer can show in it.
    hidden: bool,
}

struct LayerFiles {
    root: Root,
    marks: Marks,
}

enum Found {
    Entry(Entry),
    /// Path of what is deleted.
    Whiteout(PathBuf),
}

impl LayerFiles {
    fn level(&self, dir: &Path, opaque: Opaque, hidden: bool) -> Result<Level> {
        let rest = self.list(dir, opaque)?.into_iter();
        Ok(Level {
            rest,
            hidden: hidden || opaque == Opaque::Yes,
        })
    }

    /// Lists a directory, sorted.
    fn list(&self, dir: &Path, opaque: Opaque) -> Result<Vec<Found>> {
        let host = self.root.host_path(dir);
        let listed = root::names(self.root.open_dir(dir)?);
        let (open, mut names) = listed.map_err(|e| TreeError::io("list", &host)(e))?;
        let fd = open.fd().map_err(|e| TreeError::io("list", &host)(e))?;
        names.sort_unstable();
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            let path = dir.join(&name);
            let stat = root::stat_at(fd.as_fd(), &name).map_err(|e| TreeError::io("look at", &path)(e))?;
            let kind = FileKind::of_mode(stat.st_mode);
            let deleted = is_whiteout(&stat)
                || opaque == Opaque::Whiteouts
                    && kind == FileKind::File
                    && stat.st_size == 0
                    && self.marks.is_file_whiteout(&root::proc_path(fd.as_fd(), &name));
            found.push(if deleted {
                Found::Whiteout(path)
            } else {
                let target = match kind {
                    FileKind::Symlink => {
                        let target = root::read_link_at(fd.as_fd(), &name);
                        Some(target.map_err(TreeError::io("read the link", &path))?)
                    }
                    _ => None,
                };
                Found::Entry(self.root.describe(path, &stat, 0, target))
            });
        }
        Ok(found)
    }
}

struct Packer<'a, W: Write> {
    builder: Builder<W>,
    options: &'a PackOptions,
    /// The first name of every file that has several.
    links: HashMap<LinkId, PathBuf>,
    packed: Packed,
}

impl<'a, W: Write> Packer<'a, W> {
    fn new(writer: W, options: &'a PackOptions) -> Self {
        Self {
            builder: Builder::new(writer),
            options,
            links: HashMap::new(),
            packed: Packed::default(),
        }
    }

    fn entry(
        &mut self,
        entry: &Entry,
        xattrs: Xattrs,
        open: impl FnOnce() -> Result<File, TreeError>,
    ) -> Result<()> {
        if entry.kind == FileKind::Socket {
            return Ok(());
        }
        let mut member = Member::of(entry, xattrs);
        member.mtime = self.time(entry.mtime);
        self.packed.members += 1;
        if entry.nlink > 1 && !entry.is_dir() {
            if let Some(first) = self.links.get(&entry.link_id()) {
                member.kind = MemberKind::HardLink;
                member.link = first.clone();
                member.size = 0;
                member.xattrs.clear();
                return self.builder.append(&member, None);
            }
            self.links.insert(entry.link_id(), entry.path.clone());
        }
        if !entry.is_file() {
            return self.builder.append(&member, None);
        }
        self.packed.bytes += entry.size;
        let mut file = open()?;
        self.builder.append(&member, Some(&mut file))?;
        match file.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(ArchiveError::Changed(entry.path.clone())),
            Err(error) => Err(ArchiveError::file("read", &entry.path)(error)),
        }
    }

    fn whiteout(&mut self, path: &Path) -> Result<()> {
        let name = [WHITEOUT, path.file_name().unwrap_or_default().as_bytes()].concat();
        self.mark(path.with_file_name(OsStr::from_bytes(&name)))
    }

    /// Writes an empty file that stands for a deletion. It always looks the same, whenever something was deleted.
    fn mark(&mut self, path: PathBuf) -> Result<()> {
        self.packed.members += 1;
        let mut member = Member::of(&Entry::empty_root(), Xattrs::new());
        member.path = path;
        member.kind = MemberKind::Inode(FileKind::File);
        member.mode = 0;
        self.builder.append(&member, None)
    }

    fn time(&self, time: Timestamp) -> Timestamp {
        let time = self.options.clamp_mtime.map_or(time, |latest| time.min(latest));
        if self.options.sub_second {
            time
        } else {
            Timestamp {
                nanoseconds: 0,
                ..time
            }
        }
    }

    fn finish(self) -> Result<(W, Packed)> {
        Ok((self.builder.finish()?, self.packed))
    }
}
