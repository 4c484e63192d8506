//! What can be set from outside: arguments, secrets, agents and caches of a target, and the list of targets.
//! Knows nothing of how lowering finds them.

use lapstrake_sdk::types::{ArgInfo, Outline, SourceFile, SourceRange, TargetInfo};

use crate::instructions::Command;
use crate::instructions::arg::Definition;
use crate::source_map::SourceMap;
use crate::span::Span;
use crate::stages::{Dockerfile, StageDefinition, description};

/// An argument that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    name: String,
    description: String,
    value: Option<String>,
    span: Span,
}

/// What lowering saw, each once, in order.
#[derive(Debug, Clone, Default)]
pub struct Capture {
    arguments: Vec<Argument>,
    secrets: Vec<String>,
    ssh: Vec<String>,
    caches: Vec<String>,
}

impl Capture {
    /// Notes an argument. One without a default in a stage is the global one that was noted before.
    pub fn argument(&mut self, command: &Command, definition: &Definition, value: Option<&str>) {
        let name = &definition.key.text;
        if self.arguments.iter().any(|argument| argument.name == *name) {
            return;
        }
        self.arguments.push(Argument {
            name: name.clone(),
            description: description(command, name),
            value: value.map(str::to_owned),
            span: command.span,
        });
    }

    /// Notes a secret.
    pub fn secret(&mut self, name: &str) {
        note(&mut self.secrets, name);
    }

    /// Notes an SSH agent.
    pub fn ssh(&mut self, name: &str) {
        note(&mut self.ssh, name);
    }

    /// Notes a cache.
    pub fn cache(&mut self, name: &str) {
        note(&mut self.caches, name);
    }

    /// Makes the outline of a target.
    pub fn into_outline(self, target: TargetInfo, lines: &SourceMap, sources: Vec<SourceFile>) -> Outline {
        let args = self.arguments.into_iter().map(|argument| ArgInfo {
            name: argument.name,
            description: argument.description,
            default_value: argument.value,
            range: Some(range(lines, argument.span)),
        });
        Outline {
            target,
            args: args.collect(),
            secrets: self.secrets,
            ssh: self.ssh,
            cache_ids: self.caches,
            sources,
        }
    }
}

fn note(names: &mut Vec<String>, name: &str) {
    if !names.iter().any(|known| known == name) {
        names.push(name.to_owned());
    }
}

fn range(lines: &SourceMap, span: Span) -> SourceRange {
    lines.range(span)
}

/// Describes every stage; the last one is built unless told otherwise.
pub fn targets(file: &Dockerfile, lines: &SourceMap) -> Vec<TargetInfo> {
    let last = file.stages.len().saturating_sub(1);
    file.stages
        .iter()
        .enumerate()
        .map(|(index, stage)| target(stage, index == last, lines))
        .collect()
}

fn target(stage: &StageDefinition, is_default: bool, lines: &SourceMap) -> TargetInfo {
    TargetInfo {
        name: stage.name(),
        description: stage.description.clone(),
        base: stage.from.base.text.clone(),
        is_default,
        range: Some(range(lines, stage.command.span)),
    }
}
