//! Archives that are small and want to be large: in memory, in time, on disk. Each is refused, or costs no more than its
//! own size.

use super::super::field::put_checksum;
use super::*;

/// A header block with a type and the size that it claims.
fn header(typeflag: u8, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_path("member").unwrap();
    header.set_mode(0o644);
    header.set_size(size);
    let mut block = *header.as_bytes();
    block[156] = typeflag;
    put_checksum(&mut block);
    block.to_vec()
}

fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

/// An extended header with these records.
fn extended(records: &[Vec<u8>]) -> Vec<u8> {
    let mut data = records.concat();
    let mut out = header(b'x', data.len() as u64);
    data.resize(data.len().next_multiple_of(BLOCK), 0);
    out.extend(data);
    out
}

fn first(bytes: &[u8]) -> Result<Option<Member>> {
    Archive::new(bytes).next_member()
}

#[track_caller]
fn is_malformed(bytes: &[u8], says: &str) {
    match first(bytes) {
        Err(ArchiveError::Malformed { problem, .. }) => assert_eq!(problem, says),
        other => panic!("{other:?}"),
    }
}

#[test]
fn headers_before_a_header_are_limited_together() {
    // Each is small enough. Unlimited, ten thousand of them are a gzip file of some megabytes, and 40 GB in memory.
    let one = extended(&[record("SCHILY.xattr.user.a", &vec![b'x'; 1 << 20])]);
    let mut bytes = one.repeat(3);
    let end = header(b'0', 0);
    assert!(first(&[&bytes[..], &end].concat()).unwrap().is_some());
    bytes.extend(one.repeat(2));
    bytes.extend(&end);
    is_malformed(&bytes, "its extended headers are too long");
    let name = [header(b'L', 3 << 20), vec![b'n'; 3 << 20]].concat();
    is_malformed(&name.repeat(2), "its extended headers are too long");
    is_malformed(&header(b'x', 1 << 33), "its extended headers are too long");
}

#[test]
fn numbers_beyond_what_files_have() {
    for number in [u64::MAX, u64::MAX - 511, 1 << 63] {
        let bytes = [
            extended(&[record("size", number.to_string().as_bytes())]),
            header(b'0', 0),
        ]
        .concat();
        is_malformed(&bytes, "the size is no file's");
        // Also where nothing is to be read: on the way to the next member.
        let real = number.to_string();
        let sparse = extended(&[
            record("GNU.sparse.size", real.as_bytes()),
            record("GNU.sparse.map", b"0,0"),
        ]);
        is_malformed(&[sparse, header(b'0', 0)].concat(), "the size is no file's");
    }
    let bytes = [
        extended(&[record("size", b"18446744073709551616")]),
        header(b'0', 0),
    ]
    .concat();
    is_malformed(&bytes, "the extended header is no list of records");
}

#[test]
fn a_flood_of_attributes() {
    // As many as fit. With a search for each among those before it this would be ten thousand million comparisons.
    let records: Vec<_> = (0..100_000)
        .map(|n| record(&format!("SCHILY.xattr.user.{n}"), b"v"))
        .collect();
    let bytes = [extended(&records), header(b'0', 0)].concat();
    let member = first(&bytes).unwrap().unwrap();
    assert_eq!(member.xattrs.len(), 100_000);
    assert!(member.xattrs.is_sorted());
    let dir = tempfile::tempdir().unwrap();
    let unpacked = unpack(&bytes[..], dir.path(), Lower::Unknown, &Limits::default()).unwrap();
    assert!(unpacked.lost_xattrs.count > 0, "no file system takes all of them");
}

#[test]
fn a_size_that_the_archive_does_not_have() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = [header(b'0', 1 << 39), vec![b'x'; 700]].concat();
    let error = unpack(&bytes[..], dir.path(), Lower::Unknown, &Limits::default()).unwrap_err();
    assert!(matches!(error, ArchiveError::Truncated), "{error}");
    use std::os::unix::fs::MetadataExt;
    let blocks = std::fs::metadata(dir.path().join("member")).unwrap().blocks();
    assert!(blocks * 512 < 1 << 20, "nothing is reserved");
}

