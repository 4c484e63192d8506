//! Words of the command line to options of the engine.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::config::Config;
use crate::git_address;
use crate::options::{self, BuildOptions, CompileOptions, Context, FrontendLimits, LockUse, NamedSource};
use crate::spec::{self, Destination, Output, OutputKind, SpecError, Ssh};
use crate::trust::FrontendPolicy;

use super::words::{BuildWords, FrontendLimitWords, SharedWords};

/// A word that cannot be used, with the option it stands after.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{option}: {source}")]
pub struct WordError {
    option: &'static str,
    source: SpecError,
}

pub(super) trait After<T> {
    fn after(self, option: &'static str) -> Result<T, WordError>;
}

impl<T> After<T> for Result<T, SpecError> {
    fn after(self, option: &'static str) -> Result<T, WordError> {
        self.map_err(|source| WordError { option, source })
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The words that `build` and `llb` share.
///
/// # Errors
/// A word that has no meaning.
pub fn compile(words: SharedWords, config: &Config) -> Result<CompileOptions, WordError> {
    // What is there as a directory is one, whatever its name looks like.
    let context = if std::path::Path::new(&words.context).is_dir() {
        Context::Directory(words.context.clone().into())
    } else {
        options::context(&words.context).after("CONTEXT")?
    };
    let file = options::build_file(words.file.as_deref(), &context).after("--file")?;
    let mut build_args = build_args(&words.build_arg)?;
    if !build_args.iter().any(|(name, _)| name == "SOURCE_DATE_EPOCH") {
        build_args
            .extend(environment("SOURCE_DATE_EPOCH").map(|epoch| ("SOURCE_DATE_EPOCH".to_owned(), epoch)));
    }
    let labels = words
        .label
        .iter()
        .map(|text| spec::pair(text))
        .collect::<Result<_, _>>()
        .after("--label")?;
    let mut platforms = Vec::new();
    for text in &words.platform {
        platforms.extend(spec::platforms(text).after("--platform")?);
    }
    Ok(CompileOptions {
        context,
        file,
        target: words.target.clone(),
        build_args,
        named_contexts: named_contexts(&words.build_context)?,
        labels,
        platforms,
        limits: limits(&words.frontend_limits, config)?,
        frontend_options: frontend_options(&words, config)?,
        offline: words.offline,
        lock: match words.locked {
            true => LockUse::Required,
            false => LockUse::Pins,
        },
        frontend_policy: policy(words.frontend_policy.as_deref())?,
        frontend: words.frontend,
    })
}

pub(super) fn policy(text: Option<&str>) -> Result<Option<FrontendPolicy>, WordError> {
    let policy = text.map(|text| text.parse().map_err(SpecError));
    policy.transpose().after("--frontend-policy")
}

/// The words behind `--build-arg`. One without a value that the environment has not says nothing.
pub(super) fn build_args(words: &[String]) -> Result<Vec<(String, String)>, WordError> {
    let mut build_args = Vec::new();
    for text in words {
        build_args.extend(options::build_arg(text, environment).after("--build-arg")?);
    }
    Ok(build_args)
}

/// The words behind `--build-context`.
pub(super) fn named_contexts(words: &[String]) -> Result<Vec<(String, NamedSource)>, WordError> {
    let contexts = words.iter().map(|text| options::named_context(text));
    contexts.collect::<Result<_, _>>().after("--build-context")
}

pub(super) fn limits(words: &FrontendLimitWords, config: &Config) -> Result<FrontendLimits, WordError> {
    let memory = match (&words.frontend_memory, &config.frontend.memory) {
        (Some(text), _) => Some(spec::size(text).after("--frontend-memory")?),
        (None, Some(text)) => Some(spec::size(text).after("frontend.memory of the configuration")?),
        (None, None) => None,
    };
    let output = match (&words.frontend_output, &config.frontend.output) {
        (Some(text), _) => Some(spec::size(text).after("--frontend-output")?),
        (None, Some(text)) => Some(spec::size(text).after("frontend.output of the configuration")?),
        (None, None) => None,
    };
    Ok(FrontendLimits {
        memory,
        fuel: words.frontend_fuel.or(config.frontend.fuel),
        timeout: words
            .frontend_timeout
            .or(config.frontend.timeout)
            .map(Duration::from_secs),
        output: output.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
    })
}

fn frontend_options(words: &SharedWords, config: &Config) -> Result<Vec<(String, String)>, WordError> {
    let mut out = Vec::new();
    let mut add = |name: &str, value: String| out.push((name.to_owned(), value));
    if words.no_cache {
        add("no-cache", String::new());
    } else if !words.no_cache_filter.is_empty() {
        add("no-cache", words.no_cache_filter.join(","));
    }
    if words.pull {
        add("image-resolve-mode", "pull".to_owned());
    }
    match words.network.as_deref() {
        None | Some("default") => {}
        Some(mode @ ("none" | "host")) => add("force-network-mode", mode.to_owned()),
        Some(other) => {
            let error = SpecError(format!(
                "{other:?} is not a network mode; it is default, none or host"
            ));
            return Err(WordError {
                option: "--network",
                source: error,
            });
        }
    }
    out.extend(words.limits.options(config)?);
    out.extend(words.arguments.options()?);
    Ok(out)
}

/// The words of `build`.
///
/// # Errors
/// A word that has no meaning, or two that do not go together.
pub fn build(words: BuildWords, config: &Config) -> Result<BuildOptions, WordError> {
    let annotations = words
        .annotation
        .iter()
        .map(|text| spec::pair(text))
        .collect::<Result<_, _>>();
    let outputs: Vec<Output> = words
        .output
        .iter()
        .map(|text| spec::output(text))
        .collect::<Result<_, _>>()
        .after("--output")?;
    let to_stdout = outputs
        .iter()
        .filter(|output| output.destination == Some(Destination::Stdout))
        .count();
    if to_stdout > 1 {
        let error = SpecError("only one output can go to standard output".to_owned());
        return Err(WordError {
            option: "--output",
            source: error,
        });
    }
    let entitlements = words
        .allow
        .iter()
        .flat_map(|text| text.split(','))
        .map(|text| options::entitlement(text.trim()));
    let jobs = match words.jobs.or(config.jobs) {
        Some(0) => {
            let error = SpecError("it is at least 1".to_owned());
            return Err(WordError {
                option: "--jobs",
                source: error,
            });
        }
        Some(jobs) => jobs,
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let mut options = BuildOptions {
        annotations: annotations.after("--annotation")?,
        outputs,
        secrets: words
            .secret
            .iter()
            .map(|text| spec::secret(text))
            .collect::<Result<_, _>>()
            .after("--secret")?,
        ssh: words
            .ssh
            .iter()
            .map(|text| spec::ssh(text))
            .collect::<Result<_, _>>()
            .after("--ssh")?,
        entitlements: entitlements
            .collect::<Result<BTreeSet<_>, _>>()
            .after("--allow")?,
        jobs,
        step_timeout: words.step_timeout.map(Duration::from_secs),
        tags: words.tag,
        compile: compile(words.shared, config)?,
    };
    add_callers_agent(&mut options);
    Ok(options)
}

/// Gives a build with a context that is reached by SSH the caller's agent, if no other one is named. As buildx.
pub fn add_callers_agent(options: &mut BuildOptions) {
    let compile = &options.compile;
    let named = compile.named_contexts.iter().map(|(_, source)| source);
    let mut addresses: Vec<&String> = named
        .filter_map(|source| match source {
            NamedSource::Git(address) => Some(address),
            _ => None,
        })
        .collect();
    if let Context::Git(address) = &compile.context {
        addresses.push(address);
    }
    let by_ssh = addresses.into_iter().any(|address| git_address::is_ssh(address));
    if by_ssh && options.ssh.is_empty() && environment("SSH_AUTH_SOCK").is_some() {
        let (id, paths) = ("default".to_owned(), Vec::new());
        options.ssh.push(Ssh { id, paths });
    }
}

/// Whether an output takes standard output for itself.
pub fn takes_stdout(options: &BuildOptions) -> bool {
    options
        .outputs
        .iter()
        .any(|output| output.destination == Some(Destination::Stdout) && output.kind != OutputKind::CacheOnly)
}
