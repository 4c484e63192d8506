//! What each instruction does to the graph and the image. Knows nothing of text.

use lapstrake_sdk::types::*;
use lapstrake_sdk::{Graph, Host, Run, State, did_you_mean};

use crate::lines::Line;

/// The instructions, and how many words each needs.
const INSTRUCTIONS: [(&str, usize); 16] = [
    ("arg", 1),
    ("stage", 1),
    ("from", 1),
    ("env", 1),
    ("dir", 1),
    ("user", 1),
    ("run", 1),
    ("copy", 2),
    ("write", 2),
    ("mkdir", 1),
    ("remove", 1),
    ("link", 2),
    ("merge", 1),
    ("diff", 2),
    ("cmd", 1),
    ("label", 1),
];

/// A named part of the build file.
pub struct Stage {
    pub name: String,
    pub state: State,
    pub config: ImageConfig,
    range: Option<SourceRange>,
}

/// All stages, and what is wrong or doubtful.
pub struct Stages {
    pub list: Vec<Stage>,
    pub errors: Vec<Diagnostic>,
    pub warnings: Vec<Diagnostic>,
}

/// Goes through the lines for one platform.
pub struct Builder<'a> {
    graph: &'a Graph,
    host: &'a dyn Host,
    platform: Platform,
    shell: String,
    done: Stages,
    now: Stage,
}

impl<'a> Builder<'a> {
    pub fn new(graph: &'a Graph, host: &'a dyn Host, request: &Request, platform: Platform) -> Self {
        let words = request.option("cmdline").unwrap_or_default().split(' ');
        let shell = words.filter_map(|word| word.strip_prefix("shell=")).next_back();
        Self {
            graph,
            host,
            shell: shell.unwrap_or("/bin/sh").to_owned(),
            done: Stages {
                list: Vec::new(),
                errors: Vec::new(),
                warnings: Vec::new(),
            },
            now: stage(graph, "main", None, &platform),
            platform,
        }
    }

    /// Ends the last stage.
    pub fn finish(mut self) -> Stages {
        self.done.list.push(self.now);
        self.done
    }

    /// Does what a line says, or notes why not.
    pub fn line(&mut self, line: &Line) {
        let Some((_, words)) = INSTRUCTIONS.iter().find(|(name, _)| *name == line.word) else {
            let known = INSTRUCTIONS.map(|(name, _)| name);
            let message = format!("there is no instruction {}", line.word);
            let mut error = Diagnostic::error("UnknownInstruction", message).at(line.word_range);
            error.help = did_you_mean(&line.word, known).map(|meant| format!("did you mean {meant}?"));
            self.done.errors.push(error);
            return;
        };
        let (flags, rest) = line.flags();
        let arguments: Vec<&str> = rest.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        if arguments.len() < *words {
            let message = format!("{} needs {words} words, not {}", line.word, arguments.len());
            self.error("MissingArgument", message, line);
            return;
        }
        let known: &[&str] = match line.word.as_str() {
            "run" => &["cache", "mount", "secret", "network"],
            "copy" => &["from"],
            _ => &[],
        };
        if let Some((flag, _)) = flags.iter().find(|(flag, _)| !known.contains(flag)) {
            self.error("UnknownFlag", format!("{} has no flag --{flag}", line.word), line);
            return;
        }
        self.instruction(line, &flags, rest, &arguments);
    }

    fn instruction(&mut self, line: &Line, flags: &[(&str, &str)], rest: &str, words: &[&str]) {
        let second = rest
            .split_once([' ', '\t'])
            .map_or("", |(_, text)| text.trim_matches([' ', '\t']));
        let state = self.now.state.clone();
        let changed = match line.word.as_str() {
            "stage" => return self.stage(words[0], line),
            "from" => return self.from(words[0], line),
            "env" => {
                let (name, value) = rest.split_once('=').unwrap_or((rest, ""));
                self.now.config.set_env(name, value);
                state.env(name, value)
            }
            "dir" => {
                let state = state.dir(words[0]);
                self.now.config.working_dir = state.directory().to_owned();
                state
            }
            "user" => {
                self.now.config.user = words[0].to_owned();
                state.user(words[0])
            }
            "cmd" => {
                self.now.config.cmd = Some(words.iter().map(|word| (*word).to_owned()).collect());
                return;
            }
            "label" => {
                let (name, value) = rest.split_once('=').unwrap_or((rest, ""));
                self.now.config.set_label(name, value);
                return;
            }
            "run" => {
                let run = state.run([self.shell.as_str(), "-c", rest]);
                let Some(run) = self.run(run, flags, line) else {
                    return;
                };
                run.root()
            }
            "copy" => {
                let from = match flags.last() {
                    Some((_, name)) => match self.find(name, line) {
                        Some(stage) => stage,
                        None => return,
                    },
                    None => self.graph.local(MAIN_CONTEXT).name("load the context"),
                };
                state.file().copy(&from, words[0], words[1]).done()
            }
            "write" => state.file().write(words[0], format!("{second}\n")).done(),
            "mkdir" => state.file().mkdir(words[0]).done(),
            "remove" => state.file().rm(words[0]).done(),
            "link" => state.file().symlink(words[1], words[0]).done(),
            "merge" => {
                let found: Vec<State> = words.iter().filter_map(|name| self.find(name, line)).collect();
                self.graph.merge(std::iter::once(&state).chain(&found))
            }
            "diff" => {
                let (Some(lower), Some(upper)) = (self.find(words[0], line), self.find(words[1], line))
                else {
                    return;
                };
                self.graph.diff(&lower, &upper)
            }
            _ => return,
        };
        self.now.state = match line.word.as_str() {
            "env" | "dir" | "user" => changed,
            _ => changed.name(&line.text).range(line.range),
        };
    }

