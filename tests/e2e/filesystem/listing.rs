//! A directory written down, everything that a copy has to keep, for two of them to be compared.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// What is written down of every path, in words.
pub type Listing = BTreeMap<String, String>;

/// What a form that is compared cannot hold.
#[derive(Clone, Copy, Default)]
pub struct Loses {
    /// Fractions of a second.
    pub fractions: bool,
    /// Attributes whose names have a `=`, and those of no value, which PAX takes for none.
    pub attributes: bool,
    /// All times of directories: something else was put into them.
    pub dir_times: bool,
}

/// Lists everything below a directory, itself left out.
pub fn list(dir: &Path, loses: Loses) -> Listing {
    let mut lister = Lister {
        top: dir,
        loses,
        first_names: BTreeMap::new(),
        found: Listing::new(),
    };
    lister.dir(dir);
    lister.found
}

struct Lister<'a> {
    top: &'a Path,
    loses: Loses,
    first_names: BTreeMap<(u64, u64), String>,
    found: Listing,
}

impl Lister<'_> {
    fn dir(&mut self, dir: &Path) {
        let mut paths: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        for path in paths {
            let name = path.strip_prefix(self.top).unwrap().as_os_str().as_bytes();
            let name = name.escape_ascii().to_string();
            let text = self.describe(&path, &name);
            self.found.insert(name, text);
            if fs::symlink_metadata(&path).unwrap().is_dir() {
                self.dir(&path);
            }
        }
    }

    fn describe(&mut self, path: &Path, name: &str) -> String {
        let meta = fs::symlink_metadata(path).unwrap();
        let kind = meta.file_type();
        let what = if kind.is_dir() {
            "dir".to_owned()
        } else if kind.is_symlink() {
            let target = fs::read_link(path).unwrap();
            format!("link to {}", target.as_os_str().as_bytes().escape_ascii())
        } else if kind.is_file() {
            format!("file of {} {}", meta.size(), digest(path))
        } else if kind.is_fifo() {
            "fifo".to_owned()
        } else {
            let letter = if kind.is_block_device() { "block" } else { "char" };
            format!(
                "{letter} {}:{}",
                rustix::fs::major(meta.rdev()),
                rustix::fs::minor(meta.rdev())
            )
        };
        let mode = if kind.is_symlink() {
            0o777
        } else {
            meta.mode() & 0o7777
        };
        let nanoseconds = if self.loses.fractions {
            0
        } else {
            meta.mtime_nsec()
        };
        let time = match self.loses.dir_times && kind.is_dir() {
            true => String::new(),
            false => format!(" {}.{nanoseconds:09}", meta.mtime()),
        };
        let mut text = format!("{what} {mode:o} {}:{}{time}", meta.uid(), meta.gid());
        if !kind.is_dir() && meta.nlink() > 1 {
            let key = (meta.dev(), meta.ino());
            let first = self.first_names.entry(key).or_insert_with(|| name.to_owned());
            text += &format!(" of {} names, first {first}", meta.nlink());
        }
        for (name, value) in self.attributes(path) {
            text += &format!(" {name}={}", value.escape_ascii());
        }
        text
    }

    fn attributes(&self, path: &Path) -> Vec<(String, Vec<u8>)> {
        let mut list = vec![0u8; 4096];
        let length = rustix::fs::llistxattr(path, &mut list).unwrap();
        let mut found = Vec::new();
        for name in list[..length]
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty())
        {
            let name = String::from_utf8(name.to_vec()).unwrap();
            let mut value = vec![0u8; 65536];
            let length = rustix::fs::lgetxattr(path, name.as_str(), &mut value).unwrap();
            value.truncate(length);
            let is_lost = name.contains('=') || value.is_empty();
            if !(self.loses.attributes && is_lost) {
                found.push((name, value));
            }
        }
        found.sort();
        found
    }
}

fn digest(path: &Path) -> String {
    let mut hash = Sha256::new();
    let mut file = fs::File::open(path).unwrap();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).unwrap() {
            0 => break,
            length => hash.update(&buffer[..length]),
        }
    }
    let hash = hash.finalize();
    hash[..6].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Fails with the differences, and not with two long texts.
#[track_caller]
pub fn assert_same(expected: &Listing, found: &Listing, what: &str) {
    let mut differences = Vec::new();
    for (path, text) in expected {
        match found.get(path) {
            Some(other) if other == text => {}
            other => differences.push(format!("{path}\n  is to be {text}\n  and is   {other:?}")),
        }
    }
    differences.extend(
        found
            .keys()
            .filter(|path| !expected.contains_key(*path))
            .map(|path| format!("{path} is too much")),
    );
    differences.truncate(20);
    assert!(differences.is_empty(), "{what}:\n{}", differences.join("\n"));
    assert!(!expected.is_empty());
}
