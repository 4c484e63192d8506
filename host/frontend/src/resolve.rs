//! What a reference to a frontend means: a built-in one, a file, or one elsewhere. Decides from the words, and from the
//! file system only whether a path stays in the context. Knows nothing of Wasm, and fetches nothing.

use std::io;
use std::path::{Path, PathBuf};

use lapstrake_llb::Digest;

use crate::known::KNOWN;

/// Where a reference leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrontendPlace {
    /// To what can be loaded at once.
    Here(FrontendSource),
    /// To a registry, by this reference.
    Registry(String),
    /// To an address, whose content has this digest.
    Url {
        /// The address.
        url: String,
        /// The digest.
        digest: Digest,
    },
}

/// Where a frontend's component comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrontendSource {
    /// Built into this program, by name.
    BuiltIn(String),
    /// A file.
    File(PathBuf),
    /// Its bytes.
    Bytes {
        /// What people call it.
        name: String,
        /// The component.
        wasm: Vec<u8>,
    },
}

/// Who says the reference, which decides what a path is relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker<'a> {
    /// The syntax line of a build file: paths are in its context, and never lead out. None: the context is not on
    /// this machine.
    BuildFile(Option<&'a Path>),
    /// The person, on the command line: paths are relative to this directory and may be anywhere.
    Person(&'a Path),
}

/// Why a reference means nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// Nothing there.
    #[error("the reference to a frontend is empty")]
    Empty,

    /// A version of a frontend that is built in, but not that version.
    #[error("{reference}: the built-in {frontend} frontend is version 1; versions 0 and 2 are not known")]
    OtherVersion {
        /// The reference.
        reference: String,
        /// The built-in frontend of that name.
        frontend: &'static str,
    },

    /// An address without digest.
    #[error(
        "{reference} is an address without a digest, so whoever answers there could do what they want; write \
         URL@sha256:… (sha256sum of the file)"
    )]
    NoDigest {
        /// The reference.
        reference: String,
    },

    /// An address with another scheme.
    #[error(
        "{reference} is no address that frontends are fetched from: those begin with https:// or http://"
    )]
    OtherScheme {
        /// The reference.
        reference: String,
    },

    /// A digest that is none.
    #[error("{reference} ends in a digest that is not right")]
    BadDigest {
        /// The reference.
        reference: String,
        /// Why not.
        source: lapstrake_llb::ParseDigestError,
    },

    /// A name that means nothing.
    #[error(
        "{reference} names no frontend; use a built-in one (docker/dockerfile:1), a component file \
         (./frontend.wasm) or one in a registry (example.com/frontend:1)"
    )]
    Unknown {
        /// The reference.
        reference: String,
    },

    /// No such file.
    #[error("cannot find the frontend {}", path.display())]
    NotFound {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// A syntax line that names a file outside of the context.
    #[error(
        "{reference} is outside of the build context; a syntax line can only name files in it, --frontend any file"
    )]
    OutsideContext {
        /// The reference.
        reference: String,
    },

    /// A syntax line that names a file, in a build without local context.
    #[error("{reference} is a file, but the build context is not a local directory; name it with --frontend")]
    NoContext {
        /// The reference.
        reference: String,
    },
}

/// Tags of a built-in frontend that are no version numbers.
const MOVING_TAGS: &[&str] = &["latest", "stable", "labs", "master", "master-labs"];

/// Finds out what a reference means. Whether the built-in frontend is there, and the file a component, shows when it
/// is loaded.
pub fn resolve(reference: &str, speaker: Speaker<'_>) -> Result<FrontendPlace, ResolveError> {
    if reference.is_empty() {
        return Err(ResolveError::Empty);
    }
    let owned = || reference.to_owned();
    let built_in = |name: &str| FrontendPlace::Here(FrontendSource::BuiltIn(name.to_owned()));
    if let Some(known) = KNOWN.iter().find(|known| known.is_called(reference)) {
        return Ok(built_in(known.name));
    }
    if let Some(path) = as_path(reference) {
        return file(reference, path, speaker).map(FrontendPlace::Here);
    }
    if let Some(image) = reference.strip_prefix("oci:") {
        let image = image.strip_prefix("//").unwrap_or(image);
        return Ok(FrontendPlace::Registry(image.to_owned()));
    }
    if reference.contains("://") {
        return url(reference);
    }
    let image = ImageName::parse(reference);
    if let Some(known) = KNOWN.iter().find(|known| known.images.contains(&image.path)) {
        return match image.tag {
            Some(tag) if !is_version_1(tag) => Err(ResolveError::OtherVersion {
                reference: owned(),
                frontend: known.name,
            }),
            _ => Ok(built_in(known.name)),
        };
    }
    if reference.contains(['/', ':', '@']) {
        return Ok(FrontendPlace::Registry(owned()));
    }
    Err(ResolveError::Unknown { reference: owned() })
}

