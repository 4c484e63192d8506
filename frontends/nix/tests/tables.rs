//! Runs every row of `tests/tables/*.txt`: an expression, ` => `, and what it evaluates to, printed as `nix-instantiate
//! --eval --strict` does, or `error: ` and the message. A row that begins with `~` is not held against an installed Nix:
//! that is older than the builtin, or a frontend answers something else on purpose (the comment above it says which).
//! `⏎` stands for a line break. `BLESS=1` writes what comes out.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use lapstrake_nix::eval::MemoryIo;
use support::Evaluator;

const ARROW: &str = " => ";

struct Row {
    file: String,
    line: usize,
    is_held_against_nix: bool,
    text: String,
    expected: String,
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tables");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder of tables")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

fn is_row(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with('#')
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for path in files() {
        let text = std::fs::read_to_string(&path).expect("a table");
        let file = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| is_row(line)) {
            let (text, expected) = line.rsplit_once(ARROW).unwrap_or((line, ""));
            rows.push(Row {
                file: file.clone(),
                line: index + 1,
                is_held_against_nix: !text.starts_with('~'),
                text: source(text),
                expected: expected.to_owned(),
            });
        }
    }
    rows
}

/// The expression of a row.
fn source(text: &str) -> String {
    text.strip_prefix('~').unwrap_or(text).trim().replace('⏎', "\n")
}

/// The files that the rows see.
fn io() -> MemoryIo {
    let mut io = MemoryIo::default();
    for (path, text) in [
        (
            "/lib/default.nix",
            "{ double = x: x * 2; here = ./.; file = ./data.txt; }",
        ),
        ("/lib/data.txt", "some data\n"),
        ("/lib/sub/other.nix", "a + b"),
        ("/lib/sub/broken.nix", "{ a = ; }"),
        ("/lib/data.json", "{\"a\": [1, 2.5, null]}"),
    ] {
        io.files.insert(path.to_owned(), text.as_bytes().to_vec());
    }
    io
}

fn run(evaluator: &Evaluator, row: &Row) -> String {
    match evaluator.eval(&row.text) {
        Ok(value) => value,
        Err(error) => format!("error: {}", error.replace('\n', "\\n")),
    }
}

#[test]
fn every_row_gives_what_it_says() {
    if std::env::var_os("BLESS").is_some() {
        return bless();
    }
    let rows = rows();
    assert!(rows.len() > 400, "only {} rows", rows.len());
    let mut failures = Vec::new();
    let evaluator = Evaluator::new(io());
    for row in &rows {
        let actual = run(&evaluator, row);
        if actual != row.expected {
            failures.push(format!(
                "{}:{}: {}\n  expected: {}\n  got:      {actual}",
                row.file, row.line, row.text, row.expected
            ));
        }
    }
    assert!(
        failures.is_empty(),
        "{} rows:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn bless() {
    let evaluator = Evaluator::new(io());
    for path in files() {
        let text = std::fs::read_to_string(&path).expect("a table");
        let mut out = String::new();
        for line in text.lines() {
            if is_row(line) {
                let (text, _) = line.rsplit_once(ARROW).unwrap_or((line, ""));
                let row = Row {
                    file: String::new(),
                    line: 0,
                    is_held_against_nix: false,
                    text: source(text),
                    expected: String::new(),
                };
                out.push_str(&format!("{text}{ARROW}{}", run(&evaluator, &row)));
            } else {
                out.push_str(line);
            }
            out.push('\n');
        }
        std::fs::write(&path, out).expect("a table");
    }
}

/// What the Nix that is installed prints for an expression.
fn nix(text: &str) -> Option<Result<String, String>> {
    let output = Command::new("nix-instantiate")
        .args([
            "--eval",
            "--strict",
            "--store",
            "dummy://",
            "-E",
            &format!("(\n{text}\n)"),
        ])
        .env("HOME", "/nonexistent")
        .env("NIX_STATE_DIR", std::env::temp_dir())
        .output()
        .ok()?;
    Some(if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    })
}

/// Its answers for several rows, by a few processes at a time.
fn all_at_once(rows: &[&Row]) -> Vec<Option<Result<String, String>>> {
    const AT_A_TIME: usize = 4;
    let mut answers = Vec::new();
    for some in rows.chunks(AT_A_TIME) {
        std::thread::scope(|scope| {
            let running: Vec<_> = some.iter().map(|row| scope.spawn(|| nix(&row.text))).collect();
            answers.extend(
                running
                    .into_iter()
                    .map(|process| process.join().expect("an answer")),
            );
        });
    }
    answers
}

#[test]
fn an_installed_nix_agrees() {
    if nix("1").is_none_or(|result| result.is_err()) {
        eprintln!("skipped: there is no working nix-instantiate (Debian: nix-bin)");
        return;
    }
    let rows: Vec<Row> = rows().into_iter().filter(|row| row.is_held_against_nix).collect();
    let (failing, giving): (Vec<&Row>, Vec<&Row>) =
        rows.iter().partition(|row| row.expected.starts_with("error: "));
    // One process for all that give a value; alone where they differ.
    let all: Vec<String> = giving.iter().map(|row| format!("(\n{}\n)", row.text)).collect();
    let expected: Vec<&str> = giving.iter().map(|row| row.expected.as_str()).collect();
    let mut differences = Vec::new();
    if nix(&format!("[ {} ]", all.join(" "))) != Some(Ok(format!("[ {} ]", expected.join(" ")))) {
        for row in &giving {
            let actual = nix(&row.text).unwrap();
            if actual.as_deref() != Ok(row.expected.as_str()) {
                differences.push(format!(
                    "{}:{}: {}\n  ours: {}\n  Nix:  {actual:?}",
                    row.file, row.line, row.text, row.expected
                ));
            }
        }
        assert!(
            !differences.is_empty(),
            "the rows agree one by one and not together"
        );
    }
    for (row, answer) in failing.iter().zip(all_at_once(&failing)) {
        if let Some(Ok(value)) = answer {
            differences.push(format!(
                "{}:{}: {}\n  ours: {}\n  Nix:  {value}",
                row.file, row.line, row.text, row.expected
            ));
        }
    }
    assert!(
        differences.is_empty(),
        "{} rows:\n{}",
        differences.len(),
        differences.join("\n")
    );
}
