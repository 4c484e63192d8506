//! The part of a file that says what its value is: what is behind names, parameters and assertions. Knows nothing of values.

use rnix::ast::Expr;
use rowan::ast::AstNode;

use super::parse::parse;
use crate::span::Span;

/// Where a file that was compiled says its value.
pub fn main_expression(text: &str, file: u32) -> Option<Span> {
    let mut expr = parse(text, file).ok()?.expr()?;
    loop {
        let inner = match &expr {
            Expr::LetIn(binding) => binding.body(),
            Expr::Lambda(function) => function.body(),
            Expr::With(with) => with.body(),
            Expr::Assert(assert) => assert.body(),
            Expr::Paren(paren) => paren.expr(),
            _ => None,
        };
        match inner {
            Some(inner) => expr = inner,
            None => return Some(Span::new(file, expr.syntax().text_range())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_around_a_value_is_not_the_value() {
        for (text, expected) in [
            ("1", "1"),
            ("# two\n(1 + 2)\n", "1 + 2"),
            ("{ a ? 1 }:\nlet b = a; in with b; assert true; [ b ]", "[ b ]"),
            ("{ a = let b = 1; in b; }", "{ a = let b = 1; in b; }"),
        ] {
            let span = main_expression(text, 0).unwrap();
            assert_eq!(&text[span.start as usize..span.end as usize], expected);
        }
        assert_eq!(main_expression("let", 0), None);
    }
}
