//! The frontend without Wasm and without a host.

use lapstrake_sdk::testing::{MemoryHost, request};
use lapstrake_sdk::types::*;
use lapstrake_sdk::{Frontend, Graph};
use mirror_frontend::Mirror;

fn asked(cmdline: &str) -> Request {
    let mut request = request("Dockerfile", "FROM debian\n");
    request.options = vec![KeyValue::new("cmdline", cmdline)];
    request
}

fn mapped(cmdline: &str, references: &[&str]) -> Vec<String> {
    let images = references.iter().map(|reference| ImageRequest {
        reference: (*reference).to_owned(),
        ..Default::default()
    });
    let images = Mirror::rewrite_images(&MemoryHost::new(), asked(cmdline), images.collect()).unwrap();
    images.into_iter().map(|image| image.reference).collect()
}

#[test]
fn images_of_the_hub_come_from_the_mirror() {
    let all = [
        "debian:12",
        "a/b@sha256:0",
        "docker.io/a/b",
        "ghcr.io/a/b",
        "m:5000/x/library/debian",
    ];
    let expected = [
        "m:5000/x/library/debian:12",
        "m:5000/x/a/b@sha256:0",
        "m:5000/x/a/b",
        "ghcr.io/a/b",
        "m:5000/x/library/debian",
    ];
    assert_eq!(mapped("m:5000/x/", &all), expected);
    assert_eq!(
        mapped("ghcr.io=m/g", &["ghcr.io/a/b", "debian"]),
        ["m/g/a/b", "debian"]
    );
}

#[test]
fn the_graph_names_the_mirror() {
    let graph = Graph::new();
    let root = graph
        .image("docker.io/library/debian:12@sha256:0")
        .shell("true")
        .root();
    let image = BuiltImage::new(root.edge(), ImageConfig::new(Platform::new("linux", "amd64")));
    let built = graph.finish(vec![image], Vec::new());
    let built = Mirror::rewrite_result(&MemoryHost::new(), asked("m"), built).unwrap();
    let Op::Source(SourceOp::Image(image)) = &built.definition.vertices[0].op else {
        panic!("no image")
    };
    assert_eq!(image.reference, "m/library/debian:12@sha256:0");
}

#[test]
fn a_mirror_needs_a_name() {
    let error = Mirror::rewrite_images(&MemoryHost::new(), asked(""), Vec::new()).unwrap_err();
    assert!(matches!(error, BuildError::Invalid(_)));
}
