//! Images from OCI layouts: directories and archives.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use lapstrake_llb::Digest;
use lapstrake_ops::Error;
use lapstrake_ops::source::image::{ImagePlace, ImageRequest, ImageStore};
use lapstrake_ops::source::progress::Quiet;
use lapstrake_store::compress::Compression;
use lapstrake_store::{Store, Tree};
use serde_json::json;
use support::layout::{LayoutBuilder, Member, archive, small};
use support::{chain, platform};

struct Fixture {
    directory: tempfile::TempDir,
    layout: LayoutBuilder,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let layout = LayoutBuilder::new(&directory.path().join("layout"));
        Self { directory, layout }
    }

    fn images(&self) -> (Store, ImageStore) {
        self.images_at(&self.layout.path)
    }

    fn images_at(&self, path: &Path) -> (Store, ImageStore) {
        let mut options = support::options();
        options.layouts.insert("base".to_owned(), path.to_owned());
        support::images(self.directory.path(), options)
    }
}

fn wanted(reference: &str) -> ImageRequest {
    ImageRequest {
        place: ImagePlace::Layout("base".to_owned()),
        ..support::request(reference)
    }
}

fn for_platform(reference: &str, name: &str) -> ImageRequest {
    ImageRequest {
        platform: Some(platform(name)),
        ..wanted(reference)
    }
}

#[test]
fn a_tagged_image_becomes_a_tree() {
    let mut fixture = Fixture::new();
    let digest = fixture
        .layout
        .tag(small(&fixture.layout, "linux/amd64"), Some("1"));
    let (store, images) = fixture.images();
    let image = images.resolve(&wanted("base:1"), &Quiet).unwrap();
    assert_eq!(image.reference, format!("base:1@{digest}"));
    assert_eq!((image.digest, image.manifest_digest), (digest, digest));
    assert_eq!(image.config.cmd.as_deref(), Some(&["/bin/sh".to_owned()][..]));

    let tree = images.tree(&image, None).unwrap();
    assert_eq!(tree.layers.len(), 2);
    assert!(
        tree.layers.iter().all(|id| !store.layer(*id).unwrap().unpacked),
        "nothing is fetched yet"
    );
    assert!(
        image
            .layers
            .iter()
            .all(|layer| !store.has_blob(&layer.descriptor.digest))
    );

    images.ensure_unpacked(&tree, &Quiet).unwrap();
    let read =
        |index: usize, name: &str| fs::read(store.layer_dir(tree.layers[index]).unwrap().join(name)).unwrap();
    assert_eq!(read(0, "etc/platform"), b"linux-amd64");
    assert_eq!(read(1, "greeting"), b"hello\n");
    assert_eq!(read(1, "link"), b"hello\n");
    assert!(
        image
            .layers
            .iter()
            .all(|layer| store.has_blob(&layer.descriptor.digest)),
        "the archives are kept"
    );
    // Once more is no work, with the layout gone too.
    fs::remove_dir_all(&fixture.layout.path).unwrap();
    images.ensure_unpacked(&tree, &Quiet).unwrap();
    images.ensure_blob(tree.layers[0], &Quiet).unwrap();
}

#[test]
fn a_limit_takes_the_lowest_layers() {
    let mut fixture = Fixture::new();
    fixture.layout.tag(small(&fixture.layout, "linux/amd64"), None);
    let (_, images) = fixture.images();
    let image = images.resolve(&wanted(""), &Quiet).unwrap();
    assert_eq!(images.tree(&image, Some(1)).unwrap().layers.len(), 1);
    assert_eq!(images.tree(&image, Some(9)).unwrap().layers.len(), 2);
    assert_eq!(image.chain_id(Some(1)), Some(image.layers[0].diff_id));
    assert_eq!(image.chain_id(Some(0)), None);
}

