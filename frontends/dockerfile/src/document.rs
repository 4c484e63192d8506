//! A build file on its way to a graph, and the way in for other frontends that extend the language: they replace
//! instructions of their own by lines of Dockerfile, and every finding and vertex still has its true file and line.
//! Knows nothing of what the new instructions mean.

use std::ops::Range;

use lapstrake_sdk::types::{BuildError, Diagnostic, Request, SourceFile, SourceRange};

use crate::diagnostic::Diagnostics;
use crate::parse::{self, Scanned};
use crate::source_map::SourceMap;
use crate::span::Span;
use crate::syntax::directives;

/// How deep replacements may be inside of replacements.
pub const MAX_DEPTH: usize = 64;
/// How many replacements one build file may have.
pub const MAX_REPLACEMENTS: usize = 4096;
/// How long the text may become, in bytes.
pub const MAX_TEXT: usize = 16 << 20;

/// A request with the text to read. [`DockerfileFrontend`](crate::DockerfileFrontend) makes one of the request's file as
/// it is; its functions `build_document`, `lint_document` and so on take any.
#[derive(Debug, Clone)]
pub struct Document {
    /// The request; its sources are all files that the text comes from.
    pub(crate) request: Request,
    pub(crate) map: SourceMap,
}

/// An instruction of an extension, as it stands in a file.
#[derive(Debug)]
pub struct Extension<'a> {
    /// The keyword in upper case.
    pub keyword: &'a str,
    /// What follows it, without white space around; continuation lines are joined.
    pub arguments: &'a str,
    /// The names of the files that lead here, the build file first and the one with the instruction last.
    pub files: Vec<&'a str>,
    /// The place of the arguments, or of the keyword where there are none.
    pub range: SourceRange,
}

/// What stands in place of an extension's instruction.
#[derive(Debug, Clone)]
pub enum Replacement {
    /// All lines of a file, in which instructions of the extension are replaced in turn.
    File(SourceFile),
    /// Lines of Dockerfile that no file has; what is found in them is shown at the instruction.
    Lines(String),
}

impl Extension<'_> {
    /// Makes an error about the arguments.
    pub fn error(&self, code: &str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, message).at(self.range)
    }
}

/// Replaces an instruction, or says all that is wrong with it.
type Replace<'a> = dyn FnMut(&Extension<'_>) -> Result<Replacement, Vec<Diagnostic>> + 'a;

impl Document {
    /// Takes the request's file as it is.
    pub fn new(request: Request) -> Self {
        let map = SourceMap::of_first(request.sources.clone());
        Self { request, map }
    }

    /// Takes the request's file with each instruction whose keyword is one of `keywords` replaced.
    ///
    /// Keywords are in upper case; as Dockerfile's they may be written in any. A keyword inside of a heredoc or of a
    /// continued line is none. The escape character is the build file's in all files; parser directives are read at its
    /// top only.
    ///
    /// # Errors
    /// All that `replace` found, and what only an expansion can get wrong: [`MAX_DEPTH`], [`MAX_REPLACEMENTS`],
    /// [`MAX_TEXT`], and a file that ends inside of an instruction.
    pub fn expand(
        request: Request,
        keywords: &[&str],
        replace: &mut Replace<'_>,
    ) -> Result<Self, BuildError> {
        let main = request.main_source()?;
        let escape = directives::parse(&main.text, &mut Diagnostics::default()).escape;
        let mut expansion = Expansion {
            map: SourceMap::new(request.sources.clone()),
            keywords,
            replace,
            escape,
            replacements: 0,
            found: Vec::new(),
        };
        expansion.file(&mut vec![0]);
        let Expansion { map, found, .. } = expansion;
        if !found.is_empty() {
            return Err(BuildError::invalid(found, map.files().to_vec()));
        }
        let sources = map.files().to_vec();
        Ok(Self {
            request: Request { sources, ..request },
            map,
        })
    }

