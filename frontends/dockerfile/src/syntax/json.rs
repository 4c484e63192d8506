//! Arrays of strings in JSON (RFC 8259): the exec form.
//! Knows nothing of instructions. No library, as places inside of the text are wanted.

use std::ops::Range;

/// Deeper nesting than this is refused.
const MAX_DEPTH: usize = 64;

/// An element and where it stands in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The string it stands for.
    pub value: String,
    /// With its quotes.
    pub range: Range<usize>,
}

/// Why a text is not an array of strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonError {
    /// It does not begin with `[`.
    NotAnArray,
    /// It is not JSON.
    Invalid {
        /// The byte where it goes wrong.
        offset: usize,
        /// What is wrong there.
        reason: &'static str,
    },
    /// It is an array, but this element is not a string.
    NotAString {
        /// First byte of the element.
        offset: usize,
    },
}

/// Reads an array of strings; white space around it is ignored.
pub fn strings(text: &str) -> Result<Vec<Item>, JsonError> {
    let start = text.len() - text.trim_start().len();
    if !text[start..].starts_with('[') {
        return Err(JsonError::NotAnArray);
    }
    let mut parser = Parser {
        bytes: text.as_bytes(),
        text,
        position: start + 1,
    };
    let mut items = Vec::new();
    let mut not_a_string = None;
    parser.space();
    if !parser.take(b']') {
        loop {
            parser.space();
            let from = parser.position;
            if parser.peek() == Some(b'"') {
                let value = parser.string()?;
                items.push(Item {
                    value,
                    range: from..parser.position,
                });
            } else {
                parser.value(1)?;
                not_a_string.get_or_insert(from);
            }
            parser.space();
            if parser.take(b']') {
                break;
            }
            if !parser.take(b',') {
                return parser.fail("`,` or `]` is missing");
            }
        }
    }
    parser.space();
    if parser.peek().is_some() {
        return parser.fail("there is text after the array");
    }
    match not_a_string {
        Some(offset) => Err(JsonError::NotAString { offset }),
        None => Ok(items),
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    text: &'a str,
    position: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.position).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.position += usize::from(found);
        found
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.position += 1;
        }
    }

    fn fail<T>(&self, reason: &'static str) -> Result<T, JsonError> {
        Err(JsonError::Invalid {
            offset: self.position,
            reason,
        })
    }

    /// Reads a string; the position is at its quote.
    fn string(&mut self) -> Result<String, JsonError> {
        self.position += 1;
        let mut value = String::new();
        loop {
            let from = self.position;
            while self.peek().is_some_and(|b| b != b'"' && b != b'\\' && b >= 0x20) {
                self.position += 1;
            }
            value.push_str(&self.text[from..self.position]);
            match self.peek() {
                Some(b'"') => {
                    self.position += 1;
                    return Ok(value);
                }
                Some(b'\\') => value.push(self.escape()?),
                Some(_) => return self.fail("a control character must be escaped"),
                None => return self.fail("the string has no closing quote"),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let simple = match self.bytes.get(self.position + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return self.fail("no such escape"),
        };
        self.position += 2;
        Ok(simple)
    }

    /// Reads `\uXXXX`, and a second one where the first is half of a pair. A half without the other is U+FFFD.
    fn unicode(&mut self) -> Result<char, JsonError> {
        let Some(first) = self.hex(self.position) else {
            return self.fail("four hexadecimal digits are missing");
        };
        self.position += 6;
        if !(0xd800..0xe000).contains(&first) {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        if first < 0xdc00
            && let Some(second) = self.hex(self.position)
            && (0xdc00..0xe000).contains(&second)
        {
            self.position += 6;
            let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex(&self, at: usize) -> Option<u32> {
        let escape = self.bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
        escape
            .iter()
            .try_fold(0, |n, b| Some(n * 16 + (*b as char).to_digit(16)?))
    }

    /// Passes over any value.
    fn value(&mut self, depth: usize) -> Result<(), JsonError> {
        if depth > MAX_DEPTH {
            return self.fail("it is nested too deeply");
        }
        match self.peek() {
            Some(b'"') => self.string().map(|_| ()),
            Some(b'[') => self.sequence(b']', depth, false),
            Some(b'{') => self.sequence(b'}', depth, true),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                for word in ["true", "false", "null"] {
                    if self.text[self.position..].starts_with(word) {
                        self.position += word.len();
                        return Ok(());
                    }
                }
                self.fail("a string in double quotes is missing")
            }
        }
    }

    fn sequence(&mut self, close: u8, depth: usize, keyed: bool) -> Result<(), JsonError> {
        self.position += 1;
        self.space();
        if self.take(close) {
            return Ok(());
        }
        loop {
            self.space();
            if keyed {
                if self.peek() != Some(b'"') {
                    return self.fail("a key in double quotes is missing");
                }
                self.string()?;
                self.space();
                if !self.take(b':') {
                    return self.fail("`:` is missing");
                }
                self.space();
            }
            self.value(depth + 1)?;
            self.space();
            if self.take(close) {
                return Ok(());
            }
            if !self.take(b',') {
                return self.fail("`,` is missing");
            }
        }
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.position;
        self.take(b'-');
        let from = self.position;
        self.digits();
        if self.position == from || (self.bytes[from] == b'0' && self.position > from + 1) {
            return Err(JsonError::Invalid {
                offset: start,
                reason: "a string in double quotes is missing",
            });
        }
        if self.take(b'.') && !self.digits() {
            return Err(JsonError::Invalid {
                offset: start,
                reason: "a string in double quotes is missing",
            });
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            if !self.digits() {
                return Err(JsonError::Invalid {
                    offset: start,
                    reason: "a string in double quotes is missing",
                });
            }
        }
        Ok(())
    }

    fn digits(&mut self) -> bool {
        let from = self.position;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.position += 1;
        }
        self.position > from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Result<Vec<String>, JsonError> {
        strings(text).map(|items| items.into_iter().map(|i| i.value).collect())
    }

    #[test]
    fn reads_strings() {
        assert_eq!(
            values(r#" [ "a" , "b\n\u0041\ud83d\ude00" ] "#),
            Ok(vec!["a".into(), "b\nA😀".into()])
        );
        assert_eq!(values("[]"), Ok(vec![]));
        assert_eq!(values(r#"["\ud800"]"#), Ok(vec!["\u{fffd}".into()]));
        assert_eq!(strings(r#"["ab"]"#).unwrap()[0].range, 1..5);
    }

    #[test]
    fn tells_what_is_wrong() {
        assert_eq!(values("echo"), Err(JsonError::NotAnArray));
        assert!(matches!(
            values("['a']"),
            Err(JsonError::Invalid { offset: 1, .. })
        ));
        assert!(matches!(
            values("[\"a\" \"b\"]"),
            Err(JsonError::Invalid { offset: 5, .. })
        ));
        assert!(matches!(
            values("[\"a\",]"),
            Err(JsonError::Invalid { offset: 5, .. })
        ));
        assert!(matches!(values("[ -f x ] && y"), Err(JsonError::Invalid { .. })));
        assert!(matches!(
            values("[\"a"),
            Err(JsonError::Invalid { offset: 3, .. })
        ));
        assert!(matches!(
            values("[\"a\"] x"),
            Err(JsonError::Invalid { offset: 6, .. })
        ));
        assert_eq!(
            values("[\"a\", 1.5e3, {\"k\": [null]}]"),
            Err(JsonError::NotAString { offset: 6 })
        );
    }

    #[test]
    fn deep_nesting_is_refused() {
        assert!(matches!(
            values(&"[".repeat(100_000)),
            Err(JsonError::Invalid { .. })
        ));
    }
}
