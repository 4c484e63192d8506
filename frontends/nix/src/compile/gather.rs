//! Bindings of sets and `let`: merges attribute paths (`a.b = 1; a.c = 2;`) to nested sets. Knows nothing of code.

use std::collections::BTreeMap;

use rnix::ast::{self, Attr, Entry, Expr, HasEntry, InterpolPart};
use rowan::ast::{AstChildren, AstNode};

use super::Compiler;
use crate::error::{Error, ErrorKind};
use crate::eval::Symbol;
use crate::span::Span;

/// The bindings of one set.
pub struct Bindings {
    /// Whether they see each other.
    pub recursive: bool,
    /// Those whose names the source says, in its order.
    pub entries: Vec<Binding>,
    /// Those whose names are evaluated.
    pub dynamics: Vec<(Expr, Bound)>,
    /// What `inherit (…)` takes from.
    pub froms: Vec<Expr>,
    index: BTreeMap<Symbol, usize>,
}

/// One binding.
pub struct Binding {
    /// Its name.
    pub name: Symbol,
    /// Where the name is.
    pub span: Span,
    /// What it is bound to.
    pub value: Bound,
}

/// What a name is bound to.
pub enum Bound {
    /// An expression.
    Expr(Expr),
    /// The variable of this name around the set.
    Inherit,
    /// The attribute of this name of one of `froms`.
    From(usize),
    /// A set that several attribute paths make.
    Set(Box<Bindings>),
}

/// One step of an attribute path.
pub enum Key {
    /// A name.
    Static(Symbol),
    /// An expression that gives one.
    Dynamic(Expr),
}

impl Bindings {
    fn new(recursive: bool) -> Self {
        Self {
            recursive,
            entries: Vec::new(),
            dynamics: Vec::new(),
            froms: Vec::new(),
            index: BTreeMap::new(),
        }
    }

    /// The names with their slots.
    pub fn slots(&self) -> BTreeMap<Symbol, u32> {
        self.index
            .iter()
            .map(|(name, index)| (*name, *index as u32))
            .collect()
    }

    fn push(&mut self, name: Symbol, span: Span, value: Bound) {
        self.index.insert(name, self.entries.len());
        self.entries.push(Binding { name, span, value });
    }
}

