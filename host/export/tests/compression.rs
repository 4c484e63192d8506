//! Archives of layers: which one a layer gets, when it is made, fetched and made again.
//! Knows nothing of the form of an image (images.rs).

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use lapstrake_export::{Error, ImageInput, ImageOptions, LayerOptions, export};
use lapstrake_llb::Digest;
use lapstrake_store::compress::{self, Compression};
use lapstrake_store::{BlobDescriptor, LayerBlob, LayerId, LazyLayer, Store};
use support::outputs::{example, oci_archive, options, run};
use support::{Fetcher, answer, entry, input, json, layer, store};

#[test]
fn what_is_packed_is_not_packed_again() {
    let (home, store) = store();
    let image = example(&store);
    let path = home.path().join("image.tar");
    let blobs = || {
        let mut found: Vec<_> = fs::read_dir(store.root().join("blobs/sha256"))
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().ino())
            .collect();
        found.sort_unstable();
        found
    };
    run(
        &store,
        std::slice::from_ref(&image),
        &oci_archive(&path, &["x"], options()),
    );
    let first = blobs();
    assert_eq!(first.len(), 4, "two layers, a configuration, a manifest");
    run(
        &store,
        std::slice::from_ref(&image),
        &oci_archive(&path, &["y"], options()),
    );
    assert_eq!(blobs(), first, "not one file was written anew");
}

#[test]
fn a_damaged_archive_of_a_layer_is_made_again() {
    let (home, store) = store();
    let image = example(&store);
    let path = home.path().join("image.tar");
    run(
        &store,
        std::slice::from_ref(&image),
        &oci_archive(&path, &["x"], options()),
    );
    let whole = fs::read(&path).unwrap();
    let blob = store.layer(image.layers[0]).unwrap().blobs[0].descriptor.digest;
    fs::write(store.blob_path(&blob), "cut").unwrap();
    run(
        &store,
        std::slice::from_ref(&image),
        &oci_archive(&path, &["x"], options()),
    );
    assert!(fs::read(&path).unwrap() == whole);
}

fn with(compression: Compression, level: Option<i32>, force: bool) -> ImageOptions {
    ImageOptions {
        layers: LayerOptions {
            compression,
            level,
            force,
        },
        ..options()
    }
}

