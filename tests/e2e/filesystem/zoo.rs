//! One of everything that a Linux file system has, in a directory.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags, chownat, linkat, lsetxattr,
    makedev, mknodat, utimensat,
};

/// Fills a directory. Needs root.
pub fn make(dir: &Path) {
    files(dir);
    names(&dir.join("names"));
    nodes(&dir.join("nodes"));
    attributes(&dir.join("attributes"));
    links(&dir.join("links"));
    times(&dir.join("times"));
}

fn new_dir(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
}

fn chmod(path: &Path, mode: u32) {
    rustix::fs::chmod(path, Mode::from_raw_mode(mode)).unwrap();
}

fn chown(path: &Path, uid: u32, gid: u32) {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    chownat(CWD, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

fn files(dir: &Path) {
    for (name, mode) in [
        ("empty-dir", 0o755),
        ("sticky", 0o1777),
        ("setgid", 0o2775),
        ("closed", 0o700),
        ("no", 0),
    ] {
        new_dir(&dir.join(name));
        chmod(&dir.join(name), mode);
    }
    for (name, mode) in [
        ("plain", 0o644),
        ("setuid", 0o4755),
        ("setgid-file", 0o2711),
        ("both", 0o6750),
        ("sticky-file", 0o1644),
        ("none", 0),
    ] {
        fs::write(dir.join(name), name).unwrap();
        chmod(&dir.join(name), mode);
    }
    fs::write(dir.join("empty"), "").unwrap();
    fs::write(dir.join("owned"), "x").unwrap();
    chown(&dir.join("owned"), 1234, 5678);
    fs::write(dir.join("owned-high"), "x").unwrap();
    chown(&dir.join("owned-high"), 3_000_000_000, 4_000_000_000);
    // Another data block than the others, and not a multiple of anything.
    fs::write(dir.join("long"), vec![b'l'; 1_234_567]).unwrap();
    let sparse = fs::File::create(dir.join("sparse")).unwrap();
    sparse.set_len(64 << 20).unwrap();
    sparse.write_all_at(b"start", 0).unwrap();
    sparse.write_all_at(b"middle", 33 << 20).unwrap();
    let hole = fs::File::create(dir.join("hole")).unwrap();
    hole.set_len(32 << 20).unwrap();
}

fn names(dir: &Path) {
    let long = "n".repeat(255);
    let list: [&[u8]; 18] = [
        b"\xff\xfe\x80 not UTF-8",
        b"new\nline",
        b"tab\tand\rreturn\x01\x7f",
        b" space at both ends ",
        b"-rf",
        b"...",
        b"back\\slash",
        b"quote\"'`$(x)*?[a]",
        b".wh",
        b"a.wh.b",
        b"Case",
        b"case",
        "pr\u{e9}compos\u{e9}".as_bytes(),
        "de\u{301}compose\u{301}".as_bytes(),
        b"=equals=",
        b"\xed\xa0\x80 half of a pair",
        b"%00",
        long.as_bytes(),
    ];
    for name in list {
        new_dir(dir);
        fs::write(dir.join(OsStr::from_bytes(name)), name).unwrap();
    }
    // As long as tar's old fields, and one more.
    for length in [99, 100, 101, 155, 156] {
        let sub = dir.join("d".repeat(length));
        new_dir(&sub);
        fs::write(sub.join("f".repeat(length)), "x").unwrap();
    }
    let deep = dir.join(vec!["deep-directory"; 200].join("/"));
    new_dir(&deep);
    fs::write(deep.join("file"), "deep").unwrap();
}

fn nodes(dir: &Path) {
    new_dir(dir);
    for (name, kind, device, mode) in [
        ("fifo", FileType::Fifo, 0, 0o622),
        ("null", FileType::CharacterDevice, makedev(1, 3), 0o666),
        ("large", FileType::CharacterDevice, makedev(259, 1_048_575), 0o600),
        ("disk", FileType::BlockDevice, makedev(8, 1), 0o660),
    ] {
        mknodat(CWD, dir.join(name), kind, Mode::from_raw_mode(mode), device).unwrap();
        chmod(&dir.join(name), mode);
    }
    chown(&dir.join("disk"), 0, 6);
}

/// `cap_net_raw+ep` in the form of version 2 (linux/capability.h).
pub const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn attributes(dir: &Path) {
    new_dir(&dir.join("dir"));
    fs::write(dir.join("file"), "x").unwrap();
    symlink("file", dir.join("link")).unwrap();
    let set = |path: &str, name: &str, value: &[u8]| {
        lsetxattr(dir.join(path), name, value, XattrFlags::empty()).unwrap();
    };
    set("file", "user.text", b"value");
    set("file", "user.binary", b"\0\n=\xff\0");
    set("file", "user.empty", b"");
    set("file", "user.with=equals", b"no tar can say that");
    set("file", "user.long", &[b'l'; 2000]);
    set("dir", "user.text", b"of a directory");
    set("file", "security.capability", &CAPABILITY);
    // What is the machine's own.
    set("file", "trusted.machine", b"secret");
}

fn links(dir: &Path) {
    new_dir(&dir.join("sub/deeper"));
    fs::write(dir.join("first"), "linked").unwrap();
    for name in ["second", "sub/third", "sub/deeper/fourth"] {
        fs::hard_link(dir.join("first"), dir.join(name)).unwrap();
    }
    let long = "t/".repeat(2047);
    let targets: [(&str, &[u8]); 9] = [
        ("relative", b"sub/third"),
        ("absolute", b"/links/first"),
        ("machine", b"/etc/passwd"),
        ("up", b"../../../../../../../../etc/passwd"),
        ("dangling", b"nowhere"),
        ("to-dir", b"sub"),
        ("loop", b"loop"),
        ("not-utf8", b"\xff\xfe/\n"),
        ("long", long.as_bytes()),
    ];
    for (name, target) in targets {
        symlink(OsStr::from_bytes(target), dir.join(name)).unwrap();
    }
    chown(&dir.join("relative"), 7, 8);
    linkat(CWD, dir.join("up"), CWD, dir.join("up-again"), AtFlags::empty()).unwrap();
}

fn times(dir: &Path) {
    new_dir(dir);
    for (name, seconds, nanoseconds) in [
        ("epoch", 0, 0),
        ("before", -1_000_000_000, 0),
        ("just-before", -1, 1),
        ("future", 7_258_118_400, 0),
        ("beyond-32-bits", 5_000_000_000, 0),
        ("nanoseconds", 1_600_000_000, 999_999_999),
    ] {
        let path = dir.join(name);
        fs::write(&path, name).unwrap();
        set_time(&path, seconds, nanoseconds);
        let dir = dir.join(OsString::from(format!("{name}-dir")));
        new_dir(&dir);
        set_time(&dir, seconds, nanoseconds);
    }
}

fn set_time(path: &Path, tv_sec: i64, tv_nsec: i64) {
    let time = Timespec { tv_sec, tv_nsec };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}
