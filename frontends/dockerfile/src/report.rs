//! From findings to the contract's diagnostics. Knows nothing of what the findings are about.

use lapstrake_sdk::types;

use crate::diagnostic::{Diagnostic, Severity};
use crate::source_map::SourceMap;

/// Translates findings; their ranges refer to the files of the map.
pub fn diagnostics(items: Vec<Diagnostic>, lines: &SourceMap) -> Vec<types::Diagnostic> {
    items.into_iter().map(|item| diagnostic(item, lines)).collect()
}

fn diagnostic(item: Diagnostic, lines: &SourceMap) -> types::Diagnostic {
    let range = |span: crate::span::Span| lines.range(span);
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
