//! Making diagnostics and the errors that carry them. Knows nothing of how they are shown.

use crate::types::*;

impl Diagnostic {
    /// Makes one of any severity. `code` is a stable name such as `UnknownInstruction`.
    pub fn new(severity: Severity, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity,
            code: code.into(),
            message: message.into(),
            help: None,
            url: None,
            ranges: Vec::new(),
            related: Vec::new(),
        }
    }

    /// Makes an error.
    pub fn error(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// Makes a warning.
    pub fn warning(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    /// Says where. Several places add up.
    #[must_use]
    pub fn at(mut self, range: SourceRange) -> Self {
        self.ranges.push(range);
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says where to read more.
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// Points at another place that belongs to it.
    #[must_use]
    pub fn related(mut self, message: impl Into<String>, range: SourceRange) -> Self {
        self.related.push(Related {
            message: message.into(),
            range,
        });
        self
    }
}

impl Report {
    /// Makes a report of diagnostics and the files that their ranges refer to.
    pub fn new(items: Vec<Diagnostic>, sources: Vec<SourceFile>) -> Self {
        Self { items, sources }
    }

    /// Whether one of the diagnostics is an error.
    pub fn has_errors(&self) -> bool {
        self.items.iter().any(|item| item.severity == Severity::Error)
    }
}

impl BuildError {
    /// The source is wrong; the diagnostics say where.
    pub fn invalid(items: Vec<Diagnostic>, sources: Vec<SourceFile>) -> Self {
        BuildError::Invalid(Report::new(items, sources))
    }

    /// The frontend does not support `what`, such as `outlines`. The host makes a sentence of it.
    pub fn unsupported(what: impl Into<String>) -> Self {
        BuildError::Unsupported(what.into())
    }
}

impl From<SolveError> for BuildError {
    fn from(error: SolveError) -> Self {
        BuildError::HostFailed(match error {
            SolveError::InvalidDefinition(message) => {
                format!("the frontend asked for an invalid graph: {message}")
            }
            SolveError::Failed(message) => message,
            SolveError::NotAllowed(message) => format!("not allowed: {message}"),
            SolveError::Cancelled => "the build was cancelled".to_owned(),
        })
    }
}
