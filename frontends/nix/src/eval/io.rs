//! What an evaluation can reach: files of the build context, and somebody who reads what `trace` says.
//! Knows nothing of where the files are.

use std::collections::BTreeMap;

/// The sort of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Something else.
    Unknown,
}

impl FileType {
    /// The word that `builtins.readDir` gives.
    pub fn word(self) -> &'static str {
        match self {
            FileType::Regular => "regular",
            FileType::Directory => "directory",
            FileType::Symlink => "symlink",
            FileType::Unknown => "unknown",
        }
    }
}

/// The outside. Paths are absolute, in the build context, and plain (no `.` and `..`). Errors are sentences' ends, such
/// as `there is no such file`.
pub trait Io {
    /// Reads a file.
    fn read_file(&self, path: &str) -> Result<Vec<u8>, String>;

    /// Lists a directory, sorted by name.
    fn read_dir(&self, path: &str) -> Result<Vec<(String, FileType)>, String>;

    /// Says what a path is; none: there is nothing.
    fn file_type(&self, path: &str) -> Result<Option<FileType>, String>;

    /// Shows a message to the person.
    fn trace(&self, message: &str);
}

/// Files in memory, for tests and for evaluations without a context.
#[derive(Clone, Debug, Default)]
pub struct MemoryIo {
    /// Contents by path.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What `trace` said.
    pub traced: std::rc::Rc<std::cell::RefCell<Vec<String>>>,
}

impl MemoryIo {
    fn below<'a>(&'a self, path: &str) -> impl Iterator<Item = &'a str> {
        let prefix = format!("{}/", path.trim_end_matches('/'));
        self.files
            .keys()
            .filter_map(move |key| key.strip_prefix(prefix.as_str()).map(|rest| (key, rest.len())))
            .map(|(key, len)| &key[key.len() - len..])
    }
}

impl Io for MemoryIo {
    fn read_file(&self, path: &str) -> Result<Vec<u8>, String> {
        match self.files.get(path) {
            Some(data) => Ok(data.clone()),
            None if self.below(path).next().is_some() => Err("it is a directory".to_owned()),
            None => Err("there is no such file".to_owned()),
        }
    }

    fn read_dir(&self, path: &str) -> Result<Vec<(String, FileType)>, String> {
        let mut entries = BTreeMap::new();
        for rest in self.below(path) {
            match rest.split_once('/') {
                Some((name, _)) => entries.insert(name.to_owned(), FileType::Directory),
                None => entries.insert(rest.to_owned(), FileType::Regular),
            };
        }
        if entries.is_empty() {
            return Err("there is no such directory".to_owned());
        }
        Ok(entries.into_iter().collect())
    }

    fn file_type(&self, path: &str) -> Result<Option<FileType>, String> {
        Ok(if self.files.contains_key(path) {
            Some(FileType::Regular)
        } else {
            (path == "/" || self.below(path).next().is_some()).then_some(FileType::Directory)
        })
    }

    fn trace(&self, message: &str) {
        self.traced.borrow_mut().push(message.to_owned());
    }
}
