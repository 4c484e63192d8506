//! What an op's key is made of, part by part: one walk tells the parts, and they are hashed for the key or kept for an
//! explanation.
//! Knows nothing of what the parts mean.

use std::collections::{HashMap, HashSet};

use lapstrake_llb::credentials::tell_apart;
use lapstrake_llb::{Digest, Hasher};
use serde::{Deserialize, Serialize};

/// Bytes that are kept as they are; of more, only the digest is.
const SHOWN: usize = 1024;

/// How a part counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// It is in the key.
    Key,
    /// It is in the key, but says nothing to people: told only where no note tells of the same.
    Opaque,
    /// It is not in the key. Said where something in the key differs.
    Note,
}

/// One part, kept; of credentials in URLs only that they differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// How it counts.
    pub role: Role,
    /// What it is, such as `ENV`.
    pub name: String,
    /// Of what, where there may be several, such as a variable's name.
    pub of: String,
    /// Its value. Of a list: every element, each with a zero byte after it.
    pub value: String,
}

/// A value as it is told.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// Text.
    Text(&'a str),
    /// Texts in order.
    List(&'a [String]),
    /// Data.
    Bytes(&'a [u8]),
    /// A digest.
    Digest(&'a Digest),
}

/// What the parts of a key are told to, one after another. What is kept MUST tell two values apart where what is
/// hashed does, so all values of one name MUST be of one kind.
pub trait Parts {
    /// Takes one part.
    fn add(&mut self, role: Role, name: &'static str, of: &str, value: Value<'_>);

    /// Takes a text.
    fn text(&mut self, name: &'static str, of: &str, value: &str) {
        self.add(Role::Key, name, of, Value::Text(value));
    }

    /// Takes a list; nothing if it is empty.
    fn list(&mut self, name: &'static str, of: &str, values: &[String]) {
        if !values.is_empty() {
            self.add(Role::Key, name, of, Value::List(values));
        }
    }

    /// Takes a flag; nothing if it is not set.
    fn flag(&mut self, name: &'static str, of: &str, set: bool) {
        if set {
            self.text(name, of, "yes");
        }
    }

    /// Takes a digest that says nothing to people.
    fn opaque(&mut self, name: &'static str, digest: &Digest) {
        self.add(Role::Opaque, name, "", Value::Digest(digest));
    }

    /// Takes what is not in the key.
    fn note(&mut self, name: &'static str, value: &str) {
        self.add(Role::Note, name, "", Value::Text(value));
    }
}

/// Hashes parts to a digest.
pub struct PartHasher {
    hasher: Hasher,
    /// What is told, in one piece: that is hashed faster than many.
    told: Vec<u8>,
}

impl PartHasher {
    /// Adds to a digest that was begun.
    pub fn new(hasher: Hasher) -> Self {
        let told = Vec::with_capacity(1024);
        Self { hasher, told }
    }

    /// The digest of all that a walk tells.
    pub fn digest(domain: &str, walk: impl FnOnce(&mut dyn Parts)) -> Digest {
        let mut parts = Self::new(Hasher::new(domain));
        walk(&mut parts);
        parts.finish()
    }

    /// Ends the digest.
    pub fn finish(mut self) -> Digest {
        self.hasher.field(&self.told);
        self.hasher.finish()
    }

    /// Adds a field without ambiguity: its length precedes it.
    fn field(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.told.extend_from_slice(bytes);
    }

    fn number(&mut self, value: u64) {
        self.told.extend_from_slice(&value.to_le_bytes());
    }
}

impl Parts for PartHasher {
    fn add(&mut self, role: Role, name: &'static str, of: &str, value: Value<'_>) {
        if role == Role::Note {
            return;
        }
        self.field(name.as_bytes());
        self.field(of.as_bytes());
        match value {
            Value::Text(text) => self.field(text.as_bytes()),
            Value::Bytes(bytes) => self.field(bytes),
            Value::Digest(digest) => self.told.extend_from_slice(digest.as_bytes()),
            Value::List(list) => {
                self.number(list.len() as u64);
                list.iter().for_each(|item| self.field(item.as_bytes()));
            }
        }
    }
}

impl Parts for Vec<Part> {
    fn add(&mut self, role: Role, name: &'static str, of: &str, value: Value<'_>) {
        let value = match value {
            Value::Text(text) => tell_apart(text),
            Value::Digest(digest) => digest.to_string(),
            Value::List(list) => list.iter().map(|item| tell_apart(item) + "\0").collect(),
            Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) if text.len() <= SHOWN => tell_apart(text),
                _ => Digest::of(bytes).to_string(),
            },
        };
        let (name, of) = (name.to_owned(), tell_apart(of));
        self.push(Part {
            role,
            name,
            of,
            value,
        });
    }
}

/// A part that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartChange {
    /// What it is.
    pub name: String,
    /// Of what.
    pub of: String,
    /// What it was; none: it was not there.
    pub before: Option<String>,
    /// What it is now; none: it is there no more.
    pub after: Option<String>,
}

