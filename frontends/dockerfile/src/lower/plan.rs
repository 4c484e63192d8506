//! What a build is made of, for one platform: every stage and every image or directory that is taken from, what each
//! begins with, and what depends on what.
//! Knows nothing of ops; `mod.rs` lowers the nodes in order once their images are resolved.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use lapstrake_sdk::types::{
    ContextSource, ImageInfo, ImageRequest, OciLayoutSource, Platform, Request, ResolveMode,
};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::expand::Expander;
use crate::instructions::mount::MountType;
use crate::instructions::{Command, Instruction};
use crate::lint;
use crate::lower::env::Env;
use crate::lower::globals::{self, Platforms};
use crate::lower::options::Options;
use crate::outline::Capture;
use crate::reference::Reference;
use crate::span::Span;
use crate::stages::{Dockerfile, StageDefinition};
use crate::syntax::words::Word;

/// What a node begins with.
#[derive(Debug, Clone)]
pub enum Origin {
    /// Nothing.
    Scratch,
    /// Another node.
    Node(usize),
    /// An image.
    Image(ImageOrigin),
    /// A directory of the request, with the name of its context.
    Directory {
        /// The local's name.
        local: String,
        /// The context's name.
        context: String,
    },
    /// A repository, with the name of its context.
    Git {
        /// Its address.
        url: String,
    },
    /// A file by HTTP.
    Http {
        /// Its address.
        url: String,
        /// The context's name.
        context: String,
    },
}

/// An image to be resolved.
#[derive(Debug, Clone)]
pub struct ImageOrigin {
    /// What is asked of the host.
    pub request: ImageRequest,
    /// The named context that it comes from.
    pub context: Option<String>,
    /// Where it lies, if not in a registry.
    pub layout: Option<OciLayoutSource>,
    /// The host's answer.
    pub info: Option<ImageInfo>,
}

/// An instruction of a node, with the nodes that it takes from.
#[derive(Debug, Clone)]
pub struct Step {
    /// The instruction.
    pub command: Rc<Command>,
    /// For each mount of `RUN`, or for `--from` of `COPY`; none: the main context.
    pub from: Vec<Option<usize>>,
    /// Whether it is a trigger of the base image.
    pub on_build: bool,
}

/// A stage, or what an instruction takes files from without being one.
#[derive(Debug, Clone)]
pub struct Node {
    /// The stage's name in progress; empty: it is no stage.
    pub label: String,
    /// The stage's name in the file.
    pub name: String,
    /// Index of the stage in the file.
    pub stage: Option<usize>,
    /// What it begins with.
    pub origin: Origin,
    /// The word that names the origin.
    pub base: Word,
    /// `--platform`.
    pub platform: Option<Platform>,
    /// Its instructions; none where a named context stands in for the stage.
    pub steps: Vec<Step>,
    /// Where it begins.
    pub span: Span,
    /// The text of its `FROM`.
    pub text: String,
    /// Paths of it that are used.
    pub paths: BTreeSet<String>,
    /// Whether a named context stands in for it, or it is no stage: it is a tree and nothing is done to it.
    pub replaced: bool,
    /// Whether the triggers of its base are among its instructions.
    pub triggered: bool,
}

/// The nodes of a build for one platform: first the file's stages, then the others.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The node to build.
    pub target: usize,
    /// The global arguments.
    pub globals: Env,
    /// The platforms.
    pub platforms: Platforms,
    /// The names of global arguments, set or not.
    pub(super) declared: BTreeSet<String>,
    pub(super) names: HashMap<String, usize>,
    pub(super) contexts: Rc<Contexts>,
    pub(super) mode: ResolveMode,
    pub(super) stage_count: usize,
}

/// Named contexts by the familiar form of their name. Never iterated.
pub type Contexts = HashMap<String, ContextSource>;

/// Returns the named contexts of a request.
pub fn contexts(request: &Request) -> Rc<Contexts> {
    let familiar = |name: &str| Reference::parse(name).map_or_else(|_| name.to_owned(), |r| r.familiar());
    Rc::new(
        request
            .named_contexts
            .iter()
            .map(|c| (familiar(&c.name), c.source.clone()))
            .collect(),
    )
}

