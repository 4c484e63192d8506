//! Runs folders of cases: `input` is a build file, `request.json` says the rest ([`Case`]), and `graph.txt`,
//! `config.json`, `diagnostics.txt` and `answer.txt` are what has to come out, each where there is any.
//! With `BLESS` in the environment they are written. Knows no build language.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::case::Case;
use super::{Seen, print};
use crate::Frontend;
use crate::types::*;

const OUTPUTS: [&str; 4] = ["graph.txt", "config.json", "diagnostics.txt", "answer.txt"];

/// The cases of a frontend, one folder each.
#[derive(Clone, Debug)]
pub struct Cases {
    folders: Vec<PathBuf>,
    file: String,
}

impl Cases {
    /// Finds the cases of a folder.
    ///
    /// # Panics
    /// If the folder cannot be read.
    pub fn read(folder: impl AsRef<Path>) -> Self {
        let folder = folder.as_ref();
        let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let mut folders: Vec<PathBuf> = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()
            .unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        folders.sort();
        Self {
            folders,
            file: "Dockerfile".to_owned(),
        }
    }

    /// Says what the build files are called where a case does not.
    #[must_use]
    pub fn named(mut self, file: &str) -> Self {
        self.file = file.to_owned();
        self
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.folders.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.folders.is_empty()
    }

    /// Runs all of them. `after` sees each build file and what the host was asked.
    ///
    /// # Panics
    /// If what comes out is not what the folders say.
    pub fn check<F: Frontend>(&self, after: impl Fn(&str, &Seen)) {
        let bless = std::env::var_os("BLESS").is_some();
        let mut failures = Vec::new();
        for path in &self.folders {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let text = fs::read_to_string(path.join("input")).unwrap_or_else(|e| panic!("{name}: {e}"));
            let mut case: Case = match fs::read_to_string(path.join("request.json")) {
                Ok(json) => {
                    serde_json::from_str(&json).unwrap_or_else(|e| panic!("{name}/request.json: {e}"))
                }
                Err(_) => Case::default(),
            };
            case.file.get_or_insert_with(|| self.file.clone());
            let results = run::<F>(&case, &text, &after);
            assert!(!results.is_empty(), "{name}: nothing came out");
            for output in OUTPUTS {
                let actual = results.get(output);
                if let Err(failure) = compare(&path.join(output), actual, bless) {
                    failures.push(format!("{name}/{output}{failure}"));
                }
            }
        }
        assert!(
            failures.is_empty(),
            "{}\nrun with BLESS=1 to accept\n",
            failures.join("\n")
        );
    }
}

/// What a case gives, by the name of the file that holds it.
fn run<F: Frontend>(case: &Case, text: &str, after: &impl Fn(&str, &Seen)) -> BTreeMap<&'static str, String> {
    let (request, host) = (case.request(text), case.host());
    let mut out = BTreeMap::new();
    let failed = |error: BuildError| match error {
        BuildError::Invalid(report) => print::report(&report.items, text),
        error => format!("{error:?}\n"),
    };
    if let Some(name) = &case.call {
        match F::call(&host, name, request) {
            Ok(answer) => {
                let json = serde_json::from_str::<serde_json::Value>(&answer.json);
                assert!(json.is_ok(), "the answer is no JSON: {}", answer.json);
                out.insert("answer.txt", format!("{}---\n{}\n", answer.text, answer.json));
            }
            Err(error) => {
                out.insert("diagnostics.txt", failed(error));
            }
        }
        return out;
    }
    match F::build(&host, request) {
        Ok(result) => {
            check_graph(&result.definition);
            out.insert("graph.txt", print::graph(&result));
            out.insert("config.json", print::configs(&result.images));
            if !result.warnings.items.is_empty() {
                out.insert("diagnostics.txt", print::report(&result.warnings.items, text));
            }
        }
        Err(error) => {
            out.insert("diagnostics.txt", failed(error));
        }
    }
    after(text, &host.seen());
    out
}

/// A vertex names smaller ones alone, and every file action is in order.
fn check_graph(definition: &Definition) {
    for (index, vertex) in definition.vertices.iter().enumerate() {
        let mut inputs: Vec<Edge> = Vec::new();
        crate::graph::edges::for_each_edge(&mut vertex.op.clone(), &mut |edge| inputs.push(*edge));
        if let Op::File(actions) = &vertex.op {
            assert!(actions.last().is_some_and(|action| action.output));
        }
        assert!(
            inputs.iter().all(|edge| (edge.vertex as usize) < index),
            "vertex {index} names a later one"
        );
    }
}

/// Compares with the file, or writes it.
fn compare(file: &Path, actual: Option<&String>, bless: bool) -> Result<(), String> {
    let expected = fs::read_to_string(file).ok();
    if expected.as_ref() == actual {
        return Ok(());
    }
    let written = match (bless, actual) {
        (true, Some(actual)) => fs::write(file, actual),
        (true, None) => fs::remove_file(file),
        (false, _) => return Err(difference(expected, actual)),
    };
    written.map_err(|error| format!(": {error}"))
}

fn difference(expected: Option<String>, actual: Option<&String>) -> String {
    let (expected, actual) = (expected.unwrap_or_default(), actual.cloned().unwrap_or_default());
    let mut left = expected.lines();
    let mut right = actual.lines();
    loop {
        match (left.next(), right.next()) {
            (None, None) => return ": differs in line ends".to_owned(),
            (a, b) if a != b => {
                return format!(
                    ":\n  expected: {}\n  got:      {}",
                    a.unwrap_or("(end)"),
                    b.unwrap_or("(end)")
                );
            }
            _ => {}
        }
    }
}
