//! From syntax to code: resolves variables, merges attribute paths, and lays out operations.
//! Knows nothing of values but constants.

mod bindings;
mod builder;
mod expr;
mod function;
mod gather;
mod indented;
mod main_expression;
mod nesting;
mod parse;
mod scope;
mod text;

use std::rc::Rc;

use rnix::ast;
use rowan::ast::AstNode;

use crate::error::{Error, ErrorKind};
use crate::eval::Vm;
use crate::eval::code::{Code, Label};
use crate::span::Span;
use builder::Builder;
use scope::Scopes;

pub use main_expression::main_expression;
pub use parse::{nests_too_deep, parse};

/// Compiles a file that `vm` has. `base` is the directory that its relative paths begin at. `extra` are variables that
/// its whole text sees in one more scope, as for `scopedImport`; their values are the slots of that scope.
pub fn compile(vm: &Vm, file: u32, base: &str, extra: &[Rc<str>]) -> Result<Rc<Code>, Error> {
    let source = vm.sources().get(file);
    let text = source.as_ref().map_or("", |source| source.text.as_str());
    let root = parse(text, file).map_err(all)?;
    let mut compiler = Compiler::new(vm, file, base);
    if !extra.is_empty() {
        let names = extra.iter().map(|name| vm.symbol(name)).collect();
        compiler.scopes.enter_names(names);
    }
    let span = Span::new(file, root.syntax().text_range());
    let code = match root.expr() {
        Some(expr) => compiler.code(Label::Plain, span, |compiler| compiler.expr(&expr, true)),
        None => return Err(Error::new(ErrorKind::Syntax, "the file has no expression").at(Some(span))),
    };
    if compiler.errors.is_empty() {
        Ok(code)
    } else {
        Err(all(compiler.errors))
    }
}

/// One error that carries the others.
fn all(errors: Vec<Error>) -> Error {
    let mut errors = errors.into_iter();
    match errors.next() {
        Some(first) => first.with_more(errors.collect()),
        None => Error::new(ErrorKind::Syntax, "the file cannot be read"),
    }
}

struct Compiler<'a> {
    vm: &'a Vm,
    file: u32,
    base: &'a str,
    scopes: Scopes,
    builder: Builder,
    errors: Vec<Error>,
}

impl<'a> Compiler<'a> {
    fn new(vm: &'a Vm, file: u32, base: &'a str) -> Self {
        Self {
            vm,
            file,
            base,
            scopes: Scopes::default(),
            builder: Builder::default(),
            errors: Vec::new(),
        }
    }

    fn span(&self, node: &impl AstNode<Language = rnix::NixLanguage>) -> Span {
        Span::new(self.file, node.syntax().text_range())
    }

    /// Compiles something of its own: a promise's expression or a function's body.
    fn code(&mut self, label: Label, span: Span, compile: impl FnOnce(&mut Self)) -> Rc<Code> {
        let outer = std::mem::take(&mut self.builder);
        compile(self);
        let inner = std::mem::replace(&mut self.builder, outer);
        Rc::new(inner.finish(label, span))
    }

    fn error(&mut self, span: Span, message: impl Into<String>) {
        self.errors
            .push(Error::new(ErrorKind::Syntax, message).at(Some(span)));
    }

    /// What the syntax should have had here; the parser's own errors come first, so this is only seen if it missed one.
    fn incomplete(&mut self, span: Span) {
        self.error(span, "syntax error: the expression is incomplete");
    }

    fn child(&mut self, expr: Option<ast::Expr>, span: Span, tail: bool) {
        match expr {
            Some(expr) => self.expr(&expr, tail),
            None => self.incomplete(span),
        }
    }
}