impl Plan {
    /// Makes the nodes of a file. `target` is a stage that exists; none: the last one.
    pub fn new(
        file: &Dockerfile,
        target: Option<usize>,
        platforms: Platforms,
        options: &Options,
        contexts: Rc<Contexts>,
        outline: &mut Capture,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let target = target.unwrap_or(file.stages.len().saturating_sub(1));
        let target_name = file
            .stages
            .get(target)
            .map(StageDefinition::name)
            .unwrap_or_default();
        let predefined = globals::predefined(&platforms, &target_name, &options.build_args);
        check_defaults(file, &predefined, diagnostics);
        let globals = globals::declared(predefined, file, &options.build_args, outline, diagnostics);
        let definitions = file.globals.iter().flat_map(|(_, arg)| &arg.definitions);
        let mut plan = Self {
            nodes: Vec::new(),
            target,
            globals,
            platforms,
            declared: definitions
                .map(|definition| definition.key.text.clone())
                .collect(),
            names: HashMap::new(),
            contexts,
            mode: options.resolve_mode,
            stage_count: file.stages.len(),
        };
        for (index, stage) in file.stages.iter().enumerate() {
            let node = plan.stage(file, index, stage, diagnostics);
            plan.nodes.push(node);
            if !stage.name().is_empty() {
                plan.names.insert(stage.name(), index);
            }
        }
        for index in 0..plan.stage_count {
            for step in 0..plan.nodes[index].steps.len() {
                let command = plan.nodes[index].steps[step].command.clone();
                plan.nodes[index].steps[step].from = plan.sources(&command, diagnostics);
            }
        }
        if plan.nodes.len() == 1 {
            plan.nodes[0].label.clear();
        }
        plan
    }

    fn stage(
        &mut self,
        file: &Dockerfile,
        index: usize,
        stage: &StageDefinition,
        diagnostics: &mut Diagnostics,
    ) -> Node {
        let name = stage.name();
        let platform = self.stage_platform(file, stage, diagnostics);
        let expander = Expander::new(file.escape);
        let expansion = self.global_word(&expander, &stage.from.base, diagnostics);
        let is_empty = expansion.as_ref().is_some_and(|e| e.text.is_empty());
        let base = Word {
            text: expansion.map(|e| e.text).unwrap_or_default(),
            span: stage.from.base.span,
        };
        let mut steps: Vec<Step> = Vec::new();
        // A named context may stand in for the whole stage.
        let replacement = (!name.is_empty())
            .then(|| self.context(&name, platform.as_ref()))
            .flatten();
        let replaced = replacement.is_some();
        let origin = match replacement {
            Some((key, source)) => {
                self.context_origin(&key, &source, platform.as_ref(), base.span, diagnostics)
            }
            None => {
                let step = |command: &Rc<Command>| Step {
                    command: command.clone(),
                    from: Vec::new(),
                    on_build: false,
                };
                steps = stage.commands.iter().map(step).collect();
                let written = &stage.from.base.text;
                if is_empty && !written.is_empty() {
                    diagnostics.push(
                        Diagnostic::error("EmptyBaseName", base.span, format!("`{written}` expands to nothing"))
                            .help("give its arguments a default before the first FROM, or set them with --build-arg"),
                    );
                }
                self.origin(&base, platform.as_ref(), index, diagnostics)
            }
        };
        Node {
            label: if name.is_empty() {
                format!("stage-{index}")
            } else {
                name.clone()
            },
            name,
            stage: Some(index),
            origin,
            base,
            platform,
            steps,
            span: stage.command.span,
            text: stage.command.text.clone(),
            paths: BTreeSet::new(),
            replaced,
            triggered: replaced,
        }
    }

