//! What steps are made of, for explanations: the parts of their keys, what they take of their inputs, and what is in
//! local directories, whose files will be others by the next build.
//! Knows nothing of how this is compared or said.

use std::os::unix::ffi::OsStrExt;

use lapstrake_llb::{Digest, Edge, GitSource, Hasher, HttpSource, MountKind, Op, SourceOp, Vertex};
use lapstrake_solver::{Part, PartHasher, Parts, Role, StepContext, Told, ToldInput};
use lapstrake_store::content::{self, Item, Selection};
use lapstrake_store::tree::{FileKind, FileTree};

use super::output::Output;
use super::step::StepProgress;
use super::{LocalWorker, keys, nested};
use crate::error::{Error, Result};
use crate::source::git::{self, Commit};
use crate::source::http::{self, Download};
use crate::source::reference;
use crate::source::remote::redact;

/// Of more files there is no list.
const LISTED: usize = 20_000;

/// Digest of what an image source holds.
pub(super) fn image_digest(chain_id: Option<&Digest>) -> Digest {
    PartHasher::digest("lapstrake.image.2", |parts| image(chain_id, parts))
}

/// Not the reference: a tag that was moved to an image with the same layers is no change.
fn image(chain_id: Option<&Digest>, parts: &mut dyn Parts) {
    if let Some(chain_id) = chain_id {
        parts.opaque("layers of the image", chain_id);
    }
}

/// Digest of what a local directory holds.
pub(super) fn local_digest(content: &Digest) -> Digest {
    PartHasher::digest("lapstrake.local.2", |parts| local(content, parts))
}

fn local(content: &Digest, parts: &mut dyn Parts) {
    parts.opaque("files of the directory", content);
}

/// Digest of what a file by HTTP is.
pub(super) fn http_digest(source: &HttpSource, download: &Download) -> Digest {
    PartHasher::digest("lapstrake.http.1", |parts| file(source, download, parts))
}

/// Not the address: the same file elsewhere is no change.
fn file(source: &HttpSource, download: &Download, parts: &mut dyn Parts) {
    let (mode, uid, gid) = http::mode_and_owner(source);
    parts.text("content", "", &download.digest.to_string());
    parts.text("name", "", &download.filename);
    parts.text("mode", "", &format!("{mode:04o}"));
    parts.text("owner", "", &format!("{uid}:{gid}"));
    if let Some(time) = download.modified {
        parts.text("time of change", "", &time.to_string());
    }
}

/// Digest of what a git source holds.
pub(super) fn git_digest(source: &GitSource, commit: &Commit) -> Digest {
    PartHasher::digest("lapstrake.git.1", |parts| repository(source, commit, parts))
}

/// Not the address, and not the name of the ref, unless they stand in a `.git` that is kept.
fn repository(source: &GitSource, commit: &Commit, parts: &mut dyn Parts) {
    parts.text("commit", "", &commit.id);
    parts.text("directory", "", &git::subdir(source));
    parts.flag("without submodules", "", source.skip_submodules);
    if git::keeps_git_dir(source) {
        parts.text("address", "", &redact(&source.remote));
        parts.text("ref", "", commit.name.as_deref().unwrap_or_default());
        parts.text("tag", "", commit.tag.as_deref().unwrap_or_default());
    }
}

impl LocalWorker {
    /// Tells what a vertex is made of. What cannot be told is left out.
    pub(super) fn tell_parts(
        &self,
        vertex: &Vertex,
        inputs: &[Option<Output>],
        context: &StepContext,
    ) -> Told {
        let edges = vertex.op.inputs();
        let mut op: Vec<Part> = Vec::new();
        match &vertex.op {
            Op::Source(source) => self.tell_source(source, vertex, context, &mut op),
            Op::Build(build) => nested::tell(vertex, build, &mut op),
            _ => keys::op_parts(vertex, &edges, self.images.platform(), &mut op),
        }
        let input = |(position, edge): (usize, &Edge)| {
            let selections = keys::selections(&vertex.op, *edge);
            let mut selector: Vec<Part> = Vec::new();
            keys::selector_parts(&selections, &mut selector);
            let listing = match inputs.get(position) {
                Some(Some(Output::Local(tree))) => list(&**tree, &selections),
                _ => None,
            };
            ToldInput {
                label: label(&vertex.op, *edge),
                selector,
                listing,
            }
        };
        let inputs = edges.iter().enumerate().map(input).collect();
        Told { op, inputs }
    }