fn layer_types(store: &Store, image: &ImageInput, options: ImageOptions, path: &Path) -> Vec<String> {
    let output = oci_archive(path, &["x"], options);
    let image = run(store, std::slice::from_ref(image), &output).image.unwrap();
    let manifest = json(&store.blob_bytes(&image.descriptor.digest).unwrap());
    let layers = manifest["layers"].as_array().unwrap();
    layers
        .iter()
        .map(|layer| layer["mediaType"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn layers_are_compressed_as_asked_whatever_was_done_before() {
    let (home, store) = store();
    let image = example(&store);
    let path = home.path().join("image.tar");
    let mut sizes = Vec::new();
    for (compression, suffix) in [
        (Compression::Gzip, "tar+gzip"),
        (Compression::Zstd, "tar+zstd"),
        (Compression::None, "tar"),
    ] {
        let types = layer_types(&store, &image, with(compression, None, false), &path);
        assert_eq!(
            types,
            vec![format!("application/vnd.oci.image.layer.v1.{suffix}"); 2]
        );
        let reference = format!("oci-archive:{}", path.display());
        let to = format!("dir:{}", home.path().join(suffix).display());
        answer("skopeo", &["copy", "--insecure-policy", &reference, &to]);
        sizes.push(fs::metadata(&path).unwrap().len());
    }
    assert!(sizes[2] > sizes[0] && sizes[2] > sizes[1]);
    // All archives of a layer have one content.
    let ids: Vec<Digest> = store
        .layer(image.layers[0])
        .unwrap()
        .blobs
        .iter()
        .map(|b| b.diff_id)
        .collect();
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|id| *id == ids[0]));
    // Another level is another archive.
    let digest = || {
        store
            .layer(image.layers[0])
            .unwrap()
            .blobs
            .iter()
            .find(|b| b.compression == Compression::Gzip)
            .cloned()
    };
    let plain = digest().unwrap();
    layer_types(&store, &image, with(Compression::Gzip, Some(1), false), &path);
    let quick = digest().unwrap();
    assert_eq!(quick.level, Some(1));
    assert_ne!(quick.descriptor.digest, plain.descriptor.digest);
    layer_types(&store, &image, with(Compression::Gzip, Some(6), false), &path);
    assert_eq!(digest().unwrap(), plain, "the level that is the default");
}

/// A layer as if it came from a registry: another program's gzip, not unpacked.
fn pulled(store: &Store) -> (LayerId, LayerBlob, Vec<u8>) {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(4);
    header.set_mode(0o600);
    builder
        .append_data(&mut header, "zzz", b"last".as_slice())
        .unwrap();
    builder
        .append_data(&mut header, "aaa", b"unso".as_slice())
        .unwrap();
    let content = builder.into_inner().unwrap();
    let mut gzip = compress::writer(Vec::new(), Compression::Gzip, Some(1)).unwrap();
    gzip.write_all(&content).unwrap();
    let packed = gzip.finish().unwrap();
    let descriptor = BlobDescriptor {
        media_type: "application/vnd.docker.image.rootfs.diff.tar.gzip".to_owned(),
        digest: Digest::of(&packed),
        size: packed.len() as u64,
    };
    let diff_id = Digest::of(&content);
    let layer = LazyLayer {
        chain_id: diff_id,
        diff_id,
        compression: Compression::Gzip,
        descriptor,
        origin: "a registry".to_owned(),
        below: None,
        description: "pulled".to_owned(),
    };
    let id = store.add_lazy_layer(&layer).unwrap();
    let blob = store.layer(id).unwrap().blobs[0].clone();
    (id, blob, packed)
}

fn fetcher(store: &Store, id: LayerId, blob: &LayerBlob, packed: &[u8]) -> Fetcher {
    let (store, blob, packed) = (store.clone(), blob.clone(), packed.to_vec());
    let fetcher = Fetcher::default();
    let fetch = move || {
        store.put_blob(&packed).unwrap();
        blob.clone()
    };
    fetcher.blobs.lock().unwrap().insert(id, Box::new(fetch));
    fetcher
}

#[test]
fn a_pulled_layer_keeps_its_archive_and_is_fetched_when_needed() {
    let (home, store) = store();
    let (id, blob, packed) = pulled(&store);
    let own = layer(&store, "own", |dir| fs::write(dir.join("own"), "x").unwrap());
    let image = input(&[id, own], vec![entry("FROM", false), entry("RUN", false)]);
    let fetcher = fetcher(&store, id, &blob, &packed);
    let output = oci_archive(
        &home.path().join("a.tar"),
        &["x"],
        with(Compression::Zstd, None, false),
    );
    let exported = export(&store, std::slice::from_ref(&image), &output, &fetcher, &()).unwrap();
    assert_eq!(*fetcher.asked.lock().unwrap(), [id]);
    let layers = &exported.image.unwrap().images[0].layers;
    assert_eq!(
        (layers[0].digest, layers[0].compression),
        (blob.descriptor.digest, Compression::Gzip)
    );
    assert_eq!(layers[1].compression, Compression::Zstd);

    // Compressed anew it has the same content, byte for byte.
    let output = oci_archive(
        &home.path().join("b.tar"),
        &["x"],
        with(Compression::Zstd, None, true),
    );
    let exported = export(&store, std::slice::from_ref(&image), &output, &fetcher, &()).unwrap();
    let layers = &exported.image.unwrap().images[0].layers;
    assert_eq!(
        (layers[0].diff_id, layers[0].compression),
        (blob.diff_id, Compression::Zstd)
    );
    assert_eq!(fetcher.asked.lock().unwrap().len(), 1, "it was here");

    // And nothing of that changes what an export without force gives.
    let output = oci_archive(
        &home.path().join("c.tar"),
        &["x"],
        with(Compression::Zstd, None, false),
    );
    let exported = export(&store, &[image], &output, &fetcher, &()).unwrap();
    assert_eq!(
        exported.image.unwrap().images[0].layers[0].digest,
        blob.descriptor.digest
    );
}

#[test]
fn a_corrupt_pulled_archive_is_fetched_again() {
    let (home, store) = store();
    let (id, blob, packed) = pulled(&store);
    let fetcher = fetcher(&store, id, &blob, &packed);
    let mut bad = packed.clone();
    *bad.last_mut().unwrap() ^= 1;
    fs::write(store.blob_path(&blob.descriptor.digest), &bad).unwrap();
    let output = oci_archive(
        &home.path().join("a.tar"),
        &["x"],
        with(Compression::None, None, true),
    );
    let exported = export(&store, &[input(&[id], Vec::new())], &output, &fetcher, &()).unwrap();
    assert_eq!(*fetcher.asked.lock().unwrap(), [id]);
    assert_eq!(exported.image.unwrap().images[0].layers[0].digest, blob.diff_id);
}

#[test]
fn a_layer_that_cannot_be_fetched_is_named() {
    let (home, store) = store();
    let (id, ..) = pulled(&store);
    let path = home.path().join("a.tar");
    let output = oci_archive(&path, &["x"], options());
    let error = export(
        &store,
        &[input(&[id], Vec::new())],
        &output,
        &Fetcher::default(),
        &(),
    )
    .unwrap_err();
    assert!(
        matches!(error, Error::Fetch { layer, .. } if layer == id),
        "{error}"
    );
    assert!(!path.exists());
}
