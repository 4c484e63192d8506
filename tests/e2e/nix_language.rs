//! The Nix language inside of its component, where the native stack is small: what is deep costs memory or is an error with
//! its place, and never a crash.

use lapstrake_tests::{Place, Ran};

fn evaluate(place: &Place, text: &str) -> Ran {
    place.file("default.nix", format!("# syntax=nix\n{text}\n"));
    place.run(["llb", "context", "-f", "context/default.nix"])
}

#[test]
fn deep_recursion_is_evaluated() {
    let place = Place::new();
    for (expression, expected) in [
        (
            "let f = n: if n == 0 then 0 else 1 + f (n - 1); in f 20000",
            "20000",
        ),
        ("let f = n: if n == 0 then 7 else f (n - 1); in f 100000", "7"),
        (
            "builtins.foldl' (a: b: a + b) 0 (builtins.genList (x: x) 100000)",
            "4999950000",
        ),
        (
            "builtins.deepSeq (let f = n: { next = if n == 0 then null else f (n - 1); }; in f 50000) 3",
            "3",
        ),
        (
            "builtins.stringLength (builtins.toJSON (let f = n: if n == 0 then 0 else [ (f (n - 1)) ]; in f 20000))",
            "40001",
        ),
    ] {
        let text = format!("assert ({expression}) == {expected}; writeText \"x\" \"\"");
        evaluate(&place, &text).ok();
    }
    let endless = "let f = x:\n  1 + f x;\nin f 1";
    evaluate(&place, endless).fails(1, &["stack overflow", "default.nix:3"]);
}

#[test]
fn deep_texts_are_read_or_refused() {
    let place = Place::new();
    let nested = |open: &str, inner: &str, close: &str, count: usize| {
        format!("{}{inner}{}", open.repeat(count), close.repeat(count))
    };
    let read = [
        nested("(", "1", ")", 190),
        nested("[ ", "1", " ]", 190),
        nested("{ a = ", "1", "; }", 190),
        nested("a: ", "1", "", 190),
        nested("\"${", "\"\"", "}\"", 95),
        nested("if true then ", "1", " else 2", 60),
        nested("let a = ", "1", "; in a", 90),
        nested("!", "true", "", 190),
        nested("true -> ", "true", "", 190),
        nested("1 + ", "1", "", 1_400),
        nested("[ ] ++ ", "[ ]", "", 900),
        nested("{ } // ", "{ }", "", 900),
    ];
    for text in read {
        evaluate(&place, &format!("builtins.seq ({text}) (writeText \"x\" \"\")")).ok();
    }
    for open in [
        "(",
        "[ ",
        "{ a = ",
        "a: ",
        "\"${",
        "''${",
        "if true then ",
        "let a = ",
        "!",
        "- ",
        "true -> ",
        "1 + ",
        "[ ] ++ ",
        "f ",
        "a.b or ",
        "with a; ",
        "{ a ? ",
    ] {
        let ran = evaluate(&place, &open.repeat(100_000));
        ran.fails(1, &["nests too deeply", "default.nix:2"]);
    }
}
