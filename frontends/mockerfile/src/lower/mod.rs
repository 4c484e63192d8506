//! From images of a file to a graph: once for each platform, over one graph.
//! Knows nothing of YAML.

mod commands;
mod config;
mod context;
mod copies;
mod downloads;
mod image;
mod outside;
mod packages;

use lapstrake_sdk::options::Options;
use lapstrake_sdk::types::{BuildError, BuiltImage, Platform, Request};
use lapstrake_sdk::{Graph, Host};

use crate::check::{self, Links, Source, Start};
use crate::findings::Findings;
use crate::model::{Image, Mockerfile};
use image::Builder;

/// What is to be lowered. The file MUST have no errors.
pub struct Job<'a> {
    /// The file.
    pub file: &'a Mockerfile,
    /// What the words of each image mean.
    pub links: &'a [Links],
    /// The image to build.
    pub target: usize,
    /// The request.
    pub request: &'a Request,
    /// The host.
    pub host: &'a dyn Host,
}

/// What has become of it.
#[derive(Debug, Default)]
pub struct Lowered {
    /// The vertices.
    pub graph: Graph,
    /// One image for each platform.
    pub images: Vec<BuiltImage>,
    /// Ids of caches that are used, each once.
    pub caches: Vec<String>,
}

/// Lowers a file. What the host cannot give is a finding; an error is one of the host itself.
pub fn lower(job: &Job<'_>, findings: &mut Findings) -> Result<Lowered, BuildError> {
    let mut lowered = Lowered::default();
    job.request.sources.iter().for_each(|source| {
        lowered.graph.source_file(source);
    });
    let options = match Options::read(job.request) {
        Ok(options) => options,
        Err(problem) => {
            findings.error("InvalidOption", &(0..0), problem);
            return Ok(lowered);
        }
    };
    let Some(platforms) = platforms(job, findings) else {
        return Ok(lowered);
    };
    let order = order(job.links, job.target);
    let context = context::load(job, &order, &lowered.graph, findings)?;
    let outside = outside::resolve(job, &order, &platforms, &options, &lowered.graph, findings);
    if findings.has_errors() {
        return Ok(lowered);
    }
    for (platform, outside) in platforms.iter().zip(&outside) {
        let mut builder = Builder {
            job,
            options: &options,
            platform,
            shows_platform: platforms.len() > 1,
            graph: &lowered.graph,
            outside,
            context: &context,
            done: vec![None; job.links.len()],
            caches: &mut lowered.caches,
            findings,
        };
        for index in &order {
            builder.image(*index);
        }
        lowered.images.extend(builder.finish());
    }
    Ok(lowered)
}

/// The platforms of the target: those of the command line, else its own, else the machine's.
fn platforms(job: &Job<'_>, findings: &mut Findings) -> Option<Vec<Platform>> {
    let image = &job.file.images[job.target];
    let default = &job.request.build_platform;
    let own = check::platforms(image, default, findings);
    let asked = &job.request.platforms;
    if asked.is_empty() {
        return Some(match own.is_empty() {
            true => vec![default.clone()],
            false => own,
        });
    }
    if let (Some(first), Some(other)) = (
        image.platforms.first(),
        asked
            .iter()
            .find(|platform| !own.is_empty() && !own.contains(platform)),
    ) {
        let names: Vec<String> = own.iter().map(ToString::to_string).collect();
        let message = format!("the image is for {}, not for {other}", names.join(", "));
        findings
            .error("OtherPlatform", &first.span, message)
            .help("add the platform, or leave it out of --platform");
        return None;
    }
    Some(asked.clone())
}

/// The images that one needs, itself last, each after those that it needs.
pub(crate) fn order(links: &[Links], target: usize) -> Vec<usize> {
    if target >= links.len() {
        return Vec::new();
    }
    let needed = |index: usize| -> Vec<usize> {
        let parent = match &links[index].start {
            Start::Parent(parent) => Some(*parent),
            _ => None,
        };
        let copies = links[index].copies.iter().filter_map(|source| match source {
            Source::Image(image) => Some(*image),
            _ => None,
        });
        parent.into_iter().chain(copies).collect()
    };
    let mut order = Vec::new();
    let mut seen = vec![false; links.len()];
    let mut way = vec![(target, needed(target))];
    seen[target] = true;
    while let Some((index, rest)) = way.last_mut() {
        match rest.pop() {
            Some(next) if !seen[next] => {
                seen[next] = true;
                way.push((next, needed(next)));
            }
            Some(_) => {}
            None => {
                order.push(*index);
                way.pop();
            }
        }
    }
    order
}

/// The name of an image in the progress and in file names.
fn label(image: &Image) -> &str {
    image.name.as_ref().map_or("image", |name| name.text.as_str())
}
