//! The frontend's functions: what a request is answered with.
//! Knows nothing of Wasm; `component.rs` exports it.

use lapstrake_sdk::options::is_predefined;
use lapstrake_sdk::types::{
    BuildError, BuildResult, CallInfo, CallResult, Completion, Diagnostic, FrontendInfo, Hover, OptionInfo,
    Outline, Position, Report, Request, TargetInfo,
};
use lapstrake_sdk::{Frontend, Host, calls};

use crate::check::{self, Links};
use crate::editor;
use crate::findings::{Findings, did_you_mean};
use crate::json::Json;
use crate::lint;
use crate::lower::{self, Job, Lowered};
use crate::model::{self, Image, Mockerfile, Version};

/// The Mockerfile frontend.
pub struct MockerfileFrontend;

impl Frontend for MockerfileFrontend {
    fn describe() -> FrontendInfo {
        let option = |(name, description): (&str, &str)| OptionInfo {
            name: name.to_owned(),
            description: description.to_owned(),
            default_value: None,
        };
        let call = |(name, description): (&str, &str)| CallInfo {
            name: name.to_owned(),
            description: description.to_owned(),
        };
        let names = [
            "Mockerfile.yaml",
            "Mockerfile.yml",
            "mockerfile.yaml",
            "mockerfile.yml",
            "Mockerfile",
            "*.mockerfile.yaml",
            "Mockerfile.*.yaml",
        ];
        FrontendInfo {
            name: "mockerfile".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            file_patterns: names.map(str::to_owned).to_vec(),
            options: OPTIONS.map(option).to_vec(),
            calls: CALLS.map(call).to_vec(),
            ..FrontendInfo::default()
        }
    }

    fn build(host: &dyn Host, request: Request) -> Result<BuildResult, BuildError> {
        let mut run = Run::new(&request);
        let lowered = run.lower(host, run.target()?)?;
        let mut warnings = run.finish()?;
        warnings.extend(unused_build_args(&request));
        Ok(lowered.graph.finish(lowered.images, warnings))
    }

    fn lint(_: &dyn Host, request: Request) -> Result<Report, BuildError> {
        let run = Run::new(&request);
        run.target()?;
        match run.finish() {
            Ok(warnings) => Ok(Report::new(warnings, request.sources)),
            Err(BuildError::Invalid(report)) => Ok(report),
            Err(error) => Err(error),
        }
    }

    fn outline(host: &dyn Host, request: Request) -> Result<Outline, BuildError> {
        let mut run = Run::new(&request);
        let target = run.target()?;
        let lowered = run.lower(host, target)?;
        let info = run.targets().into_iter().nth(target).unwrap_or_default();
        let mut secrets: Vec<String> = Vec::new();
        for index in lower::order(&run.links, target) {
            for secret in &run.file.images[index].secrets {
                if !secrets.contains(&secret.id.text) {
                    secrets.push(secret.id.text.clone());
                }
            }
        }
        run.finish()?;
        Ok(Outline {
            target: info,
            secrets,
            cache_ids: lowered.caches,
            sources: request.sources,
            ..Outline::default()
        })
    }

    fn list_targets(_: &dyn Host, request: Request) -> Result<Vec<TargetInfo>, BuildError> {
        let run = Run::new(&request);
        let targets = run.targets();
        run.finish()?;
        Ok(targets)
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
        match name {
            "lint" | "check" => Self::lint(host, request).map(|report| calls::report(&report)),
            "outline" => Self::outline(host, request).map(|outline| calls::outline(&outline)),
            "targets" => Self::list_targets(host, request).map(|targets| calls::targets(&targets)),
            "schema" => Ok(schema(&request)),
            _ => Err(BuildError::unsupported(format!(
                "the call `{name}` (the calls are lint, outline, targets and schema)"
            ))),
        }
    }
}

const OPTIONS: [(&str, &str); 7] = [
    (
        "no-cache",
        "images of which nothing is taken from the cache, separated by commas; empty: all",
    ),
    (
        "image-resolve-mode",
        "default, pull (always ask the registry) or local",
    ),
    ("force-network-mode", "network of commands: sandbox, host or none"),
    ("add-hosts", "more lines of /etc/hosts: name=address,…"),
    ("ulimit", "resource limits of commands: name=soft[:hard],…"),
    ("shm-size", "size of /dev/shm in bytes"),
    ("cgroup-parent", "parent of the commands' control group"),
];

