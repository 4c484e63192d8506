//! What is wrong in a file though every key of it is right: names, links between images, addresses, paths.
//! Knows nothing of the graph; what is doubtful only is in `lint.rs`.

use lapstrake_sdk::types::{Platform, Request};
use lapstrake_sdk::{chmod, reference::Reference};

use crate::findings::{Findings, Span, did_you_mean};
use crate::model::{Copy, External, Image, Manager, Mockerfile, Package, Text};

/// Where an image begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// With nothing.
    Scratch,
    /// With something that is not of this file.
    Outside(Text),
    /// With an image of this file.
    Parent(usize),
}

/// Where a copy comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The build context.
    Context,
    /// Something that is not of this file.
    Outside(Text),
    /// An image of this file.
    Image(usize),
}

/// What the words of an image mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    /// Where it begins.
    pub start: Start,
    /// Where its copies come from, one for each.
    pub copies: Vec<Source>,
}

impl Links {
    /// The images of the file that this one needs, and where that is said.
    fn needed<'a>(&'a self, image: &'a Image) -> impl Iterator<Item = (usize, &'a Span)> {
        let parent = match &self.start {
            Start::Parent(index) => image.parent.as_ref().map(|text| (*index, &text.span)),
            _ => None,
        };
        let copies = self.copies.iter().zip(&image.copy);
        parent
            .into_iter()
            .chain(copies.filter_map(|(source, copy)| match source {
                Source::Image(index) => copy.from.as_ref().map(|text| (*index, &text.span)),
                _ => None,
            }))
    }
}

/// Checks a file; returns the links of each image.
pub fn check(file: &Mockerfile, request: &Request, findings: &mut Findings) -> Vec<Links> {
    names(file, findings);
    for image in &file.images {
        image_alone(image, file.is_cut, findings);
        platforms(image, &request.build_platform, findings);
    }
    let links: Vec<Links> = file
        .images
        .iter()
        .map(|image| link(file, image, request, findings))
        .collect();
    cycles(file, &links, findings);
    links
}

fn names(file: &Mockerfile, findings: &mut Findings) {
    for (index, image) in file.images.iter().enumerate() {
        let Some(name) = &image.name else { continue };
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if !name.chars().all(good) {
            findings
                .error(
                    "InvalidName",
                    &name.span,
                    format!("`{}` cannot be a name", name.escape_debug()),
                )
                .help("a name has letters, digits, `-`, `_` and `.`");
        }
        let first = file.find(name).filter(|first| *first != index);
        if let Some(first) = first.and_then(|first| file.images[first].name.as_ref()) {
            findings
                .error(
                    "DuplicateName",
                    &name.span,
                    format!("there are two images `{}`", name.text),
                )
                .related(&first.span, "first here");
        }
    }
}

fn link(file: &Mockerfile, image: &Image, request: &Request, findings: &mut Findings) -> Links {
    // A context of the command line stands before an image of the file.
    let inside = |name: &str| match request.named_context(name) {
        Some(_) => None,
        None => file.find(name),
    };
    let start = match (&image.from, &image.parent) {
        (Some(from), Some(parent)) => {
            findings
                .error(
                    "TwoBases",
                    &parent.span,
                    "an image begins with `from` or with `parent`, not with both",
                )
                .related(&from.span, "`from` is here");
            Start::Scratch
        }
        (Some(from), None) => outside(from, findings),
        (None, Some(parent)) => match inside(parent) {
            Some(index) => Start::Parent(index),
            None if request.named_context(parent).is_some() => Start::Outside(parent.clone()),
            None => {
                unknown_parent(file, parent, findings);
                Start::Scratch
            }
        },
        (None, None) => {
            if !file.is_cut && !findings.has_errors_in(&image.span) {
                let span = image.span.start..image.span.start;
                findings
                    .error("NoBase", &span, "the image has neither `from` nor `parent`")
                    .help("an image that begins with nothing has `from: scratch`");
            }
            Start::Scratch
        }
    };
    let copies = image.copy.iter().map(|copy| match &copy.from {
        None => Source::Context,
        Some(from) => match inside(from) {
            Some(index) => Source::Image(index),
            None => outside_source(copy, from, findings),
        },
    });
    let copies = copies.collect();
    Links { start, copies }
}

