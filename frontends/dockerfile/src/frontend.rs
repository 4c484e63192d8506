//! The frontend's functions: what a request is answered with.
//! Knows nothing of Wasm; `component.rs` exports it.

use lapstrake_sdk::types::{
    BuildError, BuildResult, CallInfo, CallResult, FrontendInfo, OptionInfo, Outline, Report, Request,
    SourceFile, TargetInfo,
};
use lapstrake_sdk::{Frontend, Graph, Host, LineIndex};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::lint;
use crate::lower::{self, Job, Lowered};
use crate::outline;
use crate::parse;
use crate::report;
use crate::stages::{self, Dockerfile};

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
        let mut run = Run::new(&request);
        let lowered = run.lower(host, false)?;
        let (warnings, lines) = run.finish()?;
        let graph = Graph::new();
        request.sources.iter().for_each(|source| {
            graph.source_file(source);
        });
        let moved = lowered.vertices.finish(&graph);
        let mut images = lowered.images;
        for image in &mut images {
            image.root = image.root.map(|edge| moved.edge(edge));
        }
        Ok(graph.finish(images, report::diagnostics(warnings, &lines)))
    }

    fn lint(host: &dyn Host, request: Request) -> Result<Report, BuildError> {
        let mut run = Run::new(&request);
        run.lower(host, request.target.as_deref().unwrap_or_default().is_empty())?;
        match run.finish() {
            Ok((warnings, lines)) => Ok(Report::new(
                report::diagnostics(warnings, &lines),
                request.sources,
            )),
            Err(BuildError::Invalid(report)) => Ok(report),
            Err(error) => Err(error),
        }
    }

    fn outline(host: &dyn Host, request: Request) -> Result<Outline, BuildError> {
        let mut run = Run::new(&request);
        let index = run.target()?;
        let lowered = run.lower(host, false)?;
        let targets = outline::targets(&run.file, &run.lines);
        let (_, lines) = run.finish()?;
        let target = targets.into_iter().nth(index).unwrap_or_default();
        Ok(lowered.outline.into_outline(target, &lines, request.sources))
    }

    fn list_targets(_: &dyn Host, request: Request) -> Result<Vec<TargetInfo>, BuildError> {
        let run = Run::new(&request);
        let targets = outline::targets(&run.file, &run.lines);
        run.finish()?;
        Ok(targets)
    }

    fn call(host: &dyn Host, name: &str, request: Request) -> Result<CallResult, BuildError> {
        match name {
            "lint" | "check" => Self::lint(host, request).map(|report| crate::calls::report(&report)),
            "outline" => Self::outline(host, request).map(|outline| crate::calls::outline(&outline)),
            "targets" => Self::list_targets(host, request).map(|targets| crate::calls::targets(&targets)),
            _ => Err(BuildError::unsupported(format!(
                "the call `{name}` (the calls are lint, outline and targets)"
            ))),
        }
    }
}

/// One request on its way.
struct Run<'a> {
    request: &'a Request,
    file: Dockerfile,
    lines: LineIndex,
    diagnostics: Diagnostics,
}

impl<'a> Run<'a> {
    fn new(request: &'a Request) -> Self {
        let text = request.main_source().map_or("", |source| source.text.as_str());
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
            request,
            file,
            lines: LineIndex::new(text),
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
        invalid(vec![diagnostic], &self.lines, self.request.sources.clone())
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
            request: self.request,
            host,
            target,
            all_stages,
        };
        lower::lower(&job, &mut self.diagnostics)
    }

    /// Returns the warnings, or all findings where there is an error among them.
    fn finish(self) -> Result<(Vec<Diagnostic>, LineIndex), BuildError> {
        let items = self.diagnostics.into_sorted();
        let items = lint::apply(items, &self.file.checks, &self.file.local_checks);
        if items
            .iter()
            .any(|item| item.severity == crate::diagnostic::Severity::Error)
        {
            return Err(invalid(items, &self.lines, self.request.sources.clone()));
        }
        Ok((items, self.lines))
    }
}

fn invalid(items: Vec<Diagnostic>, lines: &LineIndex, sources: Vec<SourceFile>) -> BuildError {
    BuildError::invalid(report::diagnostics(items, lines), sources)
}
