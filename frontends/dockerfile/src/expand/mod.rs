//! Variables, quotes and escapes in a word, as a shell reads them.
//! Knows nothing of where variables come from or which instruction the word is of.

mod substitution;

use crate::error::{ExpandError, ExpandProblem};

/// Values by name.
pub trait Variables {
    /// Returns the value of a variable that is set.
    fn get(&self, name: &str) -> Option<&str>;
}

/// No variable is set.
pub struct NoVariables;

impl Variables for NoVariables {
    fn get(&self, _: &str) -> Option<&str> {
        None
    }
}

impl<T: Variables + ?Sized> Variables for &T {
    fn get(&self, name: &str) -> Option<&str> {
        (**self).get(name)
    }
}

/// How words are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expander {
    /// The escape character.
    pub escape: char,
    /// Whether quotes stay in the result.
    pub keep_quotes: bool,
    /// Whether escape characters stay in the result.
    pub keep_escapes: bool,
    /// Whether quotes are ordinary characters, as in the body of a heredoc.
    pub plain_quotes: bool,
    /// Whether a substitution of a variable that is not set stays as written.
    pub keep_unset: bool,
}

/// A word after expansion.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expansion {
    /// The result.
    pub text: String,
    /// Names that were asked for and set.
    pub matched: Vec<String>,
    /// Names that were asked for and not set, without those for which the word says what to do then.
    pub unmatched: Vec<String>,
}

impl Expander {
    /// Makes the usual one: quotes and escapes are removed, unset variables are empty.
    pub fn new(escape: char) -> Self {
        Self {
            escape,
            keep_quotes: false,
            keep_escapes: false,
            plain_quotes: false,
            keep_unset: false,
        }
    }

    /// Expands to one word.
    pub fn expand(&self, word: &str, variables: &dyn Variables) -> Result<Expansion, ExpandError> {
        if !word.contains(['$', '\'', '"', self.escape]) {
            return Ok(Expansion {
                text: word.to_owned(),
                ..Expansion::default()
            });
        }
        let (text, state) = self.run(word, variables, false)?;
        Ok(Expansion {
            text,
            matched: state.matched,
            unmatched: state.unmatched,
        })
    }

    /// Expands and then splits at white space that is not quoted.
    pub fn words(&self, word: &str, variables: &dyn Variables) -> Result<Vec<String>, ExpandError> {
        let (_, state) = self.run(word, variables, true)?;
        Ok(state.words.map(Splitter::finish).unwrap_or_default())
    }

    fn run<'a>(
        &self,
        word: &'a str,
        variables: &'a dyn Variables,
        split: bool,
    ) -> Result<(String, Run<'a>), ExpandError> {
        let mut run = Run {
            how: *self,
            text: word,
            position: 0,
            variables,
            matched: Vec::new(),
            unmatched: Vec::new(),
            words: split.then(Splitter::default),
        };
        let text = run.until(None, self.keep_escapes, 0)?;
        Ok((text, run))
    }
}

/// Collects the words of a split.
#[derive(Default)]
struct Splitter {
    word: String,
    words: Vec<String>,
}

impl Splitter {
    fn text(&mut self, text: &str) {
        for c in text.chars() {
            if !c.is_whitespace() {
                self.word.push(c);
            } else if !self.word.is_empty() {
                self.words.push(std::mem::take(&mut self.word));
            }
        }
    }

    fn finish(mut self) -> Vec<String> {
        if !self.word.is_empty() {
            self.words.push(self.word);
        }
        self.words
    }
}

struct Run<'a> {
    how: Expander,
    text: &'a str,
    position: usize,
    variables: &'a dyn Variables,
    matched: Vec<String>,
    unmatched: Vec<String>,
    words: Option<Splitter>,
}

