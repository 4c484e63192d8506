//! Damaged blobs, records and databases, lost files, a full disk.
//! Knows nothing of how a build goes on after them.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use lapstrake_llb::Digest;
use lapstrake_store::{Error, LayerMeta, Notice, Store};

fn put(store: &Store, data: &[u8]) -> Digest {
    let mut writer = store.blob_writer().unwrap();
    writer.write_all(data).unwrap();
    writer.commit(None, None).unwrap().0
}

/// Lets the store believe that the machine was booted since.
fn boot_again(root: &Path) {
    let db = rusqlite::Connection::open(root.join("db.sqlite")).unwrap();
    db.execute("UPDATE meta SET value = 'another boot' WHERE key = 'boot'", [])
        .unwrap();
}

#[test]
fn a_corrupt_blob_is_found_said_and_removed() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let digest = put(&store, b"content");
    assert!(store.open_blob_verified(&digest).is_ok());
    fs::write(store.blob_path(&digest), "contend").unwrap();
    let error = store.open_blob_verified(&digest).unwrap_err();
    assert!(
        matches!(error, Error::CorruptBlob { digest: found, .. } if found == digest),
        "{error}"
    );
    assert!(!store.has_blob(&digest));
    assert_eq!(store.take_notices(), [Notice::CorruptBlob(digest)]);
    assert!(matches!(store.open_blob(&digest), Err(Error::NoSuchBlob(_))));
    assert_eq!(put(&store, b"content"), digest);
    assert!(store.open_blob_verified(&digest).is_ok());
}

#[test]
fn a_corrupt_blob_is_found_in_one_pass() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let digest = put(&store, b"content");
    let mut data = Vec::new();
    store.read_blob(&digest).unwrap().read_to_end(&mut data).unwrap();
    assert_eq!(data, b"content");
    fs::write(store.blob_path(&digest), "short").unwrap();
    let error = store
        .read_blob(&digest)
        .unwrap()
        .read_to_end(&mut data)
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>());
    assert!(matches!(cause, Some(Error::CorruptBlob { .. })), "{error:?}");
    assert!(!store.has_blob(&digest));
}

#[test]
fn content_that_is_not_what_was_expected_is_not_kept() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let expected = Digest::of(b"expected");
    let mut writer = store.blob_writer().unwrap();
    writer.write_all(b"other").unwrap();
    let error = writer.commit(Some(&expected), None).unwrap_err();
    assert!(matches!(error, Error::DigestMismatch { .. }), "{error}");
    let mut writer = store.blob_writer().unwrap();
    writer.write_all(b"expected").unwrap();
    let error = writer.commit(Some(&expected), Some(9)).unwrap_err();
    assert!(
        matches!(
            error,
            Error::SizeMismatch {
                expected: 9,
                actual: 8
            }
        ),
        "{error}"
    );
    assert_eq!(
        fs::read_dir(store.root().join("blobs/sha256")).unwrap().count(),
        0
    );
}

#[test]
fn a_corrupt_record_is_found_said_and_removed() {
    let home = tempfile::tempdir().unwrap();
    let key = Digest::of(b"key");
    let store = Store::open(home.path()).unwrap();
    store
        .save_record(&[key], &key, b"payload", &[], "a step")
        .unwrap();
    rusqlite::Connection::open(home.path().join("db.sqlite"))
        .unwrap()
        .execute("UPDATE records SET payload = x'00'", [])
        .unwrap();
    assert_eq!(store.find_record(&key).unwrap(), None);
    assert_eq!(store.take_notices(), [Notice::CorruptRecord(key)]);
    store
        .save_record(&[key], &key, b"payload", &[], "a step")
        .unwrap();
    assert_eq!(store.find_record(&key).unwrap().unwrap().payload, b"payload");
}

