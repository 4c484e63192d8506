//! The errors of this crate: malformed patterns, graphs that break a rule, and protobuf that cannot be read.
//! Knows nothing of how an error is shown.

use crate::Digest;

/// A pattern that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pattern {pattern:?} {problem}")]
pub struct PatternError {
    /// The pattern, as it was given.
    pub pattern: String,
    /// What is wrong with it.
    pub problem: PatternProblem,
}

/// What is wrong with a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternProblem {
    /// A `!` with nothing behind it.
    #[error("has nothing behind the `!`")]
    LoneNegation,
    /// A `[` without its `]`.
    #[error("has a `[` without its `]`")]
    UnclosedClass,
    /// A `-` or `]` at a place in a character class where only `\-` or `\]` may stand.
    #[error("has a `-` or `]` without a backslash before it in a character class")]
    MisplacedInClass,
    /// A range such as `z-a`.
    #[error("has a character range whose end is before its start")]
    ReversedRange,
    /// A backslash at the end.
    #[error("ends with a backslash")]
    TrailingBackslash,
    /// More bytes than a path can have.
    #[error("is longer than {} bytes", crate::patterns::MAX_PATTERN)]
    TooLong,
}

/// A graph that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValidateError {
    /// The graph as a whole is too large.
    #[error("the graph has {count} {what}, more than {limit}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        count: u64,
        /// How much there may be.
        limit: u64,
    },
    /// A root names no output of the graph.
    #[error("root {index}: {problem}")]
    Root {
        /// Position in the list of roots.
        index: usize,
        /// What is wrong.
        problem: Problem,
    },
    /// A source file is wrong.
    #[error("source file {index}: {problem}")]
    SourceFile {
        /// Position in the list of source files.
        index: usize,
        /// What is wrong.
        problem: Problem,
    },
    /// A vertex is wrong.
    #[error(transparent)]
    Vertex(Box<VertexError>),
}

/// A vertex that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("vertex {index} ({op}{}): {field}: {problem}", quoted(name))]
pub struct VertexError {
    /// Position in the list of vertices.
    pub index: usize,
    /// Its name; may be empty.
    pub name: String,
    /// The kind of its op.
    pub op: &'static str,
    /// The field, such as `mounts[2].target`.
    pub field: String,
    /// What is wrong.
    pub problem: Problem,
}

/// Shows a name in quotes, shortened, and nothing where there is none.
fn quoted(name: &str) -> String {
    const SHOWN: usize = 120;
    match name.char_indices().nth(SHOWN) {
        _ if name.is_empty() => String::new(),
        None => format!(" {name:?}"),
        Some((end, _)) => format!(" {:?}…", &name[..end]),
    }
}

/// The rule that a field breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The vertex of an edge is not an earlier one.
    #[error("names vertex {to}, which is not before it (an edge refers to a smaller index)")]
    ForwardEdge {
        /// The index that is named.
        to: u32,
    },
    /// The vertex of an edge does not exist.
    #[error("names vertex {to}, but there are {count} vertices")]
    NoSuchVertex {
        /// The index that is named.
        to: u32,
        /// How many there are.
        count: usize,
    },
    /// The output of an edge does not exist.
    #[error("names output {output} of vertex {vertex}, which has {count}")]
    NoSuchOutput {
        /// The vertex that is named.
        vertex: u32,
        /// The output that is named.
        output: u32,
        /// How many it has.
        count: u32,
    },
    /// An action refers to one that is not before it.
    #[error("names action {to}, which is not an earlier one of the same op")]
    NoSuchAction {
        /// The action that is named.
        to: u32,
    },
    /// Something must be there.
    #[error("is empty")]
    Empty,
    /// A list is too long.
    #[error("has {count} entries, more than {limit}")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A text is too long.
    #[error("is {length} bytes long, more than {limit}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// What it may have.
        limit: usize,
    },
    /// A path has a name that no file system takes.
    #[error("has a component of {length} bytes, more than {limit}")]
    LongComponent {
        /// Length of the component in bytes.
        length: usize,
        /// What it may have.
        limit: usize,
    },
    /// A NUL byte.
    #[error("has a NUL byte")]
    Nul,
    /// A path is relative.
    #[error("path {path:?} is not absolute")]
    NotAbsolute {
        /// The path.
        path: String,
    },
    /// A path has empty or `.` components.
    #[error("path {path:?} is not clean (empty and `.` components are not allowed)")]
    Unclean {
        /// The path.
        path: String,
    },
    /// A path has a `..` component.
    #[error("path {path:?} has a `..` component")]
    ParentComponent {
        /// The path.
        path: String,
    },
    /// An exec has no root, or several.
    #[error("{count} mounts have the target `/`, where there must be exactly one")]
    RootMounts {
        /// How many it has.
        count: usize,
    },
    /// The root of an exec is not a tree.
    #[error("the mount with the target `/` is not a bind mount")]
    RootNotBind,
    /// A text does not have the form it must have.
    #[error("{text:?} is not {expected}")]
    Malformed {
        /// The text, shortened.
        text: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A number is out of its range.
    #[error("{value} is not in the range from {least} to {most}")]
    OutOfRange {
        /// The number.
        value: i128,
        /// The least one allowed.
        least: i128,
        /// The greatest one allowed.
        most: i128,
    },
    /// A range of a source text ends before it starts.
    #[error("ends before it starts")]
    ReversedRange,
    /// A list of patterns has a malformed one.
    #[error("{0}")]
    Pattern(PatternError),
}

/// A marshalled definition that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PbError {
    /// The bytes are no `pb.Definition`.
    #[error("not a marshalled definition")]
    Definition(#[source] prost::DecodeError),
    /// The bytes of one op are no `pb.Op`.
    #[error("op {index}: not a marshalled op")]
    Op {
        /// Position in the definition.
        index: usize,
        /// What is wrong with the bytes.
        #[source]
        source: prost::DecodeError,
    },
    /// The definition has no op that names the roots.
    #[error("the definition is empty: even one without roots ends with an op that names them")]
    NoRoots,
    /// An op has no content, though it is not the last one.
    #[error("op {index}: has no content, which only the last op may lack")]
    NoContent {
        /// Position in the definition.
        index: usize,
    },
    /// An input names no earlier op.
    #[error("op {index}: input {digest:?} is no op before it")]
    UnknownInput {
        /// Position in the definition.
        index: usize,
        /// The digest that is named.
        digest: String,
    },
    /// A number refers to something that is not there.
    #[error("op {index}: {field} is {value}, which refers to nothing")]
    BadIndex {
        /// Position in the definition.
        index: usize,
        /// The field.
        field: &'static str,
        /// Its value.
        value: i64,
    },
    /// A value does not have the form it must have.
    #[error("op {index}: {field} {value:?} is not understood")]
    BadValue {
        /// Position in the definition.
        index: usize,
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// The op uses something that the graph's types do not have.
    #[error("op {index}: {what} {value:?} is not supported")]
    Unsupported {
        /// Position in the definition.
        index: usize,
        /// What it uses.
        what: &'static str,
        /// The value.
        value: String,
    },
    /// A source file is not UTF-8.
    #[error("source file {name:?} is not UTF-8")]
    NotUtf8 {
        /// Its name.
        name: String,
        /// Where it stops being UTF-8.
        #[source]
        source: std::string::FromUtf8Error,
    },
    /// A location refers to a source file that is not there.
    #[error("a location of {vertex} refers to source file {index}, but there are {count}")]
    NoSuchSourceFile {
        /// The op that has the location.
        vertex: Digest,
        /// The index that is named.
        index: i32,
        /// How many there are.
        count: usize,
    },
}
