//! The frontend's functions: what a request is answered with.
//! Knows nothing of Wasm; `component.rs` exports it.

use lapstrake_sdk::types::{
    BuildError, BuildResult, CallInfo, CallResult, Completion, FrontendInfo, Hover, OptionInfo, Outline,
    Position, Report, Request, TargetInfo,
};
use lapstrake_sdk::{Frontend, Graph, Host};

use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::document::Document;
use crate::editor;
use crate::lint;
use crate::lower::{self, Job, Lowered};
use crate::outline;
use crate::parse;
use crate::report;
use crate::stages::{self, Dockerfile};
use crate::unused;

/// The Dockerfile frontend.
pub struct DockerfileFrontend;

impl Frontend for DockerfileFrontend {
    fn describe() -> FrontendInfo {
        let option = |name: &str, description: &str| OptionInfo {
            name: name.to_owned(),
            description: description.to_owned(),
            default_value: None,
        };
        FrontendInfo {
            name: "dockerfile".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            file_patterns: [
                "Dockerfile",
                "dockerfile",
                "Dockerfile.*",
                "*.Dockerfile",
                "Containerfile",
            ]
            .map(str::to_owned)
            .to_vec(),
            options: vec![
                option(
                    "no-cache",
                    "stages of which nothing is taken from the cache, separated by commas; empty: all",
                ),
                option(
                    "image-resolve-mode",
                    "default, pull (always ask the registry) or local",
                ),
                option(
                    "force-network-mode",
                    "network of commands that ask for none: sandbox, host or none",
                ),
                option("add-hosts", "more lines of /etc/hosts: name=address,…"),
                option("ulimit", "resource limits of commands: name=soft[:hard],…"),
                option("shm-size", "size of /dev/shm in bytes"),
                option("cgroup-parent", "parent of the commands' control group"),
                option("hostname", "host name of commands"),
                option("multi-platform", "true: names of steps show the platform"),
            ],
            calls: vec![
                CallInfo {
                    name: "lint".to_owned(),
                    description: "runs the checks".to_owned(),
                },
                CallInfo {
                    name: "outline".to_owned(),
                    description: "arguments, secrets and caches".to_owned(),
                },
                CallInfo {
                    name: "targets".to_owned(),
                    description: "stages that can be built".to_owned(),
                },
            ],
            ..FrontendInfo::default()
        }
    }

    fn build(host: &dyn Host, request: Request) -> Result<BuildResult, BuildError> {
        Self::build_document(host, &Document::new(request))
    }

    fn lint(host: &dyn Host, request: Request) -> Result<Report, BuildError> {
        Self::lint_document(host, &Document::new(request))
    }

    fn outline(host: &dyn Host, request: Request) -> Result<Outline, BuildError> {
        Self::outline_document(host, &Document::new(request))
    }

    fn list_targets(_: &dyn Host, request: Request) -> Result<Vec<TargetInfo>, BuildError> {
        Self::targets_of_document(&Document::new(request))
    }

    fn completions(
        _: &dyn Host,
        request: Request,
        file: u32,
        at: Position,
    ) -> Result<Vec<Completion>, BuildError> {
        Ok(editor::completions(&request, file, at))
    }

    fn hover(_: &dyn Host, request: Request, file: u32, at: Position) -> Result<Option<Hover>, BuildError> {
        Ok(editor::hover(&request, file, at))
    }

    fn call(host: &dyn Host, name: &str, request: Request) -> Result<CallResult, BuildError> {
        Self::call_document(host, name, &Document::new(request))
    }
}

/// The functions of a frontend, for a document that may be more than the request's file.
impl DockerfileFrontend {
    /// Lowers a document.
    pub fn build_document(host: &dyn Host, document: &Document) -> Result<BuildResult, BuildError> {
        let mut run = Run::new(document);
        let lowered = run.lower(host, false)?;
        let unused = unused::build_args(&document.request, &run.file);
        let mut warnings = run.finish()?;
        // Not among the checks: it is about the command line, and `error=true` is not.
        warnings.extend(unused);
        let graph = Graph::new();
        document.files().iter().for_each(|source| {
            graph.source_file(source);
        });
        let moved = lowered.vertices.finish(&graph);
        let mut images = lowered.images;
        for image in &mut images {
            image.root = image.root.map(|edge| moved.edge(edge));
        }
        Ok(graph.finish(images, report::diagnostics(warnings, &document.map)))
    }

    /// Finds what is wrong or doubtful in a document.
    pub fn lint_document(host: &dyn Host, document: &Document) -> Result<Report, BuildError> {
        let mut run = Run::new(document);
        let target = document.request.target.as_deref();
        run.lower(host, target.unwrap_or_default().is_empty())?;
        match run.finish() {
            Ok(warnings) => Ok(Report::new(
                report::diagnostics(warnings, &document.map),
                document.files().to_vec(),
            )),
            Err(BuildError::Invalid(report)) => Ok(report),
            Err(error) => Err(error),
        }
    }

