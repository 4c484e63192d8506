//! What is not of the file: images of registries and layouts, and named contexts. All images are resolved in one call.
//! Knows nothing of what is done with them.

use std::collections::BTreeMap;

use lapstrake_sdk::options::Options;
use lapstrake_sdk::reference::Reference;
use lapstrake_sdk::types::{
    ContextSource, GitSource, HttpSource, ImageConfig, ImageRequest, ImageSource, LocalSource,
    OciLayoutSource, Platform, SourceOp,
};
use lapstrake_sdk::{Graph, State, git};

use super::Job;
use crate::check::{Source, Start};
use crate::findings::{Findings, Span, did_you_mean};
use crate::model::Text;

/// A tree with a configuration.
#[derive(Debug, Clone)]
pub(super) struct Base {
    /// The tree.
    pub(super) state: State,
    /// The image's configuration; empty for a directory.
    pub(super) config: ImageConfig,
}

/// What the names stand for, for one platform.
pub(super) type Outside = BTreeMap<String, Base>;

/// What a name stands for.
enum Origin {
    Image(ImageRequest, Option<OciLayoutSource>),
    Other(SourceOp, String),
}

/// Resolves all names that the images use; one answer for each platform.
pub(super) fn resolve(
    job: &Job<'_>,
    order: &[usize],
    platforms: &[Platform],
    options: &Options,
    graph: &Graph,
    findings: &mut Findings,
) -> Vec<Outside> {
    let names = names(job, order);
    let mut requests: Vec<ImageRequest> = Vec::new();
    let mut origins = Vec::new();
    for platform in platforms {
        for text in names.values() {
            let Some(origin) = origin(job, text, platform, options, findings) else {
                continue;
            };
            if let Origin::Image(request, _) = &origin
                && !requests.contains(request)
            {
                requests.push(request.clone());
            }
            origins.push((platform, *text, origin));
        }
    }
    let answers = match requests.is_empty() {
        true => Vec::new(),
        false => job.host.resolve_image_configs(&requests),
    };
    let mut all = vec![Outside::new(); platforms.len()];
    for (platform, text, origin) in origins {
        let base = match origin {
            Origin::Image(request, layout) => {
                let answer = requests.iter().position(|known| *known == request);
                let answer = answer
                    .and_then(|at| answers.get(at).cloned())
                    .unwrap_or_else(|| Err("the host did not answer".to_owned()));
                match answer {
                    Ok(info) => {
                        let source = match layout {
                            Some(layout) => SourceOp::OciLayout(OciLayoutSource {
                                reference: info.reference,
                                ..layout
                            }),
                            None => SourceOp::Image(ImageSource {
                                reference: info.reference,
                                mode: request.mode,
                                ..ImageSource::default()
                            }),
                        };
                        let state = graph.source(source, Some(platform));
                        Base {
                            state: described(state, format!("from {}", text.text), &text.span, findings),
                            config: info.config,
                        }
                    }
                    Err(problem) => {
                        unresolved(job, text, &problem, findings);
                        continue;
                    }
                }
            }
            Origin::Other(source, name) => Base {
                state: described(graph.source(source, Some(platform)), name, &text.span, findings),
                config: ImageConfig::new(platform.clone()),
            },
        };
        if let Some(at) = platforms.iter().position(|known| known == platform) {
            all[at].insert(text.text.clone(), base);
        }
    }
    all
}

fn described(state: State, name: String, span: &Span, findings: &Findings) -> State {
    state.name(name).range(findings.range(span))
}

/// The names that the images use, each where it is used first.
fn names<'a>(job: &'a Job<'_>, order: &[usize]) -> BTreeMap<&'a str, &'a Text> {
    let mut names = BTreeMap::new();
    for links in order.iter().map(|index| &job.links[*index]) {
        let start = match &links.start {
            Start::Outside(text) => Some(text),
            _ => None,
        };
        let copies = links.copies.iter().filter_map(|source| match source {
            Source::Outside(text) => Some(text),
            _ => None,
        });
        for text in start.into_iter().chain(copies) {
            names.entry(text.text.as_str()).or_insert(text);
        }
    }
    names
}

/// Finds out what a name stands for: a named context, the one for the platform first, or an image.
fn origin(
    job: &Job<'_>,
    text: &Text,
    platform: &Platform,
    options: &Options,
    findings: &mut Findings,
) -> Option<Origin> {
    // That it is no reference was said before.
    let reference = Reference::parse(text).ok()?.with_default_tag();
    let image = |reference: String, layout: Option<OciLayoutSource>| {
        let request = ImageRequest {
            reference,
            oci_layout_store: layout.as_ref().map(|layout| layout.store.clone()),
            platform: Some(platform.clone()),
            mode: options.resolve_mode,
        };
        Some(Origin::Image(request, layout))
    };
    let familiar = reference.familiar();
    let keys = [
        format!("{familiar}::{platform}"),
        familiar.clone(),
        text.text.clone(),
    ];
    let named = keys.iter().find_map(|key| job.request.named_context(key));
    match named {
        None => image(reference.to_string(), None),
        Some(ContextSource::Image(name)) => match Reference::parse(name) {
            Ok(name) => image(name.with_default_tag().to_string(), None),
            Err(problem) => {
                let message =
                    format!("the context {familiar} is `{name}`, which is no image's name: {problem}");
                findings.error("InvalidReference", &text.span, message);
                None
            }
        },
        Some(ContextSource::OciLayout(layout)) => image(layout.reference.clone(), Some(layout.clone())),
        Some(ContextSource::Local(local)) => {
            let source = LocalSource {
                name: local.clone(),
                shared_key_hint: Some(format!("context:{familiar}")),
                ..LocalSource::default()
            };
            let name = format!("[context {familiar}] load from client");
            Some(Origin::Other(SourceOp::Local(source), name))
        }
        Some(ContextSource::Git(url)) => {
            let source = match git::parse(url) {
                Some(Ok(parsed)) => parsed.into_source(),
                _ => GitSource {
                    remote: url.clone(),
                    ..GitSource::default()
                },
            };
            Some(Origin::Other(
                SourceOp::Git(source),
                format!("[context {familiar}] {url}"),
            ))
        }
        Some(ContextSource::Http(url)) => {
            let source = HttpSource {
                url: url.clone(),
                filename: Some("context".to_owned()),
                ..HttpSource::default()
            };
            Some(Origin::Other(
                SourceOp::Http(source),
                format!("[context {familiar}] {url}"),
            ))
        }
        Some(ContextSource::Target(name)) => {
            let message =
                format!("the context {familiar} is the target `{name}`, which a Mockerfile cannot take");
            findings
                .error("TargetContext", &text.span, message)
                .help("name the image in the file: `parent` or `copy`");
            None
        }
    }
}

fn unresolved(job: &Job<'_>, text: &Text, problem: &str, findings: &mut Findings) {
    let message = format!("the image `{}` cannot be had: {problem}", text.text);
    let help = did_you_mean(text, job.file.image_names());
    findings
        .error("ImageNotResolved", &text.span, message)
        .maybe_help(help);
}
