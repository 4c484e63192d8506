//! Indented strings: what the indentation of their lines is, and what is left without it. Follows Nix's own rules, in
//! which an escape is no indentation, and a line that an escape begins has some to lose. Knows nothing of values.

use rnix::ast::{self, AstToken, InterpolPart};

/// A piece of a string between two interpolations or escapes.
enum Token {
    /// Text, whose spaces count.
    Text(String),
    /// What an escape stands for.
    Escape(String),
    /// An expression.
    Interpolation(ast::Interpol),
}

/// The parts of an indented string, without indentation and escapes.
pub fn parts(string: &ast::Str) -> Vec<InterpolPart<String>> {
    let tokens = tokens(string);
    let indent = indent(&tokens);
    let last = tokens.len().saturating_sub(1);
    let mut strip = Strip {
        indent,
        at_line_start: true,
        dropped: 0,
    };
    let mut out: Vec<InterpolPart<String>> = Vec::new();
    for (index, token) in tokens.into_iter().enumerate() {
        match token {
            Token::Interpolation(interpolation) => {
                strip.at_line_start = false;
                strip.dropped = 0;
                out.push(InterpolPart::Interpolation(interpolation));
            }
            Token::Text(text) | Token::Escape(text) => {
                let mut text = strip.strip(&text);
                if index == last {
                    drop_last_spaces(&mut text);
                }
                match out.last_mut() {
                    Some(InterpolPart::Literal(before)) => before.push_str(&text),
                    _ => out.push(InterpolPart::Literal(text)),
                }
            }
        }
    }
    out
}

/// Splits a string into its tokens, as Nix's lexer does.
fn tokens(string: &ast::Str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (index, part) in string.parts().enumerate() {
        match part {
            InterpolPart::Interpolation(interpolation) => tokens.push(Token::Interpolation(interpolation)),
            InterpolPart::Literal(content) => {
                let text = content.syntax().text().replace("\r\n", "\n").replace('\r', "\n");
                let mut text = text.as_str();
                if index == 0 {
                    // The first line is not there if it is empty.
                    let rest = text.trim_start_matches(' ');
                    text = rest.strip_prefix('\n').unwrap_or(text);
                }
                literal(text, &mut tokens);
            }
        }
    }
    tokens
}

fn literal(text: &str, tokens: &mut Vec<Token>) {
    let mut plain = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\'', Some('\'')) => {
                chars.next();
                let escaped = match chars.next() {
                    Some('$') => "$".to_owned(),
                    Some('\'') => "''".to_owned(),
                    Some('\\') => match chars.next() {
                        Some('n') => "\n".to_owned(),
                        Some('r') => "\r".to_owned(),
                        Some('t') => "\t".to_owned(),
                        Some(c) => c.to_string(),
                        None => String::new(),
                    },
                    Some(c) => c.to_string(),
                    None => String::new(),
                };
                flush(&mut plain, tokens);
                tokens.push(Token::Escape(escaped));
            }
            // Two characters at a time, so that `$${` is no interpolation.
            ('$', Some(next)) if *next != '{' && *next != '\'' => {
                plain.push(c);
                plain.extend(chars.next());
            }
            _ => plain.push(c),
        }
    }
    flush(&mut plain, tokens);
}

fn flush(plain: &mut String, tokens: &mut Vec<Token>) {
    if !plain.is_empty() {
        tokens.push(Token::Text(std::mem::take(plain)));
    }
}

/// The smallest number of spaces that a line with something in it begins with.
fn indent(tokens: &[Token]) -> usize {
    let (mut smallest, mut current, mut at_line_start) = (usize::MAX, 0, true);
    for token in tokens {
        let Token::Text(text) = token else {
            if at_line_start {
                at_line_start = false;
                smallest = smallest.min(current);
            }
            continue;
        };
        for c in text.chars() {
            match c {
                '\n' => (at_line_start, current) = (true, 0),
                ' ' if at_line_start => current += 1,
                _ if at_line_start => {
                    at_line_start = false;
                    smallest = smallest.min(current);
                }
                _ => {}
            }
        }
    }
    smallest
}

/// Takes the indentation away.
struct Strip {
    indent: usize,
    at_line_start: bool,
    dropped: usize,
}

impl Strip {
    fn strip(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                ' ' if self.at_line_start => {
                    if self.dropped >= self.indent {
                        out.push(c);
                    }
                    self.dropped += 1;
                    continue;
                }
                '\n' => self.at_line_start = true,
                _ => self.at_line_start = false,
            }
            self.dropped = 0;
            out.push(c);
        }
        out
    }
}

/// The last line is not there if it has spaces alone.
fn drop_last_spaces(text: &mut String) {
    if let Some(end) = text.rfind('\n')
        && text[end + 1..].bytes().all(|byte| byte == b' ')
    {
        text.truncate(end + 1);
    }
}
