//! The examples of docs/nix.md and docs/nix-builds.md, as a reader would try them: each file is written, and each command
//! after it is run.

use std::path::Path;

use lapstrake_tests::{Place, base, can_run_containers, skip};

/// Something that the page shows.
#[derive(Debug, PartialEq)]
enum Example {
    /// A file and what it holds.
    File { name: String, text: String },
    /// What comes after `$ lapstrake`.
    Command(Vec<String>),
}

/// The examples of a page: blocks that are indented by four spaces.
fn examples(page: &str) -> Vec<Example> {
    let mut blocks: Vec<Vec<&str>> = vec![Vec::new()];
    let mut previous = "";
    for line in page.lines() {
        let last = blocks.last_mut().unwrap();
        match line.strip_prefix("    ") {
            Some(code) if !last.is_empty() || previous.is_empty() => last.push(code),
            _ if line.is_empty() && !last.is_empty() => last.push(""),
            _ if !last.is_empty() => blocks.push(Vec::new()),
            _ => {}
        }
        previous = line;
    }
    blocks.iter().flat_map(|block| of_block(block)).collect()
}

/// A block is commands, or a file; a comment in its first line names it. What is neither is no example.
fn of_block(block: &[&str]) -> Vec<Example> {
    let Some(first) = block.first() else {
        return Vec::new();
    };
    if !first.starts_with('#') && !first.starts_with('$') {
        return Vec::new();
    }
    let mut examples = Vec::new();
    for line in block {
        if let Some(words) = line.strip_prefix("$ lapstrake ") {
            let words = words.split('#').next().unwrap_or_default();
            let words = words
                .split_whitespace()
                .map(|word| word.trim_matches('"').to_owned());
            examples.push(Example::Command(words.collect()));
        } else if let Some(name) = line.strip_prefix("# ").filter(|name| name.ends_with(".nix")) {
            let (name, text) = (name.to_owned(), String::new());
            examples.push(Example::File { name, text });
        } else {
            if examples.is_empty() {
                let (name, text) = ("default.nix".to_owned(), String::new());
                examples.push(Example::File { name, text });
            }
            if let Some(Example::File { text, .. }) = examples.last_mut() {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    examples
}

/// Runs the examples of a page; how many files and commands there were.
fn try_out(name: &str) -> (usize, usize) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    let page = std::fs::read_to_string(page).unwrap();
    let place = Place::new();
    let base = base::context();
    let (_, layout) = base.split_once('=').unwrap();
    let contexts = ["debian:12", "busybox"].map(|image| format!("{image}={layout}"));
    let (mut files, mut commands) = (0, 0);
    let mut is_tried = true;
    let run = |words: &[String]| {
        let mut command = place.command();
        command.current_dir(place.path("context")).args(words);
        for context in &contexts {
            command.args(["--build-context", context]);
        }
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{name}: lapstrake {}\n{said}",
            words.join(" ")
        );
    };
    let default = ["build", "."].map(str::to_owned);
    for example in examples(&page) {
        match example {
            Example::File { name, text } => {
                if !is_tried {
                    run(&default);
                }
                is_tried = name != "default.nix";
                place.file(&name, text);
                files += 1;
            }
            Example::Command(words) => {
                run(&words);
                is_tried = true;
                commands += 1;
            }
        }
    }
    if !is_tried {
        run(&default);
    }
    (files, commands)
}

#[test]
fn the_examples_of_the_docs_work() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let (files, commands) = try_out("nix.md");
    assert!(files >= 4 && commands >= 7, "{files} files, {commands} commands");
    let (files, _) = try_out("nix-builds.md");
    assert!(files >= 1, "{files} files");
}

#[test]
fn examples_are_found() {
    let page = "text\n\n    # a.nix\n    1\n\n    2\n    # default.nix\n    3\n\n    $ lapstrake build . -A x\n\nend\n    no block\n\n    \
                error: none\n";
    let file = |name: &str, text: &str| Example::File {
        name: name.to_owned(),
        text: text.to_owned(),
    };
    let command = ["build", ".", "-A", "x"].map(str::to_owned);
    assert_eq!(
        examples(page),
        [
            file("a.nix", "1\n\n2\n"),
            file("default.nix", "3\n\n"),
            Example::Command(command.into()),
        ]
    );
}
