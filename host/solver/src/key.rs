//! Cache keys as what they are made of: hashed and compared by the same walk.
//! Knows nothing of where the parts come from.

use lapstrake_llb::{Digest, Hasher};

/// What a cache key is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyParts {
    /// Covers what the op does: [`CacheMap::digest`](crate::CacheMap::digest).
    pub op: Digest,
    /// One for each input.
    pub inputs: Vec<InputPart>,
}

/// How an input enters a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputPart {
    /// What stands for the input.
    pub identity: Identity,
    /// Which output of the vertex it is.
    pub output: u32,
    /// Which part of that output, where the op's digest does not say it.
    pub selector: Option<Digest>,
}

/// What stands for an input in a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// The vertex's definition key, or the id of the record of its result.
    Result(Digest),
    /// What it holds. Output and selector do not count then.
    Content(Digest),
}

/// One difference between two keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The op does something else.
    Op,
    /// There are more or fewer inputs.
    InputCount {
        /// How many there were.
        before: usize,
        /// How many there are.
        after: usize,
    },
    /// An input is another one, or holds something else.
    Input {
        /// Which input.
        index: usize,
        /// What stood for it.
        before: InputPart,
        /// What stands for it.
        after: InputPart,
    },
}

/// What the parts of a key are told to, one after another.
trait Visitor {
    fn op(&mut self, op: &Digest);
    fn count(&mut self, count: usize);
    fn input(&mut self, index: usize, part: &InputPart);
}

impl KeyParts {
    /// The one walk over all that is in a key.
    fn visit(&self, visitor: &mut impl Visitor) {
        visitor.op(&self.op);
        visitor.count(self.inputs.len());
        for (index, part) in self.inputs.iter().enumerate() {
            visitor.input(index, part);
        }
    }

    /// Hashes the parts to the key.
    pub fn digest(&self) -> Digest {
        struct Key(Hasher);
        impl Visitor for Key {
            fn op(&mut self, op: &Digest) {
                self.0.digest(op);
            }
            fn count(&mut self, count: usize) {
                self.0.number(count as u64);
            }
            fn input(&mut self, _: usize, part: &InputPart) {
                match &part.identity {
                    Identity::Result(id) => {
                        self.0.number(0).digest(id).number(u64::from(part.output));
                        match &part.selector {
                            None => self.0.number(0),
                            Some(selector) => self.0.number(1).digest(selector),
                        };
                    }
                    Identity::Content(content) => {
                        self.0.number(1).digest(content);
                    }
                }
            }
        }
        let mut key = Key(Hasher::new("lapstrake.key.1"));
        self.visit(&mut key);
        key.0.finish()
    }

    /// Lists what differs from an earlier key's parts. Empty: the keys are equal.
    pub fn differences(&self, before: &KeyParts) -> Vec<Difference> {
        struct Compare<'a> {
            before: &'a KeyParts,
            found: Vec<Difference>,
        }
        impl Visitor for Compare<'_> {
            fn op(&mut self, op: &Digest) {
                if *op != self.before.op {
                    self.found.push(Difference::Op);
                }
            }
            fn count(&mut self, after: usize) {
                let before = self.before.inputs.len();
                if before != after {
                    self.found.push(Difference::InputCount { before, after });
                }
            }
            fn input(&mut self, index: usize, after: &InputPart) {
                let Some(before) = self.before.inputs.get(index) else {
                    return;
                };
                let equal = match (before.identity, after.identity) {
                    (Identity::Content(before), Identity::Content(after)) => before == after,
                    _ => before == after,
                };
                if !equal {
                    let (before, after) = (before.clone(), after.clone());
                    self.found.push(Difference::Input { index, before, after });
                }
            }
        }
        let mut compare = Compare {
            before,
            found: Vec::new(),
        };
        self.visit(&mut compare);
        compare.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> KeyParts {
        let input = InputPart {
            identity: Identity::Result(Digest::of(b"id")),
            output: 0,
            selector: None,
        };
        KeyParts {
            op: Digest::of(b"op"),
            inputs: vec![input.clone(), input],
        }
    }

    #[test]
    fn every_part_counts_and_is_said() {
        let before = parts();
        type Change = fn(&mut KeyParts, Digest);
        type Expected = fn(&Difference) -> bool;
        let changes: [(Change, Expected); 6] = [
            (|p, d| p.op = d, |d| *d == Difference::Op),
            (
                |p, _| p.inputs.truncate(1),
                |d| *d == Difference::InputCount { before: 2, after: 1 },
            ),
            (
                |p, d| p.inputs[1].identity = Identity::Result(d),
                |d| matches!(d, Difference::Input { index: 1, .. }),
            ),
            (
                |p, _| p.inputs[0].output = 1,
                |d| matches!(d, Difference::Input { index: 0, .. }),
            ),
            (
                |p, d| p.inputs[0].selector = Some(d),
                |d| matches!(d, Difference::Input { index: 0, .. }),
            ),
            (
                |p, _| p.inputs[0].identity = Identity::Content(Digest::of(b"id")),
                |d| matches!(d, Difference::Input { index: 0, .. }),
            ),
        ];
        let mut keys = vec![before.digest()];
        for (change, expected) in changes {
            let mut after = before.clone();
            change(&mut after, Digest::of(b"other"));
            let found = after.differences(&before);
            assert!(found.len() == 1 && expected(&found[0]), "{found:?}");
            assert!(!keys.contains(&after.digest()));
            keys.push(after.digest());
        }
        assert_eq!(before.differences(&before), []);
    }

    #[test]
    fn where_a_known_content_is_does_not_count() {
        let mut before = parts();
        before.inputs[0].identity = Identity::Content(Digest::of(b"x"));
        let mut after = before.clone();
        after.inputs[0].output = 7;
        after.inputs[0].selector = Some(Digest::of(b"part"));
        assert_eq!(after.digest(), before.digest());
        assert_eq!(after.differences(&before), []);
    }
}
