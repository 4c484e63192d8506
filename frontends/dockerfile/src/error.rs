//! What goes wrong in texts that stand inside an instruction: substitutions and patterns.
//! Knows no places in the file: offsets count from the start of the word.

use thiserror::Error;

/// Why a word cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExpandProblem {
    /// A quote is never closed.
    #[error("{0} has no closing quote")]
    Unterminated(&'static str),
    /// `${` without its `}`.
    #[error("`${{` has no closing `}}`")]
    MissingBrace,
    /// `${x/a}` without its second slash.
    #[error("`/` is missing in the replacement of `${{{0}/…}}`")]
    MissingSlash(String),
    /// `${}` and the like.
    #[error("bad substitution")]
    BadSubstitution,
    /// `${x=…}` and the like.
    #[error("the modifier `{0}` is not supported in a substitution")]
    UnsupportedModifier(String),
    /// `${x?…}` where x is not set.
    #[error("{name}: {message}")]
    Required {
        /// The variable.
        name: String,
        /// What the file says about it.
        message: String,
    },
    /// A pattern in `${x#…}`.
    #[error("the pattern `{pattern}` is not valid: {reason}")]
    BadPattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Substitutions in substitutions without end.
    #[error("substitutions are nested too deeply")]
    TooDeep,
}

/// A word that cannot be expanded, and the byte of it where that shows.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{problem}")]
pub struct ExpandError {
    /// What is wrong.
    pub problem: ExpandProblem,
    /// Offset in the word.
    pub offset: usize,
}

impl ExpandError {
    /// Returns the code of the diagnostic that says it.
    pub fn code(&self) -> &'static str {
        match self.problem {
            ExpandProblem::Unterminated(_) => "UnterminatedQuote",
            ExpandProblem::Required { .. } => "RequiredVariable",
            _ => "BadSubstitution",
        }
    }

    /// Returns what to do about it.
    pub fn help(&self) -> Option<String> {
        let help = match &self.problem {
            ExpandProblem::Unterminated(_) => "close the quote, or put the escape character before it",
            ExpandProblem::MissingBrace => "write `\\$` for a dollar sign that is none of a variable",
            ExpandProblem::UnsupportedModifier(_) => {
                "known are `:-`, `-`, `:+`, `+`, `:?`, `?`, `#`, `##`, `%`, `%%`, `/` and `//`"
            }
            ExpandProblem::Required { name, .. } => {
                return Some(format!("give it a value, such as with `--build-arg {name}=…`"));
            }
            _ => return None,
        };
        Some(help.to_owned())
    }
}
