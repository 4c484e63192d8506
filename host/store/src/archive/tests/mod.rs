//! Tests of archives. Shared: ways to make archives and to look at layers.

mod bombs;
mod format;
mod hostile;
mod layers;
mod roundtrip;

use std::io::Read;
use std::path::{Path, PathBuf};

use lapstrake_llb::Timestamp;

use super::*;
use crate::edit::Lower;
use crate::tree::{FileKind, FileTree, LayeredView, Xattrs};

/// A member of a kind, 0644 or 0755, root's.
fn member(path: &str, kind: MemberKind) -> Member {
    Member {
        path: PathBuf::from(path),
        mode: if kind == MemberKind::Inode(FileKind::Dir) {
            0o755
        } else {
            0o644
        },
        kind,
        uid: 0,
        gid: 0,
        mtime: Timestamp {
            seconds: 1_600_000_000,
            nanoseconds: 0,
        },
        size: 0,
        link: PathBuf::new(),
        rdev: 0,
        xattrs: Xattrs::new(),
        extents: None,
    }
}

fn file(path: &str, data: &str) -> (Member, Vec<u8>) {
    let member = Member {
        size: data.len() as u64,
        ..member(path, MemberKind::Inode(FileKind::File))
    };
    (member, data.as_bytes().to_vec())
}

fn dir(path: &str) -> (Member, Vec<u8>) {
    (member(path, MemberKind::Inode(FileKind::Dir)), Vec::new())
}

fn symlink(path: &str, target: &str) -> (Member, Vec<u8>) {
    (
        Member {
            link: target.into(),
            ..member(path, MemberKind::Inode(FileKind::Symlink))
        },
        Vec::new(),
    )
}

fn hard_link(path: &str, target: &str) -> (Member, Vec<u8>) {
    (
        Member {
            link: target.into(),
            ..member(path, MemberKind::HardLink)
        },
        Vec::new(),
    )
}

fn archive(members: &[(Member, Vec<u8>)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (member, data) in members {
        builder.append(member, Some(&mut &data[..])).unwrap();
    }
    builder.finish().unwrap()
}

/// The layer of an archive, over others.
struct Layer {
    dir: tempfile::TempDir,
    result: Result<Unpacked>,
}

fn unpack_over(bytes: &[u8], below: &[&Layer]) -> Layer {
    let dir = tempfile::tempdir().unwrap();
    let lower = LayeredView::new(below.iter().map(|layer| layer.path()));
    let result = unpack(bytes, dir.path(), Lower::Tree(&lower), &Limits::default());
    Layer { dir, result }
}

fn layer(members: &[(Member, Vec<u8>)]) -> Layer {
    layer_over(members, &[])
}

fn layer_over(members: &[(Member, Vec<u8>)], below: &[&Layer]) -> Layer {
    let layer = unpack_over(&archive(members), below);
    assert!(layer.result.is_ok(), "{:?}", layer.result);
    layer
}

impl Layer {
    fn path(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    fn error(self) -> ArchiveError {
        self.result.unwrap_err()
    }
}

fn view(layers: &[&Layer]) -> LayeredView {
    LayeredView::new(layers.iter().map(|layer| layer.path()))
}

/// What a layer itself has at a path.
fn looks(layer: &Layer, path: &str) -> crate::tree::Entry {
    view(&[layer]).entry(Path::new(path)).unwrap().unwrap()
}

/// All paths of a tree, with `/` behind directories.
fn paths(tree: &dyn FileTree) -> Vec<String> {
    let mut found = Vec::new();
    let mut dirs = vec![PathBuf::new()];
    while let Some(dir) = dirs.pop() {
        for entry in tree.read_dir(&dir).unwrap() {
            found.push(format!(
                "{}{}",
                entry.path.display(),
                if entry.is_dir() { "/" } else { "" }
            ));
            dirs.extend(entry.is_dir().then_some(entry.path));
        }
    }
    found.sort();
    found
}

fn text(tree: &dyn FileTree, path: &str) -> String {
    let entry = tree.entry(Path::new(path)).unwrap().unwrap();
    std::io::read_to_string(tree.open(&entry).unwrap()).unwrap()
}

fn packed(layer: &Path) -> Vec<u8> {
    pack(layer, Vec::new(), &PackOptions::default()).unwrap().0
}

/// Paths of the members of an archive, and the types that its headers give them.
fn listing(bytes: &[u8]) -> Vec<String> {
    let mut archive = Archive::new(bytes);
    let mut found = Vec::new();
    while let Some(member) = archive.next_member().unwrap() {
        let mut data = String::new();
        archive.read_to_string(&mut data).unwrap_or_default();
        found.push(match member.kind {
            MemberKind::HardLink => format!("{} == {}", member.path.display(), member.link.display()),
            MemberKind::Inode(FileKind::Symlink) => {
                format!("{} -> {}", member.path.display(), member.link.display())
            }
            MemberKind::Inode(FileKind::Dir) => format!("{}/", member.path.display()),
            _ => member.path.display().to_string(),
        });
    }
    found
}
