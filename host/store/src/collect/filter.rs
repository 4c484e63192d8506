//! Conditions that an item must meet to be shown or removed.
//! Knows nothing of how they are written.

use std::time::Duration;

use super::Item;

/// How a text is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// It is this text.
    Is,
    /// It is another text.
    IsNot,
    /// This text is a part of it.
    Contains,
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// It was not used for so long.
    Unused(Duration),
    /// Its id; the beginning of it is enough.
    Id(Compare, String),
    /// The name of its kind.
    Type(Compare, String),
    /// Its description.
    Description(Compare, String),
    /// Whether somebody uses it now.
    InUse(bool),
    /// Whether its content changes.
    Mutable(bool),
}

impl Compare {
    fn holds(self, text: &str, wanted: &str) -> bool {
        match self {
            Compare::Is => text == wanted,
            Compare::IsNot => text != wanted,
            Compare::Contains => text.contains(wanted),
        }
    }
}

impl Filter {
    /// Whether it holds for an item at a time, Unix seconds.
    pub fn holds(&self, item: &Item, now: i64) -> bool {
        match self {
            Filter::Unused(time) => {
                let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
                item.used <= now.saturating_sub(seconds)
            }
            Filter::Id(Compare::Is, id) => item.id.starts_with(id.as_str()),
            Filter::Id(Compare::IsNot, id) => !item.id.starts_with(id.as_str()),
            Filter::Id(compare, id) => compare.holds(&item.id, id),
            Filter::Type(compare, name) => compare.holds(item.kind.as_str(), name),
            Filter::Description(compare, text) => compare.holds(&item.description, text),
            Filter::InUse(wanted) => item.in_use == *wanted,
            Filter::Mutable(wanted) => item.is_mutable() == *wanted,
        }
    }
}