#[test]
fn after_a_crash_of_the_machine_what_was_lost_is_found() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let (good, bad) = (put(&store, b"good"), put(&store, b"bad"));
    let mut layers = Vec::new();
    for _ in 0..2 {
        let draft = store.new_layer().unwrap();
        fs::create_dir(draft.dir().join("dir")).unwrap();
        fs::write(draft.dir().join("dir/file"), "content").unwrap();
        layers.push(draft.commit(&LayerMeta::default()).unwrap());
    }
    let key = Digest::of(b"key");
    store.save_record(&[key], &key, b"", &layers, "").unwrap();
    fs::write(store.layer_dir(layers[1]).unwrap().join("dir/file"), "").unwrap();
    truncate_unseen(&store.blob_path(&bad));
    assert!(store.open_blob(&bad).is_ok(), "the machine has not crashed");
    drop(store);

    boot_again(home.path());
    let store = Store::open(home.path()).unwrap();
    assert!(store.open_blob(&good).is_ok());
    assert!(matches!(store.open_blob(&bad), Err(Error::CorruptBlob { .. })));
    assert!(store.layer_dir(layers[0]).is_ok());
    assert!(matches!(store.layer_dir(layers[1]), Err(Error::DamagedLayer(_))));
    assert_eq!(
        store.take_notices(),
        [Notice::CorruptBlob(bad), Notice::DamagedLayer(layers[1])]
    );
    assert_eq!(
        store.find_record(&key).unwrap(),
        None,
        "a record goes with its layers"
    );
    assert!(matches!(store.layer_dir(layers[1]), Err(Error::NoSuchLayer(_))));
    drop(store);

    // What was checked once is not checked again.
    let store = Store::open(home.path()).unwrap();
    truncate_unseen(&store.blob_path(&good));
    assert!(store.open_blob(&good).is_ok());
    // What somebody has written to is.
    fs::write(store.blob_path(&good), "").unwrap();
    assert!(matches!(store.open_blob(&good), Err(Error::CorruptBlob { .. })));
}

/// Empties a file as a crash of the machine may: its time stays.
fn truncate_unseen(path: &Path) {
    let time = fs::metadata(path).unwrap().modified().unwrap();
    let file = fs::File::create(path).unwrap();
    file.set_modified(time).unwrap();
}

#[test]
fn a_layer_whose_files_are_gone_is_found_said_and_removed() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let layer = store.new_layer().unwrap().commit(&LayerMeta::default()).unwrap();
    let key = Digest::of(b"key");
    store.save_record(&[key], &key, b"", &[layer], "").unwrap();
    fs::remove_dir_all(home.path().join("layers").join(layer.to_string())).unwrap();
    assert!(matches!(store.layer_dir(layer), Err(Error::DamagedLayer(_))));
    assert_eq!(store.take_notices(), [Notice::DamagedLayer(layer)]);
    assert_eq!(store.find_record(&key).unwrap(), None);
}

/// A store with so many records, each of a layer, that its database has many pages.
fn with_records(root: &Path, count: u32) -> Vec<Digest> {
    let store = Store::open(root).unwrap();
    (0..count)
        .map(|n| {
            let key = Digest::of(&n.to_le_bytes());
            let draft = store.new_layer().unwrap();
            fs::write(draft.dir().join("file"), n.to_string()).unwrap();
            let layer = draft.commit(&LayerMeta::default()).unwrap();
            store
                .save_record(&[key], &key, &[n as u8; 1000], &[layer], "")
                .unwrap();
            key
        })
        .collect()
}

/// Moves the log into the database, so that damage to the file counts.
fn settle(root: &Path) {
    let db = rusqlite::Connection::open(root.join("db.sqlite")).unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
}