/// Parts by what they are. Several of one name are told apart by their number.
type Index<'a> = HashMap<(&'a str, &'a str, usize), &'a Part>;

fn index(parts: &[Part]) -> (Vec<(&str, &str, usize)>, Index<'_>) {
    let mut counts: HashMap<(&str, &str), usize> = HashMap::new();
    let mut order = Vec::with_capacity(parts.len());
    let mut found = HashMap::with_capacity(parts.len());
    for part in parts {
        let count = counts.entry((&part.name, &part.of)).or_default();
        let place = (part.name.as_str(), part.of.as_str(), *count);
        *count += 1;
        order.push(place);
        found.insert(place, part);
    }
    (order, found)
}

/// Lists what differs. Empty if and only if all that is in a key is the same, in the same order.
pub fn changes(before: &[Part], after: &[Part]) -> Vec<PartChange> {
    if before == after || in_key(before).eq(in_key(after)) {
        return Vec::new();
    }
    let ((old_order, old), (new_order, new)) = (index(before), index(after));
    let gone = old_order.iter().filter(|place| !new.contains_key(*place));
    let mut found: Vec<(Role, PartChange)> = Vec::new();
    for place in new_order.iter().chain(gone) {
        let (was, is) = (old.get(place), new.get(place));
        if was.map(|part| &part.value) == is.map(|part| &part.value) {
            continue;
        }
        let change = PartChange {
            name: place.0.to_owned(),
            of: place.1.to_owned(),
            before: was.map(|part| part.value.clone()),
            after: is.map(|part| part.value.clone()),
        };
        let role = is.or(was).map_or(Role::Key, |part| part.role);
        found.push((role, change));
    }
    if found.iter().any(|(role, _)| *role == Role::Note) {
        found.retain(|(role, _)| *role != Role::Opaque);
    }
    if found.is_empty() {
        return vec![order(before, after)];
    }
    found.into_iter().map(|(_, change)| change).collect()
}

/// What is in a key of some parts, in its order.
fn in_key(parts: &[Part]) -> impl Iterator<Item = (&str, &str, &str)> {
    let parts = parts.iter().filter(|part| part.role != Role::Note);
    parts.map(|part| (part.name.as_str(), part.of.as_str(), part.value.as_str()))
}

/// The change of lists that hold the same in another order: what stood elsewhere, of the first name that did.
fn order(before: &[Part], after: &[Part]) -> PartChange {
    let moved = in_key(before).zip(in_key(after)).find(|(was, is)| was != is);
    let name = moved.map_or("", |(was, _)| was.0);
    let list = |parts: &[Part]| {
        let parts = in_key(parts).filter(|part| part.0 == name);
        Some(parts.flat_map(|part| [part.1, "\0"]).collect())
    };
    PartChange {
        name: format!("order of {name}"),
        of: String::new(),
        before: list(before),
        after: list(after),
    }
}

