//! A stage while its instructions are lowered one after another, and what they share.
//! Knows no instruction.

use std::collections::{BTreeSet, HashMap};

use lapstrake_sdk::Host;
use lapstrake_sdk::types::{BuildError, Edge, Op, Platform, SourceRange, Timestamp, Vertex};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::error::ExpandError;
use crate::expand::{Expander, Variables};
use crate::instructions::Command;
use crate::lint;
use crate::lower::context::MainContext;
use crate::lower::env::Env;
use crate::lower::image::{History, Image};
use crate::lower::naming::{self, Naming};
use crate::lower::options::Options;
use crate::lower::vertices::Vertices;
use crate::outline::Capture;
use crate::source_map::SourceMap;
use crate::span::Span;
use crate::suggest;
use crate::syntax::words::Word;

/// A stage's state between two instructions.
#[derive(Debug, Clone)]
pub struct Stage {
    /// Its tree; none: scratch.
    pub edge: Option<Edge>,
    /// What `$x` sees: the environment of commands, arguments included.
    pub env: Env,
    /// The working directory, absolute and clean.
    pub directory: String,
    /// The user of commands.
    pub user: Option<String>,
    /// The image's configuration.
    pub image: Image,
    /// What its commands run on.
    pub platform: Platform,
    /// The arguments it declares.
    pub arguments: Declared,
    /// How its vertices are called.
    pub naming: Naming,
    /// Whether nothing of it is taken from the cache.
    pub ignore_cache: bool,
    /// Whether `WORKDIR` has been here.
    pub workdir_set: bool,
    /// Where `CMD` stands.
    pub cmd: Option<Span>,
    /// Where `ENTRYPOINT` stands.
    pub entrypoint: Option<Span>,
    /// Where `HEALTHCHECK` stands.
    pub healthcheck: Option<Span>,
}

/// Arguments in the order of their first declaration. The hash map finds them and is never iterated.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    entries: Vec<(String, Option<String>)>,
    index: HashMap<String, usize>,
}

impl Declared {
    /// Declares an argument; a second declaration replaces the value.
    pub fn declare(&mut self, key: &str, value: Option<String>) {
        match self.index.get(key) {
            Some(at) => self.entries[*at].1 = value,
            None => {
                self.index.insert(key.to_owned(), self.entries.len());
                self.entries.push((key.to_owned(), value));
            }
        }
    }

    /// Returns whether an argument is declared.
    pub fn contains(&self, key: &str) -> bool {
        self.index.contains_key(key)
    }

    /// Returns names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.entries
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_deref()))
    }
}

/// A tree that an instruction takes files from.
#[derive(Debug, Clone)]
pub struct FromTree {
    /// The tree; none: scratch.
    pub edge: Option<Edge>,
}

/// What lowering an instruction needs beside its stage.
pub struct Cx<'a> {
    /// What the request says.
    pub options: &'a Options,
    /// The arguments before the first `FROM`, and the predefined ones.
    pub globals: &'a Env,
    /// How words are read.
    pub expander: Expander,
    /// The host.
    pub host: &'a dyn Host,
    /// The graph.
    pub vertices: &'a mut Vertices,
    /// The history of all stages.
    pub history: &'a mut History,
    /// The main context.
    pub context: &'a mut MainContext,
    /// Findings.
    pub diagnostics: &'a mut Diagnostics,
    /// What an outline shows.
    pub outline: &'a mut Capture,
    /// Lines of the file.
    pub lines: &'a SourceMap,
    /// SOURCE_DATE_EPOCH.
    pub epoch: Option<Timestamp>,
    /// A failure of the host, which ends everything.
    pub failure: Option<BuildError>,
    /// Trees that the instruction names, in the order in which it does; none: the main context.
    pub from: Vec<Option<FromTree>>,
    /// Paths that the instruction takes, with the index in `from`.
    pub taken: Vec<(usize, String)>,
}

impl Cx<'_> {
    /// Translates a place for the graph.
    pub fn range(&self, span: Span) -> SourceRange {
        self.lines.range(span)
    }

    /// Makes a vertex that comes from an instruction.
    pub fn vertex(&self, op: Op, platform: Option<&Platform>, name: String, span: Span) -> Vertex {
        let mut vertex = Vertex::new(op, platform.cloned());
        vertex.name = name;
        vertex.ranges = vec![self.range(span)];
        vertex
    }

    /// Adds a line to an image's history.
    pub fn record(&mut self, stage: &mut Stage, created_by: String, has_layer: bool) {
        stage
            .image
            .record(self.history, created_by, has_layer, self.epoch);
    }

    /// Expands a word; what is wrong with it is reported, and then it stays as it is.
    pub fn expand(&mut self, stage: &Stage, word: &Word) -> String {
        self.expand_with(self.expander, stage, word, word.span)
    }

    /// Expands a word that may be missing.
    pub fn expand_option(&mut self, stage: &Stage, word: Option<&Word>) -> Option<String> {
        word.map(|word| self.expand(stage, word))
    }

    /// Expands a text, reading it as `expander` says; undefined variables are reported at `place`.
    pub fn expand_with(&mut self, expander: Expander, stage: &Stage, word: &Word, place: Span) -> String {
        match expander.expand(&word.text, &stage.env) {
            Ok(expansion) => {
                self.undefined(stage, &expansion.unmatched, place);
                expansion.text
            }
            Err(error) => {
                report_expansion(&error, word, self.diagnostics);
                word.text.clone()
            }
        }
    }

    /// Reports variables that nothing defines.
    pub fn undefined(&mut self, stage: &Stage, names: &[String], place: Span) {
        for name in names.iter().filter(|name| !stage.arguments.contains(name)) {
            let keys: BTreeSet<&str> = stage.env.keys().collect();
            let near = lapstrake_sdk::did_you_mean(name, keys).map(|near| format!("did you mean `${near}`?"));
            let help = near.unwrap_or_else(|| match self.globals.get(name) {
                Some(_) => format!("an argument from before FROM is seen after `ARG {name}` in the stage"),
                None => format!("set it before, with `ARG {name}` or `ENV {name}=…`"),
            });
            self.diagnostics.push(
                lint::finding(
                    lint::UNDEFINED_VAR,
                    place,
                    format!("the variable ${name} is not set"),
                )
                .help(help),
            );
        }
    }

    /// Reports a failed check.
    pub fn lint(&mut self, rule: &'static lint::Rule, span: Span, message: impl FnOnce() -> String) {
        lint::report(self.diagnostics, rule, span, message);
    }

    /// Reports an error.
    pub fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>, help: &str) {
        self.diagnostics
            .push(Diagnostic::error(code, span, message).help(help));
    }
}

/// Reports that a word cannot be expanded, at the byte where that shows.
pub fn report_expansion(error: &ExpandError, word: &Word, diagnostics: &mut Diagnostics) {
    diagnostics.push(
        Diagnostic::error(error.code(), word.span_at(error.offset), error.to_string())
            .maybe_help(error.help()),
    );
}

/// Returns an instruction's text for the name of its vertex: variables expanded, or as it is where that fails.
pub fn title(expander: &Expander, command: &Command, variables: &dyn Variables) -> String {
    let text = expander
        .expand(&command.text, variables)
        .map_or_else(|_| command.text.clone(), |e| e.text);
    naming::upper_first(&text)
}

/// Returns the help for a misspelt word of a fixed list.
pub fn one_of(word: &str, options: &[&str]) -> String {
    suggest::did_you_mean(word, options.iter().copied())
        .unwrap_or_else(|| format!("one of {}", options.join(", ")))
}