    /// Returns the text that is read.
    pub fn text(&self) -> &str {
        self.map.text()
    }

    /// Returns the files that the text comes from, in the order of their numbers in ranges.
    pub fn files(&self) -> &[SourceFile] {
        self.map.files()
    }
}

/// An expansion under way.
struct Expansion<'a> {
    map: SourceMap,
    keywords: &'a [&'a str],
    replace: &'a mut Replace<'a>,
    escape: char,
    replacements: usize,
    found: Vec<Diagnostic>,
}

impl Expansion<'_> {
    /// Appends the last file of `chain`.
    fn file(&mut self, chain: &mut Vec<u32>) {
        let Some(&file) = chain.last() else { return };
        let Some(text) = self.map.files().get(file as usize).map(|f| f.text.clone()) else {
            return;
        };
        let included = chain.len() > 1;
        let mark = if text.starts_with('\u{feff}') {
            '\u{feff}'.len_utf8()
        } else {
            0
        };
        let mut copied = if included { mark } else { 0 };
        for line in parse::scan(&text, mark, self.escape) {
            if included && line.unfinished {
                let range = self.map.range_in(file, line.line.span);
                let message = "the file ends inside of this instruction";
                let help = "end it here: it cannot go on in the file that is read next";
                self.found.push(
                    Diagnostic::error("UnfinishedInstruction", message)
                        .at(range)
                        .help(help),
                );
                return;
            }
            let keyword = line.line.text[line.keyword.clone()].to_ascii_uppercase();
            if !self.keywords.contains(&keyword.as_str()) {
                continue;
            }
            self.map.copy(file, copied..line.bytes.start);
            copied = line.bytes.end;
            self.instruction(&line, &keyword, chain);
        }
        self.map.copy(file, copied..text.len());
        if included && !text.ends_with('\n') {
            self.map.write("\n", file, Span::new(text.len(), text.len()));
        }
    }

    fn instruction(&mut self, line: &Scanned, keyword: &str, chain: &mut Vec<u32>) {
        let Some(&file) = chain.last() else { return };
        let place = |range: &Range<usize>| line.line.span_of(range.clone());
        let arguments = if line.arguments.is_empty() {
            &line.keyword
        } else {
            &line.arguments
        };
        let files = self.map.files();
        let extension = Extension {
            keyword,
            arguments: &line.line.text[line.arguments.clone()],
            files: chain
                .iter()
                .map(|index| files[*index as usize].name.as_str())
                .collect(),
            range: self.map.range_in(file, place(arguments)),
        };
        self.replacements += 1;
        let limit = match () {
            () if chain.len() > MAX_DEPTH => {
                Some(format!("replacements are more than {MAX_DEPTH} deep here"))
            }
            () if self.replacements > MAX_REPLACEMENTS => {
                Some(format!("there are more than {MAX_REPLACEMENTS} replacements"))
            }
            () if self.map.text().len() > MAX_TEXT => {
                Some(format!("the text becomes longer than {} MiB", MAX_TEXT >> 20))
            }
            () => None,
        };
        if let Some(limit) = limit {
            // Once is enough: a file that includes itself twice would say it without end.
            if self.found.iter().all(|item| item.code != "TooManyReplacements") {
                self.found.push(extension.error("TooManyReplacements", limit));
            }
            return;
        }
        if self.found.iter().any(|item| item.code == "TooManyReplacements") {
            return;
        }
        match (self.replace)(&extension) {
            Ok(Replacement::File(source)) => {
                let index = self.map.add_file(source);
                chain.push(index);
                self.file(chain);
                chain.pop();
            }
            Ok(Replacement::Lines(text)) => {
                let end = if text.is_empty() || text.ends_with('\n') {
                    ""
                } else {
                    "\n"
                };
                self.map.write(&format!("{text}{end}"), file, line.line.span);
            }
            Err(diagnostics) => self.found.extend(diagnostics),
        }
    }
}
