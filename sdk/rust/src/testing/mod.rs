//! A host in memory for the tests of a frontend: it answers what the test told it, and writes down what was asked.
//! Executes nothing: it solves image and local sources only, and what a test gives it by hand.

#[cfg(feature = "cases")]
pub mod case;
#[cfg(feature = "cases")]
pub mod cases;
pub mod places;
#[cfg(feature = "cases")]
pub mod print;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

use crate::types::*;
use crate::{Host, LineIndex, Reference, path};

/// A tree of regular files and the directories above them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryTree {
    /// Contents by absolute path.
    files: BTreeMap<String, Vec<u8>>,
}

/// What a solve of one vertex by hand gives.
type Solver = dyn Fn(&Definition, Edge) -> Option<Result<MemoryTree, SolveError>>;

/// What another frontend makes, by hand.
type Builder = dyn Fn(Option<&str>, &Request) -> Result<BuildResult, BuildError>;

/// A host that a test fills with images and contexts. Clones see what the others did.
#[derive(Clone, Default)]
pub struct MemoryHost {
    images: BTreeMap<String, ImageInfo>,
    image_trees: BTreeMap<String, Rc<MemoryTree>>,
    contexts: BTreeMap<String, Rc<MemoryTree>>,
    solver: Option<Rc<Solver>>,
    builder: Option<Rc<Builder>>,
    seen: Rc<RefCell<Seen>>,
}

/// What a frontend did with a [`MemoryHost`].
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The images asked for, one list for each call.
    pub image_requests: Vec<Vec<ImageRequest>>,
    /// The definitions solved.
    pub solves: Vec<(Definition, Vec<Edge>)>,
    /// What was told of how far things are.
    pub progress: Vec<(String, u64, Option<u64>)>,
    /// The messages logged.
    pub logs: Vec<(LogLevel, String)>,
    /// The reports of warnings.
    pub warnings: Vec<Report>,
}

/// Makes a request to build one text for linux/amd64, with [`MAIN_CONTEXT`] as its context.
pub fn request(name: &str, text: &str) -> Request {
    Request {
        sources: vec![SourceFile {
            name: name.to_owned(),
            language: name.to_owned(),
            text: text.to_owned(),
        }],
        build_platform: Platform::new("linux", "amd64"),
        ..Request::default()
    }
}

/// Makes a request of a text with a `|` where the question is, which is taken out, for `completions` and `hover`. Returns the
/// place of the question too; without a `|` it is the end.
pub fn request_at(name: &str, marked: &str) -> (Request, Position) {
    let offset = marked.find('|').unwrap_or(marked.len());
    let text = marked.replacen('|', "", 1);
    let at = LineIndex::new(&text).position(offset);
    (request(name, &text), at)
}

impl MemoryTree {
    /// Makes an empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file.
    #[must_use]
    pub fn file(mut self, path: &str, data: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path::join("/", path), data.into());
        self
    }

    /// The files below a directory, by what follows its path.
    fn below(&self, dir: &str) -> impl Iterator<Item = (&str, usize)> {
        let prefix = if dir == "/" {
            dir.to_owned()
        } else {
            format!("{dir}/")
        };
        let start = (Bound::Included(prefix.clone()), Bound::Unbounded);
        self.files
            .range::<String, _>(start)
            .map_while(move |(path, data)| Some((path.strip_prefix(prefix.as_str())?, data.len())))
    }
}

impl MemoryHost {
    /// Makes a host that knows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an image. It resolves to its reference with an invented digest, the same for the same reference.
    #[must_use]
    pub fn image(mut self, reference: &str, config: ImageConfig) -> Self {
        let hex: String = reference
            .bytes()
            .chain(std::iter::repeat(0))
            .take(32)
            .map(|b| format!("{b:02x}"))
            .collect();
        let digest = format!("sha256:{hex}");
        let name = reference.split_once('@').map_or(reference, |(name, _)| name);
        let info = ImageInfo {
            reference: format!("{name}@{digest}"),
            digest,
            config,
        };
        self.images.insert(reference.to_owned(), info);
        self
    }

    /// Adds the files of an image, by the reference that the graph will name.
    #[must_use]
    pub fn image_tree(mut self, reference: &str, tree: MemoryTree) -> Self {
        self.image_trees.insert(reference.to_owned(), Rc::new(tree));
        self
    }

    /// Adds a context. Patterns of a local source are not applied: the frontend sees all of it.
    #[must_use]
    pub fn context(mut self, name: &str, tree: MemoryTree) -> Self {
        self.contexts.insert(name.to_owned(), Rc::new(tree));
        self
    }

    /// Solves by hand what the closure answers, before anything else is tried.
    #[must_use]
    pub fn on_solve(
        mut self,
        solver: impl Fn(&Definition, Edge) -> Option<Result<MemoryTree, SolveError>> + 'static,
    ) -> Self {
        self.solver = Some(Rc::new(solver));
        self
    }

    /// Builds by hand what the frontend wants another one to build.
    #[must_use]
    pub fn on_build(
        mut self,
        builder: impl Fn(Option<&str>, &Request) -> Result<BuildResult, BuildError> + 'static,
    ) -> Self {
        self.builder = Some(Rc::new(builder));
        self
    }

