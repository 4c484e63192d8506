//! What a place in a Dockerfile is: found from the text before it alone, so that a file that is being written, and is
//! broken most of the time, has places, too. Knows nothing of what words mean.

use std::ops::Range;

use crate::diagnostic::Diagnostics;
use crate::parse::{self, Scanned};
use crate::syntax::directives;

/// What could stand somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A directive of the parser.
    Directive,
    /// The value of a directive, which may have parts.
    DirectiveValue {
        /// The directive.
        key: String,
        /// What stands before the part.
        before: String,
    },
    /// An instruction.
    Keyword {
        /// Whether it is one inside of `ONBUILD`.
        on_build: bool,
    },
    /// A flag; the part begins with its dashes.
    Flag(String),
    /// The value of a flag.
    FlagValue(String, String),
    /// A key of a mount of this type.
    MountKey(String),
    /// The value of a mount's key.
    MountValue(String),
    /// A variable; the part is its name, and whether it is in braces.
    Variable(String, bool),
    /// An argument of an instruction, after so many others.
    Argument(String, usize),
}

/// A place and the part of it that is written already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    /// The place.
    pub place: Place,
    /// Bytes of the source, up to the place.
    pub part: Range<usize>,
    /// What is written there.
    pub typed: String,
}

/// Finds out what the place at a byte is. None: nothing that anything could be said about.
pub fn find(text: &str, offset: usize) -> Option<At> {
    let directives = directives::parse(text, &mut Diagnostics::default());
    let begin = text[..offset].rfind('\n').map_or(0, |end| end + 1);
    let line = &text[begin..offset];
    if line.trim_start().starts_with('#') {
        let is_top = begin <= directives.body && begin >= directives.start;
        return is_top.then(|| directive(line, begin)).flatten();
    }
    let scanned = parse::scan(text, directives.body, directives.escape);
    let inside = scanned.iter().find(|one| holds(one, text, offset));
    let Some(one) = inside else {
        // A new line, with nothing of an instruction yet.
        let is_blank = line.trim().is_empty() && begin >= directives.start;
        return is_blank.then(|| At::of(Place::Keyword { on_build: false }, offset..offset, text));
    };
    let behind = text.get(one.line.span.end..offset).unwrap_or_default();
    if behind.contains('\n') && !one.unfinished {
        // The text of a heredoc.
        return None;
    }
    instruction(one, text, offset)
}

/// Whether a byte is in an instruction. The end of its last line is, the beginning of the next line is not.
fn holds(one: &Scanned, text: &str, offset: usize) -> bool {
    let ends_here = offset == one.bytes.end && (one.unfinished || !text[..offset].ends_with('\n'));
    one.bytes.contains(&offset) || ends_here
}

impl At {
    fn of(place: Place, part: Range<usize>, text: &str) -> Self {
        Self {
            typed: text[part.clone()].to_owned(),
            place,
            part,
        }
    }
}

fn directive(line: &str, begin: usize) -> Option<At> {
    let comment = line.trim_start().strip_prefix('#')?.trim_start();
    let start = begin + line.len() - comment.len();
    let end = begin + line.len();
    let of = |place, typed: &str| At {
        place,
        part: end - typed.len()..end,
        typed: typed.to_owned(),
    };
    let Some((key, value)) = comment.split_once('=') else {
        let is_word = comment.chars().all(|c| c.is_ascii_alphanumeric());
        return is_word.then(|| At {
            place: Place::Directive,
            part: start..end,
            typed: comment.to_owned(),
        });
    };
    let key = key.trim().to_ascii_lowercase();
    let value = value.trim_start();
    let split = match key.as_str() {
        "check" => value.rfind([';', '=', ',']).map_or(0, |at| at + 1),
        _ => 0,
    };
    let (before, typed) = value.split_at(split);
    let before = before.to_owned();
    Some(of(Place::DirectiveValue { key, before }, typed))
}

fn instruction(one: &Scanned, text: &str, offset: usize) -> Option<At> {
    let line = &one.line;
    let end = line.offset_of(offset);
    let mut before = line.text.get(..end)?.to_owned();
    // White space at the end is not in the line's text.
    let gap = text.get(line.span_of(end..end).start..offset).unwrap_or_default();
    if end > one.keyword.start && gap.starts_with(char::is_whitespace) {
        before.push(' ');
    }
    let before = before.as_str();
    // A part is one word, which stands in the source as it is.
    let of = |place, typed: &str| At {
        place,
        part: offset.saturating_sub(typed.len())..offset,
        typed: typed.to_owned(),
    };
    let stands = |at: &At| text.get(at.part.clone()) == Some(at.typed.as_str());
    if before.len() <= one.keyword.end {
        let at = of(
            Place::Keyword { on_build: false },
            &before[one.keyword.start.min(end)..],
        );
        return Some(at).filter(stands);
    }
    let mut keyword = line.text[one.keyword.clone()].to_ascii_uppercase();
    let mut arguments = before[one.keyword.end..].trim_start();
    if keyword == "ONBUILD" {
        let Some((inner, rest)) = arguments.split_once(char::is_whitespace) else {
            return Some(of(Place::Keyword { on_build: true }, arguments)).filter(stands);
        };
        keyword = inner.to_ascii_uppercase();
        arguments = rest.trim_start();
    }
    if let Some((typed, braces)) = variable(arguments) {
        return Some(of(Place::Variable(keyword, braces), typed)).filter(stands);
    }
    let mut words: Vec<&str> = arguments.split_whitespace().collect();
    let typed = match arguments.ends_with(char::is_whitespace) {
        true => "",
        false => words.pop().unwrap_or_default(),
    };
    let only_flags = words.iter().all(|word| word.starts_with("--") && *word != "--");
    if only_flags && (typed.starts_with('-') || typed == "--") {
        return Some(flag(keyword, typed, of)).filter(stands);
    }
    let count = words.iter().filter(|word| !word.starts_with("--")).count();
    Some(of(Place::Argument(keyword, count), typed)).filter(stands)
}

