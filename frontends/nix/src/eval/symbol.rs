//! Names as numbers, so that comparing two is comparing integers. Knows nothing of what they name.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A name. Ordered by when it was first seen, not by its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(u32);

/// All names seen so far.
#[derive(Default)]
pub struct Symbols {
    inner: RefCell<Inner>,
}

#[derive(Default)]
struct Inner {
    by_text: BTreeMap<Rc<str>, Symbol>,
    texts: Vec<Rc<str>>,
}

impl Symbols {
    /// Returns the symbol of a text.
    pub fn intern(&self, text: &str) -> Symbol {
        let mut inner = self.inner.borrow_mut();
        if let Some(symbol) = inner.by_text.get(text) {
            return *symbol;
        }
        let symbol = Symbol(inner.texts.len() as u32);
        let text: Rc<str> = Rc::from(text);
        inner.texts.push(text.clone());
        inner.by_text.insert(text, symbol);
        symbol
    }

    /// Returns the symbol of a text if anything has that name.
    pub fn find(&self, text: &str) -> Option<Symbol> {
        self.inner.borrow().by_text.get(text).copied()
    }

    /// Returns the text of a symbol.
    pub fn text(&self, symbol: Symbol) -> Rc<str> {
        let inner = self.inner.borrow();
        // A symbol comes from `intern` alone; of another table it would be a mistake, which an empty name shows.
        inner
            .texts
            .get(symbol.0 as usize)
            .cloned()
            .unwrap_or_else(|| Rc::from(""))
    }
}