#[test]
fn a_bomb_of_zeros_is_limited_by_what_it_unpacks_to() {
    use std::io::Write;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&header(b'0', 64 << 20)).unwrap();
    for _ in 0..64 {
        gzip.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let packed = gzip.finish().unwrap();
    assert!(packed.len() < 1 << 17, "a thousandth: {}", packed.len());
    let limits = Limits {
        bytes: (64 << 20) - 1,
        ..Limits::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let reader = crate::compress::reader(&packed[..]).unwrap();
    let error = unpack(reader, dir.path(), Lower::Unknown, &limits).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the archive holds more than 67108863 bytes of data"
    );
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        0,
        "nothing was written"
    );
}

#[test]
fn as_deep_as_a_path_goes_and_deeper() {
    let path = |levels: usize| vec!["folder"; levels].join("/");
    let work = move || {
        let deep = layer(&[dir(&path(585))]);
        let found = view(&[&deep]).entry(Path::new(&path(585))).unwrap();
        assert!(found.is_some_and(|entry| entry.is_dir()));
        let (packed, count) = pack(&deep.path(), Vec::new(), &PackOptions::default()).unwrap();
        assert_eq!(count.members, 585);
        let again = unpack_over(&packed, &[]);
        assert_eq!(again.result.as_ref().unwrap().members, 585);
        for layer in [deep, again] {
            crate::remove_tree(&layer.path()).unwrap();
        }
        let error = unpack_over(&archive(&[dir(&path(586))]), &[]).error();
        assert_eq!(
            error.to_string(),
            "the archive holds more than 4095 bytes in a path"
        );
    };
    // What would go down by a call for each folder has no room for that.
    let thread = std::thread::Builder::new()
        .stack_size(256 << 10)
        .spawn(work)
        .unwrap();
    thread.join().unwrap();
}

#[test]
fn marks_are_seen_where_paths_are_longer_than_the_kernel_takes() {
    let deep = vec!["folder"; 580].join("/");
    let in_it = |name: &str| format!("{deep}/{name}");
    let below = layer(&[file(&in_it("d/f"), "below")]);
    let above = layer_over(&[dir(&in_it("d")), file(&in_it("d/.wh..wh..opq"), "")], &[&below]);
    assert!(
        view(&[&below, &above])
            .entry(Path::new(&in_it("d/f")))
            .unwrap()
            .is_none()
    );
    let (packed, _) = pack(&above.path(), Vec::new(), &PackOptions::default()).unwrap();
    let again = unpack_over(&packed, &[&below]);
    assert!(
        view(&[&below, &again])
            .entry(Path::new(&in_it("d/f")))
            .unwrap()
            .is_none()
    );
    for layer in [below, above, again] {
        crate::remove_tree(&layer.path()).unwrap();
    }
}

#[test]
fn every_kind_in_the_place_of_every_other() {
    let fifo = (member("n", MemberKind::Inode(FileKind::Fifo)), Vec::new());
    let kinds = [
        file("n", "1"),
        dir("n"),
        symlink("n", "/elsewhere"),
        hard_link("n", "other"),
        fifo,
    ];
    for before in &kinds {
        for after in &kinds {
            let unpacked = layer(&[file("other", "o"), before.clone(), after.clone()]);
            let entry = view(&[&unpacked]).entry(Path::new("n")).unwrap().unwrap();
            let expected = match after.0.kind {
                MemberKind::Inode(kind) => kind,
                MemberKind::HardLink => FileKind::File,
            };
            assert_eq!(entry.kind, expected);
        }
    }
    let both = layer(&[file("other", "o"), hard_link("n", "other"), file("n", "changed")]);
    assert_eq!(
        text(&view(&[&both]), "other"),
        "o",
        "a new file, not new data for both names"
    );
}

#[test]
fn what_follows_the_end_is_nothing() {
    let mut bytes = archive(&[file("a", "a")]);
    bytes.extend(b"trailing garbage that is no block");
    bytes.extend(archive(&[file("b", "b")]));
    let unpacked = unpack_over(&bytes, &[]);
    assert_eq!(unpacked.result.as_ref().unwrap().members, 1);
    assert_eq!(paths(&view(&[&unpacked])), ["a"]);
}
