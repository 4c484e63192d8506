//! Throws generated texts at the whole frontend: nothing panics or loops, and every finding has its place in the text.

use lapstrake_mockerfile::MockerfileFrontend;
use lapstrake_sdk::Frontend;
use lapstrake_sdk::testing::case::Case;
use lapstrake_sdk::testing::places::check_placed_findings as check;
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

const KEYS: &[&str] = &[
    "name",
    "from",
    "parent",
    "platforms",
    "package",
    "external",
    "copy",
    "workdir",
    "env",
    "secrets",
    "caches",
    "steps",
    "output",
    "labels",
    "user",
    "entrypoint",
    "cmd",
    "description",
    "src",
    "dst",
    "sha256",
    "install",
    "repo",
    "gpg",
    "manager",
    "unpack",
    "mode",
    "owner",
    "exclude",
    "id",
    "target",
    "required",
    "path",
    "sharing",
    "nmae",
    "\"q\"",
    "<<",
    "é",
];

const VALUES: &[&str] = &[
    "debian:12",
    "scratch",
    "alpine:latest",
    "a",
    "b",
    "1",
    "true",
    "~",
    "",
    "[]",
    "{}",
    "[a, b]",
    "[a, [b]]",
    "{a: b}",
    "{src: [a], dst: /b}",
    "{src: \"http://e/x.tgz\", dst: /x, install: [y]}",
    "{from: a}",
    "{from: b, src: [/a], dst: /b, owner: x}",
    "{install: [a, b]}",
    "{repo: [deb http://x y z], gpg: [http://k/k]}",
    "{manager: apk, repo: [x], install: [y]}",
    "{manager: dnf, repo: [http://x], gpg: [k], install: [y]}",
    "{id: t}",
    "{path: c}",
    "{path: /c, sharing: locked}",
    "linux/arm64",
    "[linux/arm64, linux/amd64]",
    "/app",
    "\"http://e/x\"",
    "x${A}$B$$",
    "'q''q'",
    "\"\\u00e9\\n\"",
    "|\n      é\n      x",
    ">-\n      y",
    "&x a",
    "*x",
    "&m {k: v}",
    "*m",
    "!!str 1",
    "!t x",
    "日本 😀",
    "# c",
    "0755",
    "u=rwX",
];

/// What is right.
const LINES: &[&str] = &[
    "workdir: /app",
    "env: {A: 1, B: \"x$A\"}",
    "steps: [a, \"b c\"]",
    "package: {install: [a, b]}",
    "labels: {a: b}",
    "output: [/a]",
    "cmd: a",
    "caches: [{path: /c}]",
    "secrets: [{id: t}]",
    "copy: [{src: [a], dst: /b}]",
    "external: [{src: \"http://e/x.tgz\", dst: /x, install: [y]}]",
    "platforms: [linux/arm64, linux/amd64]",
];

const NOISE: &[&str] = &[
    "\t",
    "\n",
    "\r\n",
    "---\n",
    "...\n",
    "- ",
    "? ",
    ": ",
    "'",
    "\"",
    "[",
    "]",
    "{",
    "}",
    "&",
    "*",
    "!",
    "|",
    ">",
    "%",
    "@",
    "`",
    "#",
    ",",
    "\u{0}",
    "\u{feff}",
    "\u{2028}",
    "é",
    "😀",
    "%YAML 1.2\n",
    "  ",
    "-",
];

fn value(numbers: &mut Numbers, indent: usize, text: &mut String) {
    if numbers.below(4) == 0 {
        text.push('\n');
        for _ in 0..=numbers.below(3) {
            text.push_str(&format!("{:indent$}- {}\n", "", numbers.pick(VALUES)));
        }
    } else {
        text.push_str(numbers.pick(VALUES));
        text.push('\n');
    }
}

