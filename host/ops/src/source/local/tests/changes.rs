//! Tests of the index, and of files that change.

use std::time::Duration;

use super::*;

/// Reads a file as a copy does.
fn read(tree: &LocalTree, path: &str) -> Result<(), TreeError> {
    let entry = tree.entry(Path::new(path)).unwrap().unwrap();
    let file = tree.open(&entry)?;
    let digest = tree.must_digest(&entry).then(|| digest_file(&file, 0).unwrap());
    tree.verify(&entry, &file, digest.as_ref())
}

/// Writes a file and gives it back its time.
fn change_secretly(path: &Path, data: &str) {
    let time = std::fs::metadata(path).unwrap().modified().unwrap();
    std::fs::write(path, data).unwrap();
    std::fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(time)
        .unwrap();
}

#[test]
fn files_that_change_during_a_build() {
    let dir = sample();
    let tree = open(dir.path());
    read(&tree, "a.txt").unwrap();
    change_secretly(&dir.path().join("a.txt"), "A.txt");
    let error = read(&tree, "a.txt").unwrap_err();
    assert!(
        matches!(&error, TreeError::Changed(path) if *path == dir.path().join("a.txt")),
        "{error}"
    );
    std::fs::write(dir.path().join("b.md"), "longer than before").unwrap();
    assert!(matches!(read(&tree, "b.md"), Err(TreeError::Changed(_))));
    std::fs::remove_file(dir.path().join("src/main.c")).unwrap();
    assert!(read(&tree, "src/main.c").is_err());
    // Written again with the same content.
    std::fs::write(dir.path().join("src/lib/x.c"), "src/lib/x.c").unwrap();
    read(&tree, "src/lib/x.c").unwrap();
    let entry = tree.entry(Path::new("src/lib/x.c")).unwrap().unwrap();
    let file = tree.open(&entry).unwrap();
    tree.verify(&entry, &file, None).unwrap();
    assert!(matches!(
        tree.verify(&entry, &file, Some(&Digest::of(b"other"))),
        Err(TreeError::Changed(_))
    ));
}

#[test]
fn only_what_changed_is_read() {
    let dir = sample();
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index");
    let open = |source: &LocalSource| LocalTree::open(dir.path(), source, Some(&index), &never).unwrap();
    let all = open(&source());
    assert_eq!((all.read().files, all.read().files_read), (7, 7));
    // Too young to be trusted: changed within the tick of the clock, and nobody could tell.
    change_secretly(&dir.path().join("a.txt"), "A.txt");
    let again = open(&source());
    assert_eq!(again.read().files_read, 7);
    assert_ne!(again.digest(), all.digest());
    assert!(!index.exists(), "nothing worth writing down");

    std::thread::sleep(Duration::from_millis(4100));
    let settled = open(&source());
    assert_eq!((settled.read().files_read, settled.digest()), (7, again.digest()));
    let entry = settled.entry(Path::new("a.txt")).unwrap().unwrap();
    assert!(!settled.must_digest(&entry) && again.must_digest(&entry));
    read(&settled, "a.txt").unwrap();
    let known = open(&source());
    assert_eq!((known.read().files, known.read().files_read), (7, 0));
    assert_eq!(known.digest(), again.digest());

    change_secretly(&dir.path().join("a.txt"), "a.txt");
    assert!(
        matches!(read(&known, "a.txt"), Err(TreeError::Changed(_))),
        "the index does not hide it"
    );
    let changed = open(&source());
    assert_eq!((changed.read().files_read, changed.read().bytes_read), (1, 5));
    assert_eq!(changed.digest(), all.digest());

    // A selection does not make the rest unknown, and files that are gone are forgotten.
    let part = LocalSource {
        include_patterns: list(&["src"]),
        ..source()
    };
    std::fs::remove_file(dir.path().join("b.md")).unwrap();
    assert_eq!(open(&part).read().files_read, 0);
    assert_eq!(open(&source()).read().files_read, 1);
    let everything = LocalSource {
        differ: LocalDiffer::None,
        ..source()
    };
    assert_eq!(open(&everything).read().files_read, 6);
    std::fs::write(&index, "damage").unwrap();
    assert_eq!(open(&source()).read().files_read, 6);
}
