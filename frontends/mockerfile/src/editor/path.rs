//! Where a place is in a YAML file: the keys and lists that it is in, found from the indentation of the lines above it, so
//! that a file that is being written, and that no parser takes, has places, too. Knows no key.

use std::ops::Range;

/// A step of the way to a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The value of a key.
    Key(String),
    /// An item of a list.
    Item,
}

/// A place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The mapping or list that it is in.
    pub path: Vec<Step>,
    /// The key whose value it is; none: it is where a key could be.
    pub key: Option<String>,
    /// Bytes that are written already.
    pub part: Range<usize>,
    /// The keys beside it.
    pub siblings: Vec<String>,
}

/// A line, taken apart.
struct Line<'a> {
    /// Columns of its dashes.
    dashes: Vec<usize>,
    /// Column of what follows.
    column: usize,
    /// What follows, without a comment.
    content: &'a str,
}

impl<'a> Line<'a> {
    fn of(text: &'a str) -> Self {
        let mut dashes = Vec::new();
        let mut column = text.len() - text.trim_start_matches(' ').len();
        while let Some(rest) = text[column..].strip_prefix('-') {
            if !rest.is_empty() && !rest.starts_with(' ') {
                break;
            }
            dashes.push(column);
            column = text.len() - rest.trim_start_matches(' ').len();
        }
        let content = text[column..].trim_end();
        let content = match content.starts_with('#') {
            true => "",
            false => content.split(" #").next().unwrap_or_default().trim_end(),
        };
        Self {
            dashes,
            column,
            content,
        }
    }

    /// Its key and what stands behind it.
    fn key(&self) -> Option<(&'a str, &'a str)> {
        let (key, value) = self.content.split_once(':')?;
        let is_key = !key.is_empty() && (value.is_empty() || value.starts_with([' ', '\t']));
        is_key.then(|| (key.trim_matches(['"', '\'', ' ']), value.trim()))
    }

    fn is_blank(&self) -> bool {
        self.content.is_empty() && self.dashes.is_empty()
    }

    /// The column of the innermost mapping or list that begins in it.
    fn first(&self) -> usize {
        self.dashes.first().copied().unwrap_or(self.column)
    }
}

/// Finds the place at a byte. None: in a comment.
pub fn find(text: &str, offset: usize) -> Option<Place> {
    let begin = text[..offset].rfind('\n').map_or(0, |end| end + 1);
    let written = &text[begin..offset];
    let line = Line::of(written);
    let raw = written[line.column.min(written.len())..].trim_start();
    if raw.starts_with('#') || raw.contains(" #") {
        return None;
    }
    let (mut path, column) = above(&text[..begin], &line);
    path.reverse();
    let siblings = siblings(text, begin, column);
    // The value begins behind the colon and a space.
    let value = raw.split_once(": ").or_else(|| raw.split_once(":\t"));
    Some(match value {
        Some((key, value)) => {
            let typed = value.trim_start();
            Place {
                path,
                key: Some(key.trim().to_owned()),
                part: offset - typed.len()..offset,
                siblings,
            }
        }
        None => Place {
            path,
            key: None,
            part: offset - raw.len()..offset,
            siblings,
        },
    })
}

/// The way up from a line, the innermost step first, and the column of the mapping that it is in.
fn above(before: &str, line: &Line<'_>) -> (Vec<Step>, usize) {
    let mut path = Vec::new();
    let column = line.column;
    // Where what is looked for may begin at most; a list may begin in the column of its key.
    let (mut limit, mut in_list) = (column, false);
    for dash in line.dashes.iter().rev() {
        path.push(Step::Item);
        (limit, in_list) = (*dash, true);
    }
    for text in before.lines().rev() {
        let line = Line::of(text);
        if line.is_blank() {
            continue;
        }
        if let Some((key, value)) = line.key() {
            let is_above = line.column < limit || (in_list && line.column == limit);
            if is_above && value.is_empty() {
                path.push(Step::Key(key.to_owned()));
                (limit, in_list) = (line.column, false);
            }
        }
        for dash in line.dashes.iter().rev() {
            if *dash < limit {
                // A dash below a list's own one is an item beside it.
                path.push(Step::Item);
                (limit, in_list) = (*dash, true);
            }
        }
        if limit == 0 && !in_list {
            break;
        }
    }
    (path, column)
}

