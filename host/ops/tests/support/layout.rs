//! Makes OCI layouts with images of a few small files.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use lapstrake_llb::Digest;
use lapstrake_store::compress::{self, Compression};
use serde_json::{Value, json};

/// A layout that grows.
pub struct LayoutBuilder {
    pub path: PathBuf,
    pub index: Vec<Value>,
}

/// One member of a layer.
pub enum Member<'a> {
    File(&'a str, &'a [u8]),
    Executable(&'a str, &'a [u8]),
    Dir(&'a str),
    Link(&'a str, &'a str),
    HardLink(&'a str, &'a str),
}

impl LayoutBuilder {
    pub fn new(path: &Path) -> Self {
        fs::create_dir_all(path.join("blobs/sha256")).unwrap();
        fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Self {
            path: path.to_owned(),
            index: Vec::new(),
        }
    }

    pub fn blob(&self, data: &[u8]) -> (Digest, usize) {
        let digest = Digest::of(data);
        fs::write(self.blob_path(&digest), data).unwrap();
        (digest, data.len())
    }

    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.path.join("blobs/sha256").join(digest.hex())
    }

    /// An image: one layer for each list of members. Gives the descriptor of its manifest.
    pub fn image(&self, platform: &str, layers: &[&[Member<'_>]], config: Value) -> Value {
        let archives: Vec<_> = layers.iter().map(|members| archive(members)).collect();
        let gzip = archives
            .iter()
            .map(|archive| (archive.clone(), Compression::Gzip))
            .collect::<Vec<_>>();
        self.image_of(platform, &gzip, config)
    }

    /// An image of archives.
    pub fn image_of(&self, platform: &str, archives: &[(Vec<u8>, Compression)], config: Value) -> Value {
        let mut layers = Vec::new();
        let mut diff_ids = Vec::new();
        for (archive, compression) in archives {
            diff_ids.push(Digest::of(archive).to_string());
            let mut writer = compress::writer(Vec::new(), *compression, None).unwrap();
            writer.write_all(archive).unwrap();
            let (digest, size) = self.blob(&writer.finish().unwrap());
            let suffix = match compression {
                Compression::None => "",
                Compression::Gzip => "+gzip",
                Compression::Zstd => "+zstd",
            };
            let media_type = format!("application/vnd.oci.image.layer.v1.tar{suffix}");
            layers.push(json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size }));
        }
        let mut parts = platform.split('/');
        let mut document = json!({
            "os": parts.next(), "architecture": parts.next(), "config": config,
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
            "created": "2024-01-01T00:00:00Z",
        });
        if let Some(variant) = parts.next() {
            document["variant"] = variant.into();
        }
        let (digest, size) = self.blob(document.to_string().as_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest.to_string(), "size": size,
            },
            "layers": layers,
        });
        self.manifest(&manifest, Some(platform))
    }

    /// Writes a manifest or index and gives its descriptor.
    pub fn manifest(&self, manifest: &Value, platform: Option<&str>) -> Value {
        let (digest, size) = self.blob(manifest.to_string().as_bytes());
        let mut descriptor =
            json!({ "mediaType": manifest["mediaType"], "digest": digest.to_string(), "size": size });
        if let Some(platform) = platform {
            let mut parts = platform.split('/');
            descriptor["platform"] = json!({ "os": parts.next(), "architecture": parts.next() });
            if let Some(variant) = parts.next() {
                descriptor["platform"]["variant"] = variant.into();
            }
        }
        descriptor
    }

    /// An index of images.
    pub fn image_index(&self, manifests: &[Value]) -> Value {
        let index = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests,
        });
        self.manifest(&index, None)
    }

    /// Puts an image under a tag into the index.
    pub fn tag(&mut self, mut descriptor: Value, tag: Option<&str>) -> Digest {
        let digest = descriptor["digest"].as_str().unwrap().parse().unwrap();
        if let Some(tag) = tag {
            descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
        }
        self.index.push(descriptor);
        self.write();
        digest
    }

    pub fn write(&self) {
        let index = json!({ "schemaVersion": 2, "manifests": self.index });
        fs::write(self.path.join("index.json"), index.to_string()).unwrap();
    }
}

/// A tar archive.
pub fn archive(members: &[Member<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for member in members {
        let mut header = tar::Header::new_gnu();
        header.set_mtime(1_700_000_000);
        match member {
            Member::File(path, data) | Member::Executable(path, data) => {
                header.set_mode(if matches!(member, Member::File(..)) {
                    0o644
                } else {
                    0o755
                });
                header.set_size(data.len() as u64);
                builder.append_data(&mut header, path, *data).unwrap();
            }
            Member::Dir(path) => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_mode(0o755);
                header.set_size(0);
                builder.append_data(&mut header, path, &[][..]).unwrap();
            }
            Member::Link(path, target) | Member::HardLink(path, target) => {
                let hard = matches!(member, Member::HardLink(..));
                header.set_entry_type(if hard {
                    tar::EntryType::Link
                } else {
                    tar::EntryType::Symlink
                });
                header.set_mode(0o777);
                header.set_size(0);
                builder.append_link(&mut header, path, target).unwrap();
            }
        }
    }
    builder.into_inner().unwrap()
}

/// A small image with two layers for a platform.
pub fn small(layout: &LayoutBuilder, platform: &str) -> Value {
    let name = platform.replace('/', "-");
    layout.image(
        platform,
        &[
            &[Member::Dir("etc"), Member::File("etc/platform", name.as_bytes())],
            &[
                Member::File("greeting", b"hello\n"),
                Member::Link("link", "greeting"),
            ],
        ],
        json!({ "Env": ["PATH=/bin"], "Cmd": ["/bin/sh"], "Labels": { "platform": platform } }),
    )
}
