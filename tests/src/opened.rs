//! Who opens what below a folder, as the kernel tells it (inotify).

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};

/// Notes what is opened below a folder from its making on. Folders made later are not seen into.
pub struct Opened {
    watch: OwnedFd,
    folders: HashMap<i32, PathBuf>,
}

impl Opened {
    /// Begins.
    pub fn below(folder: &Path) -> Self {
        let watch = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
        let mut folders = HashMap::new();
        let mut todo = vec![folder.to_owned()];
        while let Some(folder) = todo.pop() {
            let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap());
            todo.extend(
                entries
                    .filter(|entry| entry.file_type().unwrap().is_dir())
                    .map(|entry| entry.path()),
            );
            let number = add_watch(&watch, &folder, WatchFlags::OPEN | WatchFlags::ACCESS).unwrap();
            folders.insert(number, folder);
        }
        let opened = Self { watch, folders };
        // What this function itself has opened.
        opened.all();
        opened
    }

    /// Everything that was opened or read, folders too: path and whether it is a folder. Sorted, each once.
    pub fn all(&self) -> Vec<(PathBuf, bool)> {
        let mut buffer = [MaybeUninit::uninit(); 64 << 10];
        let mut reader = Reader::new(&self.watch, &mut buffer);
        let mut opened = Vec::new();
        while let Ok(event) = reader.next() {
            let Some(folder) = self.folders.get(&event.wd()) else {
                continue;
            };
            let name = event.file_name().map(|name| name.to_str().unwrap().to_owned());
            let path = name.map_or_else(|| folder.clone(), |name| folder.join(name));
            opened.push((path, event.events().contains(ReadFlags::ISDIR)));
        }
        opened.sort();
        opened.dedup();
        opened
    }

    /// Of these, what is no folder.
    pub fn files(&self) -> Vec<PathBuf> {
        let all = self.all().into_iter();
        all.filter(|(_, folder)| !folder).map(|(path, _)| path).collect()
    }
}