#[test]
fn images_are_found_by_tag_name_and_digest() {
    let mut fixture = Fixture::new();
    let one = fixture
        .layout
        .tag(small(&fixture.layout, "linux/amd64"), Some("1"));
    let full = fixture
        .layout
        .image("linux/amd64", &[&[Member::File("a", b"2")]], json!({}));
    let two = fixture.layout.tag(full, Some("registry.example/app:2"));
    let other = fixture
        .layout
        .image("linux/amd64", &[&[Member::File("a", b"3")]], json!({}));
    let three = fixture.layout.tag(other, Some("latest"));
    let (_, images) = fixture.images();
    let find = |reference: &str| {
        images
            .resolve(&wanted(reference), &Quiet)
            .map(|image| image.digest)
    };
    assert_eq!(find(":1").unwrap(), one);
    assert_eq!(find("x:2").unwrap(), two);
    assert_eq!(find("registry.example/app:2").unwrap(), two);
    assert_eq!(find("").unwrap(), three, "latest is meant when nothing is said");
    assert_eq!(find(&format!("x@{one}")).unwrap(), one);
    let error = find("x:9").unwrap_err();
    assert!(
        matches!(&error, Error::NotInLayout { available, .. } if available.len() == 3),
        "{error}"
    );
    assert!(error.to_string().contains("registry.example/app:2"), "{error}");
    let missing = Digest::of(b"nothing");
    assert!(
        matches!(find(&format!("@{missing}")), Err(Error::MissingLayoutBlob { digest, .. }) if digest == missing)
    );
}

#[test]
fn several_images_without_a_tag_are_ambiguous() {
    let mut fixture = Fixture::new();
    fixture
        .layout
        .tag(small(&fixture.layout, "linux/amd64"), Some("1"));
    let other = fixture
        .layout
        .image("linux/amd64", &[&[Member::File("a", b"2")]], json!({}));
    fixture.layout.tag(other, Some("2"));
    let (_, images) = fixture.images();
    let error = images.resolve(&wanted(""), &Quiet).unwrap_err();
    assert!(matches!(error, Error::AmbiguousInLayout { .. }), "{error}");
    assert!(error.to_string().ends_with("1, 2"), "{error}");
}

#[test]
fn platforms_are_chosen_from_nested_indexes() {
    let mut fixture = Fixture::new();
    let list: Vec<_> = ["linux/amd64", "linux/arm/v6"]
        .iter()
        .map(|name| small(&fixture.layout, name))
        .collect();
    let nested = fixture.layout.image_index(&list);
    let outer = fixture.layout.image_index(&[nested]);
    let root = fixture.layout.tag(outer, Some("1"));
    let (_, images) = fixture.images();
    let image = images
        .resolve(&for_platform(":1", "linux/arm/v7"), &Quiet)
        .unwrap();
    assert_eq!(image.digest, root);
    assert_eq!(
        image.manifest_digest.to_string(),
        list[1]["digest"].as_str().unwrap()
    );
    assert_eq!(image.config.platform, platform("linux/arm/v6"));
    let error = images
        .resolve(&for_platform(":1", "linux/s390x"), &Quiet)
        .unwrap_err();
    assert!(
        matches!(&error, Error::NoPlatform { platform, available, .. }
            if platform == "linux/s390x" && *available == ["linux/amd64", "linux/arm/v6"]),
        "{error}"
    );
}

#[test]
fn entries_that_differ_in_platform_only_are_an_index() {
    let mut fixture = Fixture::new();
    let amd64 = fixture
        .layout
        .tag(small(&fixture.layout, "linux/amd64"), Some("1"));
    let arm64 = fixture
        .layout
        .tag(small(&fixture.layout, "linux/arm64"), Some("1"));
    let (_, images) = fixture.images();
    for reference in ["", ":1"] {
        assert_eq!(images.resolve(&wanted(reference), &Quiet).unwrap().digest, amd64);
        assert_eq!(
            images
                .resolve(&for_platform(reference, "linux/arm64"), &Quiet)
                .unwrap()
                .digest,
            arm64
        );
    }
}

#[test]
fn a_single_image_of_another_platform_is_refused() {
    let mut fixture = Fixture::new();
    fixture
        .layout
        .tag(small(&fixture.layout, "linux/arm64"), Some("1"));
    let (_, images) = fixture.images();
    let error = images.resolve(&wanted(":1"), &Quiet).unwrap_err();
    assert!(
        matches!(&error, Error::WrongPlatform { found, .. } if found == "linux/arm64"),
        "{error}"
    );
}

