//! The outside of an evaluation over the frontend's host: what it reads of the build context is solved as a source, a
//! path at a time so that nothing else is transferred. Knows nothing of the language.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use lapstrake_sdk::types::*;
use lapstrake_sdk::{Graph, Host, Reference};

use crate::eval::{FileType, Io};
use crate::path;

/// Links to links that are followed.
const MAX_LINKS: usize = 40;

/// Reads a build's context.
pub struct HostIo {
    host: Rc<dyn Host>,
    context: ContextSource,
    platform: Platform,
    /// Trees of the context: of a directory of this machine one for each path looked at, else one for all.
    trees: RefCell<BTreeMap<String, Rc<dyn Reference>>>,
}

/// What of a path is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The file, or what the path is.
    File,
    /// The names in the directory.
    Names,
}

impl HostIo {
    /// Makes the outside of a request.
    pub fn new(host: &dyn Host, request: &Request) -> Self {
        Self {
            host: host.share(),
            context: request.context.clone(),
            platform: request.build_platform.clone(),
            trees: RefCell::default(),
        }
    }

    fn tree(&self, path: &str, part: Part) -> Result<Rc<dyn Reference>, String> {
        let key = match (&self.context, part) {
            (ContextSource::Local(_), Part::File) => path.to_owned(),
            (ContextSource::Local(_), Part::Names) => format!("{path}/*"),
            _ => String::new(),
        };
        if let Some(tree) = self.trees.borrow().get(&key) {
            return Ok(tree.clone());
        }
        let graph = Graph::new();
        let source = source(&self.context, path, part)?;
        let root = graph.source(source, Some(&self.platform)).name("build files");
        let edges: Vec<Edge> = root.edge().into_iter().collect();
        let (definition, roots) = graph.definition(&edges);
        let trees = self
            .host
            .solve(&definition, &roots)
            .map_err(|error| match error {
                SolveError::InvalidDefinition(message)
                | SolveError::Failed(message)
                | SolveError::NotAllowed(message) => message,
                SolveError::Cancelled => "the build was cancelled".to_owned(),
            })?;
        let tree: Rc<dyn Reference> = match trees.into_iter().next() {
            Some(tree) => Rc::from(tree),
            None => return Err("the host did not answer".to_owned()),
        };
        self.trees.borrow_mut().insert(key, tree.clone());
        Ok(tree)
    }
}

/// The context as a source, as little of it as there can be.
fn source(context: &ContextSource, path: &str, part: Part) -> Result<SourceOp, String> {
    Ok(match context {
        ContextSource::Local(name) => {
            let inner = escaped(path.trim_start_matches('/'));
            let below = |pattern: &str| match inner.as_str() {
                "" => pattern.to_owned(),
                inner => format!("{inner}/{pattern}"),
            };
            let mut local = LocalSource {
                name: name.clone(),
                ..LocalSource::default()
            };
            match part {
                // A link's target comes with it.
                Part::File if !inner.is_empty() => local.follow_paths = vec![inner.clone()],
                Part::File => local.exclude_patterns = vec!["*".to_owned()],
                Part::Names => {
                    local.include_patterns = vec![below("*")];
                    local.exclude_patterns = vec![below("*/*")];
                }
            }
            SourceOp::Local(local)
        }
        ContextSource::Image(reference) => SourceOp::Image(ImageSource {
            reference: reference.clone(),
            ..ImageSource::default()
        }),
        ContextSource::OciLayout(layout) => SourceOp::OciLayout(layout.clone()),
        ContextSource::Git(address) => {
            let (remote, fragment) = address.split_once('#').unwrap_or((address, ""));
            let (reference, subdir) = fragment.split_once(':').unwrap_or((fragment, ""));
            SourceOp::Git(GitSource {
                remote: remote.to_owned(),
                git_ref: reference.to_owned(),
                subdir: subdir.to_owned(),
                ..GitSource::default()
            })
        }
        ContextSource::Http(_) => return Err("files of a downloaded context cannot be read".to_owned()),
        ContextSource::Target(_) => return Err("the context is another target".to_owned()),
    })
}

/// A path as a pattern that means it alone.
fn escaped(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '!') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn reason(error: FileError) -> String {
    match error {
        FileError::NotFound => "there is no such file in the build context".to_owned(),
        FileError::NotAFile => "it is a directory".to_owned(),
        FileError::NotADirectory => "it is no directory".to_owned(),
        FileError::TooLarge => "it is too large".to_owned(),
        FileError::NotUtf8 => "it is not UTF-8".to_owned(),
        FileError::BadPath(message) | FileError::Other(message) => message,
    }
}

fn kind(kind: FileKind) -> FileType {
    match kind {
        FileKind::Regular => FileType::Regular,
        FileKind::Directory => FileType::Directory,
        FileKind::Symlink => FileType::Symlink,
        _ => FileType::Unknown,
    }
}

impl Io for HostIo {
    fn read_file(&self, path: &str) -> Result<Vec<u8>, String> {
        self.tree(path, Part::File)?.read_file(path, None).map_err(reason)
    }

    fn read_dir(&self, path: &str) -> Result<Vec<(String, FileType)>, String> {
        let entries = self
            .tree(path, Part::Names)?
            .read_dir(path, None)
            .map_err(reason)?;
        Ok(entries
            .into_iter()
            .map(|entry| (entry.name, kind(entry.kind)))
            .collect())
    }

    fn file_type(&self, path: &str) -> Result<Option<FileType>, String> {
        if path == "/" {
            return Ok(Some(FileType::Directory));
        }
        let mut path = path.to_owned();
        for _ in 0..MAX_LINKS {
            let info = match self.tree(&path, Part::File)?.stat(&path) {
                Ok(info) => info,
                Err(FileError::NotFound | FileError::NotADirectory) => return Ok(None),
                Err(error) => return Err(reason(error)),
            };
            match info.link_target {
                Some(target) if info.kind == FileKind::Symlink => {
                    path = match target.starts_with('/') {
                        true => path::canonical(&target),
                        false => path::canonical(&format!("{}/{target}", path::parent(&path))),
                    };
                }
                _ => return Ok(Some(kind(info.kind))),
            }
        }
        Err("there are too many links to follow".to_owned())
    }

    fn trace(&self, message: &str) {
        self.host.log(LogLevel::Info, &format!("trace: {message}"));
    }
}
