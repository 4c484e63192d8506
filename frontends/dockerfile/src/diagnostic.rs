//! Findings in a Dockerfile: what is wrong, where, and what to do about it.
//! Knows nothing of the contract's types, which `component.rs` and `report.rs` translate into.

use crate::span::Span;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// There is no build.
    Error,
    /// A check failed.
    Warning,
    /// Worth knowing.
    Info,
}

/// Another place that belongs to a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// What is there.
    pub message: String,
    /// Where.
    pub span: Span,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Stable name: of a check, or of a kind of error.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// Where to read more.
    pub url: Option<String>,
    /// Where it is wrong.
    pub span: Span,
    /// Whether it is about something else than the file, so that `span` says nothing.
    pub elsewhere: bool,
    /// Other places.
    pub related: Vec<Related>,
}

impl Diagnostic {
    /// Makes an error about something else than the file.
    pub fn elsewhere(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            elsewhere: true,
            ..Self::error(code, Span::default(), message)
        }
    }

    /// Makes an error.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, span, message.into())
    }

    /// Makes a warning.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, span, message.into())
    }

    /// Makes a note.
    pub fn info(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Info, code, span, message.into())
    }

    fn new(severity: Severity, code: &'static str, span: Span, message: String) -> Self {
        Self {
            severity,
            code,
            message,
            help: None,
            url: None,
            span,
            elsewhere: false,
            related: Vec::new(),
        }
    }

    /// Says what to do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says what to do, where there is something to say.
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// Adds another place.
    pub fn related(mut self, span: Span, message: impl Into<String>) -> Self {
        self.related.push(Related {
            message: message.into(),
            span,
        });
        self
    }
}

/// All findings, in the order in which they were made, none of them twice.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    items: Vec<Diagnostic>,
    errors: usize,
}

impl Diagnostics {
    /// Adds a finding.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if diagnostic.severity == Severity::Error {
            self.errors += 1;
        }
        self.items.push(diagnostic);
    }

    /// Returns whether there is an error among them.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Returns the number of errors.
    pub fn error_count(&self) -> usize {
        self.errors
    }

    /// Returns the findings in the order of their places, each once: lowering for a second platform finds the same.
    pub fn into_sorted(self) -> Vec<Diagnostic> {
        let mut items = self.items;
        items.sort_by(|a, b| {
            (a.span, a.severity, a.code, &a.message).cmp(&(b.span, b.severity, b.code, &b.message))
        });
        items.dedup_by(|a, b| a.span == b.span && a.code == b.code && a.message == b.message);
        items
    }

    /// Adds all findings of another list.
    pub fn append(&mut self, other: Diagnostics) {
        self.errors += other.errors;
        self.items.extend(other.items);
    }

    /// Returns the findings in the order in which they were made.
    pub fn items(&self) -> &[Diagnostic] {
        &self.items
    }
}
