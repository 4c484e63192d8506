//! The `--name=value` flags between an instruction's keyword and its arguments.
//! Knows nothing of what the flags mean; each instruction says which ones it has.

use std::ops::Range;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::span::Span;
use crate::suggest;
use crate::syntax::lines::Logical;
use crate::syntax::words::Word;

/// A flag as written, quotes and escapes removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawFlag {
    /// Its name without the dashes.
    pub name: Word,
    /// What follows the first `=`.
    pub value: Option<Word>,
    /// All of it.
    pub span: Span,
}

/// Takes the flags off the front of a range; the rest is what follows them.
pub fn take(line: &Logical, range: Range<usize>) -> (Vec<RawFlag>, Range<usize>) {
    let mut flags = Vec::new();
    let mut position = range.start;
    loop {
        let rest = &line.text[position..range.end];
        position += rest.len() - rest.trim_start().len();
        if !line.text[position..range.end].starts_with("--") {
            return (flags, position..range.end);
        }
        let word = unquote(&line.text[position..range.end]);
        let end = position + word.length;
        if word.text == "--" {
            return (flags, end..range.end);
        }
        let span = line.span_of(position..end);
        let flag = match word.equals {
            Some((in_text, in_source)) => RawFlag {
                name: Word {
                    text: word.text[2..in_text].to_owned(),
                    span: line.span_of(position + 2..position + in_source),
                },
                value: Some(Word {
                    text: word.text[in_text + 1..].to_owned(),
                    span: line.span_of(position + in_source + 1..end),
                }),
                span,
            },
            None => RawFlag {
                name: Word {
                    text: word.text[2..].to_owned(),
                    span: line.span_of(position + 2..end),
                },
                value: None,
                span,
            },
        };
        flags.push(flag);
        position = end;
    }
}

struct Unquoted {
    text: String,
    /// Bytes read.
    length: usize,
    /// The first `=`: its offset in `text` and in the source.
    equals: Option<(usize, usize)>,
}

/// Reads one word, in which quotes group and a backslash takes the next character as it is.
fn unquote(source: &str) -> Unquoted {
    let mut word = Unquoted {
        text: String::new(),
        length: source.len(),
        equals: None,
    };
    let mut quote = None;
    let mut chars = source.char_indices();
    while let Some((offset, c)) = chars.next() {
        match (quote, c) {
            (None, c) if c.is_whitespace() => {
                word.length = offset;
                break;
            }
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (_, '\\') => word.text.extend(chars.next().map(|(_, c)| c)),
            _ => {
                if c == '=' && word.equals.is_none() && word.text.len() >= 2 {
                    word.equals = Some((word.text.len(), offset));
                }
                word.text.push(c);
            }
        }
    }
    word
}

/// What values a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text, once.
    Text,
    /// `true`, `false`, or no value, which is true.
    Bool,
    /// Any text, any number of times.
    List,
}

/// The flags of one instruction that it knows.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    found: Vec<(&'static str, Word)>,
}

impl Flags {
    /// Checks what was written against what the instruction knows, and reports the rest.
    ///
    /// `later` are flags that exist but are not supported.
    pub fn check(
        instruction: &str,
        raw: &[RawFlag],
        known: &[(&'static str, Kind)],
        later: &[&str],
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let mut flags = Flags::default();
        for flag in raw {
            let name = flag.name.text.as_str();
            let Some((name, kind)) = known.iter().find(|(known, _)| *known == name).copied() else {
                diagnostics.push(unknown(instruction, flag, known, later));
                continue;
            };
            if kind != Kind::List
                && let Some((_, first)) = flags.found.iter().find(|(found, _)| *found == name)
            {
                diagnostics.push(
                    Diagnostic::error("DuplicateFlag", flag.span, format!("--{name} is given twice"))
                        .help("remove one of them")
                        .related(first.span, "first given here"),
                );
                continue;
            }
            match (&flag.value, kind) {
                (None, Kind::Bool) => {
                    flags.found.push((
                        name,
                        Word {
                            text: "true".to_owned(),
                            span: flag.span,
                        },
                    ));
                }
                (Some(value), Kind::Bool) => match value.text.to_ascii_lowercase().as_str() {
                    text @ ("true" | "false") => {
                        flags.found.push((
                            name,
                            Word {
                                text: text.to_owned(),
                                span: value.span,
                            },
                        ));
                    }
                    _ => diagnostics.push(
                        Diagnostic::error(
                            "InvalidFlagValue",
                            value.span,
                            format!("--{name} is true or false, not `{}`", value.text),
                        )
                        .help(format!("write --{name}, --{name}=true or --{name}=false")),
                    ),
                },
                (None, _) => diagnostics.push(
                    Diagnostic::error("MissingFlagValue", flag.span, format!("--{name} needs a value"))
                        .help(format!("write --{name}=VALUE")),
                ),
                (Some(value), _) => flags.found.push((name, value.clone())),
            }
        }
        flags
    }

    /// Returns the value of a text flag.
    pub fn text(&self, name: &str) -> Option<Word> {
        self.found
            .iter()
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value.clone())
    }

    /// Returns the value of a flag that is true or false.
    pub fn bool(&self, name: &str) -> Option<bool> {
        self.found
            .iter()
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value.text == "true")
    }