#[test]
fn a_damaged_database_is_mended_with_what_can_be_read() {
    use std::os::unix::fs::FileExt;
    let home = tempfile::tempdir().unwrap();
    let keys = with_records(home.path(), 200);
    settle(home.path());
    let path = home.path().join("db.sqlite");
    let pages = fs::metadata(&path).unwrap().len() / 4096;
    assert!(pages > 60, "{pages}");
    let whole = fs::read(&path).unwrap();
    let mut found = Vec::new();
    for damaged in (1..pages).step_by(7) {
        for name in ["db.sqlite-wal", "db.sqlite-shm"] {
            let _ = fs::remove_file(home.path().join(name));
        }
        fs::write(&path, &whole).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.write_all_at(&[0xaa; 4096], damaged * 4096).unwrap();
        drop(file);
        // Found at the opening or when the page is read; after that the store works, whatever the page was.
        let look = || -> lapstrake_store::Result<usize> {
            let store = Store::open(home.path())?;
            let records = store.find_records(&keys)?;
            let mut good = 0;
            for record in records.into_iter().flatten() {
                assert_eq!(record.payload.len(), 1000);
                good += 1;
            }
            store.save_record(&keys[..1], &keys[0], b"again", &[], "")?;
            store.usage()?;
            Ok(good)
        };
        let good = match look() {
            Err(Error::DamagedDatabase { .. }) => look().unwrap(),
            other => other.unwrap(),
        };
        found.push(good);
    }
    let best = found.iter().max().unwrap();
    assert!(*best >= 190, "one page holds few records: {found:?}");
    assert!(
        found.iter().filter(|count| **count >= 150).count() > found.len() / 2,
        "most rows survive: {found:?}"
    );
}

#[test]
fn a_truncated_database_is_mended_and_its_layers_are_not_mixed_up() {
    let home = tempfile::tempdir().unwrap();
    let keys = with_records(home.path(), 50);
    settle(home.path());
    let path = home.path().join("db.sqlite");
    let length = fs::metadata(&path).unwrap().len();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(length / 3)
        .unwrap();
    let open = || -> lapstrake_store::Result<Store> {
        let store = Store::open(home.path())?;
        store.find_records(&keys)?;
        store.usage()?;
        Ok(store)
    };
    let store = match open() {
        Err(Error::DamagedDatabase { .. }) => open().unwrap(),
        other => other.unwrap(),
    };
    // A new layer gets no name that a lost one had.
    let layer = store.new_layer().unwrap().commit(&LayerMeta::default()).unwrap();
    assert!(layer > "1e".parse().unwrap(), "{layer}");
    store
        .prune(&lapstrake_store::PruneOptions {
            all: true,
            ..Default::default()
        })
        .unwrap();
    assert_eq!(fs::read_dir(home.path().join("layers")).unwrap().count(), 0);
}

/// What a crash of the machine just after the store was made may leave: the file without the data that was not yet on the
/// disk, with or without a log of commits.
#[test]
fn a_database_that_a_crash_left_empty_is_made_again() {
    for log in [true, false] {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        put(&store, b"lost");
        let layer = store.new_layer().unwrap().commit(&LayerMeta::default()).unwrap();
        drop(store);
        let database = root.path().join("db.sqlite");
        fs::File::options()
            .write(true)
            .open(&database)
            .unwrap()
            .set_len(0)
            .unwrap();
        if !log {
            fs::write(root.path().join("db.sqlite-wal"), b"").unwrap();
        }
        let store = Store::open(root.path()).unwrap();
        assert!(store.layer_dir(layer).is_err());
        let digest = put(&store, b"new");
        assert!(store.has_blob(&digest));
    }
}

#[test]
fn a_database_in_use_is_not_replaced() {
    let home = tempfile::tempdir().unwrap();
    let keys = with_records(home.path(), 3);
    let other = Store::open(home.path()).unwrap();
    fs::write(home.path().join("db.found-damaged"), "").unwrap();
    let error = Store::open(home.path()).unwrap_err();
    assert!(matches!(error, Error::DamagedInUse { .. }), "{error:?}");
    drop(other);
    let store = Store::open(home.path()).unwrap();
    assert_eq!(store.take_notices().len(), 1);
    assert!(store.find_records(&keys).unwrap().iter().all(Option::is_some));
}

#[test]
fn a_blob_without_a_row_is_checked_before_it_is_used() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap();
    let (good, bad) = (Digest::of(b"good"), Digest::of(b"bad"));
    fs::write(store.blob_path(&good), "good").unwrap();
    fs::write(store.blob_path(&bad), "something else").unwrap();
    assert!(store.open_blob(&good).is_ok());
    assert!(matches!(store.open_blob(&bad), Err(Error::CorruptBlob { .. })));
}

