//! From text to instructions: reads a file, or one trigger of `ONBUILD`, and dispatches on the keyword.
//! Knows nothing of stages or of what instructions do.

use std::ops::Range;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::instructions::{Command, Instruction, KEYWORDS};
use crate::span::Span;
use crate::suggest;
use crate::syntax::directives::{self, Directives};
use crate::syntax::flags::{self, RawFlag};
use crate::syntax::heredoc::{self, Heredoc};
use crate::syntax::json;
use crate::syntax::lines::{Logical, Reader};
use crate::syntax::words::{self, Word};

/// A file's instructions in order.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The top of the file.
    pub directives: Directives,
    /// The instructions that could be read.
    pub commands: Vec<Command>,
    /// Whether the file has instructions at all, readable or not.
    pub has_instructions: bool,
}

/// What an instruction has to read its arguments from.
pub struct Arguments<'a> {
    /// The keyword in upper case.
    pub name: &'static str,
    /// The keyword as written.
    pub keyword: Word,
    /// The whole line.
    pub line: &'a Logical,
    /// The flags before the arguments.
    pub flags: Vec<RawFlag>,
    /// The arguments, without white space around.
    pub rest: Range<usize>,
    /// The heredocs that the line has, with their bodies.
    pub heredocs: Vec<Heredoc>,
    /// The escape character.
    pub escape: char,
    /// The instruction with its heredocs.
    pub span: Span,
}

impl Arguments<'_> {
    /// Returns the arguments as text.
    pub fn text(&self) -> &str {
        &self.line.text[self.rest.clone()]
    }

    /// Returns the arguments as one word.
    pub fn word(&self) -> Word {
        Word::of(self.line, self.rest.clone())
    }

    /// Returns the place of the arguments; the keyword's where there are none.
    pub fn rest_span(&self) -> Span {
        match self.rest.is_empty() {
            true => self.keyword.span,
            false => self.line.span_of(self.rest.clone()),
        }
    }

    /// Returns the place of a byte of the arguments' text.
    pub fn span_at(&self, offset: usize) -> Span {
        let start = (self.rest.start + offset).min(self.rest.end);
        let end = self.line.text[start..self.rest.end]
            .chars()
            .next()
            .map_or(start, |c| start + c.len_utf8());
        self.line.span_of(start..end)
    }

    /// Reports that the arguments are missing.
    pub fn missing(&self, what: &str, help: &str, diagnostics: &mut Diagnostics) {
        diagnostics.push(
            Diagnostic::error(
                "MissingArgument",
                self.keyword.span,
                format!("{} needs {what}", self.name),
            )
            .help(help),
        );
    }
}

/// Reads a whole file.
pub fn file(text: &str, diagnostics: &mut Diagnostics) -> Parsed {
    // No path, argument or variable of a container can hold it.
    if let Some(at) = text.find('\0') {
        let span = Span::new(at, at + 1);
        diagnostics
            .push(Diagnostic::error("InvalidCharacter", span, "the file has a NUL byte").help("remove it"));
    }
    let directives = directives::parse(text, diagnostics);
    let mut reader = Reader::new(text, directives.start, directives.body, directives.escape);
    let mut commands = Vec::new();
    let mut has_instructions = false;
    while let Some(line) = reader.next(diagnostics) {
        if line.text.trim().is_empty() {
            diagnostics.push(
                Diagnostic::error(
                    "MissingInstruction",
                    line.span,
                    "a line continuation continues no instruction",
                )
                .help("remove the escape character"),
            );
            continue;
        }
        has_instructions = true;
        commands.extend(command(&line, directives.escape, Some(&mut reader), diagnostics));
    }
    Parsed {
        directives,
        commands,
        has_instructions,
    }
}

/// An instruction that was found but not read.
#[derive(Debug)]
pub struct Scanned {
    /// The line.
    pub line: Logical,
    /// Its first word, in the line's text.
    pub keyword: Range<usize>,
    /// What follows the word, in the line's text.
    pub arguments: Range<usize>,
    /// The bytes of the source: whole physical lines, with those of heredocs.
    pub bytes: Range<usize>,
    /// Whether the source ends inside of it.
    pub unfinished: bool,
}

