//! What goes wrong in an evaluation: what, where, and on the way to what. Knows nothing of how it is shown.

use std::rc::Rc;

use crate::sources::is_own;
use crate::span::Span;

/// The sort of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// `throw`, which `tryEval` catches.
    Throw,
    /// A false assertion, which `tryEval` catches.
    Assertion,
    /// `abort`.
    Abort,
    /// A value of another type than needed.
    Type,
    /// An attribute that is not there.
    MissingAttribute,
    /// A variable that is not there.
    UndefinedVariable,
    /// A function called with other arguments than it takes.
    Arguments,
    /// A value that depends on itself.
    InfiniteRecursion,
    /// More nested calls than there is room for.
    StackOverflow,
    /// A number, index or text out of what the operation takes.
    Value,
    /// A file that cannot be read.
    File,
    /// A file that is no Nix expression.
    Syntax,
    /// Something that needs what a frontend does not have, such as the clock or a home directory.
    NotAvailable,
    /// The build primitives refuse.
    Build,
}

impl ErrorKind {
    /// The stable name that diagnostics carry.
    pub fn code(self) -> &'static str {
        match self {
            ErrorKind::Throw => "Throw",
            ErrorKind::Assertion => "AssertionFailed",
            ErrorKind::Abort => "Abort",
            ErrorKind::Type => "TypeError",
            ErrorKind::MissingAttribute => "MissingAttribute",
            ErrorKind::UndefinedVariable => "UndefinedVariable",
            ErrorKind::Arguments => "ArgumentError",
            ErrorKind::InfiniteRecursion => "InfiniteRecursion",
            ErrorKind::StackOverflow => "StackOverflow",
            ErrorKind::Value => "InvalidValue",
            ErrorKind::File => "FileError",
            ErrorKind::Syntax => "SyntaxError",
            ErrorKind::NotAvailable => "NotAvailable",
            ErrorKind::Build => "BuildError",
        }
    }
}

/// A step on the way to an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Such as `while evaluating the attribute 'name'`.
    pub message: String,
    /// Where.
    pub span: Option<Span>,
}

/// An error of an evaluation.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", .0.message)]
pub struct Error(Rc<Details>);

/// What an error says.
#[derive(Clone, Debug)]
pub struct Details {
    /// Its sort.
    pub kind: ErrorKind,
    /// Lower case, no full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Where it arose.
    pub span: Option<Span>,
    /// From the error outwards; limited, see `omitted`.
    pub trace: Vec<Note>,
    /// How many further steps there were.
    pub omitted: usize,
    /// Further errors of the same sort, such as those of a file that cannot be parsed.
    pub more: Vec<Error>,
}

/// Steps of a trace that are kept.
const MAX_TRACE: usize = 24;

impl Error {
    /// Makes an error without a place: the innermost expression under evaluation gives it one.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Rc::new(Details {
            kind,
            message: message.into(),
            help: None,
            span: None,
            trace: Vec::new(),
            omitted: 0,
            more: Vec::new(),
        }))
    }

    /// Makes an error about a type: `expected` as in `a string`.
    pub fn expected(expected: &str, got: &str) -> Self {
        Self::new(
            ErrorKind::Type,
            format!("value is {got} while {expected} was expected"),
        )
    }

    /// What it says.
    pub fn details(&self) -> &Details {
        &self.0
    }

    /// Its sort.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether `tryEval` catches it.
    pub fn is_catchable(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Throw | ErrorKind::Assertion)
    }

    /// Says where, unless that is known.
    #[must_use]
    pub fn at(mut self, span: Option<Span>) -> Self {
        if self.0.span.is_none() && span.is_some() {
            Rc::make_mut(&mut self.0).span = span;
        }
        self
    }

    /// Says where, unless that is known or a step on the way says it.
    #[must_use]
    pub fn or_at(self, span: Option<Span>) -> Self {
        let is_placed = |note: &Note| note.span.is_some_and(|span| !is_own(span));
        match self.0.trace.iter().any(is_placed) {
            true => self,
            false => self.at(span),
        }
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        Rc::make_mut(&mut self.0).help = Some(help.into());
        self
    }

    /// Adds errors that were found with it.
    #[must_use]
    pub fn with_more(mut self, more: Vec<Error>) -> Self {
        Rc::make_mut(&mut self.0).more = more;
        self
    }

    /// Adds a step outwards.
    #[must_use]
    pub fn note(mut self, message: impl Into<String>, span: Option<Span>) -> Self {
        if self.0.trace.len() >= MAX_TRACE {
            Rc::make_mut(&mut self.0).omitted += 1;
            return self;
        }
        let note = Note {
            message: message.into(),
            span,
        };
        if self.0.trace.last() != Some(&note) {
            Rc::make_mut(&mut self.0).trace.push(note);
        }
        self
    }
}
