//! The checks: their names, and which of them a file wants.
//! Knows nothing of what they look at; the parser and the lowering find that on their way.

use std::collections::BTreeSet;

pub use lapstrake_sdk::options::parse_bool;

use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::span::Span;
use crate::suggest;

/// A check.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, the same as BuildKit's.
    pub name: &'static str,
    /// The name of its page.
    page: &'static str,
    /// Whether it runs only when asked for.
    experimental: bool,
}

impl Rule {
    /// Its page in Docker's documentation.
    pub fn url(&self) -> String {
        format!("https://docs.docker.com/go/dockerfile/rule/{}/", self.page)
    }
}

macro_rules! rules {
    ($($id:ident $name:literal $page:literal $experimental:literal;)*) => {
        $(
            #[doc = concat!("The check `", $name, "`.")]
            pub const $id: &Rule = &Rule { name: $name, page: $page, experimental: $experimental };
        )*
        /// All checks.
        pub const RULES: &[&Rule] = &[$($id),*];
    };
}

rules! {
    STAGE_NAME_CASING "StageNameCasing" "stage-name-casing" false;
    FROM_AS_CASING "FromAsCasing" "from-as-casing" false;
    NO_EMPTY_CONTINUATION "NoEmptyContinuation" "no-empty-continuation" false;
    CONSISTENT_INSTRUCTION_CASING "ConsistentInstructionCasing" "consistent-instruction-casing" false;
    DUPLICATE_STAGE_NAME "DuplicateStageName" "duplicate-stage-name" false;
    RESERVED_STAGE_NAME "ReservedStageName" "reserved-stage-name" false;
    JSON_ARGS_RECOMMENDED "JSONArgsRecommended" "json-args-recommended" false;
    MAINTAINER_DEPRECATED "MaintainerDeprecated" "maintainer-deprecated" false;
    UNDEFINED_ARG_IN_FROM "UndefinedArgInFrom" "undefined-arg-in-from" false;
    WORKDIR_RELATIVE_PATH "WorkdirRelativePath" "workdir-relative-path" false;
    UNDEFINED_VAR "UndefinedVar" "undefined-var" false;
    MULTIPLE_INSTRUCTIONS_DISALLOWED "MultipleInstructionsDisallowed" "multiple-instructions-disallowed" false;
    LEGACY_KEY_VALUE_FORMAT "LegacyKeyValueFormat" "legacy-key-value-format" false;
    INVALID_BASE_IMAGE_PLATFORM "InvalidBaseImagePlatform" "invalid-base-image-platform" false;
    REDUNDANT_TARGET_PLATFORM "RedundantTargetPlatform" "redundant-target-platform" false;
    SECRETS_USED_IN_ARG_OR_ENV "SecretsUsedInArgOrEnv" "secrets-used-in-arg-or-env" false;
    INVALID_DEFAULT_ARG_IN_FROM "InvalidDefaultArgInFrom" "invalid-default-arg-in-from" false;
    FROM_PLATFORM_FLAG_CONST_DISALLOWED "FromPlatformFlagConstDisallowed" "from-platform-flag-const-disallowed" false;
    COPY_IGNORED_FILE "CopyIgnoredFile" "copy-ignored-file" false;
    INVALID_DEFINITION_DESCRIPTION "InvalidDefinitionDescription" "invalid-definition-description" true;
    EXPOSE_PROTO_CASING "ExposeProtoCasing" "expose-proto-casing" false;
    EXPOSE_INVALID_FORMAT "ExposeInvalidFormat" "expose-invalid-format" false;
}

/// Adds a failed check.
pub fn report(
    diagnostics: &mut Diagnostics,
    rule: &'static Rule,
    span: Span,
    message: impl FnOnce() -> String,
) {
    diagnostics.push(finding(rule, span, message()));
}

/// Makes the diagnostic of a failed check.
pub fn finding(rule: &'static Rule, span: Span, message: impl Into<String>) -> Diagnostic {
    let mut diagnostic = Diagnostic::warning(rule.name, span, message);
    diagnostic.url = Some(rule.url());
    diagnostic
}

/// Which checks are wanted: `skip=A,B;error=true;experimental=C`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    skip_all: bool,
    skip: BTreeSet<String>,
    experimental_all: bool,
    experimental: BTreeSet<String>,
    /// Whether a failed check ends the build.
    pub error: bool,
}

