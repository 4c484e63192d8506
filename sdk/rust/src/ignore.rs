//! `.dockerignore`: its lines, and whether all of a path is left out by them.
//! Knows nothing of files; the host applies the patterns to the context.

/// Reads the lines: comments and empty ones are left out, patterns are cleaned and made relative.
pub fn parse(text: &str) -> Result<Vec<String>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut patterns = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.starts_with('#') {
            continue;
        }
        let line = line.trim();
        let (negated, pattern) = match line.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, line),
        };
        if line.is_empty() {
            continue;
        }
        let wrong = |problem: &str| Err(format!("line {}: `{line}` {problem}", number + 1));
        if pattern.is_empty() {
            return wrong("has no pattern after `!`");
        }
        if tokens(pattern).is_none() {
            return wrong("is no pattern: a `[` or a `\\` is not complete");
        }
        let clean = clean(pattern);
        let clean = if clean.len() > 1 {
            clean.strip_prefix('/').unwrap_or(&clean)
        } else {
            &clean
        };
        patterns.push(format!("{}{clean}", if negated { "!" } else { "" }));
    }
    Ok(patterns)
}

/// A path as Go's `filepath.Clean` leaves it.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

/// Whether the patterns certainly leave a path out. Where one re-includes something, nothing is certain.
pub fn leaves_out(patterns: &[String], path: &str) -> bool {
    if patterns.iter().any(|pattern| pattern.starts_with('!')) {
        return false;
    }
    let path = clean(path);
    let path = path.trim_start_matches('/');
    if path.is_empty() || path == "." {
        return patterns
            .iter()
            .any(|pattern| matches!(pattern.as_str(), "*" | "**" | "**/*"));
    }
    // A path is left out with any of its parents.
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    let parents: Vec<&str> = ends.map(|end| &path[..end]).collect();
    patterns
        .iter()
        .filter_map(|pattern| tokens(pattern))
        .any(|tokens| parents.iter().any(|p| matches(&tokens, p)))
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Literal(char),
    /// `?`
    One,
    /// `*`
    Many,
    /// `**/`: any number of directories.
    Directories,
    /// `**` elsewhere.
    Everything,
    /// `[…]`
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

/// Reads a pattern; none: it is not well formed.
/// Whether a text is a pattern: its `[` and `\` are complete.
pub fn is_pattern(text: &str) -> bool {
    tokens(text).is_some()
}

fn tokens(pattern: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' if chars.next_if_eq(&'*').is_some() => match chars.next_if_eq(&'/') {
                Some(_) => Token::Directories,
                None => Token::Everything,
            },
            '*' => Token::Many,
            '?' => Token::One,
            '\\' => Token::Literal(chars.next()?),
            '[' => {
                let negated = chars.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                loop {
                    let mut member = || match chars.next()? {
                        '\\' => chars.next(),
                        c => Some(c),
                    };
                    let low = member()?;
                    let high = if chars.next_if_eq(&'-').is_some() {
                        match chars.next()? {
                            '\\' => chars.next()?,
                            ']' => return None,
                            c => c,
                        }
                    } else {
                        low
                    };
                    ranges.push((low, high));
                    if chars.next_if_eq(&']').is_some() {
                        break;
                    }
                }
                Token::Class { negated, ranges }
            }
            c => Token::Literal(c),
        });
    }
    Some(tokens)
}

fn matches(tokens: &[Token], path: &str) -> bool {
    let text: Vec<char> = path.chars().collect();
    // ends[i]: the tokens so far match the first i characters.
    let mut ends = vec![false; text.len() + 1];
    ends[0] = true;
    for token in tokens {
        match token {
            Token::Many | Token::Everything => {
                for i in 1..ends.len() {
                    ends[i] |= ends[i - 1] && (*token == Token::Everything || text[i - 1] != '/');
                }
            }
            Token::Directories => {
                let mut reached = false;
                for i in 0..ends.len() {
                    if reached && i > 0 && text[i - 1] == '/' {
                        ends[i] = true;
                    }
                    reached |= ends[i];
                }
            }
            Token::Literal(_) | Token::One | Token::Class { .. } => {
                for i in (1..ends.len()).rev() {
                    ends[i] = ends[i - 1] && fits(token, text[i - 1]);
                }
                ends[0] = false;
            }
        }
    }
    ends[text.len()]
}

fn fits(token: &Token, c: char) -> bool {
    match token {
        Token::Literal(wanted) => c == *wanted,
        Token::Class { negated, ranges } => {
            c != '/' && ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
        }
        _ => c != '/',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(text: &str) -> Vec<String> {
        parse(text).unwrap()
    }

    #[test]
    fn lines() {
        let text = "\u{feff}# comment\n\n  a/b/  \n/c\n! d/../e \n./f\n /\n #not\n";
        assert_eq!(patterns(text), ["a/b", "c", "!e", "f", "/", "#not"]);
        assert!(parse("a\n[").unwrap_err().starts_with("line 2:"));
        assert!(parse("!").is_err());
    }

    #[test]
    fn what_is_left_out() {
        let out = |text: &str, path: &str| leaves_out(&patterns(text), path);
        assert!(out("a", "a") && out("a", "/a/b/c") && out("a", "./a"));
        assert!(!out("a", "b/a"));
        assert!(out("**/a", "a") && out("**/a", "x/y/a") && !out("**/a", "xa"));
        assert!(out("*.txt", "x.txt") && !out("*.txt", "d/x.txt"));
        assert!(out("**/*.txt", "d/x.txt") && out("a/**", "a/b/c"));
        assert!(out("[a-c]?", "bx") && !out("[^a-c]", "b"));
        assert!(!out("a\n!a/b", "a"));
        assert!(!out("a", ".") && out("*", ".") && out("**", "/"));
    }
}
