//! What could stand at a place. Knows nothing of how places are found.

use lapstrake_sdk::types::{Completion, CompletionKind, Position, SourceRange, TextEdit};

use super::place::{At, Place};
use super::scope::{Scope, Variable};
use super::words;
use crate::lint;

/// Builds the list for one place.
struct List<'a> {
    at: &'a At,
    range: SourceRange,
    found: Vec<Completion>,
}

impl List<'_> {
    /// Adds a word; `text` takes the place of what is typed. Words that do not begin so are no answer.
    fn add(&mut self, kind: CompletionKind, label: &str, text: String, detail: &str, documentation: String) {
        let typed = self.at.typed.to_lowercase();
        let is_new = self.found.iter().all(|known| known.label != label);
        if text.to_lowercase().starts_with(&typed) && is_new {
            self.found.push(Completion {
                label: label.to_owned(),
                kind,
                detail: detail.to_owned(),
                documentation,
                edit: Some(TextEdit {
                    range: self.range,
                    text,
                }),
            });
        }
    }

    fn word(&mut self, kind: CompletionKind, word: &str, detail: &str) {
        self.add(kind, word, word.to_owned(), detail, String::new());
    }

    fn values(&mut self, name: &str) {
        for value in words::values(name) {
            self.word(CompletionKind::Value, value, "");
        }
    }
}

/// Lists what could stand at a place of a text.
pub fn at(text: &str, offset: usize, at: &At, range: SourceRange) -> Vec<Completion> {
    let scope = Scope::of(text);
    let mut list = List {
        at,
        range,
        found: Vec::new(),
    };
    match &at.place {
        Place::Directive => {
            for known in words::DIRECTIVES {
                let text = format!("{}=", known.word);
                list.add(
                    CompletionKind::Keyword,
                    known.word,
                    text,
                    known.form,
                    known.markdown(),
                );
            }
        }
        Place::DirectiveValue { key, before } => directive_values(&mut list, key, before),
        Place::Keyword { on_build } => keywords(&mut list, *on_build, is_lower(text, at)),
        Place::Flag(instruction) => {
            for known in words::flags(instruction) {
                let label = format!("--{}", known.word);
                let text = match known.word {
                    "link" | "parents" => label.clone(),
                    _ => format!("{label}="),
                };
                list.add(CompletionKind::Flag, &label, text, known.form, known.markdown());
            }
        }
        Place::FlagValue(_, flag) => {
            if flag == "--from" {
                stages(&mut list, &scope, offset);
            }
            list.values(flag);
        }
        Place::MountKey(kind) => mount_keys(&mut list, kind),
        Place::MountValue(key) => {
            if key == "from" {
                stages(&mut list, &scope, offset);
            }
            list.values(key);
        }
        Place::Variable(instruction, braces) => {
            variables(&mut list, &scope, offset, instruction, *braces, text)
        }
        Place::Argument(instruction, index) => arguments(&mut list, &scope, offset, instruction, *index),
    }
    list.found
}

fn keywords(list: &mut List<'_>, on_build: bool, lower: bool) {
    for known in words::INSTRUCTIONS {
        if on_build && matches!(known.word, "FROM" | "ONBUILD" | "MAINTAINER") {
            continue;
        }
        let word = match lower {
            true => known.word.to_lowercase(),
            false => known.word.to_owned(),
        };
        let text = format!("{word} ");
        list.add(CompletionKind::Keyword, &word, text, known.form, known.markdown());
    }
}

/// Whether instructions are in lower case: where the first other one is.
fn is_lower(text: &str, at: &At) -> bool {
    let lines = text.lines().map(str::trim_start).scan(0, |_, line| Some(line));
    let first = lines
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_whitespace().next())
        .find(|word| words::instruction(word).is_some() && *word != at.typed);
    match first {
        Some(word) => word.chars().all(char::is_lowercase),
        None => !at.typed.is_empty() && at.typed.chars().all(char::is_lowercase),
    }
}

