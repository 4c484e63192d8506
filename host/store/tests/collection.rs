//! What garbage collection removes, keeps and counts, with the lives of several store values over one folder.
//! Knows nothing of builds.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use lapstrake_llb::Digest;
use lapstrake_store::{Kind, LayerId, LayerMeta, Limits, PruneOptions, Store, bytes_on_disk};

const ALL: PruneOptions = PruneOptions {
    all: true,
    filters: Vec::new(),
    limits: None,
    dry_run: false,
};

fn layer(store: &Store, bytes: usize) -> LayerId {
    let draft = store.new_layer().unwrap();
    fs::write(draft.dir().join("file"), vec![7; bytes]).unwrap();
    draft.commit(&LayerMeta::default()).unwrap()
}

fn record(store: &Store, name: &str, layers: &[LayerId]) -> Digest {
    let key = Digest::of(name.as_bytes());
    store.save_record(&[key], &key, b"payload", layers, name).unwrap();
    key
}

fn count(root: &Path, folder: &str) -> usize {
    fs::read_dir(root.join(folder)).unwrap().count()
}

#[track_caller]
fn assert_sums_up(store: &Store) {
    let told: u64 = store.usage().unwrap().iter().map(|item| item.bytes).sum();
    let real = bytes_on_disk(store.root()).unwrap();
    assert!(told.abs_diff(real) <= 16 << 10, "{told} told, {real} on disk");
}

#[test]
fn what_another_may_use_waits_for_it() {
    let home = tempfile::tempdir().unwrap();
    let builder = Store::open(home.path()).unwrap();
    let layer = layer(&builder, 100_000);
    let key = record(&builder, "a", &[layer]);
    let blob = builder.put_blob(b"content").unwrap();

    let collector = Store::open(home.path()).unwrap();
    let pruned = collector.prune(&ALL).unwrap();
    assert!(pruned.waiting >= 100_000, "{pruned:?}");
    // Nobody finds it any more, and who has it can still use it.
    assert_eq!(builder.find_record(&key).unwrap(), None);
    assert!(!Store::open(home.path()).unwrap().layer_exists(layer).unwrap());
    assert!(builder.layer_dir(layer).unwrap().join("file").exists());
    assert_sums_up(&collector);
    // A second collection changes nothing as long as the builder lives.
    assert!(collector.prune(&ALL).unwrap().waiting >= 100_000);
    // What is wanted again is spared.
    assert!(builder.has_blob(&blob));
    drop(builder);
    let pruned = collector
        .prune(&PruneOptions {
            filters: vec![],
            all: false,
            ..ALL
        })
        .unwrap();
    assert_eq!(pruned.waiting, 0);
    assert!(pruned.freed >= 100_000, "{pruned:?}");
    assert_eq!(count(home.path(), "layers"), 0);
    assert!(collector.has_blob(&blob));
    assert_eq!(count(home.path(), "tmp"), 2, "the session of the collector");
}

#[test]
fn a_record_saved_meanwhile_spares_its_layers() {
    let home = tempfile::tempdir().unwrap();
    let builder = Store::open(home.path()).unwrap();
    let base = layer(&builder, 10_000);
    record(&builder, "base", &[base]);
    let collector = Store::open(home.path()).unwrap();
    collector.prune(&ALL).unwrap();
    let top = layer(&builder, 10_000);
    let key = record(&builder, "top", &[base, top]);
    drop(builder);
    // A filter that nothing meets: only what is condemned goes.
    collector
        .prune(&PruneOptions {
            all: false,
            limits: Some(Limits::default()),
            ..ALL
        })
        .unwrap();
    assert!(collector.find_record(&key).unwrap().is_some());
    assert!(collector.layer_dir(base).unwrap().join("file").exists());
    assert!(collector.layer_dir(top).unwrap().join("file").exists());
}

#[test]
fn files_of_several_layers_count_once_and_the_cap_is_of_real_bytes() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let first = layer(&store, 1_000_000);
    record(&store, "0", &[first]);
    for n in 1..10 {
        let draft = store.new_layer().unwrap();
        fs::hard_link(
            store.layer_dir(first).unwrap().join("file"),
            draft.dir().join("file"),
        )
        .unwrap();
        fs::write(draft.dir().join("own"), vec![n; 50_000]).unwrap();
        let layer = draft.commit(&LayerMeta::default()).unwrap();
        record(&store, &n.to_string(), &[layer]);
        assert_sums_up(&store);
    }
    let limits = |max| Limits {
        max_used: Some(max),
        ..Limits::default()
    };
    // All of it is less than three megabytes, though ten layers have the large file.
    assert!(store.collect(&limits(3_000_000)).unwrap().is_none());
    assert_eq!(count(home.path(), "layers"), 10);
    // The large file stays as long as one has it: nearly all have to go.
    store.collect(&limits(1_500_000)).unwrap().unwrap();
    let real = bytes_on_disk(home.path()).unwrap();
    assert!(real <= 1_600_000, "{real}");
    assert_sums_up(&store);
}

#[test]
fn locks_of_killed_processes_and_unused_repositories_go() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    for folder in ["git/used", "git/unused", "locks", "tmp/dead"] {
        fs::create_dir_all(home.path().join(folder)).unwrap();
        fs::write(home.path().join(folder).join("left"), "x").unwrap();
    }
    let held = fs::File::create(home.path().join("locks/git-used")).unwrap();
    held.lock().unwrap();
    assert_sums_up(&store);
    let kinds: Vec<Kind> = store.usage().unwrap().iter().map(|item| item.kind).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == Kind::SourceGit).count(), 2);
    store.prune(&ALL).unwrap();
    assert!(home.path().join("git/used/left").exists());
    assert!(!home.path().join("git/unused").exists());
    assert!(!home.path().join("locks/left").exists());
    assert!(home.path().join("locks/git-used").exists());
    assert_eq!(count(home.path(), "locks"), 1);
}

#[test]
fn a_collector_that_was_killed_is_finished_by_the_next() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let ids: Vec<_> = (0..3).map(|n| (n, layer(&store, 10_000))).collect();
    for (n, id) in &ids {
        record(&store, &n.to_string(), &[*id]);
    }
    let db = rusqlite::Connection::open(home.path().join("db.sqlite")).unwrap();
    // Killed after it condemned one, and after it removed the row of another.
    db.execute_batch(
        "UPDATE meta SET value = '5' WHERE key = 'epoch';
         DELETE FROM records; UPDATE layers SET condemned = 5 WHERE id = 1; DELETE FROM layers WHERE id = 2;",
    )
    .unwrap();
    drop((db, store));
    let store = Store::open(home.path()).unwrap();
    assert_sums_up(&store);
    let none = PruneOptions {
        limits: Some(Limits::default()),
        ..ALL
    };
    store.prune(&none).unwrap();
    assert_eq!(count(home.path(), "layers"), 1);
    assert_sums_up(&store);
}
