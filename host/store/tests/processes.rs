//! Several processes on one store, and processes that are killed: this test binary starts itself again as the children.
//! Knows nothing of the store's insides beyond its folders.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lapstrake_llb::Digest;
use lapstrake_store::{LayerId, LayerMeta, Store};

const ROOT: &str = "LAPSTRAKE_TEST_STORE";
const NAME: &str = "LAPSTRAKE_TEST_CHILD";
const ROUNDS: &str = "LAPSTRAKE_TEST_ROUNDS";

fn child(root: &Path, name: &str, rounds: u32) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_builds", "--nocapture", "--test-threads=1"])
        .env(ROOT, root)
        .env(NAME, name)
        .env(ROUNDS, rounds.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Not a test of its own: what the children of the other tests do. Without their environment it has nothing to do.
#[test]
fn child_that_builds() {
    let (Ok(root), Ok(name)) = (std::env::var(ROOT), std::env::var(NAME)) else {
        return;
    };
    let rounds: u32 = std::env::var(ROUNDS).unwrap().parse().unwrap();
    let store = Store::open(Path::new(&root)).unwrap();
    for round in 0..rounds {
        let key = build_one(&store, &name, round);
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nsaved {key}").unwrap();
        out.flush().unwrap();
    }
}

/// Makes two layers, a blob and a record, and returns the key when all is committed.
fn build_one(store: &Store, name: &str, round: u32) -> Digest {
    let draft = store.new_layer().unwrap();
    for file in 0..5 {
        fs::write(draft.dir().join(format!("file{file}")), format!("content {file}")).unwrap();
    }
    fs::create_dir(draft.dir().join("dir")).unwrap();
    let own = draft
        .commit(&LayerMeta {
            description: name.to_owned(),
            ..LayerMeta::default()
        })
        .unwrap();

    // Every process makes this one.
    let draft = store.new_layer().unwrap();
    fs::write(draft.dir().join("file0"), "content 0").unwrap();
    let chain_id = Some(Digest::of(format!("shared {}", round % 16).as_bytes()));
    let shared = draft
        .commit(&LayerMeta {
            chain_id,
            ..LayerMeta::default()
        })
        .unwrap();

    let mut writer = store.blob_writer().unwrap();
    write!(writer, "blob {}", round % 16).unwrap();
    let (blob, _) = writer.commit(None, None).unwrap();

    let key = Digest::of(format!("{name} {round}").as_bytes());
    let payload = format!("{own} {shared} {blob}");
    store
        .save_record(&[key], &key, payload.as_bytes(), &[own, shared], name)
        .unwrap();
    key
}

/// Checks all that must hold whatever happened, and returns the number of layers.
fn check(store: &Store, saved: &BTreeSet<Digest>) -> usize {
    let mut layers = BTreeSet::new();
    let keys: Vec<Digest> = saved.iter().copied().collect();
    for record in store.find_records(&keys).unwrap() {
        let record = record.expect("what was said to be saved is found");
        let text = String::from_utf8(record.payload).unwrap();
        let mut words = text.split(' ');
        for word in words.by_ref().take(2) {
            let id: LayerId = word.parse().unwrap();
            let dir = store.layer_dir(id).unwrap();
            assert_eq!(fs::read_to_string(dir.join("file0")).unwrap(), "content 0");
            let info = store.layer(id).unwrap();
            assert_eq!(info.entries as usize, fs::read_dir(dir).unwrap().count());
            layers.insert(id);
        }
        store
            .open_blob_verified(&words.next().unwrap().parse().unwrap())
            .unwrap();
    }
    // Of a name that counts, all is there.
    for entry in fs::read_dir(store.root().join("layers")).unwrap() {
        let id: LayerId = entry.unwrap().file_name().to_str().unwrap().parse().unwrap();
        let info = store.layer(id).expect("a layer directory has a row");
        let found = fs::read_dir(store.layer_dir(id).unwrap()).unwrap().count();
        assert_eq!(info.entries as usize, found, "layer {id} is whole");
    }
    for entry in fs::read_dir(store.root().join("blobs/sha256")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        store
            .open_blob_verified(&format!("sha256:{name}").parse().unwrap())
            .unwrap();
    }
    assert_eq!(store.take_notices(), []);
    layers.len()
}

fn said(child: &mut Child) -> BTreeSet<Digest> {
    let out = BufReader::new(child.stdout.take().unwrap());
    // A line that was cut by the kill is no promise.
    out.lines()
        .map_while(Result::ok)
        .filter_map(|line| line.strip_prefix("saved ")?.parse().ok())
        .collect()
}

#[test]
fn eight_processes_on_one_new_store() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("store");
    let mut children: Vec<Child> = (0..8)
        .map(|n| child(&root, &format!("process {n}"), 20))
        .collect();
    let mut saved = BTreeSet::new();
    for child in &mut children {
        saved.append(&mut said(child));
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(saved.len(), 160);
    let store = Store::open(&root).unwrap();
    // 160 of their own, and 16 that all made.
    assert_eq!(check(&store, &saved), 176);
    assert_eq!(fs::read_dir(root.join("layers")).unwrap().count(), 176);
    drop(store);
    assert_eq!(
        fs::read_dir(root.join("tmp")).unwrap().count(),
        0,
        "nothing temporary is left"
    );
}

#[test]
fn killed_processes_leave_nothing_that_counts() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("store");
    let mut saved = BTreeSet::new();
    let mut lost = 0;
    // A plain linear congruence: the moments differ, a failure can be repeated.
    let mut random: u64 = 42;
    for round in 0..40 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let mut children: Vec<Child> = (0..2)
            .map(|n| child(&root, &format!("round {round} process {n}"), u32::MAX))
            .collect();
        std::thread::sleep(Duration::from_micros(3_000 + (random >> 33) % 40_000));
        for child in &mut children {
            child.kill().unwrap();
        }
        for child in &mut children {
            child.wait().unwrap();
            saved.append(&mut said(child));
        }
        let store = Store::open(&root).unwrap();
        let swept = store.sweep().unwrap();
        lost += swept.layers;
        check(&store, &saved);
        saved.insert(build_one(&store, "after", round));
        drop(store);
        assert_eq!(
            fs::read_dir(root.join("tmp")).unwrap().count(),
            0,
            "nothing temporary is left"
        );
    }
    assert!(
        saved.len() > 40,
        "the children came to something: {} records",
        saved.len()
    );
    println!("{} records, {lost} orphaned layers swept", saved.len());
}

