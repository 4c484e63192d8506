//! docs/dockerfile-conformance.md names tests that exist, at least one in each row, and a case with a place for each check.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use lapstrake_dockerfile::lint::RULES;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The cells of each row of the page's tables, heads and rules of tables left out.
fn rows(page: &str) -> Vec<Vec<String>> {
    let is_row = |line: &&str| line.starts_with("| ") && !line.ends_with("| Shown by |");
    let cells = |line: &str| {
        let line = line.replace("\\|", "\u{0}");
        let cells = line.trim().trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    };
    page.lines().filter(is_row).map(cells).collect()
}

/// The words of a cell that stand in backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Finds tests, each file read once.
#[derive(Default)]
struct Tests {
    texts: HashMap<PathBuf, Option<String>>,
}

impl Tests {
    fn has(&mut self, file: PathBuf, name: &str) -> bool {
        let text = self
            .texts
            .entry(file)
            .or_insert_with_key(|file| fs::read_to_string(file).ok());
        let declared = format!("#[test]\n    fn {name}()");
        let unindented = format!("#[test]\nfn {name}()");
        text.as_ref()
            .is_some_and(|text| text.contains(&declared) || text.contains(&unindented))
    }

    /// Whether there is a test of that name.
    fn exists(&mut self, name: &str) -> bool {
        if let Some((path, name)) = name.split_once('#') {
            return self.has(root().join(path), name);
        }
        let Some((module, name)) = name.rsplit_once("::") else {
            return root()
                .join("tests/cases/dockerfile")
                .join(name)
                .join("input")
                .is_file();
        };
        let base = root().join("tests/e2e").join(module.replace("::", "/"));
        self.has(base.with_extension("rs"), name) || self.has(base.join("mod.rs"), name)
    }
}

fn page() -> String {
    fs::read_to_string(root().join("docs/dockerfile-conformance.md")).expect("the page is there")
}

#[test]
fn every_test_on_the_page_exists() {
    let (page, mut tests) = (page(), Tests::default());
    let rows = rows(&page);
    assert!(rows.len() > 150, "only {} rows", rows.len());
    let mut wrong = Vec::new();
    for row in &rows {
        let [what, _, shown] = row.as_slice() else {
            wrong.push(format!("a row of {} cells: {row:?}", row.len()));
            continue;
        };
        let names = quoted(shown);
        if names.is_empty() {
            wrong.push(format!("nothing shows: {what}"));
        }
        let missing = names.into_iter().filter(|name| !tests.exists(name));
        wrong.extend(missing.map(|name| format!("there is no test {name} ({what})")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(!tests.exists("no-such-case") && !tests.exists("files::no_such_test"));
}

#[test]
fn every_check_has_a_case_with_its_place() {
    let (page, mut wrong) = (page(), Vec::new());
    let rows = rows(&page);
    for rule in RULES {
        let row = rows.iter().find(|row| row[0] == rule.name);
        let cases = row.map(|row| quoted(&row[2])).unwrap_or_default();
        let is_found = |case: &&str| {
            let file = root()
                .join("tests/cases/dockerfile")
                .join(case)
                .join("diagnostics.txt");
            let found = fs::read_to_string(file).unwrap_or_default();
            let mut lines = found
                .lines()
                .skip_while(|line| !line.contains(&format!("[{}]", rule.name)));
            lines.nth(1).is_some_and(|place| place.starts_with("  at "))
        };
        if !cases.iter().any(is_found) {
            wrong.push(rule.name);
        }
    }
    assert!(wrong.is_empty(), "no case finds {}", wrong.join(", "));
}
