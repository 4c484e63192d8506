//! How a builtin is declared: a name, how many arguments it takes, and what it does. Knows none of them.
//!
//! A builtin is one of two sorts. A *strict* one gets its arguments evaluated (not what is inside of lists and sets) and
//! returns at once. A *task* gets them as they are and may ask for more evaluations while it runs
//! (`vm.force(&value).await`, `vm.call(&function, args).await`); these do not nest on the native stack, so a task may
//! recurse as deeply as memory allows if it does so by `vm.run(...)`.

use super::value::Value;
use super::vm::{Task, Vm};
use crate::error::Error;

/// A builtin.
pub struct Builtin {
    /// Its name in `builtins`.
    pub name: &'static str,
    /// How many arguments it takes.
    pub arity: usize,
    /// What it does.
    pub run: Run,
}

/// What a builtin does.
pub enum Run {
    /// A function of its evaluated arguments.
    Strict(fn(&Vm, &[Value]) -> Result<Value, Error>),
    /// Work that evaluates more on its way. There are as many arguments as its arity says.
    Task(fn(Vm, Vec<Value>) -> Task),
}

impl Builtin {
    /// Declares a strict builtin.
    pub const fn strict(
        name: &'static str,
        arity: usize,
        run: fn(&Vm, &[Value]) -> Result<Value, Error>,
    ) -> Self {
        Self {
            name,
            arity,
            run: Run::Strict(run),
        }
    }

    /// Declares a builtin that evaluates more on its way.
    pub const fn task(name: &'static str, arity: usize, run: fn(Vm, Vec<Value>) -> Task) -> Self {
        Self {
            name,
            arity,
            run: Run::Task(run),
        }
    }
}