#[test]
fn what_dead_processes_left_is_removed_in_the_background() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("store");
    drop(Store::open(&root).unwrap());
    fs::create_dir_all(root.join("tmp/dead/0/fs")).unwrap();
    fs::write(root.join("tmp/dead.lock"), "").unwrap();
    fs::create_dir_all(root.join("layers/zz/fs")).unwrap();
    let store = Store::open(&root).unwrap();
    store.find_record(&Digest::of(b"x")).unwrap();
    assert!(root.join("tmp/dead").exists(), "reading sweeps nothing");
    let _temp = store.temp_dir().unwrap();
    let end = Instant::now() + Duration::from_secs(120);
    while root.join("tmp/dead.lock").exists() {
        assert!(Instant::now() < end, "the background did nothing");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(!root.join("tmp/dead").exists());
    assert!(!root.join("layers/zz").exists());
}

#[test]
fn threads_share_a_store() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let store = store.clone();
            scope.spawn(move || {
                for round in 0..20 {
                    let draft = store.new_layer().unwrap();
                    fs::write(draft.dir().join("f"), "x").unwrap();
                    let id = draft.commit(&LayerMeta::default()).unwrap();
                    let key = Digest::of(format!("{thread} {round}").as_bytes());
                    store
                        .save_record(&[key], &key, id.to_string().as_bytes(), &[id], "")
                        .unwrap();
                    assert!(
                        store.find_record(&key).unwrap().is_some(),
                        "a commit is seen at once"
                    );
                }
            });
        }
    });
    let mut ids = BTreeMap::new();
    for thread in 0..8 {
        for round in 0..20 {
            let key = Digest::of(format!("{thread} {round}").as_bytes());
            ids.insert(store.find_record(&key).unwrap().unwrap().payload, key);
        }
    }
    assert_eq!(ids.len(), 160, "every layer has an id of its own");
}
