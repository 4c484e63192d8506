//! Writes OCI image layouts by hand, so that what the program reads does not come from the program itself.

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// `sha256:…` of bytes.
pub fn digest(data: &[u8]) -> String {
    let hex: String = Sha256::digest(data)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}

/// Puts a blob into a layout and returns its descriptor.
pub fn blob(layout: &Path, media_type: &str, data: &[u8]) -> Value {
    let digest = digest(data);
    let folder = layout.join("blobs/sha256");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(&digest["sha256:".len()..]), data).unwrap();
    json!({ "mediaType": media_type, "digest": digest, "size": data.len() })
}

/// Makes a layout with one image of gzipped layers (uncompressed tars are given), tagged `latest`.
pub fn image(layout: &Path, platform: (&str, &str), config: Value, layers: &[Vec<u8>]) -> Value {
    let mut descriptors = Vec::new();
    let mut diff_ids = Vec::new();
    for tar in layers {
        diff_ids.push(digest(tar));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(tar).unwrap();
        let gzip = gzip.finish().unwrap();
        descriptors.push(blob(layout, "application/vnd.oci.image.layer.v1.tar+gzip", &gzip));
    }
    let config = json!({
        "architecture": platform.1,
        "os": platform.0,
        "config": config,
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": layers.iter().map(|_| json!({ "created_by": "test base" })).collect::<Vec<_>>(),
    });
    let config = blob(
        layout,
        "application/vnd.oci.image.config.v1+json",
        config.to_string().as_bytes(),
    );
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": descriptors,
    });
    let mut descriptor = blob(
        layout,
        "application/vnd.oci.image.manifest.v1+json",
        manifest.to_string().as_bytes(),
    );
    descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": "latest" });
    index(layout, &[descriptor.clone()]);
    descriptor
}

/// Writes the layout's index.
pub fn index(layout: &Path, manifests: &[Value]) {
    std::fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": manifests,
    });
    std::fs::write(layout.join("index.json"), index.to_string()).unwrap();
}