/// The names of built-in frontends that a reference could be meant as, and the part of it to compare them with.
pub fn alike(reference: &str) -> (&str, impl Iterator<Item = &'static str>) {
    let path = ImageName::parse(reference).path;
    let is_image = path.contains('/');
    let names = KNOWN.iter().flat_map(move |known| match is_image {
        true => [&[][..], known.images].concat(),
        false => [&[known.name][..], known.aliases].concat(),
    });
    (path, names)
}

/// An address with a digest behind it, `https://…@sha256:…`.
fn url(reference: &str) -> Result<FrontendPlace, ResolveError> {
    let owned = || reference.to_owned();
    if !reference.starts_with("https://") && !reference.starts_with("http://") {
        return Err(ResolveError::OtherScheme { reference: owned() });
    }
    // A name and password before the host may have an @, too.
    let split = reference
        .rsplit_once('@')
        .filter(|(_, digest)| digest.starts_with("sha256:"));
    let (url, digest) = split.ok_or_else(|| ResolveError::NoDigest { reference: owned() })?;
    let digest = digest.parse().map_err(|source| ResolveError::BadDigest {
        reference: owned(),
        source,
    })?;
    let url = url.to_owned();
    Ok(FrontendPlace::Url { url, digest })
}

/// The path, where the reference is one: by its prefix, or by its extension.
fn as_path(reference: &str) -> Option<&Path> {
    if let Some(path) = reference.strip_prefix("file:") {
        return Some(Path::new(path.strip_prefix("//").unwrap_or(path)));
    }
    let is_path = ["./", "../", "/"]
        .iter()
        .any(|prefix| reference.starts_with(prefix));
    let is_component = reference.ends_with(".wasm") && !reference.contains(':');
    (is_path || is_component).then_some(Path::new(reference))
}

fn file(reference: &str, path: &Path, speaker: Speaker<'_>) -> Result<FrontendSource, ResolveError> {
    let find = |path: PathBuf| match path.canonicalize() {
        Ok(found) => Ok(found),
        Err(source) => Err(ResolveError::NotFound { path, source }),
    };
    match speaker {
        Speaker::Person(directory) => {
            let path = directory.join(path);
            // Said by whoever may read it anyway; the path stays as it was said, for messages.
            find(path.clone())?;
            Ok(FrontendSource::File(path))
        }
        Speaker::BuildFile(None) => Err(ResolveError::NoContext {
            reference: reference.to_owned(),
        }),
        Speaker::BuildFile(Some(context)) => {
            let outside = || ResolveError::OutsideContext {
                reference: reference.to_owned(),
            };
            let context = find(context.to_owned())?;
            // Judged by the words first, so that a build file cannot ask what exists elsewhere.
            let mut depth = 0_usize;
            for component in path.components() {
                match component {
                    std::path::Component::Normal(_) => depth += 1,
                    std::path::Component::CurDir => {}
                    std::path::Component::ParentDir => depth = depth.checked_sub(1).ok_or_else(outside)?,
                    _ => return Err(outside()),
                }
            }
            let found = find(context.join(path))?;
            if found.starts_with(&context) {
                Ok(FrontendSource::File(found))
            } else {
                Err(outside())
            }
        }
    }
}

/// The parts of an image reference that count here.
struct ImageName<'a> {
    /// Without Docker Hub's host.
    path: &'a str,
    tag: Option<&'a str>,
}

impl<'a> ImageName<'a> {
    fn parse(reference: &'a str) -> Self {
        let name = reference
            .split_once('@')
            .map_or(reference, |(name, _digest)| name);
        let (path, tag) = match name.rsplit_once(':') {
            // A colon before a slash is a port.
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
            _ => (name, None),
        };
        let hosts = ["docker.io/", "index.docker.io/", "registry-1.docker.io/"];
        let path = hosts
            .iter()
            .find_map(|host| path.strip_prefix(host))
            .unwrap_or(path);
        Self { path, tag }
    }
}

