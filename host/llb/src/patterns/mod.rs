//! Include and exclude pattern lists with the meaning of moby's patternmatcher, and globs with that of Go's `path.Match`.
//! Only text: never looks at a file system, and does not read ignore files (comments, encodings).
//!
//! A list is read in order, the last pattern that matches a path or one of its parents decides, and one that starts
//! with `!` says no where the others say yes. In a pattern, `?` is any character but `/`, `*` any number of them, `[a-z]`
//! and `[^a-z]` are classes, `\` takes the next character as it is, and `**` is any number of directories, none included.
//! White space around a pattern, a leading `/` or `./` and a trailing `/` mean nothing.
//!
//! Where patternmatcher translates to regular expressions and what it did not escape leaks through (a `*` inside a class,
//! `\d`), this follows `path.Match`, which patternmatcher checks its patterns with.
//!
//! Matching simulates a nondeterministic automaton, so its time is at most the length of the pattern times the length of
//! the path, whatever both hold.

mod program;

use std::path::Path;

use crate::paths::clean;
use crate::{PatternError, PatternProblem};
use program::{Dialect, Program};

/// The longest pattern in bytes: the longest path (Linux's PATH_MAX).
pub const MAX_PATTERN: usize = 4096;

/// A list of patterns.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    list: Vec<Pattern>,
}

#[derive(Debug, Clone)]
struct Pattern {
    program: Program,
    negated: bool,
}

/// What a list says of a directory and of all that is below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// Whether the path itself matches.
    pub matched: bool,
    /// Whether something below can match. False is certain: an include list need not enter the directory.
    pub may_match_below: bool,
    /// Whether something below can fail to match. False is certain: an exclude list need not enter a matched directory.
    pub may_miss_below: bool,
}

impl Patterns {
    /// Reads a list of patterns. Empty ones are left out.
    pub fn new<S: AsRef<str>>(patterns: &[S]) -> Result<Self, PatternError> {
        let mut list = Vec::with_capacity(patterns.len());
        for pattern in patterns {
            list.extend(Pattern::new(pattern.as_ref())?);
        }
        Ok(Self { list })
    }

    /// Whether the list has no pattern and so matches nothing.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether the list matches a path, itself or through one of its parents.
    ///
    /// The path is relative to the root that the patterns are relative to; `.` and the empty path never match.
    pub fn matches(&self, path: impl AsRef<Path>) -> bool {
        let path = normalized(path.as_ref());
        // The last pattern that matches decides.
        self.list
            .iter()
            .rev()
            .find(|p| p.program.reach(path).matched)
            .is_some_and(|p| !p.negated)
    }

    /// Says of a directory whether it matches, and whether a walk has to enter it. The root is `.` or empty.
    pub fn check(&self, dir: impl AsRef<Path>) -> Match {
        let path = normalized(dir.as_ref());
        let mut result = Match {
            matched: false,
            may_match_below: false,
            may_miss_below: true,
        };
        for pattern in &self.list {
            let reach = pattern.program.reach(path);
            let (wanted, other) = if pattern.negated {
                (&mut result.may_miss_below, &mut result.may_match_below)
            } else {
                (&mut result.may_match_below, &mut result.may_miss_below)
            };
            if reach.matched {
                // What matches a directory matches all that is below it.
                (*wanted, *other) = (true, false);
                result.matched = !pattern.negated;
            } else if reach.below {
                *wanted = true;
            }
        }
        result
    }

    /// Whether something below a directory can match. False is certain.
    pub fn may_match_below(&self, dir: impl AsRef<Path>) -> bool {
        self.check(dir).may_match_below
    }

    /// Whether something below a directory can fail to match. False is certain.
    pub fn may_miss_below(&self, dir: impl AsRef<Path>) -> bool {
        self.check(dir).may_miss_below
    }
}

impl Pattern {
    /// Reads one pattern; none: it is empty.
    fn new(text: &str) -> Result<Option<Self>, PatternError> {
        let error = |problem| PatternError {
            pattern: text.chars().take(200).collect(),
            problem,
        };
        if text.len() > MAX_PATTERN {
            return Err(error(PatternProblem::TooLong));
        }
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Ok(None);
        }
        let (negated, body) = match trimmed.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, trimmed),
        };
        if body.is_empty() {
            return Err(error(PatternProblem::LoneNegation));
        }
        let cleaned = clean(body);
        let relative = cleaned.strip_prefix('/').unwrap_or(&cleaned);
        let program = Program::new(relative, Dialect::List).map_err(error)?;
        Ok(Some(Self { program, negated }))
    }
}

/// A glob with the meaning of Go's `path.Match`: no `**`, and the whole name has to match.
#[derive(Debug, Clone)]
pub struct Glob(Program);

impl Glob {
    /// Reads a glob.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        let error = |problem| PatternError {
            pattern: pattern.chars().take(200).collect(),
            problem,
        };
        if pattern.len() > MAX_PATTERN {
            return Err(error(PatternProblem::TooLong));
        }
        Program::new(pattern, Dialect::Glob).map(Self).map_err(error)
    }

    /// The only text that matches, where the glob has no wildcards: the pattern without its backslashes.
    pub fn literal(&self) -> Option<&str> {
        self.0.literal()
    }

    /// Whether a name matches. Nothing is cleaned or stripped.
    pub fn matches(&self, name: impl AsRef<Path>) -> bool {
        self.0.accepts(name.as_ref().as_os_str().as_encoded_bytes())
    }
}

/// Whether `name` matches `pattern` with the meaning of Go's `path.Match`.
pub fn glob(pattern: &str, name: impl AsRef<Path>) -> Result<bool, PatternError> {
    Ok(Glob::new(pattern)?.matches(name))
}

/// The bytes of a path as the automaton takes them: without a leading `/` or `./`, and empty for `.`.
fn normalized(path: &Path) -> &[u8] {
    let mut bytes = path.as_os_str().as_encoded_bytes();
    loop {
        match bytes {
            [b'/', rest @ ..] | [b'.', b'/', rest @ ..] => bytes = rest,
            [b'.'] => return &[],
            _ => return bytes,
        }
    }
}

#[cfg(test)]
mod tests;
