//! Makes a project: the template of a language, with the SDK and the contract beside it. Knows nothing of any language.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;

use super::embedded::{self, Embedded, Part};
use super::error::ProjectError;

/// A language that there is an SDK for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Rust.
    Rust,
    /// Python.
    Python,
    /// JavaScript, or TypeScript.
    Javascript,
    /// Go.
    Go,
    /// C.
    C,
}

impl Language {
    /// Its name on the command line, and that of its folder.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::Javascript => "javascript",
            Self::Go => "go",
            Self::C => "c",
        }
    }

    /// The folder of a project that has the SDK and the contract. To Go, `vendor` is a folder that only
    /// `go` writes, and a path without a dot is no path.
    const fn vendor(self) -> &'static str {
        match self {
            Self::Rust | Self::Python | Self::Javascript | Self::C => "vendor",
            Self::Go => "./lapstrake",
        }
    }
}

impl FromStr for Language {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Rust, Self::Python, Self::Javascript, Self::Go, Self::C];
        let found = all.into_iter().find(|language| language.name() == text);
        found.ok_or_else(|| "it is rust, python, javascript, go or c".to_owned())
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is to be made.
#[derive(Debug, Clone)]
pub struct New {
    /// Its name, and that of its folder.
    pub name: String,
    /// Its language.
    pub language: Language,
    /// The folder; it MUST not be there.
    pub folder: PathBuf,
    /// An SDK elsewhere, instead of the one in this program.
    pub sdk: Option<PathBuf>,
}

/// A file that is to be written: its path in the project, and its contents.
type File = (PathBuf, Vec<u8>);

/// Makes a project.
///
/// # Errors
/// The name is none, something is there, or it cannot be written.
pub fn create(new: &New) -> Result<(), ProjectError> {
    let files = plan(new, embedded::files())?;
    if new.folder.exists() {
        return Err(ProjectError::Exists {
            path: new.folder.clone(),
        });
    }
    for (path, data) in files {
        let path = new.folder.join(path);
        let written = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, data));
        written.map_err(|source| ProjectError::Write { path, source })?;
    }
    Ok(())
}

fn plan(new: &New, embedded: &[Embedded]) -> Result<Vec<File>, ProjectError> {
    let name = &new.name;
    let good = name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !good {
        return Err(ProjectError::Name { name: name.clone() });
    }
    let language = new.language.name();
    if !has_template(embedded, language) {
        let mut available: Vec<&str> = embedded
            .iter()
            .filter(|file| file.part == Part::Template)
            .map(|file| file.language)
            .collect();
        available.dedup();
        return Err(ProjectError::NoTemplate {
            language,
            available: available.join(", "),
        });
    }
    let vendor = new.language.vendor();
    let (sdk, wit) = match &new.sdk {
        Some(path) => (
            path.display().to_string(),
            path.join("../../wit").display().to_string(),
        ),
        None => (format!("{vendor}/sdk/{language}"), format!("{vendor}/wit")),
    };
    let words = [
        ("{{name}}", name.clone()),
        ("{{ident}}", name.replace('-', "_")),
        ("{{sdk}}", sdk),
        ("{{wit}}", wit),
    ];
    let mut files = Vec::new();
    for file in embedded {
        match file.part {
            Part::Template if file.language == language => {
                files.push((target(file.path, &words), fill(file.data, &words)));
            }
            Part::Sdk if file.language == language && new.sdk.is_none() => {
                files.push((
                    Path::new(vendor).join("sdk").join(language).join(file.path),
                    file.data.to_vec(),
                ));
            }
            Part::Wit if new.sdk.is_none() => {
                files.push((Path::new(vendor).join("wit").join(file.path), file.data.to_vec()));
            }
            Part::Template | Part::Sdk | Part::Wit => {}
        }
    }
    Ok(files)
}

fn has_template(embedded: &[Embedded], language: &str) -> bool {
    embedded
        .iter()
        .any(|file| file.part == Part::Template && file.language == language)
}

/// Where a template's file goes: `NAME.in` is one that would mean something in the template already.
fn target(path: &str, words: &[(&str, String)]) -> PathBuf {
    let path = path.strip_suffix(".in").unwrap_or(path);
    let mut text = path.to_owned();
    for (word, value) in words {
        text = text.replace(word, value);
    }
    text.into()
}

/// A template's file with its words filled in. What is not text stays as it is.
fn fill(data: &[u8], words: &[(&str, String)]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(data) else {
        return data.to_vec();
    };
    let mut text = text.to_owned();
    for (word, value) in words {
        text = text.replace(word, value);
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(name: &str, language: Language, sdk: Option<&str>) -> New {
        New {
            name: name.to_owned(),
            language,
            folder: "x".into(),
            sdk: sdk.map(PathBuf::from),
        }
    }

    fn text(files: &[File], path: &str) -> String {
        let (_, data) = files.iter().find(|(found, _)| found == Path::new(path)).unwrap();
        String::from_utf8(data.clone()).unwrap()
    }

    #[test]
    fn a_rust_project_needs_no_checkout() {
        let files = plan(&new("my-lang", Language::Rust, None), embedded::files()).unwrap();
        let manifest = text(&files, "Cargo.toml");
        assert!(manifest.contains("name = \"my-lang\""), "{manifest}");
        assert!(manifest.contains("path = \"vendor/sdk/rust\""), "{manifest}");
        assert!(text(&files, MANIFEST).contains("my-lang"));
        let sdk = text(&files, "vendor/sdk/rust/Cargo.toml");
        assert!(
            !sdk.contains("workspace") && sdk.contains("wit-bindgen = {"),
            "{sdk}"
        );
        assert!(text(&files, "vendor/wit/lapstrake.wit").starts_with("package lapstrake:frontend@"));
        for (path, data) in &files {
            let left = String::from_utf8_lossy(data).contains("{{name}}");
            assert!(!left, "{}", path.display());
        }
    }

    #[test]
    fn a_go_project_leaves_gos_own_folder_alone() {
        let files = plan(&new("my-lang", Language::Go, None), embedded::files()).unwrap();
        let manifest = text(&files, "go.mod");
        assert!(manifest.contains("sdk/go => ./lapstrake/sdk/go"), "{manifest}");
        let project = text(&files, MANIFEST);
        assert!(
            project.contains("adapter = \"./lapstrake/sdk/go/adapter/"),
            "{project}"
        );
        assert!(!files.iter().any(|(path, _)| path.starts_with("vendor")));
        let files = plan(&new("x", Language::Go, Some("/sdk/go")), embedded::files()).unwrap();
        assert!(text(&files, "go.mod").contains("sdk/go => /sdk/go"));
    }

    #[test]
    fn an_sdk_elsewhere_is_not_copied() {
        let files = plan(&new("x", Language::Rust, Some("/sdk/rust")), embedded::files()).unwrap();
        assert!(text(&files, "Cargo.toml").contains("path = \"/sdk/rust\""));
        assert!(!files.iter().any(|(path, _)| path.starts_with("vendor")));
    }

    #[test]
    fn names_fit_every_language() {
        for name in ["", "A", "1a", "a_b", "a-", "../a", "a b"] {
            let error = plan(&new(name, Language::Rust, None), embedded::files()).unwrap_err();
            assert!(matches!(error, ProjectError::Name { .. }), "{name}");
        }
        let error = plan(&new("a", Language::C, None), &[]).unwrap_err();
        assert!(matches!(error, ProjectError::NoTemplate { .. }));
    }

    const MANIFEST: &str = super::super::MANIFEST;
}
