//! Archives that want out, or too much, or make no sense.

use proptest::prelude::*;

use super::*;

/// A directory beside the layer's, and what must not happen to it.
struct Outside {
    dir: tempfile::TempDir,
}

impl Outside {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("layer")).unwrap();
        std::fs::write(dir.path().join("secret"), "secret").unwrap();
        Self { dir }
    }

    fn unpack(&self, members: &[(Member, Vec<u8>)]) -> Result<Unpacked> {
        let lower = LayeredView::new(Vec::<PathBuf>::new());
        let result = unpack(
            &archive(members)[..],
            &self.dir.path().join("layer"),
            Lower::Tree(&lower),
            &Limits::default(),
        );
        assert_eq!(std::fs::read(self.dir.path().join("secret")).unwrap(), b"secret");
        let mut names: Vec<_> = std::fs::read_dir(self.dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["layer", "secret"]);
        result
    }

    fn outside(&self, path: &str) -> String {
        self.dir.path().join(path).display().to_string()
    }
}

#[test]
fn paths_that_lead_out() {
    for path in [
        "../secret",
        "a/../../secret",
        "..",
        "./../secret",
        "a/b/../../../x",
    ] {
        let error = Outside::new().unpack(&[file(path, "overwritten")]).unwrap_err();
        assert!(
            matches!(&error, ArchiveError::Escapes(p) if p == Path::new(path)),
            "{path}: {error}"
        );
    }
    for path in ["..", ".", ""] {
        let name = format!("d/.wh.{path}");
        assert!(
            matches!(
                Outside::new().unpack(&[file(&name, "")]).unwrap_err(),
                ArchiveError::Escapes(_)
            ),
            "{path}"
        );
    }
    let error = Outside::new().unpack(&[file(".", "")]).unwrap_err();
    assert!(matches!(error, ArchiveError::Escapes(_)), "the root is no file");
}

#[test]
fn paths_that_stay_inside() {
    let outside = Outside::new();
    outside
        .unpack(&[
            file("/absolute", "1"),
            file("a/../b", "2"),
            file("./c//d", "3"),
            dir("./"),
        ])
        .unwrap();
    let layer = LayeredView::new([outside.dir.path().join("layer")]);
    assert_eq!(paths(&layer), ["absolute", "b", "c/", "c/d"]);
}

#[test]
fn links_are_followed_inside_only() {
    let outside = Outside::new();
    let absolute = outside.outside("");
    outside
        .unpack(&[
            symlink("out", "../../.."),
            file("out/secret", "inside"),
            symlink("abs", &absolute),
            file("abs/secret2", "inside"),
            dir("abs/new"),
            symlink("d", "e"),
            symlink("e", "/f/../g"),
            file("d/x", "inside"),
            hard_link("d/y", "out/secret"),
        ])
        .unwrap();
    let layer = LayeredView::new([outside.dir.path().join("layer")]);
    assert_eq!(text(&layer, "secret"), "inside");
    assert_eq!(text(&layer, "g/x"), "inside");
    assert_eq!(text(&layer, "g/y"), "inside");
    assert_eq!(text(&layer, &format!("{absolute}secret2")), "inside");
}

#[test]
fn hard_links_that_lead_out() {
    let outside = Outside::new();
    let secret = outside.outside("secret");
    for target in ["../secret", &secret, "out/secret", "missing", ".", "d"] {
        let outside = Outside::new();
        let error = outside
            .unpack(&[dir("d"), symlink("out", "../"), hard_link("stolen", target)])
            .unwrap_err();
        assert!(
            matches!(
                error,
                ArchiveError::DanglingLink { .. } | ArchiveError::Escapes(_)
            ),
            "{target}: {error}"
        );
    }
}

#[test]
fn a_file_is_written_over_a_link_and_never_through_it() {
    let outside = Outside::new();
    let secret = outside.outside("secret");
    outside
        .unpack(&[
            symlink("a", &secret),
            file("a", "new"),
            symlink("b", "a"),
            dir("b"),
        ])
        .unwrap();
    let layer = LayeredView::new([outside.dir.path().join("layer")]);
    assert_eq!(text(&layer, "a"), "new");
    assert_eq!(paths(&layer), ["a", "b/"]);
}

#[test]
fn loops_and_files_on_the_way() {
    let error = Outside::new()
        .unpack(&[symlink("a", "b"), symlink("b", "a"), file("a/x", "")])
        .unwrap_err();
    assert!(error.to_string().contains("too many symbolic links"), "{error}");
    let error = Outside::new()
        .unpack(&[file("a", ""), file("a/x", "")])
        .unwrap_err();
    assert!(
        matches!(&error, ArchiveError::NotADirectory { parent, .. } if parent == Path::new("a")),
        "{error}"
    );
}

#[test]
fn limits() {
    let many: Vec<_> = (0..11).map(|i| file(&format!("f{i}"), "12345")).collect();
    let limits = Limits {
        members: 11,
        bytes: 55,
        path: 3,
    };
    for (limits, what) in [
        (limits, None),
        (
            Limits {
                members: 10,
                ..limits
            },
            Some("members"),
        ),
        (Limits { bytes: 54, ..limits }, Some("bytes of data")),
        (Limits { path: 2, ..limits }, Some("bytes in a path")),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let result = unpack(&archive(&many)[..], dir.path(), Lower::Unknown, &limits);
        match (what, result) {
            (None, result) => assert!(result.is_ok()),
            (Some(what), Err(ArchiveError::TooLarge { what: found, .. })) => assert_eq!(found, what),
            (what, result) => panic!("{what:?} {result:?}"),
        }
    }
}

