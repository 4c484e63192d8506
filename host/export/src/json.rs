//! JSON and times, byte for byte as Go programs write them, so that equal images have the digest that other builders
//! give them.
//! Knows nothing of the documents.

use lapstrake_llb::Timestamp;
use serde::Serialize;

use crate::error::{Error, Result};

/// Writes a document on one line.
pub(crate) fn compact<T: Serialize>(what: &'static str, document: &T) -> Result<Vec<u8>> {
    let text = serde_json::to_string(document).map_err(|error| Error::Json(what, error))?;
    Ok(escape(&text).into_bytes())
}

/// Writes a document with an indentation of two spaces.
pub(crate) fn indented<T: Serialize>(what: &'static str, document: &T) -> Result<Vec<u8>> {
    let text = serde_json::to_string_pretty(document).map_err(|error| Error::Json(what, error))?;
    Ok(escape(&text).into_bytes())
}

/// Escapes what Go escapes and serde does not. All of it can only stand inside of strings.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
    out
}

/// Writes a time as RFC 3339 has it, in UTC, with as many digits of the fraction as it needs.
pub(crate) fn time(time: Timestamp) -> Result<String> {
    let nanoseconds = i32::try_from(time.nanoseconds).unwrap_or(i32::MAX);
    let written = jiff::Timestamp::new(time.seconds, nanoseconds);
    // RFC 3339 has four digits for the year.
    let written = written
        .ok()
        .map(|t| t.to_string())
        .filter(|text| !text.starts_with(['-', '+']));
    written.ok_or(Error::Time(time.seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_as_go_does() {
        let written = compact("test", &["a && b > \"c\" <d>\u{2028}\t\u{1}é"]).unwrap();
        let expected = r#"["a \u0026\u0026 b \u003e \"c\" \u003cd\u003e\u2028\t\u0001é"]"#;
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }

    #[test]
    fn writes_times() {
        let write = |seconds, nanoseconds| time(Timestamp { seconds, nanoseconds });
        assert_eq!(write(0, 0).unwrap(), "1970-01-01T00:00:00Z");
        assert_eq!(
            write(1_700_000_000, 120_000_000).unwrap(),
            "2023-11-14T22:13:20.12Z"
        );
        assert_eq!(write(-1, 0).unwrap(), "1969-12-31T23:59:59Z");
        assert!(matches!(write(i64::MAX, 0), Err(Error::Time(_))));
        assert!(matches!(write(-100_000_000_000, 0), Err(Error::Time(_))));
    }
}
