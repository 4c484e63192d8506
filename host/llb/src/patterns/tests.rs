//! Tests of pattern lists and globs: the meaning, the pruning, and a bound on the work.

use proptest::prelude::*;

use super::*;

fn list(patterns: &[&str]) -> Patterns {
    Patterns::new(patterns).expect("patterns")
}

/// Facts about patternmatcher, as (pattern, path, matches).
#[test]
fn single_patterns() {
    for (pattern, path, expected) in [
        ("**", "file", true),
        ("**/", "file", true),
        ("**", "dir/file", true),
        ("**/**", "dir/file", true),
        ("dir/**", "dir/file", true),
        ("dir/**", "dir/dir2/file", true),
        ("dir/**", "dir", false),
        ("**/dir", "dir", true),
        ("**/dir", "dir/file", true),
        ("**/dir", "a/b/dir/c", true),
        ("**/dir2/*", "dir/dir2/file", true),
        ("**/dir2/*", "dir/dir2", false),
        ("**/dir2/**", "dir/dir2/dir3/file", true),
        ("**file", "file", true),
        ("**file", "dir/file", true),
        ("**file", "dir/some-file", true),
        ("**/file", "dir/some-file", false),
        ("**/file*", "dir/dir/file.txt", true),
        ("**/file*txt", "dir/dir/file.txt", true),
        ("**/**/*.txt", "dir/dir/file.txt", true),
        ("**/**/*.txt2", "dir/dir/file.txt", false),
        ("**/*.txt", "file.txt", true),
        ("a**/*.txt", "a/dir/dir/file.txt", true),
        ("a**/*.txt", "a/file.txt", true),
        ("a**", "abc/d", true),
        ("a/*.txt", "a/dir/file.txt", false),
        ("a/*.txt**", "a/file.txt", true),
        ("a[b-d]e", "ace", true),
        ("a[b-d]e", "aae", false),
        ("a[^b-d]e", "aze", true),
        (".*", ".foo", true),
        (".*", "foo", false),
        ("abc.def", "abcZdef", false),
        ("abc?def", "abcZdef", true),
        ("abc?def", "abc/def", false),
        ("**/.foo", "bar.foo", false),
        ("a(b)c/def", "a(b)c/def", true),
        ("a.|)$(}+{bc", "a.|)$(}+{bc", true),
        ("a\\*b", "a*b", true),
        ("a\\*b", "acb", false),
        ("a\\\\", "a\\", true),
        ("\\!a", "!a", true),
        ("/a", "a", true),
        ("./a/", "a/b", true),
        ("  a  ", "a", true),
        ("a/../b", "b", true),
        ("a", "ab", false),
        ("a", "./a", true),
        ("[*]", "*", true),
        ("[*]", "a", false),
        ("*", ".", false),
        ("**", ".", false),
        (".", "a", false),
        ("/", "a", false),
        ("ä?", "äö", true),
    ] {
        assert_eq!(list(&[pattern]).matches(path), expected, "{pattern} {path}");
    }
}

#[test]
fn order_and_negation_decide() {
    for (patterns, path, expected) in [
        (&["**", "!util/docker/web"][..], "util/docker/web/foo", false),
        (
            &["**", "!util/docker/web", "util/docker/web/foo"],
            "util/docker/web/foo",
            true,
        ),
        (&["**", "!dist/*.whl"], "dist/x-2.4+g0-any.whl", false),
        (&["!a.go", "*.go"], "a.go", true),
        (&["*.go", "!a.go"], "a.go", false),
        (&["docs", "!docs/README.md"], "docs/README.md", false),
        (&["docs", "!docs/README.md"], "docs/other", true),
        (&["d", "!d/e", "d"], "d/e", true),
        (&["docs", " ! ./docs/README.md "], "docs/README.md", false),
        (&[], "a", false),
        (&["", " "], "a", false),
    ] {
        assert_eq!(list(patterns).matches(path), expected, "{patterns:?} {path}");
    }
}