/// Finds the instructions of a source, known ones or not, from byte `start` on.
pub fn scan(text: &str, start: usize, escape: char) -> Vec<Scanned> {
    let mut reader = Reader::new(text, start, start, escape);
    let mut found = Vec::new();
    while let Some(line) = reader.next(&mut Diagnostics::default()) {
        let whole = words::trim(&line.text, 0..line.text.len());
        let length = line.text[whole.clone()].find(words::is_separator);
        let keyword = whole.start..length.map_or(whole.end, |length| whole.start + length);
        let arguments = words::trim(&line.text, keyword.end..whole.end);
        let mut unfinished = line.unfinished;
        if may_have_heredocs(
            &line.text[keyword.clone()].to_ascii_uppercase(),
            &line.text[arguments.clone()],
        ) {
            for marker in heredoc::markers(&line.text) {
                unfinished |= reader.heredoc(&marker.name, marker.chomp).is_none();
            }
        }
        let begin = text[..line.span.start].rfind('\n').map_or(start, |end| end + 1);
        found.push(Scanned {
            bytes: begin.max(start)..reader.position(),
            line,
            keyword,
            arguments,
            unfinished,
        });
    }
    found
}

/// Reads a trigger that an image brought; everything is said to be at `span`.
pub fn trigger(text: &str, span: Span, diagnostics: &mut Diagnostics) -> Option<Command> {
    let mut reader = Reader::new(text, 0, 0, '\\');
    let line = reader.next(&mut Diagnostics::default())?;
    let line = Logical::elsewhere(&line.text, span);
    let command = command(&line, '\\', Some(&mut reader), diagnostics)?;
    if reader.next(&mut Diagnostics::default()).is_some() {
        diagnostics.push(
            Diagnostic::error(
                "InvalidTrigger",
                span,
                "an ONBUILD trigger of the base image is more than one instruction",
            )
            .help(format!("the trigger is `{}`", text.trim())),
        );
    }
    Some(command)
}

/// Reads one instruction; none: there is nothing to go on with, and why is reported.
fn command(
    line: &Logical,
    escape: char,
    reader: Option<&mut Reader<'_>>,
    diagnostics: &mut Diagnostics,
) -> Option<Command> {
    let whole = words::trim(&line.text, 0..line.text.len());
    let (keyword, name, arguments) = keyword(line, whole.clone(), diagnostics)?;
    let (flags, rest) = flags::take(line, arguments);
    let rest = words::trim(&line.text, rest);
    let mut span = line.span;
    let mut heredocs = Vec::new();
    if let Some(reader) = reader
        && may_have_heredocs(name, &line.text[rest.clone()])
    {
        for marker in heredoc::markers(&line.text) {
            let begin = reader.position();
            let Some((body, place)) = reader.heredoc(&marker.name, marker.chomp) else {
                diagnostics.push(
                    Diagnostic::error(
                        "UnterminatedHeredoc",
                        line.span,
                        format!("the heredoc `{}` has no end", marker.name),
                    )
                    .help(format!(
                        "write `{}` alone on the line after its last one",
                        marker.name
                    ))
                    .related(Span::new(begin, reader.position()), "this was taken for its text"),
                );
                return None;
            };
            span = span.to(place);
            heredocs.push(Heredoc {
                marker,
                body,
                span: place,
            });
        }
    }
    let mut arguments = Arguments {
        name,
        keyword,
        line,
        flags,
        rest,
        heredocs,
        escape,
        span,
    };
    let instruction = Instruction::parse(&mut arguments, diagnostics)?;
    Some(Command {
        keyword: arguments.keyword,
        name,
        text: line.text[whole].to_owned(),
        span,
        comments: line.comments.clone(),
        instruction,
    })
}

