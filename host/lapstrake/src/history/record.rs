//! What a record says beside the events of its build: how it began, and how it ended.
//! Secrets are named and never written; neither are credentials in URLs.

use std::time::SystemTime;

use lapstrake_llb::credentials::redact;
use lapstrake_llb::{Digest, Platform};
use serde::{Deserialize, Serialize};

use super::Id;
use crate::engine::Outcome;
use crate::error::{Error, Kind};
use crate::options::{BuildFile, BuildOptions, Context, Entitlement, NamedSource};
use crate::platform;
use crate::progress::{Ending, wire};
use crate::spec::{Destination, Output, OutputKind};

/// Version of the records' form.
const VERSION: u32 = 1;

/// The line that begins a record: what was wanted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Start {
    /// Version of the form.
    pub version: u32,
    /// Name of the build.
    pub id: Id,
    /// When it began.
    #[serde(with = "wire")]
    pub at: SystemTime,
    /// The process.
    pub pid: u32,
    /// What people call it: its context, build file and target.
    pub name: String,
    /// The context; none: a build file on standard input alone.
    pub context: Option<String>,
    /// The build file, if it was named; `-`: standard input.
    pub file: Option<String>,
    /// Stage or target.
    pub target: Option<String>,
    /// Frontend instead of the syntax line's.
    pub frontend: Option<String>,
    /// Platforms.
    pub platforms: Vec<String>,
    /// Build arguments.
    pub build_args: Vec<(String, String)>,
    /// Named contexts.
    pub contexts: Vec<(String, String)>,
    /// Labels.
    pub labels: Vec<(String, String)>,
    /// All else that was asked of the frontend.
    pub options: Vec<(String, String)>,
    /// Names of the secrets that commands may ask for.
    pub secrets: Vec<String>,
    /// What was allowed beside the usual.
    pub allow: Vec<String>,
    /// Names for the image.
    pub tags: Vec<String>,
    /// Outputs, in the words of `--output`.
    pub outputs: Vec<String>,
    /// Steps that run at once.
    pub jobs: usize,
}

/// How a build ended, or that it did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It goes on.
    Running,
    /// It ended well.
    Completed,
    /// It ended with an error.
    Failed,
    /// Somebody ended it.
    Cancelled,
    /// Its process died.
    Interrupted,
}

impl Status {
    /// As one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }
}

/// State of a step at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// It has not ended.
    Running,
    /// Its record was found.
    Cached,
    /// It was executed.
    Done,
    /// Nothing needed it.
    Skipped,
    /// It was given up.
    Cancelled,
    /// It went wrong.
    Failed,
}

impl From<&Ending> for Step {
    fn from(ending: &Ending) -> Self {
        match ending {
            Ending::Cached(_) => Self::Cached,
            Ending::Done => Self::Done,
            Ending::Skipped => Self::Skipped,
            Ending::Cancelled => Self::Cancelled,
            Ending::Failed(_) => Self::Failed,
        }
    }
}

/// Steps by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// All.
    pub total: usize,
    /// Found.
    pub cached: usize,
    /// Executed.
    pub done: usize,
    /// Not needed.
    pub skipped: usize,
    /// Given up.
    pub cancelled: usize,
    /// Gone wrong.
    pub failed: usize,
}

impl FromIterator<Step> for Counts {
    fn from_iter<I: IntoIterator<Item = Step>>(steps: I) -> Self {
        let mut counts = Self::default();
        for step in steps {
            counts.total += 1;
            match step {
                Step::Running => {}
                Step::Cached => counts.cached += 1,
                Step::Done => counts.done += 1,
                Step::Skipped => counts.skipped += 1,
                Step::Cancelled => counts.cancelled += 1,
                Step::Failed => counts.failed += 1,
            }
        }
        counts
    }
}

/// The line that ends a record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct End {
    /// When.
    #[serde(with = "wire")]
    pub at: SystemTime,
    /// How.
    pub status: Status,
    /// Why there is no result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// What was written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<Made>,
    /// Steps by state.
    pub steps: Counts,
}

/// Why a build has no result.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failure {
    /// Exit code of the process.
    pub code: u8,
    /// What was shown to the person.
    pub message: String,
    /// Where the source says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// A place in a build file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

/// An output that was written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Made {
    /// In the words of `--output`.
    pub output: String,
    /// Names of the image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Digest of the image's manifest, or index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

impl Start {
    /// Of a build that begins now.
    pub fn of(options: &BuildOptions) -> Self {
        let compile = &options.compile;
        let context = match &compile.context {
            Context::Directory(path) => {
                let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                Some(path.display().to_string())
            }
            Context::Git(address) | Context::Http(address) => Some(redact(address)),
            Context::Empty | Context::Stdin | Context::Unpacked(_) => None,
        };
        let file = match &compile.file {
            BuildFile::Default => None,
            BuildFile::Path(path) => Some(path.display().to_string()),
            BuildFile::Stdin | BuildFile::Given(_) => Some("-".to_owned()),
            BuildFile::Url(url) => Some(redact(url)),
        };
        let platforms: Vec<_> = compile.platforms.iter().map(platform_name).collect();
        let platforms = if platforms.is_empty() {
            vec![platform_name(&platform::host())]
        } else {
            platforms
        };
        Self {
            version: VERSION,
            id: Id::new(),
            at: SystemTime::now(),
            pid: std::process::id(),
            name: given_name(&compile.build_args)
                .unwrap_or_else(|| name(context.as_deref(), file.as_deref(), compile.target.as_deref())),
            context,
            file,
            target: compile.target.clone(),
            frontend: compile.frontend.as_deref().map(redact),
            platforms,
            build_args: pairs(&compile.build_args),
            contexts: compile
                .named_contexts
                .iter()
                .map(|(name, source)| (name.clone(), redact(&named(source))))
                .collect(),
            labels: pairs(&compile.labels),
            options: pairs(&compile.frontend_options),
            secrets: options.secrets.iter().map(|secret| secret.id.clone()).collect(),
            allow: options.entitlements.iter().map(entitlement).collect(),
            tags: options.tags.clone(),
            outputs: options.outputs.iter().map(output).collect(),
            jobs: options.jobs,
        }
    }
}

