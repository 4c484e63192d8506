//! What a frontend says of a source text: errors and warnings with their places.
//! Plain data. Knows nothing of how it is shown.

use serde::{Deserialize, Serialize};

use crate::{SourceFile, SourceRange};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The build cannot go on.
    Error,
    /// Probably not what was meant.
    Warning,
    /// Worth knowing.
    Info,
    /// A suggestion.
    Hint,
}

/// Another place that belongs to a diagnostic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Related {
    /// What is there.
    pub message: String,
    /// Where.
    pub range: SourceRange,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Stable name of the rule or error, such as `UnknownInstruction`.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// Where to read more.
    pub url: Option<String>,
    /// Where it is wrong.
    pub ranges: Vec<SourceRange>,
    /// Other places.
    pub related: Vec<Related>,
}

/// Findings with the files that their ranges refer to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The findings.
    pub items: Vec<Diagnostic>,
    /// The files.
    pub sources: Vec<SourceFile>,
}
