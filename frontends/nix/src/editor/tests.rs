//! Completions and hovers of texts with a `|` where the question is.

use lapstrake_sdk::testing::request_at;

use super::*;

fn asked(marked: &str) -> (Request, Position) {
    request_at("default.nix", marked)
}

fn labels(marked: &str) -> Vec<String> {
    let (request, at) = asked(marked);
    let found = completions(&request, 0, at);
    found.into_iter().map(|completion| completion.label).collect()
}

fn said(marked: &str) -> String {
    let (request, at) = asked(marked);
    hover(&request, 0, at).map(|hover| hover.text).unwrap_or_default()
}

#[test]
fn every_builtin_is_known() {
    let mut names = crate::builtins::names();
    names.retain(|name| !name.starts_with("__"));
    let mut known: Vec<&str> = words::LANGUAGE
        .iter()
        .chain(words::BUILDS)
        .map(|known| known.name)
        .collect();
    // Of the prelude, which is in the language itself.
    let prelude = [
        "buildEnv",
        "buildImage",
        "buildLayeredImage",
        "derivation",
        "dockerTools",
        "image",
        "local",
        "runCommand",
        "runCommandLocal",
        "symlinkJoin",
        "withImage",
        "writeScript",
        "writeScriptBin",
        "writeShellScript",
        "writeShellScriptBin",
        "writeText",
        "writeTextDir",
        "writeTextFile",
    ];
    for name in prelude {
        assert!(
            crate::primitives::PRELUDE.contains(name) && known.contains(&name),
            "{name}"
        );
    }
    known.retain(|name| !prelude.contains(name));
    let constants = [
        "true",
        "false",
        "null",
        "currentSystem",
        "langVersion",
        "nixVersion",
        "nixPath",
        "storeDir",
    ];
    known.retain(|name| !constants.contains(name));
    names.sort_unstable();
    known.sort_unstable();
    assert_eq!(known, names);
}

#[test]
fn names_in_scope_come_first() {
    let text = "let alpha = 1; f = { beta, ... }@args: al|; in alpha";
    assert_eq!(labels(text)[0], "alpha");
    assert_eq!(labels("let f = { beta, ... }@args: a|; in f")[..1], ["args"]);
    assert_eq!(labels("{ beta ? 1 }: bet|"), ["beta"]);
    assert_eq!(labels("rec { one = 1; two = on|; }"), ["one"]);
    assert_eq!(labels("{ one = 1; two = on|; }"), [] as [&str; 0]);
    // Broken texts.
    assert_eq!(labels("let alpha = 1; in [ (alp|"), ["alpha"]);
}

#[test]
fn functions() {
    assert_eq!(labels("runC|"), ["runCommand", "runCommandLocal"]);
    assert_eq!(labels("builtins.attr|"), ["attrNames", "attrValues"]);
    // Not without `builtins.`.
    assert_eq!(labels("attrN|"), [] as [&str; 0]);
    assert_eq!(labels("toStr|"), ["toString"]);
    let (request, at) = asked("builtins.attrN|");
    let found = completions(&request, 0, at);
    assert_eq!(found[0].detail, "attrNames set");
}

#[test]
fn attributes_of_sets() {
    let text = "let s = { one = 1; sub = { two = 2; }; }; t = s; in ";
    assert_eq!(labels(&format!("{text}s.|")), ["one", "sub"]);
    assert_eq!(labels(&format!("{text}s.sub.|")), ["two"]);
    assert_eq!(labels(&format!("{text}t.o|")), ["one"]);
    assert_eq!(labels("let a = a; in a.|"), [] as [&str; 0]);
}

#[test]
fn attributes_of_arguments() {
    assert_eq!(labels("buildImage { name = \"x\"; co|"), ["copyToRoot", "config"]);
    assert_eq!(labels("debian.buildImage { n| }"), ["name", "network"]);
    assert_eq!(
        labels("buildLayeredImage { name = \"x\"; config = { E| }; }"),
        ["Entrypoint", "Env", "ExposedPorts"]
    );
    assert_eq!(labels("{ i|"), ["inherit"]);
}

#[test]
fn texts_and_comments_are_left_alone() {
    assert_eq!(labels("# run|"), [] as [&str; 0]);
    assert_eq!(labels("\"run|\""), [] as [&str; 0]);
    assert_eq!(labels("\"${run|}\""), ["runCommand", "runCommandLocal"]);
    assert_eq!(said("# ma|p"), "");
}

#[test]
fn hovers() {
    let text = "let\n  # how many\n  # there are\n  count = 1;\nin co|unt";
    assert_eq!(said(text), "```nix\ncount = 1;\n```\nhow many\nthere are");
    assert!(said("buil|dImage { }").contains("one layer"));
    assert!(said("builtins.fol|dl' f 0 [ ]").contains("foldl' function start list"));
    assert!(said("buildImage { con|fig = { }; }").contains("what containers run"));
    assert!(said("let s = { one = 1; }; in s.on|e").contains("one = 1;"));
    assert_eq!(said("attr|Names"), "");
    assert!(said("__attr|Names").contains("sorted"));
    assert_eq!(said("unknow|n"), "");
    let long = format!("let x = \"{}\"; in x|", "ä".repeat(900));
    assert!(said(&long).contains('…'));
}

#[test]
fn any_place_of_a_broken_text_is_taken() {
    let text =
        "let a = { b.c = ''${x} ü''; d = rec { }; inherit (a) e; f. = ; in { a, b ? }@: with a; a.b.c or ü.𝄞";
    let deep = "(".repeat(5000);
    for text in [text, &deep] {
        let (request, _) = asked(&format!("|{text}"));
        for column in 1..=(text.len() as u32 + 2).min(200) {
            let at = Position { line: 1, column };
            completions(&request, 0, at);
            hover(&request, 0, at);
        }
    }
    let (request, _) = asked("|a");
    assert!(completions(&request, 1, Position { line: 1, column: 1 }).is_empty());
    assert!(completions(&request, 0, Position { line: 4, column: 1 }).is_empty());
}
