//! A file as types. One declaration makes the struct, its reader and its JSON Schema (`types.rs`).
//! Knows nothing of what the keys mean for a build.

mod read;
mod types;
mod values;

use std::collections::BTreeMap;

use lapstrake_sdk::types::Request;

pub use read::Version;
pub use types::{Cache, Copy, External, File, GpgKey, Image, Manager, Package, Secret, Sharing};
pub use values::{Choice, Command, Pairs, Sha256, Text, Truth};

use crate::findings::Findings;
use crate::json::Json;
use crate::yaml::{self, Document, Value};
use read::{Reader, Shape};

/// A file that was read, as far as it could be.
#[derive(Debug, Clone)]
pub struct Mockerfile {
    /// Its form.
    pub version: Version,
    /// Its images.
    pub images: Vec<Image>,
    /// The first image of each name, in lower case.
    names: BTreeMap<String, usize>,
    /// Whether the end of the file could not be read, so that nothing is said about what is not there.
    pub is_cut: bool,
}

impl Mockerfile {
    fn new(version: Version, images: Vec<Image>, is_cut: bool) -> Self {
        let mut names = BTreeMap::new();
        for (index, image) in images.iter().enumerate() {
            if let Some(name) = &image.name {
                names.entry(name.to_ascii_lowercase()).or_insert(index);
            }
        }
        Self {
            version,
            images,
            names,
            is_cut,
        }
    }

    /// Finds an image by its name, in which upper and lower case are the same.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.names.get(&name.to_ascii_lowercase()).copied()
    }

    /// The names of the images that have one.
    pub fn image_names(&self) -> impl Iterator<Item = &str> {
        let names = self.images.iter().filter_map(|image| image.name.as_ref());
        names.map(|name| name.text.as_str())
    }
}

/// Reads a request's file. Findings say what is wrong with it.
pub fn read(request: &Request, findings: &mut Findings) -> Mockerfile {
    let text = request.main_source().map_or("", |source| source.text.as_str());
    let document = yaml::load(text, findings);
    let mut reader = Reader {
        findings,
        version: Version::V1beta1,
        is_cut: document.is_cut,
    };
    let nothing = Mockerfile::new(reader.version, Vec::new(), document.is_cut);
    let Some(root) = &document.root else {
        if !document.is_cut {
            reader
                .findings
                .error("EmptyFile", &(0..0), "the file is empty")
                .help("begin with `apiVersion: v1beta1` and `images:`");
        }
        return nothing;
    };
    // The form says which keys there are: a file whose form is not known is read as far as that goes without.
    if let Some(version) = version(&document, &mut reader) {
        reader.version = version;
    }
    let Some(file) = File::read(root, &mut reader) else {
        return nothing;
    };
    if file.images.is_empty() && !reader.is_cut && !reader.findings.has_errors() {
        reader
            .findings
            .error("NoImages", &root.span, "there are no images")
            .help("add `images:` and an image: `- name: app`");
    }
    Mockerfile::new(reader.version, file.images, document.is_cut)
}

fn version(document: &Document, reader: &mut Reader<'_>) -> Option<Version> {
    let Value::Map(entries) = &document.root.as_ref()?.value else {
        return None;
    };
    let entry = entries.iter().find(|entry| entry.key == "apiVersion")?;
    match &entry.value.value {
        Value::Scalar { text, .. } => values::word(text, &entry.value.span, reader),
        // Said when the file is read.
        _ => None,
    }
}

/// The JSON Schema of files of a form.
pub fn schema(version: Version) -> Json {
    let schema = Json::object([
        (
            "$schema",
            Json::text("https://json-schema.org/draft/2020-12/schema"),
        ),
        ("title", Json::text(format!("Mockerfile {}", version.name()))),
    ]);
    match (schema, <File as Shape>::schema(version)) {
        (Json::Object(mut fields), Json::Object(file)) => {
            fields.extend(file);
            Json::Object(fields)
        }
        (_, file) => file,
    }
}
