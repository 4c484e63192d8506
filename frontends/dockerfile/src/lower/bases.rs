//! What a stage begins with: its platform, and whether a name stands for a stage, an image or a named context.
//! Knows nothing of what the instructions after `FROM` do.

use lapstrake_sdk::types::{ContextSource, ImageRequest, OciLayoutSource, Platform};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::expand::{Expander, Expansion, Variables};
use crate::lint;
use crate::lower::plan::{ImageOrigin, Origin, Plan};
use crate::lower::stage::report_expansion;
use crate::reference::Reference;
use crate::span::Span;
use crate::stages::{Dockerfile, StageDefinition};
use crate::syntax::words::Word;

impl Plan {
    /// Expands a word of `FROM`, which sees global arguments alone.
    pub(super) fn global_word(
        &self,
        expander: &Expander,
        word: &Word,
        diagnostics: &mut Diagnostics,
    ) -> Option<Expansion> {
        match expander.expand(&word.text, &self.globals) {
            Ok(expansion) => {
                for name in expansion
                    .unmatched
                    .iter()
                    .filter(|name| !self.declared.contains(*name))
                {
                    let near = lapstrake_sdk::did_you_mean(name, self.globals.keys());
                    let help = match near {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("declare it with ARG {name} before the first FROM"),
                    };
                    let message = format!("the argument {name} of FROM is not declared");
                    diagnostics
                        .push(lint::finding(lint::UNDEFINED_ARG_IN_FROM, word.span, message).help(help));
                }
                Some(expansion)
            }
            Err(error) => {
                report_expansion(&error, word, diagnostics);
                None
            }
        }
    }

    pub(super) fn stage_platform(
        &self,
        file: &Dockerfile,
        stage: &StageDefinition,
        diagnostics: &mut Diagnostics,
    ) -> Option<Platform> {
        let word = stage.from.platform.as_ref()?;
        let expansion = self.global_word(&Expander::new(file.escape), word, diagnostics)?;
        let text = expansion.text.as_str();
        if expansion.matched == ["TARGETPLATFORM"]
            && expansion.unmatched.is_empty()
            && self.globals.get("TARGETPLATFORM") == Some(text)
        {
            lint::report(diagnostics, lint::REDUNDANT_TARGET_PLATFORM, word.span, || {
                format!("{} is the platform that FROM takes anyway", word.text)
            });
        }
        if text.is_empty() {
            diagnostics.push(
                Diagnostic::error(
                    "InvalidPlatform",
                    word.span,
                    format!("`{}` expands to nothing", word.text),
                )
                .help("give its arguments a default, or leave --platform out"),
            );
            return None;
        }
        match Platform::parse(text, &self.platforms.build) {
            Ok(platform) => {
                let name = stage.name();
                let constant = expansion.matched.is_empty() && expansion.unmatched.is_empty();
                if constant && !name.contains(&platform.os) && !name.contains(&platform.architecture) {
                    lint::report(
                        diagnostics,
                        lint::FROM_PLATFORM_FLAG_CONST_DISALLOWED,
                        word.span,
                        || format!("--platform={text} is the same for every target"),
                    );
                }
                Some(platform)
            }
            Err(error) => {
                diagnostics.push(
                    Diagnostic::error("InvalidPlatform", word.span, error.to_string())
                        .help("write os/architecture, such as linux/arm64"),
                );
                None
            }
        }
    }

    /// Finds out what a name stands for: a stage before `before`, nothing, or an image.
    pub(super) fn origin(
        &self,
        word: &Word,
        platform: Option<&Platform>,
        before: usize,
        diagnostics: &mut Diagnostics,
    ) -> Origin {
        if word.text == "scratch" || word.text.is_empty() {
            return Origin::Scratch;
        }
        match self.names.get(&word.text.to_lowercase()) {
            Some(index) if *index < before => Origin::Node(*index),
            _ => self.image(word, platform, diagnostics),
        }
    }

    fn image(&self, word: &Word, platform: Option<&Platform>, diagnostics: &mut Diagnostics) -> Origin {
        let reference = match Reference::parse(&word.text) {
            Ok(reference) => reference.with_default_tag(),
            Err(problem) => {
                let message = format!("`{}` is no image's name: {problem}", word.text);
                diagnostics.push(
                    Diagnostic::error("InvalidReference", word.span, message)
                        .maybe_help(self.near_stage(&word.text)),
                );
                return Origin::Scratch;
            }
        };
        if let Some((key, source)) = self.context(&reference.familiar(), platform) {
            return self.context_origin(&key, &source, platform, word.span, diagnostics);
        }
        self.image_origin(reference.to_string(), platform, None, None)
    }

    fn image_origin(
        &self,
        reference: String,
        platform: Option<&Platform>,
        context: Option<String>,
        layout: Option<OciLayoutSource>,
    ) -> Origin {
        let request = ImageRequest {
            reference,
            oci_layout_store: layout.as_ref().map(|layout| layout.store.clone()),
            platform: Some(platform.unwrap_or(&self.platforms.target).clone()),
            mode: self.mode,
        };
        Origin::Image(ImageOrigin {
            request,
            context,
            layout,
            info: None,
        })
    }

    /// Returns the named context for a name, the one for the platform first.
    pub(super) fn context(&self, name: &str, platform: Option<&Platform>) -> Option<(String, ContextSource)> {
        if self.contexts.is_empty()
            || name.eq_ignore_ascii_case("scratch")
            || name.eq_ignore_ascii_case("context")
        {
            return None;
        }
        let special = format!("{name}::{}", platform.unwrap_or(&self.platforms.target));
        [special, name.to_owned()].into_iter().find_map(|key| {
            let source = self.contexts.get(&key)?.clone();
            Some((key, source))
        })
    }

    pub(super) fn context_origin(
        &self,
        key: &str,
        source: &ContextSource,
        platform: Option<&Platform>,
        span: Span,
        diagnostics: &mut Diagnostics,
    ) -> Origin {
        match source {
            ContextSource::Local(local) => Origin::Directory {
                local: local.clone(),
                context: key.to_owned(),
            },
            ContextSource::Image(name) if name == "scratch" => Origin::Scratch,
            ContextSource::Image(name) => match Reference::parse(name) {
                Ok(reference) => {
                    let reference = reference.with_default_tag().to_string();
                    self.image_origin(reference, platform, Some(key.to_owned()), None)
                }
                Err(problem) => {
                    let message =
                        format!("the context {key} is `{name}`, which is no image's name: {problem}");
                    diagnostics.push(Diagnostic::error("InvalidReference", span, message));
                    Origin::Scratch
                }
            },
            ContextSource::OciLayout(layout) => self.image_origin(
                layout.reference.clone(),
                platform,
                Some(key.to_owned()),
                Some(layout.clone()),
            ),
            ContextSource::Git(url) => Origin::Git { url: url.clone() },
            ContextSource::Http(url) => Origin::Http {
                url: url.clone(),
                context: key.to_owned(),
            },
            ContextSource::Target(name) => match self.names.get(&name.to_lowercase()) {
                Some(index) => Origin::Node(*index),
                None => {
                    let message =
                        format!("the context {key} is the target `{name}`, which is not before this line");
                    diagnostics.push(
                        Diagnostic::error("UnknownStage", span, message).maybe_help(self.near_stage(name)),
                    );
                    Origin::Scratch
                }
            },
        }
    }
}
