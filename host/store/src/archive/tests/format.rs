//! The tar format itself: our headers read by others, and others' archives read by us.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::process::Command;

use super::*;
use crate::tree::suite;

fn odd_members() -> Vec<(Member, Vec<u8>)> {
    let long = "d/".repeat(60) + "file";
    let longer = "n".repeat(150);
    let mut members = vec![
        file("plain", "data"),
        dir("dir"),
        file(&long, "in the prefix"),
        file(&longer, "in a record"),
        dir(&format!("{longer}-dir/sub")),
        file("d/ünïcode-名前", "UTF-8"),
        symlink("link", &"t/".repeat(80)),
        hard_link("hard", &longer),
        symlink("umlaut", "ü"),
    ];
    let raw = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
    members.push((
        Member {
            path: raw(b"raw-\xff\xfe"),
            ..file("", "x").0
        },
        b"x".to_vec(),
    ));
    members.push((
        Member {
            path: raw(&[0xff; 120]),
            ..file("", "x").0
        },
        b"x".to_vec(),
    ));
    members.push((
        Member {
            uid: 3_000_000,
            gid: 4_000_000_000,
            ..file("big-ids", "").0
        },
        vec![],
    ));
    let mtime = Timestamp {
        seconds: -100,
        nanoseconds: 250_000_000,
    };
    members.push((
        Member {
            mtime,
            ..file("old", "").0
        },
        vec![],
    ));
    let xattrs = vec![
        ("security.capability".into(), vec![0, 1, 255]),
        ("user.empty".into(), vec![]),
    ];
    members.push((
        Member {
            xattrs,
            mode: 0o6711,
            ..file("xattrs", "").0
        },
        vec![],
    ));
    let device = |path: &str, kind, rdev| {
        (
            Member {
                rdev,
                ..member(path, MemberKind::Inode(kind))
            },
            Vec::new(),
        )
    };
    members.push(device("char", FileKind::CharDevice, rustix::fs::makedev(1, 3)));
    members.push(device(
        "block",
        FileKind::BlockDevice,
        rustix::fs::makedev(259, 70_000),
    ));
    members.push(device("fifo", FileKind::Fifo, 0));
    members
}

#[test]
fn what_is_written_is_read() {
    let mut members = odd_members();
    // Some readers take records for lines.
    let xattrs = vec![("user.lines".into(), b"1\n22 path=\0x\n".to_vec())];
    members.push((
        Member {
            xattrs,
            ..file("lines", "").0
        },
        vec![],
    ));
    let bytes = archive(&members);
    assert_eq!(bytes.len() % BLOCK, 0);
    let mut archive = Archive::new(&bytes[..]);
    for (member, data) in &members {
        assert_eq!(archive.next_member().unwrap().as_ref(), Some(member));
        let mut read = Vec::new();
        archive.read_to_end(&mut read).unwrap();
        assert_eq!(&read, data, "{:?}", member.path);
    }
    assert_eq!(archive.next_member().unwrap(), None);
    assert_eq!(archive.next_member().unwrap(), None);
}

#[test]
fn data_that_nobody_reads_is_passed_over() {
    let members = odd_members();
    let bytes = archive(&members);
    let mut archive = Archive::new(&bytes[..]);
    for (index, (member, _)) in members.iter().enumerate() {
        assert_eq!(&archive.next_member().unwrap().unwrap(), member);
        let _ = archive.read(&mut [0; 3][..index % 4]).unwrap();
    }
    assert_eq!(archive.next_member().unwrap(), None);
}

#[test]
fn another_library_reads_it() {
    let members = odd_members();
    let bytes = archive(&members);
    let mut reader = tar::Archive::new(&bytes[..]);
    let mut entries = reader.entries().unwrap();
    for (member, data) in &members {
        let mut entry = entries.next().unwrap().unwrap();
        let path = entry.path_bytes().into_owned();
        assert_eq!(
            path.strip_suffix(b"/").unwrap_or(&path),
            member.path.as_os_str().as_bytes()
        );
        assert_eq!(
            entry.link_name_bytes().unwrap_or_default(),
            member.link.as_os_str().as_bytes()
        );
        assert_eq!(entry.header().mode().unwrap(), member.mode);
        assert_eq!(entry.size(), member.size);
        if member.kind != MemberKind::HardLink && member.rdev != 0 {
            assert_eq!(
                entry.header().device_major().unwrap(),
                Some(rustix::fs::major(member.rdev))
            );
            assert_eq!(
                entry.header().device_minor().unwrap(),
                Some(rustix::fs::minor(member.rdev))
            );
        }
        let records: Vec<(Vec<u8>, Vec<u8>)> = entry
            .pax_extensions()
            .unwrap()
            .map(|records| {
                records
                    .map(|r| r.unwrap())
                    .map(|r| (r.key_bytes().into(), r.value_bytes().into()))
                    .collect()
            })
            .unwrap_or_default();
        let xattrs = member
            .xattrs
            .iter()
            .map(|(n, v)| ([b"SCHILY.xattr.", n.as_bytes()].concat(), v.clone()));
        for xattr in xattrs {
            assert!(records.contains(&xattr), "{records:?}");
        }
        let mut read = Vec::new();
        entry.read_to_end(&mut read).unwrap();
        assert_eq!(&read, data);
    }
    assert!(entries.next().is_none());
}

#[test]
fn records_only_where_they_are_needed() {
    assert_eq!(archive(&[file("plain", "data")]).len(), 4 * BLOCK);
    assert_eq!(archive(&[dir(&("d/".repeat(60) + "x"))]).len(), 3 * BLOCK);
    assert_eq!(archive(&[file("ü", "")]).len(), 5 * BLOCK);
}

