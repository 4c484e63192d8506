//! Literals: numbers, strings and paths. Knows nothing of what is done with them.

use rnix::ast::AstToken;
use rnix::ast::{self, Expr, InterpolPart, LiteralKind};
use rowan::ast::AstNode;

use super::{Compiler, indented};
use crate::eval::Value;
use crate::eval::code::Op;
use crate::path;
use crate::span::Span;

impl Compiler<'_> {
    pub(super) fn literal(&mut self, literal: &ast::Literal, span: Span) {
        let value = match literal.kind() {
            LiteralKind::Integer(integer) => match integer.value() {
                Ok(value) => Value::Int(value),
                Err(_) => {
                    let text = integer.syntax().text().to_owned();
                    return self.error(span, format!("invalid integer '{text}'"));
                }
            },
            LiteralKind::Float(float) => match float.value() {
                Ok(value) if value.is_finite() => Value::Float(value),
                _ => {
                    let text = float.syntax().text().to_owned();
                    return self.error(span, format!("invalid float '{text}'"));
                }
            },
            LiteralKind::Uri(uri) => Value::string(uri.syntax().text()),
        };
        self.builder.push(value, span);
    }

    pub(super) fn string(&mut self, string: &ast::Str, span: Span) {
        let parts = parts(string);
        if let [InterpolPart::Literal(text)] = parts.as_slice() {
            return self.builder.push(Value::string(text), span);
        }
        if parts.is_empty() {
            return self.builder.push(Value::string(""), span);
        }
        let count = parts.len() as u32;
        for part in parts {
            match part {
                InterpolPart::Literal(text) => self.builder.push(Value::string(text), span),
                InterpolPart::Interpolation(interpolation) => {
                    let at = self.span(&interpolation);
                    self.child(interpolation.expr(), at, false);
                }
            }
        }
        self.builder.emit(Op::Interpolate(count), span);
    }

    pub(super) fn path(&mut self, expr: &Expr, span: Span) {
        let (parts, start) = match expr {
            Expr::PathAbs(path) => (path.parts(), String::new()),
            Expr::PathRel(path) => (path.parts(), format!("{}/", self.base)),
            Expr::PathHome(_) => {
                let why =
                    "a frontend has no home directory: name a path of the build context, such as ./file";
                return self.refuse(why, span);
            }
            _ => {
                let text = expr.syntax().text();
                let why = format!(
                    "{text} cannot be looked up: a frontend has no search path; import a file of the build context"
                );
                return self.refuse(&why, span);
            }
        };
        let mut count = 0;
        for part in &parts {
            match part {
                InterpolPart::Literal(content) if count == 0 => {
                    let text = content.syntax().text();
                    let mut plain = path::canonical(&format!("{start}{text}"));
                    if parts.len() > 1 && text.ends_with('/') && !plain.ends_with('/') {
                        plain.push('/');
                    }
                    self.builder.push(Value::Path(plain.into()), span);
                }
                InterpolPart::Literal(content) => {
                    self.builder.push(Value::string(content.syntax().text()), span);
                }
                InterpolPart::Interpolation(interpolation) => {
                    let at = self.span(interpolation);
                    self.child(interpolation.expr(), at, false);
                }
            }
            count += 1;
        }
        if count > 1 {
            self.builder.emit(Op::InterpolatePath(count), span);
        }
    }

    fn refuse(&mut self, why: &str, span: Span) {
        let index = self.builder.constant(Value::string(why));
        self.builder.emit(Op::Refuse(index), span);
    }
}

/// The parts of a string, without escapes. Line ends of all systems become those of Unix, as in Nix; not so what an
/// escape wrote.
pub(super) fn parts(string: &ast::Str) -> Vec<InterpolPart<String>> {
    let is_indented = string
        .syntax()
        .first_token()
        .is_some_and(|token| token.text() == "''");
    if is_indented {
        return indented::parts(string);
    }
    let line_ends = |text: String| {
        let is_raw = text.contains('\r') && !string.to_string().contains("\\r");
        if is_raw {
            text.replace("\r\n", "\n").replace('\r', "\n")
        } else {
            text
        }
    };
    let part = |part| match part {
        InterpolPart::Literal(text) => InterpolPart::Literal(line_ends(text)),
        other => other,
    };
    string.normalized_parts().into_iter().map(part).collect()
}
