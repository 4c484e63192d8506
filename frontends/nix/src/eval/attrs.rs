//! Attribute sets: sorted by symbol, so that a lookup is a binary search and `//` a merge.
//! Knows nothing of the names' texts but where it lists them.

use std::mem;
use std::rc::Rc;

use super::symbol::{Symbol, Symbols};
use super::value::Value;
use crate::span::Span;

/// One attribute.
#[derive(Clone)]
pub struct Attr {
    /// Its name.
    pub name: Symbol,
    /// Its value, often a promise.
    pub value: Value,
    /// Where it was defined; none: by a builtin.
    pub span: Option<Span>,
}

/// A set of attributes.
#[derive(Default)]
pub struct Attrs {
    /// Sorted by symbol, each once.
    entries: Vec<Attr>,
}

impl Attrs {
    /// Makes a set. Of equal names the last one counts.
    pub fn new(mut entries: Vec<Attr>) -> Self {
        entries.sort_by_key(|attr| attr.name);
        // The sort is stable: of each run the last one stays.
        entries.dedup_by(|later, earlier| {
            let same = later.name == earlier.name;
            if same {
                mem::swap(later, earlier);
            }
            same
        });
        Self { entries }
    }

    /// Makes a set of named values.
    pub fn of(symbols: &Symbols, entries: impl IntoIterator<Item = (impl AsRef<str>, Value)>) -> Self {
        let attr = |(name, value): (_, Value)| Attr {
            name: symbols.intern(AsRef::<str>::as_ref(&name)),
            value,
            span: None,
        };
        Self::new(entries.into_iter().map(attr).collect())
    }

    /// Returns an attribute.
    pub fn get(&self, name: Symbol) -> Option<&Attr> {
        let found = self.entries.binary_search_by_key(&name, |attr| attr.name);
        found.ok().map(|index| &self.entries[index])
    }

    /// The attributes, in no order that a person could see a reason in.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Attr> {
        self.entries.iter()
    }

    /// The attributes with the texts of their names, sorted by these.
    pub fn sorted<'a>(&'a self, symbols: &Symbols) -> Vec<(Rc<str>, &'a Attr)> {
        let mut sorted: Vec<_> = self.entries.iter().map(|a| (symbols.text(a.name), a)).collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        sorted
    }

    /// How many attributes there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns both, of equal names those of `other`: the operator `//`.
    #[must_use]
    pub fn update(&self, other: &Attrs) -> Attrs {
        let mut entries = Vec::with_capacity(self.len() + other.len());
        let (mut left, mut right) = (self.entries.iter().peekable(), other.entries.iter().peekable());
        while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
            if a.name < b.name {
                entries.extend(left.next().cloned());
                continue;
            }
            if a.name == b.name {
                left.next();
            }
            entries.extend(right.next().cloned());
        }
        entries.extend(left.cloned());
        entries.extend(right.cloned());
        Attrs { entries }
    }

    /// Returns the attributes that a test lets through.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(&Attr) -> bool) -> Attrs {
        Attrs {
            entries: self.entries.iter().filter(|attr| keep(attr)).cloned().collect(),
        }
    }
}

impl Drop for Attrs {
    fn drop(&mut self) {
        mem::take(&mut self.entries)
            .into_iter()
            .for_each(|attr| attr.value.free());
    }
}