fn directive_values(list: &mut List<'_>, key: &str, before: &str) {
    let of_rules = ["skip=", "experimental="]
        .iter()
        .any(|name| before.rsplit(';').next().unwrap_or_default().starts_with(name));
    if key == "check" && of_rules {
        for rule in lint::RULES {
            let documentation = format!("[{}]({})", rule.name, rule.url());
            let name = rule.name.to_owned();
            list.add(CompletionKind::Value, rule.name, name, "", documentation);
        }
        list.word(CompletionKind::Value, "all", "");
    } else {
        list.values(key);
    }
}

fn stages(list: &mut List<'_>, scope: &Scope, offset: usize) {
    for stage in scope.stages_before(offset).iter().rev() {
        if !stage.name.is_empty() {
            let detail = format!("FROM {}", stage.base);
            let name = stage.name.clone();
            list.add(
                CompletionKind::Target,
                &stage.name,
                name,
                &detail,
                stage.description.clone(),
            );
        }
    }
}

fn mount_keys(list: &mut List<'_>, kind: &str) {
    let kind = if kind.is_empty() { "bind" } else { kind };
    for (known, kinds) in words::MOUNT_KEYS {
        if !kinds.is_empty() && !kinds.contains(&kind) {
            continue;
        }
        let text = match known.word {
            "ro" | "rw" => known.word.to_owned(),
            word => format!("{word}="),
        };
        list.add(
            CompletionKind::Flag,
            known.word,
            text,
            known.form,
            known.markdown(),
        );
    }
}

fn variables(list: &mut List<'_>, scope: &Scope, offset: usize, instruction: &str, braces: bool, text: &str) {
    let close = braces && !text[offset..].starts_with('}');
    let mut add = |name: &str, detail: &str, documentation: &str| {
        let text = match close {
            true => format!("{name}}}"),
            false => name.to_owned(),
        };
        list.add(
            CompletionKind::Variable,
            name,
            text,
            detail,
            documentation.to_owned(),
        );
    };
    let in_from = instruction == "FROM" || scope.stages.is_empty();
    let known: Vec<&Variable> = match in_from {
        true => scope.globals.iter().rev().collect(),
        false => scope.variables(offset),
    };
    for variable in known {
        add(
            &variable.name,
            &definition(scope, variable),
            &variable.description,
        );
    }
    if in_from {
        for (name, detail) in words::PREDEFINED {
            add(name, detail, "");
        }
    }
    if instruction == "RUN" {
        for (name, detail) in words::PROXIES {
            add(name, detail, "");
        }
    }
}

/// A variable as the file defines it.
pub fn definition(scope: &Scope, variable: &Variable) -> String {
    let global = || scope.global(&variable.name)?.value.as_ref();
    match variable
        .value
        .as_ref()
        .or_else(|| global().filter(|_| variable.by == "ARG"))
    {
        Some(value) => format!("{} {}={value}", variable.by, variable.name),
        None => format!("{} {}", variable.by, variable.name),
    }
}

fn arguments(list: &mut List<'_>, scope: &Scope, offset: usize, instruction: &str, index: usize) {
    match (instruction, index) {
        ("FROM", 0) => {
            stages(list, scope, offset);
            list.word(CompletionKind::Image, "scratch", "nothing");
            for stage in &scope.stages {
                let is_image = scope.stages.iter().all(|other| other.name != stage.base);
                if is_image && !stage.base.is_empty() && stage.base != list.at.typed {
                    list.word(CompletionKind::Image, &stage.base, "");
                }
            }
        }
        ("FROM", 1) => list.word(CompletionKind::Keyword, "AS", "names the stage"),
        // In a stage: what it could take from outside.
        ("ARG", _) if scope.stages.iter().any(|stage| stage.span.start < offset) => {
            for global in &scope.globals {
                let detail = definition(scope, global);
                list.add(
                    CompletionKind::Variable,
                    &global.name,
                    global.name.clone(),
                    &detail,
                    global.description.clone(),
                );
            }
            for (name, detail) in words::PREDEFINED {
                list.word(CompletionKind::Variable, name, detail);
            }
        }
        (_, 0) => list.values(instruction),
        _ => {}
    }
}

/// The place in lines and columns.
pub fn range(index: &lapstrake_sdk::LineIndex, at: &At) -> SourceRange {
    let start: Position = index.position(at.part.start);
    SourceRange {
        file: 0,
        start,
        stop: index.position(at.part.end),
    }
}
