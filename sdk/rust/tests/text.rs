//! Lines and columns, suggestions, paths and platforms.

use lapstrake_sdk::types::*;
use lapstrake_sdk::{LineIndex, did_you_mean, is_secret_name, path};
use proptest::prelude::*;

fn at(line: u32, column: u32) -> Position {
    Position { line, column }
}

#[test]
fn positions_count_lines_and_bytes_from_one() {
    let index = LineIndex::new("ab\r\nö\n\nz");
    assert_eq!(index.line_count(), 4);
    let places = [
        (0, at(1, 1)),
        (2, at(1, 3)),
        (4, at(2, 1)),
        (6, at(2, 3)),
        (7, at(3, 1)),
        (8, at(4, 1)),
        (9, at(4, 2)),
    ];
    for (offset, position) in places {
        assert_eq!(index.position(offset), position, "{offset}");
        assert_eq!(index.offset(position), Some(offset));
    }
    assert_eq!(
        index.range(7, 0..5),
        SourceRange {
            file: 7,
            start: at(1, 1),
            stop: at(2, 2)
        }
    );
    assert_eq!(
        index.lines(0, 1, 2),
        SourceRange {
            file: 0,
            start: at(1, 1),
            stop: at(2, 3)
        }
    );
    assert_eq!(index.offset(at(1, 4)), None);
    assert_eq!(index.offset(at(5, 1)), None);
    assert_eq!(index.offset(at(0, 0)), None);
    assert_eq!(LineIndex::new("").position(0), at(1, 1));
}

#[test]
fn suggestions_are_near() {
    let words = [
        "ADD",
        "ARG",
        "CMD",
        "COPY",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "FROM",
        "RUN",
    ];
    for (word, meant) in [
        ("FORM", Some("FROM")),
        ("coppy", Some("COPY")),
        ("ENTRYPIONT", Some("ENTRYPOINT")),
        ("RUNN", Some("RUN")),
        ("AD", Some("ADD")),
        ("run", Some("RUN")),
        ("X", None),
        ("", None),
        ("HEALTHCHECK", None),
    ] {
        assert_eq!(did_you_mean(word, words), meant, "{word}");
    }
    assert_eq!(did_you_mean("a", [""]), None);
    assert_eq!(did_you_mean(&"x".repeat(100), ["xx"]), None);
}

#[test]
fn platforms_are_normal() {
    let default = Platform::new("linux", "amd64");
    for (text, normal) in [
        ("linux", "linux/amd64"),
        ("arm64", "linux/arm64"),
        ("linux/x86_64", "linux/amd64"),
        ("Linux/AArch64/v8", "linux/arm64"),
        ("linux/arm64/v9", "linux/arm64/v9"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/6", "linux/arm/v6"),
        ("macos/arm64", "darwin/arm64"),
        ("windows(10.0.17763)/amd64", "windows(10.0.17763)/amd64"),
        ("other/machine", "other/machine"),
    ] {
        let platform = Platform::parse(text, &default).unwrap();
        assert_eq!(platform.to_string(), normal, "{text}");
        assert_eq!(Platform::parse(normal, &default).unwrap(), platform);
    }
    for text in [
        "",
        "/",
        "linux/",
        "a/b/c/d",
        "machine",
        "linux/*",
        "windows(",
        "windows()",
        "(1)/amd64",
        "arm64(1)",
    ] {
        let error = Platform::parse(text, &default).unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    }
}

proptest! {
    #[test]
    fn positions_lead_back(text in "[a\u{e4}\r\n]{0,40}") {
        let index = LineIndex::new(&text);
        for (offset, _) in text.char_indices().filter(|(_, c)| !matches!(c, '\r' | '\n')) {
            prop_assert_eq!(index.offset(index.position(offset)), Some(offset));
        }
    }

    #[test]
    fn one_edit_is_always_found(word in "[a-z]{3,12}", place in 0usize..12, letter in proptest::char::range('a', 'z')) {
        let mut wrong: Vec<char> = word.chars().collect();
        wrong.insert(place % (word.len() + 1), letter);
        let wrong: String = wrong.into_iter().collect();
        prop_assert_eq!(did_you_mean(&wrong, [word.as_str()]), Some(word.as_str()));
    }

    #[test]
    fn joined_paths_are_clean(dir in "[a./]{0,12}", path in "[a./]{0,12}") {
        let joined = path::join(&dir, &path);
        prop_assert!(joined.starts_with('/'));
        prop_assert!(joined == "/" || joined[1..].split('/').all(|part| !matches!(part, "" | "." | "..")), "{}", joined);
        prop_assert_eq!(path::join("/x", &joined), joined.clone());
        let kept = path::join_keeping_slash(&dir, &path);
        prop_assert_eq!(kept.trim_end_matches('/'), joined.trim_end_matches('/'));
    }
}

#[test]
fn names_of_secrets() {
    for name in ["KEY", "db_Password", "A_TOKEN_B"] {
        assert!(is_secret_name(name), "{name}");
    }
    for name in ["MONKEY", "PUBLIC_KEY", "KEY_FILE", "TOKEN_VERSION", "", "_"] {
        assert!(!is_secret_name(name), "{name}");
    }
}
