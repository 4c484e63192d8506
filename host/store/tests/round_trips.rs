//! What is stored is found again: layers, records, values, times of use; and what opening costs.
//! Knows nothing of damage (damage.rs) and other processes (processes.rs).

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use lapstrake_llb::Digest;
use lapstrake_store::compress::Compression;
use lapstrake_store::{BlobDescriptor, Error, LayerBlob, LayerId, LayerMeta, LazyLayer, Store, Tree};

fn descriptor(text: &str) -> BlobDescriptor {
    BlobDescriptor {
        media_type: "application/x".to_owned(),
        digest: Digest::of(text.as_bytes()),
        size: 7,
    }
}

fn lazy(name: &str) -> LazyLayer {
    LazyLayer {
        chain_id: Digest::of(format!("{name} chain").as_bytes()),
        diff_id: Digest::of(format!("{name} diff").as_bytes()),
        compression: Compression::Gzip,
        descriptor: descriptor(name),
        origin: "{}".to_owned(),
        below: None,
        description: name.to_owned(),
    }
}

fn layer(store: &Store, content: &str) -> LayerId {
    let draft = store.new_layer().unwrap();
    fs::write(draft.dir().join("file"), content).unwrap();
    draft.commit(&LayerMeta::default()).unwrap()
}

#[test]
fn layer_ids_are_short_and_come_back() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let ids: Vec<LayerId> = (0..40).map(|_| layer(&store, "x")).collect();
    assert_eq!(ids[0].to_string(), "1");
    assert_eq!(ids[35].to_string(), "10");
    for id in &ids {
        assert_eq!(id.to_string().parse::<LayerId>().unwrap(), *id);
    }
    for text in [
        "",
        "0",
        "01",
        "A",
        "-1",
        "+1",
        "1 ",
        "ä",
        "zzzzzzzzzzzzzzzz",
        "../1",
    ] {
        assert!(
            matches!(text.parse::<LayerId>(), Err(Error::ParseLayerId(_))),
            "{text:?}"
        );
    }
    let tree = Tree { layers: ids };
    let bytes = postcard::to_allocvec(&tree).unwrap();
    assert!(bytes.len() < 80, "a number each: {}", bytes.len());
    assert_eq!(postcard::from_bytes::<Tree>(&bytes).unwrap(), tree);
}

#[test]
fn a_layer_is_committed_with_its_files() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let draft = store.new_layer().unwrap();
    let dir = draft.dir().to_owned();
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o7777, 0o755);
    fs::create_dir(dir.join("sub")).unwrap();
    fs::write(dir.join("sub/file"), "four").unwrap();
    fs::write(draft.work_dir().unwrap().join("scratch"), "not part of it").unwrap();
    let id = draft
        .commit(&LayerMeta {
            description: "a step".to_owned(),
            ..LayerMeta::default()
        })
        .unwrap();
    assert!(!dir.exists());
    let found = store.layer_dir(id).unwrap();
    assert_eq!(found, home.path().join("layers/1/fs"));
    assert_eq!(fs::read_to_string(found.join("sub/file")).unwrap(), "four");
    assert_eq!(fs::read_dir(home.path().join("layers/1")).unwrap().count(), 1);
    let info = store.layer(id).unwrap();
    assert_eq!(
        (info.unpacked, info.bytes, info.entries, info.diff_id),
        (true, 4, 2, None)
    );
    assert_eq!(info.description, "a step");
    assert_eq!(store.tree_dirs(&Tree { layers: vec![id] }).unwrap(), [found]);

    store.remove_layer(id).unwrap();
    assert!(!home.path().join("layers/1").exists());
    assert!(!store.layer_exists(id).unwrap());
    assert!(matches!(store.layer_dir(id), Err(Error::NoSuchLayer(_))));
    assert_ne!(layer(&store, "y"), id, "ids are not used again");
}