#[test]
fn malformed_patterns_are_errors() {
    for (pattern, problem) in [
        ("!", PatternProblem::LoneNegation),
        ("[", PatternProblem::UnclosedClass),
        ("a[", PatternProblem::UnclosedClass),
        ("[^", PatternProblem::UnclosedClass),
        ("[^bc", PatternProblem::UnclosedClass),
        ("[]a]", PatternProblem::MisplacedInClass),
        ("[-]", PatternProblem::MisplacedInClass),
        ("[x-]", PatternProblem::MisplacedInClass),
        ("[-x]", PatternProblem::MisplacedInClass),
        ("[a-b-c]", PatternProblem::MisplacedInClass),
        ("[Local-Only]", PatternProblem::ReversedRange),
        ("a\\", PatternProblem::TrailingBackslash),
        ("[\\", PatternProblem::TrailingBackslash),
    ] {
        assert_eq!(
            Patterns::new(&[pattern]).map(|_| ()).unwrap_err().problem,
            problem,
            "{pattern}"
        );
    }
    let long = "a".repeat(MAX_PATTERN + 1);
    assert_eq!(
        Patterns::new(&[&long]).unwrap_err().problem,
        PatternProblem::TooLong
    );
    assert_eq!(Glob::new(&long).unwrap_err().problem, PatternProblem::TooLong);
}

#[test]
fn pruning_is_exact_where_it_matters() {
    let check = |patterns: &[&str], dir: &str| {
        let found = list(patterns).check(dir);
        (found.matched, found.may_match_below, found.may_miss_below)
    };
    // Include lists: enter only what can lead to a match.
    assert_eq!(check(&["src/main.rs"], "src"), (false, true, true));
    assert_eq!(check(&["src/main.rs"], "docs"), (false, false, true));
    assert_eq!(check(&["src/*/x"], "src/a"), (false, true, true));
    assert_eq!(check(&["src/*/x"], "src/a/b"), (false, false, true));
    assert_eq!(check(&["**/x"], "any/where"), (false, true, true));
    assert_eq!(check(&["src"], "src"), (true, true, false));
    assert_eq!(check(&["src"], ""), (false, true, true));
    assert_eq!(check(&["src"], "."), (false, true, true));
    assert_eq!(check(&[], "."), (false, false, true));
    // Exclude lists: a matched directory is entered only where an exception can follow.
    assert_eq!(check(&["node_modules"], "node_modules"), (true, true, false));
    assert_eq!(
        check(&["node_modules", "!node_modules/keep"], "node_modules"),
        (true, true, true)
    );
    assert_eq!(
        check(&["node_modules", "!other/keep"], "node_modules"),
        (true, true, false)
    );
    assert_eq!(check(&["a", "!a/b", "a"], "a"), (true, true, false));
    assert_eq!(check(&["a", "!a"], "a"), (false, false, true));
}

#[test]
fn names_that_are_not_utf8() {
    use std::os::unix::ffi::OsStrExt as _;
    let path = Path::new(std::ffi::OsStr::from_bytes(b"a/\xff\xfe.txt"));
    assert!(list(&["a/*.txt"]).matches(path));
    assert!(list(&["a/??.txt"]).matches(path));
    assert!(list(&["a/[^x]?.txt"]).matches(path));
    assert!(!list(&["a/\u{fffd}\u{fffd}.txt"]).matches(path));
}

/// Facts about Go's `path.Match`.
#[test]
fn globs() {
    for (pattern, name, expected) in [
        ("abc", "abc", true),
        ("*", "abc", true),
        ("*c", "abc", true),
        ("a*", "ab/c", false),
        ("a*/b", "a/c/b", false),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/f", true),
        ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", false),
        ("a*b?c*x", "abxbbxdbxebxczzx", true),
        ("a*b?c*x", "abxbbxdbxebxczzy", false),
        ("ab[^e-g]", "abc", true),
        ("a?b", "a☺b", true),
        ("a[^a]b", "a☺b", true),
        ("a???b", "a☺b", false),
        ("[a-ζ]*", "α", true),
        ("*[a-ζ]", "A", false),
        ("[\\-x]", "-", true),
        ("[z-a]", "b", false),
        ("**", "a/b", false),
        ("", "", true),
        ("*", "", true),
        ("./a", "a", false),
    ] {
        assert_eq!(glob(pattern, name), Ok(expected), "{pattern} {name}");
    }
    assert!(glob("a[", "a").is_err());
    assert_eq!(Glob::new("a\\*b").unwrap().literal(), Some("a*b"));
    assert_eq!(Glob::new("a*b").unwrap().literal(), None);
}