    /// Returns every value of a flag.
    pub fn list(&self, name: &str) -> Vec<Word> {
        self.found
            .iter()
            .filter(|(found, _)| *found == name)
            .map(|(_, value)| value.clone())
            .collect()
    }
}

fn unknown(instruction: &str, flag: &RawFlag, known: &[(&'static str, Kind)], later: &[&str]) -> Diagnostic {
    let name = &flag.name.text;
    if later.contains(&name.as_str()) {
        return Diagnostic::error(
            "Unsupported",
            flag.span,
            format!(
                "the flag --{name} of {instruction} is not supported by this version of the Dockerfile frontend"
            ),
        );
    }
    let names: Vec<String> = known.iter().map(|(known, _)| format!("--{known}")).collect();
    let help = suggest::did_you_mean(&format!("--{name}"), names.iter().map(String::as_str));
    let all = match names.as_slice() {
        [] => format!("{instruction} has no flags; write `--` first if the command begins with dashes"),
        _ => format!("{instruction} knows {}", names.join(", ")),
    };
    Diagnostic::error(
        "UnknownFlag",
        flag.span,
        format!("unknown flag --{name} of {instruction}"),
    )
    .help(help.unwrap_or(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<(String, Option<String>)>, String) {
        let line = Logical::single(text, 0);
        let (flags, rest) = take(&line, 0..text.len());
        let pairs = flags
            .into_iter()
            .map(|f| (f.name.text, f.value.map(|v| v.text)))
            .collect();
        (pairs, line.text[rest].to_owned())
    }

    #[test]
    fn takes_flags_off() {
        let (flags, rest) = read("--from=build --link a --b");
        assert_eq!(
            flags,
            [("from".into(), Some("build".into())), ("link".into(), None)]
        );
        assert_eq!(rest, "a --b");
        assert_eq!(read("-- --x y"), (vec![], " --x y".into()));
        assert_eq!(read("--a"), (vec![("a".into(), None)], String::new()));
        assert_eq!(read("-x"), (vec![], "-x".into()));
    }

    #[test]
    fn quotes_group() {
        let (flags, rest) = read("--mount=\"type=bind,target=/a b\" --x='y=z'w x");
        assert_eq!(flags[0].1.as_deref(), Some("type=bind,target=/a b"));
        assert_eq!(flags[1].1.as_deref(), Some("y=zw"));
        assert_eq!(rest, "x");
    }

    #[test]
    fn places() {
        let line = Logical::single("COPY --chown=ü a b", 0);
        let (flags, _) = take(&line, 4..line.text.len());
        let text = |span: Span| &line.text[span.start..span.end];
        assert_eq!(text(flags[0].name.span), "chown");
        assert_eq!(text(flags[0].value.as_ref().unwrap().span), "ü");
        assert_eq!(text(flags[0].span), "--chown=ü");
    }

    #[test]
    fn checks() {
        let line = Logical::single("--lnik --from --from=a --from=b --link=maybe --device=x", 0);
        let (raw, _) = take(&line, 0..line.text.len());
        let mut diagnostics = Diagnostics::default();
        let known = [("from", Kind::Text), ("link", Kind::Bool)];
        let flags = Flags::check("COPY", &raw, &known, &["device"], &mut diagnostics);
        let codes: Vec<_> = diagnostics.items().iter().map(|d| d.code).collect();
        assert_eq!(
            codes,
            [
                "UnknownFlag",
                "MissingFlagValue",
                "DuplicateFlag",
                "InvalidFlagValue",
                "Unsupported"
            ]
        );
        assert_eq!(
            diagnostics.items()[0].help.as_deref(),
            Some("did you mean `--link`?")
        );
        assert_eq!(flags.text("from").unwrap().text, "a");
        assert_eq!(flags.bool("link"), None);
    }
}