#[test]
fn every_compression_is_unpacked() {
    let mut fixture = Fixture::new();
    let archives: Vec<_> = Compression::ALL
        .into_iter()
        .map(|compression| (archive(&[Member::File(compression.name(), b"x")]), compression))
        .collect();
    fixture
        .layout
        .tag(fixture.layout.image_of("linux/amd64", &archives, json!({})), None);
    let (store, images) = fixture.images();
    let tree = images
        .tree(&images.resolve(&wanted(""), &Quiet).unwrap(), None)
        .unwrap();
    images.ensure_unpacked(&tree, &Quiet).unwrap();
    for (id, compression) in tree.layers.iter().zip(Compression::ALL) {
        assert!(store.layer_dir(*id).unwrap().join(compression.name()).exists());
    }
}

#[test]
fn a_corrupt_layer_is_named_and_leaves_the_store_as_it_was() {
    let mut fixture = Fixture::new();
    fixture.layout.tag(small(&fixture.layout, "linux/amd64"), None);
    let (store, images) = fixture.images();
    let image = images.resolve(&wanted(""), &Quiet).unwrap();
    let tree = images.tree(&image, None).unwrap();
    let digest = image.layers[1].descriptor.digest;
    let path = fixture.layout.blob_path(&digest);
    let whole = fs::read(&path).unwrap();
    let last = whole.len() - 5;
    for (what, damaged) in [
        ("changed", {
            let mut bytes = whole.clone();
            bytes[last] ^= 1;
            bytes
        }),
        ("cut", whole[..last].to_vec()),
        ("longer", [&whole[..], b"x"].concat()),
        ("other", b"hello".to_vec()),
    ] {
        fs::write(&path, damaged).unwrap();
        for error in [
            images.ensure_unpacked(&tree, &Quiet).unwrap_err(),
            images.ensure_blob(tree.layers[1], &Quiet).map(drop).unwrap_err(),
        ] {
            assert!(
                matches!(&error, Error::DigestMismatch { digest: d, .. } | Error::BlobSize { digest: d, .. } if *d == digest),
                "{what}: {}",
                chain(&error)
            );
            let text = error.to_string();
            assert!(
                text.contains(&digest.hex()) && text.contains(path.to_str().unwrap()),
                "{what}: {text}"
            );
        }
        assert!(!store.has_blob(&digest));
        assert!(!store.layer(tree.layers[1]).unwrap().unpacked);
    }
    // With the right bytes everything goes on as if nothing had been.
    fs::write(&path, whole).unwrap();
    images.ensure_unpacked(&tree, &Quiet).unwrap();
}

#[test]
fn a_blob_damaged_in_the_store_is_fetched_again() {
    let mut fixture = Fixture::new();
    fixture.layout.tag(small(&fixture.layout, "linux/amd64"), None);
    let (store, images) = fixture.images();
    let image = images.resolve(&wanted(""), &Quiet).unwrap();
    let tree = images.tree(&image, None).unwrap();
    let blob = images.ensure_blob(tree.layers[0], &Quiet).unwrap();
    let path = store.blob_path(&blob.descriptor.digest);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&path, bytes).unwrap();
    images.ensure_unpacked(&tree, &Quiet).unwrap();
    store.open_blob_verified(&blob.descriptor.digest).unwrap();
}

#[test]
fn an_archive_that_is_not_what_the_image_says_is_refused() {
    let mut fixture = Fixture::new();
    let descriptor = small(&fixture.layout, "linux/amd64");
    let manifest_path = fixture
        .layout
        .path
        .join("blobs/sha256")
        .join(&descriptor["digest"].as_str().unwrap()[7..]);
    let mut manifest: serde_json::Value = serde_json::from_slice(&fs::read(manifest_path).unwrap()).unwrap();
    manifest["layers"].as_array_mut().unwrap().swap(0, 1);
    let swapped = fixture.layout.manifest(&manifest, Some("linux/amd64"));
    fixture.layout.tag(swapped, None);
    let (store, images) = fixture.images();
    let tree = images
        .tree(&images.resolve(&wanted(""), &Quiet).unwrap(), None)
        .unwrap();
    let error = images.ensure_unpacked(&tree, &Quiet).unwrap_err();
    assert!(matches!(error, Error::DiffIdMismatch { .. }), "{}", chain(&error));
    assert!(!store.layer(tree.layers[0]).unwrap().unpacked);
}