#[test]
fn a_sparse_bomb_counts_with_its_holes() {
    let mut builder = tar::Builder::new(Vec::new());
    let records: &[(&str, &[u8])] = &[
        ("GNU.sparse.major", b"0"),
        ("GNU.sparse.minor", b"1"),
        ("GNU.sparse.name", b"bomb"),
        ("GNU.sparse.size", b"9000000000000000000"),
        ("GNU.sparse.map", b"0,0"),
    ];
    builder.append_pax_extensions(records.iter().copied()).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_size(0);
    header.set_mode(0o644);
    builder.append_data(&mut header, "x", &[][..]).unwrap();
    let error = unpack_over(&builder.into_inner().unwrap(), &[]).error();
    assert!(
        matches!(
            error,
            ArchiveError::TooLarge {
                what: "bytes of data",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn overlayfs_s_own_attributes_cannot_be_forged() {
    let xattrs: Xattrs = [
        "trusted.overlay.opaque",
        "trusted.overlay.redirect",
        "user.overlay.opaque",
        "security.selinux",
    ]
    .map(|name| (name.into(), b"y".to_vec()))
    .to_vec();
    let below = layer(&[file("d/below", "")]);
    let over = layer_over(&[(Member { xattrs, ..dir("d").0 }, vec![])], &[&below]);
    assert_eq!(paths(&view(&[&below, &over])), ["d/", "d/below"]);
    let list = rustix::fs::llistxattr_query(over.path().join("d")).unwrap();
    assert_eq!(list, 0);
}

#[test]
fn what_is_no_archive() {
    let error = unpack_over(b"<html>not found</html>", &[]).error();
    assert!(matches!(error, ArchiveError::Truncated), "{error}");
    let error = unpack_over(&[b'x'; 2048], &[]).error();
    assert!(
        matches!(error, ArchiveError::Malformed { offset: 0, .. }),
        "{error}"
    );
    assert_eq!(
        unpack_over(b"", &[]).result.unwrap().members,
        0,
        "an empty file is an empty archive"
    );
    assert_eq!(unpack_over(&[0; 1024], &[]).result.unwrap().members, 0);
    let mut bytes = archive(&[file("a", "a")]);
    bytes.splice(0..0, [0; 512]);
    assert!(matches!(
        unpack_over(&bytes, &[]).error(),
        ArchiveError::Malformed { .. }
    ));
    let mut unknown = [0u8; 1024];
    unknown[0] = b'n';
    unknown[156] = b'Z';
    super::super::field::put_checksum((&mut unknown[..512]).try_into().unwrap());
    let error = unpack_over(&unknown, &[]).error();
    assert!(
        matches!(error, ArchiveError::UnknownType { typeflag: 'Z', .. }),
        "{error}"
    );
}

#[test]
fn cut_off_anywhere() {
    let bytes = archive(&[file("a", &"a".repeat(700)), file(&"n".repeat(150), "b"), dir("c")]);
    let end = bytes.len() - 1024;
    for length in 0..end {
        let result = unpack_over(&bytes[..length], &[]).result;
        // Between members, and in the padding of the last one, an archive may end.
        let whole = match result {
            Ok(unpacked) => unpacked.members,
            Err(ArchiveError::Truncated) => continue,
            Err(error) => panic!("{length}: {error}"),
        };
        assert!(
            length % BLOCK == 0 || (512 + 700..512 + 1024).contains(&length) || whole == 2,
            "{length}"
        );
    }
    assert_eq!(unpack_over(&bytes[..end], &[]).result.unwrap().members, 3);
}

#[test]
fn a_reader_that_fails_is_not_a_short_archive() {
    struct Fails(usize);
    impl Read for Fails {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            match self.0 {
                0 => Err(std::io::ErrorKind::ConnectionReset.into()),
                rest => {
                    let bytes = archive(&[file("a", &"a".repeat(5000))]);
                    let at = 2000 - rest;
                    let length = buffer.len().min(rest);
                    buffer[..length].copy_from_slice(&bytes[at..at + length]);
                    self.0 -= length;
                    Ok(length)
                }
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let error = unpack(Fails(2000), dir.path(), Lower::Unknown, &Limits::default()).unwrap_err();
    assert!(
        matches!(&error, ArchiveError::Read(source) if source.kind() == std::io::ErrorKind::ConnectionReset)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Damage is an error or another archive, never more than that.
    #[test]
    fn damaged_archives(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), fix: bool) {
        let outside = Outside::new();
        let members = [dir("d"), file("d/f", "data"), symlink("l", "d"), hard_link("h", "d/f"), file(&"n".repeat(150), "x")];
        let mut bytes = archive(&members);
        for (place, value) in changes {
            let place = place.index(bytes.len() - 1024);
            bytes[place] = value;
            if fix {
                let block = place / BLOCK * BLOCK;
                super::super::field::put_checksum((&mut bytes[block..block + BLOCK]).try_into().unwrap());
            }
        }
        let lower = LayeredView::new(Vec::<PathBuf>::new());
        let limits = Limits { bytes: 1 << 20, ..Limits::default() };
        let _ = unpack(&bytes[..], &outside.dir.path().join("layer"), Lower::Tree(&lower), &limits);
        outside.unpack(&[]).unwrap();
    }
}
