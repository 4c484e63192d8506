//! Throws generated expressions at the whole frontend: nothing panics or loops, and every finding has its place.

use lapstrake_nix::NixFrontend;
use lapstrake_sdk::Frontend;
use lapstrake_sdk::testing::places::check_findings as check;
use lapstrake_sdk::testing::{MemoryHost, MemoryTree, request};
use lapstrake_sdk::types::*;

/// A small generator of numbers (xorshift), so that a failure can be repeated.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}

const ATOMS: &[&str] = &[
    "1",
    "0",
    "-3",
    "1.5",
    "9223372036854775807",
    "true",
    "null",
    "\"a\"",
    "\"\"",
    "''\n  x\n ''",
    "./a",
    "/b",
    "[ ]",
    "{ }",
    "a",
    "b",
    "x",
    "self",
    "http://a.b",
    "<nixpkgs>",
    "~/x",
    "builtins",
    "\"é\"",
    "__curPos",
    "\"${a}\"",
    "(throw \"t\")",
];

const BUILTINS: &[&str] = &[
    "map",
    "builtins.filter",
    "builtins.foldl'",
    "builtins.sort",
    "builtins.elemAt",
    "builtins.head",
    "builtins.tail",
    "builtins.length",
    "builtins.concatLists",
    "builtins.genList",
    "builtins.attrNames",
    "builtins.listToAttrs",
    "builtins.mapAttrs",
    "builtins.zipAttrsWith",
    "builtins.intersectAttrs",
    "builtins.catAttrs",
    "removeAttrs",
    "builtins.toJSON",
    "builtins.fromJSON",
    "fromTOML",
    "builtins.toXML",
    "builtins.match",
    "builtins.split",
    "builtins.replaceStrings",
    "builtins.substring",
    "builtins.concatStringsSep",
    "toString",
    "builtins.stringLength",
    "builtins.tryEval",
    "builtins.seq",
    "builtins.deepSeq",
    "throw",
    "abort",
    "import",
    "builtins.readFile",
    "builtins.readDir",
    "builtins.pathExists",
    "builtins.hashString",
    "builtins.compareVersions",
    "baseNameOf",
    "dirOf",
    "builtins.genericClosure",
    "builtins.groupBy",
    "builtins.partition",
    "builtins.functionArgs",
    "builtins.typeOf",
    "builtins.appendContext",
    "builtins.getContext",
    "builtins.splitVersion",
    "builtins.parseDrvName",
    "builtins.ceil",
    "builtins.bitAnd",
    "builtins.div",
    "derivation",
    "writeText",
    "runCommand",
    "buildImage",
    "image",
    "local",
    "symlinkJoin",
    "builtins.convertHash",
    "builtins.findFile",
    "builtins.scopedImport",
    "builtins.unsafeGetAttrPos",
];

const OPERATORS: &[&str] = &[
    "+", "-", "*", "/", "++", "//", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "->", "|>", "<|",
];

/// An expression, right more often than not.
fn expression(numbers: &mut Numbers, depth: usize) -> String {
    if depth == 0 {
        return numbers.pick(ATOMS).to_owned();
    }
    let e = |numbers: &mut Numbers| expression(numbers, depth - 1);
    match numbers.below(20) {
        0 => format!("({} {} {})", e(numbers), numbers.pick(OPERATORS), e(numbers)),
        1 => format!("[ {} {} ]", e(numbers), e(numbers)),
        2 => format!("{{ a = {}; b.c = {}; }}", e(numbers), e(numbers)),
        3 => format!("rec {{ a = {}; b = {}; }}", e(numbers), e(numbers)),
        4 => format!("(let a = {}; b = {}; in {})", e(numbers), e(numbers), e(numbers)),
        5 => format!("(x: {})", e(numbers)),
        6 => format!("({{ a, b ? {}, ... }}@self: {})", e(numbers), e(numbers)),
        7 => format!("({} {})", e(numbers), e(numbers)),
        8 => format!("(if {} then {} else {})", e(numbers), e(numbers), e(numbers)),
        9 => format!("(with {}; {})", e(numbers), e(numbers)),
        10 => format!("(assert {}; {})", e(numbers), e(numbers)),
        11 => format!("({}).a or {}", e(numbers), e(numbers)),
        12 => format!("({} ? a.b)", e(numbers)),
        13 => format!("\"x${{{}}}y\"", e(numbers)),
        14 => format!("''\n  ${{{}}}\n    b\n''", e(numbers)),
        15 | 16 => format!("({} {})", numbers.pick(BUILTINS), e(numbers)),
        17 => format!("({} {} {})", numbers.pick(BUILTINS), e(numbers), e(numbers)),
        18 => format!(
            "{{ inherit (builtins) map; inherit ({}) a b; ${{{}}} = 1; }}",
            e(numbers),
            e(numbers)
        ),
        _ => format!("({} (x: {}) {})", numbers.pick(BUILTINS), e(numbers), e(numbers)),
    }
}

/// The same with pieces cut out or put in, so that it is wrong.
fn damaged(numbers: &mut Numbers, text: &str) -> String {
    const PIECES: &[&str] = &[
        "(", ")", "{", "}", "[", "]", "\"", "''", "${", ";", "=", ":", "@", "?", "...", "in", "let", "rec",
        "'", "$", "\\", "/", "#", "/*", "*/", "é", "\u{0}", "\r\n", "or", "inherit", "1e", ".", "|", "&",
    ];
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(chars.len() + 1);
        if numbers.below(2) == 0 && at < chars.len() {
            let end = (at + 1 + numbers.below(5)).min(chars.len());
            chars.drain(at..end);
        } else {
            let piece = numbers.pick(PIECES);
            chars.splice(at..at, piece.chars());
        }
    }
    chars.into_iter().collect()
}

fn host() -> MemoryHost {
    let config = ImageConfig::new(Platform::new("linux", "amd64"));
    let context = MemoryTree::new()
        .file("a", "{ b = 1; }")
        .file("b/default.nix", "x: x");
    MemoryHost::new()
        .context("context", context)
        .image("debian:12", config)
}

fn asked(text: &str) -> Request {
    let mut request = request("default.nix", text);
    request.options.push(KeyValue::new("max-steps", "3000"));
    request
}

#[test]
fn nothing_breaks_it() {
    let (mut right, mut wrong) = (0, 0);
    for seed in 1..=600_u64 {
        let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let depth = 1 + numbers.below(4);
        let mut text = expression(&mut numbers, depth);
        if seed % 3 == 0 {
            text = damaged(&mut numbers, &text);
        }
        let built = NixFrontend::build(&host(), asked(&text));
        match &built {
            Ok(result) => check(&result.warnings, &text),
            Err(BuildError::Invalid(report)) => {
                assert!(report.has_errors(), "{text:?}");
                check(report, &text);
                match report.items[0].code.as_str() {
                    "SyntaxError" | "UndefinedVariable" => wrong += 1,
                    _ => right += 1,
                }
            }
            Err(other) => panic!("{other:?} for {text:?}"),
        }
        if seed % 10 == 0 {
            assert_eq!(built, NixFrontend::build(&host(), asked(&text)), "{text:?}");
            let _ = NixFrontend::lint(&host(), asked(&text));
            let _ = NixFrontend::outline(&host(), asked(&text));
            let _ = NixFrontend::list_targets(&host(), asked(&text));
        }
    }
    assert!(
        right > 100 && wrong > 100,
        "{right} evaluated, {wrong} refused: the generator is of no use"
    );
}
