//! Images as OCI archives, OCI layouts and Docker archives, read back by skopeo and umoci.
//! Knows nothing of how layers are compressed (compression.rs) and of outputs that are no images (files.rs).

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use lapstrake_export::Destination;
use lapstrake_export::{Annotations, Error, ImageInput, ImageOptions, Observer, Output, Target, export};
use lapstrake_llb::Digest;
use lapstrake_store::compress;
use support::outputs::{docker_archive, example, names, oci_archive, oci_dir, options, run};
use support::{Fetcher, answer, entry, input, json, layer, members, platform, store};

#[test]
fn skopeo_and_umoci_read_an_oci_archive_and_a_layout() {
    let (home, store) = store();
    let image = example(&store);
    let (archive, dir) = (home.path().join("image.tar"), home.path().join("layout"));
    let exported = run(
        &store,
        std::slice::from_ref(&image),
        &oci_archive(&archive, &["x/y:v1"], options()),
    );
    run(&store, &[image], &oci_dir(&dir, &["x/y:v1"]));
    let digest = exported.image.unwrap().descriptor.digest.to_string();
    for reference in [
        format!("oci-archive:{}:v1", archive.display()),
        format!("oci:{}:v1", dir.display()),
    ] {
        let Some(text) = answer("skopeo", &["inspect", &reference]) else {
            return;
        };
        let seen = json(text.as_bytes());
        assert_eq!(seen["Digest"], digest);
        assert_eq!(seen["Labels"]["a"], "b");
        assert_eq!(seen["Architecture"], "amd64");
        assert_eq!(seen["Created"], "2023-11-14T22:13:20Z");
        assert_eq!(seen["Layers"].as_array().unwrap().len(), 2);
        let Some(text) = answer("skopeo", &["inspect", "--config", &reference]) else {
            return;
        };
        let history = json(text.as_bytes())["history"].as_array().unwrap().clone();
        assert_eq!(history.len(), 3);
        assert_eq!(history[1]["empty_layer"], true);
    }
    // The copy checks every digest, and that the layers are what the configuration says.
    let copy = home.path().join("copy");
    let (from, to) = (
        format!("oci:{}:v1", dir.display()),
        format!("dir:{}", copy.display()),
    );
    answer("skopeo", &["copy", "--insecure-policy", &from, &to]).unwrap();

    let bundle = home.path().join("bundle");
    let image = format!("{}:v1", dir.display());
    let mut arguments = vec!["unpack", "--image", &image, bundle.to_str().unwrap()];
    if !rustix::process::geteuid().is_root() {
        arguments.insert(1, "--rootless");
    }
    if answer("umoci", &arguments).is_none() {
        return;
    }
    let root = bundle.join("rootfs");
    assert_eq!(fs::read_to_string(root.join("bin/tool")).unwrap(), "tool 2");
    assert!(!root.join("bin/gone").exists());
    assert_eq!(
        fs::read_link(root.join("etc/link")).unwrap(),
        Path::new("../bin/tool")
    );
    assert_eq!(
        fs::metadata(root.join("bin/tool")).unwrap().mtime() as u64,
        support::MTIME
    );
}

#[test]
fn a_docker_archive_has_what_docker_load_wants() {
    let (home, store) = store();
    let path = home.path().join("image.tar");
    run(
        &store,
        &[example(&store)],
        &docker_archive(&path, &["x", "quay.io/a/b:v2"]),
    );
    let members = members(&path);
    let manifest = &json(&members["manifest.json"])[0];
    assert_eq!(
        manifest["RepoTags"],
        serde_json::json!(["x:latest", "quay.io/a/b:v2"])
    );
    let config = json(&members[manifest["Config"].as_str().unwrap()]);
    let diff_ids = config["rootfs"]["diff_ids"].as_array().unwrap();
    let layers = manifest["Layers"].as_array().unwrap();
    assert_eq!(layers.len(), diff_ids.len());
    for (layer, diff_id) in layers.iter().zip(diff_ids) {
        let mut content = Vec::new();
        let packed = members[layer.as_str().unwrap()].as_slice();
        std::io::Read::read_to_end(&mut compress::reader(packed).unwrap(), &mut content).unwrap();
        assert_eq!(Digest::of(&content).to_string(), *diff_id);
    }
    for (name, data) in &members {
        if let Some(hex) = name.strip_prefix("blobs/sha256/").filter(|hex| !hex.is_empty()) {
            assert_eq!(Digest::of(data).hex(), hex);
        }
    }
    let index = json(&members["index.json"]);
    let annotations = &index["manifests"][1]["annotations"];
    assert_eq!(annotations["io.containerd.image.name"], "quay.io/a/b:v2");
    assert_eq!(annotations["org.opencontainers.image.ref.name"], "v2");
    assert_eq!(
        index["manifests"][0]["mediaType"],
        "application/vnd.docker.distribution.manifest.v2+json"
    );
    assert_eq!(json(&members["oci-layout"])["imageLayoutVersion"], "1.0.0");
    let reference = format!("docker-archive:{}:x:latest", path.display());
    let Some(text) = answer("skopeo", &["inspect", &reference]) else {
        return;
    };
    assert_eq!(json(text.as_bytes())["Layers"].as_array().unwrap().len(), 2);
}

