//! What a store path can stand for. Plain data: knows nothing of graphs.

use std::collections::BTreeSet;

use lapstrake_sdk::types::{
    ContextSource, ImageConfig, ImageRequest, OciLayoutSource, Platform, ResolveMode,
};

use super::hash::Hash;
use super::store_path::{HashMode, StorePath};

/// What is at a store path, or would be.
#[derive(Clone, Debug)]
pub enum Item {
    /// An output of a derivation.
    Output {
        /// Path of the derivation.
        derivation: StorePath,
        /// Name of the output.
        output: String,
    },
    /// A file with this text.
    Text(Text),
    /// A file or directory that somebody else has.
    Source(Source),
    /// The files of several paths in one directory.
    Join(Vec<StorePath>),
    /// An image that is there already: its files.
    Image(BaseImage),
    /// An image that the build file describes: its files.
    Built(Box<ImageDefinition>),
}

/// A file that the build file holds.
#[derive(Clone, Debug)]
pub struct Text {
    /// Its bytes.
    pub contents: Vec<u8>,
    /// Whether it is a program.
    pub executable: bool,
    /// Where it is in the directory that the store path is; empty: the store path is the file.
    pub destination: String,
    /// What it refers to.
    pub references: BTreeSet<StorePath>,
}

/// Something that is brought in.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where it is.
    pub origin: Origin,
    /// What it must be, where it is known and the origin does not see to it.
    pub expected: Option<(Hash, HashMode)>,
}

/// Where something is.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A file or directory of one of the build's contexts.
    Local(Local),
    /// A file that is downloaded.
    Http(Http),
    /// A git repository.
    Git(Git),
}

/// A part of a context.
#[derive(Clone, Debug)]
pub struct Local {
    /// The context.
    pub context: ContextSource,
    /// Path in it; `/` is all of it.
    pub path: String,
    /// What is taken, as patterns below the path; empty: everything.
    pub include: Vec<String>,
    /// What is left out of that.
    pub exclude: Vec<String>,
}

/// A download.
#[derive(Clone, Debug)]
pub struct Http {
    /// Its address.
    pub url: String,
    /// SHA-256 of the file that is downloaded.
    pub sha256: Option<Hash>,
    /// Whether it is a program.
    pub executable: bool,
    /// Whether it is an archive that is unpacked. Of a single directory at its top the contents are taken.
    pub unpack: bool,
}

/// A commit of a repository.
#[derive(Clone, Debug)]
pub struct Git {
    /// Its address.
    pub remote: String,
    /// Branch, tag or commit; empty: the default branch.
    pub reference: String,
    /// Whether the submodules are there too.
    pub submodules: bool,
}

/// An image that is there already.
#[derive(Clone, Debug)]
pub struct BaseImage {
    /// As the build file has it.
    pub name: String,
    /// Where it is.
    pub place: ImagePlace,
}

/// Where an image is.
#[derive(Clone, Debug)]
pub enum ImagePlace {
    /// In a registry, by its whole name.
    Registry(String),
    /// In an OCI layout of the build.
    Layout(OciLayoutSource),
    /// It is no image: the files of a context.
    Files(ContextSource),
}

impl BaseImage {
    /// What to ask the host; none: it has no configuration.
    pub fn request(&self, platform: &Platform, mode: ResolveMode) -> Option<ImageRequest> {
        let (reference, store) = match &self.place {
            ImagePlace::Registry(reference) => (reference.clone(), None),
            ImagePlace::Layout(layout) => (layout.reference.clone(), Some(layout.store.clone())),
            ImagePlace::Files(_) => return None,
        };
        Some(ImageRequest {
            reference,
            oci_layout_store: store,
            platform: Some(platform.clone()),
            mode,
        })
    }
}

/// An image as the build file describes it.
#[derive(Clone, Debug)]
pub struct ImageDefinition {
    /// Its name.
    pub name: String,
    /// The image that it stands on: an image or a built one.
    pub base: Option<StorePath>,
    /// What lies in its root directory.
    pub contents: Vec<StorePath>,
    /// Its configuration.
    pub config: ImageConfig,
    /// What the configuration refers to.
    pub references: BTreeSet<StorePath>,
    /// How its files are divided.
    pub layers: Layers,
    /// Who the files of the contents belong to: user and group.
    pub owner: (u32, u32),
    /// Whether the store paths are in it, and not only links to them.
    pub has_store_paths: bool,
    /// A shell script that changes the new files, in their directory.
    pub extra_commands: Option<String>,
    /// The image whose files the script runs in; none: the base.
    pub shell: Option<StorePath>,
    /// A shell script that runs in the image.
    pub run_as_root: Option<String>,
    /// Whether the scripts have a network.
    pub network: bool,
    /// What the scripts refer to.
    pub script_references: BTreeSet<StorePath>,
}

/// How the files of an image are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layers {
    /// All of the contents, copied to the root directory, and what they refer to, in one layer.
    One,
    /// A layer for each store path, and one with links to the contents. At most as many as this with the base's.
    Each {
        /// At least 2.
        most: usize,
    },
}

impl Item {
    /// What it is, for people.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Output { .. } => "the output of a derivation",
            Self::Text(_) => "a text",
            Self::Source(_) => "a source",
            Self::Join(_) => "a join of paths",
            Self::Image(_) => "an image",
            Self::Built(_) => "an image that is built",
        }
    }
}
