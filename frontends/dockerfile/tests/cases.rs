//! Runs every folder of `tests/cases/dockerfile`: `input` is a Dockerfile, `request.json` says the rest, and
//! `graph.txt`, `config.json`, `diagnostics.txt` and `answer.txt` are what has to come out, each where there is any.
//! `BLESS=1` writes them.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lapstrake_dockerfile::DockerfileFrontend;
use lapstrake_sdk::Frontend;
use lapstrake_sdk::types::*;
use support::print;
use support::request::Case;

const OUTPUTS: [&str; 4] = ["graph.txt", "config.json", "diagnostics.txt", "answer.txt"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases/dockerfile")
}

/// What a case gives, by the name of the file that holds it.
fn run(case: &Case, text: &str) -> BTreeMap<&'static str, String> {
    let (request, host) = (case.request(text), case.host());
    let mut out = BTreeMap::new();
    let mut failed = |error: BuildError| match error {
        BuildError::Invalid(report) => out.insert("diagnostics.txt", print::report(&report.items, text)),
        error => out.insert("diagnostics.txt", format!("{error:?}\n")),
    };
    if let Some(name) = &case.call {
        match DockerfileFrontend::call(&host, name, request) {
            Ok(answer) => {
                serde_json::from_str::<serde_json::Value>(&answer.json).expect("the answer is JSON");
                out.insert("answer.txt", format!("{}---\n{}\n", answer.text, answer.json));
            }
            Err(error) => {
                failed(error);
            }
        }
        return out;
    }
    match DockerfileFrontend::build(&host, request) {
        Ok(result) => {
            check_graph(&result.definition);
            out.insert("graph.txt", print::graph(&result));
            out.insert("config.json", print::configs(&result.images));
            if !result.warnings.items.is_empty() {
                out.insert("diagnostics.txt", print::report(&result.warnings.items, text));
            }
        }
        Err(error) => {
            failed(error);
        }
    }
    let asked = host.seen().image_requests;
    assert!(
        asked.len() <= 1 || text.contains("onbuild"),
        "images are resolved in one call, not in {}",
        asked.len()
    );
    out
}

/// A vertex names smaller ones alone, and every file action is in order.
fn check_graph(definition: &Definition) {
    for (index, vertex) in definition.vertices.iter().enumerate() {
        let inputs: Vec<Edge> = match &vertex.op {
            Op::Exec(exec) => exec
                .mounts
                .iter()
                .filter_map(|mount| match &mount.kind {
                    MountKind::Bind(bind) => bind.input,
                    MountKind::Cache(cache) => cache.input,
                    _ => None,
                })
                .collect(),
            Op::File(actions) => {
                assert!(actions.last().is_some_and(|action| action.output));
                actions
                    .iter()
                    .flat_map(|action| match &action.kind {
                        FileActionKind::Copy(copy) => vec![action.base, copy.src],
                        _ => vec![action.base],
                    })
                    .filter_map(|input| match input {
                        FileInput::Edge(edge) => Some(edge),
                        _ => None,
                    })
                    .collect()
            }
            Op::Merge(inputs) => inputs.clone(),
            _ => Vec::new(),
        };
        assert!(
            inputs.iter().all(|edge| (edge.vertex as usize) < index),
            "vertex {index} names a later one"
        );
    }
}

#[test]
fn all_cases() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut names: Vec<PathBuf> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    assert!(names.len() >= 60, "only {} cases", names.len());
    let mut failures = Vec::new();
    for path in names {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(path.join("input")).unwrap_or_else(|e| panic!("{name}: {e}"));
        let case: Case = match fs::read_to_string(path.join("request.json")) {
            Ok(json) => serde_json::from_str(&json).unwrap_or_else(|e| panic!("{name}/request.json: {e}")),
            Err(_) => Case::default(),
        };
        let results = run(&case, &text);
        assert!(!results.is_empty());
        for output in OUTPUTS {
            let file = path.join(output);
            let expected = fs::read_to_string(&file).ok();
            let actual = results.get(output);
            if expected.as_ref() == actual {
                continue;
            }
            match (bless, actual) {
                (true, Some(actual)) => fs::write(&file, actual).unwrap(),
                (true, None) => fs::remove_file(&file).unwrap(),
                (false, _) => failures.push(difference(&format!("{name}/{output}"), expected, actual)),
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{}\nrun with BLESS=1 to accept\n",
        failures.join("\n")
    );
}

fn difference(name: &str, expected: Option<String>, actual: Option<&String>) -> String {
    let (expected, actual) = (expected.unwrap_or_default(), actual.cloned().unwrap_or_default());
    let mut left = expected.lines();
    let mut right = actual.lines();
    loop {
        match (left.next(), right.next()) {
            (None, None) => return format!("{name}: differs in line ends"),
            (a, b) if a != b => {
                return format!(
                    "{name}:\n  expected: {}\n  got:      {}",
                    a.unwrap_or("(end)"),
                    b.unwrap_or("(end)")
                );
            }
            _ => {}
        }
    }
}
