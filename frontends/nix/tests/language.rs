//! The language: what expressions evaluate to.

mod support;

use lapstrake_nix::eval::MemoryIo;
use support::Evaluator;

/// Recursion in the language costs memory, not the native stack.
#[test]
fn deep_recursion_is_no_native_recursion() {
    let evaluator = Evaluator::new(MemoryIo::default());
    for (text, expected) in [
        ("let f = n: if n == 0 then 0 else f (n - 1); in f 50000", "0"),
        (
            "let f = n: if n == 0 then 0 else 1 + f (n - 1); in f 20000",
            "20000",
        ),
        (
            "let f = n: if n == 0 then [ ] else [ (f (n - 1)) ]; in builtins.length (f 10000)",
            "1",
        ),
        (
            "let f = n: { next = if n == 0 then null else f (n - 1); }; in builtins.deepSeq (f 10000) 1",
            "1",
        ),
        (
            "let f = n: x: if n == 0 then x else f (n - 1) (x + 1); in f 20000 0",
            "20000",
        ),
        (
            "builtins.foldl' (a: b: a + b) 0 (builtins.genList (x: x) 100000)",
            "4999950000",
        ),
        (
            "let f = n: if n == 0 then null else { a = f (n - 1); }; in f 10000 == f 10000",
            "true",
        ),
        (
            "builtins.stringLength (builtins.toJSON (let f = n: if n == 0 then 0 else [ (f (n - 1)) ]; in f 10000))",
            "20001",
        ),
        (
            "let xs = builtins.genList (i: if i == 0 then 0 else builtins.elemAt xs (i - 1) + 1) 10000; in builtins.elemAt xs 9999",
            "9999",
        ),
        (
            "let f = n: if n == 0 then \"x\" else \"${f (n - 1)}\"; in f 10000",
            "\"x\"",
        ),
        (
            "let s = n: { __toString = _: if n == 0 then \"x\" else \"${s (n - 1)}\"; }; in \"${s 10000}\"",
            "\"x\"",
        ),
        (
            "builtins.length (builtins.genericClosure { startSet = [ { key = 0; } ]; operator = x: if x.key < 5000 then [ { key = x.key + 1; } ] else [ ]; })",
            "5001",
        ),
    ] {
        assert_eq!(evaluator.eval(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn endless_recursion_is_an_error() {
    let evaluator = Evaluator::new(MemoryIo::default());
    for text in [
        "let f = x: 1 + f x; in f 1",
        "let f = x: [ (f x) ]; in builtins.toJSON (f 1)",
    ] {
        let error = evaluator.eval(text).expect_err(text);
        assert!(error.starts_with("stack overflow"), "{error}");
    }
}

/// What is nested so deeply that the parser would overflow the stack is refused, and what people write is not.
#[test]
fn nesting_has_a_limit() {
    let evaluator = Evaluator::new(MemoryIo::default());
    let refused = [
        format!("{}1{}", "(".repeat(20_000), ")".repeat(20_000)),
        "(".repeat(20_000),
        "[".repeat(20_000),
        "{ a = ".repeat(20_000),
        "a: ".repeat(20_000),
        "!".repeat(20_000) + "true",
        "- ".repeat(20_000) + "1",
        "if true then ".repeat(20_000),
        "let a = ".repeat(20_000),
        "let a = 1; in ".repeat(20_000),
        "with {}; ".repeat(20_000),
        "assert true; ".repeat(20_000) + "1",
        "\"${".repeat(20_000),
        "''${".repeat(20_000),
        "1 + ".repeat(20_000) + "1",
        "[ ] ++ ".repeat(20_000) + "[ ]",
        "true -> ".repeat(20_000) + "true",
        "{ } // ".repeat(20_000) + "{ }",
        "1 |> ".repeat(20_000) + "f",
        "f ".repeat(20_000),
        "a.".repeat(20_000) + "a",
        "{ } ? a".to_owned() + &" ? a".repeat(20_000),
        "a or ".repeat(20_000) + "a",
        "x.a or ".repeat(20_000) + "1",
        "{ a ? ".repeat(20_000),
        "{ a, b ? ({ ".repeat(20_000),
        "{ inherit (".repeat(20_000),
        "rec { a = rec ".repeat(20_000),
        "/a/${".repeat(20_000),
    ];
    for text in refused {
        let error = evaluator.eval(&text).expect_err("too deep");
        let start: String = text.chars().take(30).collect();
        assert!(
            error.contains("nests too deeply") || error.contains("syntax error"),
            "{start}: {error}"
        );
    }
    for text in [
        format!("{}1{}", "(".repeat(90), ")".repeat(90)),
        "1 + ".repeat(1_000) + "1",
        "[ ] ++ ".repeat(1_000) + "[ ]",
        format!("builtins.length [ {} ]", "1 ".repeat(50_000)),
        format!(
            "builtins.length (builtins.attrNames {{ {} }})",
            (0..20_000).map(|i| format!("a{i} = {i}; ")).collect::<String>()
        ),
        format!(
            "let {} in 1",
            (0..5_000)
                .map(|i| format!("a{i} = with {{ }}; let b = 1; in if true then b else 2; "))
                .collect::<String>()
        ),
        "a: ".repeat(90) + "1",
        "if false then 1 else ".repeat(90) + "2",
    ] {
        let start: String = text.chars().take(30).collect();
        assert!(
            evaluator.eval(&text).is_ok(),
            "{start}: {:?}",
            evaluator.eval(&text)
        );
    }
}

#[test]
fn trace_speaks() {
    let io = MemoryIo::default();
    let traced = io.traced.clone();
    let evaluator = Evaluator::new(io);
    let text = "builtins.trace \"one\" (builtins.trace { a = 1; } 2)";
    assert_eq!(evaluator.eval(text).as_deref(), Ok("2"));
    assert_eq!(*traced.borrow(), ["one", "{ a = 1; }"]);
}

/// The builtins of Nix 2.18, without those that docs/nix.md says are missing.
#[test]
fn every_builtin_is_there_or_said_to_be_missing() {
    const MISSING: &[&str] = &[
        "currentTime",
        "exec",
        "fetchClosure",
        "fetchMercurial",
        "fetchTree",
        "flakeRefToString",
        "getFlake",
        "importNative",
        "outputOf",
        "parseFlakeRef",
        "storePath",
    ];
    const ALL: &str = "abort add addErrorContext all any appendContext attrNames attrValues baseNameOf bitAnd bitOr \
        bitXor break builtins catAttrs ceil compareVersions concatLists concatMap concatStringsSep currentSystem \
        currentTime deepSeq derivation derivationStrict dirOf div elem elemAt exec false fetchClosure fetchGit \
        fetchMercurial fetchTarball fetchTree fetchurl filter filterSource findFile flakeRefToString floor foldl' \
        fromJSON fromTOML functionArgs genList genericClosure getAttr getContext getEnv getFlake groupBy hasAttr \
        hasContext hashFile hashString head import importNative intersectAttrs isAttrs isBool isFloat isFunction isInt \
        isList isNull isPath isString langVersion length lessThan listToAttrs map mapAttrs match mul nixPath nixVersion \
        null outputOf parseDrvName parseFlakeRef partition path pathExists placeholder readDir readFile readFileType \
        removeAttrs replaceStrings scopedImport seq sort split splitVersion storeDir storePath stringLength sub \
        substring tail throw toFile toJSON toPath toString toXML trace traceVerbose true tryEval typeOf \
        unsafeDiscardOutputDependency unsafeDiscardStringContext unsafeGetAttrPos zipAttrsWith";
    let evaluator = Evaluator::new(MemoryIo::default());
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/nix.md");
    let docs = std::fs::read_to_string(docs).expect("docs/nix.md");
    for name in ALL.split_whitespace() {
        let is_there = evaluator.eval(&format!("builtins ? {name}"));
        let expected = if MISSING.contains(&name) { "false" } else { "true" };
        assert_eq!(is_there.as_deref(), Ok(expected), "{name}");
        assert!(
            docs.contains(&format!("`{name}`")),
            "docs/nix.md does not name {name}"
        );
    }
}
