//! What is to be said about a word. Knows nothing of how places are found.

use lapstrake_sdk::types::{Hover, SourceRange};

use super::complete::definition;
use super::place::{At, Place};
use super::scope::Scope;
use super::words;
use crate::lint;

/// Says what the word that ends at a place is.
pub fn at(text: &str, at: &At, range: SourceRange) -> Option<Hover> {
    let (scope, word) = (Scope::of(text), at.typed.as_str());
    let offset = at.part.start;
    let said = match &at.place {
        Place::Keyword { .. } => words::instruction(word)?.markdown(),
        Place::Flag(instruction) => flag(instruction, word.strip_prefix("--")?)?,
        Place::FlagValue(_, name) if name == "--from" => stage(&scope, word, offset)?,
        Place::MountKey(_) => words::mount_key(word)?.markdown(),
        Place::MountValue(key) if key == "from" => stage(&scope, word, offset)?,
        Place::Variable(instruction, _) => variable(&scope, instruction, word, offset)?,
        Place::Argument(instruction, 0) if instruction == "FROM" => stage(&scope, word, offset)?,
        Place::Argument(instruction, _) if matches!(instruction.as_str(), "ARG" | "ENV") => {
            variable(&scope, instruction, word, offset)?
        }
        Place::Directive => directive(word)?,
        Place::DirectiveValue { key, .. } if key == "check" => {
            let rule = lint::RULES.iter().find(|rule| rule.name == word)?;
            format!("The check [{}]({})", rule.name, rule.url())
        }
        _ => return None,
    };
    Some(Hover {
        text: said,
        range: Some(range),
    })
}

fn directive(word: &str) -> Option<String> {
    let known = words::DIRECTIVES.iter();
    let mut known = known.filter(|known| known.word.eq_ignore_ascii_case(word));
    known.next().map(words::Meaning::markdown)
}

fn flag(instruction: &str, name: &str) -> Option<String> {
    let known = words::flags(instruction).iter().find(|known| known.word == name);
    known.map(words::Meaning::markdown)
}

/// What a stage is: how it begins, and what its comment says.
fn stage(scope: &Scope, name: &str, offset: usize) -> Option<String> {
    let stage = scope.stage(name, offset)?;
    let head = match stage.name.as_str() {
        "" => format!("FROM {}", stage.base),
        name => format!("FROM {} AS {name}", stage.base),
    };
    let mut text = format!("```dockerfile\n{head}\n```");
    if !stage.description.is_empty() {
        text.push('\n');
        text.push_str(&stage.description);
    }
    Some(text)
}

fn variable(scope: &Scope, instruction: &str, name: &str, offset: usize) -> Option<String> {
    let seen = scope.variables(offset);
    let in_from = instruction == "FROM" || seen.is_empty();
    let found = seen.into_iter().find(|known| known.name == name);
    let found = found.or_else(|| scope.global(name).filter(|_| in_from));
    if let Some(found) = found {
        let mut text = format!("```dockerfile\n{}\n```", definition(scope, found));
        if !found.description.is_empty() {
            text.push('\n');
            text.push_str(&found.description);
        }
        return Some(text);
    }
    let known = words::PREDEFINED.iter().chain(words::PROXIES);
    let (name, meaning) = known.into_iter().find(|(known, _)| *known == name)?;
    Some(format!("`{name}`: {meaning}"))
}