impl Config {
    /// Reads the options; the error is what is wrong with them and what to do.
    pub fn parse(text: &str) -> Result<Self, (String, String)> {
        let mut config = Config::default();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let (key, value) = (key.trim(), value.trim());
            let names = || {
                value
                    .split(',')
                    .map(|name| name.trim().to_owned())
                    .filter(|name| !name.is_empty())
            };
            match key {
                "skip" if value == "all" => config.skip_all = true,
                "skip" => config.skip.extend(names()),
                "experimental" if value == "all" => config.experimental_all = true,
                "experimental" => config.experimental.extend(names()),
                "error" => {
                    let help = "write `error=true` or `error=false`".to_owned();
                    config.error =
                        parse_bool(value).ok_or_else(|| (format!("`{value}` is not true or false"), help))?;
                }
                _ => {
                    let help =
                        suggest::did_you_mean(key, ["skip", "error", "experimental"]).unwrap_or_else(|| {
                            "the options are `skip=RULE,…`, `error=true` and `experimental=RULE,…`".to_owned()
                        });
                    return Err((format!("unknown check option `{key}`"), help));
                }
            }
        }
        Ok(config)
    }

    /// Reports names of checks that there are not: BuildKit ignores them, and the check runs all the same.
    pub fn note_unknown(&self, span: Span, diagnostics: &mut Diagnostics) {
        for name in self.skip.iter().chain(&self.experimental) {
            if RULES.iter().all(|rule| rule.name != name) {
                let near = suggest::did_you_mean(name, RULES.iter().map(|rule| rule.name));
                let message = format!("there is no check `{name}`");
                diagnostics.push(Diagnostic::info("UnknownCheck", span, message).maybe_help(near));
            }
        }
    }

    fn wants(&self, rule: &Rule) -> bool {
        let on = !rule.experimental || self.experimental_all || self.experimental.contains(rule.name);
        on && !self.skip_all && !self.skip.contains(rule.name)
    }
}

/// Options that hold for one instruction, from a comment above it.
#[derive(Debug, Clone)]
pub struct Local {
    /// The instruction.
    pub span: Span,
    /// Its options.
    pub config: Config,
}

/// Removes the failed checks that nobody wants, and makes the rest an error where they are to be one.
pub fn apply(diagnostics: Vec<Diagnostic>, config: &Config, local: &[Local]) -> Vec<Diagnostic> {
    let wanted = |diagnostic: &Diagnostic| {
        let Some(rule) = RULES.iter().find(|rule| rule.name == diagnostic.code) else {
            return true;
        };
        config.wants(rule)
            && local
                .iter()
                .filter(|l| l.span.contains(diagnostic.span))
                .all(|l| !l.config.skip_all && !l.config.skip.contains(rule.name))
    };
    let mut kept: Vec<Diagnostic> = diagnostics.into_iter().filter(wanted).collect();
    let mut failed: Vec<&'static str> = kept
        .iter()
        .filter(|d| d.severity == Severity::Warning)
        .map(|d| d.code)
        .collect();
    if config.error && !failed.is_empty() && !kept.iter().any(|d| d.severity == Severity::Error) {
        failed.sort_unstable();
        failed.dedup();
        let span = kept
            .iter()
            .find(|d| d.severity == Severity::Warning)
            .map(|d| d.span)
            .unwrap_or_default();
        kept.push(
            Diagnostic::error(
                "ChecksFailed",
                span,
                format!("checks failed: {}", failed.join(", ")),
            )
            .help("mend what they found, or remove `error=true` from the check options"),
        );
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::parse(text).unwrap()
    }

    #[test]
    fn there_are_twenty_two() {
        assert_eq!(RULES.len(), 22);
    }

    #[test]
    fn options() {
        let options = config("skip=StageNameCasing, UndefinedVar;error=true");
        assert!(options.error);
        assert!(
            !options.wants(STAGE_NAME_CASING)
                && !options.wants(UNDEFINED_VAR)
                && options.wants(FROM_AS_CASING)
        );
        assert!(!options.wants(INVALID_DEFINITION_DESCRIPTION));
        assert!(config("experimental=all").wants(INVALID_DEFINITION_DESCRIPTION));
        assert!(!config("skip=all").wants(FROM_AS_CASING));
        assert_eq!(Config::parse("skp=all").unwrap_err().1, "did you mean `skip`?");
        assert!(Config::parse("error=maybe").is_err());
    }

    #[test]
    fn failed_checks_can_be_an_error() {
        let found = || vec![finding(UNDEFINED_VAR, Span::new(3, 4), "x")];
        assert_eq!(apply(found(), &config("error=true"), &[]).len(), 2);
        assert_eq!(
            apply(found(), &config("skip=UndefinedVar;error=true"), &[]).len(),
            0
        );
        let local = Local {
            span: Span::new(0, 9),
            config: config("skip=UndefinedVar"),
        };
        assert_eq!(apply(found(), &Config::default(), &[local]).len(), 0);
    }
}