/// Reads the instruction inside of an `ONBUILD`, for what is wrong with it.
pub fn nested(
    arguments: &Arguments<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<(Word, Option<Instruction>)> {
    let line = arguments.line;
    let (keyword, name, rest) = keyword(line, arguments.rest.clone(), diagnostics)?;
    if matches!(name, "ONBUILD" | "FROM" | "MAINTAINER") {
        return Some((keyword, None));
    }
    let (flags, rest) = flags::take(line, rest);
    let mut inner = Arguments {
        name,
        keyword: keyword.clone(),
        line,
        flags,
        rest: words::trim(&line.text, rest),
        heredocs: arguments.heredocs.clone(),
        escape: arguments.escape,
        span: arguments.span,
    };
    let instruction = Instruction::parse(&mut inner, diagnostics)?;
    Some((keyword, Some(instruction)))
}

/// Splits the keyword off, and finds out which one it is.
fn keyword(
    line: &Logical,
    range: Range<usize>,
    diagnostics: &mut Diagnostics,
) -> Option<(Word, &'static str, Range<usize>)> {
    let text = &line.text[range.clone()];
    let length = text.find(words::is_separator).unwrap_or(text.len());
    let word = Word::of(line, range.start..range.start + length);
    match KEYWORDS
        .iter()
        .find(|known| known.eq_ignore_ascii_case(&word.text))
    {
        Some(name) => Some((
            word,
            name,
            words::trim(&line.text, range.start + length..range.end),
        )),
        None => {
            let shown: String = word.text.chars().take(40).collect();
            diagnostics.push(
                Diagnostic::error(
                    "UnknownInstruction",
                    word.span,
                    format!("unknown instruction `{shown}`"),
                )
                .help(
                    suggest::did_you_mean(&word.text, KEYWORDS.iter().copied()).unwrap_or_else(|| {
                        "end the line before with the escape character if this belongs to it".to_owned()
                    }),
                ),
            );
            None
        }
    }
}

/// Whether `<<WORD` in this instruction begins a heredoc: only some can, and not in the exec form.
fn may_have_heredocs(name: &str, arguments: &str) -> bool {
    match name {
        "RUN" | "COPY" | "ADD" => arguments.contains("<<") && json::strings(arguments).is_err(),
        "ONBUILD" => {
            let (keyword, rest) = arguments
                .split_once(words::is_separator)
                .unwrap_or((arguments, ""));
            ["RUN", "COPY", "ADD"]
                .into_iter()
                .find(|known| known.eq_ignore_ascii_case(keyword))
                .is_some_and(|known| may_have_heredocs(known, rest.trim()))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> Vec<&'static str> {
        let mut diagnostics = Diagnostics::default();
        file(text, &mut diagnostics);
        diagnostics.items().iter().map(|item| item.code).collect()
    }

    #[test]
    fn one_wrong_instruction_does_not_hide_the_next() {
        assert_eq!(
            codes("FROM a\nRNU b\nCOPY c\n"),
            ["UnknownInstruction", "MissingArgument"]
        );
        assert_eq!(codes("FROM a\0\n"), ["InvalidCharacter"]);
    }

    #[test]
    fn keywords_end_at_white_space() {
        let mut diagnostics = Diagnostics::default();
        let parsed = file("from\ta\nRun\u{b}b\n", &mut diagnostics);
        let keywords: Vec<(&str, &str)> = parsed
            .commands
            .iter()
            .map(|command| (command.keyword.text.as_str(), command.name))
            .collect();
        assert_eq!(keywords, [("from", "FROM"), ("Run", "RUN")]);
    }

    #[test]
    fn a_trigger_is_at_one_place() {
        let (span, mut diagnostics) = (Span::new(5, 9), Diagnostics::default());
        let command = trigger("COPY --from=x a \\\n b /", span, &mut diagnostics).unwrap();
        let Instruction::Copy(copy) = &command.instruction else {
            panic!("{command:?}")
        };
        assert_eq!(
            copy.sources.iter().map(|word| word.span).collect::<Vec<_>>(),
            [span, span]
        );
        assert!(trigger("RUN a\nRUN b", span, &mut diagnostics).is_some());
        assert_eq!(diagnostics.items()[0].code, "InvalidTrigger");
    }
}
