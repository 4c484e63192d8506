//! A guest's answers as the host's: reports, configurations, results. `checked` is the only way out for a result.

use lapstrake_llb as llb;

use super::{all, enumeration, pairs, record};
use crate::bindings::exports::lapstrake::frontend::frontend as wit;
use crate::bindings::lapstrake::frontend::{diagnostics, host, llb as wit_llb, requests};
use crate::error::ResultProblem;
use crate::gateway::{ByteRange, ImageRequest, LogLevel};
use crate::limits::MAX_DIAGNOSTICS;
use crate::request::{
    ArgInfo, BuildResult, CallInfo, CallResult, FrontendInfo, OptionInfo, Outline, TargetInfo,
};

/// An answer that becomes one of the host's, if it makes sense.
pub(crate) trait Checked<T> {
    /// Converts and checks.
    fn checked(self, limits: &llb::Limits) -> Result<T, ResultProblem>;
}

/// Converts a graph and checks it; the same edges are its roots.
pub(crate) fn checked_definition(
    definition: wit_llb::Definition,
    roots: Vec<wit_llb::Edge>,
    limits: &llb::Limits,
) -> Result<(llb::Definition, Vec<llb::Edge>), Box<llb::ValidateError>> {
    let definition = llb::Definition::from(definition);
    let roots: Vec<llb::Edge> = all(roots);
    llb::validate(&definition, &roots, limits)?;
    Ok((definition, roots))
}

impl Checked<BuildResult> for requests::BuildResult {
    fn checked(self, limits: &llb::Limits) -> Result<BuildResult, ResultProblem> {
        let result = BuildResult {
            definition: self.definition.into(),
            images: all(self.images),
            warnings: self.warnings.into(),
        };
        result.check(limits)?;
        Ok(result)
    }
}

impl BuildResult {
    /// Checks what no type says: of a guest's result, and of one that was kept.
    pub(crate) fn check(&self, limits: &llb::Limits) -> Result<(), ResultProblem> {
        if self.images.is_empty() {
            return Err(ResultProblem::NoImage);
        }
        let mut platforms = std::collections::BTreeSet::new();
        for image in &self.images {
            if !platforms.insert(&image.platform) {
                let platform = &image.platform;
                return Err(ResultProblem::SamePlatform(format!(
                    "{}/{}",
                    platform.os, platform.architecture
                )));
            }
        }
        let roots: Vec<llb::Edge> = self.images.iter().filter_map(|image| image.root).collect();
        llb::validate(&self.definition, &roots, limits).map_err(|error| ResultProblem::Graph(error.into()))
    }
}

impl Checked<llb::Report> for diagnostics::Report {
    fn checked(self, _: &llb::Limits) -> Result<llb::Report, ResultProblem> {
        Ok(self.into())
    }
}

impl Checked<Outline> for wit::Outline {
    fn checked(self, _: &llb::Limits) -> Result<Outline, ResultProblem> {
        let sources: Vec<llb::SourceFile> = all(self.sources);
        let mut outline = Outline {
            target: self.target.into(),
            args: all(self.args),
            secrets: self.secrets,
            ssh: self.ssh,
            cache_ids: self.cache_ids,
            sources,
        };
        let files = outline.sources.len();
        outline.target.range = outline.target.range.filter(|range| is_range(range, files));
        for arg in &mut outline.args {
            arg.range = arg.range.filter(|range| is_range(range, files));
        }
        Ok(outline)
    }
}

impl Checked<Vec<TargetInfo>> for Vec<wit::TargetInfo> {
    fn checked(self, _: &llb::Limits) -> Result<Vec<TargetInfo>, ResultProblem> {
        Ok(all(self))
    }
}

impl Checked<CallResult> for wit::CallResult {
    fn checked(self, _: &llb::Limits) -> Result<CallResult, ResultProblem> {
        serde_json::from_str::<serde::de::IgnoredAny>(&self.json).map_err(ResultProblem::Json)?;
        Ok(CallResult {
            text: self.text,
            json: self.json,
        })
    }
}

