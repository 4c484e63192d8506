//! Generates Dockerfiles: whole ones of a grammar, such ones with damages, and soup of pieces. A number gives the same text
//! for ever. Used by this crate's tests and by those of the compiled component.

use std::fmt::Write;

/// A small generator of numbers (xorshift), so that a failure can be repeated.
pub struct Numbers(u64);

impl Numbers {
    /// Begins a sequence.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Returns a number smaller than the limit, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}

#[rustfmt::skip]
const KEYWORDS: &[&str] = &[
    "FROM", "RUN", "COPY", "ADD", "ENV", "ARG", "LABEL", "EXPOSE", "VOLUME", "USER", "WORKDIR", "CMD", "ENTRYPOINT",
    "SHELL", "STOPSIGNAL", "HEALTHCHECK", "ONBUILD", "MAINTAINER", "RNU", "from", "FROM alpine", "FROM scratch",
    "FROM alpine AS a", "FROM a",
];

#[rustfmt::skip]
const PIECES: &[&str] = &[
    " ", "  ", "\t", "\n", "\n\n", "\r\n", "\\\n", "\\", "\\\\", "`", "#", "# syntax=x\n", "# escape=`\n",
    "# check=skip=all\n", "\"", "'", "$", "${", "}", "${A:-", "${A#", "${A//", "/", "$A", "${B}", "=", "a=b", "A=\"x", "[",
    "]", "[\"a\", \"b\"]", "[\"", "\",", "{}", "--", "--from=a", "--from=0", "--mount=type=cache,target=/x", "--mount=",
    "type=secret,id=x", "--chown=1:2", "--chmod=9", "--platform=linux/arm64", "<<EOF", "<<-E", "EOF\n", "<<\"A B\"", "AS",
    "a", "b", "alpine", "scratch", ".", "..", "../x", "*", "?", ",", ":", ";", "@", "ü", "日本", "😀", "\u{0}",
    "\u{feff}", "\u{a0}", "\u{2028}", "NONE", "CMD x", "80/tcp", "1-", "https://x/y", "git@a:b", "%",
];

/// What an instruction begins with: its keyword and flags. `@` is a word, `%` a number.
#[rustfmt::skip]
const SHAPES: &[&str] = &[
    "RUN @ @ && @", "RUN [\"@\", \"@\"]", "RUN --mount=type=cache,target=/@,sharing=locked @",
    "RUN --mount=type=bind,from=@,source=@,target=/@,rw @", "RUN --mount=type=secret,id=@,env=@ @",
    "RUN --mount=type=ssh --network=none @", "RUN --mount=type=tmpfs,size=%m,target=@ @", "RUN --security=sandbox @",
    "RUN <<E\n@ @\nE", "RUN <<-E cat <<'F'\n\t@\nE\n$@\nF", "RUN @ \\\n  # @\n  @ \\\n\n  @",
    "COPY @ /@", "COPY --from=@ --chown=@:% /@ @/", "COPY --link --chmod=% @ @ @/", "COPY --parents --exclude=@ @/./@ @/",
    "COPY [\"@\", \"@ @\"]", "COPY <<E <<F /@/\n@\nE\n@\nF", "COPY --from=% --chmod=u+x,g= @ @",
    "ADD @ /@", "ADD --checksum=sha256:% https://@/@.tar @/", "ADD --keep-git-dir https://@/@.git#@:@ @",
    "ADD --unpack=true @.tar.gz @/", "ENV @=@ @=\"@ $@\"", "ENV @ @ @", "ARG @", "ARG @=@ @=${@:-@}", "LABEL @=@ \"@\"='@'",
    "EXPOSE % %/udp %-%", "EXPOSE $@", "VOLUME /@ @", "VOLUME [\"@\"]", "USER @:%", "USER ${@}", "WORKDIR @",
    "WORKDIR /${@#@}/${@%%@}/${@//@/@}", "CMD @ @", "CMD [\"@\"]", "ENTRYPOINT [\"@\", \"$@\"]", "ENTRYPOINT @",
    "SHELL [\"@\", \"-c\"]", "STOPSIGNAL SIG@", "STOPSIGNAL %", "HEALTHCHECK NONE",
    "HEALTHCHECK --interval=%s --timeout=%m --retries=% CMD @", "ONBUILD RUN @", "ONBUILD COPY --from=@ @ /@",
    "ONBUILD ADD <<E /@\n@\nE", "MAINTAINER @ @", "# check=skip=@\nRUN @", "# @ @\nARG @", "run @", "Copy @ @",
];

#[rustfmt::skip]
const WORDS: &[&str] = &[
    "a", "b", "c", "base", "build", "alpine", "alpine:3", "debian@sha256:x", "scratch", "src", "src/", "*.c", "**/x", ".",
    "..", "../x", "A", "B", "PATH", "TARGETARCH", "HTTP_PROXY", "SOURCE_DATE_EPOCH", "x y", "$A", "${B}", "${A:-$B}",
    "${C?no}", "\\$A", "\\", "\"q\"", "'q'", "=", "k=v", "ü", "日本", "😀", "%", "0", "65536", "-1", "--flag", "--from=x",
    "<<E", "[", "{}", "", "root", "nobody", "KILL", "é\u{301}", "password", "SECRET_KEY",
];

/// Words with which most instructions are right.
const TAME_WORDS: &[&str] = &["alpine", "busybox", "src", "A", "B", "x", "v1", "日本"];

/// Which words and bases a text has.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    /// Mostly a build.
    Tame,
    /// Anything.
    Wild,
}

