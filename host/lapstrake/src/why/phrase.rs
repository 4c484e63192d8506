//! Phrases for what differs: a part of a key, the files of a directory, a time.
//! Knows nothing of steps.

use std::time::{Duration, SystemTime};

use lapstrake_llb::credentials::redact;
use lapstrake_llb::{Op, SourceOp};
use lapstrake_solver::PartChange;

/// Characters of a value that are shown.
const WIDTH: usize = 100;
/// Characters before the first difference that are shown.
const LEAD: usize = 20;

/// How phrases are made.
pub struct Phrases<'a> {
    /// Whether values are shown whole.
    pub all: bool,
    /// Files that are shown.
    pub files: usize,
    /// Names of the build arguments that were given.
    pub build_args: &'a [String],
}

impl Phrases<'_> {
    /// A part that differs, of an op.
    pub fn part(&self, change: &PartChange, op: &Op) -> String {
        let PartChange {
            name,
            of,
            before,
            after,
        } = change;
        if name == "base image digest"
            && let (Some(before), Some(after)) = (before, after)
        {
            let reference = reference(op).map_or(String::new(), |reference| format!(" ({reference})"));
            let (before, after) = (short_digest(before), short_digest(after));
            return format!("base image digest moved: {before} -> {after}{reference}");
        }
        if name == "what it does" {
            return match reference(op) {
                Some(reference) => format!("{} is not what it was", clean(&reference)),
                None => "it does something else".to_owned(),
            };
        }
        let head = if of.is_empty() {
            clean(name)
        } else {
            format!("{} {}", clean(name), clean(of))
        };
        let origin = match name == "ENV" && self.build_args.contains(of) {
            true => " (build argument)",
            false => "",
        };
        let [before, after] = self.pair(before.as_deref(), after.as_deref());
        match (before, after) {
            (Some(before), Some(after)) => format!("{head}: {before} -> {after}{origin}"),
            (None, Some(after)) => format!("{head}: added, {after}{origin}"),
            (Some(before), None) => format!("{head}: removed, was {before}{origin}"),
            (None, None) => head,
        }
    }

    /// Two values on one line each, cut around their first difference.
    fn pair(&self, before: Option<&str>, after: Option<&str>) -> [Option<String>; 2] {
        let (before, after) = match (before, after) {
            // A flag that is not set is no part.
            (None, Some("yes")) => (Some("no"), Some("yes")),
            (Some("yes"), None) => (Some("yes"), Some("no")),
            other => other,
        };
        let shown = [before, after].map(|value| value.map(shown));
        let lengths = shown.iter().flatten().map(|text| text.chars().count());
        if self.all || lengths.max().unwrap_or(0) <= WIDTH {
            return shown;
        }
        let common = match &shown {
            [Some(before), Some(after)] => before
                .chars()
                .zip(after.chars())
                .take_while(|(a, b)| a == b)
                .count(),
            _ => 0,
        };
        let start = if common > WIDTH - LEAD { common - LEAD } else { 0 };
        shown.map(|text| text.map(|text| window(&text, start)))
    }

    /// What differs in what is taken of a directory.
    pub fn content(&self, label: &str, changes: &[PartChange]) -> String {
        let label = clean(label);
        if changes.is_empty() {
            return format!("{label}: the files changed (there are too many to say which)");
        }
        let mut files: Vec<String> = changes.iter().take(self.files).map(file).collect();
        let more = changes.len() - files.len();
        if more > 0 {
            files.push(format!("and {more} more"));
        }
        format!("{label}: {}", files.join(", "))
    }
}

/// What became of a file.
fn file(change: &PartChange) -> String {
    let path = clean(&change.name);
    let (before, after) = match (&change.before, &change.after) {
        (None, _) => return format!("{path} added"),
        (_, None) => return format!("{path} removed"),
        (Some(before), Some(after)) => (words(before), words(after)),
    };
    let value = |list: &[(String, String)], what: &str| {
        let found = list.iter().find(|(name, _)| name == what);
        found.map(|(_, value)| value.clone())
    };
    let mut names: Vec<&String> = after.iter().chain(&before).map(|(name, _)| name).collect();
    let mut seen = Vec::new();
    names.retain(|name| {
        let new = !seen.contains(name);
        seen.push(*name);
        new
    });
    let mut what = Vec::new();
    for name in names {
        let (was, is) = (value(&before, name), value(&after, name));
        if was == is {
            continue;
        }
        what.push(match (name.as_str(), was, is) {
            ("mode" | "type" | "owner", Some(was), Some(is)) => format!("{name} {was} -> {is}"),
            _ => name.clone(),
        });
    }
    // Another type has other properties: that says enough.
    if let Some(kind) = what.iter().find(|text| text.starts_with("type")) {
        what = vec![kind.clone()];
    }
    format!("{path} changed ({})", what.join(", "))
}

