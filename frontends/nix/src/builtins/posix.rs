//! Translates POSIX extended regular expressions to the syntax of the crate `regex`. Knows nothing of matching.

use std::iter::Peekable;
use std::str::Chars;

const CLASSES: [&str; 12] = [
    "alpha", "digit", "alnum", "upper", "lower", "space", "blank", "punct", "print", "graph", "cntrl",
    "xdigit",
];

/// Translates an expression; an error says what is wrong with it.
pub fn translate(pattern: &str) -> Result<String, &'static str> {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut chars = pattern.chars().peekable();
    // Whether there is something that `*` can repeat.
    let mut is_repeatable = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c) if c.is_ascii_punctuation() => out.extend(['\\', c]),
                Some(_) => return Err("a backslash comes before special characters only"),
                None => return Err("there is nothing after the last backslash"),
            },
            '[' => bracket(&mut chars, &mut out)?,
            '*' | '+' | '?' if !is_repeatable => return Err("there is nothing to repeat"),
            '{' if !is_repeatable => return Err("there is nothing to repeat"),
            '*' | '+' | '?' => {
                // `a+?` is no lazy repetition here but a repeated repetition.
                wrap_repeated(&mut out);
                out.push(c);
            }
            '{' => {
                wrap_repeated(&mut out);
                bound(&mut chars, &mut out)?;
            }
            ')' if !out.contains('(') => return Err("a parenthesis is closed that was not opened"),
            '(' | '|' | '.' | '^' | '$' | ')' => out.push(c),
            c if c.is_ascii_punctuation() => out.extend(['\\', c]),
            c if !c.is_ascii() => {
                // Bytes, as everywhere: a repetition repeats the last one.
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    out.push_str(&format!("\\x{byte:02x}"));
                }
            }
            c => out.push(c),
        }
        is_repeatable = !matches!(c, '(' | '|' | '^');
    }
    Ok(out)
}

/// Puts what is repeated already into a group, from where its last item begins.
fn wrap_repeated(out: &mut String) {
    if out.ends_with(['*', '+', '?', '}']) && !is_escaped(out) {
        let start = item_start(out);
        out.insert_str(start, "(?:");
        out.push(')');
    }
}

fn is_escaped(out: &str) -> bool {
    let before = &out[..out.len() - 1];
    (before.len() - before.trim_end_matches('\\').len()) % 2 == 1
}

/// Where the item begins that the repetition at the end of `out` repeats.
fn item_start(out: &str) -> usize {
    let bytes = out.as_bytes();
    // All items with a known begin, from the left: the last one that ends where the repetition begins.
    let (mut starts, mut item, mut at) = (Vec::new(), 0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => {
                item = at;
                at += 1;
            }
            b'(' => starts.push(at),
            b')' => item = starts.pop().unwrap_or(0),
            b'[' => {
                item = at;
                at = class_end(bytes, at);
            }
            b'*' | b'+' | b'?' => {}
            b'{' => at += out[at..].find('}').unwrap_or(0),
            _ => item = at,
        }
        at += 1;
    }
    item
}

/// The end of a class that `bracket` wrote.
fn class_end(bytes: &[u8], start: usize) -> usize {
    let (mut depth, mut at) = (0_u32, start);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'[' => depth += 1,
            b']' => {
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// `{2}`, `{2,}` or `{2,3}`, whose brace is read already.
fn bound(chars: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<(), &'static str> {
    let mut text = String::new();
    loop {
        match chars.next() {
            Some('}') => break,
            Some(c) => text.push(c),
            None => return Err("a brace is not closed"),
        }
    }
    let (low, high) = text.split_once(',').unwrap_or((&text, &text));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(low) || !(high.is_empty() || is_number(high)) {
        return Err("between the braces there must be one number or two");
    }
    out.push('{');
    out.push_str(&text);
    out.push('}');
    Ok(())
}

/// A bracket expression, whose bracket is read already. A backslash means nothing special in it.
fn bracket(chars: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<(), &'static str> {
    out.push('[');
    if chars.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    let mut is_first = true;
    loop {
        let Some(c) = chars.next() else {
            return Err("a bracket is not closed");
        };
        match c {
            ']' if !is_first => break,
            '[' if chars.peek() == Some(&':') => {
                chars.next();
                let name: String = chars.by_ref().take_while(|c| *c != ':').collect();
                if chars.next() != Some(']') || !CLASSES.contains(&name.as_str()) {
                    return Err("there is no such class of characters");
                }
                out.push_str("[:");
                out.push_str(&name);
                out.push_str(":]");
            }
            '[' if matches!(chars.peek(), Some('.' | '=')) => {
                return Err("collating elements are not supported");
            }
            '-' if is_first || chars.peek() == Some(&']') => out.push_str("\\-"),
            '-' => out.push('-'),
            c if c.is_ascii_punctuation() => out.extend(['\\', c]),
            c if !c.is_ascii() => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    out.push_str(&format!("\\x{byte:02x}"));
                }
            }
            c => out.push(c),
        }
        is_first = false;
    }
    out.push(']');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::translate;

    #[test]
    fn brackets_lose_their_special_meaning() {
        assert_eq!(translate("[]a]").as_deref(), Ok("[\\]a]"));
        assert_eq!(translate("[^]a-c-]").as_deref(), Ok("[^\\]a-c\\-]"));
        assert_eq!(translate("[\\d]").as_deref(), Ok("[\\\\d]"));
        assert_eq!(translate("[[:alpha:]_&&]").as_deref(), Ok("[[:alpha:]\\_\\&\\&]"));
        assert!(translate("[abc").is_err());
        assert!(translate("[[:nope:]]").is_err());
    }

    #[test]
    fn repetitions_of_repetitions_are_not_lazy() {
        assert_eq!(translate("a+?").as_deref(), Ok("(?:a+)?"));
        assert_eq!(translate("(ab)*+").as_deref(), Ok("(?:(ab)*)+"));
        assert_eq!(translate("x[a]*{2}").as_deref(), Ok("x(?:[a]*){2}"));
        assert_eq!(translate("a\\+?").as_deref(), Ok("a\\+?"));
        assert!(translate("*a").is_err());
        assert!(translate("a|*").is_err());
    }
}