fn flag(keyword: String, typed: &str, of: impl Fn(Place, &str) -> At) -> At {
    let Some((name, value)) = typed.split_once('=') else {
        return of(Place::Flag(keyword), typed);
    };
    if keyword != "RUN" || name != "--mount" {
        return of(Place::FlagValue(keyword, name.to_owned()), value);
    }
    let mut fields: Vec<&str> = value.trim_start_matches(['"', '\'']).split(',').collect();
    let last = fields.pop().unwrap_or_default();
    let kind = fields.iter().find_map(|field| field.strip_prefix("type="));
    match last.split_once('=') {
        Some((key, value)) => of(Place::MountValue(key.to_owned()), value),
        None => of(Place::MountKey(kind.unwrap_or_default().to_owned()), last),
    }
}

/// The variable that the text ends in, and whether it is in braces.
fn variable(text: &str) -> Option<(&str, bool)> {
    let before = text.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let name = &text[before.len()..];
    if let Some(before) = before.strip_suffix("${") {
        return (!before.ends_with('\\')).then_some((name, true));
    }
    let before = before.strip_suffix('$')?;
    (!before.ends_with('\\')).then_some((name, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The place of the `|` in a text.
    #[track_caller]
    fn at(text: &str) -> Option<(Place, String)> {
        let offset = text.find('|').unwrap();
        let found = find(&text.replacen('|', "", 1), offset)?;
        Some((found.place, found.typed))
    }

    fn place(text: &str) -> Place {
        at(text).unwrap_or_else(|| panic!("{text:?} has no place")).0
    }

    #[test]
    fn keywords() {
        let keyword = Place::Keyword { on_build: false };
        for text in [
            "|",
            "FR|",
            "FROM x\n|",
            "FROM x\nRU|\n",
            "FROM x\n|\nRUN y",
            "# c\n\n  CO|",
        ] {
            assert_eq!(place(text), keyword, "{text:?}");
        }
        assert_eq!(place("FROM x\nONBUILD R|"), Place::Keyword { on_build: true });
        assert_eq!(at("FROM x\n# note|"), None);
        assert_eq!(at("FROM x\nRUN <<E\nab|\nE\n"), None);
    }

    #[test]
    fn directives() {
        assert_eq!(at("# syn|"), Some((Place::Directive, "syn".to_owned())));
        assert_eq!(at("# escape=`\n#|"), Some((Place::Directive, String::new())));
        let value = |key: &str, before: &str, typed: &str| {
            let place = Place::DirectiveValue {
                key: key.to_owned(),
                before: before.to_owned(),
            };
            Some((place, typed.to_owned()))
        };
        assert_eq!(at("# syntax=docker/d|"), value("syntax", "", "docker/d"));
        assert_eq!(at("# check=skip=A,B|\n"), value("check", "skip=A,", "B"));
    }

    #[test]
    fn flags_and_mounts() {
        let of = |text: &str| at(text).unwrap();
        assert_eq!(of("COPY --fr|"), (Place::Flag("COPY".into()), "--fr".into()));
        assert_eq!(of("COPY --link --|"), (Place::Flag("COPY".into()), "--".into()));
        assert_eq!(
            of("copy --from=b| a"),
            (Place::FlagValue("COPY".into(), "--from".into()), "b".into())
        );
        assert_eq!(
            of("RUN --mount=type=cache,ta|"),
            (Place::MountKey("cache".into()), "ta".into())
        );
        assert_eq!(
            of("RUN --mount=type=|"),
            (Place::MountValue("type".into()), String::new())
        );
        assert_eq!(
            of("RUN --mount=|"),
            (Place::MountKey(String::new()), String::new())
        );
        assert_eq!(
            of("RUN ls --al|"),
            (Place::Argument("RUN".into(), 1), "--al".into())
        );
        // A line that goes on.
        assert_eq!(
            of("RUN --mount=type=ssh \\\n  --net|"),
            (Place::Flag("RUN".into()), "--net".into())
        );
        assert_eq!(
            of("ONBUILD COPY --ch|"),
            (Place::Flag("COPY".into()), "--ch".into())
        );
    }

    #[test]
    fn variables_and_arguments() {
        let of = |text: &str| at(text).unwrap();
        assert_eq!(
            of("RUN echo $A|"),
            (Place::Variable("RUN".into(), false), "A".into())
        );
        assert_eq!(
            of("FROM x:${|"),
            (Place::Variable("FROM".into(), true), String::new())
        );
        assert_eq!(of("RUN echo \\$A|").0, Place::Argument("RUN".into(), 1));
        assert_eq!(
            of("FROM --platform=x de|"),
            (Place::Argument("FROM".into(), 0), "de".into())
        );
        assert_eq!(of("FROM a |"), (Place::Argument("FROM".into(), 1), String::new()));
    }

    #[test]
    fn any_place_of_a_broken_text_is_taken() {
        let text = "# syntax=x\n# check=skip=\nFROM ${A\nRUN --mount=\"type=b \\\n ü $\nCOPY <<E /\n𝄞 $\nONBUILD \n--";
        for end in 0..=text.len() {
            for cut in [text, text.get(..end).unwrap_or("")] {
                if cut.is_char_boundary(end.min(cut.len())) {
                    let found = find(cut, end.min(cut.len()));
                    if let Some(at) = found {
                        assert_eq!(&cut[at.part.clone()], at.typed);
                    }
                }
            }
        }
    }
}
