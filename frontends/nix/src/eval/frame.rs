//! What the machine has on its stack: evaluations under way, and what they wait for. Plain data.

use std::rc::Rc;

use super::code::Code;
use super::env::Env;
use super::symbol::Symbol;
use super::value::{Thunk, Value};
use super::vm::Task;
use crate::error::Error;
use crate::sources;
use crate::span::Span;

/// An evaluation under way.
pub(super) enum Frame {
    /// Some code.
    Code(CodeFrame),
    /// A builtin's work.
    Native {
        task: Task,
        name: Option<&'static str>,
        site: Site,
    },
    /// Calls what comes back.
    Apply { args: Vec<Value>, site: Site },
    /// Keeps a promise with what comes back.
    Update(Update),
    /// Remembers a function whose body ended with a call, for traces. There is at most one of these in a row.
    Called { name: Option<Symbol>, caller: Span },
}

/// A promise that code keeps, and the attribute that it was of.
pub(super) struct Update {
    pub(super) thunk: Thunk,
    pub(super) attribute: Option<(Symbol, Span)>,
}

/// Code under way.
pub(super) struct CodeFrame {
    pub(super) code: Rc<Code>,
    pub(super) next: usize,
    pub(super) env: Env,
    /// The promise that its value keeps. A call in tail position takes it over.
    pub(super) update: Option<Update>,
    /// Height of the stack when it began.
    pub(super) base: usize,
    /// Who called, if it is a function's body.
    pub(super) caller: Site,
}

/// How something that may need other evaluations went.
pub(super) enum Flow {
    /// Here is the value, for the frame on top.
    Value(Value),
    /// It comes back from a frame that was pushed.
    Wait,
}

/// What comes after an operation.
pub(super) enum Step {
    /// The next one.
    Next,
    /// Nothing: this is the code's value.
    Done(Value),
    /// The next one, when the value of this promise is on the stack.
    Force(Thunk),
    /// The next one, when the value of this call is on the stack.
    Call(Value, Vec<Value>),
    /// The next one, when the value of this work is on the stack.
    Task(Task),
    /// Nothing: the value of this call is the code's.
    Tail(Value, Vec<Value>),
}

/// Where something is called.
#[derive(Clone, Copy, Default)]
pub(super) struct Site {
    /// The place; none: nobody knows.
    pub(super) span: Option<Span>,
    /// Whether a function that came with the frontend calls it. The place is then where that function was called.
    pub(super) is_inside: bool,
}

impl Site {
    /// Says where an error arose. A step on the way that the person wrote says it better than the call of a function that
    /// came with the frontend.
    pub(super) fn place(self, error: Error) -> Error {
        match self.is_inside {
            true => error.or_at(self.span),
            false => error.at(self.span),
        }
    }

    /// The place, if the call itself is written there.
    pub(super) fn written(&self) -> Option<Span> {
        self.span.filter(|_| !self.is_inside)
    }
}

impl Update {
    pub(super) fn of(thunk: &Thunk) -> Self {
        Self {
            thunk: thunk.clone(),
            attribute: None,
        }
    }
}

impl CodeFrame {
    /// Where the operation under way comes from.
    pub(super) fn site(&self) -> Site {
        let span = self.code.spans.get(self.next.saturating_sub(1)).copied();
        if !span.is_some_and(sources::is_own) {
            return Site {
                span,
                is_inside: false,
            };
        }
        Site {
            span: self.env.as_ref().and_then(|scope| scope.origin()),
            is_inside: true,
        }
    }
}
