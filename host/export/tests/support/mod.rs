//! A store with layers, and the tools that give a second opinion.
//! Knows nothing of what is tested.

#![allow(dead_code, reason = "every test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

pub mod outputs;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::time::{Duration, UNIX_EPOCH};

use lapstrake_export::{Annotations, FetchError, ImageInput, LayerFetcher};
use lapstrake_llb::{HistoryEntry, ImageConfig, Platform, Timestamp};
use lapstrake_store::{LayerBlob, LayerDraft, LayerId, LayerMeta, Store};

/// A time at which all files of the tests were changed.
pub const MTIME: u64 = 1_600_000_000;

pub fn store() -> (tempfile::TempDir, Store) {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(&home.path().join("store")).unwrap();
    (home, store)
}

/// Makes a layer of what `fill` writes; all of it gets one time.
pub fn layer(store: &Store, description: &str, fill: impl FnOnce(&Path)) -> LayerId {
    let draft = filled(store, fill);
    draft
        .commit(&LayerMeta {
            description: description.to_owned(),
            ..LayerMeta::default()
        })
        .unwrap()
}

pub fn filled(store: &Store, fill: impl FnOnce(&Path)) -> LayerDraft {
    let draft = store.new_layer().unwrap();
    fill(draft.dir());
    set_times(draft.dir());
    draft
}

fn set_times(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            set_times(&entry.path());
        }
        if kind.is_dir() || kind.is_file() {
            let time = UNIX_EPOCH + Duration::from_secs(MTIME);
            File::open(entry.path()).unwrap().set_modified(time).unwrap();
        } else {
            let time = Timestamp {
                seconds: MTIME as i64,
                nanoseconds: 0,
            };
            let times = lapstrake_store::tree::timestamps(time);
            let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
            rustix::fs::utimensat(rustix::fs::CWD, entry.path(), &times, flags).unwrap();
        }
    }
}

pub fn platform(architecture: &str) -> Platform {
    Platform {
        os: "linux".to_owned(),
        architecture: architecture.to_owned(),
        variant: None,
        os_version: None,
        os_features: Vec::new(),
    }
}

pub fn entry(created_by: &str, empty_layer: bool) -> HistoryEntry {
    HistoryEntry {
        created_by: created_by.to_owned(),
        empty_layer,
        ..HistoryEntry::default()
    }
}

pub fn input(layers: &[LayerId], history: Vec<HistoryEntry>) -> ImageInput {
    let config = ImageConfig {
        platform: platform("amd64"),
        env: vec![("PATH".to_owned(), "/bin".to_owned())],
        entrypoint: None,
        cmd: Some(vec!["/bin/tool".to_owned()]),
        shell: None,
        working_dir: "/".to_owned(),
        user: String::new(),
        exposed_ports: Vec::new(),
        volumes: Vec::new(),
        labels: vec![("a".to_owned(), "b".to_owned())],
        annotations: Vec::new(),
        stop_signal: None,
        healthcheck: None,
        on_build: Vec::new(),
        author: None,
        created: None,
        history,
        args_escaped: false,
    };
    let annotations = Annotations::default();
    ImageInput {
        platform: platform("amd64"),
        layers: layers.to_vec(),
        config,
        annotations,
    }
}

/// Gives what it has been told to, and remembers what it was asked for.
#[derive(Default)]
pub struct Fetcher {
    pub blobs: Mutex<BTreeMap<LayerId, Box<dyn Fn() -> LayerBlob + Send>>>,
    pub asked: Mutex<Vec<LayerId>>,
}

impl LayerFetcher for Fetcher {
    fn blob(&self, layer: LayerId) -> Result<LayerBlob, FetchError> {
        self.asked.lock().unwrap().push(layer);
        match self.blobs.lock().unwrap().get(&layer) {
            Some(blob) => Ok(blob()),
            None => Err("nothing is to be fetched".into()),
        }
    }

    fn unpacked(&self, _layers: &[LayerId]) -> Result<(), FetchError> {
        Ok(())
    }
}

/// Runs a tool; `None`, and a word of why, if it is not installed.
pub fn tool(name: &str, arguments: &[&str]) -> Option<Output> {
    match Command::new(name).args(arguments).output() {
        Ok(output) => Some(output),
        Err(error) => {
            println!("skipped: cannot run {name}: {error}");
            None
        }
    }
}

/// What a tool prints, which MUST succeed.
pub fn answer(name: &str, arguments: &[&str]) -> Option<String> {
    let output = tool(name, arguments)?;
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{name} {arguments:?}: {complaint}");
    Some(String::from_utf8(output.stdout).unwrap())
}

pub fn json(text: &[u8]) -> serde_json::Value {
    serde_json::from_slice(text).unwrap()
}

/// The members of a tar, by name.
pub fn members(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(File::open(path).unwrap());
    let mut found = BTreeMap::new();
    for member in archive.entries().unwrap() {
        let mut member = member.unwrap();
        let mut data = Vec::new();
        std::io::Read::read_to_end(&mut member, &mut data).unwrap();
        found.insert(member.path().unwrap().to_string_lossy().into_owned(), data);
    }
    found
}

/// A stage of two layers: the second changes, deletes and hides what the first has.
pub fn two_layers(store: &Store) -> Vec<LayerId> {
    let first = layer(store, "first", |dir| {
        fs::create_dir_all(dir.join("bin")).unwrap();
        fs::write(dir.join("bin/tool"), "tool 1").unwrap();
        fs::write(dir.join("bin/gone"), "gone").unwrap();
        fs::write(dir.join("bin/big"), vec![b'x'; 300_000]).unwrap();
        fs::create_dir_all(dir.join("etc")).unwrap();
        std::os::unix::fs::symlink("../bin/tool", dir.join("etc/link")).unwrap();
    });
    let second = layer(store, "second", |dir| {
        fs::create_dir_all(dir.join("bin")).unwrap();
        fs::write(dir.join("bin/tool"), "tool 2").unwrap();
        whiteout(&dir.join("bin/gone"));
    });
    vec![first, second]
}

/// Overlayfs's mark for a deleted file.
pub fn whiteout(path: &PathBuf) {
    let kind = rustix::fs::FileType::CharacterDevice;
    rustix::fs::mknodat(rustix::fs::CWD, path, kind, rustix::fs::Mode::empty(), 0).unwrap();
}
