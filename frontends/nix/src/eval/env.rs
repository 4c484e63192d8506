//! Scopes at run time: a chain of nodes, each with the variables of one `let`, function, `rec` or `with`.
//! Knows nothing of names: the compiler has turned them into positions.

use std::cell::OnceCell;
use std::mem;
use std::rc::Rc;

use super::garbage::{Garbage, free};
use super::value::Value;
use crate::span::Span;

/// A chain of scopes; none: the outermost.
pub type Env = Option<Rc<Scope>>;

/// One scope.
pub struct Scope {
    slots: Box<[OnceCell<Value>]>,
    parent: Env,
    /// Of a function that came with the frontend: where the person called it.
    origin: Option<Span>,
}

impl Scope {
    /// Makes a scope with empty variables.
    pub fn new(count: usize, parent: Env) -> Rc<Self> {
        Self::called(count, parent, None)
    }

    /// Makes the same for a function that was called from `origin`; none: from where the scope around it was made.
    pub fn called(count: usize, parent: Env, origin: Option<Span>) -> Rc<Self> {
        Self::with((0..count).map(|_| OnceCell::new()).collect(), parent, origin)
    }

    /// Makes a scope of one variable.
    pub fn of(value: Value, parent: Env, origin: Option<Span>) -> Rc<Self> {
        Self::with(Box::new([OnceCell::from(value)]), parent, origin)
    }

    fn with(slots: Box<[OnceCell<Value>]>, parent: Env, origin: Option<Span>) -> Rc<Self> {
        let origin = origin.or_else(|| parent.as_ref().and_then(|parent| parent.origin));
        Rc::new(Self {
            slots,
            parent,
            origin,
        })
    }

    /// Gives a variable its value. Each MUST get one, once, before anything that can read it runs.
    pub fn set(&self, slot: usize, value: Value) {
        if let Some(cell) = self.slots.get(slot) {
            let _ = cell.set(value);
        }
    }

    /// Returns a variable.
    pub fn get(&self, slot: usize) -> Value {
        let value = self.slots.get(slot).and_then(OnceCell::get);
        value.cloned().unwrap_or(Value::Null)
    }

    /// Returns where the person called the function that it is of, if that came with the frontend.
    pub fn origin(&self) -> Option<Span> {
        self.origin
    }

    /// Returns the scope around it.
    pub fn parent(&self) -> &Env {
        &self.parent
    }
}

/// Returns the scope that is `depth` further out.
pub fn outward(env: &Env, depth: usize) -> Option<&Rc<Scope>> {
    let mut scope = env.as_ref()?;
    for _ in 0..depth {
        scope = scope.parent().as_ref()?;
    }
    Some(scope)
}

impl Drop for Scope {
    fn drop(&mut self) {
        if let Some(parent) = self.parent.take()
            && Rc::strong_count(&parent) == 1
        {
            free(Garbage::Env(Some(parent)));
        }
        for slot in &mut self.slots {
            if let Some(value) = slot.take() {
                value.free();
            }
        }
        let _ = mem::take(&mut self.slots);
    }
}
