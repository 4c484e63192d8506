//! Images in a directory: the OCI image layout (image-layout.md). What other images are there stays.
//! Knows nothing of archives.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use lapstrake_store::Store;
use rustix::fs::FlockOperation;
use serde_json::Value;

use crate::assemble::Assembled;
use crate::destination::{Sink, replace};
use crate::document::{CREATED, Descriptor, IMAGE_NAME, Index, LAYOUT, REF_NAME};
use crate::error::{Error, Result};
use crate::json;
use crate::names::ImageName;
use crate::observer::{Observer, Part, go_on, part};

/// Writes the index of a layout that holds one image under some names.
pub(crate) fn index(image: &Assembled, names: &[ImageName]) -> Result<Vec<u8>> {
    let nothing = BTreeMap::new();
    let manifests = entries(image, names)?;
    json::compact(
        "index",
        &Index {
            schema_version: 2,
            media_type: None,
            manifests,
            annotations: &nothing,
        },
    )
}

/// The entries of an image in the index of a layout: one a name, or one without a name.
fn entries(image: &Assembled, names: &[ImageName]) -> Result<Vec<Descriptor>> {
    let mut plain = image.descriptor.clone();
    plain
        .annotations
        .insert(CREATED.to_owned(), json::time(image.created)?);
    if names.is_empty() {
        return Ok(vec![plain]);
    }
    let named = |name: &ImageName| {
        let mut entry = plain.clone();
        entry.annotations.insert(IMAGE_NAME.to_owned(), name.to_string());
        entry
            .annotations
            .insert(REF_NAME.to_owned(), name.tag().to_owned());
        entry
    };
    Ok(names.iter().map(named).collect())
}

/// Writes an image into a layout, and makes it where there is none. An image of the same tag is no longer in the index
/// afterwards; its blobs stay.
///
/// # Errors
/// [`Error::LayoutIndex`] if there is an index that cannot be understood: then the index stays.
pub fn write(
    store: &Store,
    image: &Assembled,
    names: &[ImageName],
    dir: &Path,
    observer: &dyn Observer,
) -> Result<()> {
    let blobs = dir.join("blobs/sha256");
    match fs::metadata(dir) {
        Ok(meta) if !meta.is_dir() => return Err(Error::NotADirectory(dir.to_owned())),
        _ => fs::create_dir_all(&blobs).map_err(Error::io("create", &blobs))?,
    }
    part(observer, &Part::Archive, || {
        let wanted = image.blobs();
        let total = wanted.values().sum();
        let mut done = 0;
        for (digest, size) in &wanted {
            go_on(observer)?;
            let path = blobs.join(digest.hex());
            if !fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file() && meta.len() == *size) {
                let mut from = store.open_blob(digest)?;
                replace(&path, |sink| {
                    share(sink, &mut from, *size, &mut |bytes| {
                        observer.progress(&Part::Archive, done + bytes, total);
                        go_on(observer)
                    })
                })?;
            }
            done += size;
        }
        let layout = dir.join("oci-layout");
        if !layout.exists() {
            replace(&layout, |sink| sink.put(LAYOUT))?;
        }
        merge_index(dir, image, names)
    })
}

/// Lets the new file share the old one's blocks where the file system can, else copies. Never a hard link: a user who
/// writes into the file would change the store.
fn share(
    sink: &mut Sink<'_>,
    from: &mut File,
    size: u64,
    go_on: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<()> {
    if let Sink::File(to, _) = sink
        && rustix::fs::ioctl_ficlone(&*to, &*from).is_ok()
    {
        return go_on(size);
    }
    sink.copy(from, size, go_on)
}

/// Puts the entries of an image into the index of a layout, one process after another.
fn merge_index(dir: &Path, image: &Assembled, names: &[ImageName]) -> Result<()> {
    let guard = File::open(dir).map_err(Error::io("open", dir))?;
    rustix::fs::flock(&guard, FlockOperation::LockExclusive).map_err(Error::io("lock", dir))?;
    let path = dir.join("index.json");
    let mut document = match fs::read(&path) {
        Ok(text) => {
            let bad = |source| Error::LayoutIndex {
                path: path.clone(),
                source,
            };
            serde_json::from_slice::<serde_json::Map<String, Value>>(&text).map_err(bad)?
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => serde_json::Map::new(),
        Err(error) => return Err(Error::io("read", &path)(error)),
    };
    document.entry("schemaVersion").or_insert(Value::from(2));
    let present = document.entry("manifests").or_insert(Value::Array(Vec::new()));
    if present.is_null() {
        *present = Value::Array(Vec::new());
    }
    let Value::Array(list) = present else {
        let source = serde::de::Error::custom("manifests is not a list");
        return Err(Error::LayoutIndex { path, source });
    };
    list.retain(|entry| !replaced_by(entry, names));
    for entry in entries(image, names)? {
        list.push(serde_json::to_value(entry).map_err(|error| Error::Json("index", error))?);
    }
    let text = json::compact("index", &document)?;
    replace(&path, |sink| sink.put(&text))
}

/// Whether an entry has a tag that a new one gets: what reads a layout finds images by the tag alone. Of an image
/// without names: whether it has none.
fn replaced_by(entry: &Value, names: &[ImageName]) -> bool {
    let annotation = |key: &str| {
        entry
            .get("annotations")
            .and_then(|all| all.get(key))
            .and_then(Value::as_str)
    };
    match (annotation(REF_NAME), annotation(IMAGE_NAME)) {
        (None, None) => names.is_empty(),
        // Some tools write the whole name in the place of the tag.
        (Some(text), _) => names
            .iter()
            .any(|name| name.tag() == text || name.to_string() == text),
        (None, Some(full)) => names.iter().any(|name| name.to_string() == full),
    }
}
