//! The main context: which vertex it is, what of it is used, and what `.dockerignore` leaves out of it.
//! Knows nothing of named contexts but how one's `.dockerignore` is read.

use std::collections::BTreeSet;

use lapstrake_sdk::path;
use lapstrake_sdk::types::{
    BuildError, ByteRange, ContextSource, CopyAction, Definition, Edge, FileAction, FileActionKind,
    FileError, FileInput, HttpSource, LocalDiffer, LocalSource, Op, Request, SourceOp, Vertex,
};
use lapstrake_sdk::{Graph, Host, Reference};

use crate::diagnostic::Diagnostic;
use crate::lint;
use crate::lower::stage::Cx;
use crate::lower::vertices::Vertices;
use crate::lower::{git, ignore};
use crate::span::Span;

const IGNORE_FILE: &str = ".dockerignore";

/// The main context. It is looked at when the first instruction needs it.
#[derive(Debug)]
pub struct MainContext {
    source: ContextSource,
    /// Where the ignore file of this Dockerfile alone is, if it is in the context.
    own_ignore_file: Option<String>,
    /// Its text, if the request brings it.
    own_ignore_text: Option<String>,
    state: State,
    paths: BTreeSet<String>,
}

#[derive(Debug)]
enum State {
    Unused,
    Ready {
        edge: Edge,
        local: bool,
        patterns: Vec<String>,
    },
    Failed,
}

impl MainContext {
    /// Makes a context that is not there, for looking at a file without the host.
    pub fn missing() -> Self {
        Self {
            source: ContextSource::default(),
            own_ignore_file: None,
            own_ignore_text: None,
            state: State::Failed,
            paths: BTreeSet::new(),
        }
    }

    /// Makes the context of a request.
    pub fn new(request: &Request) -> Self {
        let name = request.main_source().map_or("", |source| source.name.as_str());
        let own = format!("{name}{IGNORE_FILE}");
        let own_ignore_text = request
            .sources
            .iter()
            .find(|s| s.name == own)
            .map(|source| source.text.clone());
        let inside = !name.is_empty() && !name.starts_with('/') && name.split('/').all(|part| part != "..");
        Self {
            source: request.context.clone(),
            own_ignore_file: inside.then(|| path::join("/", &own)[1..].to_owned()),
            own_ignore_text,
            state: State::Unused,
            paths: BTreeSet::new(),
        }
    }

    /// Says which paths of a directory are used, once all of them are known.
    pub fn finish(self, vertices: &mut Vertices) {
        let State::Ready {
            edge,
            local: true,
            patterns,
        } = self.state
        else {
            return;
        };
        vertices.change(edge, |vertex| {
            if let Op::Source(SourceOp::Local(local)) = &mut vertex.op {
                local.exclude_patterns = patterns;
                local.follow_paths = follow_paths(&self.paths);
            }
        });
    }
}

/// Returns the paths to transfer; none where the whole tree is used.
pub fn follow_paths(paths: &BTreeSet<String>) -> Vec<String> {
    if paths.contains("/") {
        return Vec::new();
    }
    paths
        .iter()
        .map(|path| path.trim_start_matches('/').to_owned())
        .collect()
}