    fn tell_source(&self, source: &SourceOp, vertex: &Vertex, context: &StepContext, parts: &mut dyn Parts) {
        match source {
            SourceOp::Image(_) | SourceOp::OciLayout(_) => {
                let Ok((found, limit)) = self.image(vertex, context) else {
                    return;
                };
                image(found.chain_id(limit).as_ref(), parts);
                parts.note("base image", &without_digest(source));
                parts.note("base image digest", &found.digest.to_string());
                let platform = vertex.platform.as_ref().unwrap_or(self.images.platform());
                parts.note("platform", &crate::source::platform::name(platform));
            }
            SourceOp::Local(source) => {
                if let Ok(tree) = self.local(source, context) {
                    local(&tree.digest(), parts);
                }
            }
            SourceOp::Git(source) => {
                if let Ok(commit) = self.repositories.find(source, &StepProgress::new(context)) {
                    repository(source, &commit, parts);
                    parts.note("repository", &redact(&source.remote));
                }
            }
            SourceOp::Http(source) => {
                if let Ok(download) = self.downloads.find(source, &StepProgress::new(context)) {
                    file(source, &download, parts);
                    parts.note("address of the file", &redact(&source.url));
                }
            }
        }
    }

    /// The results of a source that is where it is.
    pub(super) fn glance_at(&self, vertex: &Vertex, context: &StepContext) -> Option<Vec<Output>> {
        match &vertex.op {
            Op::Source(SourceOp::Local(source)) => {
                Some(vec![Output::Local(self.local(source, context).ok()?)])
            }
            _ => None,
        }
    }

    /// What a vertex sees of an input, unless that would have to be fetched.
    pub(super) fn content_if_known(
        &self,
        vertex: &Vertex,
        input: usize,
        output: &Output,
    ) -> Result<Option<Digest>> {
        let edge = vertex.op.inputs()[input];
        let mut hasher = Hasher::new(super::CONTENT_KEY);
        for selection in keys::selections(&vertex.op, edge) {
            let read = |tree: &dyn FileTree| {
                let digest = content::digest(tree, &selection).map_err(Error::ReadTree);
                digest.map_err(|error| super::missing_source(vertex, &selection, error))
            };
            let digest = match output {
                Output::Local(local) => read(&**local)?,
                Output::Tree(tree) => match self.known_tree_digest(tree, &selection)? {
                    Some(digest) => digest,
                    None if self
                        .store
                        .layers(&tree.layers)?
                        .iter()
                        .all(|layer| layer.unpacked) =>
                    {
                        read(&self.store.view(tree)?)?
                    }
                    None => return Ok(None),
                },
            };
            hasher.digest(&digest);
        }
        Ok(Some(hasher.finish()))
    }
}

/// The reference of an image as it was written, without the digest that it was found to have.
fn without_digest(source: &SourceOp) -> String {
    match source {
        SourceOp::Image(image) => match reference::parse(&image.reference) {
            Ok(found) => {
                let name = format!("{}/{}", found.registry(), found.repository());
                found.tag().map_or(name.clone(), |tag| format!("{name}:{tag}"))
            }
            Err(_) => image.reference.clone(),
        },
        SourceOp::OciLayout(layout) => {
            let reference = layout.reference.split_once('@');
            reference
                .map_or(layout.reference.as_str(), |(name, _)| name)
                .to_owned()
        }
        _ => String::new(),
    }
}

/// What an op does with an input.
fn label(op: &Op, edge: Edge) -> String {
    match op {
        Op::File(_) => {
            let sources: Vec<String> = keys::selections(op, edge)
                .into_iter()
                .map(|selection| match selection.path.trim_matches('/') {
                    "" => ".".to_owned(),
                    path => path.to_owned(),
                })
                .collect();
            match sources.is_empty() {
                true => "base".to_owned(),
                false => format!("COPY {}", sources.join(" ")),
            }
        }
        Op::Exec(exec) => {
            let mounts = exec.mounts.iter().filter(|mount| mount.input() == Some(edge));
            let names: Vec<String> = mounts
                .map(|mount| match &mount.kind {
                    MountKind::Bind(_) if mount.target == "/" => "root file system".to_owned(),
                    _ => format!("mount {}", mount.target),
                })
                .collect();
            names.join(", ")
        }
        _ => "input".to_owned(),
    }
}

