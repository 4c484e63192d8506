//! Build ops: a graph that an earlier step wrote into a file is read, checked as strictly as a guest's, and solved by
//! whoever solves this one. Knows nothing of how graphs are solved.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, Weak};

use lapstrake_llb::{BuildOp, Definition, Digest, Edge, Hasher, Limits, Op, PbError, ValidateError, Vertex};
use lapstrake_solver::{CacheMap, CancelToken, InputKey, PartHasher, Parts, StepContext};
use lapstrake_store::tree::{FileKind, FileTree};

use super::LocalWorker;
use super::output::Output;
use super::step::StepProgress;
use crate::error::{Error, Result};

/// The file that is read where the op names none. BuildKit's.
const DEFAULT_FILE: &str = "buildkit.llb.definition";
/// Largest file that is read, bytes.
const LARGEST: u64 = 64 << 20;
/// Graphs may be in graphs so often.
const MAX_DEPTH: u32 = 8;
/// Constraint of build ops that says how deep they are. Part of their keys, so that none waits for one that it is in.
const DEPTH: &str = "lapstrake.nested==";

/// Solves the graphs of build ops.
pub trait NestedSolver: Send + Sync {
    /// Solves a valid definition.
    ///
    /// # Errors
    /// [`Error::Cancelled`], and [`NestedError::Failed`] with whatever went wrong.
    fn solve_nested(&self, definition: &Definition, root: Edge, cancel: &CancelToken) -> Result<Output>;
}

/// What can go wrong with a build op.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NestedError {
    /// The worker was not told who solves graphs.
    #[error("nobody here solves nested graphs")]
    NoSolver,
    /// There is no such file.
    #[error("the nested graph {path:?} is not there or is no file")]
    NotFound {
        /// Its path.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read the nested graph {path:?}")]
    Read {
        /// Its path.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is too large.
    #[error("the nested graph {path:?} is larger than {} MiB", LARGEST >> 20)]
    TooLarge {
        /// Its path.
        path: PathBuf,
    },
    /// The file is not a marshalled definition.
    #[error("the nested graph {path:?} is no definition")]
    Decode {
        /// Its path.
        path: PathBuf,
        /// Why not.
        source: Box<PbError>,
    },
    /// The definition breaks a rule.
    #[error("the nested graph {path:?} is not valid")]
    Invalid {
        /// Its path.
        path: PathBuf,
        /// Which one.
        source: Box<ValidateError>,
    },
    /// The definition has no result, or several.
    #[error("the nested graph {path:?} has {count} results instead of one")]
    Roots {
        /// Its path.
        path: PathBuf,
        /// How many.
        count: usize,
    },
    /// Graphs in graphs in graphs.
    #[error("graphs are nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// It was solved, and failed.
    #[error("the nested graph failed")]
    Failed {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
        /// Whether a registry, the network or the store failed.
        environment: bool,
    },
}

/// The cache map of a build op. Its result does not follow from it: see [`name`].
pub(super) fn cache_map(vertex: &Vertex, op: &BuildOp) -> CacheMap {
    CacheMap {
        digest: PartHasher::digest("lapstrake.build.1", |parts| tell(vertex, op, parts)),
        inputs: vec![InputKey::default()],
    }
}

/// Tells what the digest is made of.
pub(super) fn tell(vertex: &Vertex, op: &BuildOp, parts: &mut dyn Parts) {
    parts.text("file", "", file(op));
    parts.list("constraints", "", &vertex.constraints);
}

/// The name of a build op's result: what is in it. What a nested graph makes follows from its own sources, which nobody knows
/// before the graph is there, so that a key of the op says nothing.
pub(super) fn name(outputs: &[Output]) -> Digest {
    let mut hasher = Hasher::new("lapstrake.build-result.1");
    for output in outputs {
        match output {
            Output::Local(local) => {
                hasher.digest(&local.digest());
            }
            Output::Tree(tree) => {
                hasher.number(tree.layers.len() as u64);
                tree.layers.iter().for_each(|id| {
                    hasher.field(id.to_string().as_bytes());
                });
            }
        }
    }
    hasher.finish()
}

fn file(op: &BuildOp) -> &str {
    match op.filename.as_str() {
        "" => DEFAULT_FILE,
        name => name,
    }
}

/// How deep a build op is: 0 in a build's own graph.
fn depth(vertex: &Vertex) -> u32 {
    let said = vertex
        .constraints
        .iter()
        .filter_map(|text| text.strip_prefix(DEPTH));
    said.filter_map(|text| text.parse().ok()).max().unwrap_or(0)
}

/// Marks the build ops of a nested graph with their depth.
fn deepen(definition: &mut Definition, depth: u32) -> Result<(), NestedError> {
    for vertex in &mut definition.vertices {
        if matches!(vertex.op, Op::Build(_)) {
            if depth >= MAX_DEPTH {
                return Err(NestedError::TooDeep);
            }
            vertex.constraints.push(format!("{DEPTH}{depth}"));
        }
    }
    Ok(())
}

impl LocalWorker {
    /// Says who solves the graphs of build ops. Without, they fail.
    pub fn set_nested_solver(&self, solver: Weak<dyn NestedSolver>) {
        *self.nested.lock().unwrap_or_else(PoisonError::into_inner) = Some(solver);
    }

    pub(super) fn run_build(
        &self,
        vertex: &Vertex,
        op: &BuildOp,
        inputs: &[Output],
        context: &StepContext,
    ) -> Result<Output> {
        let solver = {
            let nested = self.nested.lock().unwrap_or_else(PoisonError::into_inner);
            nested
                .as_ref()
                .and_then(Weak::upgrade)
                .ok_or(NestedError::NoSolver)?
        };
        let files = self.files(&inputs[0], &StepProgress::new(context))?;
        let (mut definition, root) = read(&*files, Path::new(file(op)))?;
        deepen(&mut definition, depth(vertex) + 1)?;
        solver.solve_nested(&definition, root, context.cancel_token())
    }
}

fn read(files: &dyn FileTree, path: &Path) -> Result<(Definition, Edge)> {
    let path_buf = || path.to_owned();
    let entry = match files.follow(path).map_err(Error::ReadTree)? {
        Some(entry) if entry.kind == FileKind::File => entry,
        _ => return Err(NestedError::NotFound { path: path_buf() }.into()),
    };
    let file = files.open(&entry).map_err(Error::ReadTree)?;
    let mut bytes = Vec::new();
    let read = file.take(LARGEST + 1).read_to_end(&mut bytes);
    read.map_err(|source| NestedError::Read {
        path: path_buf(),
        source,
    })?;
    if bytes.len() as u64 > LARGEST {
        return Err(NestedError::TooLarge { path: path_buf() }.into());
    }
    let (definition, roots) = Definition::from_pb(&bytes).map_err(|source| NestedError::Decode {
        path: path_buf(),
        source: Box::new(source),
    })?;
    lapstrake_llb::validate(&definition, &roots, &Limits::default()).map_err(|source| {
        NestedError::Invalid {
            path: path_buf(),
            source: Box::new(source),
        }
    })?;
    match roots[..] {
        [root] => Ok((definition, root)),
        _ => Err(NestedError::Roots {
            path: path_buf(),
            count: roots.len(),
        }
        .into()),
    }
}
