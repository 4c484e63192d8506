//! A whole frontend: a text, written into an image. A build file has up to three lines, in any order:
//! `from docker.io/library/debian:12`, `say Hello, harbour` and `into /etc/motd`.

use lapstrake_sdk::types::*;
use lapstrake_sdk::{Frontend, Graph, Host, LineIndex, did_you_mean, register};

const WORDS: [&str; 3] = ["from", "say", "into"];

/// The language.
pub struct Hello;

impl Frontend for Hello {
    fn describe() -> FrontendInfo {
        FrontendInfo {
            name: "hello".into(),
            version: "0.1.0".into(),
            ..Default::default()
        }
    }

    fn build(host: &dyn Host, request: Request) -> Result<BuildResult, BuildError> {
        let graph = Graph::new();
        let source = request.main_source()?;
        let (file, index) = (graph.source_file(source), LineIndex::new(&source.text));

        // 1. Read. Every mistake is reported, with its place.
        let (mut values, mut errors) = ([None; 3], Vec::new());
        for (number, line) in (1..).zip(source.text.lines()) {
            let (word, value) = line.split_once(' ').unwrap_or((line, ""));
            if word.is_empty() || word.starts_with('#') {
                continue;
            }
            let range = index.lines(file, number, number);
            if let Some(at) = WORDS.iter().position(|known| *known == word) {
                values[at] = Some((value, range));
                continue;
            }
            let mut error = Diagnostic::error("UnknownWord", format!("there is no word {word:?}")).at(range);
            error.help = did_you_mean(word, WORDS).map(|meant| format!("did you mean {meant:?}?"));
            errors.push(error);
        }
        let [from, say, into] = values;
        if say.is_none() {
            let range = index.lines(file, 1, index.line_count());
            errors.push(Diagnostic::error("NothingToSay", "no line begins with \"say\"").at(range));
        }
        let (Some((text, range)), true) = (say, errors.is_empty()) else {
            return Err(BuildError::invalid(errors, graph.source_files()));
        };

        // 2. Build the graph, for one platform to keep this short.
        let platform = &request.target_platforms()[0];
        let mut config = ImageConfig::new(platform.clone());
        let mut base = graph.scratch();
        if let Some((reference, range)) = from {
            let mut wanted = ImageRequest::default();
            (wanted.reference, wanted.platform) = (reference.into(), Some(platform.clone()));
            let image = host
                .resolve_image_config(wanted)
                .map_err(BuildError::HostFailed)?;
            base = graph
                .image(image.reference)
                .name(format!("from {reference}"))
                .range(range);
            config = image.config;
        }
        let path = into.map_or("/hello.txt", |(path, _)| path);
        let root = base
            .file()
            .write(path, format!("{text}\n"))
            .done()
            .name(format!("say it in {path}"));
        config.cmd = Some(vec!["cat".into(), path.into()]);
        let image = BuiltImage::new(root.range(range).edge(), config);
        Ok(graph.finish(vec![image], Vec::new()))
    }
}

register!(Hello);
