//! The source files of an evaluation, and where their lines are. Knows nothing of the language.

use std::cell::RefCell;
use std::rc::Rc;

use lapstrake_sdk::LineIndex;
use lapstrake_sdk::types::{Position, SourceFile, SourceRange};

use crate::span::Span;

/// A file that was read.
pub struct Source {
    /// What the person calls it.
    pub name: String,
    /// Its path in the build context; none: it came with the request.
    pub path: Option<String>,
    /// What it holds.
    pub text: String,
    lines: LineIndex,
}

/// Every file that was read, in the order in which that happened.
#[derive(Default)]
pub struct Sources {
    files: RefCell<Vec<Rc<Source>>>,
    /// Files that came with the frontend. They have numbers of their own, and errors in them are where they were called.
    own: RefCell<Vec<Rc<Source>>>,
}

/// Number of the first file that came with the frontend.
const FIRST_OWN: u32 = 1 << 31;

/// Whether a span is in a file that came with the frontend.
pub fn is_own(span: Span) -> bool {
    span.file >= FIRST_OWN
}

impl Sources {
    /// Adds a file and returns its number.
    pub fn add(&self, name: impl Into<String>, path: Option<String>, text: impl Into<String>) -> u32 {
        push(&mut self.files.borrow_mut(), name.into(), path, text.into())
    }

    /// Adds a file that came with the frontend and returns its number.
    pub fn add_own(&self, name: impl Into<String>, text: impl Into<String>) -> u32 {
        FIRST_OWN + push(&mut self.own.borrow_mut(), name.into(), None, text.into())
    }

    /// Returns a file.
    pub fn get(&self, file: u32) -> Option<Rc<Source>> {
        match file.checked_sub(FIRST_OWN) {
            Some(own) => self.own.borrow().get(own as usize).cloned(),
            None => self.files.borrow().get(file as usize).cloned(),
        }
    }

    /// Returns where a span begins.
    pub fn position(&self, span: Span) -> Option<(Rc<Source>, Position)> {
        let source = self.get(span.file)?;
        let position = source.lines.position(span.start as usize);
        Some((source, position))
    }

    /// Returns a span as the contract has it; none: it is in a file of the frontend's own.
    pub fn range(&self, span: Span) -> Option<SourceRange> {
        if is_own(span) {
            return None;
        }
        let source = self.get(span.file)?;
        let clamp = |offset: u32| (offset as usize).min(source.text.len());
        Some(source.lines.range(span.file, clamp(span.start)..clamp(span.end)))
    }

    /// Returns the column after the last one of a line.
    pub fn line_end(&self, file: u32, line: u32) -> u32 {
        let Some(source) = self.get(file) else { return 1 };
        source.lines.lines(file, line, line).stop.column
    }

    /// The files as the contract has them, in the order of their numbers.
    pub fn files(&self) -> Vec<SourceFile> {
        let file = |source: &Rc<Source>| SourceFile {
            name: source.name.clone(),
            language: "nix".to_owned(),
            text: source.text.clone(),
        };
        self.files.borrow().iter().map(file).collect()
    }
}

fn push(files: &mut Vec<Rc<Source>>, name: String, path: Option<String>, text: String) -> u32 {
    let lines = LineIndex::new(&text);
    files.push(Rc::new(Source {
        name,
        path,
        text,
        lines,
    }));
    (files.len() - 1) as u32
}