#[test]
fn a_dropped_draft_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let draft = store.new_layer().unwrap();
    fs::write(draft.dir().join("file"), "x").unwrap();
    let temp = store.temp_dir().unwrap();
    let path = temp.path().to_owned();
    drop((draft, temp));
    assert!(!path.exists());
    drop(store);
    assert_eq!(fs::read_dir(home.path().join("layers")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(home.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn lazy_layers_are_filled_once() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let ids = store.add_lazy_layers(&[lazy("one"), lazy("two")]).unwrap();
    assert_eq!(store.add_lazy_layers(&[lazy("one"), lazy("two")]).unwrap(), ids);
    assert_eq!(store.add_lazy_layer(&lazy("two")).unwrap(), ids[1]);
    let info = store.layer(ids[0]).unwrap();
    assert!(!info.unpacked);
    assert_eq!(info.diff_id, Some(Digest::of(b"one diff")));
    assert_eq!(info.blobs.len(), 1);
    assert!(info.blobs[0].original);
    assert_eq!(info.blobs[0].descriptor, descriptor("one"));
    assert!(matches!(store.layer_dir(ids[0]), Err(Error::NotUnpacked(_))));

    let moved = LazyLayer {
        origin: "elsewhere".to_owned(),
        ..lazy("one")
    };
    assert_eq!(store.add_lazy_layer(&moved).unwrap(), ids[0]);
    assert_eq!(store.layer(ids[0]).unwrap().origin.as_deref(), Some("elsewhere"));

    // A directory that somebody left who was killed before the row was written.
    fs::create_dir_all(
        home.path()
            .join("layers")
            .join(ids[0].to_string())
            .join("fs/half"),
    )
    .unwrap();
    for content in ["first", "second"] {
        let draft = store.new_layer().unwrap();
        fs::write(draft.dir().join("file"), content).unwrap();
        store.fill_layer(ids[0], draft).unwrap();
        assert_eq!(
            fs::read_to_string(store.layer_dir(ids[0]).unwrap().join("file")).unwrap(),
            "first"
        );
    }
    assert!(!store.layer_dir(ids[0]).unwrap().join("half").exists());

    // Committing under the chain id of a lazy layer fills that one.
    let draft = store.new_layer().unwrap();
    let meta = LayerMeta {
        chain_id: Some(lazy("two").chain_id),
        ..LayerMeta::default()
    };
    assert_eq!(draft.commit(&meta).unwrap(), ids[1]);
    assert!(store.layer(ids[1]).unwrap().unpacked);

    store.remove_layer(ids[1]).unwrap();
    let error = store.fill_layer(ids[1], store.new_layer().unwrap()).unwrap_err();
    assert!(matches!(error, Error::NoSuchLayer(_)), "{error}");
}

#[test]
fn archives_of_a_layer_are_remembered() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let id = layer(&store, "x");
    let blob = |compression, text| LayerBlob {
        compression,
        descriptor: descriptor(text),
        diff_id: Digest::of(b"tar"),
        level: None,
        original: false,
    };
    let set = |id, blob: &LayerBlob| store.set_layer_blob(id, blob);
    set(id, &blob(Compression::Gzip, "old")).unwrap();
    set(id, &blob(Compression::Gzip, "new")).unwrap();
    let strong = LayerBlob {
        level: Some(19),
        ..blob(Compression::Zstd, "zstd")
    };
    set(id, &strong).unwrap();
    let info = store.layer(id).unwrap();
    assert_eq!(info.diff_id, Some(Digest::of(b"tar")));
    assert_eq!(info.blobs, [blob(Compression::Gzip, "new"), strong]);

    let pulled = store.add_lazy_layer(&lazy("pulled")).unwrap();
    set(pulled, &blob(Compression::Gzip, "again")).unwrap();
    let blobs = store.layer(pulled).unwrap().blobs;
    let original: Vec<bool> = blobs.iter().map(|b| b.original).collect();
    assert_eq!(original, [true, false], "the original stays");
    assert_eq!(blobs[0].descriptor, descriptor("pulled"));

    store.remove_layer(id).unwrap();
    let error = store
        .set_layer_blob(id, &blob(Compression::Gzip, "new"))
        .unwrap_err();
    assert!(matches!(error, Error::NoSuchLayer(_)), "{error}");
}

#[test]
fn records_are_found_by_any_key_and_go_with_their_layers() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let key = |n: u8| Digest::of(&[n]);
    let id = layer(&store, "x");
    store
        .save_record(&[key(1), key(2)], &key(1), b"one", &[id, id], "first")
        .unwrap();
    store
        .save_record(&[key(3)], &key(3), b"three", &[], "second")
        .unwrap();
    assert_eq!(store.find_record(&key(2)).unwrap().unwrap().id, key(1));
    let found = store.find_records(&[key(9), key(3), key(1)]).unwrap();
    let payloads: Vec<Option<Vec<u8>>> = found.into_iter().map(|r| r.map(|r| r.payload)).collect();
    assert_eq!(payloads, [None, Some(b"three".to_vec()), Some(b"one".to_vec())]);

    // The keys stay when the payload is replaced.
    store
        .save_record(&[key(1)], &key(1), b"uno", &[id], "first")
        .unwrap();
    assert_eq!(store.find_record(&key(2)).unwrap().unwrap().payload, b"uno");
    store.add_record_keys(&key(1), &[key(4)]).unwrap();
    assert_eq!(store.find_record(&key(4)).unwrap().unwrap().payload, b"uno");

    // A record that lost its last key is gone.
    store.save_record(&[key(3)], &key(5), b"five", &[], "").unwrap();
    assert_eq!(store.find_record(&key(3)).unwrap().unwrap().payload, b"five");
    store.add_record_keys(&key(3), &[key(6)]).unwrap();
    assert_eq!(store.find_record(&key(6)).unwrap(), None);

    store.remove_layer(id).unwrap();
    assert_eq!(store.find_record(&key(1)).unwrap(), None);
    let error = store.save_record(&[key(7)], &key(7), b"", &[id], "").unwrap_err();
    assert!(matches!(error, Error::NoSuchLayer(_)), "{error}");
    assert_eq!(store.find_record(&key(7)).unwrap(), None);
    store.remove_record(&key(5)).unwrap();
    assert_eq!(store.find_record(&key(3)).unwrap(), None);
}

