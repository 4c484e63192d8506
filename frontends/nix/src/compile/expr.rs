//! Expressions. Every one leaves its evaluated value on the stack, or ends the code with it (`tail`).
//! Knows nothing of sets, functions and strings, which have files of their own.

use rnix::ast::{self, BinOpKind, Expr, HasEntry, UnaryOpKind};
use rowan::ast::AstNode;

use super::Compiler;
use super::scope::Meaning;
use crate::error::{Error, ErrorKind};
use crate::eval::code::{Binary, Label, Op};
use crate::eval::{Symbol, Value};
use crate::span::Span;
use crate::suggest;

impl Compiler<'_> {
    /// Compiles an expression.
    pub(super) fn expr(&mut self, expr: &Expr, tail: bool) {
        let span = self.span(expr);
        match expr {
            Expr::Apply(apply) => return self.apply(apply, tail),
            Expr::Paren(paren) => {
                if paren.r_paren_token().is_none() {
                    self.error(span, "syntax error: this parenthesis is not closed");
                }
                return self.child(paren.expr(), span, tail);
            }
            Expr::Root(root) => return self.child(root.expr(), span, tail),
            Expr::IfElse(branch) => return self.if_else(branch, span, tail),
            Expr::LetIn(let_in) => return self.let_in(let_in, span, tail),
            Expr::With(with) => return self.with(with, span, tail),
            Expr::Assert(assert) => {
                self.child(assert.condition(), span, false);
                let condition = assert.condition();
                let text = condition.as_ref().map_or(String::new(), source_text);
                let at = condition.map_or(span, |condition| self.span(&condition));
                let index = self.builder.constant(Value::string(text));
                self.builder.emit(Op::Assert(index), at);
                return self.child(assert.body(), span, tail);
            }
            Expr::BinOp(op) if matches!(op.operator(), Some(BinOpKind::PipeLeft | BinOpKind::PipeRight)) => {
                let (function, argument) = match op.operator() {
                    Some(BinOpKind::PipeRight) => (op.rhs(), op.lhs()),
                    _ => (op.lhs(), op.rhs()),
                };
                self.child(function, span, false);
                self.lazy_child(argument, span);
                let call = if tail { Op::TailCall(1) } else { Op::Call(1) };
                return self.builder.emit(call, span);
            }
            Expr::BinOp(op) => self.binary(op),
            Expr::UnaryOp(op) => {
                self.child(op.expr(), span, false);
                match op.operator() {
                    Some(UnaryOpKind::Invert) => self.builder.emit(Op::Not, span),
                    Some(UnaryOpKind::Negate) => self.builder.emit(Op::Negate, span),
                    None => self.incomplete(span),
                }
            }
            Expr::Ident(ident) => self.ident(ident, span),
            Expr::Literal(literal) => self.literal(literal, span),
            Expr::Str(string) => self.string(string, span),
            Expr::PathAbs(_) | Expr::PathRel(_) | Expr::PathHome(_) | Expr::PathSearch(_) => {
                self.path(expr, span);
            }
            Expr::List(list) => {
                let mut count = 0;
                for item in list.items() {
                    self.lazy(&item, Label::Plain, None, false);
                    count += 1;
                }
                if list.r_brack_token().is_none() {
                    self.error(span, "syntax error: this list is not closed");
                }
                self.builder.emit(Op::MakeList(count), span);
            }
            Expr::Lambda(lambda) => self.lambda(lambda, None),
            Expr::AttrSet(set) => {
                let bindings = self.gather_set(set);
                self.set(&bindings, span);
            }
            Expr::LegacyLet(set) => {
                let bindings = self.gather(set.entries(), true, span);
                self.set(&bindings, span);
                let body = self.vm.symbol("body");
                self.builder.emit(Op::Select(body), span);
                self.builder.emit(Op::Force, span);
            }
            Expr::Select(select) => self.select(select, span),
            Expr::HasAttr(has) => self.has_attr(has, span),
            Expr::CurPos(_) => {
                let value = crate::position::value(self.vm, span);
                self.builder.push(value, span);
            }
            Expr::Error(_) => self.incomplete(span),
        }
        if tail {
            self.builder.emit(Op::Return, span);
        }
    }

    /// Leaves an expression's value unevaluated where that would take work. `name` is what it is bound to. `building`:
    /// the innermost scope does not have its values yet.
    pub(super) fn lazy(&mut self, expr: &Expr, label: Label, name: Option<Symbol>, building: bool) {
        let span = self.span(expr);
        match expr {
            Expr::Paren(paren) if paren.r_paren_token().is_some() => {
                if let Some(inner) = paren.expr() {
                    return self.lazy(&inner, label, name, building);
                }
            }
            Expr::Literal(literal) => return self.literal(literal, span),
            Expr::Str(string) if self.is_plain(string) => return self.string(string, span),
            Expr::Lambda(lambda) => return self.lambda(lambda, name),
            Expr::List(list) if list.items().next().is_none() && list.r_brack_token().is_some() => {
                return self.builder.push(Value::list(Vec::new()), span);
            }
            Expr::Ident(ident) => {
                if let Some(name) = self.ident_symbol(ident) {
                    match self.scopes.find(name, 0) {
                        Meaning::Local { depth, slot } if depth > 0 || !building => {
                            return self.builder.emit(Op::Local { depth, slot }, span);
                        }
                        Meaning::Outside => return self.variable(name, 0, span),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        let code = self.code(label, span, |compiler| compiler.expr(expr, true));
        self.builder.thunk(code, span);
    }

    pub(super) fn lazy_child(&mut self, expr: Option<Expr>, span: Span) {
        match expr {
            Some(expr) => self.lazy(&expr, Label::Plain, None, false),
            None => self.incomplete(span),
        }
    }

    fn apply(&mut self, apply: &ast::Apply, tail: bool) {
        // `f a b` is (f a) b: the arguments, the last one first.
        let mut args = Vec::new();
        let mut function = Expr::Apply(apply.clone());
        while let Expr::Apply(apply) = &function {
            args.push(apply.argument());
            match apply.lambda() {
                Some(inner) => function = inner,
                None => return self.incomplete(self.span(apply)),
            }
        }
        let span = self.span(&function);
        self.expr(&function, false);
        let count = args.len() as u32;
        for arg in args.into_iter().rev() {
            self.lazy_child(arg, span);
        }
        let call = if tail {
            Op::TailCall(count)
        } else {
            Op::Call(count)
        };
        self.builder.emit(call, span);
    }

    fn if_else(&mut self, branch: &ast::IfElse, span: Span, tail: bool) {
        self.child(branch.condition(), span, false);
        let at = branch.condition().map_or(span, |condition| self.span(&condition));
        let no = self.builder.jump(Op::JumpIfFalse(0), at);
        self.child(branch.body(), span, tail);
        if tail {
            self.builder.land(no);
            self.child(branch.else_body(), span, true);
        } else {
            let end = self.builder.jump(Op::Jump(0), span);
            self.builder.land(no);
            self.child(branch.else_body(), span, false);
            self.builder.land(end);
        }
    }

    fn with(&mut self, with: &ast::With, span: Span, tail: bool) {
        self.lazy_child(with.namespace(), span);
        // The set is evaluated in the scope around; the variable comes after.
        self.builder.emit(Op::Enter(1), span);
        self.builder.emit(Op::SetSlot(0), span);
        self.scopes.enter_with();
        self.child(with.body(), span, tail);
        self.scopes.leave();
        if !tail {
            self.builder.emit(Op::Leave, span);
        }
    }

    fn binary(&mut self, op: &ast::BinOp) {
        let span = self.operator_span(op);
        let Some(kind) = op.operator() else {
            return self.incomplete(span);
        };
        match kind {
            BinOpKind::And | BinOpKind::Or | BinOpKind::Implication => self.logical(op, kind, span),
            BinOpKind::Concat | BinOpKind::Update => self.right_chain(op, kind),
            _ => self.left_chain(op),
        }
    }

    /// `a + b - c`: without recursion, as such chains are long.
    fn left_chain(&mut self, op: &ast::BinOp) {
        let mut chain = vec![op.clone()];
        let mut first = op.lhs();
        while let Some(Expr::BinOp(inner)) = &first {
            if inner.operator().and_then(operator).is_none() {
                break;
            }
            chain.push(inner.clone());
            first = inner.lhs();
        }
        self.child(first, self.span(op), false);
        for op in chain.into_iter().rev() {
            let span = self.operator_span(&op);
            self.child(op.rhs(), span, false);
            if let Some(binary) = op.operator().and_then(operator) {
                self.builder.emit(Op::Binary(binary), span);
            }
        }
    }

    /// `a ++ b ++ c`: the same from the right.
    fn right_chain(&mut self, op: &ast::BinOp, kind: BinOpKind) {
        let mut spans = Vec::new();
        let mut rest = Some(Expr::BinOp(op.clone()));
        while let Some(Expr::BinOp(op)) = &rest {
            if op.operator() != Some(kind) {
                break;
            }
            let span = self.operator_span(op);
            self.child(op.lhs(), span, false);
            spans.push(span);
            rest = op.rhs();
        }
        self.child(rest, self.span(op), false);
        for span in spans.into_iter().rev() {
            if let Some(binary) = operator(kind) {
                self.builder.emit(Op::Binary(binary), span);
            }
        }
    }

    fn logical(&mut self, op: &ast::BinOp, kind: BinOpKind, span: Span) {
        self.child(op.lhs(), span, false);
        let short = match kind {
            BinOpKind::Or => self.builder.jump(Op::JumpIfTrue(0), span),
            _ => self.builder.jump(Op::JumpIfFalse(0), span),
        };
        self.child(op.rhs(), span, false);
        self.builder.emit(Op::CheckBool, span);
        let end = self.builder.jump(Op::Jump(0), span);
        self.builder.land(short);
        self.builder.push(Value::Bool(kind != BinOpKind::And), span);
        self.builder.land(end);
    }

    fn operator_span(&self, op: &ast::BinOp) -> Span {
        let mut tokens = op
            .syntax()
            .children_with_tokens()
            .filter_map(|child| child.into_token());
        let token = tokens.find(|token| BinOpKind::from_kind(token.kind()).is_some());
        token.map_or(self.span(op), |token| Span::new(self.file, token.text_range()))
    }

    fn ident(&mut self, ident: &ast::Ident, span: Span) {
        match self.ident_symbol(ident) {
            Some(name) => {
                self.variable(name, 0, span);
                self.builder.emit(Op::Force, span);
            }
            None => self.incomplete(span),
        }
    }

    pub(super) fn ident_symbol(&self, ident: &ast::Ident) -> Option<Symbol> {
        let token = ident.syntax().first_token()?;
        Some(self.vm.symbol(token.text()))
    }

    /// Pushes a variable, not evaluated unless it comes from a `with`.
    pub(super) fn variable(&mut self, name: Symbol, skip: usize, span: Span) {
        match self.scopes.find(name, skip) {
            Meaning::Local { depth, slot } => self.builder.emit(Op::Local { depth, slot }, span),
            meaning => match (self.vm.global(name), meaning) {
                (Some(value), _) => self.builder.push(value, span),
                (None, Meaning::With(depths)) => {
                    let mut found = Vec::new();
                    for depth in depths {
                        self.builder.emit(Op::Local { depth, slot: 0 }, span);
                        self.builder.emit(Op::Force, span);
                        found.push(self.builder.jump(Op::WithSelect { name, target: 0 }, span));
                    }
                    self.builder.emit(Op::Undefined(name), span);
                    found.into_iter().for_each(|jump| self.builder.land(jump));
                }
                (None, _) => self.undefined(name, span),
            },
        }
    }

    fn undefined(&mut self, name: Symbol, span: Span) {
        let symbols = self.vm.symbols();
        let text = symbols.text(name);
        let mut names: Vec<_> = self
            .scopes
            .names()
            .into_iter()
            .map(|name| symbols.text(name))
            .collect();
        names.extend(self.vm.global_names());
        let error = Error::new(
            ErrorKind::UndefinedVariable,
            format!("undefined variable '{text}'"),
        );
        let error = match lapstrake_sdk::did_you_mean(&text, names.iter().map(|name| &**name)) {
            Some(_) => suggest::help(error, &text, names.iter().map(|name| &**name)),
            None => error,
        };
        self.errors.push(error.at(Some(span)));
    }
}

fn operator(kind: BinOpKind) -> Option<Binary> {
    Some(match kind {
        BinOpKind::Add => Binary::Add,
        BinOpKind::Sub => Binary::Sub,
        BinOpKind::Mul => Binary::Mul,
        BinOpKind::Div => Binary::Div,
        BinOpKind::Equal => Binary::Equal,
        BinOpKind::NotEqual => Binary::NotEqual,
        BinOpKind::Less => Binary::Less,
        BinOpKind::LessOrEq => Binary::LessOrEqual,
        BinOpKind::More => Binary::More,
        BinOpKind::MoreOrEq => Binary::MoreOrEqual,
        BinOpKind::Concat => Binary::Concat,
        BinOpKind::Update => Binary::Update,
        _ => return None,
    })
}

/// The source of an expression, on one line and not too long.
fn source_text(expr: &Expr) -> String {
    const LIMIT: usize = 80;
    let text = expr.syntax().text().to_string();
    let mut words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((cut, _)) = words.char_indices().nth(LIMIT) {
        words.truncate(cut);
        words.push('…');
    }
    words
}
