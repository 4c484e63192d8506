//! Reads what `docker save` and `type=docker` write: an image's configuration, and its files as a container would see them.
//! Needs no privilege, whoever the files belong to.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use lapstrake_tests::layout;
use serde_json::Value;

/// An image.
pub struct Saved {
    /// Its configuration.
    pub config: Value,
    /// How many layers it has.
    pub layers: usize,
    /// Its files by path.
    pub files: BTreeMap<String, File>,
}

/// A file of an image.
#[derive(Debug, Clone)]
pub struct File {
    /// Type, mode, owner, and the target of a link or the digest of the content.
    pub what: String,
    /// Its content.
    pub data: Vec<u8>,
    /// Seconds since 1970.
    pub modified: u64,
}

impl Saved {
    /// Type, mode, owner and target of a file, such as `Regular 644 0:0`; `-`: it is not there.
    pub fn what(&self, path: &str) -> &str {
        let Some(file) = self.files.get(path) else {
            return "-";
        };
        file.what.split(" sha256:").next().unwrap_or_default().trim_end()
    }

    /// Content of a file.
    #[track_caller]
    pub fn text(&self, path: &str) -> &str {
        let file = self
            .files
            .get(path)
            .unwrap_or_else(|| panic!("there is no {path}"));
        std::str::from_utf8(&file.data).unwrap()
    }

    /// Names of what is in a directory, sorted.
    pub fn names(&self, folder: &str) -> Vec<&str> {
        let names = self.files.keys().filter_map(|path| {
            let rest = match folder {
                "" => Some(path.as_str()),
                folder => path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')),
            };
            rest.filter(|rest| !rest.contains('/'))
        });
        names.collect()
    }
}

/// Reads all images of an archive, by their first name.
pub fn read(archive: &Path) -> BTreeMap<String, Saved> {
    let mut members: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut links: Vec<(String, String)> = Vec::new();
    let mut tar = tar::Archive::new(std::fs::File::open(archive).unwrap());
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        if let Some(target) = entry.link_name().unwrap() {
            // The engine writes equal layers once.
            let target = target.to_str().unwrap().trim_start_matches("../").to_owned();
            links.push((name, target));
            continue;
        }
        let mut data = Vec::new();
        entry.read_to_end(&mut data).unwrap();
        members.insert(name, data);
    }
    for (name, target) in links {
        let data = members[&target].clone();
        members.insert(name, data);
    }
    let manifest: Value = serde_json::from_slice(&members["manifest.json"]).unwrap();
    let images = manifest.as_array().unwrap().iter();
    images
        .map(|image| {
            let member = |value: &Value| members[value.as_str().unwrap()].clone();
            let layers = image["Layers"].as_array().unwrap();
            let mut files = BTreeMap::new();
            for layer in layers {
                apply(&uncompressed(member(layer)), &mut files);
            }
            let saved = Saved {
                config: serde_json::from_slice(&member(&image["Config"])).unwrap(),
                layers: layers.len(),
                files,
            };
            (image["RepoTags"][0].as_str().unwrap().to_owned(), saved)
        })
        .collect()
}

fn uncompressed(data: Vec<u8>) -> Vec<u8> {
    if !data.starts_with(&[0x1f, 0x8b]) {
        return data;
    }
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(&data[..])
        .read_to_end(&mut plain)
        .unwrap();
    plain
}

/// Puts a layer over files (OCI image specification, layer.md).
fn apply(layer: &[u8], files: &mut BTreeMap<String, File>) {
    let below = |folder: &str, path: &str| {
        path.strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    let mut tar = tar::Archive::new(layer);
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let path = path.trim_start_matches("./").trim_matches('/').to_owned();
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if name == ".wh..wh..opq" {
            let folder = folder.to_owned();
            files.retain(|path, _| !below(&folder, path));
            continue;
        }
        if let Some(removed) = name.strip_prefix(".wh.") {
            let removed = format!("{folder}/{removed}").trim_start_matches('/').to_owned();
            files.retain(|path, _| *path != removed && !below(&removed, path));
            continue;
        }
        let mut data = Vec::new();
        entry.read_to_end(&mut data).unwrap();
        let header = entry.header();
        let kind = header.entry_type();
        let link = entry
            .link_name()
            .unwrap()
            .map(|link| link.to_string_lossy().into_owned());
        let content = match (link, kind.is_file()) {
            (Some(target), _) => format!("-> {}", target.trim_start_matches("./")),
            (None, true) => layout::digest(&data),
            (None, false) => String::new(),
        };
        let mode = header.mode().unwrap() & 0o7777;
        // An empty field is nobody but root.
        let (user, group) = (header.uid().unwrap_or(0), header.gid().unwrap_or(0));
        if !kind.is_dir() {
            files.retain(|old, _| !below(&path, old));
        }
        let modified = header.mtime().unwrap_or(0);
        let what = format!("{kind:?} {mode:o} {user}:{group} {content}");
        files.insert(path, File { what, data, modified });
    }
}
