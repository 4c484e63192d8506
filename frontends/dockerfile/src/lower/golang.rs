//! Values as Go prints them: an image's history is made of Go's `%q` and `%v`, and must be the same to the byte.
//! Knows nothing of images.

use std::fmt::Write;

/// A duration in nanoseconds as `time.Duration` prints it, such as `1m30s`, `1.5s` or `250ms`.
pub fn duration(nanoseconds: i64) -> String {
    if nanoseconds == 0 {
        return "0s".to_owned();
    }
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let n = nanoseconds.unsigned_abs();
    let decimal = |n: u64, unit: u64| {
        let digits = unit.ilog10() as usize;
        let fraction = format!("{:0digits$}", n % unit);
        match fraction.trim_end_matches('0') {
            "" => (n / unit).to_string(),
            fraction => format!("{}.{fraction}", n / unit),
        }
    };
    match n {
        ..1_000 => format!("{sign}{n}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", decimal(n, 1_000)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", decimal(n, 1_000_000)),
        _ => {
            let seconds = n / 1_000_000_000;
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            let rest = decimal(n % 60_000_000_000, 1_000_000_000);
            match (hours, minutes) {
                (0, 0) => format!("{sign}{rest}s"),
                (0, _) => format!("{sign}{minutes}m{rest}s"),
                _ => format!("{sign}{hours}h{minutes}m{rest}s"),
            }
        }
    }
}

/// Reads what `time.ParseDuration` reads, in nanoseconds; none: it is no duration.
pub fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: f64 = 0.0;
    let mut exact: i64 = 0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        if !number.bytes().any(|b| b.is_ascii_digit()) || number.matches('.').count() > 1 {
            return None;
        }
        let length = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(length);
        let scale: i64 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        exact = exact.checked_add(whole.checked_mul(scale)?)?;
        if !fraction.is_empty() {
            total += format!("0.{fraction}").parse::<f64>().ok()? * scale as f64;
        }
        rest = after;
    }
    let nanoseconds = exact.checked_add(total as i64)?;
    Some(if negative { -nanoseconds } else { nanoseconds })
}

/// A string as `%q` prints it.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            ' '..='~' => out.push(c),
            _ if c < '\u{80}' => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            _ if is_printable(c) => out.push(c),
            _ if (c as u32) < 0x10000 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            _ => {
                let _ = write!(out, "\\U{:08x}", c as u32);
            }
        }
    }
    out.push('"');
    out
}

/// Strings as `%q` prints a slice of them: `["a" "b"]`.
pub fn quote_all(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| quote(text)).collect();
    format!("[{}]", quoted.join(" "))
}

/// Strings as `%v` prints a slice of them: `[a b]`.
pub fn list(texts: &[String]) -> String {
    format!("[{}]", texts.join(" "))
}

/// Whether Go's `strconv.IsPrint` holds. Rust's escaping of strings follows the same Unicode categories; the letter in
/// front keeps combining marks from being escaped for being the first.
fn is_printable(c: char) -> bool {
    let text: String = ['a', c].iter().collect();
    text.escape_debug().count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, nanoseconds) in [
            ("0s", 0),
            ("30s", 30_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1h0m0s", 3_600_000_000_000),
            ("1.5s", 1_500_000_000),
            ("250ms", 250_000_000),
            ("1.5µs", 1_500),
            ("7ns", 7),
            ("-2s", -2_000_000_000),
            ("2h0m0.001s", 7_200_001_000_000),
        ] {
            assert_eq!(duration(nanoseconds), text);
            assert_eq!(parse_duration(text), Some(nanoseconds), "{text}");
        }
        assert_eq!(parse_duration("1h30m"), Some(5_400_000_000_000));
        assert_eq!(parse_duration("0"), Some(0));
        for bad in ["", "5", "x", "1.2.3s", "5 s", "-", "9999999999h", "1d"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn quoting() {
        assert_eq!(
            quote("a \"b\" \\ \n\u{1}\u{7f} é 日 \u{a0}\u{200b}\u{301}😀"),
            "\"a \\\"b\\\" \\\\ \\n\\x01\\x7f é 日 \\u00a0\\u200b\u{301}😀\""
        );
        assert_eq!(
            quote_all(&["/bin/sh".into(), "-c".into(), "a b".into()]),
            "[\"/bin/sh\" \"-c\" \"a b\"]"
        );
        assert_eq!(list(&["a".into(), "b".into()]), "[a b]");
    }
}
