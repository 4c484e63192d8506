//! The documents of a WebAssembly component in a registry (CNCF Wasm working group, "Wasm OCI Artifact"): made without
//! any time but 1970, so that one component has one digest, and read from whatever tool made them.
//! Knows nothing of registries.

use lapstrake_llb::Digest;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::source::manifest::Descriptor;

/// Media type of the manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of the configuration.
pub const CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// Media type of the component.
pub const LAYER: &str = "application/wasm";
/// By which `oras pull` names the file.
const TITLE: &str = "org.opencontainers.image.title";
/// Readers want a time; this one says nothing.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// What a component imports and exports, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct World {
    /// Exports.
    pub exports: Vec<String>,
    /// Imports.
    pub imports: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    created: &'static str,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [String; 1],
    component: &'a World,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u8,
    media_type: &'static str,
    config: Described<'a>,
    layers: [Described<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Described<'a> {
    media_type: &'static str,
    digest: String,
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<Title<'a>>,
}

#[derive(Serialize)]
struct Title<'a> {
    #[serde(rename = "org.opencontainers.image.title")]
    title: &'a str,
}

/// The configuration of a component.
pub fn config(component: &[u8], world: &World) -> Vec<u8> {
    to_json(&Config {
        created: CREATED,
        architecture: "wasm",
        // The specification's word for components.
        os: "wasip2",
        layer_digests: [Digest::of(component).to_string()],
        component: world,
    })
}

/// The manifest of a component; `title` is the name of its file.
pub fn manifest(config: &[u8], component: &[u8], title: &str) -> Vec<u8> {
    let described = |media_type, data: &[u8]| Described {
        media_type,
        digest: Digest::of(data).to_string(),
        size: data.len(),
        annotations: None,
    };
    let mut layer = described(LAYER, component);
    layer.annotations = Some(Title { title });
    to_json(&Manifest {
        schema_version: 2,
        media_type: MANIFEST,
        config: described(CONFIG, config),
        layers: [layer],
    })
}

/// Structs of strings and numbers always become JSON.
fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// What a manifest's bytes lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The component, and the name of its file where there is one.
    Component {
        /// Its blob.
        blob: Descriptor,
        /// The name.
        title: Option<String>,
    },
    /// A manifest in an index.
    Manifest(Digest),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDocument {
    #[serde(default)]
    layers: Vec<Raw>,
    #[serde(default)]
    manifests: Vec<Raw>,
    #[serde(default)]
    config: Option<Raw>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default)]
    media_type: String,
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
    architecture: String,
}