impl Cx<'_> {
    /// Returns the main context's tree, of which `path` is used.
    pub fn main_context(&mut self, path: &str) -> Option<Edge> {
        self.load_context();
        match &self.context.state {
            State::Ready { edge, .. } => {
                let edge = *edge;
                self.context.paths.insert(path.to_owned());
                Some(edge)
            }
            _ => None,
        }
    }

    /// Reports a source that `.dockerignore` leaves out.
    pub fn check_ignored(&mut self, add: bool, source: &str, span: Span) {
        self.load_context();
        if let State::Ready { patterns, .. } = &self.context.state
            && ignore::leaves_out(patterns, source)
        {
            let name = if add { "ADD" } else { "COPY" };
            let message = format!("{name} takes `{source}`, which .dockerignore leaves out");
            lint::report(self.diagnostics, lint::COPY_IGNORED_FILE, span, || message);
        }
    }

    fn load_context(&mut self) {
        if matches!(self.context.state, State::Unused) {
            let source = self.context.source.clone();
            self.context.state = self.load(&source).unwrap_or_else(|error| {
                self.failure.get_or_insert(error);
                State::Failed
            });
        }
    }

    fn load(&mut self, source: &ContextSource) -> Result<State, BuildError> {
        match source {
            ContextSource::Local(name) => {
                let patterns = self.main_patterns(name)?;
                let local = LocalSource {
                    name: name.clone(),
                    shared_key_hint: Some(name.clone()),
                    ..LocalSource::default()
                };
                let edge = self.internal(SourceOp::Local(local), "load build context");
                Ok(State::Ready {
                    edge,
                    local: true,
                    patterns,
                })
            }
            ContextSource::Git(url) => match git::parse(url) {
                Some(Ok(git)) => {
                    let mut source = git.into_source();
                    source.keep_git_dir |= self.options.keep_git_dir;
                    let edge = self.internal(SourceOp::Git(source), &format!("load git source {url}"));
                    Ok(State::Ready {
                        edge,
                        local: false,
                        patterns: Vec::new(),
                    })
                }
                Some(Err(problem)) => Err(BuildError::HostFailed(format!("the context {url}: {problem}"))),
                None => Err(BuildError::HostFailed(format!(
                    "the context {url} is no git repository"
                ))),
            },
            ContextSource::Http(url) => self.load_http(url),
            ContextSource::Image(_) | ContextSource::OciLayout(_) | ContextSource::Target(_) => Err(
                BuildError::unsupported("an image or a target as the main context"),
            ),
        }
    }

    /// Loads a context by HTTP: an archive is unpacked, anything else is a file with the name `context`.
    fn load_http(&mut self, url: &str) -> Result<State, BuildError> {
        const NAME: &str = "context";
        let http = HttpSource {
            url: url.to_owned(),
            filename: Some(NAME.to_owned()),
            ..HttpSource::default()
        };
        let source = SourceOp::Http(http);
        let file = solve_source(self.host, source.clone(), "load remote build context")?;
        let head = file
            .read_file(
                &format!("/{NAME}"),
                Some(ByteRange {
                    offset: 0,
                    length: 512,
                }),
            )
            .map_err(|error| BuildError::HostFailed(format!("{url} cannot be read: {error:?}")))?;
        let mut edge = self.internal(source, "load remote build context");
        if is_archive(&head) {
            let copy = CopyAction {
                src: edge.into(),
                src_path: format!("/{NAME}"),
                dst_path: "/".to_owned(),
                unpack_archive: true,
                ..CopyAction::default()
            };
            let action = FileAction {
                base: FileInput::Scratch,
                kind: FileActionKind::Copy(copy),
                output: true,
            };
            edge = self.vertices.add(Vertex::new(Op::File(vec![action]), None));
        }
        Ok(State::Ready {
            edge,
            local: false,
            patterns: Vec::new(),
        })
    }

    fn internal(&mut self, source: SourceOp, what: &str) -> Edge {
        let mut vertex = Vertex::new(Op::Source(source), None);
        vertex.name = format!("[internal] {what}");
        self.vertices.add(vertex)
    }

    fn main_patterns(&mut self, local: &str) -> Result<Vec<String>, BuildError> {
        if let Some(text) = self.context.own_ignore_text.clone() {
            return Ok(self.patterns(&text, IGNORE_FILE));
        }
        let own = self.context.own_ignore_file.clone();
        let names: Vec<String> = own.into_iter().chain([IGNORE_FILE.to_owned()]).collect();
        let hint = format!("{local}-{IGNORE_FILE}");
        match read_first(self.host, local, &names, hint, "[internal] load .dockerignore")? {
            Some((name, text)) => Ok(self.patterns(&text, &name)),
            None => Ok(Vec::new()),
        }
    }

    /// Reads the ignore file of a named context that is a directory.
    pub fn named_patterns(&mut self, local: &str, shown: &str) -> Result<Vec<String>, BuildError> {
        let hint = format!("context:{shown}-{IGNORE_FILE}");
        let title = format!("[context {shown}] load {IGNORE_FILE}");
        match read_first(self.host, local, &[IGNORE_FILE.to_owned()], hint, &title)? {
            Some((name, text)) => Ok(self.patterns(&text, &format!("{name} of the context {shown}"))),
            None => Ok(Vec::new()),
        }
    }

    fn patterns(&mut self, text: &str, file: &str) -> Vec<String> {
        ignore::parse(text).unwrap_or_else(|problem| {
            self.diagnostics.push(
                Diagnostic::elsewhere("InvalidIgnoreFile", format!("{file}, {problem}"))
                    .help("mend the pattern in that file"),
            );
            Vec::new()
        })
    }
}

/// Reads the first of several files that a directory has.
fn read_first(
    host: &dyn Host,
    local: &str,
    names: &[String],
    hint: String,
    title: &str,
) -> Result<Option<(String, String)>, BuildError> {
    let source = SourceOp::Local(LocalSource {
        name: local.to_owned(),
        follow_paths: names.to_vec(),
        shared_key_hint: Some(hint),
        differ: LocalDiffer::None,
        ..LocalSource::default()
    });
    let tree = solve_source(host, source, title)?;
    for name in names {
        match tree.read_text(&format!("/{name}")) {
            Ok(text) => return Ok(Some((name.clone(), text))),
            Err(FileError::NotFound | FileError::NotAFile | FileError::NotADirectory) => {}
            Err(FileError::NotUtf8) => return Err(BuildError::HostFailed(format!("{name} is not UTF-8"))),
            Err(error) => {
                return Err(BuildError::HostFailed(format!(
                    "{name} cannot be read: {error:?}"
                )));
            }
        }
    }
    Ok(None)
}

/// Solves one source; its tree.
pub(super) fn solve_source(
    host: &dyn Host,
    source: SourceOp,
    title: &str,
) -> Result<Box<dyn Reference>, BuildError> {
    let mut vertex = Vertex::new(Op::Source(source), None);
    vertex.name = title.to_owned();
    let graph = Graph::new();
    let edge = Edge {
        vertex: graph.add(vertex),
        output: 0,
    };
    let (definition, roots): (Definition, Vec<Edge>) = graph.definition(&[edge]);
    let answer = host.solve(&definition, &roots)?.into_iter().next();
    answer.ok_or_else(|| BuildError::HostFailed("the host did not answer".to_owned()))
}

/// Whether data begins as bzip2, gzip, xz, zstd or tar do.
fn is_archive(head: &[u8]) -> bool {
    const MAGIC: [&[u8]; 4] = [
        b"BZh",
        &[0x1f, 0x8b, 8],
        &[0xfd, b'7', b'z', b'X', b'Z', 0],
        &[0x28, 0xb5, 0x2f, 0xfd],
    ];
    MAGIC.iter().any(|magic| head.starts_with(magic)) || head.get(257..262) == Some(b"ustar")
}