/// Lists what selections take of a directory; none: that is too much, or cannot be read.
fn list(tree: &dyn FileTree, selections: &[Selection]) -> Option<Vec<Part>> {
    let all = [Selection::path("")];
    let selections = if selections.is_empty() { &all } else { selections };
    let mut listing = Vec::new();
    for selection in selections {
        let items = content::list(tree, selection, LISTED - listing.len()).ok()??;
        listing.extend(items.iter().map(listed));
    }
    Some(listing)
}

/// An item of a listing: what there is to say of a file, as words `what:value`.
fn listed(item: &Item) -> Part {
    let Item { entry, data, xattrs } = item;
    let kind = match entry.kind {
        FileKind::File => "file",
        FileKind::Dir => "directory",
        FileKind::Symlink => "link",
        FileKind::CharDevice | FileKind::BlockDevice => "device",
        FileKind::Fifo => "pipe",
        FileKind::Socket => "socket",
    };
    let mut value = format!("type:{kind}");
    if entry.kind != FileKind::Symlink {
        value += &format!(" mode:{:04o}", entry.mode);
    }
    if (entry.uid, entry.gid) != (0, 0) {
        value += &format!(" owner:{}:{}", entry.uid, entry.gid);
    }
    if let Some(data) = data {
        value += &format!(" content:{}", data.short());
    }
    if let Some(target) = &entry.link_target {
        value += &format!(" target:{}", Digest::of(target.as_os_str().as_bytes()).short());
    }
    if entry.rdev != 0 {
        value += &format!(" number:{}", entry.rdev);
    }
    if !xattrs.is_empty() {
        let mut hasher = Hasher::new("listing");
        for (name, value) in xattrs {
            hasher.field(name.as_bytes()).field(value);
        }
        value += &format!(" attributes:{}", hasher.finish().short());
    }
    let path = match entry.path.as_os_str().is_empty() {
        true => ".".to_owned(),
        false => entry.path.to_string_lossy().into_owned(),
    };
    Part {
        role: Role::Key,
        name: path,
        of: String::new(),
        value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_repository_is_of_its_commit() {
        let source = |remote: &str, subdir: &str, keep_git_dir| GitSource {
            remote: remote.to_owned(),
            subdir: subdir.to_owned(),
            keep_git_dir,
            ..GitSource::default()
        };
        let commit = |name: &str| Commit {
            id: "a".repeat(40),
            tag: None,
            name: Some(name.to_owned()),
        };
        let key = git_digest;
        let one = source("https://h/a.git", "", false);
        let x = commit("refs/heads/x");
        assert_eq!(key(&one, &x), key(&one, &commit("refs/heads/y")));
        assert_eq!(key(&one, &x), key(&source("git@h:a.git", "/", false), &x));
        assert_ne!(key(&one, &x), key(&source("https://h/a.git", "d", false), &x));
        let kept = source("https://h/a.git", "", true);
        assert_ne!(key(&one, &x), key(&kept, &x));
        assert_ne!(key(&kept, &x), key(&kept, &commit("refs/heads/y")));
        let without = GitSource {
            skip_submodules: true,
            ..one.clone()
        };
        assert_ne!(key(&one, &x), key(&without, &x));
        let kept_below = source("https://h/a.git", "d", true);
        assert_eq!(
            key(&kept_below, &x),
            key(&source("https://h/a.git", "d", false), &x)
        );
    }

    #[test]
    fn the_key_of_a_file_is_of_its_content_and_looks() {
        let source = |url: &str, mode| HttpSource {
            url: url.to_owned(),
            mode,
            ..HttpSource::default()
        };
        let download = |content: &[u8], name: &str, modified| Download {
            digest: Digest::of(content),
            filename: name.to_owned(),
            modified,
        };
        let key = http_digest;
        let one = key(&source("http://a/f", None), &download(b"x", "f", None));
        assert_eq!(
            one,
            key(&source("http://b/f", Some(0o600)), &download(b"x", "f", None))
        );
        for (mode, other) in [
            (Some(0o644), download(b"x", "f", None)),
            (None, download(b"y", "f", None)),
            (None, download(b"x", "g", None)),
            (None, download(b"x", "f", Some(1))),
        ] {
            assert_ne!(one, key(&source("http://a/f", mode), &other));
        }
    }
}
