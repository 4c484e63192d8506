//! Functions. Knows nothing of how they are called.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use rnix::SyntaxKind;
use rnix::ast::{self, Expr, Param as Syntax};
use rowan::ast::AstNode;

use super::Compiler;
use crate::eval::Symbol;
use crate::eval::code::{Formal, Formals, Function, Label, Op, Param};
use crate::span::Span;

impl Compiler<'_> {
    /// Leaves a function. `name` is what it is bound to.
    pub(super) fn lambda(&mut self, lambda: &ast::Lambda, name: Option<Symbol>) {
        let span = self.span(lambda);
        if lambda
            .syntax()
            .parent()
            .is_some_and(|parent| needs_parentheses(parent.kind()))
        {
            self.error(span, "syntax error: a function needs parentheses here");
        }
        let function = match lambda.param() {
            Some(Syntax::IdentParam(param)) => {
                let ident = param.ident().and_then(|ident| self.ident_symbol(&ident));
                self.scopes.enter_names(ident.into_iter().collect());
                let body = self.body(lambda, name, span, None);
                Function {
                    name,
                    param: Param::Any,
                    param_name: ident,
                    body,
                    span,
                }
            }
            Some(Syntax::Pattern(pattern)) => {
                let bound = pattern.pat_bind().and_then(|bind| bind.ident());
                let bound = bound.and_then(|ident| self.ident_symbol(&ident));
                let formals = Rc::new(self.pattern(&pattern, bound, name));
                let body = self.body(lambda, name, span, Some(formals.clone()));
                Function {
                    name,
                    param: Param::Set(formals),
                    param_name: bound,
                    body,
                    span,
                }
            }
            None => return self.incomplete(span),
        };
        self.scopes.leave();
        self.builder.closure(Rc::new(function), span);
    }

    fn body(
        &mut self,
        lambda: &ast::Lambda,
        name: Option<Symbol>,
        span: Span,
        formals: Option<Rc<Formals>>,
    ) -> Rc<crate::eval::code::Code> {
        let body = lambda.body();
        self.code(Label::Function(name), span, |compiler| {
            if formals.is_some() {
                compiler.builder.formals = formals;
                compiler.builder.emit(Op::Local { depth: 0, slot: 0 }, span);
                compiler.builder.emit(Op::Force, span);
                compiler.builder.emit(Op::BindFormals, span);
            }
            match body {
                // `f = x: y: …`: both are called `f` in a trace.
                Some(Expr::Lambda(inner)) => {
                    compiler.lambda(&inner, name);
                    compiler.builder.emit(Op::Return, span);
                }
                body => compiler.child(body, span, true),
            }
        })
    }

    /// Reads named parameters and begins their scope, which their defaults see.
    fn pattern(
        &mut self,
        pattern: &ast::Pattern,
        bound: Option<Symbol>,
        function: Option<Symbol>,
    ) -> Formals {
        let entries: Vec<_> = pattern.pat_entries().collect();
        let mut slots = BTreeMap::new();
        slots.extend(bound.map(|name| (name, 0)));
        let mut seen = BTreeSet::new();
        for (index, entry) in entries.iter().enumerate() {
            let at = self.span(entry);
            let Some(name) = entry.ident().and_then(|ident| self.ident_symbol(&ident)) else {
                self.incomplete(at);
                continue;
            };
            if !seen.insert(name) || slots.contains_key(&name) {
                let text = self.vm.symbols().text(name);
                self.error(at, format!("duplicate formal function argument '{text}'"));
            }
            slots.insert(name, index as u32 + 1);
        }
        self.scopes.enter_slots(slots);
        let mut list = Vec::with_capacity(entries.len());
        for entry in &entries {
            let Some(ident) = entry.ident() else { continue };
            let Some(name) = self.ident_symbol(&ident) else {
                continue;
            };
            let default = entry.default().map(|default| {
                let at = self.span(&default);
                self.code(Label::Plain, at, |compiler| compiler.expr(&default, true))
            });
            list.push(Formal {
                name,
                default,
                span: self.span(&ident),
            });
        }
        Formals {
            function,
            list,
            open: pattern.ellipsis_token().is_some(),
        }
    }
}

/// Whether a function cannot stand bare in there; the parser takes it.
fn needs_parentheses(parent: SyntaxKind) -> bool {
    matches!(
        parent,
        SyntaxKind::NODE_APPLY
            | SyntaxKind::NODE_LIST
            | SyntaxKind::NODE_SELECT
            | SyntaxKind::NODE_HAS_ATTR
            | SyntaxKind::NODE_BIN_OP
            | SyntaxKind::NODE_UNARY_OP
    )
}
