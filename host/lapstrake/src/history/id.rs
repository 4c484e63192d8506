//! Names of builds: how they are made, and what a person's word means among those that are there.
//! Does no I/O.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Crockford's base 32 in lower case: no letter looks like a digit.
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Letters of an id, five bits each.
const LENGTH: usize = 12;

/// The id of a build: random, so that a few letters of it are enough. The order of time is in the names of the files.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Id(String);

impl Id {
    /// An id that no other build has.
    pub fn new() -> Self {
        // The standard library's hasher is seeded by the kernel.
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u32(std::process::id());
        let mut bits = hasher.finish();
        let mut text = String::with_capacity(LENGTH);
        for _ in 0..LENGTH {
            text.push(char::from(LETTERS[(bits & 31) as usize]));
            bits >>= 5;
        }
        Self(text)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Id {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Id {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let known = |byte: u8| LETTERS.contains(&byte);
        if text.len() == LENGTH && text.bytes().all(known) {
            Ok(Self(text.to_owned()))
        } else {
            Err(())
        }
    }
}

/// A word that means no build.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// There is no record at all.
    #[error("no build is recorded")]
    Empty,
    /// There are fewer records.
    #[error("there is no build {word}: {count} are recorded")]
    TooFar {
        /// The word.
        word: String,
        /// How many there are.
        count: usize,
    },
    /// No id begins with it.
    #[error("no recorded build has the id {word:?}{}", near.as_ref().map(|near| format!("; did you mean {near}?")).unwrap_or_default())]
    Unknown {
        /// The word.
        word: String,
        /// An id that looks like it.
        near: Option<String>,
    },
    /// Several ids begin with it.
    #[error("several recorded builds have ids that begin with {word}: {}", ids.join(", "))]
    Ambiguous {
        /// The word.
        word: String,
        /// The ids.
        ids: Vec<String>,
    },
}

/// Index of the id that a word means, among ids from the oldest to the latest.
pub fn resolve(word: Option<&str>, ids: &[&str]) -> Result<usize, Unresolved> {
    let latest = ids.len().checked_sub(1).ok_or(Unresolved::Empty)?;
    let Some(word) = word else {
        return Ok(latest);
    };
    if let Some(back) = word.strip_prefix('^') {
        let back = if back.is_empty() {
            Some(1)
        } else {
            back.parse().ok()
        };
        return back
            .and_then(|back: usize| latest.checked_sub(back))
            .ok_or_else(|| Unresolved::TooFar {
                word: word.to_owned(),
                count: ids.len(),
            });
    }
    // `docker buildx` writes builder/node/id.
    let wanted = word.rsplit('/').next().unwrap_or(word).to_ascii_lowercase();
    let begins = |index: &usize| !wanted.is_empty() && ids[*index].starts_with(&wanted);
    let found: Vec<usize> = (0..ids.len()).filter(begins).collect();
    match found.as_slice() {
        [only] => Ok(*only),
        [] => Err(Unresolved::Unknown {
            word: word.to_owned(),
            near: near(&wanted, ids),
        }),
        several => Err(Unresolved::Ambiguous {
            word: word.to_owned(),
            ids: several.iter().map(|index| ids[*index].to_owned()).collect(),
        }),
    }
}

/// The id whose beginning is nearest to a word of at least four letters.
fn near(word: &str, ids: &[&str]) -> Option<String> {
    if word.len() < 4 || !word.is_ascii() {
        return None;
    }
    let beginnings = ids.iter().map(|id| &id[..word.len().min(id.len())]);
    let beginning = crate::suggest::closest(word, beginnings)?;
    ids.iter()
        .find(|id| id.starts_with(beginning))
        .map(|id| (*id).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: [&str; 3] = ["abcd00000000", "abxy00000000", "zzzz00000000"];

    #[test]
    fn ids_differ_and_are_read_back() {
        let (one, two) = (Id::new(), Id::new());
        assert_ne!(one, two);
        assert_eq!(one.as_str().parse(), Ok(one));
        assert_eq!("short".parse::<Id>(), Err(()));
        assert_eq!("../../../etc".parse::<Id>(), Err(()));
    }

    #[test]
    fn words_mean_builds() {
        assert_eq!(resolve(None, &IDS), Ok(2));
        assert_eq!(resolve(Some("^"), &IDS), Ok(1));
        assert_eq!(resolve(Some("^2"), &IDS), Ok(0));
        assert_eq!(resolve(Some("abx"), &IDS), Ok(1));
        assert_eq!(resolve(Some("default/default/ABCD"), &IDS), Ok(0));
        assert_eq!(resolve(None, &[]), Err(Unresolved::Empty));
    }

    #[test]
    fn words_that_mean_none_say_why() {
        let text = |word: &str| resolve(Some(word), &IDS).unwrap_err().to_string();
        assert_eq!(text("^3"), "there is no build ^3: 3 are recorded");
        assert_eq!(
            text("ab"),
            "several recorded builds have ids that begin with ab: abcd00000000, abxy00000000"
        );
        assert_eq!(
            text("zzyz0000"),
            "no recorded build has the id \"zzyz0000\"; did you mean zzzz00000000?"
        );
        assert_eq!(text("q"), "no recorded build has the id \"q\"");
    }
}
