//! Shell patterns of `${x#p}` and its kin: `*`, `?` and `\` before one of them, without bracket expressions.
//! Knows nothing of variables.

/// Whether a `*` takes as little or as much as it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// As little.
    Shortest,
    /// As much.
    Longest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Literal(char),
    AnyOne,
    AnyNumber,
}

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    tokens: Vec<Token>,
}

impl Pattern {
    /// Reads a pattern; the error says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        let mut tokens = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            tokens.push(match c {
                '*' => Token::AnyNumber,
                '?' => Token::AnyOne,
                '\\' => match chars.next() {
                    // These two had to be escaped because of what surrounds the pattern.
                    Some(escaped @ ('}' | '/' | '*' | '?' | '\\')) => Token::Literal(escaped),
                    Some(other) => return Err(format!("`\\{other}` is no escape")),
                    None => return Err("it ends with `\\`".to_owned()),
                },
                other => Token::Literal(other),
            });
        }
        tokens.dedup_by(|a, b| *a == Token::AnyNumber && *b == Token::AnyNumber);
        Ok(Self { tokens })
    }

    /// Returns where the matching beginning of `text` ends.
    pub fn prefix(&self, text: &str, reach: Reach) -> Option<usize> {
        let chars: Vec<char> = text.chars().collect();
        let end = matching(&self.tokens, &chars, reach)?;
        Some(chars[..end].iter().map(|c| c.len_utf8()).sum())
    }

    /// Returns where the matching end of `text` begins.
    pub fn suffix(&self, text: &str, reach: Reach) -> Option<usize> {
        let chars: Vec<char> = text.chars().rev().collect();
        let tokens: Vec<Token> = self.tokens.iter().rev().copied().collect();
        let length = matching(&tokens, &chars, reach)?;
        Some(chars[length..].iter().map(|c| c.len_utf8()).sum())
    }

    /// Replaces the first, or every, longest match.
    pub fn replace(&self, text: &str, replacement: &str, all: bool) -> String {
        let chars: Vec<char> = text.chars().collect();
        let mut result = String::with_capacity(text.len());
        let mut position = 0;
        let mut after_match = false;
        while position <= chars.len() {
            let found = self.longest_at(&chars[position..]);
            // Nothing is not replaced where a replacement has just ended.
            if let Some(length) = found.filter(|length| *length > 0 || !after_match) {
                result.push_str(replacement);
                position += length;
                if !all {
                    break;
                }
                if length > 0 {
                    after_match = true;
                    continue;
                }
            }
            after_match = false;
            if let Some(c) = chars.get(position) {
                result.push(*c);
            }
            position += 1;
        }
        result.extend(chars.iter().skip(position));
        result
    }

    /// Returns the length of the longest match at the start. What stands before the first `*` is compared first, so
    /// that places where nothing can match cost little.
    fn longest_at(&self, text: &[char]) -> Option<usize> {
        let fixed = self
            .tokens
            .iter()
            .position(|t| *t == Token::AnyNumber)
            .unwrap_or(self.tokens.len());
        let head = text.get(..fixed)?;
        let fits = head.iter().zip(&self.tokens).all(|(c, token)| match token {
            Token::Literal(wanted) => c == wanted,
            _ => *c != '\n',
        });
        match (fits, fixed == self.tokens.len()) {
            (false, _) => None,
            (true, true) => Some(fixed),
            (true, false) => {
                matching(&self.tokens[fixed..], &text[fixed..], Reach::Longest).map(|n| fixed + n)
            }
        }
    }
}

/// Returns the shortest or longest beginning that matches all tokens. Wildcards do not match a line break.
fn matching(tokens: &[Token], text: &[char], reach: Reach) -> Option<usize> {
    // ends[i]: the tokens so far match the first i characters.
    let mut ends = vec![false; text.len() + 1];
    ends[0] = true;
    for token in tokens {
        match token {
            Token::AnyNumber => {
                for i in 1..ends.len() {
                    ends[i] |= ends[i - 1] && text[i - 1] != '\n';
                }
            }
            Token::AnyOne | Token::Literal(_) => {
                for i in (1..ends.len()).rev() {
                    let fits = match token {
                        Token::Literal(c) => text[i - 1] == *c,
                        _ => text[i - 1] != '\n',
                    };
                    ends[i] = ends[i - 1] && fits;
                }
                ends[0] = false;
            }
        }
        if !ends.contains(&true) {
            return None;
        }
    }
    match reach {
        Reach::Shortest => ends.iter().position(|e| *e),
        Reach::Longest => ends.iter().rposition(|e| *e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).unwrap()
    }

    #[test]
    fn prefixes() {
        assert_eq!(pattern("a*c").prefix("abcabc", Reach::Shortest), Some(3));
        assert_eq!(pattern("a*c").prefix("abcabc", Reach::Longest), Some(6));
        assert_eq!(pattern("ü?").prefix("üöx", Reach::Shortest), Some(4));
        assert_eq!(pattern("*x").prefix("a\nx", Reach::Longest), None);
        assert_eq!(pattern("").prefix("abc", Reach::Longest), Some(0));
    }

    #[test]
    fn suffixes() {
        assert_eq!(pattern(".*").suffix("a.b.c", Reach::Shortest), Some(3));
        assert_eq!(pattern(".*").suffix("a.b.c", Reach::Longest), Some(1));
        assert_eq!(pattern("x").suffix("abc", Reach::Longest), None);
    }

    #[test]
    fn replaces() {
        assert_eq!(pattern("b").replace("abcb", "X", false), "aXcb");
        assert_eq!(pattern("b").replace("abcb", "X", true), "aXcX");
        assert_eq!(pattern("*").replace("abc", "X", true), "X");
        assert_eq!(pattern("").replace("ab", "-", true), "-a-b-");
        assert_eq!(pattern("z").replace("abc", "X", true), "abc");
    }

    #[test]
    fn bad_escapes() {
        assert!(Pattern::new("\\a").is_err());
        assert!(Pattern::new("a\\").is_err());
    }
}
