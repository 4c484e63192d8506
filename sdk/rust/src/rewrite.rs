//! A text that is made of others, with where each line comes from: what a frontend gives that rewrites sources.
//! Knows nothing of any language.

use crate::types::*;

/// A rewritten text in the making.
///
/// ```
/// use lapstrake_sdk::Rewriting;
/// use lapstrake_sdk::types::SourceFile;
///
/// let file = |name: &str, text: &str| SourceFile { name: name.into(), text: text.into(), ..SourceFile::default() };
/// let (main, part) = (file("main", "a\nINCLUDE part\nb\n"), file("part", "x\ny\n"));
/// let mut rewriting = Rewriting::new();
/// rewriting.copy(&main, 1, 1);
/// rewriting.copy(&part, 1, 2);
/// rewriting.copy(&main, 3, 1);
/// let made = rewriting.finish(Vec::new());
/// assert_eq!(made.text, "a\nx\ny\nb\n");
/// assert_eq!((made.origins[1].line, made.origins[1].count), (2, 2));
/// assert_eq!(made.files.len(), 2);
/// ```
#[derive(Debug, Default)]
pub struct Rewriting {
    text: String,
    line: u32,
    origins: Vec<LineOrigin>,
    files: Vec<SourceFile>,
}

impl Rewriting {
    /// Makes an empty text.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file that ranges refer to; its index. An equal one is not added twice.
    pub fn file(&mut self, file: &SourceFile) -> u32 {
        let index = self.files.iter().position(|known| known == file);
        index.unwrap_or_else(|| {
            self.files.push(file.clone());
            self.files.len() - 1
        }) as u32
    }

    /// Appends lines of a file as they are. Lines count from 1; those that are not there are left out.
    pub fn copy(&mut self, file: &SourceFile, first: u32, count: u32) {
        let index = self.file(file);
        let lines = file
            .text
            .split_inclusive('\n')
            .skip(first.saturating_sub(1) as usize);
        let start = self.line + 1;
        let mut width = 0;
        for line in lines.take(count as usize) {
            width = line.trim_end_matches(['\n', '\r']).len() as u32;
            self.push(line);
        }
        let copied = self.line + 1 - start;
        if copied == 0 {
            return;
        }
        let range = SourceRange {
            file: index,
            start: Position {
                line: first,
                column: 1,
            },
            stop: Position {
                line: first + copied - 1,
                column: width + 1,
            },
        };
        self.origin(start, copied, range, true);
    }

    /// Appends a text of whole lines that was made of `range`, whose file [`Rewriting::file`] gave.
    pub fn make(&mut self, text: &str, range: SourceRange) {
        let start = self.line + 1;
        text.split_inclusive('\n').for_each(|line| self.push(line));
        if self.line >= start {
            self.origin(start, self.line + 1 - start, range, false);
        }
    }

    /// Ends the text. Ranges of warnings use the indexes of [`Rewriting::file`].
    pub fn finish(self, warnings: Vec<Diagnostic>) -> Rewritten {
        Rewritten {
            text: self.text,
            origins: self.origins,
            warnings: Report::new(warnings, self.files.clone()),
            files: self.files,
        }
    }

    /// The files so far: what belongs beside diagnostics whose ranges use their indexes.
    pub fn files(&self) -> Vec<SourceFile> {
        self.files.clone()
    }

    fn push(&mut self, line: &str) {
        self.text.push_str(line);
        if !line.ends_with('\n') {
            self.text.push('\n');
        }
        self.line += 1;
    }

    fn origin(&mut self, line: u32, count: u32, origin: SourceRange, verbatim: bool) {
        self.origins.push(LineOrigin {
            line,
            count,
            origin,
            verbatim,
        });
    }
}