impl Checked<FrontendInfo> for wit::FrontendInfo {
    fn checked(self, _: &llb::Limits) -> Result<FrontendInfo, ResultProblem> {
        Ok(FrontendInfo {
            name: self.name,
            version: self.version,
            file_patterns: self.file_patterns,
            options: all(self.options),
            calls: all(self.calls),
            roles: all(self.roles),
        })
    }
}

/// Whether a range names a file that is there and ends after it starts.
fn is_range(range: &llb::SourceRange, files: usize) -> bool {
    (range.file as usize) < files
        && range.start <= range.stop
        && range.start.line > 0
        && range.start.column > 0
}

enumeration!(diagnostics::Severity => llb::Severity {
    Error => Error,
    Warning => Warning,
    Info => Info,
    Hint => Hint,
});

/// A finding must not be lost because its place is wrong: wrong ranges are left out, findings without end are cut.
impl From<diagnostics::Report> for llb::Report {
    fn from(old: diagnostics::Report) -> Self {
        let sources: Vec<llb::SourceFile> = all(old.sources);
        let files = sources.len();
        let items = old.items.into_iter().take(MAX_DIAGNOSTICS);
        let items = items.map(|item| llb::Diagnostic {
            severity: item.severity.into(),
            code: item.code,
            message: item.message,
            help: item.help,
            url: item.url,
            ranges: item
                .ranges
                .into_iter()
                .map(Into::into)
                .filter(|range| is_range(range, files))
                .collect(),
            related: item
                .related
                .into_iter()
                .map(|related| llb::Related {
                    message: related.message,
                    range: related.range.into(),
                })
                .filter(|related| is_range(&related.range, files))
                .collect(),
        });
        Self {
            items: items.collect(),
            sources,
        }
    }
}

record!(requests::Healthcheck => llb::Healthcheck, old: {
    test: old.test,
    interval_ns: old.interval_ns,
    timeout_ns: old.timeout_ns,
    start_period_ns: old.start_period_ns,
    start_interval_ns: old.start_interval_ns,
    retries: old.retries,
});
record!(requests::HistoryEntry => llb::HistoryEntry, old: {
    created: old.created.map(Into::into),
    created_by: old.created_by,
    comment: old.comment,
    author: old.author,
    empty_layer: old.empty_layer,
});
record!(requests::ImageConfig => llb::ImageConfig, old: {
    platform: old.platform.into(),
    env: pairs(old.env),
    entrypoint: old.entrypoint,
    cmd: old.cmd,
    shell: old.shell,
    working_dir: old.working_dir,
    user: old.user,
    exposed_ports: old.exposed_ports,
    volumes: old.volumes,
    labels: pairs(old.labels),
    annotations: pairs(old.annotations),
    stop_signal: old.stop_signal,
    healthcheck: old.healthcheck.map(Into::into),
    on_build: old.on_build,
    author: old.author,
    created: old.created.map(Into::into),
    history: all(old.history),
    args_escaped: old.args_escaped,
});
record!(requests::BuiltImage => llb::BuiltImage, old: {
    platform: old.platform.into(),
    root: old.root.map(Into::into),
    config: old.config.into(),
    annotations: pairs(old.annotations),
});
record!(wit::OptionInfo => OptionInfo, old: {
    name: old.name,
    description: old.description,
    default_value: old.default_value,
});
record!(wit::CallInfo => CallInfo, old: { name: old.name, description: old.description });
record!(wit::TargetInfo => TargetInfo, old: {
    name: old.name,
    description: old.description,
    base: old.base,
    is_default: old.is_default,
    range: old.range.map(Into::into),
});
record!(wit::ArgInfo => ArgInfo, old: {
    name: old.name,
    description: old.description,
    default_value: old.default_value,
    range: old.range.map(Into::into),
});
record!(requests::ImageRequest => ImageRequest, old: {
    reference: old.reference,
    oci_layout_store: old.oci_layout_store,
    platform: old.platform.map(Into::into),
    mode: old.mode.into(),
});
record!(host::ByteRange => ByteRange, old: { offset: old.offset, length: old.length });
enumeration!(host::LogLevel => LogLevel { Debug => Debug, Info => Info, Warn => Warn });
