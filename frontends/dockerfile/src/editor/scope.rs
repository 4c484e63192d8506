//! The stages of a file and the variables that a place sees, as far as the file can be read.
//! Knows nothing of the values that a build gives them.

use crate::diagnostic::Diagnostics;
use crate::instructions::Instruction;
use crate::parse;
use crate::span::Span;
use crate::stages::description;

/// A variable that the file defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What it is set to, as written; none: nothing.
    pub value: Option<String>,
    /// `ARG` or `ENV`.
    pub by: &'static str,
    /// Where.
    pub span: Span,
    /// What its comment says.
    pub description: String,
}

/// A stage.
#[derive(Debug, Clone)]
pub struct Stage {
    /// Its name; empty: none.
    pub name: String,
    /// What it begins with.
    pub base: String,
    /// Its `FROM`.
    pub span: Span,
    /// What its comment says.
    pub description: String,
    variables: Vec<Variable>,
}

/// What a file defines.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Arguments before the first `FROM`.
    pub globals: Vec<Variable>,
    /// The stages in order.
    pub stages: Vec<Stage>,
}

impl Scope {
    /// Reads a file.
    pub fn of(text: &str) -> Self {
        let mut scope = Self::default();
        for command in parse::file(text, &mut Diagnostics::default()).commands {
            let variable = |name: &str, value: Option<&str>, by| Variable {
                name: name.to_owned(),
                value: value.map(str::to_owned),
                by,
                span: command.span,
                description: description(&command, name),
            };
            let mut found = Vec::new();
            match &command.instruction {
                Instruction::From(from) => {
                    let name = from.name.as_ref().map(|name| name.text.to_lowercase());
                    let name = name.unwrap_or_default();
                    scope.stages.push(Stage {
                        base: from.base.text.clone(),
                        span: command.span,
                        description: description(&command, &name),
                        name,
                        variables: Vec::new(),
                    });
                    continue;
                }
                Instruction::Arg(arg) => found.extend(arg.definitions.iter().map(|one| {
                    let value = one.value.as_ref().map(|value| value.text.as_str());
                    variable(&one.key.text, value, "ARG")
                })),
                Instruction::Env(env) => found.extend(
                    env.pairs
                        .iter()
                        .map(|pair| variable(&pair.key.text, Some(&pair.value.text), "ENV")),
                ),
                _ => {}
            }
            match scope.stages.last_mut() {
                Some(stage) => stage.variables.extend(found),
                None => scope.globals.extend(found),
            }
        }
        scope
    }

    /// The stage that a byte is in.
    fn stage_at(&self, offset: usize) -> Option<usize> {
        let before = self.stages.iter().filter(|stage| stage.span.start <= offset);
        before.count().checked_sub(1)
    }

    /// The named stages that a place can refer to: those before its own.
    pub fn stages_before(&self, offset: usize) -> &[Stage] {
        &self.stages[..self.stage_at(offset).unwrap_or_default()]
    }

    /// A stage by its name or number, of those before a place.
    pub fn stage(&self, name: &str, offset: usize) -> Option<&Stage> {
        let before = self.stages_before(offset);
        let name = name.to_lowercase();
        let named = before.iter().rev().find(|stage| stage.name == name);
        named.or_else(|| before.get(name.parse::<usize>().ok()?))
    }

    /// The variables that a place sees, the nearest first and each name once. Of other stages those of `ENV` are seen.
    pub fn variables(&self, offset: usize) -> Vec<&Variable> {
        let mut found: Vec<&Variable> = Vec::new();
        let mut index = self.stage_at(offset);
        let mut own = true;
        while let Some(stage) = index.and_then(|index| self.stages.get(index)) {
            let seen = stage.variables.iter().rev();
            let seen = seen.filter(|one| one.span.start <= offset && (own || one.by == "ENV"));
            for variable in seen {
                if !found.iter().any(|known| known.name == variable.name) {
                    found.push(variable);
                }
            }
            own = false;
            let base = stage.base.to_lowercase();
            let until = index.unwrap_or_default();
            index = self.stages[..until]
                .iter()
                .rposition(|stage| !stage.name.is_empty() && stage.name == base);
        }
        found
    }

    /// The default of an argument that a stage declares again without one.
    pub fn global(&self, name: &str) -> Option<&Variable> {
        self.globals.iter().rev().find(|known| known.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_sees_its_stage_and_the_env_of_those_below() {
        let text = "ARG G=1\nFROM x AS a\nARG A=2\nENV E=3\nFROM a AS b\nARG G\nRUN \nENV LATE=4\n";
        let scope = Scope::of(text);
        let names = |offset| -> Vec<String> {
            let variables = scope.variables(offset);
            variables
                .iter()
                .map(|one| format!("{} {}", one.by, one.name))
                .collect()
        };
        assert_eq!(names(text.find("RUN").unwrap()), ["ARG G", "ENV E"]);
        assert_eq!(names(text.find("ENV E").unwrap() + 7), ["ENV E", "ARG A"]);
        assert_eq!(scope.global("G").unwrap().value.as_deref(), Some("1"));
        let at = text.find("FROM a").unwrap();
        assert_eq!(scope.stage("A", at).unwrap().base, "x");
        assert!(scope.stage("b", at).is_none());
    }

    #[test]
    fn what_cannot_be_read_hides_nothing_else() {
        let scope = Scope::of("FROM x AS a\nRNU\nENV E=3\nCOPY --from=");
        assert_eq!(scope.variables(30).len(), 1);
        assert_eq!(scope.stages.len(), 1);
    }
}
