//! What follows a dollar sign: `$x`, `${x}`, and `${x…}` with a default, a condition, a pattern or a replacement.
//! Knows nothing of quotes around it.

use super::Run;
use crate::error::{ExpandError, ExpandProblem};
use crate::pattern::{Pattern, Reach};

/// Substitutions deeper than this are refused: recursion must end before the stack does.
const MAX_DEPTH: usize = 48;

impl<'a> Run<'a> {
    /// Reads a substitution; the position is at its dollar sign.
    pub(super) fn dollar(&mut self, depth: usize) -> Result<String, ExpandError> {
        let start = self.position;
        self.next();
        if self.peek() != Some('{') {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".to_owned());
            }
            return Ok(match self.value(name) {
                None if self.how.keep_unset => format!("${name}"),
                value => value.unwrap_or_default().to_owned(),
            });
        }
        if depth >= MAX_DEPTH {
            return self.fail(start, ExpandProblem::TooDeep);
        }
        self.next();
        if self.peek().is_none() {
            return self.fail(start, ExpandProblem::MissingBrace);
        }
        let name = self.name();
        if name.is_empty() {
            return self.fail(start, ExpandProblem::BadSubstitution);
        }
        let modifier_at = self.position;
        match self.next() {
            None => self.fail(start, ExpandProblem::MissingBrace),
            Some('}') => Ok(match self.value(name) {
                None if self.how.keep_unset => format!("${{{name}}}"),
                value => value.unwrap_or_default().to_owned(),
            }),
            Some('/') => self.replacement(start, name, depth),
            Some(':') => match self.next() {
                Some(c) => self.modified(start, name, modifier_at, true, c, depth),
                None => self.fail(start, ExpandProblem::MissingBrace),
            },
            Some(c @ ('+' | '-' | '?' | '#' | '%')) => {
                self.modified(start, name, modifier_at, false, c, depth)
            }
            Some(c) => self.fail(modifier_at, ExpandProblem::UnsupportedModifier(c.to_string())),
        }
    }

    /// Reads `word}` of `${name<modifier>word}`.
    fn modified(
        &mut self,
        start: usize,
        name: &'a str,
        modifier_at: usize,
        empty_is_unset: bool,
        modifier: char,
        depth: usize,
    ) -> Result<String, ExpandError> {
        let signs = &self.text[modifier_at..self.position];
        if !matches!(modifier, '+' | '-' | '?' | '#' | '%') {
            return self.fail(modifier_at, ExpandProblem::UnsupportedModifier(signs.to_owned()));
        }
        let pattern = matches!(modifier, '#' | '%');
        let word = self
            .until(Some('}'), pattern, depth + 1)
            .map_err(|e| at_brace(e, start))?;
        // A word for the case that the variable is not set says that this is expected.
        let value = if pattern {
            self.value(name)
        } else {
            self.expected(name)
        };
        if value.is_none() && self.how.keep_unset {
            return Ok(format!("${{{name}{signs}{word}}}"));
        }
        let usable = value.filter(|v| !(empty_is_unset && v.is_empty()));
        match modifier {
            '-' => Ok(usable.map_or(word, str::to_owned)),
            '+' => Ok(if usable.is_some() { word } else { String::new() }),
            '?' => match usable {
                Some(value) => Ok(value.to_owned()),
                None => {
                    let state = if value.is_none() { "is not set" } else { "is empty" };
                    let message = if word.is_empty() { state.to_owned() } else { word };
                    self.fail(
                        start,
                        ExpandProblem::Required {
                            name: name.to_owned(),
                            message,
                        },
                    )
                }
            },
            _ => {
                let (word, reach) = match word.strip_prefix(modifier) {
                    Some(rest) => (rest, Reach::Longest),
                    None => (word.as_str(), Reach::Shortest),
                };
                let pattern = self.pattern(start, word)?;
                let value = value.unwrap_or_default();
                Ok(match modifier {
                    '#' => value[pattern.prefix(value, reach).unwrap_or(0)..].to_owned(),
                    _ => value[..pattern.suffix(value, reach).unwrap_or(value.len())].to_owned(),
                })
            }
        }
    }

    /// Reads `pattern/replacement}` of `${name/pattern/replacement}`.
    fn replacement(&mut self, start: usize, name: &'a str, depth: usize) -> Result<String, ExpandError> {
        let all = self.peek() == Some('/');
        if all {
            self.next();
        }
        let pattern_text = self
            .until(Some('/'), true, depth + 1)
            .map_err(|e| match e.problem {
                ExpandProblem::MissingBrace => ExpandError {
                    problem: ExpandProblem::MissingSlash(name.to_owned()),
                    offset: start,
                },
                _ => e,
            })?;
        let replacement = self
            .until(Some('}'), true, depth + 1)
            .map_err(|e| at_brace(e, start))?;
        let value = self.value(name);
        if value.is_none() && self.how.keep_unset {
            let slash = if all { "//" } else { "/" };
            return Ok(format!("${{{name}{slash}{pattern_text}/{replacement}}}"));
        }
        let pattern = self.pattern(start, &pattern_text)?;
        Ok(pattern.replace(value.unwrap_or_default(), &replacement, all))
    }

    fn pattern(&self, start: usize, text: &str) -> Result<Pattern, ExpandError> {
        Pattern::new(text).or_else(|reason| {
            self.fail(
                start,
                ExpandProblem::BadPattern {
                    pattern: text.to_owned(),
                    reason,
                },
            )
        })
    }

    /// Reads a variable's name: letters, digits and `_`, or only digits, or one special character.
    fn name(&mut self) -> &'a str {
        let start = self.position;
        let rest = &self.text[start..];
        let length = match rest.chars().next() {
            Some(c) if c.is_numeric() => rest.find(|c: char| !c.is_numeric()).unwrap_or(rest.len()),
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => 1,
            _ => rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len()),
        };
        self.position += length;
        &self.text[start..self.position]
    }

    fn value(&mut self, name: &str) -> Option<&'a str> {
        let value = self.expected(name);
        if value.is_none() && !self.unmatched.iter().any(|n| n == name) {
            self.unmatched.push(name.to_owned());
        }
        value
    }

    /// Looks a variable up of which nobody says that it must be set.
    fn expected(&mut self, name: &str) -> Option<&'a str> {
        let value = self.variables.get(name)?;
        if !self.matched.iter().any(|n| n == name) {
            self.matched.push(name.to_owned());
        }
        Some(value)
    }
}

/// A `}` that is missing is shown at the substitution it is of.
fn at_brace(error: ExpandError, start: usize) -> ExpandError {
    match error.problem {
        ExpandProblem::MissingBrace => ExpandError {
            offset: start,
            ..error
        },
        _ => error,
    }
}