#[test]
fn values_and_names_of_files() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    assert_eq!(store.get_value("config", "a").unwrap(), None);
    store.set_value("config", "a", b"1").unwrap();
    store.set_value("config", "a", b"2").unwrap();
    store.set_value("other", "a", b"3").unwrap();
    assert_eq!(store.get_value("config", "a").unwrap().unwrap(), b"2");
    store.remove_value("config", "a").unwrap();
    assert_eq!(store.get_value("config", "a").unwrap(), None);
    assert_eq!(store.get_value("other", "a").unwrap().unwrap(), b"3");
    assert_eq!(
        store.index_file("plain-name.v1"),
        home.path().join("index/plain-name.v1")
    );
    for name in ["", "..", "a/b", ".hidden", &"x".repeat(300)] {
        let path = store.index_file(name);
        assert_eq!(path.parent().unwrap(), home.path().join("index"), "{name:?}");
        assert_eq!(path.file_name().unwrap().len(), 64);
    }
    assert!(store.compiled_dir().is_dir());
}

fn used(root: &std::path::Path) -> (i64, i64) {
    let db = rusqlite::Connection::open(root.join("db.sqlite")).unwrap();
    db.query_row(
        "SELECT (SELECT used FROM records), (SELECT used FROM layers)",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
    .unwrap()
}

#[test]
fn times_of_use_are_written_at_the_end() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let (key, id) = (Digest::of(b"key"), layer(&store, "x"));
    store.save_record(&[key], &key, b"", &[id], "").unwrap();
    let fresh = used(home.path());
    let db = rusqlite::Connection::open(home.path().join("db.sqlite")).unwrap();
    db.execute_batch("UPDATE records SET used = 1000; UPDATE layers SET used = 1000")
        .unwrap();
    drop(db);
    store.find_record(&key).unwrap();
    assert_eq!(used(home.path()), (1000, 1000), "not at every lookup");
    drop(store);
    let after = used(home.path());
    assert!(
        after.0 >= fresh.0 && after.1 >= fresh.1,
        "a record's layers are used with it: {after:?}"
    );
}

#[test]
fn a_build_that_only_reads_writes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let (key, id) = (Digest::of(b"key"), layer(&store, "x"));
    store.save_record(&[key], &key, b"", &[id], "").unwrap();
    drop(store);
    let log = home.path().join("db.sqlite-wal");
    let before = fs::read(&log).unwrap();
    let store = Store::open(home.path()).unwrap();
    assert!(store.find_record(&key).unwrap().is_some());
    store.layer_dir(id).unwrap();
    drop(store);
    assert!(fs::read(&log).unwrap() == before, "the log is untouched");
    assert_eq!(fs::read_dir(home.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn opening_is_cheap_however_much_there_is() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    for n in 0..500u32 {
        let key = Digest::of(&n.to_le_bytes());
        let id = layer(&store, "x");
        store.save_record(&[key], &key, b"payload", &[id], "").unwrap();
    }
    drop(store);
    // All that is read, by whatever call, and of what size that is.
    let read = || {
        let text = fs::read_to_string("/proc/thread-self/io").unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("rchar: "));
        line.unwrap().parse::<u64>().unwrap()
    };
    let cost = |root: &std::path::Path| {
        let before = read();
        drop(Store::open(root).unwrap());
        read() - before
    };
    let empty = tempfile::tempdir().unwrap();
    drop(Store::open(empty.path()).unwrap());
    let (with, without) = (cost(home.path()), cost(empty.path()));
    assert!(
        with <= without + (16 << 10),
        "{with} bytes are read, and {without} where nothing is"
    );
}