/// How many parts differ, and how many there are to compare.
pub(crate) fn distance(before: &[Part], after: &[Part]) -> (usize, usize) {
    let names = |parts: &[Part]| {
        let parts = parts.iter().filter(|part| part.role == Role::Key);
        parts
            .map(|part| (part.name.clone(), part.of.clone()))
            .collect::<HashSet<_>>()
    };
    let all = names(before).union(&names(after)).count();
    (changes(before, after).len(), all)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Told = Vec<(Role, &'static str, &'static str, &'static str)>;

    fn tell(list: &Told, parts: &mut dyn Parts) {
        list.iter()
            .for_each(|(role, name, of, value)| parts.add(*role, name, of, Value::Text(value)));
    }

    fn both(list: &Told) -> (Digest, Vec<Part>) {
        let mut kept = Vec::new();
        tell(list, &mut kept);
        (PartHasher::digest("test", |parts| tell(list, parts)), kept)
    }

    #[test]
    fn a_changed_an_added_and_a_removed_part_are_said() {
        let (_, before) = both(&vec![
            (Role::Key, "ENV", "A", "1"),
            (Role::Key, "ENV", "B", "1"),
            (Role::Key, "user", "", "root"),
        ]);
        let (_, after) = both(&vec![
            (Role::Key, "ENV", "A", "2"),
            (Role::Key, "ENV", "C", "3"),
            (Role::Key, "user", "", "root"),
        ]);
        let found: Vec<_> = changes(&before, &after)
            .into_iter()
            .map(|c| (c.of, c.before, c.after))
            .collect();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            found,
            [
                ("A".to_owned(), text("1"), text("2")),
                ("C".to_owned(), None, text("3")),
                ("B".to_owned(), text("1"), None)
            ]
        );
    }

    #[test]
    fn credentials_are_told_apart_and_not_kept() {
        let (first, before) = both(&vec![(Role::Key, "command", "", "curl https://h/?sig=one")]);
        let (second, after) = both(&vec![(Role::Key, "command", "", "curl https://h/?sig=two")]);
        assert_ne!(first, second);
        let found = changes(&before, &after);
        assert_eq!(found.len(), 1);
        let text = format!("{before:?} {after:?} {found:?}");
        assert!(!text.contains("sig=one") && !text.contains("sig=two"), "{text}");
        let mut list: Vec<Part> = Vec::new();
        list.list("command", "", &["a".to_owned(), "http://me:pw@h".to_owned()]);
        assert!(list[0].value.starts_with("a\0http://xxxxx-") && list[0].value.ends_with("@h\0"));
    }

    #[test]
    fn a_note_speaks_for_what_says_nothing_and_alone_is_no_change() {
        let parts = |layers, tag| {
            both(&vec![
                (Role::Opaque, "layers", "", layers),
                (Role::Note, "tag", "", tag),
            ])
        };
        let (key, before) = parts("x", "1");
        let (other, moved) = parts("x", "2");
        assert_eq!((key, changes(&before, &moved)), (other, vec![]));
        let names = |after: &[Part]| {
            let found = changes(&before, after).into_iter();
            found.map(|change| change.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&parts("y", "2").1), ["tag"]);
        assert_eq!(names(&parts("y", "1").1), ["layers"]);
    }

    #[test]
    fn the_order_of_equal_parts_is_a_change() {
        let (a, before) = both(&vec![(Role::Key, "ENV", "A", "1"), (Role::Key, "ENV", "B", "1")]);
        let (b, after) = both(&vec![(Role::Key, "ENV", "B", "1"), (Role::Key, "ENV", "A", "1")]);
        assert_ne!(a, b);
        let found = changes(&before, &after);
        assert_eq!((found.len(), found[0].name.as_str()), (1, "order of ENV"));
        assert_eq!(found[0].before.as_deref(), Some("A\0B\0"));
    }

    proptest::proptest! {
        #[test]
        fn parts_differ_if_and_only_if_digests_do(
            a in proptest::collection::vec((0..3usize, 0..3usize, 0..3usize, 0..3usize), 0..5),
            b in proptest::collection::vec((0..3usize, 0..3usize, 0..3usize, 0..3usize), 0..5),
        ) {
            let roles = [Role::Key, Role::Opaque, Role::Note];
            let list = |rows: &[(usize, usize, usize, usize)]| -> Told {
                rows.iter().map(|(role, name, of, value)| (
                    roles[*role],
                    ["a", "ab", "b"][*name],
                    ["", "b", "c"][*of],
                    ["", "1", "2"][*value],
                )).collect()
            };
            let ((first, before), (second, after)) = (both(&list(&a)), both(&list(&b)));
            proptest::prop_assert_eq!(first == second, changes(&before, &after).is_empty());
        }
    }
}
