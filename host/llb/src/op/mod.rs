//! The graph: vertices, edges and the ops of LLB, field for field as BuildKit's `pb.Definition` has them.
//! Plain data. Knows nothing of how an op is executed, cached or written down.

mod exec;
mod file;
mod source;

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

pub use self::exec::*;
pub use self::file::*;
pub use self::source::*;

/// Output `output` of the vertex at index `vertex` of a [`Definition`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Edge {
    /// Index of the vertex. MUST be smaller than the index of the vertex that names it.
    pub vertex: u32,
    /// Which output of that vertex. MUST be smaller than [`Op::output_count`].
    pub output: u32,
}

/// A build graph. The vertices are in topological order: a vertex refers only to smaller indexes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// The vertices.
    pub vertices: Vec<Vertex>,
    /// The files that source ranges refer to.
    pub sources: Vec<SourceFile>,
}

/// One node of the graph: an op, and what is said about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vertex {
    /// What is to be done. Part of the digest.
    pub op: Op,
    /// What platform the op runs for. Part of the digest.
    pub platform: Option<Platform>,
    /// Worker constraints, containerd filter syntax. Part of the digest.
    pub constraints: Vec<String>,
    /// All that is not part of the digest.
    pub metadata: Metadata,
}

/// What is said about a vertex without changing what it does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// What progress shows. BuildKit's `llb.customname`.
    pub name: String,
    /// Free text fields.
    pub description: BTreeMap<String, String>,
    /// Where in the sources the vertex comes from.
    pub ranges: Vec<SourceRange>,
    /// Whether the vertex is executed though a record of it exists.
    pub ignore_cache: bool,
    /// Whether a cache exporter takes the result; none: as the exporter decides.
    pub export_cache: Option<bool>,
    /// The group of vertices that progress shows as one.
    pub progress_group: Option<ProgressGroup>,
    /// Limits for the processes of an exec.
    pub resources: Option<LinuxResources>,
}

/// A group of vertices that progress shows as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressGroup {
    /// Vertices of one id are one group.
    pub id: String,
    /// What progress shows.
    pub name: String,
    /// Whether the group is shown only when it has several members.
    pub weak: bool,
}

/// Limits of a process tree, as the OCI runtime specification has them (config-linux.md, "Control groups").
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinuxResources {
    /// Memory, bytes.
    pub memory_bytes: Option<u64>,
    /// Memory and swap, bytes; -1: unlimited.
    pub memory_swap_bytes: Option<i64>,
    /// Relative weight of the CPU time.
    pub cpu_shares: Option<u64>,
    /// Length of a CFS period, microseconds.
    pub cpu_period_us: Option<u64>,
    /// CPU time in a period, microseconds; -1: unlimited.
    pub cpu_quota_us: Option<i64>,
    /// CPUs, such as `0-2,4`.
    pub cpuset_cpus: Option<String>,
    /// Memory nodes.
    pub cpuset_mems: Option<String>,
}

/// A platform, as the OCI image specification has it (image-index.md).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// Operating system, GOOS values.
    pub os: String,
    /// Architecture, GOARCH values.
    pub architecture: String,
    /// CPU variant, such as `v7`.
    pub variant: Option<String>,
    /// Operating system version.
    pub os_version: Option<String>,
    /// Operating system features.
    pub os_features: Vec<String>,
}

/// A moment, counted from 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp {
    /// Whole seconds.
    pub seconds: i64,
    /// Nanoseconds of the second. MUST be below 1 000 000 000.
    pub nanoseconds: u32,
}

/// A place in a source text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in UTF-8 bytes, from 1.
    pub column: u32,
}

/// A part of a source text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceRange {
    /// Index in the list of source files that stands beside the range.
    pub file: u32,
    /// First place.
    pub start: Position,
    /// The place after the last one.
    pub stop: Position,
}

/// A text that ranges refer to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Path or another name, for people.
    pub name: String,
    /// Language, such as `Dockerfile`.
    pub language: String,
    /// The whole text.
    pub text: String,
}

/// What a vertex does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// Brings in files from outside.
    Source(SourceOp),
    /// Runs a command in a container.
    Exec(ExecOp),
    /// Changes files without running anything.
    File(FileOp),
    /// Stacks trees: a later one is on top.
    Merge(MergeOp),
    /// Takes what `upper` has and `lower` has not.
    Diff(DiffOp),
    /// Solves a definition that an earlier vertex wrote.
    Build(BuildOp),
}

impl Op {
    /// Number of outputs an edge may name.
    pub fn output_count(&self) -> u32 {
        match self {
            Op::Source(_) | Op::Merge(_) | Op::Diff(_) | Op::Build(_) => 1,
            Op::Exec(exec) => exec.mounts.iter().filter(|m| m.is_output()).count() as u32,
            Op::File(file) => file.actions.iter().filter(|a| a.output).count() as u32,
        }
    }

    /// Every input edge, in the order in which BuildKit lists an op's inputs: first mention first, no edge twice.
    pub fn inputs(&self) -> Vec<Edge> {
        // Few edges are compared one by one; hostile graphs have ops with thousands.
        const FEW: usize = 16;
        let mut edges: Vec<Edge> = Vec::new();
        let mut seen: HashSet<Edge> = HashSet::new();
        let mut add = |edge: Option<Edge>| {
            let Some(edge) = edge else { return };
            let known = if edges.len() < FEW {
                edges.contains(&edge)
            } else {
                seen.contains(&edge)
            };
            if !known {
                edges.push(edge);
                if edges.len() == FEW {
                    seen.extend(&edges);
                } else if edges.len() > FEW {
                    seen.insert(edge);
                }
            }
        };
        match self {
            Op::Source(_) => {}
            Op::Exec(exec) => exec.mounts.iter().for_each(|m| add(m.input())),
            Op::File(file) => {
                for action in &file.actions {
                    add(action.base.edge());
                    if let FileActionKind::Copy(copy) = &action.kind {
                        add(copy.src.edge());
                    }
                }
            }
            Op::Merge(merge) => merge.inputs.iter().for_each(|e| add(Some(*e))),
            Op::Diff(diff) => {
                add(diff.lower);
                add(diff.upper);
            }
            Op::Build(build) => add(Some(build.input)),
        }
        edges
    }

    /// `source`, `exec`, `file`, `merge`, `diff` or `build`.
    pub fn kind(&self) -> &'static str {
        match self {
            Op::Source(_) => "source",
            Op::Exec(_) => "exec",
            Op::File(_) => "file",
            Op::Merge(_) => "merge",
            Op::Diff(_) => "diff",
            Op::Build(_) => "build",
        }
    }
}

/// Stacks trees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeOp {
    /// The trees, the lowest first.
    pub inputs: Vec<Edge>,
}

/// Takes what `upper` has and `lower` has not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffOp {
    /// None: scratch.
    pub lower: Option<Edge>,
    /// None: scratch.
    pub upper: Option<Edge>,
}

/// Solves a definition that an earlier vertex wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildOp {
    /// The tree that holds it.
    pub input: Edge,
    /// Path of the marshalled `pb.Definition` in it.
    pub filename: String,
}
