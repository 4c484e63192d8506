//! Images that cannot be had, or are not what they say: each is told, with exit code 3 where a registry or store failed.

use lapstrake_tests::servers::{Registry, free_port};
use lapstrake_tests::{Place, base, layout, skip};
use serde_json::json;

fn with_base(place: &Place, layout: &std::path::Path, tag: &str) -> lapstrake_tests::Ran {
    let context = format!("base=oci-layout://{}{tag}", layout.display());
    place.run([
        "build",
        "context",
        "--progress",
        "plain",
        "--build-context",
        &context,
        "-o",
        "out/files",
    ])
}

#[test]
fn a_registry_that_is_not_there() {
    let place = Place::new();
    let port = free_port();
    place.config(&format!("[registry.\"localhost:{port}\"]\nhttp = true\n"));
    place.dockerfile(&format!("FROM localhost:{port}/x:1\nRUN true\n"));
    place
        .build(&[])
        .fails(3, &[&format!("localhost:{port}"), "Dockerfile:1:"]);
    place.assert_clean();
}

#[test]
fn credentials_that_are_wrong() {
    let place = Place::new();
    let Some(registry) = Registry::start(&place.path("out"), Some(("me", "right"))) else {
        skip!("docker-registry or htpasswd is not installed");
    };
    if !registry.push(base::busybox(), "base:1", Some("me:right")) {
        skip!("skopeo is not installed");
    }
    place.config(&format!("[registry.\"{}\"]\nhttp = true\n", registry.host));
    place
        .dockerfile(&format!("FROM {}/base:1\nCOPY f /f\n", registry.host))
        .file("f", "f");
    place
        .build(&["-o", "out/files"])
        .fails(3, &[&registry.host, "login"]);

    let login = |password: &str| {
        // base64 of "me:wrong" and "me:right".
        let auth = if password == "right" {
            "bWU6cmlnaHQ="
        } else {
            "bWU6d3Jvbmc="
        };
        std::fs::create_dir_all(place.path("home/.docker")).unwrap();
        let text = json!({ "auths": { &registry.host: { "auth": auth } } }).to_string();
        std::fs::write(place.path("home/.docker/config.json"), text).unwrap();
    };
    login("wrong");
    place.build(&["-o", "out/files"]).fails(3, &[&registry.host]);
    login("right");
    place.build(&["-o", "out/files"]).ok();
    assert!(place.path("out/files/bin/busybox").is_file());
    drop(registry);
    place.assert_clean();
}

#[test]
fn an_image_of_another_platform() {
    let place = Place::new();
    let folder = place.path("layout");
    layout::image(
        &folder,
        ("linux", "s390x"),
        json!({}),
        &[tar::Builder::new(Vec::new()).into_inner().unwrap()],
    );
    place.dockerfile("FROM base\nCOPY f /f\n").file("f", "f");
    let two = |architecture: &str| {
        let other = place.path(architecture);
        let empty = tar::Builder::new(Vec::new()).into_inner().unwrap();
        let mut descriptor = layout::image(&other, ("linux", architecture), json!({}), &[empty]);
        for entry in std::fs::read_dir(other.join("blobs/sha256")).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, folder.join("blobs/sha256").join(path.file_name().unwrap())).unwrap();
        }
        descriptor["platform"] = json!({ "os": "linux", "architecture": architecture });
        descriptor
    };
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [two("s390x"), two("riscv64")],
    });
    let media_type = "application/vnd.oci.image.index.v1+json";
    let mut descriptor = layout::blob(&folder, media_type, index.to_string().as_bytes());
    descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": "many" });
    layout::index(&folder, &[descriptor]);
    with_base(&place, &folder, ":many")
        .fails(3, &["s390x", "riscv64", base::architecture(), "Dockerfile:1:"]);
}

#[test]
fn a_layer_that_is_corrupt() {
    let place = Place::new();
    let folder = place.path("layout");
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(4);
    tar.append_data(&mut header, "file", &b"data"[..]).unwrap();
    layout::image(
        &folder,
        ("linux", base::architecture()),
        json!({}),
        &[tar.into_inner().unwrap()],
    );
    let manifest = std::fs::read_to_string(folder.join("index.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let path = |digest: &str| {
        folder
            .join("blobs/sha256")
            .join(digest.trim_start_matches("sha256:"))
    };
    let manifest = std::fs::read(path(manifest["manifests"][0]["digest"].as_str().unwrap())).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let digest = manifest["layers"][0]["digest"].as_str().unwrap().to_owned();
    let whole = std::fs::read(path(&digest)).unwrap();
    let mut broken = whole.clone();
    let last = broken.len() - 1;
    broken[last] ^= 1;
    std::fs::write(path(&digest), &broken).unwrap();

    place.dockerfile("FROM base\nCOPY f /f\n").file("f", "f");
    with_base(&place, &folder, "").fails(3, &[&digest]);
    place.assert_clean();
    std::fs::write(path(&digest), &whole).unwrap();
    with_base(&place, &folder, "").ok();
    assert_eq!(
        std::fs::read_to_string(place.path("out/files/file")).unwrap(),
        "data"
    );
}

#[test]
fn a_layout_that_is_not_there_or_has_no_such_tag() {
    let place = Place::new();
    place.dockerfile("FROM base\nCOPY f /f\n").file("f", "f");
    with_base(&place, &place.path("nothing"), "").fails(3, &["nothing"]);
    with_base(&place, base::busybox(), ":other").fails(3, &["other", "latest"]);
}
