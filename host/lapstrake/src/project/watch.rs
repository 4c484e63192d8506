//! Sees whether the files of a project have changed. Knows nothing of what is done then.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Folders that builds write to, or that are large and not the project's own.
const LEFT_OUT: &[&str] = &["target", "build", "dist", "node_modules", "__pycache__"];
/// Most files that are looked at.
const MOST: usize = 20_000;

/// What the files of some folders were like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(BTreeMap<PathBuf, (Option<SystemTime>, u64)>);

impl Stamp {
    /// Looks at files, and at all files below folders, but for hidden ones and what builds write.
    pub fn of(paths: &[PathBuf]) -> Self {
        let mut stamp = Self(BTreeMap::new());
        for path in paths {
            stamp.add(path);
        }
        stamp
    }

    fn add(&mut self, path: &Path) {
        let Ok(meta) = std::fs::metadata(path) else { return };
        if !meta.is_dir() {
            self.0.insert(path.to_owned(), (meta.modified().ok(), meta.len()));
            return;
        }
        let Ok(entries) = std::fs::read_dir(path) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            if name.starts_with('.') || LEFT_OUT.contains(&&*name) || is_link || self.0.len() > MOST {
                continue;
            }
            self.add(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_builds_write_is_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(path("src")).unwrap();
        std::fs::create_dir_all(path("target")).unwrap();
        std::fs::write(path("src/lib.rs"), "one").unwrap();
        let look = || Stamp::of(&[folder.path().to_owned()]);
        let before = look();
        std::fs::write(path("target/x"), "built").unwrap();
        std::fs::write(path(".hidden"), "built").unwrap();
        assert_eq!(look(), before);
        std::fs::write(path("src/lib.rs"), "changed").unwrap();
        assert_ne!(look(), before);
    }
}
