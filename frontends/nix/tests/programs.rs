//! Runs every `tests/programs/*.nix`, programs of the size of a library's file, and compares what they print with the
//! `.out` beside them. `BLESS=1` writes it. An installed Nix has to print the same.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use lapstrake_nix::eval::MemoryIo;
use support::Evaluator;

fn programs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs");
    let entries = std::fs::read_dir(folder).expect("the folder of programs");
    let mut programs: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "nix"))
        .collect();
    programs.sort();
    programs
}

#[test]
fn programs_print_what_they_should() {
    let evaluator = Evaluator::new(MemoryIo::default());
    let programs = programs();
    assert!(programs.len() >= 3);
    for program in programs {
        let text = std::fs::read_to_string(&program).expect("a program");
        let printed = match evaluator.eval(&text) {
            Ok(printed) => printed + "\n",
            Err(error) => panic!("{}: {error}", program.display()),
        };
        let out = program.with_extension("out");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&out, &printed).expect("the output");
        }
        let expected = std::fs::read_to_string(&out).expect("the output");
        assert_eq!(printed, expected, "{}", program.display());
    }
}

#[test]
fn an_installed_nix_prints_the_same() {
    for program in programs() {
        let output = Command::new("nix-instantiate")
            .args(["--eval", "--strict", "--store", "dummy://"])
            .arg(&program)
            .env("HOME", "/nonexistent")
            .env("NIX_STATE_DIR", std::env::temp_dir())
            .output();
        let Ok(output) = output else {
            eprintln!("skipped: there is no nix-instantiate (Debian: nix-bin)");
            return;
        };
        let expected = std::fs::read_to_string(program.with_extension("out")).expect("the output");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            expected,
            "{}: {}",
            program.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
