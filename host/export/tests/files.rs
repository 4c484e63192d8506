//! Results as directories and as tars.
//! Knows nothing of images (images.rs).

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod support;

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Mutex;

use lapstrake_export::{
    Destination, Error, ImageInput, Observer, Omission, Output, export, tar::PackOptions,
};
use lapstrake_store::{LayerId, Store};
use rustix::fs::{CWD, FileType, Mode, XattrFlags};
use support::{Fetcher, MTIME, input, layer, members, platform, store, two_layers};

fn local(store: &Store, layers: &[LayerId], dir: &Path) -> Result<(), Error> {
    let output = Output::Local { dir: dir.to_owned() };
    export(
        store,
        &[input(layers, Vec::new())],
        &output,
        &Fetcher::default(),
        &(),
    )
    .map(|_| ())
}

fn is_root() -> bool {
    lapstrake_store::tree::Powers::current().is_full()
}

#[test]
fn a_directory_gets_the_merged_tree() {
    let (home, store) = store();
    let out = home.path().join("not/there/yet");
    local(&store, &two_layers(&store), &out).unwrap();
    assert_eq!(fs::read_to_string(out.join("bin/tool")).unwrap(), "tool 2");
    assert!(!out.join("bin/gone").exists());
    assert_eq!(fs::metadata(out.join("bin/big")).unwrap().len(), 300_000);
    assert_eq!(
        fs::read_link(out.join("etc/link")).unwrap(),
        Path::new("../bin/tool")
    );
    for path in ["bin", "bin/tool", "etc", "etc/link"] {
        let time = fs::symlink_metadata(out.join(path)).unwrap().mtime();
        assert_eq!(time as u64, MTIME, "{path}");
    }
}

#[test]
fn everything_that_a_file_can_have() {
    if !is_root() {
        println!("skipped: owners and devices need root");
        return;
    }
    let (home, store) = store();
    let id = layer(&store, "all kinds", |dir| {
        fs::write(dir.join("setuid"), "x").unwrap();
        rustix::fs::chown(dir.join("setuid"), Some(rustix::fs::Uid::from_raw(12)), None).unwrap();
        fs::set_permissions(dir.join("setuid"), fs::Permissions::from_mode(0o4711)).unwrap();
        fs::write(dir.join("capable"), "x").unwrap();
        let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        rustix::fs::setxattr(
            dir.join("capable"),
            "security.capability",
            &capability,
            XattrFlags::empty(),
        )
        .unwrap();
        fs::create_dir(dir.join("closed")).unwrap();
        fs::write(dir.join("closed/inside"), "x").unwrap();
        fs::set_permissions(dir.join("closed"), fs::Permissions::from_mode(0o1500)).unwrap();
        fs::write(dir.join("one"), "linked").unwrap();
        fs::hard_link(dir.join("one"), dir.join("closed/two")).unwrap();
        symlink("/nowhere", dir.join("link")).unwrap();
        rustix::fs::chownat(
            CWD,
            dir.join("link"),
            Some(rustix::fs::Uid::from_raw(7)),
            None,
            rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
        )
        .unwrap();
        rustix::fs::mknodat(
            CWD,
            dir.join("fifo"),
            FileType::Fifo,
            Mode::from_raw_mode(0o640),
            0,
        )
        .unwrap();
        let null = rustix::fs::makedev(1, 3);
        rustix::fs::mknodat(CWD, dir.join("null"), FileType::CharacterDevice, Mode::RUSR, null).unwrap();
    });
    let out = home.path().join("out");
    local(&store, &[id], &out).unwrap();
    let meta = |path: &str| fs::symlink_metadata(out.join(path)).unwrap();
    assert_eq!(
        (meta("setuid").mode() & 0o7777, meta("setuid").uid()),
        (0o4711, 12)
    );
    let mut value = [0; 32];
    assert_eq!(
        rustix::fs::getxattr(out.join("capable"), "security.capability", &mut value).unwrap(),
        20
    );
    assert_eq!(meta("closed").mode() & 0o7777, 0o1500);
    assert_eq!(meta("one").ino(), meta("closed/two").ino());
    assert_eq!(meta("link").uid(), 7);
    assert!(meta("fifo").file_type().is_fifo());
    assert_eq!(meta("null").rdev(), rustix::fs::makedev(1, 3));
    // A second time onto the first.
    local(&store, &[id], &out).unwrap();
    assert_eq!(meta("one").ino(), meta("closed/two").ino());
}

#[test]
fn holes_stay_holes() {
    let (home, store) = store();
    let id = layer(&store, "sparse", |dir| {
        let file = fs::File::create(dir.join("sparse")).unwrap();
        file.set_len(64 << 20).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"middle", 32 << 20).unwrap();
    });
    let out = home.path().join("out");
    local(&store, &[id], &out).unwrap();
    let meta = fs::metadata(out.join("sparse")).unwrap();
    assert_eq!(meta.len(), 64 << 20);
    assert!(meta.blocks() * 512 < 4 << 20, "{} blocks", meta.blocks());
    let data = fs::read(out.join("sparse")).unwrap();
    assert_eq!(&data[32 << 20..(32 << 20) + 6], b"middle");
    assert!(data[..32 << 20].iter().all(|b| *b == 0));
}

