//! What is wrong or doubtful in a file, with its place. Knows nothing of what a file may say.

use std::ops::Range;

use lapstrake_sdk::LineIndex;
use lapstrake_sdk::types::{Diagnostic, Severity, SourceRange};

/// A byte range of the source text.
pub type Span = Range<usize>;

/// All findings of a file.
#[derive(Debug, Clone)]
pub struct Findings {
    lines: LineIndex,
    items: Vec<(Span, Diagnostic)>,
}

impl Findings {
    /// Begins with nothing, for a text.
    pub fn new(text: &str) -> Self {
        Self {
            lines: LineIndex::new(text),
            items: Vec::new(),
        }
    }

    /// A place as lines and columns.
    pub fn range(&self, span: &Span) -> SourceRange {
        self.lines.range(0, span.clone())
    }

    /// Adds an error; what is said more about it is said to what is returned.
    pub fn error(&mut self, code: &str, span: &Span, message: impl Into<String>) -> Noted<'_> {
        self.push(span, Diagnostic::error(code, message))
    }

    /// Adds a warning.
    pub fn warning(&mut self, code: &str, span: &Span, message: impl Into<String>) -> Noted<'_> {
        self.push(span, Diagnostic::warning(code, message))
    }

    /// Adds a note.
    pub fn info(&mut self, code: &str, span: &Span, message: impl Into<String>) -> Noted<'_> {
        self.push(span, Diagnostic::new(Severity::Info, code, message))
    }

    fn push(&mut self, span: &Span, diagnostic: Diagnostic) -> Noted<'_> {
        let range = self.range(span);
        self.items.push((span.clone(), diagnostic.at(range)));
        Noted { findings: self }
    }

    /// Whether there is an error.
    pub fn has_errors(&self) -> bool {
        self.items
            .iter()
            .any(|(_, item)| item.severity == Severity::Error)
    }

    /// Whether there is an error in a part of the text, so that what is missing there may be missing because of it.
    pub fn has_errors_in(&self, span: &Span) -> bool {
        let inside = |at: &Span| span.start <= at.start && at.end <= span.end;
        self.items
            .iter()
            .any(|(at, item)| item.severity == Severity::Error && inside(at))
    }

    /// Changes or removes findings.
    pub fn retain(&mut self, mut keep: impl FnMut(&mut Diagnostic) -> bool) {
        self.items.retain_mut(|(_, item)| keep(item));
    }

    /// All of them in the order of their places, each once: lowering for a second platform finds the same.
    pub fn into_sorted(self) -> Vec<Diagnostic> {
        let mut items = self.items;
        items.sort_by_key(|(span, _)| (span.start, span.end));
        items.dedup();
        items.into_iter().map(|(_, item)| item).collect()
    }
}

/// A finding that was just added.
pub struct Noted<'a> {
    findings: &'a mut Findings,
}

impl Noted<'_> {
    /// Says what to do.
    pub fn help(self, help: impl Into<String>) -> Self {
        self.maybe_help(Some(help.into()))
    }

    /// Says what to do, where there is something to say.
    pub fn maybe_help(self, help: Option<String>) -> Self {
        if let Some((_, item)) = self.findings.items.last_mut() {
            item.help = help.or(item.help.take());
        }
        self
    }

    /// Points at another place.
    pub fn related(self, span: &Span, message: impl Into<String>) -> Self {
        let range = self.findings.range(span);
        if let Some((_, item)) = self.findings.items.last_mut() {
            *item = item.clone().related(message, range);
        }
        self
    }
}

/// "Did you mean": the help that names the word which was probably meant.
pub fn did_you_mean<'a>(word: &str, options: impl IntoIterator<Item = &'a str>) -> Option<String> {
    lapstrake_sdk::did_you_mean(word, options).map(|option| format!("did you mean `{option}`?"))
}