#[test]
fn a_corrupt_document_is_a_digest_mismatch() {
    let mut fixture = Fixture::new();
    let digest = fixture.layout.tag(small(&fixture.layout, "linux/amd64"), None);
    fs::write(fixture.layout.blob_path(&digest), "{}").unwrap();
    let (_, images) = fixture.images();
    let error = images.resolve(&wanted(""), &Quiet).unwrap_err();
    assert!(
        matches!(&error, Error::DigestMismatch { digest: d, .. } if *d == digest),
        "{error}"
    );
}

#[test]
fn nothing_leads_out_of_a_layout() {
    let mut fixture = Fixture::new();
    let digest = fixture.layout.tag(small(&fixture.layout, "linux/amd64"), None);
    let outside = fixture.directory.path().join("outside");
    let path = fixture.layout.blob_path(&digest);
    fs::rename(&path, &outside).unwrap();
    for target in [outside.as_path(), Path::new("../../../outside")] {
        std::os::unix::fs::symlink(target, &path).unwrap();
        let error = fixture.images().1.resolve(&wanted(""), &Quiet).unwrap_err();
        assert!(
            matches!(&error, Error::LayoutEscape { path: p } if *p == path.canonicalize().unwrap_or(path.clone()) || p.ends_with(digest.hex())),
            "{error}"
        );
        fs::remove_file(&path).unwrap();
    }
    // A link that stays inside is nobody's harm.
    fs::rename(&outside, fixture.layout.path.join("inside")).unwrap();
    std::os::unix::fs::symlink("../../inside", &path).unwrap();
    fixture.images().1.resolve(&wanted(""), &Quiet).unwrap();
    // A pipe is not waited for.
    fs::remove_file(&path).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        0o644.into(),
        0,
    )
    .unwrap();
    let error = fixture.images().1.resolve(&wanted(""), &Quiet).unwrap_err();
    assert!(matches!(error, Error::ReadLayout { .. }), "{error}");
}

#[test]
fn what_is_no_layout_is_said() {
    let fixture = Fixture::new();
    let open = |path: &Path| {
        fixture
            .images_at(path)
            .1
            .resolve(&wanted(""), &Quiet)
            .unwrap_err()
    };
    assert!(matches!(
        open(Path::new("/no/such/place")),
        Error::OpenLayout { .. }
    ));
    assert!(matches!(open(fixture.directory.path()), Error::NotALayout { .. }));
    assert!(
        matches!(open(&fixture.layout.path), Error::NotALayout { .. }),
        "it has no index.json"
    );
    fs::write(fixture.layout.path.join("index.json"), "nonsense").unwrap();
    assert!(matches!(open(&fixture.layout.path), Error::BadManifest { .. }));
    fs::write(
        fixture.layout.path.join("index.json"),
        r#"{"schemaVersion":2,"manifests":[]}"#,
    )
    .unwrap();
    assert!(matches!(open(&fixture.layout.path), Error::NotInLayout { .. }));
    fs::write(
        fixture.layout.path.join("oci-layout"),
        r#"{"imageLayoutVersion":"2.0"}"#,
    )
    .unwrap();
    assert!(matches!(open(&fixture.layout.path), Error::NotALayout { .. }));
    let file = fixture.directory.path().join("file");
    fs::write(&file, "not an archive").unwrap();
    assert!(matches!(open(&file), Error::NotALayout { .. }));
    fs::write(&file, [0x1f, 0x8b, 8, 0]).unwrap();
    assert!(matches!(open(&file), Error::CompressedLayout { .. }));
    let request = ImageRequest {
        place: ImagePlace::Layout("other".to_owned()),
        ..wanted("")
    };
    let error = fixture.images().1.resolve(&request, &Quiet).unwrap_err();
    assert!(matches!(error, Error::NoSuchLayout { name } if name == "other"));
}

#[test]
fn an_archive_of_a_layout_is_as_good() {
    let mut fixture = Fixture::new();
    let digest = fixture
        .layout
        .tag(small(&fixture.layout, "linux/amd64"), Some("1"));
    for prefix in [".", "./"] {
        let path = fixture.directory.path().join("layout.tar");
        let mut builder = tar::Builder::new(fs::File::create(&path).unwrap());
        builder.append_dir_all(prefix, &fixture.layout.path).unwrap();
        builder.finish().unwrap();
        let (store, images) = fixture.images_at(&path);
        let image = images.resolve(&wanted(":1"), &Quiet).unwrap();
        assert_eq!(image.digest, digest);
        let tree = images.tree(&image, None).unwrap();
        images.ensure_unpacked(&tree, &Quiet).unwrap();
        assert!(store.layer_dir(tree.layers[1]).unwrap().join("greeting").exists());
    }
}

