//! Damage in the store, and a full disk: it is found, said, and made good.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use lapstrake_tests::disk::{SmallDisk, usage};
use lapstrake_tests::{Place, Ran, can_run_containers, skip};

const TEXT: &str = "FROM base\nCOPY a /a\nRUN cat /a > /b; head -c 100000 /dev/zero > /zeros\n";

/// Builds to an OCI archive and returns its bytes.
fn export(place: &Place) -> (Vec<u8>, Ran) {
    let path = place.path("out/image.tar");
    let ran = place
        .build(&["-o", &format!("type=oci,dest={}", path.display())])
        .ok();
    (fs::read(path).unwrap(), ran)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

/// Changes a byte in the middle.
fn damage(path: &Path) {
    let length = fs::metadata(path).unwrap().len();
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, length / 2).unwrap();
    file.write_all_at(&[byte[0] ^ 0x55], length / 2).unwrap();
}

#[test]
fn corrupt_blobs_are_said_and_made_again() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile(TEXT).file("a", "1");
    let (first, _) = export(&place);
    let blobs = files(&place.state().join("blobs"));
    assert!(blobs.len() >= 3, "{blobs:?}");
    blobs.iter().for_each(|blob| damage(blob));
    let (second, ran) = export(&place);
    assert!(ran.stderr.contains("warning: blob sha256:"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("was corrupt and has been removed"),
        "{}",
        ran.stderr
    );
    assert!(first == second, "the image is another one");
    let (third, ran) = export(&place);
    assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
    assert!(first == third);
}

#[test]
fn lost_layers_are_said_and_made_again() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile(TEXT).file("a", "1");
    place.build(&[]).ok();
    for layer in fs::read_dir(place.state().join("layers")).unwrap() {
        fs::remove_dir_all(layer.unwrap().path()).unwrap();
    }
    let (out, ran) = place.build_local(&[]);
    assert!(ran.stderr.contains("warning: layer"), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(out.join("b")).unwrap(), "1");
    let (_, ran) = place.build_local(&[]);
    assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
    place.assert_clean();
}

#[test]
fn a_damaged_database_is_mended_whatever_is_wrong_with_it() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let path = place.state().join("db.sqlite");
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 5] = [
        ("garbage", |path| fs::write(path, [0x5a; 50_000]).unwrap()),
        ("cut off", |path| {
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_len(fs::metadata(path).unwrap().len() / 2).unwrap();
        }),
        ("a bad header", |path| {
            let file = fs::File::options().write(true).open(path).unwrap();
            file.write_all_at(b"nonsense", 0).unwrap();
        }),
        ("bad pages", |path| {
            let file = fs::File::options().write(true).open(path).unwrap();
            for page in (1..fs::metadata(path).unwrap().len() / 4096).step_by(3) {
                file.write_all_at(&[0xee; 4096], page * 4096).unwrap();
            }
        }),
        ("gone", |path| fs::remove_file(path).unwrap()),
    ];
    for (number, (name, harm)) in harms.into_iter().enumerate() {
        place
            .dockerfile(&format!("{TEXT}RUN echo {number} > /number\n"))
            .file("a", "1");
        place.build(&[]).ok();
        // Pruning moves the log into the file.
        place.run(["prune", "--force", "--filter", "id=none"]).ok();
        harm(&path);
        let (out, ran) = place.build_local(&[]);
        if name != "gone" {
            assert!(
                ran.stderr.contains("warning: the database was damaged"),
                "{name}: {}",
                ran.stderr
            );
        }
        assert_eq!(fs::read_to_string(out.join("b")).unwrap(), "1", "{name}");
        assert_eq!(
            fs::read_to_string(out.join("number")).unwrap(),
            format!("{number}\n")
        );
        let (_, ran) = place.build_local(&[]);
        assert!(!ran.stderr.contains("warning"), "{name}: {}", ran.stderr);
    }
    place.run(["prune", "--all", "--force"]).ok();
    assert!(
        usage(&place.state()) < 1 << 20,
        "what no row speaks of is removed too"
    );
    place.assert_clean();
}

