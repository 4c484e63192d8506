//! The lock file beside a build file: what images, files by HTTP, git references and the frontend were when it was
//! written. Pure: knows nothing of who finds that out.

use std::fmt::Write as _;
use std::path::PathBuf;

use lapstrake_llb::{Definition, Diagnostic, Digest, Op, Report, Severity, SourceOp, Vertex};
use lapstrake_ops::source::reference;
use serde::Deserialize;

/// Its name.
pub const NAME: &str = "lapstrake.lock";
/// The version of the format.
const VERSION: u32 = 1;
const HEAD: &str = "# Written by `lapstrake lock`; keep it beside the build file, under version control.\n\n";

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    version: u32,
    /// The frontends, in the order in which they are named.
    #[serde(default, rename = "frontend")]
    pub frontends: Vec<LockedFrontend>,
    /// Images, sorted.
    #[serde(default, rename = "image")]
    pub images: Vec<LockedImage>,
    /// Files, sorted.
    #[serde(default, rename = "http")]
    pub files: Vec<LockedFile>,
    /// Git references, sorted.
    #[serde(default, rename = "git")]
    pub repositories: Vec<LockedRepository>,
}

/// A frontend.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedFrontend {
    /// As the build file, or the person, names it.
    pub reference: String,
    /// Digest of the component.
    pub digest: String,
    /// The contract that it was made for.
    pub world: String,
    /// The digest that its registry has it under.
    #[serde(default)]
    pub manifest: Option<String>,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedImage {
    /// In its full form, without digest.
    pub reference: String,
    /// What it was.
    pub digest: String,
}

/// A file by HTTP.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedFile {
    /// The address.
    pub url: String,
    /// Digest of its content.
    pub digest: String,
}

/// A git reference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedRepository {
    /// The repository.
    pub remote: String,
    /// Branch, tag or commit; empty: the default branch.
    #[serde(rename = "ref")]
    pub git_ref: String,
    /// What it was.
    pub commit: String,
}

/// Why a lock file does not do.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It is not there.
    #[error("there is no {}", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not right.
    #[error("{} is not right", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// Another version of the format.
    #[error("{} has version {found}; this lapstrake reads {VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The build file is not in a directory of this machine.
    #[error("a build file that is not in a local directory has no lock file beside it")]
    Nowhere,
}

impl Default for Lock {
    /// Nothing, in the present version of the format.
    fn default() -> Self {
        Self {
            version: VERSION,
            frontends: Vec::new(),
            images: Vec::new(),
            files: Vec::new(),
            repositories: Vec::new(),
        }
    }
}

impl Lock {
    /// Adds a frontend, unless one of the name is there.
    pub fn add_frontend(&mut self, frontend: LockedFrontend) {
        if self.frontend(&frontend.reference).is_none() {
            self.frontends.push(frontend);
        }
    }

    /// Adds a source whose digest it says itself; others were not found.
    pub fn add(&mut self, source: &SourceOp) {
        match source {
            SourceOp::Image(image) => self.add_image(&image.reference),
            SourceOp::Http(file) => {
                self.files.extend(file.checksum.clone().map(|digest| LockedFile {
                    url: file.url.clone(),
                    digest,
                }));
            }
            SourceOp::Git(git) => {
                self.repositories
                    .extend(git.checksum.clone().map(|commit| LockedRepository {
                        remote: git.remote.clone(),
                        git_ref: git.git_ref.clone(),
                        commit,
                    }));
            }
            _ => {}
        }
    }

    /// Adds an image by its reference with digest.
    pub fn add_image(&mut self, reference: &str) {
        if let Some((reference, Some(digest))) = split(reference) {
            self.images.push(LockedImage { reference, digest });
        }
    }

    /// All of it in order, each once.
    pub fn sorted(mut self) -> Self {
        self.images.sort();
        self.images.dedup();
        self.files.sort();
        self.files.dedup();
        self.repositories.sort();
        self.repositories.dedup();
        self
    }

    /// Reads a lock file's text.
    ///
    /// # Errors
    /// It is not right, or of another version.
    pub fn parse(text: &str, path: PathBuf) -> Result<Self, LockError> {
        let lock: Self = toml::from_str(text).map_err(|source| LockError::Parse {
            path: path.clone(),
            source: Box::new(source),
        })?;
        match lock.version {
            VERSION => Ok(lock),
            found => Err(LockError::Version { path, found }),
        }
    }

