//! From errors of an evaluation to the contract's diagnostics. Knows nothing of how they are shown.

use lapstrake_sdk::types::{BuildError, Diagnostic, Report, Severity, SourceRange};

use crate::error::Error;
use crate::sources::Sources;

/// Makes the diagnostics of an error and of those that were found with it.
pub fn diagnostics(error: &Error, sources: &Sources) -> Vec<Diagnostic> {
    let mut items = vec![diagnostic(error, sources)];
    items.extend(
        error
            .details()
            .more
            .iter()
            .map(|error| diagnostic(error, sources)),
    );
    items
}

/// Makes the error that a frontend answers with.
pub fn build_error(error: &Error, sources: &Sources) -> BuildError {
    BuildError::Invalid(Report::new(diagnostics(error, sources), sources.files()))
}

/// The same, for an error of what was described and not of how: it is at `place`.
pub fn build_error_at(error: &Error, sources: &Sources, place: Option<SourceRange>) -> BuildError {
    let mut items = diagnostics(error, sources);
    if let (Some(first), Some(place)) = (items.first_mut(), place)
        && first.ranges.is_empty()
    {
        first.ranges.push(first_line(place, sources));
    }
    BuildError::Invalid(Report::new(items, sources.files()))
}

/// Something that does not keep a file from being built.
pub fn warning(warning: &Error, sources: &Sources) -> Diagnostic {
    Diagnostic {
        severity: Severity::Warning,
        code: "NoEffect".to_owned(),
        ..diagnostic(warning, sources)
    }
}

fn diagnostic(error: &Error, sources: &Sources) -> Diagnostic {
    let details = error.details();
    let mut item = Diagnostic::error(details.kind.code(), details.message.clone());
    item.help = details.help.clone();
    let range = |span| sources.range(span);
    let mut shown: Vec<SourceRange> = details.span.and_then(range).into_iter().collect();
    let mut notes = Vec::new();
    for note in &details.trace {
        match note.span.and_then(range) {
            Some(at) => {
                // An error without a place of its own is where the innermost step is.
                if shown.is_empty() {
                    shown.push(at);
                }
                notes.push((note.message.clone(), first_line(at, sources)));
            }
            // A step inside of what came with the frontend, which nobody sees the source of.
            None if note.span.is_some() || note.message.starts_with("while calling") => {}
            None => item.message = format!("{} ({})", item.message, note.message),
        }
    }
    item.ranges = shown
        .into_iter()
        .map(|range| first_line(range, sources))
        .collect();
    for (message, at) in notes {
        item = item.related(message, at);
    }
    if details.omitted > 0
        && let Some(last) = item.related.last_mut()
    {
        last.message
            .push_str(&format!(" (and {} steps more)", details.omitted));
    }
    item
}

/// The part of a range that is in its first line: a place is to be found, not a file to be marked from end to end.
fn first_line(range: SourceRange, sources: &Sources) -> SourceRange {
    if range.start.line == range.stop.line {
        return range;
    }
    let mut first = range;
    first.stop = range.start;
    first.stop.column = range
        .start
        .column
        .max(sources.line_end(range.file, range.start.line));
    first
}
