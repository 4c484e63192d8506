//! Refuses texts that nest so deeply that parsing them would overflow the native stack: the parser recurses, and so does
//! what frees its tree. Looks at tokens alone.

use rnix::SyntaxKind::{self, *};

use crate::error::{Error, ErrorKind};
use crate::span::Span;

/// Brackets, functions, conditions and the like inside of each other. A component's stack of 1 MiB has room for thrice that.
const MAX_NESTING: usize = 200;
/// Operators and arguments in a row, each of which is one level of the tree.
const MAX_CHAIN: usize = 3_000;

/// What is open between two brackets.
#[derive(Default)]
struct Level {
    is_list: bool,
    /// `let` whose `in` is to come.
    is_let: bool,
    /// Levels of recursion since the last separator.
    nested: usize,
    /// Levels of the tree since then.
    chain: usize,
    /// `with` and `assert` whose `;` does not separate.
    headers: usize,
}

/// Returns an error where a text nests too deeply.
pub fn check<'a>(tokens: impl Iterator<Item = (SyntaxKind, &'a str)>, file: u32) -> Option<Error> {
    let mut levels = vec![Level::default()];
    let (mut nested, mut chain, mut offset) = (0, 0, 0);
    for (kind, text) in tokens {
        let start = offset;
        offset += text.len();
        if kind.is_trivia() {
            continue;
        }
        match kind {
            TOKEN_L_PAREN | TOKEN_L_BRACE | TOKEN_L_BRACK | TOKEN_INTERPOL_START | TOKEN_STRING_START => {
                open(&mut levels, &mut chain, kind == TOKEN_L_BRACK, false);
                nested += 1;
            }
            TOKEN_LET => {
                count(&mut levels, &mut nested);
                open(&mut levels, &mut chain, false, true);
                nested += 1;
            }
            TOKEN_R_PAREN | TOKEN_R_BRACE | TOKEN_R_BRACK | TOKEN_INTERPOL_END | TOKEN_STRING_END => {
                close(&mut levels, &mut nested, &mut chain);
            }
            TOKEN_IN if levels.last().is_some_and(|level| level.is_let) => {
                close(&mut levels, &mut nested, &mut chain);
            }
            TOKEN_SEMICOLON | TOKEN_COMMA => separate(&mut levels, &mut nested, &mut chain),
            TOKEN_WITH | TOKEN_ASSERT => {
                count(&mut levels, &mut nested);
                if let Some(level) = levels.last_mut() {
                    level.headers += 1;
                }
            }
            TOKEN_IF | TOKEN_ELSE | TOKEN_COLON | TOKEN_INVERT | TOKEN_SUB | TOKEN_IMPLICATION
            | TOKEN_PIPE_LEFT | TOKEN_OR => count(&mut levels, &mut nested),
            _ => link(&mut levels, &mut chain),
        }
        if nested > MAX_NESTING || chain > MAX_CHAIN {
            let span = Span {
                file,
                start: start as u32,
                end: offset as u32,
            };
            let message = "the expression nests too deeply to be read";
            let help = format!(
                "at most {MAX_NESTING} brackets, functions or conditions inside of each other and {MAX_CHAIN} \
                 operators or arguments in a row; name parts of it with `let`"
            );
            return Some(Error::new(ErrorKind::Syntax, message).help(help).at(Some(span)));
        }
    }
    None
}

fn open(levels: &mut Vec<Level>, chain: &mut usize, is_list: bool, is_let: bool) {
    link(levels, chain);
    levels.push(Level {
        is_list,
        is_let,
        ..Level::default()
    });
}

fn close(levels: &mut Vec<Level>, nested: &mut usize, chain: &mut usize) {
    if levels.len() > 1
        && let Some(level) = levels.pop()
    {
        *nested -= level.nested + 1;
        *chain -= level.chain;
    }
}

fn separate(levels: &mut [Level], nested: &mut usize, chain: &mut usize) {
    let Some(level) = levels.last_mut() else { return };
    if level.headers > 0 {
        level.headers -= 1;
        return;
    }
    *nested -= level.nested;
    *chain -= level.chain;
    (level.nested, level.chain) = (0, 0);
}

fn count(levels: &mut [Level], nested: &mut usize) {
    if let Some(level) = levels.last_mut() {
        level.nested += 1;
        *nested += 1;
    }
}

fn link(levels: &mut [Level], chain: &mut usize) {
    if let Some(level) = levels.last_mut()
        && !level.is_list
    {
        level.chain += 1;
        *chain += 1;
    }
}
