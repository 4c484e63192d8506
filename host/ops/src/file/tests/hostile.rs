//! Archives that ADD unpacks and that want out, or more than an archive may have.

use lapstrake_llb::Timestamp;
use lapstrake_store::archive::{Builder, Member, MemberKind};
use lapstrake_store::tree::{FileKind, Xattrs};

use super::*;

fn member(path: &str, kind: MemberKind) -> Member {
    Member {
        path: path.into(),
        kind,
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: Timestamp {
            seconds: 1,
            nanoseconds: 0,
        },
        size: 0,
        link: PathBuf::new(),
        rdev: 0,
        xattrs: Xattrs::new(),
        extents: None,
    }
}

fn inode(path: &str, kind: FileKind) -> Member {
    member(path, MemberKind::Inode(kind))
}

/// A file of one byte.
fn file(path: &str) -> Member {
    Member {
        size: 1,
        ..inode(path, FileKind::File)
    }
}

fn symlink_to(path: &str, target: &str) -> Member {
    Member {
        link: target.into(),
        ..inode(path, FileKind::Symlink)
    }
}

fn link_to(path: &str, target: &str) -> Member {
    Member {
        link: target.into(),
        ..member(path, MemberKind::HardLink)
    }
}

fn archive(members: &[Member]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for member in members {
        let mut data: &[u8] = &b"x"[..member.size as usize];
        builder.append(member, Some(&mut data)).unwrap();
    }
    builder.finish().unwrap()
}

impl Place {
    /// Adds an archive to `/to/`, over a tree that has `/etc/passwd` and a link `/to/link` to `/etc`.
    fn add(&self, bytes: &[u8]) -> Result<Tree, FileError> {
        std::fs::write(self.source.path().join("archive"), bytes).unwrap();
        self.file("passwd", "root");
        let base = self
            .run(
                &Tree::default(),
                vec![
                    mkdir("/to"),
                    copy("/passwd", "/etc/passwd"),
                    FileActionKind::Symlink(SymlinkAction {
                        target: "/etc".into(),
                        path: "/to/link".into(),
                        owner: None,
                        timestamp: None,
                    }),
                ],
            )
            .unwrap();
        let add = copy_with("/archive", "/to/", |action| action.unpack_archive = true);
        self.run(&base, vec![add])
    }
}