impl End {
    /// Of a build that ends now.
    pub fn of(options: &BuildOptions, result: &Result<Outcome, Error>, steps: Counts) -> Self {
        let (status, error) = match result {
            Ok(_) => (Status::Completed, None),
            Err(error) => {
                let kind = error.kind();
                let status = if kind == Kind::Interrupted {
                    Status::Cancelled
                } else {
                    Status::Failed
                };
                let failure = Failure {
                    code: kind.exit_code(),
                    message: error.render(),
                    place: error.place().map(|(file, line)| Place { file, line }),
                };
                (status, Some(failure))
            }
        };
        let made = |(wanted, exported): (&Output, &crate::engine::Exported)| Made {
            output: output(wanted),
            names: exported.names.clone(),
            digest: exported.image.as_ref().map(|image| image.descriptor.digest),
        };
        let exports = result.as_ref().map_or(&[][..], |outcome| &outcome.exports);
        Self {
            at: SystemTime::now(),
            status,
            error,
            outputs: options.outputs.iter().zip(exports).map(made).collect(),
            steps,
        }
    }
}

fn platform_name(platform: &Platform) -> String {
    let variant = platform.variant.as_ref().map(|variant| format!("/{variant}"));
    format!(
        "{}/{}{}",
        platform.os,
        platform.architecture,
        variant.unwrap_or_default()
    )
}

/// The name that a build argument gives, as BuildKit's does.
fn given_name(build_args: &[(String, String)]) -> Option<String> {
    let mut named = build_args
        .iter()
        .rev()
        .filter(|(key, _)| key == "BUILDKIT_BUILD_NAME");
    named
        .next()
        .map(|(_, name)| redact(name))
        .filter(|name| !name.is_empty())
}

fn name(context: Option<&str>, file: Option<&str>, target: Option<&str>) -> String {
    let last = |path: &str| {
        let path = path.trim_end_matches(['/', '.']);
        path.rsplit('/').next().unwrap_or(path).to_owned()
    };
    let mut name = context.map_or_else(|| "-".to_owned(), last);
    match file {
        None => {}
        Some("-") if context.is_none() => {}
        Some(file) => {
            let file = if file == "-" { file.to_owned() } else { last(file) };
            if file != "Dockerfile" {
                name = format!("{name}/{file}");
            }
        }
    }
    match target {
        Some(target) => format!("{name} ({target})"),
        None => name,
    }
}

fn pairs(pairs: &[(String, String)]) -> Vec<(String, String)> {
    let pair = |(name, value): &(String, String)| (name.clone(), redact(value));
    pairs.iter().map(pair).collect()
}

fn named(source: &NamedSource) -> String {
    match source {
        NamedSource::Directory(path) => path.display().to_string(),
        NamedSource::Image(reference) => format!("docker-image://{reference}"),
        NamedSource::OciLayout { path, tag, digest } => {
            let tag = tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
            let digest = digest
                .as_ref()
                .map(|digest| format!("@{digest}"))
                .unwrap_or_default();
            format!("oci-layout://{}{tag}{digest}", path.display())
        }
        NamedSource::Git(address) | NamedSource::Http(address) => redact(address),
        NamedSource::Target(target) => format!("target:{target}"),
    }
}

fn entitlement(entitlement: &Entitlement) -> String {
    match entitlement {
        Entitlement::NetworkHost => "network.host".to_owned(),
        Entitlement::SecurityInsecure => "security.insecure".to_owned(),
        Entitlement::Device(None) => "device".to_owned(),
        Entitlement::Device(Some(name)) => format!("device={name}"),
    }
}

fn output(output: &Output) -> String {
    let mut text = match output.kind {
        OutputKind::Oci { tar: true } => "type=oci".to_owned(),
        OutputKind::Oci { tar: false } => "type=oci,tar=false".to_owned(),
        OutputKind::Docker => "type=docker".to_owned(),
        OutputKind::Local => "type=local".to_owned(),
        OutputKind::Tar => "type=tar".to_owned(),
        OutputKind::CacheOnly => "type=cacheonly".to_owned(),
    };
    match &output.destination {
        Some(Destination::Stdout) => text.push_str(",dest=-"),
        Some(Destination::Path(path)) => {
            text.push_str(",dest=");
            text.push_str(&path.display().to_string());
        }
        None => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_context_file_and_target() {
        assert_eq!(name(Some("/src/app/."), None, None), "app");
        assert_eq!(name(Some("/src/app"), Some("x/Dockerfile"), None), "app");
        assert_eq!(
            name(Some("/src/app"), Some("x/Other"), Some("t")),
            "app/Other (t)"
        );
        assert_eq!(name(None, Some("-"), None), "-");
    }
}
