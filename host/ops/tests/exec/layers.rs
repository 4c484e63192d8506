//! What is left in the upper directory when a command has ended.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use lapstrake_ops::exec::{MountSource, TreeWrites};

use crate::needs_containers;
use crate::support::{Step, busybox_root};

/// Modification time that the test root's directories have.
const OLD: (i64, i64) = (1_000_000_000, 123_456_789);

fn mtime(path: &Path) -> (i64, i64) {
    let meta = fs::symlink_metadata(path).unwrap();
    (meta.mtime(), meta.mtime_nsec())
}

#[test]
fn changes_are_in_the_layer_and_nothing_else() {
    needs_containers!();
    let ran = Step::sh("echo new > /srv/a; mkdir /srv/d; ln -s a /srv/l; mkfifo /srv/p; cat /etc/passwd; ls -R / > /dev/null").succeed();
    assert_eq!(ran.layer(), ["srv", "srv/a", "srv/d", "srv/l", "srv/p"]);
    assert_eq!(fs::read_to_string(ran.upper.join("srv/a")).unwrap(), "new\n");
}

#[test]
fn removed_is_a_whiteout_and_made_again_is_opaque() {
    needs_containers!();
    let ran = Step::sh("rm /etc/group; rm -r /home/app; mkdir /home/app; echo x > /home/app/y").succeed();
    let whiteout = fs::symlink_metadata(ran.upper.join("etc/group")).unwrap();
    assert!(whiteout.file_type().is_char_device() && whiteout.rdev() == 0);
    let opaque = xattr::get(ran.upper.join("home/app"), "trusted.overlay.opaque").unwrap();
    assert_eq!(opaque.as_deref(), Some(&b"y"[..]));
    assert_eq!(
        ran.layer(),
        ["etc", "etc/group", "home", "home/app", "home/app/y"]
    );

    // The layer works as a lower one.
    let next = Step::sh("ls /etc; ls /home/app")
        .with(|r| r.root.lower.push(ran.upper.clone()))
        .succeed();
    assert_eq!(next.stdout, "hosts\npasswd\nresolv.conf\ny\n");
}

#[test]
fn what_was_touched_but_is_unchanged_is_left_out() {
    needs_containers!();
    let ran = Step::sh(
        "chown 0:0 /etc/passwd /etc /bin/busybox; chmod 644 /etc/passwd; : >> /etc/group; chmod 755 /srv",
    )
    .succeed();
    assert_eq!(ran.layer(), [] as [&str; 0]);
    // Moved there and back: only the directory has another time.
    assert_eq!(
        Step::sh("mv /etc/group /etc/g && mv /etc/g /etc/group")
            .succeed()
            .layer(),
        ["etc"]
    );

    for change in [
        "echo >> /etc/passwd",
        "chmod 600 /etc/passwd",
        "chown 1:1 /etc/passwd",
        "touch /etc/passwd",
    ] {
        assert_eq!(
            Step::sh(change).succeed().layer(),
            ["etc", "etc/passwd"],
            "{change}"
        );
    }
    // Same size and times, other contents.
    let sly = "sed 's/Z/Z/; s/root:x/toor:x/' /etc/passwd > /tmp/p; cat /tmp/p > /etc/passwd; rm /tmp/p; touch -r /etc/group /tmp /etc";
    let step = Step::sh(&format!("{sly}; touch -d @900000000 /etc/passwd"));
    let below = step.new_dir("below");
    fs::create_dir(below.join("etc")).unwrap();
    fs::copy(busybox_root().join("etc/passwd"), below.join("etc/passwd")).unwrap();
    let opened = fs::File::options()
        .write(true)
        .open(below.join("etc/passwd"))
        .unwrap();
    opened
        .set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(900_000_000))
        .unwrap();
    let ran = step.with(|r| r.root.lower.push(below)).succeed();
    assert!(
        ran.layer().contains(&"etc/passwd".to_owned()),
        "{:?}",
        ran.layer()
    );
}

#[test]
fn mount_points_leave_no_trace() {
    needs_containers!();
    let cache = |step: &Step| MountSource::Directory {
        path: step.new_dir("cache"),
        selector: String::new(),
    };
    let step = Step::sh("echo 1 > /home/app/.cache/go/x; cat /run/secrets/key; ls /home");
    let source = cache(&step);
    let secret = MountSource::File {
        data: b"s3cret".to_vec(),
        uid: 0,
        gid: 0,
        mode: 0o400,
    };
    let ran = step
        .mount("/home/app/.cache/go", false, source)
        .mount("/run/secrets/key", true, secret)
        .succeed();
    assert_eq!(ran.stdout, "s3cretapp\n");
    assert_eq!(ran.layer(), [] as [&str; 0]);
    assert_eq!(mtime(&ran.upper), OLD, "the root's time is as it was");

    // What the command puts beside a mount point stays, with the directories above, and their times are its
    // own.
    let step = Step::sh("echo 1 > /home/app/.cache/other; touch -d @77 /home/app/.cache");
    let source = cache(&step);
    let ran = step.mount("/home/app/.cache/go", false, source).succeed();
    assert_eq!(
        ran.layer(),
        ["home", "home/app", "home/app/.cache", "home/app/.cache/other"]
    );
    assert_eq!(mtime(&ran.upper.join("home/app/.cache")), (77, 0));
    assert_eq!(mtime(&ran.upper.join("home/app")), OLD);
}

