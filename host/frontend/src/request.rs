//! What a frontend is asked and what it answers, in the host's types: the contract's `frontend` interface. Plain data.
//! Knows nothing of Wasm.

use lapstrake_llb::{
    BuiltImage, Definition, OciLayoutSource, Platform, Report, SourceFile, SourceRange, Timestamp,
};
use serde::{Deserialize, Serialize};

/// A request, equal for every function of a frontend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The texts, the main one first.
    pub sources: Vec<SourceFile>,
    /// What is to be built; none: the frontend's default.
    pub target: Option<String>,
    /// For which platforms. Empty: the host's default alone.
    pub platforms: Vec<Platform>,
    /// Where the build runs.
    pub build_platform: Platform,
    /// Build arguments, in order.
    pub build_args: Vec<(String, String)>,
    /// Labels, in order.
    pub labels: Vec<(String, String)>,
    /// Where the build file's own files are.
    pub context: ContextSource,
    /// More contexts, in the order given.
    pub named_contexts: Vec<NamedContext>,
    /// Everything else, named as BuildKit names its frontend options.
    pub options: Vec<(String, String)>,
    /// SOURCE_DATE_EPOCH.
    pub source_date_epoch: Option<Timestamp>,
}

/// Where the files of a context are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContextSource {
    /// Name for a local source.
    Local(String),
    /// An image reference.
    Image(String),
    /// An image in an OCI image layout.
    OciLayout(OciLayoutSource),
    /// A git repository.
    Git(String),
    /// A file by HTTP.
    Http(String),
    /// Another target of the same build file.
    Target(String),
}

/// A context with a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedContext {
    /// How the build file names it.
    pub name: String,
    /// Where it is.
    pub source: ContextSource,
}

/// What a build file means. The definition is valid, and so are the images' roots in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildResult {
    /// The graph.
    pub definition: Definition,
    /// One image for each platform, at least one.
    pub images: Vec<BuiltImage>,
    /// What may be wrong with the build file.
    pub warnings: Report,
}

/// What a frontend says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrontendInfo {
    /// Name.
    pub name: String,
    /// Version of the frontend.
    pub version: String,
    /// File names or globs that it takes by default.
    pub file_patterns: Vec<String>,
    /// Options that it knows.
    pub options: Vec<OptionInfo>,
    /// Named sub-requests that it answers.
    pub calls: Vec<CallInfo>,
    /// What it does in a chain of frontends. Empty: it builds.
    pub roles: Vec<Role>,
}

/// An option of a frontend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptionInfo {
    /// Name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// Its value when nothing is said.
    pub default_value: Option<String>,
}

/// A named sub-request of a frontend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallInfo {
    /// Name.
    pub name: String,
    /// What it answers.
    pub description: String,
}

/// A target of a build file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetInfo {
    /// Name.
    pub name: String,
    /// What the build file says of it.
    pub description: String,
    /// What it builds on.
    pub base: String,
    /// Whether it is built when nothing is said.
    pub is_default: bool,
    /// Where it is.
    pub range: Option<SourceRange>,
}

/// An argument of a build file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArgInfo {
    /// Name.
    pub name: String,
    /// What the build file says of it.
    pub description: String,
    /// Its value when nothing is said.
    pub default_value: Option<String>,
    /// Where it is.
    pub range: Option<SourceRange>,
}

/// What a target of a build file takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outline {
    /// The target.
    pub target: TargetInfo,
    /// Build arguments.
    pub args: Vec<ArgInfo>,
    /// Secrets' names.
    pub secrets: Vec<String>,
    /// SSH agents' names.
    pub ssh: Vec<String>,
    /// Cache mounts' names.
    pub cache_ids: Vec<String>,
    /// What the ranges refer to.
    pub sources: Vec<SourceFile>,
}

/// The answer of a named sub-request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallResult {
    /// For people.
    pub text: String,
    /// For programs: one JSON value.
    pub json: String,
}

/// What a frontend does in a chain of frontends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Makes a graph of a build file.
    Builds,
    /// Changes the sources that the next one reads.
    RewritesSources,
    /// Changes which images are asked for.
    RewritesImages,
    /// Changes what was made.
    RewritesResult,
}

/// The main source as the next frontend of a chain is to read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewritten {
    /// The new text.
    pub text: String,
    /// Where its lines come from, sorted and without overlaps.
    pub origins: Vec<LineOrigin>,
    /// What the origins refer to.
    pub files: Vec<SourceFile>,
    /// What may be wrong with the sources.
    pub warnings: Report,
}

/// Where lines of a rewritten text come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineOrigin {
    /// The first of the lines.
    pub line: u32,
    /// How many they are.
    pub count: u32,
    /// Where they come from.
    pub origin: SourceRange,
    /// Whether they are the lines of the origin, one by one; else they were made of it as a whole.
    pub verbatim: bool,
}

/// What a completion is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CompletionKind {
    /// A word of the language.
    Keyword,
    /// An option of an instruction.
    Flag,
    /// A variable.
    Variable,
    /// A value.
    Value,
    /// A target.
    Target,
    /// A path.
    File,
    /// An image.
    Image,
}

/// Something that could stand at a position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// What is shown.
    pub label: String,
    /// What it is.
    pub kind: CompletionKind,
    /// One line about it; may be empty.
    pub detail: String,
    /// Markdown; may be empty.
    pub documentation: String,
    /// What it changes; none: the label is inserted at the position.
    pub edit: Option<TextEdit>,
}

/// A part of a file and what it is to become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextEdit {
    /// The part, in the file that was asked about.
    pub range: SourceRange,
    /// The text instead.
    pub text: String,
}

/// What is to be said about a position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hover {
    /// Markdown.
    pub text: String,
    /// The part of the file that it is about.
    pub range: Option<SourceRange>,
}