/// Returns a Dockerfile of the grammar.
fn whole(numbers: &mut Numbers, mood: Mood) -> String {
    let mut text = String::new();
    if numbers.below(6) == 0 {
        text.push_str(numbers.pick(&[
            "# syntax=x\n",
            "# escape=`\n",
            "# check=error=true\n",
            "#!/x\n",
            "\u{feff}",
        ]));
    }
    for _ in 0..numbers.below(3) {
        shape(numbers, "ARG @=@", mood, &mut text);
    }
    for stage in 0..=numbers.below(4) {
        let bases: &[&str] = match mood {
            Mood::Tame => &["alpine", "scratch", "debian:12", "busybox"],
            Mood::Wild => &["a", "b", "build", "$A", "${B:-alpine}", "0", "alpine", "scratch"],
        };
        let base = numbers.pick(bases);
        let flag = numbers.pick(&[
            "",
            "",
            "",
            "--platform=$BUILDPLATFORM ",
            "--platform=linux/arm64 ",
        ]);
        let name = numbers.pick(&["", " AS a", " AS b", " as build", " AS Base"]);
        let _ = writeln!(text, "FROM {flag}{base}{name}");
        for _ in 0..numbers.below(9 - stage) {
            let chosen = numbers.pick(SHAPES);
            // Numbers and variables make most of what has them wrong.
            if mood == Mood::Wild
                || !["%", "$@", "${@", "SIG@"]
                    .iter()
                    .any(|mark| chosen.contains(mark))
            {
                shape(numbers, chosen, mood, &mut text);
            }
        }
    }
    text
}

/// Writes a line with words in place of its marks.
fn shape(numbers: &mut Numbers, shape: &str, mood: Mood, text: &mut String) {
    let words = match mood {
        Mood::Tame => TAME_WORDS,
        Mood::Wild => WORDS,
    };
    for c in shape.chars() {
        match c {
            '@' => text.push_str(numbers.pick(words)),
            '%' => {
                let _ = write!(text, "{}", numbers.below(1000));
            }
            c => text.push(c),
        }
    }
    text.push('\n');
}

/// Returns a text of pieces without order.
fn soup(numbers: &mut Numbers) -> String {
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

/// Cuts, repeats, moves and inserts.
fn damage(numbers: &mut Numbers, text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(letters.len() + 1);
        let end = (at + numbers.below(30)).min(letters.len());
        let part: Vec<char> = letters[at..end].to_vec();
        match numbers.below(5) {
            0 => drop(letters.drain(at..end)),
            1 => drop(letters.splice(at..at, part)),
            2 => {
                letters.drain(at..end);
                let to = numbers.below(letters.len() + 1);
                letters.splice(to..to, part);
            }
            3 => letters.truncate(letters.len() - (end - at)),
            _ => {
                let piece: Vec<char> = numbers.pick(PIECES).chars().collect();
                letters.splice(at..at, piece);
            }
        }
    }
    letters.into_iter().collect()
}

/// Returns the Dockerfile of a number.
pub fn dockerfile(seed: u64) -> String {
    let mut numbers = Numbers::new(seed);
    let mood = [Mood::Tame, Mood::Wild][numbers.below(2)];
    match numbers.below(4) {
        0 => soup(&mut numbers),
        1 => whole(&mut numbers, mood),
        _ => {
            let text = whole(&mut numbers, mood);
            damage(&mut numbers, &text)
        }
    }
}

/// Returns texts that are long in one way each: whoever does work that grows with the square of one needs minutes.
pub fn long_texts() -> Vec<String> {
    let stages = (0..3_000).map(|i| match i {
        0 => "FROM alpine AS s0\nENV V0=1\n".to_owned(),
        i => format!("FROM s{} AS s{i}\nENV V{i}=1\n", i - 1),
    });
    vec![
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
        stages.collect(),
    ]
}