#[test]
fn a_mount_point_that_was_there_stays() {
    needs_containers!();
    let step = Step::sh("touch /srv/x").mount("/srv", false, MountSource::Tmpfs { size: None });
    assert_eq!(step.succeed().layer(), [] as [&str; 0]);
    assert!(busybox_root().join("srv").is_dir());
    assert_eq!(mtime(&busybox_root().join("srv")), OLD);
}

#[test]
fn a_directory_that_the_command_changed_keeps_its_new_time() {
    needs_containers!();
    // /etc/hosts is made in /etc for the mount, and the command changes /etc too.
    let ran = Step::sh("touch -d @5 /etc/new; touch -d @99 /etc").succeed();
    assert_eq!(ran.layer(), ["etc", "etc/new"]);
    assert_eq!(mtime(&ran.upper.join("etc")), (99, 0));
}

#[test]
fn the_root_directory_is_the_lower_ones() {
    needs_containers!();
    let step = Step::sh("stat -c '%a %u %g %Y' /; getfattr 2>/dev/null; true");
    let lower = step.new_dir("odd");
    fs::set_permissions(&lower, fs::Permissions::from_mode(0o751)).unwrap();
    std::os::unix::fs::chown(&lower, Some(3), Some(4)).unwrap();
    xattr::set(&lower, "user.colour", b"red").unwrap();
    fs::File::open(&lower)
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(44))
        .unwrap();
    let ran = step.with(|r| r.root.lower.push(lower)).succeed();
    assert_eq!(ran.stdout, "751 3 4 44\n");
    assert_eq!(
        xattr::get(&ran.upper, "user.colour").unwrap().as_deref(),
        Some(&b"red"[..])
    );
}

#[test]
fn an_empty_root_works() {
    needs_containers!();
    let bin = MountSource::Tree {
        lower: vec![busybox_root().to_owned()],
        selector: "bin".into(),
        writes: TreeWrites::Discard,
    };
    let ran = Step::sh("echo x > /made; ls /; stat -c %a /")
        .with(|r| r.root.lower.clear())
        .mount("/bin", true, bin)
        .succeed();
    assert_eq!(ran.stdout, "bin\ndev\netc\nmade\nproc\nsys\n755\n");
    assert_eq!(ran.layer(), ["made"]);
}

#[test]
fn a_hundred_layers() {
    needs_containers!();
    let step = Step::sh("cat /order; ls / | grep -c '^f'");
    // The paths together are far longer than the 4096 bytes that mount(2) takes.
    let long = "a-long-name-".repeat(15);
    let base = step.new_dir(&long);
    let layers: Vec<PathBuf> = (0..200)
        .map(|index| {
            let layer = base.join(format!("{long}{index}"));
            fs::create_dir(&layer).unwrap();
            fs::write(layer.join(format!("f{index}")), "").unwrap();
            fs::write(layer.join("order"), index.to_string()).unwrap();
            layer
        })
        .collect();
    let ran = step.with(|r| r.root.lower.extend(layers)).succeed();
    assert_eq!(ran.stdout, "199200\n");
}

#[test]
fn names_of_directories_may_have_any_characters() {
    needs_containers!();
    let step = Step::new(&["cat", "/f"]);
    let lower = step.new_dir("a:b,c\\d \"e\n");
    fs::write(lower.join("f"), "here").unwrap();
    assert_eq!(step.with(|r| r.root.lower.push(lower)).succeed().stdout, "here");
}

#[test]
fn hard_links_devices_and_attributes_survive() {
    needs_containers!();
    let script = "cd /srv; echo x > a; ln a b; mknod n c 1 3; chmod 4755 a; mkdir -m 1777 t; chown 7:8 t";
    let ran = Step::sh(script).succeed();
    let meta = |name: &str| fs::symlink_metadata(ran.upper.join("srv").join(name)).unwrap();
    assert_eq!(
        (meta("a").ino(), meta("a").nlink(), meta("a").mode() & 0o7777),
        (meta("b").ino(), 2, 0o4755)
    );
    assert_eq!(meta("n").rdev(), rustix::fs::makedev(1, 3));
    assert_eq!(
        (meta("t").mode() & 0o7777, meta("t").uid(), meta("t").gid()),
        (0o1777, 7, 8)
    );
}

#[test]
fn a_read_only_root() {
    needs_containers!();
    let ran = Step::sh("touch /x || touch /srv/y")
        .with(|r| r.root.read_only = true)
        .run();
    assert!(!ran.status.is_success(&[]));
    assert!(ran.stderr.contains("Read-only file system"), "{}", ran.stderr);
    assert_eq!(ran.layer(), [] as [&str; 0]);
}