const CALLS: [(&str, &str); 4] = [
    ("lint", "runs the checks"),
    ("outline", "secrets and caches"),
    ("targets", "images that can be built"),
    ("schema", "the JSON Schema of the file's version"),
];

/// The JSON Schema of the form that a file has; of the newest one where it has none.
fn schema(request: &Request) -> CallResult {
    let mut findings = Findings::new("");
    let schema: Json = model::schema(model::read(request, &mut findings).version);
    CallResult {
        text: format!("{schema}\n"),
        json: schema.to_string(),
    }
}

/// Warns of build arguments: most of the time they are meant for a Dockerfile.
fn unused_build_args(request: &Request) -> Option<Diagnostic> {
    let names = request.build_args.iter().map(|pair| pair.key.as_str());
    let unused: Vec<&str> = names.filter(|name| !is_predefined(name)).collect();
    let message = format!("one or more build-args [{}] were not consumed", unused.join(" "));
    let warning = Diagnostic::warning("UnusedBuildArg", message);
    (!unused.is_empty()).then(|| warning.help("a Mockerfile has no build arguments: `env` sets variables"))
}

/// One request on its way.
struct Run<'a> {
    request: &'a Request,
    file: Mockerfile,
    links: Vec<Links>,
    findings: Findings,
}

impl<'a> Run<'a> {
    /// Reads and checks a file.
    fn new(request: &'a Request) -> Self {
        let text = request.main_source().map_or("", |source| source.text.as_str());
        let mut findings = Findings::new(text);
        let file = model::read(request, &mut findings);
        let links = check::check(&file, request, &mut findings);
        lint::run(&file, request, &mut findings);
        lint::apply(text, &mut findings);
        Self {
            request,
            file,
            links,
            findings,
        }
    }

    /// The image to build: the one of that name, or the last one.
    fn target(&self) -> Result<usize, BuildError> {
        let Some(name) = self.request.target.as_deref().filter(|name| !name.is_empty()) else {
            return Ok(self.file.images.len().saturating_sub(1));
        };
        match self.file.find(name) {
            Some(index) => Ok(index),
            // The target may be one of those that could not be read.
            None if self.findings.has_errors() => Ok(0),
            None => Err(self.unknown_target(name)),
        }
    }

    fn unknown_target(&self, name: &str) -> BuildError {
        let names: Vec<&str> = self.file.image_names().collect();
        let near = did_you_mean(name, names.iter().copied());
        let help = match (near, names.is_empty()) {
            (Some(near), _) => format!("{near} The images are {}", names.join(", ")),
            (None, false) => format!("the images are {}", names.join(", ")),
            (None, true) => "no image has a name: add `name:`".to_owned(),
        };
        let diagnostic = Diagnostic::error("UnknownTarget", format!("there is no image `{name}`")).help(help);
        BuildError::invalid(vec![diagnostic], self.request.sources.clone())
    }

    fn lower(&mut self, host: &dyn Host, target: usize) -> Result<Lowered, BuildError> {
        if self.findings.has_errors() || self.file.images.is_empty() {
            return Ok(Lowered::default());
        }
        let job = Job {
            file: &self.file,
            links: &self.links,
            target,
            request: self.request,
            host,
        };
        lower::lower(&job, &mut self.findings)
    }

    fn targets(&self) -> Vec<TargetInfo> {
        let last = self.file.images.len().saturating_sub(1);
        let images = self.file.images.iter().enumerate();
        images
            .map(|(index, image)| self.info(image, index == last))
            .collect()
    }

    fn info(&self, image: &Image, is_default: bool) -> TargetInfo {
        let text = |text: &Option<model::Text>| text.as_ref().map(|text| text.text.clone());
        TargetInfo {
            name: text(&image.name).unwrap_or_default(),
            description: text(&image.description).unwrap_or_default(),
            base: text(&image.from)
                .or_else(|| text(&image.parent))
                .unwrap_or_default(),
            is_default,
            range: Some(self.findings.range(&check::name_span(image))),
        }
    }

    /// Returns the warnings, or all findings where there is an error among them.
    fn finish(self) -> Result<Vec<Diagnostic>, BuildError> {
        let has_errors = self.findings.has_errors();
        let items = self.findings.into_sorted();
        match has_errors {
            true => Err(BuildError::invalid(items, self.request.sources.clone())),
            false => Ok(items),
        }
    }
}

/// The JSON Schema of files of a form.
pub fn schema_of(version: Version) -> String {
    format!("{}\n", model::schema(version))
}
