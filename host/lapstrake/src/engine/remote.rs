//! Build files that are not this machine's own: in a git repository, in an archive by HTTP or on standard input, or by
//! HTTP themselves. What is elsewhere comes through the solver, as the frontend's own look at the same context will.
//! Links lead nowhere outside of the context. Knows nothing of what build files say.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lapstrake_llb::{
    CopyAction, Definition, Edge, FileAction, FileActionKind, FileInput, FileOp, HttpSource, Metadata, Op,
    SourceOp, Vertex,
};
use lapstrake_ops::Output;
use lapstrake_ops::source::remote::redact;
use lapstrake_store::tree::{FileKind, FileTree, LayeredView, TreeError, clean};

use crate::error::Error;
use crate::git_address;
use crate::options::{BuildFile, CompileOptions, Context};

use super::Engine;
use super::build::{Build, Part};
use super::build_file::{self, BuildFileError, DEFAULT_NAME, Loaded};
use super::names;

/// What a file by HTTP is called in its tree. BuildKit's name.
const FILE: &str = "context";
/// Where an archive on standard input came from, for people.
const STDIN: &str = "standard input";
/// How much of a file says whether it is an archive, bytes.
const HEAD: u64 = 512;

/// Reads a build file that is elsewhere. None: it is here.
pub(super) fn read(
    engine: &Engine,
    build: &Build,
    options: &CompileOptions,
) -> Result<Option<Loaded>, Error> {
    if let BuildFile::Url(url) = &options.file {
        let tree = http(build, url)?;
        return Ok(Some(Loaded {
            file: text(&*tree, FILE, url)?,
            name: None,
            companion: None,
        }));
    }
    if !matches!(options.file, BuildFile::Default | BuildFile::Path(_)) {
        return Ok(None);
    }
    let (tree, address) = match &options.context {
        Context::Git(address) => (git(build, address)?, address.as_str()),
        Context::Http(url) => {
            let file = http(build, url)?;
            if !is_archive(&head(&*file, url)?) {
                if let BuildFile::Path(_) = &options.file {
                    return Err(BuildFileError::TwoBuildFiles { place: redact(url) }.into());
                }
                return Ok(Some(Loaded {
                    file: text(&*file, FILE, url)?,
                    name: None,
                    companion: None,
                }));
            }
            (unpacked(build, url)?, url.as_str())
        }
        Context::Unpacked(folder) => {
            let files: Arc<dyn FileTree> = Arc::new(LayeredView::new([folder.clone()]));
            (files, STDIN)
        }
        Context::Directory(_) | Context::Empty | Context::Stdin => return Ok(None),
    };
    let is_there = |name: &str| matches!(tree.follow(Path::new(name)), Ok(Some(_)));
    let name = match &options.file {
        BuildFile::Path(path) => clean(path).to_string_lossy().into_owned(),
        _ => names::choose(engine, options, &is_there).unwrap_or_else(|| DEFAULT_NAME.to_owned()),
    };
    Ok(Some(Loaded {
        file: text(&*tree, &name, address)?,
        name: Some(name),
        companion: None,
    }))
}

/// The files of a repository.
pub(super) fn git(build: &Build, address: &str) -> Result<Arc<dyn FileTree>, Error> {
    // The words of the command line were read before; what they do not let through is not there.
    let source = git_address::parse(address).unwrap_or_default();
    let op = Op::Source(SourceOp::Git(source));
    let name = format!("[internal] load git source {}", redact(address));
    solve(build, vec![(op, name)])
}

fn http_op(url: &str) -> (Op, String) {
    let source = HttpSource {
        url: url.to_owned(),
        filename: Some(FILE.to_owned()),
        ..HttpSource::default()
    };
    let name = "[internal] load remote build context";
    (Op::Source(SourceOp::Http(source)), name.to_owned())
}

/// A file by HTTP, in a step of this name.
pub(super) fn http_tree(build: &Build, source: HttpSource, name: String) -> Result<Arc<dyn FileTree>, Error> {
    solve(build, vec![(Op::Source(SourceOp::Http(source)), name)])
}

/// A file by HTTP, called `context`.
pub(super) fn http(build: &Build, url: &str) -> Result<Arc<dyn FileTree>, Error> {
    solve(build, vec![http_op(url)])
}

