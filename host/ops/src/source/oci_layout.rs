//! OCI image layouts (OCI image specification, image-layout.md): directories, and tar archives of one.
//!
//! Every document is checked against its digest; a path never leads out of the layout, symlinks or not.
//! Knows nothing of the store or of layers' contents.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use lapstrake_llb::{Digest, Platform};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use serde::Deserialize;

use super::manifest::{self, Descriptor, Document, MANIFEST_LIMIT};
use super::platform;
use super::reference::LayoutReference;
use crate::error::{Error, Result};

/// The annotation with a tag or name (annotations.md of the specification).
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation in which containerd's tools put the full name.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// An image layout.
#[derive(Debug)]
pub struct Layout {
    path: PathBuf,
    files: Files,
    manifests: Vec<Descriptor>,
}

#[derive(Debug)]
enum Files {
    Directory(OwnedFd),
    /// Offset and length of the regular files.
    Tar {
        file: File,
        entries: HashMap<PathBuf, (u64, u64)>,
    },
}

/// A blob that is being read.
#[derive(Debug)]
pub struct LayoutBlob {
    file: File,
    offset: u64,
    left: u64,
}

impl LayoutBlob {
    /// Length of what is not read yet.
    pub fn remaining(&self) -> u64 {
        self.left
    }
}

impl Read for LayoutBlob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read_at(&mut buffer[..most], self.offset)?;
        self.offset += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    image_layout_version: String,
}

impl Layout {
    /// Opens a layout and reads its index.
    ///
    /// # Errors
    /// It is not there, is no layout, is a compressed archive, or its index cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let fail = |source| Error::OpenLayout {
            path: path.to_owned(),
            source,
        };
        let path = std::fs::canonicalize(path).map_err(fail)?;
        let file = File::open(&path).map_err(fail)?;
        let files = if file.metadata().map_err(fail)?.is_dir() {
            Files::Directory(file.into())
        } else {
            Files::tar(file, &path)?
        };
        let mut layout = Self {
            path,
            files,
            manifests: Vec::new(),
        };
        let no_layout = || Error::NotALayout {
            path: layout.path.clone(),
        };
        let marker = layout.small_file("oci-layout", 64 << 10)?.ok_or_else(no_layout)?;
        let marker: Marker = serde_json::from_slice(&marker).map_err(|_| no_layout())?;
        if !marker.image_layout_version.starts_with("1.") {
            return Err(no_layout());
        }
        let index = layout
            .small_file("index.json", MANIFEST_LIMIT)?
            .ok_or_else(no_layout)?;
        let name = format!("{}/index.json", layout.path.display());
        layout.manifests = match manifest::parse(&index, &name)? {
            Document::Index(manifests) => manifests,
            Document::Image { .. } => return Err(no_layout()),
        };
        Ok(layout)
    }

    /// Where it is: absolute, without symlinks.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What a reference names: the digest of an image or an index.
    ///
    /// By digest; by tag or name, as the annotation of the specification or containerd's has it; and without either
    /// the only image there is, or the one tagged `latest`. Several images that differ in platform only are chosen
    /// from by platform.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub fn find(&self, reference: &LayoutReference, wanted: &Platform) -> Result<Digest> {
        if let Some(digest) = reference.digest {
            return Ok(digest);
        }
        let mut found: Vec<&Descriptor> = match &reference.tag {
            Some(tag) => {
                let rank = |descriptor: &&Descriptor| tag_rank(descriptor, &reference.name, tag);
                let best = self
                    .manifests
                    .iter()
                    .filter_map(|descriptor| rank(&descriptor))
                    .max();
                self.manifests
                    .iter()
                    .filter(|descriptor| best.is_some() && rank(descriptor) == best)
                    .collect()
            }
            None => self.manifests.iter().collect(),
        };
        let distinct = |list: &[&Descriptor]| list.iter().map(|d| d.digest).collect::<BTreeSet<_>>().len();
        if reference.tag.is_none() && distinct(&found) > 1 {
            let latest: Vec<_> = found
                .iter()
                .copied()
                .filter(|d| tag_rank(d, "", "latest").is_some())
                .collect();
            if !latest.is_empty() {
                found = latest;
            }
        }
        if distinct(&found) > 1 {
            let platforms: Vec<_> = found.iter().filter_map(|d| d.platform.clone()).collect();
            let names: BTreeSet<_> = platforms
                .iter()
                .map(|p| platform::name(&platform::normalise(p)))
                .collect();
            if platforms.len() == found.len() && names.len() == found.len() {
                return match platform::choose(wanted, &platforms) {
                    Some(index) => Ok(found[index].digest),
                    None => Err(Error::NoPlatform {
                        image: self.name(reference),
                        platform: platform::name(wanted),
                        available: names.into_iter().collect(),
                    }),
                };
            }
        }
        match (found.first(), distinct(&found)) {
            (Some(descriptor), 1) => Ok(descriptor.digest),
            (None, _) => Err(Error::NotInLayout {
                image: self.name(reference),
                available: self.names(),
            }),
            _ => Err(Error::AmbiguousInLayout {
                image: self.name(reference),
                available: self.names(),
            }),
        }
    }

    /// What error messages call an image of this layout.
    pub fn name(&self, reference: &LayoutReference) -> String {
        let tail = reference.to_string();
        match tail.is_empty() {
            true => self.path.display().to_string(),
            false => format!("{tail} in {}", self.path.display()),
        }
    }

    /// A whole manifest, index or configuration, checked.
    ///
    /// # Errors
    /// It is missing, longer than `limit`, or not what its name says.
    pub fn document(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>> {
        let name = blob_name(digest);
        let origin = || self.path.join(&name).display().to_string();
        let bytes = match self.small_file(&name, limit) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(self.missing(digest)),
            Err(Error::TooLarge { limit, .. }) => {
                return Err(Error::TooLarge {
                    digest: *digest,
                    origin: origin(),
                    limit,
                });
            }
            Err(error) => return Err(error),
        };
        let actual = Digest::of(&bytes);
        if actual != *digest {
            return Err(Error::DigestMismatch {
                digest: *digest,
                actual,
                origin: origin(),
            });
        }
        Ok(bytes)
    }

    /// Opens a blob. Its digest is NOT checked: only the caller sees all the bytes.
    ///
    /// # Errors
    /// It is missing, no regular file, or leads out of the layout.
    pub fn blob(&self, digest: &Digest) -> Result<LayoutBlob> {
        self.file(&blob_name(digest))?.ok_or_else(|| self.missing(digest))
    }

    /// The file of a blob, for people.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.path.join(blob_name(digest))
    }

    fn missing(&self, digest: &Digest) -> Error {
        Error::MissingLayoutBlob {
            digest: *digest,
            path: self.path.clone(),
        }
    }

    fn names(&self) -> Vec<String> {
        let name = |d: &Descriptor| match names_of(d).next() {
            Some(name) => name.to_owned(),
            None => d.digest.to_string(),
        };
        self.manifests.iter().map(name).collect()
    }

    fn small_file(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let Some(blob) = self.file(name)? else {
            return Ok(None);
        };
        let path = || self.path.join(name);
        if blob.left > limit {
            let digest = Digest::of(b"");
            return Err(Error::TooLarge {
                digest,
                origin: path().display().to_string(),
                limit,
            });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(blob.left).unwrap_or_default());
        blob.take(limit)
            .read_to_end(&mut bytes)
            .map_err(|source| Error::ReadLayout { path: path(), source })?;
        Ok(Some(bytes))
    }

    /// Opens a file of the layout. `name` is never from outside: a constant or made of a digest.
    fn file(&self, name: &str) -> Result<Option<LayoutBlob>> {
        let path = self.path.join(name);
        match &self.files {
            Files::Directory(directory) => open_beneath(directory, name, path),
            Files::Tar { file, entries } => {
                let Some((offset, left)) = entries.get(Path::new(name)).copied() else {
                    return Ok(None);
                };
                let file = file
                    .try_clone()
                    .map_err(|source| Error::ReadLayout { path, source })?;
                Ok(Some(LayoutBlob { file, offset, left }))
            }
        }
    }
}