#[test]
fn equal_input_gives_equal_bytes() {
    let mut archives = Vec::new();
    for _ in 0..2 {
        let (home, store) = store();
        let image = example(&store);
        let path = home.path().join("image.tar");
        for round in 0..2 {
            run(
                &store,
                std::slice::from_ref(&image),
                &oci_archive(&path, &["x"], options()),
            );
            archives.push((round, fs::read(&path).unwrap()));
        }
    }
    assert!(
        archives.iter().all(|(_, bytes)| *bytes == archives[0].1),
        "four archives, two stores, one content"
    );
}

#[test]
fn without_an_epoch_an_unchanged_result_keeps_its_digest() {
    let (home, store) = store();
    let image = example(&store);
    let path = home.path().join("image.tar");
    let export = || {
        let output = oci_archive(&path, &[], ImageOptions::oci());
        run(&store, std::slice::from_ref(&image), &output)
            .image
            .unwrap()
            .descriptor
            .digest
    };
    let first = export();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(export(), first);
}

#[test]
fn a_layout_keeps_its_other_images() {
    let (home, store) = store();
    let dir = home.path().join("layout");
    let one = example(&store);
    let two = input(&one.layers[..1], vec![entry("COPY", false)]);
    let tags = || -> Vec<(String, String)> {
        let index = json(&fs::read(dir.join("index.json")).unwrap());
        let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
        let tag = |entry: &serde_json::Value| {
            (
                text(&entry["annotations"]["org.opencontainers.image.ref.name"]),
                text(&entry["digest"]),
            )
        };
        index["manifests"].as_array().unwrap().iter().map(tag).collect()
    };
    run(
        &store,
        std::slice::from_ref(&one),
        &oci_dir(&dir, &["x:a", "x:b"]),
    );
    run(&store, std::slice::from_ref(&two), &oci_dir(&dir, &["y:b"]));
    run(&store, std::slice::from_ref(&one), &oci_dir(&dir, &[]));
    run(&store, std::slice::from_ref(&two), &oci_dir(&dir, &[]));
    let found = tags();
    let list: Vec<&str> = found.iter().map(|(tag, _)| tag.as_str()).collect();
    assert_eq!(list, ["a", "b", "-"]);
    assert_ne!(found[0].1, found[1].1);
    assert_eq!(found[1].1, found[2].1);
    if let Some(text) = answer("skopeo", &["inspect", &format!("oci:{}:a", dir.display())]) {
        assert_eq!(json(text.as_bytes())["Layers"].as_array().unwrap().len(), 2);
    }
    let leftover = fs::read_dir(&dir).unwrap().count();
    assert_eq!(leftover, 3, "blobs, index.json, oci-layout");
    let blob = fs::read_dir(dir.join("blobs/sha256"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(
        blob.metadata().unwrap().nlink(),
        1,
        "nothing in it is the store's own file"
    );

    fs::write(dir.join("index.json"), "{\"manifests\":3}").unwrap();
    let error = export(&store, &[one], &oci_dir(&dir, &["x"]), &Fetcher::default(), &()).unwrap_err();
    assert!(matches!(error, Error::LayoutIndex { .. }), "{error}");
    assert_eq!(fs::read(dir.join("index.json")).unwrap(), b"{\"manifests\":3}");
}

#[test]
fn exports_into_one_layout_at_the_same_time() {
    let (home, store) = store();
    let dir = home.path().join("layout");
    let image = example(&store);
    std::thread::scope(|scope| {
        for n in 0..8 {
            let (store, image, dir) = (&store, image.clone(), &dir);
            scope.spawn(move || run(store, &[image], &oci_dir(dir, &[&format!("x:tag{n}")])));
        }
    });
    let index = json(&fs::read(dir.join("index.json")).unwrap());
    assert_eq!(index["manifests"].as_array().unwrap().len(), 8);
}

#[test]
fn several_platforms_become_an_index() {
    let (home, store) = store();
    let amd = example(&store);
    let arm = ImageInput {
        platform: platform("arm64"),
        annotations: Annotations {
            manifest: [("only".to_owned(), "arm".to_owned())].into(),
            ..Annotations::default()
        },
        ..amd.clone()
    };
    let path = home.path().join("image.tar");
    let inputs = [amd.clone(), arm];
    let mut options = options();
    options
        .annotations
        .index
        .insert("all".to_owned(), "yes".to_owned());
    let exported = run(&store, &inputs, &oci_archive(&path, &["x"], options))
        .image
        .unwrap();
    let index = json(&store.blob_bytes(&exported.descriptor.digest).unwrap());
    assert_eq!(index["annotations"]["all"], "yes");
    assert_eq!(index["manifests"][0]["platform"]["architecture"], "amd64");
    assert_eq!(index["manifests"][1]["platform"]["architecture"], "arm64");
    let arm = json(&store.blob_bytes(&exported.images[1].manifest.digest).unwrap());
    assert_eq!(arm["annotations"]["only"], "arm");
    let reference = format!("oci-archive:{}:latest", path.display());
    if let Some(text) = answer(
        "skopeo",
        &["inspect", "--override-arch", "arm64", "--config", &reference],
    ) {
        assert_eq!(json(text.as_bytes())["architecture"], "arm64");
    }

    let output = docker_archive(&home.path().join("docker.tar"), &["x"]);
    let error = export(&store, &inputs, &output, &Fetcher::default(), &()).unwrap_err();
    assert!(matches!(error, Error::SeveralPlatforms(2)), "{error}");
    let output = oci_dir(&home.path().join("twice"), &["x"]);
    let error = export(&store, &[amd.clone(), amd], &output, &Fetcher::default(), &()).unwrap_err();
    assert!(
        matches!(error, Error::PlatformTwice(ref text) if text == "linux/amd64"),
        "{error}"
    );
    let error = export(&store, &[], &output, &Fetcher::default(), &()).unwrap_err();
    assert!(matches!(error, Error::NoResult), "{error}");
}

#[test]
fn empty_layers_and_no_layers() {
    let (home, store) = store();
    let nothing = layer(&store, "RUN true", |_| {});
    let image = input(
        &[nothing, nothing],
        vec![entry("RUN true", false), entry("RUN true", false)],
    );
    let path = home.path().join("image.tar");
    let exported = run(&store, &[image], &docker_archive(&path, &["x"]))
        .image
        .unwrap();
    let layers = &exported.images[0].layers;
    assert_eq!(layers.len(), 2, "a layer without changes is one all the same");
    let empty = Digest::of(&[0; 1024]);
    assert_eq!((layers[0].diff_id, layers[1].diff_id), (empty, empty));

    let scratch = run(&store, &[input(&[], Vec::new())], &docker_archive(&path, &["x"]))
        .image
        .unwrap();
    assert!(scratch.images[0].layers.is_empty());
    let reference = format!("docker-archive:{}", path.display());
    if let Some(text) = answer("skopeo", &["inspect", "--config", &reference]) {
        assert_eq!(json(text.as_bytes())["rootfs"]["diff_ids"], serde_json::json!([]));
    }
}

#[test]
fn a_stream_gets_the_same_bytes_as_a_file() {
    #[derive(Clone, Default)]
    struct Shared(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);
    impl Write for Shared {
        fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(data)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (home, store) = store();
    let image = example(&store);
    let path = home.path().join("image.tar");
    run(
        &store,
        std::slice::from_ref(&image),
        &oci_archive(&path, &["x"], options()),
    );
    let shared = Shared::default();
    let target = Target::Archive(Destination::stream(shared.clone()));
    run(
        &store,
        &[image],
        &Output::Oci {
            target,
            names: names(&["x"]),
            options: options(),
        },
    );
    assert!(*shared.0.lock().unwrap() == fs::read(&path).unwrap());
}

#[test]
fn a_cancelled_export_leaves_nothing() {
    #[derive(Default)]
    struct Impatient {
        asked: std::sync::atomic::AtomicUsize,
        patience: usize,
        gave_up: AtomicBool,
    }
    impl Observer for Impatient {
        fn cancelled(&self) -> bool {
            let cancelled = self.asked.fetch_add(1, Ordering::Relaxed) >= self.patience;
            self.gave_up.fetch_or(cancelled, Ordering::Relaxed);
            cancelled
        }
    }
    let mut patience = 0;
    loop {
        let (home, store) = store();
        let image = example(&store);
        let path = home.path().join("out/image.tar");
        let observer = Impatient {
            patience,
            ..Impatient::default()
        };
        let output = oci_archive(&path, &["x"], options());
        let result = export(&store, &[image], &output, &Fetcher::default(), &observer);
        if !observer.gave_up.load(Ordering::Relaxed) {
            assert!(result.is_ok());
            break;
        }
        assert!(
            matches!(result, Err(Error::Cancelled)),
            "after {patience} questions: {result:?}"
        );
        assert!(!path.exists());
        let left = fs::read_dir(home.path().join("out")).map_or(0, |dir| dir.count());
        assert_eq!(left, 0, "after {patience} questions");
        patience = patience * 3 / 2 + 1;
    }
    assert!(patience > 3);
}
