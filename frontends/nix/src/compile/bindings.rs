//! Code of sets, `let`, attribute selection and `?`. Knows nothing of how paths were merged.

use rnix::ast::{self, HasEntry};

use super::Compiler;
use super::gather::{Binding, Bindings, Bound, Key};
use crate::eval::Symbol;
use crate::eval::code::{Label, Op};
use crate::span::Span;

impl Compiler<'_> {
    /// Leaves a set.
    pub(super) fn set(&mut self, bindings: &Bindings, span: Span) {
        let has_scope = bindings.recursive || !bindings.froms.is_empty();
        if has_scope {
            self.enter(bindings, span);
        }
        let names = bindings.entries.iter();
        let shape: Vec<(Symbol, Span)> = names.map(|binding| (binding.name, binding.span)).collect();
        for (slot, binding) in bindings.entries.iter().enumerate() {
            if bindings.recursive {
                let slot = slot as u32;
                self.builder.emit(Op::Local { depth: 0, slot }, binding.span);
            } else {
                let label = Label::Attribute(binding.name);
                self.bound(binding, bindings, label);
            }
        }
        self.builder.attrs(shape, span);
        for (key, value) in &bindings.dynamics {
            let at = self.span(key);
            self.expr(key, false);
            match value {
                Bound::Expr(expr) => self.lazy(expr, Label::Plain, None, false),
                Bound::Set(inner) => self.lazy_set(inner, Label::Plain, at),
                // Only names that the source says are inherited.
                Bound::Inherit | Bound::From(_) => self.incomplete(at),
            }
        }
        if let Some((key, _)) = bindings.dynamics.first() {
            let at = self.span(key);
            self.builder
                .emit(Op::AddDynamic(bindings.dynamics.len() as u32), at);
        }
        if has_scope {
            self.scopes.leave();
            self.builder.emit(Op::Leave, span);
        }
    }

    /// Compiles `let … in …`.
    pub(super) fn let_in(&mut self, let_in: &ast::LetIn, span: Span, tail: bool) {
        let bindings = self.gather(let_in.entries(), true, span);
        for (key, _) in &bindings.dynamics {
            let at = self.span(key);
            self.error(at, "dynamic attributes are not allowed in `let`");
        }
        self.enter(&bindings, span);
        self.child(let_in.body(), span, tail);
        self.scopes.leave();
        if !tail {
            self.builder.emit(Op::Leave, span);
        }
    }

    /// Begins the scope of a set: its names if it is recursive, and what it inherits from behind them.
    fn enter(&mut self, bindings: &Bindings, span: Span) {
        let names = if bindings.recursive {
            bindings.entries.len()
        } else {
            0
        };
        let count = names + bindings.froms.len();
        self.builder.emit(Op::Enter(count as u32), span);
        let slots = if bindings.recursive {
            bindings.slots()
        } else {
            Default::default()
        };
        self.scopes.enter_slots(slots);
        for (index, from) in bindings.froms.iter().enumerate() {
            let at = self.span(from);
            self.lazy(from, Label::Plain, None, true);
            self.builder.emit(Op::SetSlot((names + index) as u32), at);
        }
        if !bindings.recursive {
            return;
        }
        for (slot, binding) in bindings.entries.iter().enumerate() {
            self.bound(binding, bindings, Label::Attribute(binding.name));
            self.builder.emit(Op::SetSlot(slot as u32), binding.span);
        }
    }

    /// Leaves the value of a binding, unevaluated.
    fn bound(&mut self, binding: &Binding, bindings: &Bindings, label: Label) {
        let (name, span) = (binding.name, binding.span);
        match &binding.value {
            Bound::Expr(expr) => self.lazy(expr, label, Some(name), bindings.recursive),
            Bound::Set(inner) => self.lazy_set(inner, label, span),
            Bound::Inherit => {
                let skip = usize::from(bindings.recursive);
                self.inherit(name, skip, span);
            }
            Bound::From(index) => {
                let names = if bindings.recursive {
                    bindings.entries.len()
                } else {
                    0
                };
                let slot = (names + index) as u32;
                let code = self.code(Label::Plain, span, |compiler| {
                    let builder = &mut compiler.builder;
                    builder.emit(Op::Local { depth: 0, slot }, span);
                    builder.emit(Op::Force, span);
                    builder.emit(Op::Select(name), span);
                    builder.emit(Op::Force, span);
                    builder.emit(Op::Return, span);
                });
                self.builder.thunk(code, span);
            }
        }
    }

    /// Leaves the variable of a name around a set. One of a `with` is looked up when it is needed.
    fn inherit(&mut self, name: Symbol, skip: usize, span: Span) {
        if let super::scope::Meaning::With(_) = self.scopes.find(name, skip)
            && self.vm.global(name).is_none()
        {
            let code = self.code(Label::Plain, span, |compiler| {
                compiler.variable(name, skip, span);
                compiler.builder.emit(Op::Force, span);
                compiler.builder.emit(Op::Return, span);
            });
            return self.builder.thunk(code, span);
        }
        self.variable(name, skip, span);
    }

    fn lazy_set(&mut self, bindings: &Bindings, label: Label, span: Span) {
        let code = self.code(label, span, |compiler| {
            compiler.set(bindings, span);
            compiler.builder.emit(Op::Return, span);
        });
        self.builder.thunk(code, span);
    }

    /// Compiles `a.b.c` and `a.b.c or d`.
    pub(super) fn select(&mut self, select: &ast::Select, span: Span) {
        self.child(select.expr(), span, false);
        let default = select.default_expr();
        let mut missing = Vec::new();
        let attrs: Vec<_> = select
            .attrpath()
            .into_iter()
            .flat_map(|path| path.attrs())
            .collect();
        for attr in &attrs {
            let at = self.span(attr);
            match (self.key(attr), &default) {
                (Some(Key::Static(name)), None) => self.builder.emit(Op::Select(name), at),
                (Some(Key::Static(name)), Some(_)) => {
                    missing.push(self.builder.jump(Op::SelectOr { name, target: 0 }, at));
                }
                (Some(Key::Dynamic(key)), None) => {
                    self.expr(&key, false);
                    self.builder.emit(Op::SelectDynamic, at);
                }
                (Some(Key::Dynamic(key)), Some(_)) => {
                    self.expr(&key, false);
                    missing.push(self.builder.jump(Op::SelectDynamicOr(0), at));
                }
                (None, _) => self.incomplete(at),
            }
            self.builder.emit(Op::Force, at);
        }
        if let Some(default) = default {
            let end = self.builder.jump(Op::Jump(0), span);
            missing.into_iter().for_each(|jump| self.builder.land(jump));
            self.expr(&default, false);
            self.builder.land(end);
        }
    }

    /// Compiles `a ? b.c`. The last attribute is not evaluated.
    pub(super) fn has_attr(&mut self, has: &ast::HasAttr, span: Span) {
        self.child(has.expr(), span, false);
        let mut missing = Vec::new();
        let attrs: Vec<_> = has.attrpath().into_iter().flat_map(|path| path.attrs()).collect();
        for (index, attr) in attrs.iter().enumerate() {
            let at = self.span(attr);
            if index > 0 {
                self.builder.emit(Op::Force, at);
            }
            match self.key(attr) {
                Some(Key::Static(name)) => {
                    missing.push(self.builder.jump(Op::SelectOr { name, target: 0 }, at));
                }
                Some(Key::Dynamic(key)) => {
                    self.expr(&key, false);
                    missing.push(self.builder.jump(Op::SelectDynamicOr(0), at));
                }
                None => self.incomplete(at),
            }
        }
        self.builder.emit(Op::Pop, span);
        self.builder.push(crate::eval::Value::Bool(true), span);
        let end = self.builder.jump(Op::Jump(0), span);
        missing.into_iter().for_each(|jump| self.builder.land(jump));
        self.builder.push(crate::eval::Value::Bool(false), span);
        self.builder.land(end);
    }
}
