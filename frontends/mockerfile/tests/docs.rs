//! The files of docs/mockerfile.md and examples/mockerfile are compiled: what the docs show is what the frontend takes.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use lapstrake_mockerfile::MockerfileFrontend;
use lapstrake_mockerfile::frontend::schema_of;
use lapstrake_mockerfile::lint::RULES;
use lapstrake_mockerfile::model::Version;
use lapstrake_sdk::Frontend;
use lapstrake_sdk::testing::case::Case;
use lapstrake_sdk::testing::print;
use lapstrake_sdk::types::BuildError;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

/// The blocks of code of a page.
fn blocks(page: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    for line in page.lines() {
        let block = blocks.last_mut().unwrap();
        match line.strip_prefix("    ") {
            Some(code) => *block += &format!("{code}\n"),
            None if line.is_empty() && !block.is_empty() => *block += "\n",
            None if block.is_empty() => {}
            None => blocks.push(String::new()),
        }
    }
    blocks
}

/// The graph of a target. Nothing at all may be found.
fn graph(text: &str, target: Option<&str>) -> String {
    let case = Case::default();
    let mut request = case.request(text);
    request.target = target.map(str::to_owned);
    match MockerfileFrontend::build(&case.host(), request) {
        Ok(result) => {
            assert!(
                result.warnings.items.is_empty(),
                "{text}\n{}",
                print::report(&result.warnings.items, text)
            );
            print::graph(&result)
        }
        Err(BuildError::Invalid(report)) => panic!("{text}\n{}", print::report(&report.items, text)),
        Err(error) => panic!("{text}\n{error:?}"),
    }
}

#[test]
fn the_tour_is_one_file() {
    let blocks =
        blocks(&read("docs/mockerfile.md").replace("sha256: ...", &format!("sha256: {}", "0".repeat(64))));
    let first = blocks
        .iter()
        .find(|block| block.starts_with("# syntax=mockerfile\n"))
        .unwrap();
    assert!(graph(first.split("\n$ ").next().unwrap(), None).contains("kustomize"));

    let pieces: Vec<&str> = blocks
        .iter()
        .filter(|block| block.starts_with("- name: "))
        .map(String::as_str)
        .collect();
    assert_eq!(pieces.len(), 4);
    let file = format!("apiVersion: v1beta1\nimages:\n{}", pieces.concat());
    for (target, what) in [
        ("base", "signed-by=/etc/apt/keyrings/base-1.asc"),
        ("plugins", "[plugins] merge"),
        ("compiler", "[compiler] output /out/app"),
        ("app", "image linux/arm64"),
    ] {
        let graph = graph(&file, Some(target));
        assert!(graph.contains(what), "{target}: {graph}");
    }
}

#[test]
fn the_example_has_a_graph_for_each_of_its_images() {
    let file = read("examples/mockerfile/Mockerfile.yaml");
    for target in ["base", "compiler", "app"] {
        assert!(graph(&file, Some(target)).contains("image linux/amd64"));
    }
}

#[test]
fn the_tables_name_every_key_and_check() {
    let page = read("docs/mockerfile.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    let row = |word: &str| {
        let named = |row: &&&str| row.split('|').nth(1).unwrap().contains(&format!("`{word}`"));
        let row = rows.iter().find(named);
        row.unwrap_or_else(|| panic!("docs/mockerfile.md has no row for {word}"))
    };
    let keys = |version| -> Vec<String> {
        let schema: serde_json::Value = serde_json::from_str(&schema_of(version)).unwrap();
        let image = &schema["properties"]["images"]["items"]["properties"];
        image.as_object().unwrap().keys().cloned().collect()
    };
    let old = keys(Version::V1alpha1);
    for key in keys(Version::V1beta1) {
        let since = if old.contains(&key) { "v1alpha1" } else { "v1beta1" };
        assert_eq!(row(&key).split('|').nth(2).unwrap().trim(), since, "{key}");
    }
    for check in RULES {
        row(check);
    }
}
