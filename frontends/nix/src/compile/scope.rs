//! Which variable a name means: scopes as the compiler sees them, in step with those at run time.
//! Knows nothing of values.

use std::collections::BTreeMap;

use crate::eval::Symbol;

/// The scopes around an expression, the outermost first.
#[derive(Default)]
pub struct Scopes(Vec<Names>);

/// The names of one scope.
enum Names {
    /// Those of a function, `let` or `rec`, with their slots.
    Known(BTreeMap<Symbol, u32>),
    /// Whatever the set of a `with` has; it is in the only slot.
    With,
}

/// What a name means.
#[derive(Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A variable.
    Local {
        /// How many scopes outwards.
        depth: u32,
        /// Which of that scope.
        slot: u32,
    },
    /// An attribute of the first of these sets that has it.
    With(Vec<u32>),
    /// Nothing but perhaps a global.
    Outside,
}

impl Scopes {
    /// Begins a scope of names, in the order of their slots. One without names hides nothing.
    pub fn enter_names(&mut self, names: Vec<Symbol>) {
        let slots = names.into_iter().zip(0..);
        self.0.push(Names::Known(slots.collect()));
    }

    /// Begins a scope of names with given slots.
    pub fn enter_slots(&mut self, slots: BTreeMap<Symbol, u32>) {
        self.0.push(Names::Known(slots));
    }

    /// Begins the scope of a `with`.
    pub fn enter_with(&mut self) {
        self.0.push(Names::With);
    }

    /// Ends the innermost scope.
    pub fn leave(&mut self) {
        self.0.pop();
    }

    /// Finds a name, not looking into the innermost `skip` scopes. A `with` gives way to every other scope.
    pub fn find(&self, name: Symbol, skip: usize) -> Meaning {
        let mut withs = Vec::new();
        for (depth, names) in self.0.iter().rev().enumerate().skip(skip) {
            match names {
                Names::Known(slots) => {
                    if let Some(slot) = slots.get(&name) {
                        return Meaning::Local {
                            depth: depth as u32,
                            slot: *slot,
                        };
                    }
                }
                Names::With => withs.push(depth as u32),
            }
        }
        if withs.is_empty() {
            Meaning::Outside
        } else {
            Meaning::With(withs)
        }
    }

    /// All names that can be seen.
    pub fn names(&self) -> Vec<Symbol> {
        let known = self.0.iter().filter_map(|names| match names {
            Names::Known(slots) => Some(slots.keys().copied()),
            Names::With => None,
        });
        known.flatten().collect()
    }
}