/// `what:value` words.
fn words(text: &str) -> Vec<(String, String)> {
    let pairs = text.split(' ').filter_map(|word| word.split_once(':'));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// What a source is about.
fn reference(op: &Op) -> Option<String> {
    let Op::Source(source) = op else { return None };
    let text = match source {
        SourceOp::Image(image) => &image.reference,
        SourceOp::OciLayout(layout) => &layout.reference,
        SourceOp::Git(git) => return Some(git.remote.clone()),
        SourceOp::Http(http) => return Some(http.url.clone()),
        SourceOp::Local(_) => return None,
    };
    Some(
        text.split_once('@')
            .map_or(text.as_str(), |(name, _)| name)
            .to_owned(),
    )
}

/// A digest, cut.
fn short_digest(text: &str) -> String {
    text.get(..19).unwrap_or(text).to_owned()
}

/// The elements of a list's value; none: it is no list.
pub fn list(value: &str) -> Option<Vec<&str>> {
    let inner = value.strip_suffix('\0')?;
    Some(inner.split('\0').collect())
}

/// A value on one line: of a command in a shell, what the shell is told.
fn shown(value: &str) -> String {
    match list(value) {
        Some(words) => match words.as_slice() {
            ["/bin/sh" | "/bin/bash", "-c", command] => clean(command),
            words => {
                let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
                words.join(" ")
            }
        },
        None if value.is_empty() => "\"\"".to_owned(),
        None => clean(value),
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,*".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", clean(word))
    }
}

/// Text on one line, without what a terminal would obey, and without the credentials of URLs.
pub fn clean(text: &str) -> String {
    redact(text)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn window(text: &str, start: usize) -> String {
    let mut out: String = text.chars().skip(start).take(WIDTH).collect();
    if start > 0 {
        out.insert(0, '…');
    }
    if text.chars().count() > start + WIDTH {
        out.push('…');
    }
    out
}

/// An age in the largest unit that fits.
pub fn ago(at: SystemTime, now: SystemTime) -> String {
    let seconds = now.duration_since(at).unwrap_or(Duration::ZERO).as_secs();
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural} ago")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(name: &str, of: &str, before: Option<&str>, after: Option<&str>) -> PartChange {
        PartChange {
            name: name.to_owned(),
            of: of.to_owned(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        }
    }

    fn part(change: &PartChange) -> String {
        let build_args = ["ARG".to_owned()];
        let phrases = Phrases {
            all: false,
            files: 2,
            build_args: &build_args,
        };
        phrases.part(change, &Op::Merge(lapstrake_llb::MergeOp::default()))
    }

    #[test]
    fn parts_are_said_in_short() {
        let cases = [
            (change("ENV", "FOO", Some("x"), Some("y")), "ENV FOO: x -> y"),
            (change("ENV", "FOO", None, Some("")), "ENV FOO: added, \"\""),
            (
                change("ENV", "ARG", Some("x"), None),
                "ENV ARG: removed, was x (build argument)",
            ),
            (
                change(
                    "command",
                    "",
                    Some("/bin/sh\0-c\0make\0"),
                    Some("/bin/sh\0-c\0make all\0"),
                ),
                "command: make -> make all",
            ),
            (
                change("command", "", Some("a\0b c\0"), Some("a\0\0")),
                "command: a 'b c' -> a ''",
            ),
            (
                change("archive unpacked", "", None, Some("yes")),
                "archive unpacked: no -> yes",
            ),
        ];
        for (change, expected) in cases {
            assert_eq!(part(&change), expected);
        }
        let long = |end: &str| format!("{}{end}", "word ".repeat(50));
        let text = part(&change("command", "", Some(&long("one")), Some(&long("two"))));
        assert_eq!(
            text,
            "command: …word word word word one -> …word word word word two"
        );
    }

    #[test]
    fn files_are_said_with_what_differs() {
        let build_args = [];
        let phrases = Phrases {
            all: false,
            files: 4,
            build_args: &build_args,
        };
        let file = "type:file mode:0644 content:aa";
        let changes = [
            change("a", "", Some(file), Some("type:file mode:0755 content:aa")),
            change("b", "", Some(file), Some("type:file mode:0644 content:bb")),
            change("c", "", Some(file), Some("type:link target:cc")),
            change("d", "", Some(file), None),
            change("e", "", None, Some(file)),
        ];
        assert_eq!(
            phrases.content("COPY src", &changes),
            "COPY src: a changed (mode 0644 -> 0755), b changed (content), c changed (type file -> link), d removed, and 1 more"
        );
    }

    #[test]
    fn ages() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let of = |seconds| ago(now - Duration::from_secs(seconds), now);
        assert_eq!(
            [of(1), of(59), of(60), of(7200), of(200_000)],
            [
                "1 second ago",
                "59 seconds ago",
                "1 minute ago",
                "2 hours ago",
                "2 days ago"
            ]
        );
        assert_eq!(ago(now, SystemTime::UNIX_EPOCH), "0 seconds ago");
    }
}