#[test]
fn links_in_the_destination_lead_nowhere() {
    let (home, store) = store();
    let outside = home.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("tool"), "precious").unwrap();
    let out = home.path().join("out");
    fs::create_dir(&out).unwrap();
    symlink(&outside, out.join("bin")).unwrap();
    fs::create_dir(out.join("etc")).unwrap();
    symlink(outside.join("tool"), out.join("etc/link")).unwrap();
    fs::write(out.join("mine"), "stays").unwrap();
    local(&store, &two_layers(&store), &out).unwrap();
    assert_eq!(fs::read_to_string(outside.join("tool")).unwrap(), "precious");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert!(fs::symlink_metadata(out.join("bin")).unwrap().is_dir());
    assert_eq!(fs::read_to_string(out.join("bin/tool")).unwrap(), "tool 2");
    assert_eq!(
        fs::read_link(out.join("etc/link")).unwrap(),
        Path::new("../bin/tool")
    );
    assert_eq!(fs::read_to_string(out.join("mine")).unwrap(), "stays");
}

#[test]
fn what_is_in_the_way_is_replaced() {
    let (home, store) = store();
    let out = home.path().join("out");
    fs::create_dir_all(out.join("bin/tool/deep/er")).unwrap();
    fs::write(out.join("bin/tool/deep/er/file"), "x").unwrap();
    symlink(home.path(), out.join("bin/tool/deep/link")).unwrap();
    fs::write(out.join("etc"), "a file where a directory is to be").unwrap();
    local(&store, &two_layers(&store), &out).unwrap();
    assert_eq!(fs::read_to_string(out.join("bin/tool")).unwrap(), "tool 2");
    assert!(out.join("etc").is_dir());
    let file = home.path().join("file");
    fs::write(&file, "x").unwrap();
    let error = local(&store, &[], &file).unwrap_err();
    assert!(matches!(error, Error::NotADirectory(_)), "{error}");
}

#[test]
fn many_files() {
    let (home, store) = store();
    let id = layer(&store, "many", |dir| {
        for n in 0..2000 {
            let sub = dir.join(format!("d{}/e{}", n % 7, n % 3));
            fs::create_dir_all(&sub).unwrap();
            fs::write(sub.join(format!("f{n}")), n.to_string()).unwrap();
        }
    });
    let out = home.path().join("out");
    local(&store, &[id], &out).unwrap();
    for n in 0..2000 {
        let path = out.join(format!("d{}/e{}/f{n}", n % 7, n % 3));
        assert_eq!(fs::read_to_string(path).unwrap(), n.to_string());
    }
}

#[test]
fn what_cannot_be_written_is_said() {
    #[derive(Default)]
    struct Listener(Mutex<Vec<Omission>>);
    impl Observer for Listener {
        fn omitted(&self, what: Omission) {
            self.0.lock().unwrap().push(what);
        }
    }
    let (home, store) = store();
    let id = layer(&store, "socket", |dir| {
        std::os::unix::net::UnixListener::bind(dir.join("socket")).unwrap();
        fs::write(dir.join("file"), "x").unwrap();
    });
    let listener = Listener::default();
    let out = home.path().join("out");
    let output = Output::Local { dir: out.clone() };
    export(
        &store,
        &[input(&[id], Vec::new())],
        &output,
        &Fetcher::default(),
        &listener,
    )
    .unwrap();
    assert!(
        listener
            .0
            .lock()
            .unwrap()
            .contains(&Omission::Socket("socket".into()))
    );
    assert!(out.join("file").exists());
}

fn two_platforms(store: &Store) -> [ImageInput; 2] {
    let amd = input(&two_layers(store), Vec::new());
    let mut arm = ImageInput {
        platform: platform("arm"),
        ..amd.clone()
    };
    arm.platform.variant = Some("v7".to_owned());
    [amd, arm]
}

#[test]
fn every_platform_has_a_directory() {
    let (home, store) = store();
    let out = home.path().join("out");
    let inputs = two_platforms(&store);
    export(
        &store,
        &inputs,
        &Output::Local { dir: out.clone() },
        &Fetcher::default(),
        &(),
    )
    .unwrap();
    assert_eq!(
        fs::read_to_string(out.join("linux_amd64/bin/tool")).unwrap(),
        "tool 2"
    );
    assert_eq!(
        fs::read_to_string(out.join("linux_arm_v7/bin/tool")).unwrap(),
        "tool 2"
    );

    let path = home.path().join("out.tar");
    let output = Output::Tar {
        destination: Destination::File(path.clone()),
        options: PackOptions::default(),
    };
    export(&store, &inputs, &output, &Fetcher::default(), &()).unwrap();
    let members = members(&path);
    assert_eq!(members["linux_arm_v7/bin/tool"], b"tool 2");
    assert_eq!(members["linux_amd64/bin/tool"], b"tool 2");
}

#[test]
fn a_tar_holds_the_merged_tree() {
    let (home, store) = store();
    let path = home.path().join("out.tar");
    let inputs = [input(&two_layers(&store), Vec::new())];
    let output = || Output::Tar {
        destination: Destination::File(path.clone()),
        options: PackOptions::default(),
    };
    export(&store, &inputs, &output(), &Fetcher::default(), &()).unwrap();
    let first = fs::read(&path).unwrap();
    let members = members(&path);
    let names: Vec<&str> = members.keys().map(String::as_str).collect();
    assert_eq!(names, ["bin/", "bin/big", "bin/tool", "etc/", "etc/link"]);
    assert_eq!(members["bin/tool"], b"tool 2");
    export(&store, &inputs, &output(), &Fetcher::default(), &()).unwrap();
    assert!(fs::read(&path).unwrap() == first);
}

#[test]
fn cache_only_writes_nothing() {
    let (_home, store) = store();
    let inputs = [input(&two_layers(&store), Vec::new())];
    let exported = export(&store, &inputs, &Output::CacheOnly, &Fetcher::default(), &()).unwrap();
    assert!(exported.image.is_none());
    assert_eq!(
        fs::read_dir(store.root().join("blobs/sha256")).unwrap().count(),
        0
    );
}
