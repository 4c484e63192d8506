//! What the compiler makes of an expression: a list of operations for the machine. Plain data.

use std::rc::Rc;

use super::symbol::Symbol;
use super::value::Value;
use crate::span::Span;

/// An operation. Numbers named `u32` without more index the tables of [`Code`]; targets are positions in `ops`.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    /// Pushes a constant.
    Const(u32),
    /// Pushes a variable as it is.
    Local { depth: u32, slot: u32 },
    /// Of the evaluated set of a `with` on top: replaces it by an attribute and jumps, or drops it.
    WithSelect { name: Symbol, target: u32 },
    /// No `with` had the variable.
    Undefined(Symbol),
    /// Pushes a promise of an expression in this scope.
    Thunk(u32),
    /// Pushes a function with this scope.
    Closure(u32),
    /// Evaluates what is on top.
    Force,
    /// Calls a function that lies below so many arguments.
    Call(u32),
    /// The same as the last thing that this code does.
    TailCall(u32),
    /// Ends with what is on top, which is evaluated.
    Return,
    /// Begins a scope of so many variables.
    Enter(u32),
    /// Takes what is on top into a variable of the innermost scope.
    SetSlot(u32),
    /// Ends the innermost scope.
    Leave,
    /// Gives a function's parameters what the evaluated set on top holds, or their defaults.
    BindFormals,
    /// Replaces a set by its attribute.
    Select(Symbol),
    /// The same; where there is none, drops it and jumps.
    SelectOr { name: Symbol, target: u32 },
    /// Replaces a set and a name above it by the attribute.
    SelectDynamic,
    /// The same; where there is none, drops both and jumps.
    SelectDynamicOr(u32),
    /// Goes on elsewhere.
    Jump(u32),
    /// Takes a Boolean and goes on elsewhere if it is false.
    JumpIfFalse(u32),
    /// Takes a Boolean and goes on elsewhere if it is true.
    JumpIfTrue(u32),
    /// What is on top must be a Boolean.
    CheckBool,
    /// Drops what is on top.
    Pop,
    /// An operator on the two values on top.
    Binary(Binary),
    /// `!`
    Not,
    /// `-`
    Negate,
    /// Makes a list of so many values.
    MakeList(u32),
    /// Makes a set of as many values as its shape has names.
    MakeAttrs(u32),
    /// Adds so many pairs of an evaluated name and a value to the set below them.
    AddDynamic(u32),
    /// Joins so many evaluated values to a string.
    Interpolate(u32),
    /// Joins a path and so many evaluated values less one to a path.
    InterpolatePath(u32),
    /// Takes a Boolean that must be true; the constant is its source.
    Assert(u32),
    /// Fails with a constant: what frontends do not have.
    Refuse(u32),
}

/// A binary operator that evaluates both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    More,
    /// `>=`
    MoreOrEqual,
    /// `++`
    Concat,
    /// `//`
    Update,
}

/// What some code is of, for traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// A file, or something too small to be named.
    Plain,
    /// An attribute's value.
    Attribute(Symbol),
    /// A function's body; with its name if it was bound to one.
    Function(Option<Symbol>),
}

/// A compiled expression.
pub struct Code {
    /// What to do. Ends with `Return` or a tail call.
    pub ops: Vec<Op>,
    /// Where each operation comes from.
    pub spans: Vec<Span>,
    /// Evaluated values.
    pub consts: Vec<Value>,
    /// Expressions inside of this one that are evaluated later or never.
    pub codes: Vec<Rc<Code>>,
    /// Functions inside of this one.
    pub functions: Vec<Rc<Function>>,
    /// Names and places of sets.
    pub shapes: Vec<Vec<(Symbol, Span)>>,
    /// The parameters, if this is the body of a function with named ones.
    pub formals: Option<Rc<Formals>>,
    /// What this is of.
    pub label: Label,
    /// The whole expression.
    pub span: Span,
}

/// A compiled function.
pub struct Function {
    /// What it was bound to first.
    pub name: Option<Symbol>,
    /// What it takes.
    pub param: Param,
    /// What the whole argument is called.
    pub param_name: Option<Symbol>,
    /// What it does.
    pub body: Rc<Code>,
    /// The whole expression.
    pub span: Span,
}

/// What a function takes.
pub enum Param {
    /// Anything.
    Any,
    /// A set.
    Set(Rc<Formals>),
}

/// The named parameters of a function. Its scope has the whole argument first and these then.
pub struct Formals {
    /// What the function was bound to first.
    pub function: Option<Symbol>,
    /// In the order of the source.
    pub list: Vec<Formal>,
    /// Whether the set may have other attributes.
    pub open: bool,
}

/// A named parameter.
pub struct Formal {
    /// Its name.
    pub name: Symbol,
    /// What it is if the caller does not say.
    pub default: Option<Rc<Code>>,
    /// Where it is named.
    pub span: Span,
}
