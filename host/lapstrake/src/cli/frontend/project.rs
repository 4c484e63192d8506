//! `lapstrake frontend new`, `build` and `test`: words to a project, and what became of it on the terminal.
//! Knows nothing of languages or cases.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use super::Failure;
use super::words::{NewWords, ProjectWords, TestWords};
use crate::error::Error;
use crate::project::{self, Difference, New, Project, ProjectError, Tools, Verdict};

/// Lines of a difference that are shown around what differs.
const AROUND: usize = 2;

impl From<ProjectError> for Failure {
    fn from(error: ProjectError) -> Self {
        Self::Engine(Error::Project(error))
    }
}

/// Where programs are on this machine.
pub(super) fn tools() -> Tools {
    Tools {
        path: std::env::var_os("PATH").unwrap_or_default(),
        system: "/usr/bin".into(),
    }
}

/// Makes a project.
pub fn new(words: &NewWords) -> Result<(), Failure> {
    let sdk = words.sdk.as_ref().map(std::path::absolute).transpose()?;
    project::create(&New {
        name: words.name.clone(),
        language: words.lang,
        folder: words.name.clone().into(),
        sdk,
    })?;
    let name = &words.name;
    writeln!(
        std::io::stdout(),
        "{name}/ is a frontend in {lang}. Next:\n  cd {name}\n  lapstrake frontend test\n  lapstrake frontend run cases/hello/input",
        lang = words.lang,
    )?;
    Ok(())
}

/// Builds a project.
pub fn build(words: &ProjectWords) -> Result<(), Failure> {
    let built = Project::find(&words.project)?.build(&tools())?;
    writeln!(std::io::stdout(), "{} ({} bytes)", shown(&built.path), built.size)?;
    Ok(())
}

/// A path below the working directory without it.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let short = here.as_ref().and_then(|here| path.strip_prefix(here).ok());
    short.unwrap_or(path).display().to_string()
}

/// Builds a project and tells of each case.
pub fn test(words: &TestWords) -> Result<ExitCode, Failure> {
    let project = Project::find(&words.project.project)?;
    let cases = project.cases(&words.cases)?;
    if !words.no_build {
        project.build(&tools())?;
    }
    let frontend = project.frontend()?;
    let mut out = std::io::stdout().lock();
    let mut bad = 0;
    for case in &cases {
        let checked = case.check(&frontend, words.bless)?;
        match &checked.verdict {
            Verdict::Passed => writeln!(out, "ok       {}", checked.name)?,
            Verdict::Blessed => writeln!(out, "blessed  {}", checked.name)?,
            Verdict::Differs(differences) => {
                bad += 1;
                writeln!(out, "FAILED   {}", checked.name)?;
                for difference in differences {
                    out.write_all(text(difference, "expected", "found").as_bytes())?;
                }
            }
            Verdict::NotDeterministic(difference) => {
                bad += 1;
                writeln!(
                    out,
                    "FAILED   {}: two equal requests had different answers",
                    checked.name
                )?;
                out.write_all(text(difference, "first", "second").as_bytes())?;
            }
        }
    }
    match bad {
        0 => writeln!(out, "{} cases, all good", cases.len())?,
        bad => writeln!(
            out,
            "{} cases, {bad} failed; if that is how it should be, --bless writes it down",
            cases.len()
        )?,
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(bad > 0)))
}

/// What differs, with a little around it.
fn text(difference: &Difference, expected: &str, found: &str) -> String {
    let file = difference.file;
    let (Some(old), Some(new)) = (&difference.expected, &difference.found) else {
        return match (&difference.expected, &difference.found) {
            (_, Some(text)) => {
                format!(
                    "  {file} is not there, but this came out:\n{}",
                    indented('+', text.lines())
                )
            }
            (text, None) => {
                let lines = text.iter().flat_map(|text| text.lines());
                format!(
                    "  {file} should have come out, but nothing did:\n{}",
                    indented('-', lines)
                )
            }
        };
    };
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same = |pair: &(&&str, &&str)| pair.0 == pair.1;
    let front = old.iter().zip(&new).take_while(same).count();
    let most = old.len().min(new.len()) - front;
    let back = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take(most)
        .take_while(same)
        .count();
    let mut out = format!("  {file}: - {expected}, + {found}, from line {}\n", front + 1);
    out += &indented(' ', old[front.saturating_sub(AROUND)..front].iter().copied());
    out += &indented('-', old[front..old.len() - back].iter().copied());
    out += &indented('+', new[front..new.len() - back].iter().copied());
    out += &indented(' ', old[old.len() - back..].iter().take(AROUND).copied());
    out
}

fn indented<'a>(mark: char, lines: impl Iterator<Item = &'a str>) -> String {
    lines.map(|line| format!("    {mark} {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(expected: Option<&str>, found: Option<&str>) -> String {
        let difference = Difference {
            file: "graph.txt",
            expected: expected.map(str::to_owned),
            found: found.map(str::to_owned),
        };
        text(&difference, "expected", "found")
    }

    #[test]
    fn only_what_differs_is_shown() {
        assert_eq!(
            difference(Some("a\nb\nc\nd\ne\nf\n"), Some("a\nb\nc\nX\ne\nf\n")),
            "  graph.txt: - expected, + found, from line 4\n      b\n      c\n    - d\n    + X\n      e\n      f\n"
        );
        assert!(difference(None, Some("new\n")).contains("is not there, but this came out:\n    + new\n"));
        assert!(difference(Some("old\n"), None).contains("nothing did:\n    - old\n"));
    }
}