    fn stage(&mut self, name: &str, line: &Line) {
        if let Some(first) = self
            .done
            .list
            .iter()
            .chain([&self.now])
            .find(|stage| stage.name == name)
        {
            let mut error = Diagnostic::error("DuplicateStage", format!("there are two stages {name}"));
            error = error.at(line.range);
            if let Some(range) = first.range {
                error = error.related("the first one is here", range);
            }
            self.done.errors.push(error);
            return;
        }
        let next = stage(self.graph, name, Some(line.range), &self.platform);
        let last = std::mem::replace(&mut self.now, next);
        self.done.list.push(last);
    }

    fn from(&mut self, reference: &str, line: &Line) {
        if reference == "scratch" {
            self.now.state = self.graph.scratch().platform(&self.platform);
            return;
        }
        if let Some(stage) = self.done.list.iter().find(|stage| stage.name == reference) {
            self.now.state = stage.state.clone();
            self.now.config = stage.config.clone();
            return;
        }
        let name = reference.rsplit('/').next().unwrap_or(reference);
        if !name.contains([':', '@']) {
            let warning = Diagnostic::warning("NoTag", format!("{reference} names no version of the image"));
            let warning = warning.at(line.range).help(format!("say {reference}:VERSION"));
            self.done.warnings.push(warning);
        }
        let request = ImageRequest {
            reference: reference.to_owned(),
            platform: Some(self.platform.clone()),
            ..Default::default()
        };
        match self.host.resolve_image_config(request) {
            Ok(image) => {
                let source = ImageSource {
                    reference: image.reference,
                    ..Default::default()
                };
                let state = self.graph.source(SourceOp::Image(source), Some(&self.platform));
                let state = state.name(&line.text).range(line.range);
                let with = |state: State, pair: &KeyValue| state.env(&pair.key, &pair.value);
                self.now.state = image.config.env.iter().fold(state, with);
                self.now.config = image.config;
            }
            Err(message) => self.error("NoImage", message, line),
        }
    }

    fn run(&mut self, mut run: Run, flags: &[(&str, &str)], line: &Line) -> Option<Run> {
        for (flag, value) in flags {
            let (name, path) = value.split_once(':').unwrap_or((value, "/"));
            run = match *flag {
                "cache" => run.cache(path, name),
                "secret" => run.secret(path, name),
                "mount" => run.mount_readonly(path, &self.find(name, line)?),
                _ => run.network(match *value {
                    "none" => NetworkMode::NoNetwork,
                    "host" => NetworkMode::HostNetwork,
                    _ => NetworkMode::Sandbox,
                }),
            };
        }
        Some(run)
    }

    fn find(&mut self, name: &str, line: &Line) -> Option<State> {
        let found = self.done.list.iter().find(|stage| stage.name == name);
        let found = found.map(|stage| stage.state.clone());
        if found.is_none() {
            let known: Vec<&str> = self.done.list.iter().map(|stage| stage.name.as_str()).collect();
            let mut error = Diagnostic::error("UnknownStage", format!("there is no stage {name} above"));
            error.help = did_you_mean(name, known).map(|meant| format!("did you mean {meant}?"));
            self.done.errors.push(error.at(line.range));
        }
        found
    }

    fn error(&mut self, code: &str, message: String, line: &Line) {
        self.done
            .errors
            .push(Diagnostic::error(code, message).at(line.range));
    }
}

fn stage(graph: &Graph, name: &str, range: Option<SourceRange>, platform: &Platform) -> Stage {
    Stage {
        name: name.to_owned(),
        state: graph.scratch().platform(platform),
        config: ImageConfig::new(platform.clone()),
        range,
    }
}