/// The keys of the mapping that the line at `begin` is in.
fn siblings(text: &str, begin: usize, column: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut add = |line: &Line<'_>| {
        if line.column == column {
            found.extend(line.key().map(|(key, _)| key.to_owned()));
        }
    };
    let here = Line::of(text[begin..].lines().next().unwrap_or_default());
    // An item begins with its dash: what is above belongs to another one.
    if here.dashes.is_empty() {
        for text in text[..begin].lines().rev() {
            let line = Line::of(text);
            if line.is_blank() {
                continue;
            }
            if line.column < column {
                break;
            }
            add(&line);
            if line.dashes.iter().any(|dash| *dash < column) && line.column == column {
                break;
            }
        }
    }
    for text in text[begin..].lines().skip(1) {
        let line = Line::of(text);
        if line.is_blank() {
            continue;
        }
        if line.first() < column {
            break;
        }
        add(&line);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The path, the key and what is written at the `|` of a text.
    fn at(marked: &str) -> (String, Option<String>, String) {
        let offset = marked.find('|').unwrap();
        let text = marked.replacen('|', "", 1);
        let place = find(&text, offset).unwrap();
        let path: Vec<&str> = place
            .path
            .iter()
            .map(|step| match step {
                Step::Key(key) => key.as_str(),
                Step::Item => "-",
            })
            .collect();
        (path.join(" "), place.key, text[place.part].to_owned())
    }

    #[track_caller]
    fn is(marked: &str, path: &str, key: Option<&str>, typed: &str) {
        let expected = (path.to_owned(), key.map(str::to_owned), typed.to_owned());
        assert_eq!(at(marked), expected, "{marked:?}");
    }

    #[test]
    fn paths() {
        is("|", "", None, "");
        is("api|", "", None, "api");
        is("apiVersion: v1|", "", Some("apiVersion"), "v1");
        is("images:\n- |", "images -", None, "");
        is("images:\n  - na|", "images -", None, "na");
        is("images:\n- name: a\n  fr|", "images -", None, "fr");
        is(
            "images:\n- name: a\n  package:\n    ma|",
            "images - package",
            None,
            "ma",
        );
        is(
            "images:\n- name: a\n  package:\n    manager: a|",
            "images - package",
            Some("manager"),
            "a",
        );
        is(
            "images:\n- name: a\n  copy:\n  - from: b\n    ds|",
            "images - copy -",
            None,
            "ds",
        );
        is("images:\n- name: a\n- na|", "images -", None, "na");
        is(
            "images:\n- steps:\n  - make\n  - l|",
            "images - steps -",
            None,
            "l",
        );
        is("images:\n  - name: a\n\n    # note\n    |", "images -", None, "");
        is(
            "images:\n- name: a\n  steps:\n  - x: y\n  en|",
            "images -",
            None,
            "en",
        );
    }

    #[test]
    fn comments_are_no_place() {
        assert_eq!(find("a: b # c", 8), None);
        assert_eq!(find("# c", 3), None);
    }

    #[test]
    fn keys_beside_it() {
        let of = |marked: &str| {
            let offset = marked.find('|').unwrap();
            find(&marked.replacen('|', "", 1), offset).unwrap().siblings
        };
        assert_eq!(
            of("images:\n- name: a\n  |\n  from: b\n- user: x\n"),
            ["name", "from"]
        );
        assert_eq!(of("images:\n- name: a\n- |\n  env: b\n"), ["env"]);
        assert_eq!(of("a: 1\n|\nb:\n  c: 1\n"), ["a", "b"]);
    }

    #[test]
    fn any_place_of_a_broken_text_is_taken() {
        let text = "images:\n- - name: [\n  ü: 𝄞 |\n\t- x\n -\n:\n- \"a: b\n  - -- x:\n";
        for offset in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
            if let Some(place) = find(text, offset) {
                assert!(text.get(place.part).is_some());
            }
        }
    }
}