#[test]
fn files_shorter_or_longer_than_they_say() {
    let (member, _) = file("f", "12345");
    let error = Builder::new(Vec::new())
        .append(&member, Some(&mut &b"1234"[..]))
        .unwrap_err();
    assert!(matches!(error, ArchiveError::Changed(path) if path == Path::new("f")));
}

/// Runs GNU tar in a directory. False: there is none here.
fn gnu_tar(dir: &Path, arguments: &[&str]) -> bool {
    match Command::new("tar").current_dir(dir).args(arguments).output() {
        Ok(output) => {
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            true
        }
        Err(error) => {
            println!("skipped: no tar: {error}");
            false
        }
    }
}

#[test]
fn gnu_tar_s_archives() {
    let work = tempfile::tempdir().unwrap();
    let source = work.path().join("source");
    std::fs::create_dir(&source).unwrap();
    let mut specimen = suite::specimen();
    specimen.insert(
        "long/".to_owned() + &"n".repeat(200),
        crate::tree::MemoryNode::file("long"),
    );
    specimen.insert(
        "long/".to_owned() + &"p/".repeat(90) + "x",
        crate::tree::MemoryNode::symlink("t".repeat(180)),
    );
    suite::write(&specimen, &source);
    let source_view = LayeredView::new([source.clone()]);
    for format in ["gnu", "oldgnu", "pax"] {
        let arguments = [
            "--create",
            "--file=../archive.tar",
            "--owner=0",
            "--group=0",
            "--numeric-owner",
            &format!("--format={format}"),
            ".",
        ];
        if !gnu_tar(&source, &arguments) {
            return;
        }
        let layer = unpack_over(&std::fs::read(work.path().join("archive.tar")).unwrap(), &[]);
        let unpacked = layer.result.as_ref().unwrap();
        assert_eq!(unpacked.members, specimen.nodes().count() as u64);
        let found = suite::dump(&view(&[&layer]));
        let expected = suite::dump(&source_view);
        let seconds = |dump: Vec<String>| crate::tree::overlay::without_times(dump);
        match format {
            "pax" => assert_eq!(found, expected),
            _ => assert_eq!(seconds(found), seconds(expected), "{format}"),
        }
    }
}

#[test]
fn sparse_files_of_all_versions() {
    let work = tempfile::tempdir().unwrap();
    let source = work.path().join("source");
    std::fs::create_dir(&source).unwrap();
    let size = 40u64 << 20;
    let sparse = std::fs::File::create(source.join("sparse")).unwrap();
    sparse.set_len(size).unwrap();
    for i in 0..60u64 {
        sparse
            .write_all_at(format!("part {i}").as_bytes(), i * 600_000)
            .unwrap();
    }
    std::fs::File::create(source.join("hole"))
        .unwrap()
        .set_len(size)
        .unwrap();
    std::fs::write(source.join("plain"), "after").unwrap();
    let expected = suite::dump(&LayeredView::new([source.clone()]));
    for format in [
        "--format=gnu",
        "--sparse-version=0.0",
        "--sparse-version=0.1",
        "--sparse-version=1.0",
    ] {
        let mut arguments = vec![
            "--create",
            "--file=../archive.tar",
            "--owner=0",
            "--group=0",
            "--sparse",
            format,
        ];
        arguments.extend(format.contains("version").then_some("--format=pax"));
        arguments.push(".");
        if !gnu_tar(&source, &arguments) {
            return;
        }
        let bytes = std::fs::read(work.path().join("archive.tar")).unwrap();
        assert!((bytes.len() as u64) < size / 4, "{format}: not sparse");
        let layer = unpack_over(&bytes, &[]);
        assert_eq!(layer.result.as_ref().unwrap().bytes, 2 * size + 5, "{format}");
        let strip = |dump: Vec<String>| crate::tree::overlay::without_times(dump);
        assert_eq!(
            strip(suite::dump(&view(&[&layer]))),
            strip(expected.clone()),
            "{format}"
        );
        for name in ["sparse", "hole"] {
            let metadata = layer.path().join(name).metadata().unwrap();
            let stored = std::os::unix::fs::MetadataExt::blocks(&metadata) * 512;
            assert!(stored < size / 4, "{format} {name}: holes were filled");
        }
    }
}

#[test]
fn gnu_tar_reads_ours() {
    if !crate::tree::Powers::current().is_full() {
        println!("skipped: only root's tar gives files away");
        return;
    }
    let work = tempfile::tempdir().unwrap();
    let members: Vec<_> = odd_members()
        .into_iter()
        .filter(|(m, _)| m.path != Path::new("old"))
        .collect();
    std::fs::write(work.path().join("ours.tar"), archive(&members)).unwrap();
    let target = work.path().join("target");
    std::fs::create_dir(&target).unwrap();
    if !gnu_tar(
        &target,
        &[
            "--extract",
            "--file=../ours.tar",
            "--same-permissions",
            "--numeric-owner",
        ],
    ) {
        return;
    }
    let unpacked = layer(&members);
    let strip = |dump: Vec<String>| crate::tree::overlay::without_times(dump);
    let without_xattrs = |dump: Vec<String>| -> Vec<String> {
        strip(dump)
            .into_iter()
            .filter(|line| !line.starts_with("\"xattrs\""))
            .collect()
    };
    assert_eq!(
        without_xattrs(suite::dump(&LayeredView::new([target]))),
        without_xattrs(suite::dump(&view(&[&unpacked])))
    );
}
