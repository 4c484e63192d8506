//! What the machine has on its stack: evaluations under way, and what they wait for. Plain data.

use std::rc::Rc;

use super::code::Code;
use super::env::Env;
use super::symbol::Symbol;
use super::value::{Thunk, Value};
use super::vm::Task;
use crate::span::Span;

/// An evaluation under way.
pub(super) enum Frame {
    /// Some code.
    Code(CodeFrame),
    /// A builtin's work.
    Native {
        task: Task,
        name: Option<&'static str>,
        span: Option<Span>,
    },
    /// Calls what comes back.
    Apply { args: Vec<Value>, span: Option<Span> },
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
    pub(super) caller: Option<Span>,
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
    pub(super) fn span(&self) -> Option<Span> {
        self.code.spans.get(self.next.saturating_sub(1)).copied()
    }
}
