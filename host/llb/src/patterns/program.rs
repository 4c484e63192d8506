//! One pattern as a small automaton: reading it and running it over a path.
//! Knows nothing of lists, negation or the trimming of patterns.

use crate::PatternProblem;

/// Which of the two languages a pattern is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Patternmatcher's: `**` crosses directories.
    List,
    /// `path.Match`'s.
    Glob,
}

/// One step of the automaton. State `i` stands before token `i`; the state after the last token accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// This character.
    Char(u32),
    /// Any character but `/`.
    Any,
    /// A character in, or not in, the ranges.
    Class { negated: bool, ranges: Vec<(u32, u32)> },
    /// Any number of characters but `/`.
    Star,
    /// Any number of whole directories, each with its `/`, none included.
    Directories,
    /// Any number of characters.
    Anything,
}

/// A pattern that is ready to run.
#[derive(Debug, Clone)]
pub(super) struct Program {
    tokens: Vec<Token>,
    /// The pattern without backslashes, where it has no wildcards.
    literal: Option<String>,
}

/// How far a path leads in an automaton.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Reach {
    /// Whether the path or one of its parents is accepted.
    pub matched: bool,
    /// Whether a path below this one may be accepted.
    pub below: bool,
    /// Work done, in transitions.
    pub steps: u64,
}

/// Bytes that are no UTF-8 become characters above the last one, so that only wildcards match them.
const RAW: u32 = 0x11_0000;
const SLASH: u32 = '/' as u32;

fn characters(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.utf8_chunks().flat_map(|chunk| {
        chunk
            .valid()
            .chars()
            .map(u32::from)
            .chain(chunk.invalid().iter().map(|b| RAW + u32::from(*b)))
    })
}

impl Program {
    /// Reads a pattern.
    pub fn new(pattern: &str, dialect: Dialect) -> Result<Self, PatternProblem> {
        let tokens = Reader {
            rest: pattern,
            dialect,
        }
        .tokens()?;
        let literal = tokens
            .iter()
            .map(|token| match token {
                Token::Char(c) => char::from_u32(*c),
                _ => None,
            })
            .collect();
        Ok(Self { tokens, literal })
    }

    /// The only text that is accepted, where there is only one.
    pub fn literal(&self) -> Option<&str> {
        self.literal.as_deref()
    }

    /// Runs over a path in a list of patterns. The empty path is the root, which no pattern matches.
    pub fn reach(&self, path: &[u8]) -> Reach {
        if path.is_empty() {
            return Reach {
                matched: false,
                below: !self.tokens.is_empty(),
                steps: 0,
            };
        }
        if let Some(literal) = &self.literal {
            return reach_literal(literal.as_bytes(), path);
        }
        self.with_states(|states, next| {
            let mut steps = self.enter(states, 0);
            for c in characters(path) {
                if c == SLASH && self.accepting(states) {
                    return Reach {
                        matched: true,
                        below: true,
                        steps,
                    };
                }
                let (alive, work) = self.step(states, next, c);
                steps += work;
                if !alive {
                    return Reach {
                        steps,
                        ..Reach::default()
                    };
                }
                states.copy_from_slice(next);
            }
            let matched = self.accepting(states);
            let (below, work) = self.step(states, next, SLASH);
            Reach {
                matched,
                below: matched || below,
                steps: steps + work,
            }
        })
    }

    /// Runs over a whole name.
    pub fn accepts(&self, name: &[u8]) -> bool {
        if let Some(literal) = &self.literal {
            return literal.as_bytes() == name;
        }
        self.with_states(|states, next| {
            self.enter(states, 0);
            for c in characters(name) {
                if !self.step(states, next, c).0 {
                    return false;
                }
                states.copy_from_slice(next);
            }
            self.accepting(states)
        })
    }

    /// Calls `run` with two empty sets of states, on the stack for all but the longest patterns.
    fn with_states<R>(&self, run: impl FnOnce(&mut [u64], &mut [u64]) -> R) -> R {
        let words = self.tokens.len() / 64 + 1;
        if words <= 2 {
            let (mut a, mut b) = ([0u64; 2], [0u64; 2]);
            run(&mut a[..words], &mut b[..words])
        } else {
            let (mut a, mut b) = (vec![0u64; words], vec![0u64; words]);
            run(&mut a, &mut b)
        }
    }

    fn accepting(&self, states: &[u64]) -> bool {
        let end = self.tokens.len();
        states[end / 64] >> (end % 64) & 1 == 1
    }

