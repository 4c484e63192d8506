//! Throws generated texts at the whole frontend: nothing panics or loops, and every finding has its place in the text.

#[path = "support/generate.rs"]
mod generate;

use std::fs;
use std::path::Path;

use lapstrake_dockerfile::DockerfileFrontend;
use lapstrake_sdk::Frontend;
use lapstrake_sdk::testing::case::Case;
use lapstrake_sdk::testing::places::check_placed_findings as check;
use lapstrake_sdk::types::*;

use generate::{dockerfile, long_texts};

/// The host takes no variable without a name.
fn check_names(definition: &Definition, text: &str) {
    for vertex in &definition.vertices {
        let Op::Exec(exec) = &vertex.op else { continue };
        let secrets = exec.secret_envs.iter().map(|secret| &secret.name);
        for name in exec.env.iter().map(|pair| &pair.key).chain(secrets) {
            assert!(
                !name.is_empty() && !name.contains(['=', '\0']),
                "{name:?} in {text:?}"
            );
        }
    }
}

/// Asks for all that a frontend can be asked about a text; whether it can be built.
fn answers(case: &Case, text: &str) -> bool {
    let built = match DockerfileFrontend::build(&case.host(), case.request(text)) {
        Ok(result) => {
            check(&result.warnings, text);
            check_names(&result.definition, text);
            true
        }
        Err(BuildError::Invalid(report)) => {
            assert!(report.has_errors(), "{text:?}");
            check(&report, text);
            false
        }
        Err(other) => panic!("{other:?} for {text:?}"),
    };
    let report = DockerfileFrontend::lint(&case.host(), case.request(text)).expect(text);
    check(&report, text);
    let _ = DockerfileFrontend::outline(&case.host(), case.request(text));
    built
}

#[test]
fn nothing_breaks_it() {
    let case = Case::default();
    let count = if cfg!(debug_assertions) { 2_000 } else { 10_000 };
    let built = (0..count)
        .filter(|seed| answers(&case, &dockerfile(*seed)))
        .count();
    let refused = count as usize - built;
    assert!(
        built > count as usize / 10 && refused > count as usize / 3,
        "{built} built, {refused} refused: the generator is of no use"
    );
}

/// What the fuzzer (`fuzz/`) found once: files of tests/regressions, each a text that was a mistake.
#[test]
fn what_was_found_once() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/regressions");
    let case = Case::default();
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let bytes = fs::read(entry.expect("an entry").path()).expect("a file");
        answers(&case, &String::from_utf8_lossy(&bytes));
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn the_same_text_gives_the_same_answer() {
    let case = Case::default();
    for seed in 1..=500_u64 {
        let text = dockerfile(seed);
        let build =
            || DockerfileFrontend::build(&case.host(), case.request(&text)).map_err(|e| format!("{e:?}"));
        assert_eq!(build(), build(), "{text:?}");
    }
}

#[test]
fn long_texts_are_read() {
    // That none takes unduly long is a matter of fuel, and tested where there is some: host/frontend/tests/generated.rs.
    let case = Case::default();
    for text in long_texts() {
        let _ = DockerfileFrontend::build(&case.host(), case.request(&text));
    }
}
