//! The values of the language. Knows nothing of how they come about.

use std::cell::RefCell;
use std::mem;
use std::rc::Rc;

use super::attrs::Attrs;
use super::code::{Code, Function};
use super::env::Env;
use super::garbage::{Garbage, free};
use super::registry::Builtin;
use super::string::NixString;
use super::vm::{Task, Vm};
use crate::error::Error;

/// A value, or a promise of one. Copying one is cheap.
#[derive(Clone)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` and `false`.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A string with its context.
    String(Rc<NixString>),
    /// An absolute path of the build context, without `.`, `..` or a slash at its end.
    Path(Rc<str>),
    /// A list.
    List(Rc<List>),
    /// An attribute set.
    Attrs(Rc<Attrs>),
    /// A function with the scope it was made in.
    Lambda(Rc<Lambda>),
    /// A builtin with the arguments it has so far.
    Builtin(Rc<Partial>),
    /// A promise.
    Thunk(Thunk),
}

/// The elements of a list.
#[derive(Default)]
pub struct List(pub Vec<Value>);

/// A function with its scope.
pub struct Lambda {
    /// What it is.
    pub function: Rc<Function>,
    /// Where it was made.
    pub env: Env,
}

/// A builtin that waits for more arguments.
pub struct Partial {
    /// What it is.
    pub builtin: &'static Builtin,
    /// Fewer than its arity.
    pub args: Vec<Value>,
}

/// A promise, shared by all who hold it.
#[derive(Clone)]
pub struct Thunk(pub(crate) Rc<ThunkCell>);

/// Where a promise keeps its state.
pub struct ThunkCell(pub(crate) RefCell<State>);

/// How far a promise is.
pub enum State {
    /// Not begun: an expression in a scope.
    Code(Rc<Code>, Env),
    /// Not begun: a function and its arguments.
    Apply(Value, Vec<Value>),
    /// Not begun: work of a builtin.
    Native(Box<dyn FnOnce(Vm) -> Task>),
    /// Begun. Who asks now depends on itself.
    Running,
    /// Kept.
    Done(Value),
    /// Broken, for ever.
    Failed(Error),
}

impl Value {
    /// Makes a string without context.
    pub fn string(text: impl AsRef<[u8]>) -> Self {
        Value::String(Rc::new(NixString::plain(text)))
    }

    /// Makes a list.
    pub fn list(items: Vec<Value>) -> Self {
        Value::List(Rc::new(List(items)))
    }

    /// Makes an attribute set.
    pub fn attrs(attrs: Attrs) -> Self {
        Value::Attrs(Rc::new(attrs))
    }

    /// Makes a promise of a function applied to arguments.
    pub fn apply(function: Value, args: Vec<Value>) -> Self {
        Value::thunk(State::Apply(function, args))
    }

    /// Makes a promise of work that a builtin does when somebody asks.
    pub fn lazy<F, T>(work: F) -> Self
    where
        F: FnOnce(Vm) -> T + 'static,
        T: Future<Output = Result<Value, Error>> + 'static,
    {
        Value::thunk(State::Native(Box::new(|vm| Box::pin(work(vm)))))
    }

    /// Makes a promise.
    pub fn thunk(state: State) -> Self {
        Value::Thunk(Thunk(Rc::new(ThunkCell(RefCell::new(state)))))
    }

    /// Says what it is, as Nix's error messages do.
    pub fn type_phrase(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a Boolean",
            Value::Int(_) => "an integer",
            Value::Float(_) => "a float",
            Value::String(_) => "a string",
            Value::Path(_) => "a path",
            Value::List(_) => "a list",
            Value::Attrs(_) => "a set",
            Value::Lambda(_) => "a function",
            Value::Builtin(_) => "a built-in function",
            Value::Thunk(_) => "a thunk",
        }
    }

    /// Names its type, as `builtins.typeOf` does.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::String(_) => "string",
            Value::Path(_) => "path",
            Value::List(_) => "list",
            Value::Attrs(_) => "set",
            Value::Lambda(_) | Value::Builtin(_) => "lambda",
            Value::Thunk(_) => "thunk",
        }
    }

    /// Returns the kept value of a promise, and everything else as it is.
    pub fn peek(&self) -> Value {
        match self {
            Value::Thunk(thunk) => thunk.kept().unwrap_or_else(|| self.clone()),
            value => value.clone(),
        }
    }

    /// Whether this is a promise that is not kept yet.
    pub fn is_pending(&self) -> bool {
        matches!(self, Value::Thunk(thunk) if thunk.kept().is_none())
    }

    /// Frees without recursion.
    pub(crate) fn free(self) {
        let nests = match &self {
            Value::List(list) => Rc::strong_count(list) == 1,
            Value::Attrs(attrs) => Rc::strong_count(attrs) == 1,
            Value::Lambda(lambda) => Rc::strong_count(lambda) == 1,
            Value::Builtin(partial) => Rc::strong_count(partial) == 1,
            Value::Thunk(thunk) => Rc::strong_count(&thunk.0) == 1,
            _ => false,
        };
        if nests {
            free(Garbage::Value(self));
        }
    }
}

impl Thunk {
    /// Returns the value if it is there.
    pub fn kept(&self) -> Option<Value> {
        match &*self.0.0.borrow() {
            State::Done(value) => Some(value.clone()),
            _ => None,
        }
    }

    /// Begins: returns the state so far and leaves `Running`, unless it has an end already.
    pub(crate) fn begin(&self) -> State {
        let mut state = self.0.0.borrow_mut();
        match &*state {
            State::Done(value) => State::Done(value.clone()),
            State::Failed(error) => State::Failed(error.clone()),
            _ => mem::replace(&mut *state, State::Running),
        }
    }

    /// Ends.
    pub(crate) fn end(&self, result: Result<Value, Error>) {
        let state = match result {
            Ok(value) => State::Done(value),
            Err(error) => State::Failed(error),
        };
        let old = self.0.0.replace(state);
        drop(old);
    }
}

impl Drop for ThunkCell {
    fn drop(&mut self) {
        match mem::replace(&mut *self.0.borrow_mut(), State::Running) {
            State::Code(_, env) => free_env(env),
            State::Apply(function, args) => {
                function.free();
                args.into_iter().for_each(Value::free);
            }
            State::Done(value) => value.free(),
            State::Native(work) => drop(work),
            State::Running | State::Failed(_) => {}
        }
    }
}

impl Drop for List {
    fn drop(&mut self) {
        mem::take(&mut self.0).into_iter().for_each(Value::free);
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        free_env(self.env.take());
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        mem::take(&mut self.args).into_iter().for_each(Value::free);
    }
}

fn free_env(env: Env) {
    if let Some(scope) = env
        && Rc::strong_count(&scope) == 1
    {
        free(Garbage::Env(Some(scope)));
    }
}