    /// Adds a state and those that it leads to without reading a character. Returns the work done.
    fn enter(&self, states: &mut [u64], mut state: usize) -> u64 {
        let mut work = 1;
        loop {
            let bit = 1 << (state % 64);
            if states[state / 64] & bit != 0 {
                return work;
            }
            states[state / 64] |= bit;
            match self.tokens.get(state) {
                Some(Token::Star | Token::Directories | Token::Anything) => state += 1,
                _ => return work,
            }
            work += 1;
        }
    }

    /// Reads a character in all states at once. Returns whether a state is left, and the work done.
    fn step(&self, states: &[u64], next: &mut [u64], c: u32) -> (bool, u64) {
        next.fill(0);
        let mut work = 0;
        for (index, word) in states.iter().enumerate() {
            let mut bits = *word;
            while bits != 0 {
                let state = index * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                work += 1;
                let goal = match self.tokens.get(state) {
                    None => None,
                    Some(Token::Char(wanted)) => (*wanted == c).then_some(state + 1),
                    Some(Token::Any) => (c != SLASH).then_some(state + 1),
                    Some(Token::Class { negated, ranges }) => {
                        let inside = ranges.iter().any(|(low, high)| (*low..=*high).contains(&c));
                        (inside != *negated).then_some(state + 1)
                    }
                    Some(Token::Star) => (c != SLASH).then_some(state),
                    Some(Token::Anything) => Some(state),
                    Some(Token::Directories) => {
                        // Stays inside, and leaves only behind a slash: no way on without one.
                        next[state / 64] |= 1 << (state % 64);
                        (c == SLASH).then_some(state + 1)
                    }
                };
                if let Some(goal) = goal {
                    work += self.enter(next, goal);
                }
            }
        }
        (next.iter().any(|word| *word != 0), work)
    }
}

fn reach_literal(literal: &[u8], path: &[u8]) -> Reach {
    let parent = |short: &[u8], long: &[u8]| long.starts_with(short) && long.get(short.len()) == Some(&b'/');
    let matched = literal == path || parent(literal, path);
    Reach {
        matched,
        below: matched || parent(path, literal),
        steps: 1,
    }
}

/// Reads the text of a pattern.
struct Reader<'a> {
    rest: &'a str,
    dialect: Dialect,
}

impl Reader<'_> {
    fn tokens(mut self) -> Result<Vec<Token>, PatternProblem> {
        let mut tokens = Vec::new();
        let mut suffix = false;
        while let Some(c) = self.next() {
            tokens.push(match c {
                '*' if self.dialect == Dialect::List && self.take('*') => {
                    let first = tokens.is_empty();
                    let slash = self.take('/');
                    if self.rest.is_empty() {
                        Token::Anything
                    } else {
                        suffix = first && !slash;
                        Token::Directories
                    }
                }
                '*' => Token::Star,
                '?' => Token::Any,
                '[' => self.class()?,
                '\\' => Token::Char(self.next().ok_or(PatternProblem::TrailingBackslash)?.into()),
                other => Token::Char(other.into()),
            });
        }
        // `**.txt` is any path that ends so, not only one with a component `.txt`.
        if suffix && tokens.iter().skip(1).all(|token| matches!(token, Token::Char(_))) {
            tokens[0] = Token::Anything;
        }
        Ok(tokens)
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next();
        self.rest = chars.as_str();
        c
    }

    fn take(&mut self, wanted: char) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Reads a class behind its `[`.
    fn class(&mut self) -> Result<Token, PatternProblem> {
        let negated = self.take('^');
        let mut ranges = Vec::new();
        loop {
            if !ranges.is_empty() && self.take(']') {
                return Ok(Token::Class { negated, ranges });
            }
            let low = self.class_character()?;
            let high = if self.take('-') {
                self.class_character()?
            } else {
                low
            };
            if low > high && self.dialect == Dialect::List {
                return Err(PatternProblem::ReversedRange);
            }
            ranges.push((low, high));
        }
    }

    fn class_character(&mut self) -> Result<u32, PatternProblem> {
        match self.next() {
            None => Err(PatternProblem::UnclosedClass),
            Some('-' | ']') => Err(PatternProblem::MisplacedInClass),
            Some('\\') => self
                .next()
                .ok_or(PatternProblem::TrailingBackslash)
                .map(u32::from),
            Some(c) => Ok(c.into()),
        }
    }
}
