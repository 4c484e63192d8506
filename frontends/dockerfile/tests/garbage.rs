//! Throws generated texts at the whole frontend: nothing panics or loops, and every finding has its place in the text.

use lapstrake_dockerfile::DockerfileFrontend;
use lapstrake_sdk::Frontend;
use lapstrake_sdk::testing::case::Case;
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

const KEYWORDS: &[&str] = &[
    "FROM",
    "RUN",
    "COPY",
    "ADD",
    "ENV",
    "ARG",
    "LABEL",
    "EXPOSE",
    "VOLUME",
    "USER",
    "WORKDIR",
    "CMD",
    "ENTRYPOINT",
    "SHELL",
    "STOPSIGNAL",
    "HEALTHCHECK",
    "ONBUILD",
    "MAINTAINER",
    "RNU",
    "from",
    "FROM alpine",
    "FROM scratch",
    "FROM alpine AS a",
    "FROM a",
];

const PIECES: &[&str] = &[
    " ",
    "  ",
    "\t",
    "\n",
    "\n\n",
    "\r\n",
    "\\\n",
    "\\",
    "\\\\",
    "`",
    "#",
    "# syntax=x\n",
    "# escape=`\n",
    "# check=skip=all\n",
    "\"",
    "'",
    "$",
    "${",
    "}",
    "${A:-",
    "${A#",
    "${A//",
    "/",
    "$A",
    "${B}",
    "=",
    "a=b",
    "A=\"x",
    "[",
    "]",
    "[\"a\", \"b\"]",
    "[\"",
    "\",",
    "{}",
    "--",
    "--from=a",
    "--from=0",
    "--mount=type=cache,target=/x",
    "--mount=",
    "type=secret,id=x",
    "--chown=1:2",
    "--chmod=9",
    "--platform=linux/arm64",
    "<<EOF",
    "<<-E",
    "EOF\n",
    "<<\"A B\"",
    "AS",
    "a",
    "b",
    "alpine",
    "scratch",
    ".",
    "..",
    "../x",
    "/",
    "*",
    "?",
    ",",
    ":",
    ";",
    "@",
    "ü",
    "日本",
    "😀",
    "\u{0}",
    "\u{feff}",
    "\u{a0}",
    "\u{2028}",
    "NONE",
    "CMD x",
    "80/tcp",
    "1-",
    "https://x/y",
    "git@a:b",
    "%",
];

fn text(numbers: &mut Numbers) -> String {
    let mut text = String::new();
    if numbers.below(4) > 0 {
        text.push_str("FROM alpine AS a\n");
    }
    for _ in 0..numbers.below(12) {
        if numbers.below(5) > 0 {
            text.push_str(numbers.pick(KEYWORDS));
            text.push(' ');
        }
        for _ in 0..numbers.below(9) {
            text.push_str(numbers.pick(PIECES));
            if numbers.below(2) == 0 {
                text.push(' ');
            }
        }
        text.push('\n');
    }
    text
}

/// Whether a place is one of the text, and not inside of a character.
fn is_inside(lines: &[&str], position: Position) -> bool {
    let Some(line) = lines.get(position.line as usize - 1) else {
        return false;
    };
    position.column >= 1 && line.is_char_boundary(position.column as usize - 1)
}

fn check(items: &[Diagnostic], text: &str) {
    let lines: Vec<&str> = text.split('\n').collect();
    for item in items {
        let related = item.related.iter().map(|related| &related.range);
        for range in item.ranges.iter().chain(related) {
            assert!(range.start <= range.stop, "{item:?} in {text:?}");
            assert!(
                is_inside(&lines, range.start) && is_inside(&lines, range.stop),
                "{item:?} in {text:?}"
            );
        }
        assert!(!item.message.is_empty() && !item.code.is_empty());
    }
}

#[test]
fn nothing_breaks_it() {
    let case = Case::default();
    let (mut built, mut refused) = (0, 0);
    for seed in 1..=20_000_u64 {
        let text = text(&mut Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        match DockerfileFrontend::build(&case.host(), case.request(&text)) {
            Ok(result) => {
                built += 1;
                check(&result.warnings.items, &text);
            }
            Err(BuildError::Invalid(report)) => {
                refused += 1;
                assert!(report.has_errors(), "{text:?}");
                check(&report.items, &text);
            }
            Err(other) => panic!("{other:?} for {text:?}"),
        }
        if seed % 10 == 0 {
            let _ = DockerfileFrontend::lint(&case.host(), case.request(&text));
            let _ = DockerfileFrontend::outline(&case.host(), case.request(&text));
        }
    }
    assert!(
        built > 200 && refused > 2_000,
        "{built} built, {refused} refused: the generator is of no use"
    );
}

#[test]
fn the_same_text_gives_the_same_answer() {
    let case = Case::default();
    for seed in 1..=500_u64 {
        let text = text(&mut Numbers(seed.wrapping_mul(0x2545_f491_4f6c_dd1d)));
        let build =
            || DockerfileFrontend::build(&case.host(), case.request(&text)).map_err(|e| format!("{e:?}"));
        assert_eq!(build(), build(), "{text:?}");
    }
}

#[test]
fn long_texts_take_no_longer_than_they_are() {
    let case = Case::default();
    let mut texts = vec![
        "FROM alpine\n".to_owned() + &"RUN echo x\n".repeat(20_000),
        "FROM alpine\nRUN ".to_owned() + &"a \\\n".repeat(50_000),
        "FROM alpine\nENV A=".to_owned() + &"${A:-".repeat(20_000),
        "FROM alpine\nRUN ".to_owned() + &"<<A ".repeat(20_000),
        "FROM alpine\nCOPY ".to_owned() + &"a ".repeat(20_000),
        "FROM alpine\nRUN [".to_owned() + &"[".repeat(200_000),
        "FROM alpine\nLABEL ".to_owned() + &"a=\"".repeat(50_000),
        "#".repeat(1_000_000),
        "\\\n".repeat(200_000),
        "RNU x\n".repeat(20_000),
        "FROM alpine\n".to_owned() + &"EXPOSE 1-65535\n".repeat(5),
        "FROM alpine\nENV A=x\n".to_owned() + &"ENV A=$A$A\n".repeat(14),
    ];
    texts.push(
        (0..3_000)
            .map(|i| {
                format!(
                    "FROM {} AS s{i}\nENV V{i}=1\n",
                    if i == 0 {
                        "alpine".into()
                    } else {
                        format!("s{}", i - 1)
                    }
                )
            })
            .collect(),
    );
    let started = std::time::Instant::now();
    for text in texts {
        let _ = DockerfileFrontend::build(&case.host(), case.request(&text));
    }
    // Unoptimised and on a busy machine; what grows with the square takes minutes.
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}
