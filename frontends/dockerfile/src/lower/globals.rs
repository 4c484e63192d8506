//! The arguments that stand before the first `FROM`, and those that every build has.
//! Knows nothing of stages.

use std::collections::BTreeMap;

use lapstrake_sdk::types::Platform;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::expand::Expander;
use crate::lower::env::Env;
use crate::lower::stage::report_expansion;
use crate::outline::Capture;
use crate::span::Span;
use crate::stages::Dockerfile;

/// The platforms of one lowering.
#[derive(Debug, Clone)]
pub struct Platforms {
    /// What is built for.
    pub target: Platform,
    /// What it is built on.
    pub build: Platform,
    /// Whether nobody asked for the target: it may be taken from the base image then.
    pub implicit: bool,
}

/// Returns the arguments that every build has; the person who builds may set them to something else.
pub fn predefined(platforms: &Platforms, target: &str, build_args: &BTreeMap<String, String>) -> Env {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (build, to) = (&platforms.build, &platforms.target);
    let mut env = Env::default();
    for (key, value) in [
        ("BUILDPLATFORM", build.to_string()),
        ("BUILDOS", build.os.clone()),
        ("BUILDOSVERSION", text(&build.os_version)),
        ("BUILDARCH", build.architecture.clone()),
        ("BUILDVARIANT", text(&build.cpu_variant)),
        ("TARGETPLATFORM", to.to_string()),
        ("TARGETOS", to.os.clone()),
        ("TARGETOSVERSION", text(&to.os_version)),
        ("TARGETARCH", to.architecture.clone()),
        ("TARGETVARIANT", text(&to.cpu_variant)),
        (
            "TARGETSTAGE",
            if target.is_empty() {
                "default".to_owned()
            } else {
                target.to_owned()
            },
        ),
    ] {
        let value = build_args.get(key).cloned().unwrap_or(value);
        env.set_last(key, &value);
    }
    env
}

/// Adds the file's global arguments. `build_args` win over defaults, which see the arguments before them.
pub fn declared(
    mut env: Env,
    file: &Dockerfile,
    build_args: &BTreeMap<String, String>,
    outline: &mut Capture,
    diagnostics: &mut Diagnostics,
) -> Env {
    let expander = Expander::new(file.escape);
    for (command, arg) in &file.globals {
        for definition in &arg.definitions {
            let key = definition.key.text.as_str();
            let value = match (build_args.get(key), &definition.value) {
                (Some(value), _) => Some(value.clone()),
                (None, Some(word)) => match expander.expand(&word.text, &env) {
                    Ok(expansion) => Some(expansion.text),
                    Err(error) => {
                        report_expansion(&error, word, diagnostics);
                        None
                    }
                },
                (None, None) => None,
            };
            if let Some(value) = &value {
                env.set_last(key, value);
            }
            outline.argument(command, definition, value.as_deref());
        }
    }
    env
}

/// Returns the seconds of a SOURCE_DATE_EPOCH, which stands at `place` if it is the file's.
pub fn epoch(text: &str, place: Option<Span>, diagnostics: &mut Diagnostics) -> Option<i64> {
    if text.is_empty() {
        return None;
    }
    let seconds = text.parse::<i64>().ok();
    if seconds.is_none() {
        let message = format!("SOURCE_DATE_EPOCH is `{text}`, which is no number of seconds");
        // The builder knows the context's time; it makes a number of the word before the frontend sees it.
        let help = match text {
            "context" => {
                "only who builds can ask for the time of the context: --build-arg SOURCE_DATE_EPOCH=context"
            }
            _ => "give it the seconds since 1970",
        };
        let diagnostic = match place {
            Some(place) => Diagnostic::error("InvalidEpoch", place, message),
            None => Diagnostic::elsewhere("InvalidEpoch", message),
        };
        diagnostics.push(diagnostic.help(help));
    }
    seconds
}
