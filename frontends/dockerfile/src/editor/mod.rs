//! What an editor asks while a Dockerfile is written: what could stand at a place, and what is to be said about one.
//! Works on files that cannot be built. Asks the host for nothing.

pub mod complete;
pub mod hover;
pub mod place;
pub mod scope;
pub mod words;

use lapstrake_sdk::types::{Completion, Hover, Position, Request};

/// What could stand at a position of the build file.
pub fn completions(request: &Request, file: u32, at: Position) -> Vec<Completion> {
    let Some((text, index, offset)) = request.main_text_at(file, at) else {
        return Vec::new();
    };
    match place::find(text, offset) {
        Some(found) => complete::at(text, offset, &found, complete::range(&index, &found)),
        None => Vec::new(),
    }
}

/// What is to be said about a position of the build file.
pub fn hover(request: &Request, file: u32, at: Position) -> Option<Hover> {
    let (text, index, offset) = request.main_text_at(file, at)?;
    // The word is known by its end. What belongs to a word depends on what it is: a name first, then more.
    let name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let more = |c: char| name(c) || matches!(c, '-' | '.' | '/' | ':');
    [&name as &dyn Fn(char) -> bool, &more]
        .into_iter()
        .find_map(|belongs| {
            let rest = &text[offset..];
            let end = offset + rest.find(|c: char| !belongs(c)).unwrap_or(rest.len());
            let found = place::find(text, end)?;
            hover::at(text, &found, complete::range(&index, &found))
        })
}

#[cfg(test)]
mod tests;
