//! The {{name}} frontend: every line `say TEXT` becomes a line of a file in the image, `into PATH` says which.

use lapstrake_sdk::types::*;
use lapstrake_sdk::{Frontend, Graph, Host, LineIndex, did_you_mean, register};

const WORDS: [&str; 2] = ["say", "into"];

/// The language.
pub struct Language;

impl Frontend for Language {
    fn describe() -> FrontendInfo {
        FrontendInfo {
            name: "{{name}}".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            file_patterns: vec!["*.{{name}}".into()],
            ..Default::default()
        }
    }

    fn build(_host: &dyn Host, request: Request) -> Result<BuildResult, BuildError> {
        let graph = Graph::new();
        let source = request.main_source()?;
        let (file, index) = (graph.source_file(source), LineIndex::new(&source.text));

        // Read. Every mistake is reported with its place, not just the first.
        let (mut said, mut path, mut errors) = (Vec::new(), "/hello.txt", Vec::new());
        for (number, line) in (1..).zip(source.text.lines()) {
            let (word, value) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "say" => said.push((value, index.lines(file, number, number))),
                "into" => path = value,
                _ if word.is_empty() || word.starts_with('#') => {}
                _ => {
                    let range = index.lines(file, number, number);
                    let mut error =
                        Diagnostic::error("UnknownWord", format!("there is no word {word:?}")).at(range);
                    error.help = did_you_mean(word, WORDS).map(|meant| format!("did you mean {meant:?}?"));
                    errors.push(error);
                }
            }
        }
        if !errors.is_empty() {
            return Err(BuildError::invalid(errors, graph.source_files()));
        }

        // Build the graph: one file in an empty tree, made of all the lines.
        let text: String = said.iter().map(|(value, _)| format!("{value}\n")).collect();
        let mut root = graph
            .scratch()
            .file()
            .write(path, text)
            .done()
            .name(format!("say it in {path}"));
        for (_, range) in said {
            root = root.range(range);
        }
        let images = request.target_platforms().iter().map(|platform| {
            let mut config = ImageConfig::new(platform.clone());
            config.cmd = Some(vec!["cat".into(), path.into()]);
            BuiltImage::new(root.edge(), config)
        });
        Ok(graph.finish(images.collect(), Vec::new()))
    }
}

register!(Language);
