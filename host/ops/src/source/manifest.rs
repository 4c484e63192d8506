//! Manifests and indexes, OCI's and Docker's (schema 2): from JSON to what the worker needs of them.
//! Refuses what is no container image. Knows nothing of where the bytes come from.

use lapstrake_llb::{Digest, Platform};
use serde::Deserialize;

use crate::error::{Error, Result};

/// Manifests that are larger are refused: registries allow 4 MiB.
pub const MANIFEST_LIMIT: u64 = 4 << 20;
/// Image configurations that are larger are refused.
pub const CONFIG_LIMIT: u64 = 16 << 20;

/// The media types of manifests and indexes that can be read, the preferred ones first.
pub const ACCEPTED: &[&str] = &[
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

const CONFIGS: &[&str] = &[
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];

const LAYERS: &[&str] = &[
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
];

/// What points to a blob (OCI image specification, descriptor.md).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Media type; empty where the document has none.
    pub media_type: String,
    /// Digest of the blob.
    pub digest: Digest,
    /// Length of the blob in bytes.
    pub size: u64,
    /// Platform of the image it points to, if it says one.
    pub platform: Option<Platform>,
    /// Names and values of the annotations.
    pub annotations: Vec<(String, String)>,
}

impl Descriptor {
    /// The value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }
}

/// What a manifest's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// Several images, one a platform.
    Index(Vec<Descriptor>),
    /// One image.
    Image {
        /// Its configuration.
        config: Descriptor,
        /// Its layers, the lowest first.
        layers: Vec<Descriptor>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDocument {
    #[serde(default)]
    schema_version: Option<u64>,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    config: Option<RawDescriptor>,
    #[serde(default)]
    layers: Option<Vec<RawDescriptor>>,
    #[serde(default)]
    manifests: Option<Vec<RawDescriptor>>,
    #[serde(default)]
    fs_layers: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    #[serde(default)]
    media_type: Option<String>,
    digest: String,
    size: u64,
    #[serde(default)]
    platform: Option<RawPlatform>,
    #[serde(default)]
    annotations: Option<std::collections::BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct RawPlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default, rename = "os.version")]
    os_version: Option<String>,
    #[serde(default, rename = "os.features")]
    os_features: Option<Vec<String>>,
}

impl RawDescriptor {
    fn read(self, image: &str) -> Result<Descriptor> {
        let digest = self.digest.parse().map_err(|source| Error::UnsupportedDigest {
            image: image.to_owned(),
            source,
        })?;
        Ok(Descriptor {
            media_type: self.media_type.unwrap_or_default(),
            digest,
            size: self.size,
            platform: self.platform.map(|p| Platform {
                os: p.os,
                architecture: p.architecture,
                variant: p.variant.filter(|v| !v.is_empty()),
                os_version: p.os_version.filter(|v| !v.is_empty()),
                os_features: p.os_features.unwrap_or_default(),
            }),
            annotations: self.annotations.unwrap_or_default().into_iter().collect(),
        })
    }
}

/// Reads a manifest or an index. `image` is what error messages call it.
///
/// # Errors
/// Not JSON, a document that is both or neither of the two, Docker's schema 1, an artifact that is no container image,
/// a layer that may not be distributed, a digest that is not SHA-256.
pub fn parse(bytes: &[u8], image: &str) -> Result<Document> {
    let raw: RawDocument = serde_json::from_slice(bytes).map_err(|source| Error::BadManifest {
        image: image.to_owned(),
        source,
    })?;
    if raw.schema_version == Some(1) || (raw.fs_layers.is_some() && raw.layers.is_none()) {
        return Err(Error::Schema1 {
            image: image.to_owned(),
        });
    }
    let not_an_image = |media_type: &str| Error::NotAnImage {
        image: image.to_owned(),
        media_type: media_type.to_owned(),
    };
    let media_type = raw.media_type.as_deref().unwrap_or_default();
    if !media_type.is_empty() && !ACCEPTED.contains(&media_type) {
        return Err(not_an_image(media_type));
    }
    match (raw.manifests, raw.config, raw.layers) {
        // A document that can be read both ways means one thing to one tool and another to the next.
        (Some(manifests), None, None) => {
            if media_type.contains("manifest.v") {
                return Err(not_an_image(media_type));
            }
            let list = manifests
                .into_iter()
                .map(|d| d.read(image))
                .collect::<Result<_>>()?;
            Ok(Document::Index(list))
        }
        (None, Some(config), layers) => {
            if media_type.contains("index") || media_type.contains(".list.") {
                return Err(not_an_image(media_type));
            }
            let config = config.read(image)?;
            if !CONFIGS.contains(&config.media_type.as_str()) {
                return Err(not_an_image(&config.media_type));
            }
            let layers: Vec<_> = layers
                .unwrap_or_default()
                .into_iter()
                .map(|d| d.read(image))
                .collect::<Result<_>>()?;
            layers.iter().try_for_each(|layer| check_layer(layer, image))?;
            Ok(Document::Image { config, layers })
        }
        _ => Err(not_an_image(if media_type.is_empty() {
            "application/json"
        } else {
            media_type
        })),
    }
}

