//! The language: what expressions evaluate to.

mod support;

use support::eval;

#[test]
fn smoke() {
    for (text, expected) in [
        ("1 + 2 * 3", "7"),
        ("let a = b; b = 2; in a", "2"),
        ("rec { a = 1; b = a + 1; }.b", "2"),
        ("{ a.b = 1; a.c = 2; }", "{ a = { b = 1; c = 2; }; }"),
        ("(x: y: x + y) 1 2", "3"),
        (
            "({ a, b ? a + 1, ... }@args: a + b + args.c) { a = 1; c = 5; }",
            "8",
        ),
        ("\"a${\"b\"}c\"", "\"abc\""),
        ("with { a = 1; }; a", "1"),
        ("let f = n: if n == 0 then 0 else f (n - 1); in f 100000", "0"),
        (
            "let f = n: if n == 0 then 0 else 1 + f (n - 1); in f 100000",
            "100000",
        ),
        ("[ 1 (1 + 1) \"x\" ]", "[ 1 2 \"x\" ]"),
        ("{ a = 1; } ? a", "true"),
        ("({ a = { b = 1; }; }).a.c or 5", "5"),
        ("[ 1 [ 2 ] ] == [ 1 [ 2 ] ]", "true"),
    ] {
        assert_eq!(eval(text).as_deref(), Ok(expected), "{text}");
    }
}
