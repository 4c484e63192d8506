//! What holds for every finding, whatever the language: it says something, and its places are in the files.
//! For the tests that throw generated texts at a frontend, and its fuzz targets.

use crate::types::{Position, Report};

/// Whether a place is one of a text, its end included, and not inside of a character.
pub fn is_inside(text: &str, place: Position) -> bool {
    let line = text.split('\n').nth((place.line as usize).wrapping_sub(1));
    line.is_some_and(|line| place.column >= 1 && line.is_char_boundary(place.column as usize - 1))
}

/// Checks the findings about a text; those about other files, against the report's.
///
/// # Panics
/// If one has no code or no message, or a place that is none.
pub fn check_findings(report: &Report, text: &str) {
    for item in &report.items {
        assert!(!item.message.is_empty() && !item.code.is_empty(), "{item:?}");
        let related = item.related.iter().map(|related| &related.range);
        for range in item.ranges.iter().chain(related) {
            let source = report.sources.get(range.file as usize);
            let text = source.map_or(text, |source| source.text.as_str());
            assert!(range.start <= range.stop, "{item:?} in {text:?}");
            assert!(
                is_inside(text, range.start) && is_inside(text, range.stop),
                "{item:?} in {text:?}"
            );
        }
    }
}

/// The same, for a language whose every finding has a place.
///
/// # Panics
/// As `check_findings`, and if one has no place.
pub fn check_placed_findings(report: &Report, text: &str) {
    for item in &report.items {
        assert!(!item.ranges.is_empty(), "{item:?} has no place in {text:?}");
    }
    check_findings(report, text);
}
