//! Frees nested values without recursion: a list of 100,000 links would overflow the stack if each link freed the next.
//! Knows nothing of what the values mean.

use std::cell::{Cell, RefCell};

use super::env::Env;
use super::value::Value;

/// What a node held.
pub enum Garbage {
    /// A value.
    Value(Value),
    /// Several.
    Values(Vec<Value>),
    /// A scope.
    Env(Env),
}

/// How deep frees may nest before they queue.
const NESTING: u32 = 16;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static QUEUE: RefCell<Vec<Garbage>> = const { RefCell::new(Vec::new()) };
}

/// Frees what a node held, now or when the frees that are under way are done.
pub fn free(garbage: Garbage) {
    // Both are gone only while the thread ends; then it is freed as it would be without this file.
    let Ok(depth) = DEPTH.try_with(Cell::get) else {
        return;
    };
    if depth >= NESTING {
        let mut garbage = Some(garbage);
        let _ = QUEUE.try_with(|queue| {
            if let Some(garbage) = garbage.take() {
                queue.borrow_mut().push(garbage);
            }
        });
        return;
    }
    set_depth(depth + 1);
    drop(garbage);
    if depth == 0 {
        while let Some(next) = QUEUE.try_with(|queue| queue.borrow_mut().pop()).ok().flatten() {
            drop(next);
        }
    }
    set_depth(depth);
}

fn set_depth(depth: u32) {
    let _ = DEPTH.try_with(|cell| cell.set(depth));
}