fn outside_source(copy: &Copy, from: &Text, findings: &mut Findings) -> Source {
    if copy.src.is_empty() && !findings.has_errors_in(&copy.span) {
        findings
            .error("MissingKey", &from.span, "`src` and `dst` are missing")
            .help("only an image of this file can be taken as a whole");
    }
    match outside(from, findings) {
        Start::Outside(text) => Source::Outside(text),
        _ => {
            findings.error("NothingToCopy", &from.span, "there is nothing in `scratch`");
            Source::Context
        }
    }
}

fn outside(text: &Text, findings: &mut Findings) -> Start {
    if text.text == "scratch" {
        return Start::Scratch;
    }
    if let Err(problem) = Reference::parse(text) {
        let message = format!("`{}` is no image's name: {problem}", text.escape_debug());
        findings.error("InvalidReference", &text.span, message);
    }
    Start::Outside(text.clone())
}

fn unknown_parent(file: &Mockerfile, parent: &Text, findings: &mut Findings) {
    let names: Vec<&str> = file.image_names().collect();
    let help = did_you_mean(parent, names.iter().copied()).unwrap_or_else(|| match names.is_empty() {
        true => "no image of this file has a name".to_owned(),
        false => format!(
            "the images are {}; an image of a registry is named by `from`",
            names.join(", ")
        ),
    });
    let message = format!("there is no image `{}` in this file", parent.escape_debug());
    findings.error("UnknownParent", &parent.span, message).help(help);
}

/// Finds images that need themselves, each circle once.
fn cycles(file: &Mockerfile, links: &[Links], findings: &mut Findings) {
    /// What is known of an image.
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        Unseen,
        Open,
        Done,
    }
    let mut marks = vec![Mark::Unseen; links.len()];
    for start in 0..links.len() {
        if marks[start] != Mark::Unseen {
            continue;
        }
        marks[start] = Mark::Open;
        // Images on the way with what they need that was not looked at.
        let needed = |index: usize| links[index].needed(&file.images[index]).collect::<Vec<_>>();
        let mut way = vec![(start, needed(start))];
        while let Some((index, rest)) = way.last_mut() {
            let index = *index;
            match rest.pop() {
                None => {
                    marks[index] = Mark::Done;
                    way.pop();
                }
                Some((next, _)) if marks[next] == Mark::Unseen => {
                    marks[next] = Mark::Open;
                    way.push((next, needed(next)));
                }
                Some((next, span)) if marks[next] == Mark::Open => {
                    let image = &file.images[next];
                    let name = image.name.as_ref().map_or("", |name| name.text.as_str());
                    let message = format!("the image `{name}` would need itself");
                    findings
                        .error("CircularImages", span, message)
                        .related(&name_span(image), "it is here");
                }
                Some(_) => {}
            }
        }
    }
}

/// Where an image is named, else where it begins.
pub fn name_span(image: &Image) -> Span {
    let start = image.span.start;
    image.name.as_ref().map_or(start..start, |name| name.span.clone())
}

fn image_alone(image: &Image, is_cut: bool, findings: &mut Findings) {
    if let Some(package) = &image.package {
        check_package(package, findings);
    }
    for external in &image.external {
        check_external(external, findings);
    }
    for copy in &image.copy {
        check_copy(copy, is_cut, findings);
    }
    let targets = image.secrets.iter().filter_map(|secret| secret.target.as_ref());
    for path in image.output.iter().chain(targets) {
        absolute(path, findings);
    }
    if let Some(workdir) = &image.workdir {
        absolute(workdir, findings);
    }
    for cache in &image.caches {
        let relative = !cache.path.starts_with('/');
        if relative && image.workdir.is_none() && image.parent.is_none() {
            absolute(&cache.path, findings);
        }
    }
}

/// Reads the platforms of an image; those that are none, or there twice, are findings.
pub fn platforms(image: &Image, default: &Platform, findings: &mut Findings) -> Vec<Platform> {
    let mut platforms: Vec<Platform> = Vec::new();
    for text in &image.platforms {
        match Platform::parse(text, default) {
            Ok(platform) if platforms.contains(&platform) => {
                let message = format!("{platform} is there twice");
                findings.error("DuplicatePlatform", &text.span, message);
            }
            Ok(platform) => platforms.push(platform),
            Err(error) => {
                findings.error("InvalidPlatform", &text.span, error.to_string());
            }
        }
    }
    platforms
}