fn open_beneath(directory: &OwnedFd, name: &str, path: PathBuf) -> Result<Option<LayoutBlob>> {
    // Without NONBLOCK, a pipe by that name would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let file = match rustix::fs::openat2(directory, name, flags, Mode::empty(), resolve) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(None),
        Err(rustix::io::Errno::XDEV | rustix::io::Errno::LOOP) => return Err(Error::LayoutEscape { path }),
        Err(error) => {
            return Err(Error::ReadLayout {
                path,
                source: error.into(),
            });
        }
    };
    let metadata = file.metadata().map_err(|source| Error::ReadLayout {
        path: path.clone(),
        source,
    })?;
    if !metadata.is_file() {
        let source = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
        return Err(Error::ReadLayout { path, source });
    }
    Ok(Some(LayoutBlob {
        file,
        offset: 0,
        left: metadata.len(),
    }))
}

impl Files {
    fn tar(file: File, path: &Path) -> Result<Self> {
        let fail = |source| Error::ReadLayout {
            path: path.to_owned(),
            source,
        };
        let mut magic = [0; 4];
        let read = file.read_at(&mut magic, 0).map_err(fail)?;
        if magic[..read].starts_with(&[0x1f, 0x8b]) || magic == [0x28, 0xb5, 0x2f, 0xfd] {
            return Err(Error::CompressedLayout {
                path: path.to_owned(),
            });
        }
        let mut entries = HashMap::new();
        let reader = file.try_clone().map_err(fail)?;
        let mut archive = tar::Archive::new(reader);
        for entry in archive.entries_with_seek().map_err(fail)? {
            let entry = entry.map_err(|_| Error::NotALayout {
                path: path.to_owned(),
            })?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let name = entry.path().map_err(fail)?;
            let name: PathBuf = name
                .components()
                .filter(|c| !matches!(c, std::path::Component::CurDir))
                .collect();
            // A later entry of the same name replaces an earlier one.
            entries.insert(name, (entry.raw_file_position(), entry.size()));
        }
        Ok(Files::Tar { file, entries })
    }
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn names_of(descriptor: &Descriptor) -> impl Iterator<Item = &str> {
    [REF_NAME, CONTAINERD_NAME]
        .into_iter()
        .filter_map(|key| descriptor.annotation(key))
}

/// How well a descriptor's names fit `name:tag`: 3 the whole name, 2 the tag alone, 1 another name with this tag.
fn tag_rank(descriptor: &Descriptor, name: &str, tag: &str) -> Option<u8> {
    let whole = format!("{name}:{tag}");
    let normal = |text: &str| {
        super::reference::parse(text)
            .map(|reference| reference.whole())
            .ok()
    };
    names_of(descriptor)
        .filter_map(|found| {
            let own_tag = LayoutReference::parse(found)
                .ok()
                .and_then(|reference| reference.tag);
            if !name.is_empty() && (found == whole || (own_tag.is_some() && normal(found) == normal(&whole)))
            {
                Some(3)
            } else if found == tag {
                Some(2)
            } else {
                (own_tag.as_deref() == Some(tag)).then_some(1)
            }
        })
        .max()
}
