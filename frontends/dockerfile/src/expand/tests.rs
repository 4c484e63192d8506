//! Tests of the expansion, one table for each of its parts.

use super::*;

struct Env(&'static [(&'static str, &'static str)]);

impl Variables for Env {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| *k == name).map(|(_, v)| *v)
    }
}

const ENV: Env = Env(&[
    ("A", "alpha"),
    ("EMPTY", ""),
    ("FILE", "a/b/c.tar.gz"),
    ("SPACED", "one two"),
    ("x1", "X"),
    ("STAR", "a*b"),
    ("Ü", "umlaut"),
]);

fn expand(word: &str) -> Result<String, ExpandProblem> {
    Expander::new('\\')
        .expand(word, &ENV)
        .map(|e| e.text)
        .map_err(|e| e.problem)
}

fn table(cases: &[(&str, &str)]) {
    for (word, expected) in cases {
        assert_eq!(expand(word).as_deref(), Ok(*expected), "{word}");
    }
}

#[test]
fn quotes_and_escapes() {
    table(&[
        ("plain", "plain"),
        ("'a $A'", "a $A"),
        ("\"a $A\"", "a alpha"),
        ("a\\ b", "a b"),
        ("\\$A", "$A"),
        ("\"\\$A \\\" \\\\ \\n\"", "$A \" \\ \\n"),
        ("'a\\b'", "a\\b"),
        ("a''b\"\"c", "abc"),
        ("end\\", "end"),
        ("ü$A", "üalpha"),
    ]);
    assert_eq!(
        expand("'a"),
        Err(ExpandProblem::Unterminated("a single-quoted text"))
    );
    assert_eq!(
        expand("\"a"),
        Err(ExpandProblem::Unterminated("a double-quoted text"))
    );
}

#[test]
fn names() {
    table(&[
        ("$A", "alpha"),
        ("${A}", "alpha"),
        ("$A-b", "alpha-b"),
        ("$x1y", ""),
        ("${x1}y", "Xy"),
        ("$", "$"),
        ("a$ b", "a$ b"),
        ("$NONE.", "."),
        ("$1$@x", "x"),
        ("$Ü", "umlaut"),
    ]);
}

#[test]
fn defaults() {
    table(&[
        ("${A:-w}", "alpha"),
        ("${NONE:-w}", "w"),
        ("${EMPTY:-w}", "w"),
        ("${EMPTY-w}", ""),
        ("${NONE-w}", "w"),
        ("${A:+w}", "w"),
        ("${EMPTY:+w}", ""),
        ("${EMPTY+w}", "w"),
        ("${NONE+w}", ""),
        ("${NONE:-$A}", "alpha"),
        ("${NONE:-${ALSO:-deep}}", "deep"),
        ("${NONE:-'a }b'}", "a }b"),
        ("${NONE:-a\\}b}", "a}b"),
        ("${A:?no}", "alpha"),
        ("${EMPTY?no}", ""),
    ]);
    let required = |name: &str, message: &str| {
        Err(ExpandProblem::Required {
            name: name.into(),
            message: message.into(),
        })
    };
    assert_eq!(expand("${NONE:?give it}"), required("NONE", "give it"));
    assert_eq!(expand("${EMPTY:?}"), required("EMPTY", "is empty"));
    assert_eq!(expand("${NONE?}"), required("NONE", "is not set"));
}

#[test]
fn prefixes_and_suffixes() {
    table(&[
        ("${FILE#*/}", "b/c.tar.gz"),
        ("${FILE##*/}", "c.tar.gz"),
        ("${FILE%.*}", "a/b/c.tar"),
        ("${FILE%%.*}", "a/b/c"),
        ("${FILE#a?b}", "/c.tar.gz"),
        ("${FILE#zzz}", "a/b/c.tar.gz"),
        ("${NONE#x}", ""),
        ("${STAR#a\\*}", "b"),
        ("${STAR%\\*b}", "a"),
    ]);
}

#[test]
fn replacements() {
    table(&[
        ("${FILE/\\//-}", "a-b/c.tar.gz"),
        ("${FILE//\\//-}", "a-b-c.tar.gz"),
        ("${FILE//./}", "a/b/ctargz"),
        ("${FILE/.*/}", "a/b/c"),
        ("${A/a/\\}}", "\\}lpha"),
        ("${A//[/x}", "alpha"),
    ]);
    assert_eq!(expand("${A/x}"), Err(ExpandProblem::MissingSlash("A".into())));
}

#[test]
fn what_is_wrong() {
    assert_eq!(expand("${A"), Err(ExpandProblem::MissingBrace));
    assert_eq!(expand("${"), Err(ExpandProblem::MissingBrace));
    assert_eq!(expand("${A:-x"), Err(ExpandProblem::MissingBrace));
    assert_eq!(expand("${}"), Err(ExpandProblem::BadSubstitution));
    assert_eq!(expand("${ A}"), Err(ExpandProblem::BadSubstitution));
    assert_eq!(
        expand("${A:=w}"),
        Err(ExpandProblem::UnsupportedModifier(":=".into()))
    );
    assert_eq!(
        expand("${A=w}"),
        Err(ExpandProblem::UnsupportedModifier("=".into()))
    );
    assert_eq!(
        expand("${A:1:2}"),
        Err(ExpandProblem::UnsupportedModifier(":1".into()))
    );
    assert!(matches!(
        expand("${A#\\x}"),
        Err(ExpandProblem::BadPattern { .. })
    ));
    assert_eq!(expand(&"${A:-".repeat(10_000)), Err(ExpandProblem::TooDeep));
}

#[test]
fn places_of_errors() {
    let offset = |word: &str| Expander::new('\\').expand(word, &ENV).unwrap_err().offset;
    assert_eq!(offset("ab${A"), 2);
    assert_eq!(offset("ab'c"), 2);
    assert_eq!(offset("x${A:=b}"), 4);
    assert_eq!(offset("x${NONE:?m}"), 1);
}

#[test]
fn other_ways_of_reading() {
    let raw = Expander {
        keep_quotes: true,
        keep_unset: true,
        ..Expander::new('\\')
    };
    let text = |word: &str| raw.expand(word, &ENV).unwrap().text;
    assert_eq!(
        text("echo '$A' \"$A\" $NONE ${NONE} ${NONE:-$A}"),
        "echo '$A' \"alpha\" $NONE ${NONE} ${NONE:-alpha}"
    );
    let heredoc = Expander {
        plain_quotes: true,
        ..Expander::new('\\')
    };
    assert_eq!(
        heredoc.expand("it's $A \\$A", &ENV).unwrap().text,
        "it's alpha $A"
    );
    let backtick = Expander::new('`');
    assert_eq!(backtick.expand("c:\\dir\\`$A", &ENV).unwrap().text, "c:\\dir\\$A");
}

#[test]
fn words() {
    let words = |text: &str| Expander::new('\\').words(text, &ENV).unwrap();
    assert_eq!(
        words("a $SPACED \"$SPACED\" 'b c'd"),
        ["a", "one", "two", "one two", "b cd"]
    );
    assert_eq!(words("  $EMPTY '' "), Vec::<String>::new());
    assert_eq!(words("x${NONE:-a b}y"), ["xa", "by"]);
}

#[test]
fn names_that_were_asked_for() {
    let e = Expander::new('\\').expand("$A$NONE$A${ALSO:-x}", &ENV).unwrap();
    assert_eq!(e.matched, ["A"]);
    assert_eq!(e.unmatched, ["NONE"]);
}