    /// Describes the target of a document.
    pub fn outline_document(host: &dyn Host, document: &Document) -> Result<Outline, BuildError> {
        let mut run = Run::new(document);
        let index = run.target()?;
        let lowered = run.lower(host, false)?;
        let targets = outline::targets(&run.file, &document.map);
        run.finish()?;
        let target = targets.into_iter().nth(index).unwrap_or_default();
        let files = document.files().to_vec();
        Ok(lowered.outline.into_outline(target, &document.map, files))
    }

    /// Lists the targets of a document.
    pub fn targets_of_document(document: &Document) -> Result<Vec<TargetInfo>, BuildError> {
        let run = Run::new(document);
        let targets = outline::targets(&run.file, &document.map);
        run.finish()?;
        Ok(targets)
    }

    /// Answers a named sub-request about a document.
    pub fn call_document(host: &dyn Host, name: &str, document: &Document) -> Result<CallResult, BuildError> {
        match name {
            "lint" | "check" => {
                Self::lint_document(host, document).map(|report| crate::calls::report(&report))
            }
            "outline" => {
                Self::outline_document(host, document).map(|outline| crate::calls::outline(&outline))
            }
            "targets" => Self::targets_of_document(document).map(|targets| crate::calls::targets(&targets)),
            _ => Err(BuildError::unsupported(format!(
                "the call `{name}` (the calls are lint, outline and targets)"
            ))),
        }
    }
}

/// One request on its way.
struct Run<'a> {
    document: &'a Document,
    request: &'a Request,
    file: Dockerfile,
    diagnostics: Diagnostics,
}

impl<'a> Run<'a> {
    fn new(document: &'a Document) -> Self {
        let (request, text) = (&document.request, document.text());
        let mut diagnostics = Diagnostics::default();
        let parsed = parse::file(text, &mut diagnostics);
        let mut file = stages::build(parsed, text.len(), &mut diagnostics);
        if let Some(options) = request.build_arg("BUILDKIT_DOCKERFILE_CHECK") {
            file.checks = lint::Config::parse(options).unwrap_or_else(|(message, help)| {
                let message = format!("BUILDKIT_DOCKERFILE_CHECK: {message}");
                diagnostics.push(Diagnostic::elsewhere("InvalidCheckOption", message).help(help));
                lint::Config::default()
            });
        }
        Self {
            document,
            request,
            file,
            diagnostics,
        }
    }

    /// Returns the stage to build.
    fn target(&self) -> Result<usize, BuildError> {
        let Some(name) = self.request.target.as_deref().filter(|name| !name.is_empty()) else {
            return Ok(self.file.stages.len().saturating_sub(1));
        };
        let lower = name.to_lowercase();
        // Of stages with one name the last one counts.
        match self.file.stages.iter().rposition(|stage| stage.name() == lower) {
            Some(index) => Ok(index),
            None => Err(self.unknown_target(name)),
        }
    }

    fn unknown_target(&self, name: &str) -> BuildError {
        let names: Vec<String> = self
            .file
            .stages
            .iter()
            .map(|s| s.name())
            .filter(|name| !name.is_empty())
            .collect();
        let near = lapstrake_sdk::did_you_mean(name, names.iter().map(String::as_str));
        let help = match (near, names.is_empty()) {
            (Some(near), _) => format!("did you mean `{near}`? The targets are {}", names.join(", ")),
            (None, false) => format!("the targets are {}", names.join(", ")),
            (None, true) => "no stage has a name: add AS name to a FROM".to_owned(),
        };
        let diagnostic =
            Diagnostic::elsewhere("UnknownTarget", format!("there is no target `{name}`")).help(help);
        self.invalid(vec![diagnostic])
    }

    fn lower(&mut self, host: &dyn Host, all_stages: bool) -> Result<Lowered, BuildError> {
        if self.file.stages.is_empty() {
            return Ok(Lowered::default());
        }
        let target = match self.target() {
            Ok(target) => Some(target),
            // The target may be one of the stages that could not be read.
            Err(_) if self.diagnostics.has_errors() => None,
            Err(error) => return Err(error),
        };
        let job = Job {
            file: &self.file,
            lines: &self.document.map,
            request: self.request,
            host,
            target,
            all_stages,
        };
        lower::lower(&job, &mut self.diagnostics)
    }

    /// Returns the warnings, or all findings where there is an error among them.
    fn finish(mut self) -> Result<Vec<Diagnostic>, BuildError> {
        let items = std::mem::take(&mut self.diagnostics).into_sorted();
        let items = lint::apply(items, &self.file.checks, &self.file.local_checks);
        if items.iter().any(|item| item.severity == Severity::Error) {
            return Err(self.invalid(items));
        }
        Ok(items)
    }

    fn invalid(&self, items: Vec<Diagnostic>) -> BuildError {
        let Document { request, map } = self.document;
        BuildError::invalid(report::diagnostics(items, map), request.sources.clone())
    }
}