#[test]
fn layers_are_fetched_once_by_many_threads() {
    let mut fixture = Fixture::new();
    let big: Vec<u8> = (0..3_000_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let layers: Vec<_> = (0..6)
        .map(|n| {
            (
                archive(&[Member::File(&format!("file-{n}"), &big), Member::Dir("d")]),
                Compression::Gzip,
            )
        })
        .collect();
    fixture
        .layout
        .tag(fixture.layout.image_of("linux/amd64", &layers, json!({})), None);
    let (store, images) = fixture.images();
    let tree = images
        .tree(&images.resolve(&wanted(""), &Quiet).unwrap(), None)
        .unwrap();
    // Another handle on the same store stands for another process.
    let mut options = support::options();
    options
        .layouts
        .insert("base".to_owned(), fixture.layout.path.clone());
    let (_other_store, others) = support::images(fixture.directory.path(), options);
    std::thread::scope(|scope| {
        for turn in 0..4 {
            let images = if turn % 2 == 0 { &images } else { &others };
            let tree = &tree;
            scope.spawn(move || images.ensure_unpacked(tree, &Quiet).unwrap());
        }
    });
    for (n, id) in tree.layers.iter().enumerate() {
        let file = store.layer_dir(*id).unwrap().join(format!("file-{n}"));
        assert!(fs::read(file).unwrap() == big);
    }
    assert_eq!(
        fs::read_dir(store.root().join("locks")).unwrap().count(),
        0,
        "no lock is left"
    );
}

#[test]
fn the_same_layers_in_another_image_are_the_same_tree() {
    let mut fixture = Fixture::new();
    let files: &[&[Member<'_>]] = &[&[Member::File("a", b"1")], &[Member::File("b", b"2")]];
    let one = fixture
        .layout
        .image("linux/amd64", files, json!({ "Cmd": ["one"] }));
    let two = fixture
        .layout
        .image("linux/amd64", files, json!({ "Cmd": ["two"] }));
    fixture.layout.tag(one, Some("1"));
    fixture.layout.tag(two, Some("2"));
    let (_, images) = fixture.images();
    let [one, two] = [":1", ":2"].map(|tag| images.resolve(&wanted(tag), &Quiet).unwrap());
    assert_ne!(one.digest, two.digest);
    assert_eq!(one.chain_id(None), two.chain_id(None));
    assert_eq!(images.tree(&one, None).unwrap(), images.tree(&two, None).unwrap());
}

#[test]
fn a_layer_lies_on_those_of_its_own_image_wherever_it_is_stacked() {
    let mut fixture = Fixture::new();
    // The archive of the second layer has no entry for `dir`: it is the first layer's.
    let archives = |name: &str| {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o1777);
        header.set_size(0);
        builder.append_data(&mut header, "dir", &[][..]).unwrap();
        [
            (builder.into_inner().unwrap(), Compression::Gzip),
            (
                archive(&[Member::File(&format!("dir/{name}"), name.as_bytes())]),
                Compression::Gzip,
            ),
        ]
    };
    fixture.layout.tag(
        fixture.layout.image_of("linux/amd64", &archives("a"), json!({})),
        Some("a"),
    );
    let other = archive(&[Member::Dir("dir"), Member::File("dir/other", b"x")]);
    let other = fixture
        .layout
        .image_of("linux/amd64", &[(other, Compression::Gzip)], json!({}));
    fixture.layout.tag(other, Some("other"));
    let (store, images) = fixture.images();
    let tree = |tag: &str| {
        images
            .tree(&images.resolve(&wanted(tag), &Quiet).unwrap(), None)
            .unwrap()
    };
    let (a, other) = (tree(":a"), tree(":other"));
    // Only the upper layer, on top of another image: what lies below it in its own image is unpacked too.
    let stacked = Tree {
        layers: vec![other.layers[0], a.layers[1]],
    };
    images.ensure_unpacked(&stacked, &Quiet).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&store.layer_dir(a.layers[1]).unwrap().join("dir")), 0o1777);
    assert!(store.layer(a.layers[0]).unwrap().unpacked);
}