#[test]
fn damaged_caches_cost_time_only() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let text = |n: u32| {
        format!(
            "FROM base AS first\nRUN echo {n} > /unused; echo 1 > /b\nFROM base\nCOPY a /a\nCOPY --from=first /b /b\n"
        )
    };
    place.dockerfile(&text(1)).file("a", "1");
    place.build(&[]).ok();
    let mut caches = files(&place.state().join("index"));
    let layers = files(&place.state().join("layers"));
    caches.extend(layers.into_iter().filter(|path| path.ends_with("digests")));
    assert!(!caches.is_empty());
    for path in &caches {
        fs::write(path, "garbage").unwrap();
    }
    place.dockerfile(&text(2));
    let (out, _) = place.build_local(&[]);
    assert_eq!(fs::read_to_string(out.join("b")).unwrap(), "1\n");
}

/// Fills a disk up to the last byte.
fn fill(disk: &Path) -> PathBuf {
    let path = disk.join("filler");
    let mut file = fs::File::create(&path).unwrap();
    for size in [64 << 10, 4096, 512, 1] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
    path
}

#[test]
fn a_full_disk_is_an_error_of_its_own_and_loses_nothing() {
    if !can_run_containers() {
        skip!("a small disk needs root");
    }
    let place = Place::new();
    let Some(_disk) = SmallDisk::mount(&place.state(), "16m") else {
        skip!("cannot mount a tmpfs");
    };
    place.dockerfile(TEXT).file("a", "1");
    place.build(&[]).ok();

    // A file of the context that has no room.
    place.file("large", vec![7; 20 << 20]);
    place.dockerfile(&format!("{TEXT}COPY large /large\n"));
    for _ in 0..2 {
        place
            .build(&[])
            .fails(3, &["No space left on device", "help: make room"]);
    }
    // What was there is there, and there is room for what is small.
    place.dockerfile(&format!("{TEXT}RUN echo small > /small\n"));
    let (out, ran) = place.build_local(&[]);
    assert_eq!(fs::read_to_string(out.join("small")).unwrap(), "small\n");
    assert!(ran.count("CACHED") > 0, "{}", ran.stderr);
    assert_eq!(files(&place.state().join("tmp")), Vec::<PathBuf>::new());

    // Not a byte is left, not even for the database.
    let filler = fill(&place.state());
    for n in 0..3 {
        place
            .file("more", vec![n; 100_000])
            .dockerfile(&format!("{TEXT}COPY more /more\n"));
        place.build(&[]).fails(3, &["make room"]);
    }
    // A command that fails for this reason says so in its own words, if at all.
    place.dockerfile(&format!("{TEXT}RUN head -c 100000 /dev/zero > /more\n"));
    place.build(&[]).fails(1, &["the disk of", "is full"]);
    // An unchanged build needs no room.
    place.dockerfile(&format!("{TEXT}RUN echo small > /small\n"));
    place.build(&[]).ok();
    // Pruning needs none either, and makes some.
    place.run(["prune", "--force"]).ok();
    fs::remove_file(filler).unwrap();
    place.dockerfile(&format!("{TEXT}RUN echo small > /small\n"));
    let (out, _) = place.build_local(&[]);
    assert_eq!(fs::read_to_string(out.join("small")).unwrap(), "small\n");
}

#[test]
fn a_full_output_disk_is_told() {
    if !can_run_containers() {
        skip!("a small disk needs root");
    }
    let place = Place::new();
    let Some(_disk) = SmallDisk::mount(&place.path("small"), "256k") else {
        skip!("cannot mount a tmpfs");
    };
    place.dockerfile(TEXT).file("a", "1");
    let spec =
        |kind: &str, name: &str| format!("type={kind},dest={}", place.path("small").join(name).display());
    for (kind, name) in [("oci", "image.tar"), ("tar", "files.tar"), ("local", "files")] {
        place
            .build(&["-o", &spec(kind, name)])
            .fails(3, &["No space left on device", "help: make room"]);
        let _ = fs::remove_dir_all(place.path("small").join("files"));
        let _ = fs::remove_file(place.path("small").join(name));
    }
}
