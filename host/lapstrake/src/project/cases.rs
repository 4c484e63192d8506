//! Golden cases: folders with a build file and what a frontend must make of it. Each runs twice, as equal requests must have
//! equal answers. Knows nothing of how a difference is shown.
//!
//! A case has `input`; `graph.txt` (the graph, and what the images say) and `diagnostics.txt` as they must come out, each
//! there only where there is something to say; and, where they are needed, `request.json`, `images.json` with the
//! configurations of images, and the files of its context in `context/`, of a context NAME in `contexts/NAME/`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lapstrake_frontend::{
    BuildResult, Cancel, ContextSource, Frontend, FrontendError, FrontendSource, Frontends, Gateway, Limits,
    NamedContext, Request,
};
use lapstrake_llb::{Platform, Report, SourceFile, Timestamp, print};
use serde::Deserialize;

use super::Project;
use super::answers::Answers;
use super::error::ProjectError;
use crate::error::chain;
use crate::{platform, report, spec};

const INPUT: &str = "input";
const GRAPH: &str = "graph.txt";
const DIAGNOSTICS: &str = "diagnostics.txt";
/// Name of the local source with the build's own files.
const CONTEXT: &str = "context";

/// A case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
}

/// A file that is not what it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The file.
    pub file: &'static str,
    /// What it has; none: it is not there.
    pub expected: Option<String>,
    /// What came out; none: nothing.
    pub found: Option<String>,
}

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As it must.
    Passed,
    /// Otherwise, and it was written down as that is what was wanted.
    Blessed,
    /// Otherwise.
    Differs(Vec<Difference>),
    /// Two equal requests had different answers: one file of both.
    NotDeterministic(Difference),
}

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub verdict: Verdict,
}

/// `request.json`; everything may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Words {
    /// Name of the build file.
    file: Option<String>,
    target: Option<String>,
    platforms: Vec<String>,
    build_args: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    options: BTreeMap<String, String>,
    source_date_epoch: Option<i64>,
}

/// What came of a run: the texts of the two files.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    graph: Option<String>,
    diagnostics: Option<String>,
}

impl Project {
    /// The cases of the project, sorted by name; only those of a name, where there is one.
    ///
    /// # Errors
    /// There are none.
    pub fn cases(&self, only: &[String]) -> Result<Vec<Case>, ProjectError> {
        let path = self.folder.join("cases");
        let entries = std::fs::read_dir(&path).map_err(|_| ProjectError::NoCases { path: path.clone() })?;
        let mut cases: Vec<Case> = entries
            .flatten()
            .filter(|entry| entry.path().join(INPUT).is_file())
            .map(|entry| Case {
                name: entry.file_name().to_string_lossy().into_owned(),
                folder: entry.path(),
            })
            .collect();
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        if cases.is_empty() {
            return Err(ProjectError::NoCases { path });
        }
        let known = || cases.iter().map(|case| case.name.clone()).collect();
        for name in only {
            if !cases.iter().any(|case| case.name == *name) {
                return Err(ProjectError::NoSuchCase {
                    name: name.clone(),
                    known: known(),
                });
            }
        }
        cases.retain(|case| only.is_empty() || only.contains(&case.name));
        Ok(cases)
    }

    /// Loads the component that was built.
    ///
    /// # Errors
    /// It is not there, or is no frontend.
    pub fn frontend(&self) -> Result<Frontend, ProjectError> {
        let path = self.component();
        if !path.is_file() {
            return Err(ProjectError::NothingBuilt { path });
        }
        let frontends = Frontends::new(Some(&self.cache()));
        let frontend = frontends.load(&FrontendSource::File(path)).map_err(Box::new)?;
        frontend.prepare().map_err(Box::new)?;
        Ok(frontend)
    }
}

impl Case {
    /// Runs the case twice and compares; with `bless`, writes down what came out.
    ///
    /// # Errors
    /// A file of the case cannot be read or written.
    pub fn check(&self, frontend: &Frontend, bless: bool) -> Result<Checked, ProjectError> {
        let first = self.run(frontend)?;
        let second = self.run(frontend)?;
        let name = self.name.clone();
        if first != second {
            let both = [
                (GRAPH, first.graph, second.graph),
                (DIAGNOSTICS, first.diagnostics, second.diagnostics),
            ];
            let mut unequal = both.into_iter().filter(|(_, first, second)| first != second);
            let (file, expected, found) = unequal.next().unwrap_or((GRAPH, None, None));
            let verdict = Verdict::NotDeterministic(Difference {
                file,
                expected,
                found,
            });
            return Ok(Checked { name, verdict });
        }
        let mut differences = Vec::new();
        for (file, found) in [(GRAPH, first.graph), (DIAGNOSTICS, first.diagnostics)] {
            let expected = read(&self.folder.join(file))?;
            if expected != found {
                differences.push(Difference {
                    file,
                    expected,
                    found,
                });
            }
        }
        let verdict = match (differences.is_empty(), bless) {
            (true, _) => Verdict::Passed,
            (false, false) => Verdict::Differs(differences),
            (false, true) => {
                self.bless(&differences)?;
                Verdict::Blessed
            }
        };
        Ok(Checked { name, verdict })
    }

    fn bless(&self, differences: &[Difference]) -> Result<(), ProjectError> {
        for difference in differences {
            let path = self.folder.join(difference.file);
            let done = match &difference.found {
                Some(text) => std::fs::write(&path, text),
                None => std::fs::remove_file(&path),
            };
            done.map_err(|source| ProjectError::Write { path, source })?;
        }
        Ok(())
    }