fn absolute(path: &Text, findings: &mut Findings) {
    if !path.starts_with('/') {
        findings
            .error(
                "RelativePath",
                &path.span,
                format!("`{}` is not absolute", path.escape_debug()),
            )
            .help(format!("write `/{}`", path.trim_start_matches("./")));
    }
}

/// Whether a text is an address that the graph can fetch.
pub fn is_address(text: &str) -> bool {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.starts_with('/') && !rest.is_empty())
}

fn check_external(external: &External, findings: &mut Findings) {
    absolute(&external.dst, findings);
    if !is_address(&external.src) || external.src.contains(char::is_whitespace) {
        let message = format!("`{}` is no address", external.src.escape_debug());
        findings
            .error("InvalidAddress", &external.src.span, message)
            .help("an address begins with http:// or https://");
    }
}

fn check_package(package: &Package, findings: &mut Findings) {
    let manager = package.manager.map_or(Manager::Apt, |choice| choice.0);
    for repo in &package.repo {
        let one_line = !repo.contains(['\n', '\r']);
        let good = match manager {
            Manager::Apt => is_apt_line(repo),
            Manager::Apk => !repo.trim().contains(char::is_whitespace),
            Manager::Dnf => !repo.trim().contains(char::is_whitespace) && repo.contains("://"),
        };
        if !good || !one_line {
            let (what, help) = match manager {
                Manager::Apt => (
                    "a line of a sources list",
                    "write `deb ADDRESS SUITE [COMPONENT...]`",
                ),
                Manager::Apk => (
                    "a repository of apk",
                    "write its address, or a path of the base image",
                ),
                Manager::Dnf => (
                    "a repository of dnf",
                    "write its address, or one of a `.repo` file",
                ),
            };
            let message = format!("`{}` is not {what}", repo.escape_debug());
            findings
                .error("InvalidRepository", &repo.span, message)
                .help(help);
        }
    }
    for name in &package.install {
        if name.starts_with('-') || name.contains(char::is_whitespace) {
            let message = format!("`{}` cannot be a package", name.escape_debug());
            findings
                .error("InvalidPackage", &name.span, message)
                .help("write one package an item");
        }
    }
}

/// `deb [options] address suite [components]`
fn is_apt_line(line: &str) -> bool {
    let Some((kind, rest)) = line.trim().split_once(char::is_whitespace) else {
        return false;
    };
    let rest = match rest.trim_start().strip_prefix('[') {
        Some(options) => match options.split_once(']') {
            Some((_, rest)) => rest,
            None => return false,
        },
        None => rest,
    };
    matches!(kind, "deb" | "deb-src") && rest.split_whitespace().count() >= 2
}

fn check_copy(copy: &Copy, is_cut: bool, findings: &mut Findings) {
    if let Some(mode) = &copy.mode
        && let Err(problem) = chmod::parse(mode)
    {
        let message = format!("`{}` is no mode: {problem}", mode.escape_debug());
        findings
            .error("InvalidMode", &mode.span, message)
            .help("write octal digits from 0 to 07777, or a symbolic mode such as u=rwX,go=rX");
    }
    let span = copy.span.start..copy.span.start;
    match (&copy.src[..], &copy.dst) {
        ([], None) if copy.from.is_some() => {
            let rest = [&copy.owner, &copy.mode]
                .into_iter()
                .flatten()
                .chain(&copy.exclude);
            for text in rest {
                findings
                    .error(
                        "WholeImage",
                        &text.span,
                        "what is merged as a whole cannot be changed",
                    )
                    .help("add `src` and `dst` to copy files");
            }
        }
        (_, Some(_)) if !copy.src.is_empty() => {}
        _ if is_cut || findings.has_errors_in(&copy.span) => {}
        (sources, _) => {
            let missing = if sources.is_empty() { "src" } else { "dst" };
            findings
                .error("MissingKey", &span, format!("`{missing}` is missing"))
                .help("only an image of this file can be taken without both, as a whole");
        }
    }
}
