//! The types of a file: what keys there are, and since when. Knows nothing of what they mean for a build.

use std::rc::Rc;

use super::read::{Field, Key, Reader, Shape, Version, described, mapping, object_schema};
use super::values::{ApiVersion, Choice, Command, Pairs, Sha256, Text, Truth};
use crate::findings::Span;
use crate::json::Json;
use crate::yaml::{Node, Value};

mapping! {
    /// A Mockerfile: images, and how each of them is made.
    pub struct File {
        /// The form of the file.
        V1alpha1 "apiVersion" api_version: ApiVersion,
        /// The images. One of them is built: the last one, or the one that `--target` names.
        V1alpha1 "images" images: Vec<Image>,
    }
}

mapping! {
    /// An image.
    pub struct Image {
        /// What it is called: by `--target`, `parent` and `copy`.
        V1alpha1 "name" name: Option<Text>,
        /// What it is, for people.
        V1beta1 "description" description: Option<Text>,
        /// The image that it begins with: one of a registry, a build context, or `scratch`.
        V1alpha1 "from" from: Option<Text>,
        /// The image of this file that it begins with.
        V1alpha1 "parent" parent: Option<Text>,
        /// The platforms that it is for, such as `linux/arm64`. Unless the command line says others, all of them are built.
        V1beta1 "platforms" platforms: Vec<Text>,
        /// Packages of the distribution.
        V1alpha1 "package" package: Option<Package>,
        /// Files by HTTP.
        V1alpha1 "external" external: Vec<External>,
        /// Files of the build context, or of other images.
        V1beta1 "copy" copy: Vec<Copy>,
        /// Directory in which steps run and the container starts.
        V1alpha1 "workdir" workdir: Option<Text>,
        /// Environment of steps, of commands that install files, and of the container. `$NAME` stands for a value set before.
        V1beta1 "env" env: Option<Pairs>,
        /// Secrets that commands can read while they run, and that are in no image.
        V1beta1 "secrets" secrets: Vec<Secret>,
        /// Directories that steps and commands that install files find again in the next build, and that are in no image.
        V1beta1 "caches" caches: Vec<Cache>,
        /// Commands for the shell, one after another, as root.
        V1alpha1 "steps" steps: Vec<Text>,
        /// The paths that the image consists of. Without it: everything.
        V1alpha1 "output" output: Vec<Text>,
        /// Labels of the image.
        V1beta1 "labels" labels: Option<Pairs>,
        /// The user that the container runs as: `user[:group]`, names or numbers.
        V1beta1 "user" user: Option<Text>,
        /// What the container runs.
        V1beta1 "entrypoint" entrypoint: Option<Command>,
        /// Arguments of the entrypoint, or what the container runs where there is none.
        V1beta1 "cmd" cmd: Option<Command>,
    }
}

mapping! {
    /// Packages of the distribution, installed before everything else.
    pub struct Package {
        /// The distribution's package manager; apt unless said otherwise.
        V1beta1 "manager" manager: Option<Choice<Manager>>,
        /// More repositories. apt: lines of a sources list; apk: addresses; dnf: addresses, or of `.repo` files.
        V1alpha1 "repo" repo: Vec<Text>,
        /// Keys that sign these repositories: addresses, or paths in the build context.
        V1alpha1 "gpg" gpg: Vec<GpgKey>,
        /// Names of packages, each with a version where the package manager takes one.
        V1alpha1 "install" install: Vec<Text>,
    }
}

/// A package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// Debian, Ubuntu.
    Apt,
    /// Alpine.
    Apk,
    /// Fedora, Enterprise Linux.
    Dnf,
}

/// A key that signs repositories: its address or path alone, or with a checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpgKey {
    /// Address, or path in the build context.
    pub src: Text,
    /// Checksum of the file.
    pub sha256: Option<Sha256>,
}

mapping! {
    /// A key with its checksum.
    pub struct CheckedKey {
        /// Address, or path in the build context.
        V1beta1 "src" src: Text,
        /// SHA-256 of the file, in hexadecimal digits.
        V1beta1 "sha256" sha256: Option<Sha256>,
    }
}

mapping! {
    /// A file by HTTP. Archives (.tar, also packed by gzip, bzip2, xz or zstd) are unpacked.
    pub struct External {
        /// Address.
        V1alpha1 "src" src: Text,
        /// Absolute path: of the file, or of the directory that an archive is unpacked into; a file's directory where it ends with `/`.
        V1alpha1 "dst" dst: Text,
        /// SHA-256 of the file, in hexadecimal digits.
        V1alpha1 "sha256" sha256: Option<Sha256>,
        /// Commands for the shell that install from it. Then `dst` is there while they run, and not in the image.
        V1alpha1 "install" install: Vec<Text>,
        /// Whether it is unpacked, instead of what its name says.
        V1beta1 "unpack" unpack: Option<Truth>,
    }
}

mapping! {
    /// Files of the build context or of another image.
    pub struct Copy {
        /// An image of this file, a named build context, or an image of a registry. Without it: the build context.
        V1beta1 "from" from: Option<Text>,
        /// Paths, `*` and `?` allowed. Without it: everything that an image of this file has over its base.
        V1beta1 "src" src: Vec<Text>,
        /// Path of the copy; a directory where it ends with `/` or there are several sources.
        V1beta1 "dst" dst: Option<Text>,
        /// Owner of the copy: `user[:group]`, names or numbers.
        V1beta1 "owner" owner: Option<Text>,
        /// Permissions of the copy: octal digits, or as chmod takes them.
        V1beta1 "mode" mode: Option<Text>,
        /// Patterns of what is left out.
        V1beta1 "exclude" exclude: Vec<Text>,
    }
}

mapping! {
    /// A secret that commands can read while they run.
    pub struct Secret {
        /// Its name on the command line: `--secret id=...`.
        V1beta1 "id" id: Text,
        /// Path of the file that holds it; `/run/secrets/ID` unless said otherwise, none where there is `env` alone.
        V1beta1 "target" target: Option<Text>,
        /// Name of the variable that holds it.
        V1beta1 "env" env: Option<Text>,
        /// Whether there is no build without it.
        V1beta1 "required" required: Option<Truth>,
    }
}

mapping! {
    /// A directory that the next build finds again.
    pub struct Cache {
        /// Its path; one that is not absolute is below `workdir`.
        V1beta1 "path" path: Text,
        /// What it is found by; its path unless said otherwise.
        V1beta1 "id" id: Option<Text>,
        /// What builds at the same time do with it; shared unless said otherwise.
        V1beta1 "sharing" sharing: Option<Choice<Sharing>>,
    }
}

/// What several builds at the same time do with a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// All use it.
    Shared,
    /// Each has its own.
    Private,
    /// One after another.
    Locked,
}

impl Shape for GpgKey {
    fn read(node: &Rc<Node>, reader: &mut Reader<'_>) -> Option<Self> {
        if reader.version == Version::V1beta1 && matches!(node.value, Value::Map(_)) {
            let CheckedKey { src, sha256, .. } = CheckedKey::read(node, reader)?;
            return Some(Self { src, sha256 });
        }
        Text::read(node, reader).map(|src| Self { src, sha256: None })
    }

    fn schema(version: Version) -> Json {
        let text = <Text as Shape>::schema(version);
        match version {
            Version::V1alpha1 => text,
            Version::V1beta1 => Json::object([(
                "oneOf",
                Json::List(vec![text, <CheckedKey as Shape>::schema(version)]),
            )]),
        }
    }
}