/// The archive's files: the step that frontends make of it too.
pub(super) fn unpacked(build: &Build, url: &str) -> Result<Arc<dyn FileTree>, Error> {
    let from = Edge { vertex: 0, output: 0 };
    let copy = CopyAction {
        src: FileInput::Edge(from),
        src_path: format!("/{FILE}"),
        dst_path: "/".to_owned(),
        owner: None,
        mode: None,
        follow_symlink: false,
        dir_contents_only: false,
        unpack_archive: true,
        create_dst_path: false,
        allow_wildcard: false,
        allow_empty_wildcard: false,
        replace_existing: false,
        include_patterns: Vec::new(),
        exclude_patterns: Vec::new(),
        required_paths: Vec::new(),
        timestamp: None,
    };
    let action = FileAction {
        base: FileInput::Scratch,
        kind: FileActionKind::Copy(copy),
        output: true,
    };
    let unpack = Op::File(FileOp {
        actions: vec![action],
    });
    let name = "[internal] unpack remote build context".to_owned();
    solve(build, vec![http_op(url), (unpack, name)])
}

/// Solves a graph of which every vertex is made of the one before; the last one is wanted.
fn solve(build: &Build, ops: Vec<(Op, String)>) -> Result<Arc<dyn FileTree>, Error> {
    let vertices: Vec<Vertex> = ops
        .into_iter()
        .map(|(op, name)| Vertex {
            op,
            platform: None,
            constraints: Vec::new(),
            metadata: Metadata {
                name,
                ..Metadata::default()
            },
        })
        .collect();
    let root = Edge {
        vertex: vertices.len() as u32 - 1,
        output: 0,
    };
    let definition = Definition {
        vertices,
        sources: Vec::new(),
    };
    // Addresses are people's words: what they may be is checked as a guest's are.
    let limits = lapstrake_llb::Limits::default();
    lapstrake_llb::validate(&definition, &[root], &limits).map_err(|source| BuildFileError::Address {
        source: Box::new(source),
    })?;
    let outputs: Vec<Output> = build.solve(&definition, &[root], Part::Asked)?;
    let output = outputs.first().ok_or(Error::Interrupted)?;
    Ok(build.file_tree(output)?)
}

fn text(tree: &dyn FileTree, path: &str, address: &str) -> Result<lapstrake_llb::SourceFile, Error> {
    let shown = PathBuf::from(if path == FILE {
        redact(address)
    } else {
        format!("{path} of {}", redact(address))
    });
    let unreadable = |error: TreeError| BuildFileError::Read {
        path: shown.clone(),
        source: std::io::Error::other(error),
    };
    let entry = match tree.follow(Path::new(path)).map_err(unreadable)? {
        None => return Err(BuildFileError::NotFound { path: shown }.into()),
        Some(entry) if entry.kind == FileKind::Dir => {
            return Err(BuildFileError::Directory { path: shown }.into());
        }
        Some(entry) if entry.kind != FileKind::File => {
            return Err(BuildFileError::NotAFile { path: shown }.into());
        }
        Some(entry) => entry,
    };
    let bytes = build_file::read(tree.open(&entry).map_err(unreadable)?, &shown)?;
    let name = if path == FILE { DEFAULT_NAME } else { path };
    Ok(build_file::text(bytes, name)?)
}

pub(super) fn head(tree: &dyn FileTree, url: &str) -> Result<Vec<u8>, Error> {
    let failed = |source| BuildFileError::Read {
        path: redact(url).into(),
        source,
    };
    let open = || {
        let entry = tree.follow(Path::new(FILE))?;
        let entry = entry.ok_or_else(|| TreeError::NotFound(FILE.into()))?;
        tree.open(&entry)
    };
    let file = open().map_err(|error| failed(std::io::Error::other(error)))?;
    let mut data = Vec::new();
    file.take(HEAD).read_to_end(&mut data).map_err(failed)?;
    Ok(data)
}

/// Whether data begins as bzip2, gzip, xz, zstd or tar do.
pub(super) fn is_archive(head: &[u8]) -> bool {
    const MAGIC: [&[u8]; 4] = [
        b"BZh",
        &[0x1f, 0x8b, 8],
        &[0xfd, b'7', b'z', b'X', b'Z', 0],
        &[0x28, 0xb5, 0x2f, 0xfd],
    ];
    MAGIC.iter().any(|magic| head.starts_with(magic)) || head.get(257..262) == Some(b"ustar")
}