/// The error and all its causes.
fn chain(error: &FileError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

#[test]
fn members_that_lead_out_are_errors_that_name_them_and_the_archive() {
    for path in ["../x", "../../../../etc/passwd", "a/../../x", ".."] {
        let place = Place::new();
        let error = place.add(&archive(&[file("fine"), file(path)])).unwrap_err();
        let text = chain(&error);
        assert!(
            text.contains("\"archive\"") && text.contains(&format!("{path:?}")) && text.contains("leads out"),
            "{text}"
        );
        assert!(!error.is_environment());
    }
}

#[test]
fn absolute_members_are_below_the_destination() {
    let place = Place::new();
    let tree = place
        .add(&archive(&[file("/etc/passwd"), file("/./a/../b")]))
        .unwrap();
    assert_eq!(place.text(&tree, "etc/passwd"), "root");
    assert_eq!(place.text(&tree, "to/etc/passwd"), "x");
    assert_eq!(place.text(&tree, "to/b"), "x");
}

#[test]
fn links_lead_into_the_tree_and_not_out_of_it() {
    let place = Place::new();
    let outside = tempfile::tempdir().unwrap();
    let far = outside.path().to_str().unwrap();
    let up = format!("{}{far}", "../".repeat(30));
    let tree = place
        .add(&archive(&[
            symlink_to("abs", far),
            file("abs/one"),
            symlink_to("up", &up),
            file("up/two"),
            file("link/three"),
        ]))
        .unwrap();
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    assert_eq!(place.text(&tree, &format!("{far}/one")), "x");
    assert_eq!(place.text(&tree, &format!("{far}/two")), "x");
    assert_eq!(place.text(&tree, "etc/three"), "x");
}

#[test]
fn a_file_is_never_written_through_a_link() {
    let place = Place::new();
    let tree = place
        .add(&archive(&[
            symlink_to("evil", "/etc/passwd"),
            file("evil"),
            file("link/passwd"),
        ]))
        .unwrap();
    assert_eq!(place.text(&tree, "to/evil"), "x");
    assert_eq!(place.entry(&tree, "to/evil").kind, FileKind::File);
    // That is the image's own link to its own directory.
    assert_eq!(place.text(&tree, "etc/passwd"), "x");
}

#[test]
fn hard_links_name_what_the_archive_or_the_tree_has() {
    for (target, says) in [
        ("../etc/passwd", "leads out"),
        ("/../../etc/passwd", "leads out"),
        ("missing", "which does not exist"),
        ("d", "which does not exist"),
    ] {
        let place = Place::new();
        let error = place
            .add(&archive(&[inode("d", FileKind::Dir), link_to("stolen", target)]))
            .unwrap_err();
        let text = chain(&error);
        assert!(
            text.contains(says) && text.contains("\"stolen\""),
            "{target}: {text}"
        );
    }
    let place = Place::new();
    let tree = place
        .add(&archive(&[
            symlink_to("s", "/etc/passwd"),
            link_to("h", "s"),
            link_to("p", "link/passwd"),
        ]))
        .unwrap();
    // A link to a link is another name of it, not of what it leads to.
    assert_eq!(place.entry(&tree, "to/h").kind, FileKind::Symlink);
    assert_eq!(place.text(&tree, "to/p"), "root");
}

#[test]
fn overlayfss_marks_cannot_be_forged() {
    let place = Place::new();
    place.file("below", "below");
    let xattrs: Xattrs = [
        "trusted.overlay.opaque",
        "trusted.overlay.redirect",
        "trusted.overlay.metacopy",
        "user.overlay.opaque",
        "security.selinux",
    ]
    .map(|name| (name.into(), b"y".to_vec()))
    .to_vec();
    let dir = Member {
        xattrs,
        ..inode("link/../.", FileKind::Dir)
    };
    let etc = Member {
        path: "link".into(),
        ..dir.clone()
    };
    let tree = place.add(&archive(&[dir, etc])).unwrap();
    assert_eq!(place.text(&tree, "etc/passwd"), "root", "what is below shows");
    for layer in place.store.tree_dirs(&tree).unwrap() {
        for path in ["to", "etc"] {
            let list = rustix::fs::llistxattr_query(layer.join(path)).unwrap_or(0);
            assert_eq!(list, 0, "{}", layer.display());
        }
    }
    // And the other one: a device 0/0.
    let node = inode("link/passwd", FileKind::CharDevice);
    let error = place.add(&archive(&[node])).unwrap_err();
    assert!(chain(&error).contains("not permitted"), "{}", chain(&error));
}

#[test]
fn names_of_whiteouts_are_just_names() {
    let place = Place::new();
    let tree = place
        .add(&archive(&[file("link/.wh.passwd"), file("link/.wh..wh..opq")]))
        .unwrap();
    assert_eq!(place.text(&tree, "etc/passwd"), "root", "ADD deletes nothing");
}

#[test]
fn nodes_pipes_and_modes_are_kept() {
    if !rustix::process::geteuid().is_root() {
        return println!("skipped: devices need root");
    }
    let place = Place::new();
    let disk = Member {
        rdev: rustix::fs::makedev(8, 0),
        mode: 0o660,
        ..inode("disk", FileKind::BlockDevice)
    };
    let suid = Member {
        mode: 0o6755,
        uid: 12,
        gid: 34,
        ..file("suid")
    };
    let tree = place
        .add(&archive(&[disk, inode("pipe", FileKind::Fifo), suid]))
        .unwrap();
    let disk = place.entry(&tree, "to/disk");
    assert_eq!((disk.kind, disk.mode), (FileKind::BlockDevice, 0o660));
    assert_eq!(place.entry(&tree, "to/pipe").kind, FileKind::Fifo);
    let suid = place.entry(&tree, "to/suid");
    assert_eq!((suid.mode, suid.uid, suid.gid), (0o6755, 12, 34));
}

#[test]
fn what_is_too_much_is_said() {
    // A file that says it has a tebibyte and a byte.
    let place = Place::new();
    let bomb = header_only("bomb", (1 << 40) + 1);
    let text = chain(&place.add(&bomb).unwrap_err());
    assert!(
        text.contains("\"archive\"") && text.contains("1099511627776 bytes of data"),
        "{text}"
    );
    let long = file(&"d/".repeat(2050));
    let text = chain(&place.add(&archive(&[long])).unwrap_err());
    assert!(text.contains("4095 bytes in a path"), "{text}");
    let name = file(&"n".repeat(256));
    let text = chain(&place.add(&archive(&[name])).unwrap_err());
    assert!(text.contains("name too long") && text.contains("nnnn"), "{text}");
    // That is cut off in the middle of it.
    let text = chain(&place.add(&header_only("short", 1 << 30)).unwrap_err());
    assert!(text.contains("\"short\""), "{text}");
}

/// An archive of one header, without the data that it promises.
fn header_only(path: &str, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path(path).unwrap();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    header.as_bytes().to_vec()
}

#[test]
fn something_in_the_way() {
    let place = Place::new();
    let text = chain(
        &place
            .add(&archive(&[inode("d", FileKind::Dir), file("d")]))
            .unwrap_err(),
    );
    assert!(text.contains("over the directory"), "{text}");
    let text = chain(&place.add(&archive(&[file("f"), file("f/x")])).unwrap_err());
    assert!(
        text.contains("\"f/x\"") && text.contains("not a directory"),
        "{text}"
    );
    let text = chain(
        &place
            .add(&archive(&[
                symlink_to("a", "b"),
                symlink_to("b", "a"),
                file("a/x"),
            ]))
            .unwrap_err(),
    );
    assert!(text.contains("too many symbolic links"), "{text}");
}

#[test]
fn the_same_name_again_and_again() {
    let place = Place::new();
    let tree = place
        .add(&archive(&[
            file("n"),
            symlink_to("n", "/etc/passwd"),
            file("n"),
            inode("n", FileKind::Fifo),
            symlink_to("n", "/etc"),
            file("n"),
        ]))
        .unwrap();
    assert_eq!(place.text(&tree, "to/n"), "x");
    assert_eq!(place.text(&tree, "etc/passwd"), "root");
}
