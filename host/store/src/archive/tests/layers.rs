//! Archives as layers: whiteouts, opaque directories, implied parents, links across layers, and how they are packed.

use std::os::unix::fs::MetadataExt;

use super::*;
use crate::tree::Marks;
use crate::tree::marks::Opaque;

fn below() -> Layer {
    let special = Member {
        mode: 0o2750,
        uid: 10,
        gid: 20,
        ..dir("d").0
    };
    layer(&[
        (special, vec![]),
        file("d/a", "a"),
        file("d/sub/b", "b"),
        file("e", "e"),
        symlink("lib", "d/sub"),
    ])
}

fn is_opaque(layer: &Layer, path: &str) -> bool {
    Marks::current().read_opaque(&layer.path().join(path)) == Opaque::Yes
}

#[test]
fn whiteouts_become_overlayfs_s() {
    let below = below();
    let over = layer_over(
        &[file("d/.wh.a", ""), file(".wh.e", ""), file(".wh.nothing", "")],
        &[&below],
    );
    assert_eq!(paths(&view(&[&below, &over])), ["d/", "d/sub/", "d/sub/b", "lib"]);
    let device = over.path().join("d/a").symlink_metadata().unwrap();
    assert_eq!(
        (FileKind::of_mode(device.mode()), device.rdev()),
        (FileKind::CharDevice, 0)
    );
    assert!(!over.path().join("nothing").exists(), "nothing is below");
    assert_eq!(listing(&packed(&over.path())), ["d/", "d/.wh.a", ".wh.e"]);
}

#[test]
fn whiteouts_do_not_touch_their_own_layer() {
    for members in [
        [file("d/new", "new"), file(".wh.d", "")],
        [file(".wh.d", ""), file("d/new", "new")],
    ] {
        let below = below();
        let over = layer_over(&members, &[&below]);
        let tree = view(&[&below, &over]);
        assert_eq!(paths(&tree), ["d/", "d/new", "e", "lib"]);
        assert!(is_opaque(&over, "d"));
        assert_eq!(listing(&packed(&over.path())), ["d/", "d/.wh..wh..opq", "d/new"]);
    }
    for members in [
        [file("e", "new"), file(".wh.e", "")],
        [file(".wh.e", ""), file("e", "new")],
    ] {
        let below = below();
        let over = layer_over(&members, &[&below]);
        assert_eq!(text(&view(&[&below, &over]), "e"), "new");
        assert_eq!(listing(&packed(&over.path())), ["e"]);
    }
}

#[test]
fn opaque_directories() {
    for members in [
        [file("d/.wh..wh..opq", ""), file("d/new", "new")],
        [file("d/new", "new"), file("d/.wh..wh..opq", "")],
    ] {
        let below = below();
        let over = layer_over(&members, &[&below]);
        assert_eq!(paths(&view(&[&below, &over])), ["d/", "d/new", "e", "lib"]);
        let d = looks(&over, "d");
        assert_eq!(
            (d.mode, d.uid, d.gid),
            (0o2750, 10, 20),
            "implied: it keeps its looks"
        );
    }
    let below = below();
    let over = layer_over(&[file(".wh..wh..opq", ""), file("x", "")], &[&below]);
    assert_eq!(
        paths(&view(&[&below, &over])),
        ["x"],
        "at the root too, which overlayfs does not take a mark for"
    );
    let over = layer_over(&[file("none/.wh..wh..opq", "")], &[&below]);
    assert!(!is_opaque(&over, "none"), "nothing to hide");
}

#[test]
fn marks_of_aufs_are_nothing() {
    let over = layer(&[
        dir(".wh..wh.plnk"),
        file(".wh..wh.aufs", ""),
        file(".wh..wh.orph/x", ""),
        file("f", ""),
    ]);
    // The directory of a member with such a parent is made like any other.
    assert_eq!(paths(&view(&[&over])), [".wh..wh.orph/", ".wh..wh.orph/x", "f"]);
}

#[test]
fn overlayfs_s_own_device_is_a_whiteout() {
    let below = below();
    let device = (member("d/a", MemberKind::Inode(FileKind::CharDevice)), vec![]);
    let over = layer_over(&[device], &[&below]);
    assert_eq!(
        paths(&view(&[&below, &over])),
        ["d/", "d/sub/", "d/sub/b", "e", "lib"]
    );
}

#[test]
fn implied_parents_look_as_below() {
    let below = below();
    let over = layer_over(&[file("d/sub/new/x", "x"), file("other/y", "y")], &[&below]);
    let d = looks(&over, "d");
    assert_eq!((d.mode, d.uid, d.mtime.seconds), (0o2750, 10, 1_600_000_000));
    assert_eq!(looks(&over, "d/sub").mtime.seconds, 0);
    let other = looks(&over, "other");
    assert_eq!((other.mode, other.uid, other.mtime.seconds), (0o755, 0, 0));
    assert_eq!(looks(&over, "").mode, 0o755);
}

#[test]
fn a_directory_takes_the_place_of_a_link_below() {
    let below = below();
    let over = layer_over(&[file("lib/new", "x")], &[&below]);
    assert_eq!(
        paths(&view(&[&below, &over])),
        ["d/", "d/a", "d/sub/", "d/sub/b", "e", "lib/", "lib/new"]
    );
}

