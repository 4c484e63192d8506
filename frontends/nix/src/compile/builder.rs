//! Lays out the operations of one piece of code. Knows nothing of syntax.

use std::rc::Rc;

use crate::eval::Symbol;
use crate::eval::Value;
use crate::eval::code::{Code, Formals, Function, Label, Op};
use crate::span::Span;

/// Code under construction.
#[derive(Default)]
pub struct Builder {
    ops: Vec<Op>,
    spans: Vec<Span>,
    consts: Vec<Value>,
    codes: Vec<Rc<Code>>,
    functions: Vec<Rc<Function>>,
    shapes: Vec<Vec<(Symbol, Span)>>,
    /// The parameters that the code begins with.
    pub formals: Option<Rc<Formals>>,
}

/// A jump whose target is not known yet.
#[must_use]
pub struct Jump(usize);

impl Builder {
    /// Adds an operation.
    pub fn emit(&mut self, op: Op, span: Span) {
        self.ops.push(op);
        self.spans.push(span);
    }

    /// Adds an operation that jumps, to a place that is said later.
    pub fn jump(&mut self, op: Op, span: Span) -> Jump {
        self.emit(op, span);
        Jump(self.ops.len() - 1)
    }

    /// Says that a jump goes to what is added next.
    pub fn land(&mut self, jump: Jump) {
        let here = self.ops.len() as u32;
        match &mut self.ops[jump.0] {
            Op::Jump(target)
            | Op::JumpIfFalse(target)
            | Op::JumpIfTrue(target)
            | Op::SelectDynamicOr(target)
            | Op::SelectOr { target, .. }
            | Op::WithSelect { target, .. } => *target = here,
            _ => {}
        }
    }

    /// Adds a constant.
    pub fn constant(&mut self, value: Value) -> u32 {
        self.consts.push(value);
        (self.consts.len() - 1) as u32
    }

    /// Pushes a constant.
    pub fn push(&mut self, value: Value, span: Span) {
        let index = self.constant(value);
        self.emit(Op::Const(index), span);
    }

    /// Pushes a promise.
    pub fn thunk(&mut self, code: Rc<Code>, span: Span) {
        self.codes.push(code);
        self.emit(Op::Thunk((self.codes.len() - 1) as u32), span);
    }

    /// Pushes a function.
    pub fn closure(&mut self, function: Rc<Function>, span: Span) {
        self.functions.push(function);
        self.emit(Op::Closure((self.functions.len() - 1) as u32), span);
    }

    /// Makes a set of what was pushed.
    pub fn attrs(&mut self, shape: Vec<(Symbol, Span)>, span: Span) {
        self.shapes.push(shape);
        self.emit(Op::MakeAttrs((self.shapes.len() - 1) as u32), span);
    }

    /// Ends.
    pub fn finish(self, label: Label, span: Span) -> Code {
        Code {
            ops: self.ops,
            spans: self.spans,
            consts: self.consts,
            codes: self.codes,
            functions: self.functions,
            shapes: self.shapes,
            formals: self.formals,
            label,
            span,
        }
    }
}