    /// The lock file's text.
    pub fn text(&self) -> String {
        let mut out = format!("{HEAD}version = {}\n", self.version);
        let mut table = |name: &str, pairs: &[(&str, &str)]| {
            let _ = writeln!(out, "\n{name}");
            for (key, value) in pairs {
                let _ = writeln!(out, "{key} = {}", quoted(value));
            }
        };
        for frontend in &self.frontends {
            let mut pairs = vec![
                ("reference", frontend.reference.as_str()),
                ("digest", &frontend.digest),
                ("world", &frontend.world),
            ];
            pairs.extend(frontend.manifest.as_deref().map(|digest| ("manifest", digest)));
            table("[[frontend]]", &pairs);
        }
        for image in &self.images {
            table(
                "[[image]]",
                &[("reference", &image.reference), ("digest", &image.digest)],
            );
        }
        for file in &self.files {
            table("[[http]]", &[("url", &file.url), ("digest", &file.digest)]);
        }
        for git in &self.repositories {
            let pairs = [
                ("remote", &*git.remote),
                ("ref", &*git.git_ref),
                ("commit", &*git.commit),
            ];
            table("[[git]]", &pairs);
        }
        out
    }

    /// What is known of a frontend, by how it is named.
    pub fn frontend(&self, reference: &str) -> Option<&LockedFrontend> {
        self.frontends.iter().find(|known| known.reference == reference)
    }

    /// The digest of an image, by its reference. None: it is not in here, or the reference has one itself.
    pub fn image(&self, text: &str) -> Option<Digest> {
        let (name, None) = split(text)? else {
            return None;
        };
        let found = self.images.iter().find(|image| image.reference == name)?;
        found.digest.parse().ok()
    }

    /// The same reference with the digest that it had.
    pub fn pinned(&self, text: &str) -> Option<String> {
        let image = reference::parse(text).ok()?;
        Some(reference::pinned(&image, &self.image(text)?).whole())
    }

    /// The graph with every source as it was. With `whole`, what is not in here is an error.
    ///
    /// # Errors
    /// Sources that are not in here, each with its place.
    pub fn apply(&self, definition: &mut Definition, whole: bool) -> Result<(), Report> {
        let mut items = Vec::new();
        for vertex in &mut definition.vertices {
            let unknown = match &mut vertex.op {
                Op::Source(source) => self.apply_to(source),
                _ => None,
            };
            items.extend(unknown.map(|what| not_locked(&what, vertex)));
        }
        match whole && !items.is_empty() {
            true => Err(Report {
                items,
                sources: definition.sources.clone(),
            }),
            false => Ok(()),
        }
    }

    /// What is not in here, where it is not.
    fn apply_to(&self, source: &mut SourceOp) -> Option<String> {
        match source {
            SourceOp::Image(image) if image.checksum.is_none() => match split(&image.reference) {
                Some((_, Some(_))) => None,
                _ => match self.pinned(&image.reference) {
                    Some(pinned) => {
                        image.reference = pinned;
                        None
                    }
                    None => Some(format!("the image {}", image.reference)),
                },
            },
            SourceOp::Http(file) if file.checksum.is_none() => {
                let found = self.files.iter().find(|known| known.url == file.url);
                file.checksum = found.map(|known| known.digest.clone());
                found.is_none().then(|| format!("the file {}", file.url))
            }
            SourceOp::Git(git) if git.checksum.is_none() => {
                let wanted = (git.remote.clone(), git.git_ref.clone());
                let same =
                    |known: &&LockedRepository| (&known.remote, &known.git_ref) == (&wanted.0, &wanted.1);
                let found = self.repositories.iter().find(same);
                if let Some(known) = found {
                    // The branch may be elsewhere by now: the commit itself is asked for.
                    git.git_ref.clone_from(&known.commit);
                    git.checksum = Some(known.commit.clone());
                }
                found
                    .is_none()
                    .then(|| format!("the reference {:?} of {}", wanted.1, wanted.0))
            }
            _ => None,
        }
    }
}

/// A basic string of TOML. JSON's strings are some of them.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The full form of a reference without its digest, and the digest.
fn split(text: &str) -> Option<(String, Option<String>)> {
    let image = reference::parse(text).ok()?;
    let whole = image.whole();
    let name = whole.split_once('@').map_or(whole.as_str(), |(name, _)| name);
    Some((name.to_owned(), image.digest().map(str::to_owned)))
}

fn not_locked(what: &str, vertex: &Vertex) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        code: "NotLocked".to_owned(),
        message: format!("{what} is not in {NAME}"),
        help: Some("lapstrake lock writes it anew".to_owned()),
        url: None,
        ranges: vertex.metadata.ranges.clone(),
        related: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