/// Finds the component: the only layer of its media type, whatever else the tool that pushed it wrote.
///
/// # Errors
/// Not JSON; no component or several.
pub fn find(bytes: &[u8], reference: &str) -> Result<Found> {
    let raw: RawDocument = serde_json::from_slice(bytes).map_err(|source| Error::BadManifest {
        image: reference.to_owned(),
        source,
    })?;
    let digest = |text: &str| {
        text.parse::<Digest>().map_err(|source| Error::UnsupportedDigest {
            image: reference.to_owned(),
            source,
        })
    };
    let not_one = |found: &str| Error::NotAComponent {
        reference: reference.to_owned(),
        found: found.to_owned(),
    };
    let is_wasm = |raw: &&Raw| match &raw.platform {
        Some(platform) => platform.architecture == "wasm",
        None => raw.media_type == MANIFEST,
    };
    if raw.layers.is_empty() && !raw.manifests.is_empty() {
        let mut wasm = raw.manifests.iter().filter(is_wasm);
        return match (wasm.next(), wasm.next()) {
            (Some(only), None) => Ok(Found::Manifest(digest(&only.digest)?)),
            (None, _) => Err(not_one("an index without a component in it")),
            (Some(_), Some(_)) => Err(not_one("an index with several components")),
        };
    }
    let mut layers = raw.layers.iter().filter(|layer| layer.media_type == LAYER);
    match (layers.next(), layers.next()) {
        (Some(layer), None) => Ok(Found::Component {
            blob: Descriptor {
                media_type: layer.media_type.clone(),
                digest: digest(&layer.digest)?,
                size: layer.size,
                platform: None,
                annotations: Vec::new(),
            },
            title: layer
                .annotations
                .as_ref()
                .and_then(|annotations| annotations.get(TITLE).cloned()),
        }),
        (None, _) => {
            let kind = raw.config.map(|config| config.media_type).unwrap_or_default();
            Err(not_one(match kind.as_str() {
                "application/vnd.oci.image.config.v1+json"
                | "application/vnd.docker.container.image.v1+json" => "a container image",
                _ => "something without a layer of type application/wasm",
            }))
        }
        (Some(_), Some(_)) => Err(not_one("several components")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WASM: &[u8] = b"\0asm\x0d\0\x01\0";

    fn world() -> World {
        World {
            exports: vec!["lapstrake:frontend/frontend@0.1.0".to_owned()],
            imports: vec!["lapstrake:frontend/host@0.1.0".to_owned()],
        }
    }

    #[test]
    fn documents_are_those_of_the_specification() {
        let config = config(WASM, &world());
        let text = String::from_utf8(config.clone()).unwrap();
        let digest = Digest::of(WASM);
        assert_eq!(
            text,
            format!(
                "{{\"created\":\"1970-01-01T00:00:00Z\",\"architecture\":\"wasm\",\"os\":\"wasip2\",\
                 \"layerDigests\":[\"{digest}\"],\"component\":{{\"exports\":[\"lapstrake:frontend/frontend@0.1.0\"],\
                 \"imports\":[\"lapstrake:frontend/host@0.1.0\"]}}}}"
            )
        );
        let manifest = manifest(&config, WASM, "hello.wasm");
        let Found::Component { blob, title } = find(&manifest, "x").unwrap() else {
            panic!("an index")
        };
        assert_eq!((blob.digest, blob.size), (digest, WASM.len() as u64));
        assert_eq!(title.as_deref(), Some("hello.wasm"));
    }

    /// As `wkg oci push` writes it: annotations of its own, no title.
    #[test]
    fn other_tools_manifests_are_read() {
        let digest = Digest::of(WASM);
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}",
               "config":{{"mediaType":"{CONFIG}","digest":"{digest}","size":2}},
               "layers":[{{"mediaType":"{LAYER}","digest":"{digest}","size":8,"annotations":null}}],
               "annotations":{{"org.opencontainers.image.version":"1"}}}}"#
        );
        let found = find(manifest.as_bytes(), "x").unwrap();
        assert!(matches!(found, Found::Component { title: None, .. }));
        let index = format!(
            r#"{{"schemaVersion":2,"manifests":[
               {{"mediaType":"{MANIFEST}","digest":"{digest}","size":2,"platform":{{"os":"wasip2","architecture":"wasm"}}}},
               {{"mediaType":"{MANIFEST}","digest":"{digest}","size":2,"platform":{{"os":"linux","architecture":"amd64"}}}}]}}"#
        );
        assert_eq!(find(index.as_bytes(), "x").unwrap(), Found::Manifest(digest));
    }

    #[test]
    fn what_is_no_component_is_said() {
        let digest = Digest::of(WASM);
        let said = |text: &str| find(text.as_bytes(), "me/x").unwrap_err().to_string();
        let image = format!(
            r#"{{"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{digest}","size":2}},"layers":[]}}"#
        );
        assert!(said(&image).contains("a container image"), "{}", said(&image));
        let layer = format!(r#"{{"mediaType":"{LAYER}","digest":"{digest}","size":8}}"#);
        let two = format!(r#"{{"layers":[{layer},{layer}]}}"#);
        assert!(said(&two).contains("several components"));
        assert!(matches!(find(b"<html>", "x"), Err(Error::BadManifest { .. })));
    }
}
