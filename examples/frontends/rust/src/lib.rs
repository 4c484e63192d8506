//! A build language of lines, as STEPS.md in the folder above describes it. Here: from a request to a result.

mod lines;
mod stages;

use lapstrake_sdk::types::*;
use lapstrake_sdk::{Frontend, Graph, Host, LineIndex, register};

use lines::Line;
use stages::{Builder, Stage};

/// The frontend.
pub struct Steps;

impl Frontend for Steps {
    fn describe() -> FrontendInfo {
        FrontendInfo {
            name: "steps".into(),
            version: "0.1.0".into(),
            file_patterns: vec!["*.steps".into()],
            options: vec![OptionInfo {
                name: "cmdline".into(),
                description: "shell=PATH: the shell of run".into(),
                default_value: Some("shell=/bin/sh".into()),
            }],
            ..Default::default()
        }
    }

    fn build(host: &dyn Host, request: Request) -> Result<BuildResult, BuildError> {
        let graph = Graph::new();
        let (lines, mut errors) = read(&graph, &request)?;
        let mut warnings = Vec::new();
        let mut images = Vec::new();
        for platform in request.target_platforms() {
            let mut builder = Builder::new(&graph, host, &request, platform.clone());
            lines.iter().for_each(|line| builder.line(line));
            let stages = builder.finish();
            // What is said of the file is the same for every platform.
            if images.is_empty() {
                errors.extend(stages.errors);
                warnings = stages.warnings;
            }
            if !errors.is_empty() {
                return Err(BuildError::invalid(errors, graph.source_files()));
            }
            let Stage { state, config, .. } = match &request.target {
                None => stages.list.last(),
                Some(target) => stages.list.iter().find(|stage| stage.name == *target),
            }
            .ok_or_else(|| BuildError::UnknownTarget(request.target.clone().unwrap_or_default()))?;
            images.push(BuiltImage::new(state.edge(), config.clone()));
        }
        Ok(graph.finish(images, warnings))
    }

    fn outline(_host: &dyn Host, request: Request) -> Result<Outline, BuildError> {
        let graph = Graph::new();
        let (lines, _) = read(&graph, &request)?;
        let mut outline = Outline::default();
        outline.target.name = request.target.clone().unwrap_or_else(|| "main".into());
        for line in lines.iter().filter(|line| line.word == "arg") {
            let (name, value) = line.rest.split_once('=').unwrap_or((&line.rest, ""));
            outline.args.push(ArgInfo {
                name: name.into(),
                default_value: Some(value.into()),
                range: Some(line.range),
                ..Default::default()
            });
        }
        outline.sources = graph.source_files();
        Ok(outline)
    }
}

/// The lines of the build file, and what is wrong with variables in them.
fn read(graph: &Graph, request: &Request) -> Result<(Vec<Line>, Vec<Diagnostic>), BuildError> {
    let source = request.main_source()?;
    let (file, index) = (graph.source_file(source), LineIndex::new(&source.text));
    Ok(lines::read(source, file, &index, request))
}

register!(Steps);