/// `1`, `1.2`, `1.2.3`, each with `-labs` or another suffix, or a moving tag.
fn is_version_1(tag: &str) -> bool {
    let number = tag.split_once('-').map_or(tag, |(number, _)| number);
    let mut parts = number.split('.');
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    MOVING_TAGS.contains(&tag) || (parts.next() == Some("1") && parts.all(is_number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const NOWHERE: Speaker<'static> = Speaker::BuildFile(None);

    #[test]
    fn knows_the_built_in_frontends() {
        let digest = format!("docker/dockerfile@sha256:{}", "0".repeat(64));
        for (reference, name) in [
            ("docker/dockerfile", "dockerfile"),
            ("docker/dockerfile:1", "dockerfile"),
            ("docker/dockerfile:1.4", "dockerfile"),
            ("docker/dockerfile:1.7.1-labs", "dockerfile"),
            ("docker/dockerfile:labs", "dockerfile"),
            ("docker.io/docker/dockerfile:1-labs", "dockerfile"),
            ("docker.io/docker/dockerfile-upstream:master", "dockerfile"),
            (digest.as_str(), "dockerfile"),
            ("dockerfile", "dockerfile"),
            ("r2d4/mocker", "mockerfile"),
            ("lapstrake/mockerfile", "mockerfile"),
            ("mockerfile", "mockerfile"),
            ("nix", "nix"),
            ("lapstrake/nix:1", "nix"),
        ] {
            let source = resolve(reference, NOWHERE).unwrap();
            let built_in = FrontendSource::BuiltIn(name.to_owned());
            assert_eq!(source, FrontendPlace::Here(built_in), "{reference}");
        }
    }

    #[test]
    fn says_what_cannot_be_had() {
        let error = |reference| resolve(reference, NOWHERE).unwrap_err();
        assert!(matches!(error(""), ResolveError::Empty));
        for reference in [
            "docker/dockerfile:2",
            "docker/dockerfile:0.9",
            "docker/dockerfile:1.x",
            "docker/dockerfile:11",
        ] {
            assert!(
                matches!(error(reference), ResolveError::OtherVersion { .. }),
                "{reference}"
            );
        }
        for address in ["https://example.com/f.wasm", "https://me@example.com/f.wasm"] {
            assert!(
                matches!(error(address), ResolveError::NoDigest { .. }),
                "{address}"
            );
        }
        assert!(matches!(
            error("https://example.com/f.wasm@sha256:12"),
            ResolveError::BadDigest { .. }
        ));
        assert!(matches!(
            error("ftp://example.com/f"),
            ResolveError::OtherScheme { .. }
        ));
        assert!(matches!(error("dockerfil"), ResolveError::Unknown { .. }));
        assert!(matches!(error("./f.wasm"), ResolveError::NoContext { .. }));
    }

    #[test]
    fn knows_what_is_elsewhere() {
        for (reference, image) in [
            ("ghcr.io/me/frontend:1", "ghcr.io/me/frontend:1"),
            (
                "localhost:5000/docker/dockerfile:1",
                "localhost:5000/docker/dockerfile:1",
            ),
            ("me/frontend", "me/frontend"),
            ("frontend:1", "frontend:1"),
            ("oci:me/frontend", "me/frontend"),
            ("oci:docker/dockerfile:1", "docker/dockerfile:1"),
            ("oci://example.com/f", "example.com/f"),
            ("quay.io/docker/dockerfile:1", "quay.io/docker/dockerfile:1"),
        ] {
            let place = resolve(reference, NOWHERE).unwrap();
            assert_eq!(place, FrontendPlace::Registry(image.to_owned()), "{reference}");
        }
        let hex = "0".repeat(64);
        let reference = format!("https://me:pw@example.com/f.wasm?a=b@sha256:{hex}");
        let place = FrontendPlace::Url {
            url: "https://me:pw@example.com/f.wasm?a=b".to_owned(),
            digest: format!("sha256:{hex}").parse().unwrap(),
        };
        assert_eq!(resolve(&reference, NOWHERE).unwrap(), place);
    }

    #[test]
    fn files_stay_in_the_context() {
        let root = tempfile::tempdir().unwrap();
        let context = root.path().join("context");
        fs::create_dir_all(context.join("sub")).unwrap();
        fs::write(context.join("sub/f.wasm"), b"").unwrap();
        fs::write(root.path().join("out.wasm"), b"").unwrap();
        std::os::unix::fs::symlink("../out.wasm", context.join("link.wasm")).unwrap();
        let inside = Speaker::BuildFile(Some(&context));

        let file = |path| FrontendPlace::Here(FrontendSource::File(path));
        let found = file(context.canonicalize().unwrap().join("sub/f.wasm"));
        for reference in [
            "./sub/f.wasm",
            "sub/f.wasm",
            "file:sub/f.wasm",
            "file://./sub/f.wasm",
            "sub/../sub/f.wasm",
        ] {
            assert_eq!(resolve(reference, inside).unwrap(), found, "{reference}");
        }
        let absolute = root.path().join("out.wasm");
        for reference in [
            "../out.wasm",
            "./link.wasm",
            "sub/../../out.wasm",
            absolute.to_str().unwrap(),
        ] {
            let error = resolve(reference, inside).unwrap_err();
            assert!(
                matches!(error, ResolveError::OutsideContext { .. }),
                "{reference}: {error}"
            );
        }
        assert!(matches!(
            resolve("./none.wasm", inside),
            Err(ResolveError::NotFound { .. })
        ));

        let person = Speaker::Person(&context);
        assert_eq!(
            resolve("../out.wasm", person).unwrap(),
            file(context.join("../out.wasm"))
        );
        assert!(matches!(
            resolve("none.wasm", person),
            Err(ResolveError::NotFound { .. })
        ));
    }
}