fn check_layer(layer: &Descriptor, image: &str) -> Result<()> {
    let media_type = layer.media_type.as_str();
    if LAYERS.contains(&media_type) {
        return Ok(());
    }
    if media_type.contains(".foreign.") || media_type.contains(".nondistributable.") {
        return Err(Error::ForeignLayer {
            image: image.to_owned(),
            digest: layer.digest,
        });
    }
    Err(Error::NotAnImage {
        image: image.to_owned(),
        media_type: media_type.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn image(media_type: &str, config: &str, layer: &str) -> String {
        format!(
            r#"{{"schemaVersion":2,"mediaType":"{media_type}",
               "config":{{"mediaType":"{config}","digest":"{DIGEST}","size":2}},
               "layers":[{{"mediaType":"{layer}","digest":"{DIGEST}","size":3}}]}}"#
        )
    }

    #[test]
    fn reads_images_of_both_kinds() {
        let pairs = [
            (ACCEPTED[1], CONFIGS[0], LAYERS[2]),
            (ACCEPTED[3], CONFIGS[1], LAYERS[4]),
        ];
        for (manifest, config, layer) in pairs {
            let text = image(manifest, config, layer);
            let Document::Image { config, layers } = parse(text.as_bytes(), "x").unwrap() else {
                panic!("an index");
            };
            assert_eq!((config.size, layers.len(), layers[0].size), (2, 1, 3));
        }
    }

    #[test]
    fn reads_an_index_with_platforms() {
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{{"mediaType":"{}","digest":"{DIGEST}","size":1,
               "platform":{{"os":"linux","architecture":"arm","variant":"v6","os.version":""}},
               "annotations":{{"a":"b"}}}}]}}"#,
            ACCEPTED[0], ACCEPTED[1]
        );
        let Document::Index(list) = parse(text.as_bytes(), "x").unwrap() else {
            panic!("an image")
        };
        let platform = list[0].platform.clone().unwrap();
        assert_eq!(crate::source::platform::name(&platform), "linux/arm/v6");
        assert_eq!(platform.os_version, None);
        assert_eq!(list[0].annotation("a"), Some("b"));
    }

    #[test]
    fn refuses_what_is_no_image() {
        let wasm = image(
            ACCEPTED[1],
            "application/vnd.wasm.config.v0+json",
            "application/wasm",
        );
        assert!(
            matches!(parse(wasm.as_bytes(), "x"), Err(Error::NotAnImage { media_type, .. }) if media_type.contains("wasm"))
        );
        let foreign = image(
            ACCEPTED[3],
            CONFIGS[1],
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        );
        assert!(matches!(
            parse(foreign.as_bytes(), "x"),
            Err(Error::ForeignLayer { .. })
        ));
        let restricted = image(
            ACCEPTED[1],
            CONFIGS[0],
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        );
        assert!(matches!(
            parse(restricted.as_bytes(), "x"),
            Err(Error::ForeignLayer { .. })
        ));
        let old = br#"{"schemaVersion":1,"name":"x","tag":"y","fsLayers":[]}"#;
        assert!(matches!(parse(old, "x"), Err(Error::Schema1 { .. })));
        assert!(matches!(parse(b"<html>", "x"), Err(Error::BadManifest { .. })));
        assert!(matches!(parse(b"{}", "x"), Err(Error::NotAnImage { .. })));
        let both = format!(
            r#"{{"schemaVersion":2,"manifests":[],"config":{{"mediaType":"{}","digest":"{DIGEST}","size":2}},"layers":[]}}"#,
            CONFIGS[0]
        );
        assert!(matches!(
            parse(both.as_bytes(), "x"),
            Err(Error::NotAnImage { .. })
        ));
        let swapped = image(ACCEPTED[0], CONFIGS[0], LAYERS[0]);
        assert!(matches!(
            parse(swapped.as_bytes(), "x"),
            Err(Error::NotAnImage { .. })
        ));
        let sha512 = r#"{"schemaVersion":2,"manifests":[{"digest":"sha512:00","size":1}]}"#;
        assert!(matches!(
            parse(sha512.as_bytes(), "x"),
            Err(Error::UnsupportedDigest { .. })
        ));
    }
}
