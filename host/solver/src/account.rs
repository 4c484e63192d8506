//! What a record was made of, kept beside it so that a later solve can say what differs.
//! Knows nothing of where accounts are kept.

use lapstrake_llb::{Digest, Vertex};
use serde::{Deserialize, Serialize};

use crate::key::{Difference, Identity, InputPart, KeyParts};
use crate::part::{Part, PartChange, changes, distance};

/// What a worker tells of a vertex for explanations: what its cache map is made of, with names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// What [`CacheMap::digest`](crate::CacheMap::digest) is made of.
    pub op: Vec<Part>,
    /// One for each input.
    pub inputs: Vec<ToldInput>,
}

/// What a worker tells of an input.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldInput {
    /// What the op does with it, such as `COPY src`.
    pub label: String,
    /// What [`InputKey::selector`](crate::InputKey::selector) is made of.
    pub selector: Vec<Part>,
    /// What it holds of what is selected, where nobody else will be able to say so later: a part an item.
    pub listing: Option<Vec<Part>>,
}

/// What a record was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Kind of the op.
    pub kind: String,
    /// Name of the step.
    pub name: String,
    /// The key that it has by its definition.
    pub definition: Digest,
    /// [`CacheMap::digest`](crate::CacheMap::digest).
    pub digest: Digest,
    /// One for each input.
    pub inputs: Vec<AccountInput>,
    /// What the worker told.
    pub told: Told,
}

/// An input of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountInput {
    /// Name of the step that made it.
    pub name: String,
    /// Id of its result; none: not known before it has run.
    pub id: Option<Digest>,
    /// Which output it is.
    pub output: u32,
    /// Which part is taken.
    pub selector: Option<Digest>,
    /// What it holds, where that counts and is known.
    pub content: Option<Digest>,
}

/// How an input differs from the one of an earlier record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputChange {
    pub index: usize,
    /// What is taken of it differs in this.
    pub selector: Vec<PartChange>,
    /// What differs of what it holds; none: that is not known.
    pub listing: Option<Vec<PartChange>>,
    /// The result that the earlier record was made of, if it is another one.
    pub other: Option<Option<Digest>>,
}

/// What differs between two accounts, by the walk that makes keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AccountChange {
    pub op: Vec<PartChange>,
    pub count: Option<(usize, usize)>,
    pub inputs: Vec<InputChange>,
}

impl AccountChange {
    /// Whether something of the step itself differs, and not only its inputs.
    pub fn is_own(&self) -> bool {
        !self.op.is_empty() || self.count.is_some()
    }
}

impl Account {
    /// The account of a vertex, as far as it is known.
    pub(crate) fn new(
        vertex: &Vertex,
        definition: Digest,
        digest: Digest,
        inputs: Vec<AccountInput>,
        mut told: Told,
    ) -> Self {
        if told.op.is_empty() {
            crate::part::Parts::opaque(&mut told.op, "what it does", &digest);
        }
        told.inputs.resize(inputs.len(), ToldInput::default());
        Self {
            kind: vertex.op.kind().to_owned(),
            name: vertex.metadata.name.clone(),
            definition,
            digest,
            inputs,
            told,
        }
    }

    /// The parts of its key; the content of an input stands for it where both accounts know it.
    fn key_parts(&self, other: &Account) -> KeyParts {
        // A result that is not known is like no other.
        let unknown = Digest::of(b"");
        let part = |(index, input): (usize, &AccountInput)| {
            let both = other
                .inputs
                .get(index)
                .is_some_and(|other| other.content.is_some());
            let identity = match input.content.filter(|_| both) {
                Some(content) => Identity::Content(content),
                None => Identity::Result(input.id.unwrap_or(unknown)),
            };
            InputPart {
                identity,
                output: input.output,
                selector: input.selector,
            }
        };
        KeyParts {
            op: self.digest,
            inputs: self.inputs.iter().enumerate().map(part).collect(),
        }
    }

    /// Lists what differs from an earlier account.
    pub(crate) fn changes(&self, before: &Account) -> AccountChange {
        let mut found = AccountChange::default();
        for difference in self.key_parts(before).differences(&before.key_parts(self)) {
            match difference {
                Difference::Op => found.op = changes(&before.told.op, &self.told.op),
                Difference::InputCount { before, after } => found.count = Some((before, after)),
                Difference::Input {
                    index,
                    before: was,
                    after: is,
                } => {
                    let (Some(old), Some(new)) = (before.told.inputs.get(index), self.told.inputs.get(index))
                    else {
                        continue;
                    };
                    let listing = match (&old.listing, &new.listing) {
                        (Some(old), Some(new)) => Some(changes(old, new)),
                        _ => None,
                    };
                    found.inputs.push(InputChange {
                        index,
                        selector: changes(&old.selector, &new.selector),
                        listing,
                        other: (was.identity != is.identity || was.output != is.output)
                            .then(|| before.inputs.get(index).and_then(|input| input.id)),
                    });
                }
            }
        }
        found
    }

    /// How many parts differ from an earlier account's, and how many there are.
    pub(crate) fn distance(&self, before: &Account) -> (usize, usize) {
        let (mut differing, all) = distance(&before.told.op, &self.told.op);
        for difference in self.key_parts(before).differences(&before.key_parts(self)) {
            match difference {
                Difference::Op => {}
                Difference::InputCount { before, after } => differing += before.abs_diff(after),
                Difference::Input { .. } => differing += 1,
            }
        }
        (differing, all + self.inputs.len().max(before.inputs.len()))
    }
}

/// A label such as `[build 2/5]` in front of a step's name, without the number of all steps, and the name behind it.
pub fn split_name(name: &str) -> (&str, &str) {
    let Some((label, rest)) = name.strip_prefix('[').and_then(|name| name.split_once("] ")) else {
        return ("", name);
    };
    let label = label.rsplit_once('/').map_or(label, |(place, count)| {
        let number = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
        if number { place } else { label }
    });
    (label, rest)
}

#[cfg(test)]
mod tests {
    use super::split_name;

    #[test]
    fn a_label_is_told_from_a_name() {
        assert_eq!(split_name("[build 2/5] RUN make"), ("build 2", "RUN make"));
        assert_eq!(
            split_name("[linux/amd64 1/2] FROM x"),
            ("linux/amd64 1", "FROM x")
        );
        assert_eq!(split_name("[internal] load"), ("internal", "load"));
        assert_eq!(split_name("RUN [a] b"), ("", "RUN [a] b"));
        assert_eq!(split_name("[a/b] x"), ("a/b", "x"));
    }
}
