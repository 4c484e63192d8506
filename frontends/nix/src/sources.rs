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
}

impl Sources {
    /// Adds a file and returns its number.
    pub fn add(&self, name: impl Into<String>, path: Option<String>, text: impl Into<String>) -> u32 {
        let text = text.into();
        let lines = LineIndex::new(&text);
        let mut files = self.files.borrow_mut();
        files.push(Rc::new(Source {
            name: name.into(),
            path,
            text,
            lines,
        }));
        (files.len() - 1) as u32
    }

    /// Returns a file.
    pub fn get(&self, file: u32) -> Option<Rc<Source>> {
        self.files.borrow().get(file as usize).cloned()
    }

    /// Returns where a span begins.
    pub fn position(&self, span: Span) -> Option<(Rc<Source>, Position)> {
        let source = self.get(span.file)?;
        let position = source.lines.position(span.start as usize);
        Some((source, position))
    }

    /// Returns a span as the contract has it.
    pub fn range(&self, span: Span) -> Option<SourceRange> {
        let source = self.get(span.file)?;
        let clamp = |offset: u32| (offset as usize).min(source.text.len());
        Some(source.lines.range(span.file, clamp(span.start)..clamp(span.end)))
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
