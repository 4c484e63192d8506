//! From findings to the contract's diagnostics. Knows nothing of what the findings are about.

use lapstrake_sdk::LineIndex;
use lapstrake_sdk::types;

use crate::diagnostic::{Diagnostic, Severity};

/// Translates findings; their ranges refer to the first source of the request.
pub fn diagnostics(items: Vec<Diagnostic>, lines: &LineIndex) -> Vec<types::Diagnostic> {
    items.into_iter().map(|item| diagnostic(item, lines)).collect()
}

fn diagnostic(item: Diagnostic, lines: &LineIndex) -> types::Diagnostic {
    let range = |span: crate::span::Span| lines.range(0, span.start..span.end);
    let severity = match item.severity {
        Severity::Error => types::Severity::Error,
        Severity::Warning => types::Severity::Warning,
        Severity::Info => types::Severity::Info,
    };
    let mut diagnostic = types::Diagnostic::new(severity, item.code, item.message);
    if !item.elsewhere {
        diagnostic = diagnostic.at(range(item.span));
    }
    diagnostic.help = item.help;
    diagnostic.url = item.url;
    for related in item.related {
        diagnostic = diagnostic.related(related.message, range(related.span));
    }
    diagnostic
}