impl<'a> Run<'a> {
    fn peek(&self) -> Option<char> {
        self.text[self.position..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.position += c.len_utf8();
        Some(c)
    }

    fn fail<T>(&self, offset: usize, problem: ExpandProblem) -> Result<T, ExpandError> {
        Err(ExpandError {
            problem,
            offset: offset.min(self.text.len()),
        })
    }

    /// Reads up to `stop`, which is passed over, or to the end.
    fn until(&mut self, stop: Option<char>, keep_escapes: bool, depth: usize) -> Result<String, ExpandError> {
        let start = self.position;
        let mut result = match depth {
            0 => String::with_capacity(self.text.len()),
            _ => String::new(),
        };
        let quotes = !self.how.plain_quotes;
        while let Some(c) = self.peek() {
            if Some(c) == stop {
                self.position += c.len_utf8();
                return Ok(result);
            }
            match c {
                '$' => {
                    let value = self.dollar(depth)?;
                    if depth == 0
                        && let Some(words) = &mut self.words
                    {
                        words.text(&value);
                    }
                    result.push_str(&value);
                }
                '\'' | '"' if quotes => {
                    let value = if c == '"' {
                        self.double_quoted(keep_escapes, depth)?
                    } else {
                        self.single_quoted()?
                    };
                    self.raw(&value, depth);
                    result.push_str(&value);
                }
                _ if c == self.how.escape => {
                    let from = self.position;
                    self.next();
                    let kept_from = if keep_escapes { from } else { self.position };
                    self.next();
                    let value = &self.text[kept_from..self.position];
                    self.raw(value, depth);
                    result.push_str(value);
                }
                _ => {
                    let from = self.position;
                    self.plain(stop);
                    let value = &self.text[from..self.position];
                    if depth == 0
                        && let Some(words) = &mut self.words
                    {
                        words.text(value);
                    }
                    result.push_str(value);
                }
            }
        }
        match stop {
            None => Ok(result),
            Some(_) => self.fail(start, ExpandProblem::MissingBrace),
        }
    }

    /// Passes over a character, and then over all that mean nothing.
    fn plain(&mut self, stop: Option<char>) {
        self.next();
        let escape = self.how.escape;
        let means = |c: char| matches!(c, '$' | '\'' | '"') || c == escape || Some(c) == stop;
        let rest = &self.text[self.position..];
        self.position += rest.find(means).unwrap_or(rest.len());
    }

    /// Adds text that is not split to the words.
    fn raw(&mut self, text: &str, depth: usize) {
        if depth == 0
            && let Some(words) = &mut self.words
        {
            words.word.push_str(text);
        }
    }

    fn single_quoted(&mut self) -> Result<String, ExpandError> {
        let start = self.position;
        match self.text[start + 1..].find('\'') {
            Some(length) => {
                self.position = start + length + 2;
                let inner = start + 1..start + 1 + length;
                Ok(self.text[if self.how.keep_quotes {
                    start..self.position
                } else {
                    inner
                }]
                .to_owned())
            }
            None => self.fail(start, ExpandProblem::Unterminated("a single-quoted text")),
        }
    }

    fn double_quoted(&mut self, keep_escapes: bool, depth: usize) -> Result<String, ExpandError> {
        let start = self.position;
        let mut result = String::new();
        self.next();
        if self.how.keep_quotes {
            result.push('"');
        }
        while let Some(c) = self.peek() {
            match c {
                '"' => {
                    self.next();
                    if self.how.keep_quotes {
                        result.push('"');
                    }
                    return Ok(result);
                }
                '$' => result.push_str(&self.dollar(depth)?),
                _ => {
                    self.next();
                    if c != self.how.escape {
                        result.push(c);
                        continue;
                    }
                    match self.peek() {
                        // An escape character at the very end escapes nothing.
                        None => {}
                        Some(escaped) if escaped == '"' || escaped == '$' || escaped == c => {
                            if keep_escapes {
                                result.push(c);
                            }
                            self.next();
                            result.push(escaped);
                        }
                        Some(_) => result.push(c),
                    }
                }
            }
        }
        self.fail(start, ExpandProblem::Unterminated("a double-quoted text"))
    }
}

#[cfg(test)]
mod tests;