    fn run(&self, frontend: &Frontend) -> Result<Outcome, ProjectError> {
        let request = self.request()?;
        let answers = Arc::new(Answers {
            images: self.json("images.json")?.unwrap_or_default(),
            contexts: self.contexts(),
            warnings: Default::default(),
        });
        let gateway = Arc::clone(&answers) as Arc<dyn Gateway>;
        let result = frontend.build(&request, gateway, &Limits::default(), &Cancel::new());
        let mut findings = answers.take_warnings();
        let mut graph = None;
        let mut failed = String::new();
        match result {
            Ok(result) => {
                graph = Some(text(&result));
                findings.push(result.warnings);
            }
            Err(FrontendError::Diagnostics(report)) => findings.push(report),
            Err(error) => failed = format!("error: {}\n", chain(&error)),
        }
        let mut diagnostics = written(&findings);
        diagnostics.push_str(&failed);
        Ok(Outcome {
            graph,
            diagnostics: Some(diagnostics).filter(|text| !text.is_empty()),
        })
    }

    fn request(&self) -> Result<Request, ProjectError> {
        let words: Words = self.json("request.json")?.unwrap_or_default();
        let path = self.folder.join(INPUT);
        let text = std::fs::read_to_string(&path).map_err(|source| ProjectError::Read { path, source })?;
        let mut platforms: Vec<Platform> = Vec::new();
        for text in &words.platforms {
            let parsed = spec::platforms(text).map_err(|error| ProjectError::Case {
                path: self.folder.join("request.json"),
                problem: error.to_string(),
            })?;
            platforms.extend(parsed);
        }
        let named = self.contexts().into_keys().filter_map(|name| {
            let source = ContextSource::Local(name.clone());
            let name = name.strip_prefix("named:")?.to_owned();
            Some(NamedContext { name, source })
        });
        Ok(Request {
            sources: vec![SourceFile {
                name: words.file.unwrap_or_else(|| INPUT.to_owned()),
                language: String::new(),
                text,
            }],
            target: words.target,
            platforms,
            // Wherever the tests run.
            build_platform: platform::of("linux", "amd64", None),
            build_args: words.build_args.into_iter().collect(),
            labels: words.labels.into_iter().collect(),
            context: ContextSource::Local(CONTEXT.to_owned()),
            named_contexts: named.collect(),
            options: words.options.into_iter().collect(),
            source_date_epoch: words.source_date_epoch.map(|seconds| Timestamp {
                seconds,
                nanoseconds: 0,
            }),
        })
    }

    /// The folders of the case's local sources, by name.
    fn contexts(&self) -> BTreeMap<String, PathBuf> {
        let mut contexts = BTreeMap::new();
        let own = self.folder.join(CONTEXT);
        if own.is_dir() {
            contexts.insert(CONTEXT.to_owned(), own);
        }
        for entry in std::fs::read_dir(self.folder.join("contexts"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = format!("named:{}", entry.file_name().to_string_lossy());
            contexts.insert(name, entry.path());
        }
        contexts
    }

    fn json<T: for<'a> Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, ProjectError> {
        let path = self.folder.join(name);
        let Some(text) = read(&path)? else {
            return Ok(None);
        };
        let parsed = serde_json::from_str(&text);
        parsed.map(Some).map_err(|error| ProjectError::Case {
            path,
            problem: error.to_string(),
        })
    }
}

/// A file's text; none: it is not there.
fn read(path: &Path) -> Result<Option<String>, ProjectError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ProjectError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

/// A result as text: the graph as `lapstrake llb` prints it, and the images.
fn text(result: &BuildResult) -> String {
    let roots: Vec<_> = result.images.iter().filter_map(|image| image.root).collect();
    let mut out = print::text(&result.definition, &roots);
    for image in &result.images {
        let mut config = serde_json::to_value(&image.config).unwrap_or_default();
        leave_out_empty(&mut config);
        let config = serde_json::to_string_pretty(&config).unwrap_or_default();
        let _ = write!(out, "\nimage {}\n{config}\n", platform::name(&image.platform));
    }
    out
}

/// Removes what says nothing.
fn leave_out_empty(value: &mut serde_json::Value) {
    use serde_json::Value;
    let Value::Object(fields) = value else { return };
    fields.retain(|_, value| {
        leave_out_empty(value);
        match value {
            Value::Null | Value::Bool(false) => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(list) => !list.is_empty(),
            Value::Object(fields) => !fields.is_empty(),
            Value::Bool(true) | Value::Number(_) => true,
        }
    });
}

fn written(reports: &[Report]) -> String {
    let items = reports.iter().flat_map(|found| {
        let sources = &found.sources;
        found
            .items
            .iter()
            .map(move |item| report::diagnostic(item, sources))
    });
    items.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_folders_with_an_input() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project {
            folder: folder.path().to_owned(),
            name: "x".to_owned(),
            language: super::super::Language::Rust,
            component: "x.wasm".into(),
            module: None,
            contract: None,
            adapter: None,
            steps: Vec::new(),
        };
        assert!(matches!(project.cases(&[]), Err(ProjectError::NoCases { .. })));
        for name in ["b", "a", "none"] {
            std::fs::create_dir_all(folder.path().join("cases").join(name)).unwrap();
        }
        for name in ["b", "a"] {
            std::fs::write(folder.path().join("cases").join(name).join(INPUT), "").unwrap();
        }
        let names = |only: &[&str]| -> Vec<String> {
            let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
            let cases = project.cases(&only).unwrap();
            cases.into_iter().map(|case| case.name).collect()
        };
        assert_eq!(names(&[]), ["a", "b"]);
        assert_eq!(names(&["b"]), ["b"]);
        let error = project.cases(&["c".to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), "there is no case \"c\"; there are: a, b");
    }
}