fn text(numbers: &mut Numbers) -> String {
    let mut text = String::new();
    if numbers.below(8) == 0 {
        text.push_str(numbers.pick(&[
            "\u{feff}",
            "# check=skip=all\n",
            "# check=error=true;x\n",
            "---\n",
        ]));
    }
    text.push_str(numbers.pick(&[
        "apiVersion: v1beta1\n",
        "apiVersion: v1beta1\n",
        "apiVersion: v1alpha1\n",
        "apiVersion: x\n",
        "",
    ]));
    text.push_str("images:\n");
    for number in 0..=numbers.below(4) {
        text.push_str(match numbers.below(6) {
            0 => "- from: debian:12\n",
            1 => "- {from: scratch}\n",
            2 => "- parent: a\n",
            _ => "",
        });
        if !text.ends_with("- from: debian:12\n") && !text.ends_with("- parent: a\n") {
            text.push_str(&format!("- name: {}\n", ["a", "b", "c", "d"][number]));
            if numbers.below(2) == 0 {
                text.push_str("  from: debian:12\n");
            }
        }
        for _ in 0..numbers.below(4) {
            if numbers.below(4) > 0 {
                text.push_str(&format!("  {}\n", numbers.pick(LINES)));
                continue;
            }
            text.push_str(&format!("  {}: ", numbers.pick(KEYS)));
            value(numbers, 2, &mut text);
        }
    }
    // A few of the texts are torn.
    for _ in 0..numbers.below(12).saturating_sub(8) {
        let mut at = numbers.below(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        match numbers.below(3) {
            0 => text.truncate(at),
            _ => text.insert_str(at, numbers.pick(NOISE)),
        }
    }
    text
}

#[test]
fn nothing_breaks_it() {
    let case = Case::default();
    let (mut built, mut refused) = (0, 0);
    for seed in 1..=3_000_u64 {
        let text = text(&mut Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        match MockerfileFrontend::build(&case.host(), case.request(&text)) {
            Ok(result) => {
                built += 1;
                check(&result.warnings, &text);
                assert!(!result.images.is_empty(), "{text:?}");
                assert!(
                    result
                        .warnings
                        .items
                        .iter()
                        .all(|item| item.severity != Severity::Error)
                );
            }
            Err(BuildError::Invalid(report)) => {
                refused += 1;
                assert!(report.has_errors(), "{text:?}");
                check(&report, &text);
            }
            Err(other) => panic!("{other:?} for {text:?}"),
        }
        if seed % 8 == 0 {
            for call in ["lint", "outline", "targets", "schema"] {
                let _ = MockerfileFrontend::call(&case.host(), call, case.request(&text));
            }
        }
    }
    assert!(
        built > 100 && refused > 1_000,
        "{built} built, {refused} refused: the generator is of no use"
    );
}

#[test]
fn the_same_text_gives_the_same_answer() {
    let case = Case::default();
    for seed in 1..=100_u64 {
        let text = text(&mut Numbers(seed.wrapping_mul(0x2545_f491_4f6c_dd1d)));
        let build =
            || MockerfileFrontend::build(&case.host(), case.request(&text)).map_err(|e| format!("{e:?}"));
        assert_eq!(build(), build(), "{text:?}");
    }
}

/// What would grow with the square of its length takes minutes here, and ends the test run by its time limit.
#[test]
fn long_texts_are_read() {
    let case = Case::default();
    let begin = "apiVersion: v1beta1\nimages:\n";
    let many = |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    let texts = [
        begin.to_owned() + &many(1_000, &|i| format!("- {{name: i{i}, parent: i{}}}\n", i + 1)),
        begin.to_owned() + "- from: debian:12\n  env:\n" + &many(2_000, &|i| format!("    A{i}: $A\n")),
        begin.to_owned() + "- from: debian:12\n  steps:\n" + &"  - echo\n".repeat(3_000),
        begin.to_owned() + "- from: debian:12\n" + &many(2_000, &|i| format!("  k{i}: x\n")),
        begin.to_owned() + &"[".repeat(20_000),
        begin.to_owned() + &"- ".repeat(10_000),
        begin.to_owned() + &"? ".repeat(10_000),
        begin.to_owned() + "- from: \"" + &"\\n".repeat(50_000),
        "#".repeat(200_000),
        "a: &a\n".repeat(3_000),
    ];
    for text in texts {
        let end = text.chars().rev().take(20).collect::<String>();
        match MockerfileFrontend::build(&case.host(), case.request(&text)) {
            Ok(result) => assert_eq!(result.images.len(), 1, "...{end}"),
            Err(BuildError::Invalid(report)) => check(&report, &text),
            Err(other) => panic!("{other:?}"),
        }
    }
}