#[test]
fn hostile_patterns_take_bounded_work() {
    let pattern = "**/*a".repeat(200);
    let path = "a/aaaaaaaaaaaaaaaaaaaaaaaa/".repeat(100);
    let program = Program::new(&pattern, Dialect::List).unwrap();
    let steps = program.reach(path.as_bytes()).steps;
    assert!(
        steps <= 3 * (pattern.len() as u64 + 1) * (path.len() as u64 + 2),
        "{steps}"
    );
}

/// The regular expression meaning, by the slowest and plainest means: all ways to split.
fn reference(pattern: &[char], path: &[char]) -> bool {
    match pattern {
        [] => path.is_empty(),
        ['*', '*'] => true,
        ['*', '*', rest @ ..] => {
            let rest = rest.strip_prefix(&['/']).unwrap_or(rest);
            if rest.is_empty() {
                return true;
            }
            reference(rest, path)
                || (0..path.len()).any(|i| path[i] == '/' && reference(rest, &path[i + 1..]))
        }
        ['*', rest @ ..] => {
            let end = path.iter().position(|c| *c == '/').unwrap_or(path.len());
            (0..=end).any(|i| reference(rest, &path[i..]))
        }
        ['?', rest @ ..] => path.first().is_some_and(|c| *c != '/') && reference(rest, &path[1..]),
        [c, rest @ ..] => path.first() == Some(c) && reference(rest, &path[1..]),
    }
}

fn one_pattern() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop::sample::select(vec!["a", "b", "*", "**/", "?", "/", "**"]),
        1..8,
    )
    .prop_map(|parts| parts.concat())
    .prop_filter("cleaned, and not the suffix form", |p| {
        clean(p) == *p && !p.starts_with('/') && (p.starts_with("**/") || !p.starts_with("**"))
    })
}

fn one_path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "ab", "ba"]), 1..5).prop_map(|p| p.join("/"))
}

fn parents(path: &str) -> Vec<&str> {
    path.match_indices('/')
        .map(|(i, _)| &path[..i])
        .chain([path])
        .collect()
}

proptest! {
    #[test]
    fn agrees_with_the_reference(pattern in one_pattern(), path in one_path()) {
        let wanted: Vec<char> = pattern.chars().collect();
        let expected = parents(&path).iter().any(|p| reference(&wanted, &p.chars().collect::<Vec<_>>()));
        prop_assert_eq!(list(&[&pattern]).matches(&path), expected);
    }

    #[test]
    fn pruning_never_hides_a_path(
        patterns in prop::collection::vec((one_pattern(), any::<bool>()), 1..5),
        path in one_path(),
    ) {
        let patterns: Vec<String> =
            patterns.into_iter().map(|(p, negated)| if negated { format!("!{p}") } else { p }).collect();
        let patterns = Patterns::new(&patterns).unwrap();
        let matched = patterns.matches(&path);
        prop_assert_eq!(patterns.check(&path).matched, matched);
        let all = parents(&path);
        for dir in all[..all.len() - 1].iter().chain(&["."]) {
            prop_assert!(!matched || patterns.may_match_below(dir), "{dir}");
            prop_assert!(matched || patterns.may_miss_below(dir), "{dir}");
        }
    }

    #[test]
    fn any_text_is_read_in_bounded_work(pattern in "[ab*?/!\\[\\]^\\\\.-]{0,40}", path in "[ab/.]{0,60}") {
        if let Ok(program) = Program::new(&pattern, Dialect::List) {
            let bound = 3 * (pattern.len() as u64 + 2) * (path.len() as u64 + 3);
            prop_assert!(program.reach(path.as_bytes()).steps <= bound);
        }
        if let Ok(patterns) = Patterns::new(&[&pattern]) {
            patterns.check(&path);
        }
        let _ = glob(&pattern, &path);
    }
}
