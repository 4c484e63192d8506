//! The frontend without Wasm and without a host.

use include_source_frontend::IncludeSource;
use lapstrake_sdk::Frontend;
use lapstrake_sdk::testing::{MemoryHost, MemoryTree, request};
use lapstrake_sdk::types::*;

fn host(files: &[(&str, &str)]) -> MemoryHost {
    let tree = files
        .iter()
        .fold(MemoryTree::new(), |tree, (name, text)| tree.file(name, *text));
    MemoryHost::new().context(MAIN_CONTEXT, tree)
}

#[test]
fn lines_of_other_files_keep_their_places() {
    let host = host(&[("parts/a", "one\nINCLUDE b\nfour"), ("b", "two\nthree\n")]);
    let request = request("Main", "zero\n  include parts/a\nfive\n");
    let made = IncludeSource::rewrite_sources(&host, request).unwrap();
    assert_eq!(made.text, "zero\none\ntwo\nthree\nfour\nfive\n");
    let places: Vec<_> = (1..=6)
        .map(|line| {
            let part = made
                .origins
                .iter()
                .find(|part| (part.line..part.line + part.count).contains(&line));
            let part = part.unwrap();
            let file = &made.files[part.origin.file as usize].name;
            (file.as_str(), part.origin.start.line + line - part.line)
        })
        .collect();
    assert_eq!(
        places,
        [
            ("Main", 1),
            ("parts/a", 1),
            ("b", 1),
            ("b", 2),
            ("parts/a", 3),
            ("Main", 3)
        ]
    );
}

#[test]
fn every_mistake_has_its_place() {
    let host = host(&[("a", "INCLUDE a\n")]);
    let error =
        IncludeSource::rewrite_sources(&host, request("Main", "INCLUDE none\nINCLUDE a\n")).unwrap_err();
    let BuildError::Invalid(report) = error else {
        panic!("{error:?}")
    };
    let codes: Vec<_> = report.items.iter().map(|item| item.code.as_str()).collect();
    assert_eq!(codes, ["IncludeFile", "IncludeCycle"]);
    let range = report.items[1].ranges[0];
    assert_eq!(report.sources[range.file as usize].name, "a");
}

#[test]
fn a_text_without_includes_asks_for_nothing() {
    let host = MemoryHost::new();
    let made = IncludeSource::rewrite_sources(&host, request("Main", "FROM x\n")).unwrap();
    assert_eq!(made.text, "FROM x\n");
    assert!(host.seen().solves.is_empty());
}
