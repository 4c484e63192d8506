//! Images as one tar: the OCI image layout (image-layout.md), and for Docker the file `manifest.json` beside, which
//! `docker load` reads. The bytes depend on the image and its names only.
//! Knows nothing of directories.

use std::collections::BTreeMap;

use lapstrake_llb::Digest;
use lapstrake_store::Store;
use serde::Serialize;

use crate::assemble::Assembled;
use crate::destination::{Destination, Sink};
use crate::document::LAYOUT;
use crate::error::{Error, Result};
use crate::json;
use crate::layout;
use crate::names::ImageName;
use crate::observer::{Observer, Part, go_on, part};

/// Size of a tar's blocks.
const BLOCK: u64 = 512;

/// Length from which a size does not fit in the field of a plain header.
const PLAIN_LIMIT: u64 = 8 << 30;

/// What an archive has besides the OCI image layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// Nothing.
    Oci,
    /// `manifest.json`.
    Docker,
}

/// What a member of the archive holds.
enum Content {
    Directory,
    Text(Vec<u8>),
    Blob(Digest, u64),
}

/// Writes an image with its names.
pub fn write(
    store: &Store,
    image: &Assembled,
    names: &[ImageName],
    flavour: Flavour,
    destination: &Destination,
    observer: &dyn Observer,
) -> Result<()> {
    if flavour == Flavour::Docker && image.images.len() != 1 {
        return Err(Error::SeveralPlatforms(image.images.len()));
    }
    // Sorted by name, as containerd writes them.
    let mut members = BTreeMap::from([
        ("blobs/".to_owned(), Content::Directory),
        ("blobs/sha256/".to_owned(), Content::Directory),
        (
            "index.json".to_owned(),
            Content::Text(layout::index(image, names)?),
        ),
        ("oci-layout".to_owned(), Content::Text(LAYOUT.to_vec())),
    ]);
    if flavour == Flavour::Docker {
        members.insert(
            "manifest.json".to_owned(),
            Content::Text(docker_manifest(image, names)?),
        );
    }
    let blobs = image.blobs();
    let total = blobs.values().sum();
    members.extend(
        blobs
            .into_iter()
            .map(|(digest, size)| (blob_path(&digest), Content::Blob(digest, size))),
    );
    part(observer, &Part::Archive, || {
        destination.write(|sink| {
            let mut done = 0;
            for (name, content) in &members {
                go_on(observer)?;
                done += member(store, name, content, sink, &mut |bytes| {
                    observer.progress(&Part::Archive, done + bytes, total);
                    go_on(observer)
                })?;
            }
            sink.put(&[0; 2 * BLOCK as usize])
        })
    })
}

/// Writes one member, and returns how many bytes of a blob it had.
fn member(
    store: &Store,
    name: &str,
    content: &Content,
    sink: &mut Sink<'_>,
    progress: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<u64> {
    let size = match content {
        Content::Directory => 0,
        Content::Text(text) => text.len() as u64,
        Content::Blob(_, size) => *size,
    };
    sink.put(header(name, content, size, sink)?.as_bytes())?;
    match content {
        Content::Directory => return Ok(0),
        Content::Text(text) => sink.put(text)?,
        Content::Blob(digest, size) => {
            let mut file = store.open_blob(digest)?;
            sink.copy(&mut file, *size, progress)?;
        }
    }
    let padding = (BLOCK - size % BLOCK) % BLOCK;
    sink.put(&[0; BLOCK as usize][..padding as usize])?;
    Ok(if matches!(content, Content::Blob(..)) {
        size
    } else {
        0
    })
}

fn header(name: &str, content: &Content, size: u64, sink: &Sink<'_>) -> Result<tar::Header> {
    let mut header = if size < PLAIN_LIMIT {
        tar::Header::new_ustar()
    } else {
        tar::Header::new_gnu()
    };
    header.set_path(name).map_err(|error| sink.failure(error))?;
    let (kind, mode) = match content {
        Content::Directory => (tar::EntryType::Directory, 0o755),
        Content::Text(_) => (tar::EntryType::Regular, 0o644),
        Content::Blob(..) => (tar::EntryType::Regular, 0o444),
    };
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    Ok(header)
}

fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// The file `manifest.json` of an archive that `docker save` makes (moby, image/spec/v1.2.md).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DockerManifest {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

fn docker_manifest(image: &Assembled, names: &[ImageName]) -> Result<Vec<u8>> {
    let tags: Vec<String> = names.iter().map(ImageName::familiar).collect();
    let manifests: Vec<DockerManifest> = image
        .images
        .iter()
        .map(|image| DockerManifest {
            config: blob_path(&image.config.digest),
            repo_tags: (!tags.is_empty()).then(|| tags.clone()),
            layers: image
                .layers
                .iter()
                .map(|layer| blob_path(&layer.digest))
                .collect(),
        })
        .collect();
    json::compact("manifest.json", &manifests)
}