#[test]
fn hard_links_to_files_below_are_copied_up() {
    let below = below();
    let over = layer_over(
        &[
            hard_link("again", "d/a"),
            hard_link("third", "lib/b"),
            hard_link("l", "lib"),
        ],
        &[&below],
    );
    let stat = |path: &str| over.path().join(path).symlink_metadata().unwrap();
    assert_eq!(stat("again").ino(), stat("d/a").ino());
    assert_eq!(stat("third").ino(), stat("d/sub/b").ino());
    assert_eq!(
        std::fs::read_link(over.path().join("l")).unwrap(),
        Path::new("d/sub")
    );
    let tree = view(&[&below, &over]);
    assert_eq!(
        (text(&tree, "again"), text(&tree, "third")),
        ("a".to_owned(), "b".to_owned())
    );
    let deleted = unpack_over(&archive(&[file("d/.wh.a", ""), hard_link("x", "d/a")]), &[&below]);
    assert!(matches!(deleted.error(), ArchiveError::DanglingLink { .. }));
}

#[test]
fn later_members_replace_earlier_ones() {
    let over = layer(&[
        file("x/y", "1"),
        file("x", "2"),
        file("f", "1"),
        dir("f"),
        file("f/in", "3"),
        file("g", "1"),
        hard_link("h", "g"),
        file("g", "2"),
        (
            Member {
                mode: 0o700,
                ..dir("f").0
            },
            vec![],
        ),
    ]);
    let tree = view(&[&over]);
    assert_eq!(paths(&tree), ["f/", "f/in", "g", "h", "x"]);
    assert_eq!(
        (text(&tree, "x"), text(&tree, "g"), text(&tree, "h")),
        ("2".into(), "2".into(), "1".into())
    );
    assert_eq!(tree.entry(Path::new("f")).unwrap().unwrap().mode, 0o700);
}

#[test]
fn the_root_itself() {
    let root = (
        Member {
            mode: 0o1777,
            uid: 9,
            ..dir(".").0
        },
        vec![],
    );
    let over = layer(&[root, file("x", "")]);
    let root = looks(&over, "");
    assert_eq!(
        (root.mode, root.uid, root.mtime.seconds),
        (0o1777, 9, 1_600_000_000)
    );
    assert_eq!(listing(&packed(&over.path())), ["x"]);
}

#[test]
fn directories_keep_their_times() {
    let over = layer(&[dir("d"), dir("d/e"), file("d/e/f", "x"), file("d/g", "x")]);
    for path in ["d", "d/e", "d/e/f"] {
        assert_eq!(
            over.path().join(path).metadata().unwrap().mtime(),
            1_600_000_000,
            "{path}"
        );
    }
}

#[test]
fn whiteouts_without_anything_known_below() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = archive(&[file("a/.wh.b", ""), file("c/.wh..wh..opq", "")]);
    unpack(&bytes[..], dir.path(), Lower::Unknown, &Limits::default()).unwrap();
    assert_eq!(
        listing(&packed(dir.path())),
        ["a/", "a/.wh.b", "c/", "c/.wh..wh..opq"]
    );
}

#[test]
fn packing_an_opaque_directory_needs_no_whiteouts_in_it() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("d/e")).unwrap();
    Marks::current().set_opaque(&dir.path().join("d")).unwrap();
    Marks::current().set_opaque(&dir.path().join("d/e")).unwrap();
    for path in ["d/gone", "d/e/gone", "z"] {
        let kind = rustix::fs::FileType::CharacterDevice;
        rustix::fs::mknodat(
            rustix::fs::CWD,
            dir.path().join(path),
            kind,
            rustix::fs::Mode::empty(),
            0,
        )
        .unwrap();
    }
    let found = listing(&packed(dir.path()));
    assert_eq!(found, ["d/", "d/.wh..wh..opq", "d/e/", ".wh.z"]);
}

#[test]
fn packing_leaves_out_sockets_and_overlayfs_s_attributes() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("d")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("d/socket")).unwrap();
    let set = |name: &str| {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::lsetxattr(dir.path().join("d"), name, b"y", flags)
    };
    for name in ["user.overlay.origin", "user.overlay.impure", "user.keep"] {
        set(name).unwrap();
    }
    if let Err(error) = set("trusted.overlay.origin") {
        println!("skipped in part: no attributes of root's: {error}");
    }
    let bytes = packed(dir.path());
    assert_eq!(listing(&bytes), ["d/"]);
    let xattrs = Archive::new(&bytes[..]).next_member().unwrap().unwrap().xattrs;
    assert_eq!(xattrs, [("user.keep".into(), b"y".to_vec())]);
}

#[test]
fn packing_is_sorted_and_clamped() {
    let over = layer(&[
        file("b", ""),
        file("a.b", ""),
        file("a/z", ""),
        dir("a"),
        file("a/-", ""),
    ]);
    let late = Timestamp {
        seconds: 1_500_000_000,
        nanoseconds: 0,
    };
    let options = PackOptions {
        clamp_mtime: Some(late),
        ..PackOptions::default()
    };
    let bytes = pack(&over.path(), Vec::new(), &options).unwrap().0;
    // As a sorted walk goes: "a.b" sorts before "a/", but a directory is followed by what it holds.
    assert_eq!(listing(&bytes), ["a/", "a/-", "a/z", "a.b", "b"]);
    let mut archive = Archive::new(&bytes[..]);
    while let Some(member) = archive.next_member().unwrap() {
        assert_eq!(member.mtime, late);
    }
}

#[test]
fn hard_links_are_packed_once() {
    let over = layer(&[
        file("b", "data"),
        hard_link("a", "b"),
        hard_link("c/d", "b"),
        symlink("s", "b"),
        hard_link("t", "s"),
    ]);
    let (bytes, packed) = pack(&over.path(), Vec::new(), &PackOptions::default()).unwrap();
    assert_eq!(
        listing(&bytes),
        ["a", "b == a", "c/", "c/d == a", "s -> b", "t == s"]
    );
    assert_eq!((packed.members, packed.bytes), (6, 4));
}
