//! What is really on disk, counted apart from the program.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bytes of a folder and all below it, as `du -s` counts them: blocks, files with several names once.
pub fn usage(path: &Path) -> u64 {
    fn add(path: &Path, seen: &mut HashSet<(u64, u64)>) -> u64 {
        let Ok(meta) = std::fs::symlink_metadata(path) else {
            return 0;
        };
        if !meta.is_dir() && !seen.insert((meta.dev(), meta.ino())) {
            return 0;
        }
        let below = match meta.is_dir() {
            true => std::fs::read_dir(path)
                .unwrap()
                .map(|entry| add(&entry.unwrap().path(), seen))
                .sum(),
            false => 0,
        };
        meta.blocks() * 512 + below
    }
    add(path, &mut HashSet::new())
}

/// A small file system of its own, unmounted at the end.
pub struct SmallDisk {
    folder: std::path::PathBuf,
}

impl SmallDisk {
    /// Mounts one on a folder. `None`: this process may not.
    pub fn mount(folder: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let done = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size},mode=0755"), "tmpfs"])
            .arg(folder)
            .output()
            .ok()?;
        done.status.success().then(|| Self {
            folder: folder.to_owned(),
        })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(&self.folder)
            .output();
    }
}