    /// What happened so far.
    pub fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    fn tree(&self, definition: &Definition, root: Edge) -> Result<Rc<MemoryTree>, SolveError> {
        if let Some(answer) = self.solver.as_ref().and_then(|solver| solver(definition, root)) {
            return answer.map(Rc::new);
        }
        let vertex = definition
            .vertices
            .get(root.vertex as usize)
            .ok_or_else(|| SolveError::InvalidDefinition(format!("there is no vertex {}", root.vertex)))?;
        match &vertex.op {
            Op::Source(SourceOp::Local(local)) => self
                .contexts
                .get(&local.name)
                .cloned()
                .ok_or_else(|| SolveError::Failed(format!("there is no context {:?}", local.name))),
            Op::Source(SourceOp::Image(image)) => {
                self.image_trees.get(&image.reference).cloned().ok_or_else(|| {
                    SolveError::Failed(format!("there are no files of image {}", image.reference))
                })
            }
            _ => Err(SolveError::Failed(
                "the memory host executes nothing: give the answer with `on_solve`".to_owned(),
            )),
        }
    }
}

impl Host for MemoryHost {
    fn resolve_image_configs(&self, requests: &[ImageRequest]) -> Vec<Result<ImageInfo, String>> {
        self.seen.borrow_mut().image_requests.push(requests.to_vec());
        let find = |request: &ImageRequest| {
            let found = self.images.get(&request.reference).cloned();
            found.ok_or_else(|| format!("there is no image {}", request.reference))
        };
        requests.iter().map(find).collect()
    }

    fn solve(&self, definition: &Definition, roots: &[Edge]) -> Result<Vec<Box<dyn Reference>>, SolveError> {
        self.seen
            .borrow_mut()
            .solves
            .push((definition.clone(), roots.to_vec()));
        roots
            .iter()
            .map(|root| Ok(Box::new(MemoryReference(self.tree(definition, *root)?)) as Box<dyn Reference>))
            .collect()
    }

    fn build_file(&self, frontend: Option<&str>, request: &Request) -> Result<BuildResult, BuildError> {
        let answer = self.builder.as_ref().map(|builder| builder(frontend, request));
        answer.unwrap_or_else(|| {
            Err(BuildError::HostFailed(
                "the memory host has no other frontends: give the answer with `on_build`".to_owned(),
            ))
        })
    }

    fn progress(&self, name: &str, current: u64, total: Option<u64>) {
        self.seen
            .borrow_mut()
            .progress
            .push((name.to_owned(), current, total));
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.seen.borrow_mut().logs.push((level, message.to_owned()));
    }

    fn warn(&self, warnings: &Report) {
        self.seen.borrow_mut().warnings.push(warnings.clone());
    }

    fn share(&self) -> Rc<dyn Host> {
        Rc::new(self.clone())
    }
}

struct MemoryReference(Rc<MemoryTree>);

impl MemoryReference {
    fn data(&self, path: &str) -> Result<&[u8], FileError> {
        let path = path::join("/", path);
        match self.0.files.get(&path) {
            Some(data) => Ok(data),
            None if self.0.below(&path).next().is_some() || path == "/" => Err(FileError::NotAFile),
            None => Err(FileError::NotFound),
        }
    }
}

fn info(name: &str, size: Option<usize>) -> FileInfo {
    FileInfo {
        name: name.to_owned(),
        kind: if size.is_some() {
            FileKind::Regular
        } else {
            FileKind::Directory
        },
        size: size.unwrap_or(0) as u64,
        mode: if size.is_some() { 0o644 } else { 0o755 },
        uid: 0,
        gid: 0,
        link_target: None,
    }
}

impl Reference for MemoryReference {
    fn read_file(&self, path: &str, part: Option<ByteRange>) -> Result<Vec<u8>, FileError> {
        let data = self.data(path)?;
        let Some(part) = part else {
            return Ok(data.to_vec());
        };
        let start = usize::try_from(part.offset).unwrap_or(usize::MAX).min(data.len());
        let end = start.saturating_add(part.length as usize).min(data.len());
        Ok(data[start..end].to_vec())
    }

    fn read_text(&self, path: &str) -> Result<String, FileError> {
        String::from_utf8(self.data(path)?.to_vec()).map_err(|_| FileError::NotUtf8)
    }

    fn read_dir(&self, path: &str, pattern: Option<&str>) -> Result<Vec<FileInfo>, FileError> {
        let path = path::join("/", path);
        if self.0.files.contains_key(&path) {
            return Err(FileError::NotADirectory);
        }
        let mut entries = BTreeMap::new();
        for (rest, size) in self.0.below(&path) {
            match rest.split_once('/') {
                Some((name, _)) => entries.insert(name, info(name, None)),
                None => entries.insert(rest, info(rest, Some(size))),
            };
        }
        if entries.is_empty() && path != "/" {
            return Err(FileError::NotFound);
        }
        let wanted = |name: &str| pattern.is_none_or(|pattern| matches(pattern.as_bytes(), name.as_bytes()));
        Ok(entries
            .into_values()
            .filter(|entry| wanted(&entry.name))
            .collect())
    }

    fn stat(&self, path: &str) -> Result<FileInfo, FileError> {
        let path = path::join("/", path);
        let name = path.rsplit('/').next().unwrap_or_default();
        match self.0.files.get(&path) {
            Some(data) => Ok(info(name, Some(data.len()))),
            None if self.0.below(&path).next().is_some() || path == "/" => Ok(info(name, None)),
            None => Err(FileError::NotFound),
        }
    }
}

/// Whether a pattern of names, with `*` and `?`, matches a name.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=name.len()).any(|skip| matches(rest, &name[skip..])),
        ([b'?', rest @ ..], [_, tail @ ..]) => matches(rest, tail),
        ([first, rest @ ..], [byte, tail @ ..]) => first == byte && matches(rest, tail),
        _ => false,
    }
}