#[test]
fn a_database_that_is_none_of_ours_is_set_aside_or_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("db.sqlite");
    fs::write(
        &path,
        "this is not a database, but it is long enough to be taken for one".repeat(40),
    )
    .unwrap();
    let store = Store::open(home.path()).unwrap();
    assert!(matches!(
        store.take_notices().as_slice(),
        [Notice::MendedDatabase { rows: 0, .. }]
    ));
    let aside = fs::read_to_string(home.path().join("db.sqlite.damaged")).unwrap();
    assert!(aside.starts_with("this is not a database"));
    drop(store);

    fs::remove_file(&path).unwrap();
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE t (x); PRAGMA user_version=1")
        .unwrap();
    let error = Store::open(home.path()).unwrap_err();
    assert!(matches!(error, Error::ForeignDatabase { .. }), "{error:?}");
}

#[test]
fn a_store_that_was_only_begun_is_finished() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("db.sqlite"), "").unwrap();
    let store = Store::open(home.path()).unwrap();
    let digest = put(&store, b"content");
    assert!(store.open_blob(&digest).is_ok());
}

#[test]
fn a_store_of_a_later_program_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    drop(Store::open(home.path()).unwrap());
    let db = rusqlite::Connection::open(home.path().join("db.sqlite")).unwrap();
    db.execute_batch("PRAGMA user_version=99").unwrap();
    drop(db);
    let error = Store::open(home.path()).unwrap_err();
    assert!(matches!(error, Error::NewerFormat { found: 99, .. }), "{error:?}");
}

/// A small file system, unmounted at the end.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    #[allow(clippy::print_stdout, reason = "says why a test was skipped")]
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let flags = rustix::mount::MountFlags::empty();
        match rustix::mount::mount("tmpfs", dir.path(), "tmpfs", flags, c"size=1m") {
            Ok(()) => Some(Self(dir)),
            Err(error) => {
                println!("skipped: cannot mount a tmpfs: {error}");
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(self.0.path(), rustix::mount::UnmountFlags::DETACH);
    }
}

#[test]
fn a_full_disk_is_an_error_that_loses_nothing() {
    let Some(disk) = SmallDisk::mount() else { return };
    let root = disk.0.path().join("store");
    let store = Store::open(&root).unwrap();
    let digest = put(&store, b"content");
    let draft = store.new_layer().unwrap();
    fs::write(draft.dir().join("file"), "x").unwrap();
    let layer = draft.commit(&LayerMeta::default()).unwrap();
    let key = Digest::of(b"key");
    store.save_record(&[key], &key, b"payload", &[layer], "").unwrap();

    let mut writer = store.blob_writer().unwrap();
    let mut full = None;
    for _ in 0..64 {
        if let Err(error) = writer.write_all(&[7; 64 * 1024]) {
            full = Some(error);
            break;
        }
    }
    assert_eq!(
        full.expect("a megabyte is full").kind(),
        io::ErrorKind::StorageFull
    );
    // The rest is taken too, so that the database cannot grow.
    let filler = disk.0.path().join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 512]).is_ok() {}
    let mut failed = None;
    for n in 0..2000u32 {
        let key = Digest::of(&n.to_le_bytes());
        if let Err(error) = store.save_record(&[key], &key, &[0; 4096], &[], "") {
            failed = Some(error);
            break;
        }
    }
    let failed = failed.expect("the database cannot grow for ever");
    assert!(failed.is_disk_full(), "{failed:?}");

    drop(writer);
    fs::remove_file(&filler).unwrap();
    assert!(store.open_blob_verified(&digest).is_ok());
    assert_eq!(store.find_record(&key).unwrap().unwrap().payload, b"payload");
    assert!(store.layer_dir(layer).unwrap().join("file").exists());
    put(&store, b"there is room again");
    drop(store);
    let store = Store::open(&root).unwrap();
    assert_eq!(store.find_record(&key).unwrap().unwrap().payload, b"payload");
    assert_eq!(fs::read_dir(root.join("blobs/sha256")).unwrap().count(), 2);
}