impl Compiler<'_> {
    /// Gathers the bindings of a set in braces.
    pub(super) fn gather_set(&mut self, set: &ast::AttrSet) -> Bindings {
        let span = self.span(set);
        if set.r_curly_token().is_none() {
            self.error(span, "syntax error: this set is not closed");
        }
        self.gather(set.entries(), set.rec_token().is_some(), span)
    }

    /// Gathers bindings.
    pub(super) fn gather(&mut self, entries: AstChildren<Entry>, recursive: bool, span: Span) -> Bindings {
        let mut bindings = Bindings::new(recursive);
        for entry in entries {
            match entry {
                Entry::Inherit(inherit) => self.gather_inherit(&mut bindings, &inherit),
                Entry::AttrpathValue(entry) => {
                    let (Some(path), Some(value)) = (entry.attrpath(), entry.value()) else {
                        self.incomplete(span);
                        continue;
                    };
                    let keys: Vec<(Key, Span)> = path
                        .attrs()
                        .filter_map(|attr| Some((self.key(&attr)?, self.span(&attr))))
                        .collect();
                    self.bind(&mut bindings, keys.into_iter(), value);
                }
            }
        }
        bindings
    }

    fn gather_inherit(&mut self, bindings: &mut Bindings, inherit: &ast::Inherit) {
        let from = inherit.from().and_then(|from| from.expr());
        let from = from.map(|expr| {
            bindings.froms.push(expr);
            bindings.froms.len() - 1
        });
        for attr in inherit.attrs() {
            let span = self.span(&attr);
            match self.key(&attr) {
                Some(Key::Static(name)) => {
                    let value = from.map_or(Bound::Inherit, Bound::From);
                    if self.is_new(bindings, name, span) {
                        bindings.push(name, span, value);
                    }
                }
                _ => self.error(span, "dynamic attributes are not allowed in `inherit`"),
            }
        }
    }

    fn is_new(&mut self, bindings: &Bindings, name: Symbol, span: Span) -> bool {
        match bindings.index.get(&name) {
            Some(index) => {
                let first = bindings.entries[*index].span;
                self.duplicate(name, span, first);
                false
            }
            None => true,
        }
    }

    fn duplicate(&mut self, name: Symbol, span: Span, first: Span) {
        let text = self.vm.symbols().text(name);
        let error = Error::new(ErrorKind::Syntax, format!("attribute '{text}' already defined"));
        self.errors
            .push(error.at(Some(span)).note("it is defined here", Some(first)));
    }

    fn bind(
        &mut self,
        bindings: &mut Bindings,
        mut keys: impl ExactSizeIterator<Item = (Key, Span)>,
        value: Expr,
    ) {
        let Some((key, span)) = keys.next() else { return };
        let is_last = keys.len() == 0;
        match key {
            Key::Dynamic(key) if is_last => bindings.dynamics.push((key, Bound::Expr(value))),
            Key::Dynamic(key) => {
                let mut inner = Bindings::new(false);
                self.bind_rest(&mut inner, keys, value);
                bindings.dynamics.push((key, Bound::Set(Box::new(inner))));
            }
            Key::Static(name) => {
                let found = bindings.index.get(&name).copied();
                match found {
                    None if is_last => bindings.push(name, span, Bound::Expr(value)),
                    None => {
                        let mut inner = Bindings::new(false);
                        self.bind_rest(&mut inner, keys, value);
                        bindings.push(name, span, Bound::Set(Box::new(inner)));
                    }
                    Some(index) => {
                        let first = bindings.entries[index].span;
                        let old = &mut bindings.entries[index].value;
                        if !self.open(old) {
                            return self.duplicate(name, span, first);
                        }
                        let Bound::Set(inner) = old else { return };
                        if !is_last {
                            return self.bind_rest(inner, keys, value);
                        }
                        match value {
                            Expr::AttrSet(set) => {
                                let more = self.gather_set(&set);
                                self.merge(inner, more);
                            }
                            _ => self.duplicate(name, span, first),
                        }
                    }
                }
            }
        }
    }

    /// The same without a type that grows with each step of the path.
    fn bind_rest(
        &mut self,
        bindings: &mut Bindings,
        keys: impl ExactSizeIterator<Item = (Key, Span)>,
        value: Expr,
    ) {
        let keys: Vec<_> = keys.collect();
        let keys: Box<dyn ExactSizeIterator<Item = (Key, Span)>> = Box::new(keys.into_iter());
        self.bind(bindings, keys, value);
    }

    /// Turns a set that the source writes in braces to one that more can be added to.
    fn open(&mut self, value: &mut Bound) -> bool {
        if let Bound::Expr(Expr::AttrSet(set)) = value {
            let set = set.clone();
            *value = Bound::Set(Box::new(self.gather_set(&set)));
        }
        matches!(value, Bound::Set(_))
    }

    fn merge(&mut self, into: &mut Bindings, from: Bindings) {
        let base = into.froms.len();
        into.froms.extend(from.froms);
        for mut binding in from.entries {
            if let Bound::From(index) = &mut binding.value {
                *index += base;
            }
            if self.is_new(into, binding.name, binding.span) {
                into.push(binding.name, binding.span, binding.value);
            }
        }
        into.dynamics.extend(from.dynamics);
    }

    /// Reads one step of an attribute path.
    pub(super) fn key(&mut self, attr: &Attr) -> Option<Key> {
        match attr {
            Attr::Ident(ident) => self.ident_symbol(ident).map(Key::Static),
            Attr::Str(string) => Some(self.string_key(string)),
            Attr::Dynamic(dynamic) => match dynamic.expr() {
                Some(Expr::Str(string)) => Some(self.string_key(&string)),
                Some(expr) => Some(Key::Dynamic(expr)),
                None => {
                    let span = self.span(attr);
                    self.incomplete(span);
                    None
                }
            },
        }
    }

    fn string_key(&mut self, string: &ast::Str) -> Key {
        if !self.is_plain(string) {
            return Key::Dynamic(Expr::Str(string.clone()));
        }
        let mut text = String::new();
        for part in super::text::parts(string) {
            if let InterpolPart::Literal(part) = part {
                text.push_str(&part);
            }
        }
        Key::Static(self.vm.symbol(&text))
    }

    /// Whether a string has no interpolation.
    pub(super) fn is_plain(&self, string: &ast::Str) -> bool {
        let kind = rnix::SyntaxKind::NODE_INTERPOL;
        !string.syntax().children().any(|child| child.kind() == kind)
    }
}