    /// Returns the nodes that an instruction takes files from, making those that are no stages.
    fn sources(&mut self, command: &Command, diagnostics: &mut Diagnostics) -> Vec<Option<usize>> {
        match &command.instruction {
            Instruction::Copy(copy) => match &copy.from {
                Some(from) => vec![self.source(from, true, diagnostics)],
                None => Vec::new(),
            },
            Instruction::Run(run) => run
                .mounts
                .iter()
                .map(|mount| {
                    let kind = mount
                        .fields
                        .iter()
                        .find(|f| f.key == "type")
                        .and_then(|f| f.value.as_ref());
                    let is_tmpfs = kind.is_some_and(|k| k.text.eq_ignore_ascii_case(MountType::Tmpfs.name()));
                    let from = mount
                        .from
                        .as_ref()
                        .filter(|from| !is_tmpfs && !from.text.is_empty())?;
                    self.source(from, false, diagnostics)
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    fn source(&mut self, word: &Word, by_number: bool, diagnostics: &mut Diagnostics) -> Option<usize> {
        if word.text.contains('$') {
            return None;
        }
        if by_number && let Ok(index) = word.text.parse::<usize>() {
            if index < self.stage_count {
                return Some(index);
            }
            let last = self.stage_count.saturating_sub(1);
            diagnostics.push(
                Diagnostic::error("UnknownStage", word.span, format!("there is no stage {index}"))
                    .help(format!("stages count from 0; the last one is {last}")),
            );
            return None;
        }
        if let Some(index) = self.names.get(&word.text.to_lowercase()) {
            return Some(*index);
        }
        let known = self.nodes[self.stage_count..]
            .iter()
            .position(|node| node.base.text == word.text);
        if let Some(known) = known {
            return Some(self.stage_count + known);
        }
        let origin = self.origin(word, None, 0, diagnostics);
        // A context that is a target is that stage, which has its own place in the order.
        if let Origin::Node(stage) = origin {
            return Some(stage);
        }
        self.nodes.push(Node {
            label: String::new(),
            name: String::new(),
            stage: None,
            origin,
            base: word.clone(),
            platform: None,
            steps: Vec::new(),
            span: word.span,
            text: String::new(),
            paths: BTreeSet::new(),
            replaced: true,
            triggered: true,
        });
        Some(self.nodes.len() - 1)
    }

    /// Puts the triggers of a node's base before its instructions.
    pub fn add_triggers(&mut self, index: usize, triggers: &[String], diagnostics: &mut Diagnostics) {
        let span = self.nodes[index].span;
        let mut steps = Vec::new();
        for trigger in triggers {
            if let Some(command) = crate::parse::trigger(trigger, span, diagnostics) {
                let from = self.sources(&command, diagnostics);
                steps.push(Step {
                    command: Rc::new(command),
                    from,
                    on_build: true,
                });
            }
        }
        self.nodes[index].steps.splice(0..0, steps);
    }

    /// Returns "did you mean", where a stage or a named context has nearly the name.
    pub fn near_stage(&self, name: &str) -> Option<String> {
        let names: BTreeSet<&str> = self
            .nodes
            .iter()
            .map(|node| node.name.as_str())
            .filter(|n| !n.is_empty())
            .collect();
        if let Some(near) = lapstrake_sdk::did_you_mean(name, names) {
            return Some(format!("did you mean the stage `{near}`?"));
        }
        let contexts: BTreeSet<&str> = self.contexts.keys().map(String::as_str).collect();
        lapstrake_sdk::did_you_mean(name, contexts).map(|near| format!("did you mean the context `{near}`?"))
    }
}

/// Reports bases that are no image's name when nobody sets the arguments.
fn check_defaults(file: &Dockerfile, predefined: &Env, diagnostics: &mut Diagnostics) {
    let mut ignored = Diagnostics::default();
    let nothing = std::collections::BTreeMap::new();
    let defaults = globals::declared(
        predefined.clone(),
        file,
        &nothing,
        &mut Capture::default(),
        &mut ignored,
    );
    if ignored.has_errors() {
        return;
    }
    let expander = Expander::new(file.escape);
    for stage in &file.stages {
        let word = &stage.from.base;
        let Ok(expansion) = expander.expand(&word.text, &defaults) else {
            return;
        };
        if word.text.contains('$') && Reference::parse(&expansion.text).is_err() {
            lint::report(diagnostics, lint::INVALID_DEFAULT_ARG_IN_FROM, word.span, || {
                format!(
                    "with the defaults of its arguments, `{}` is no image's name",
                    word.text
                )
            });
        }
    }
}
