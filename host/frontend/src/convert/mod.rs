//! The border: here, and nowhere else, becomes a guest's data the host's and the other way round. `graph` and `answer`
//! take what a guest gives, `asked` what it asks of another frontend; `request` and `made` make what a guest is given. Types, counts and sizes only: that a graph makes
//! sense is for `lapstrake_llb::validate`, which `answer` calls. Knows nothing of how a guest is called.

mod answer;
mod asked;
mod graph;
mod made;
mod request;

pub(crate) use answer::{Checked, checked_definition};

use crate::bindings::lapstrake::frontend::llb as wit;

/// Implements `From` for a record: one line a field, so that a field that one side lacks does not compile.
macro_rules! record {
    ($from:ty => $to:ty, $old:ident: { $($fields:tt)* }) => {
        impl From<$from> for $to {
            fn from($old: $from) -> Self {
                Self { $($fields)* }
            }
        }
    };
}

/// Implements `From` for an enum without values.
macro_rules! enumeration {
    ($from:path => $to:path { $($old:ident => $new:ident),* $(,)? }) => {
        impl From<$from> for $to {
            fn from(old: $from) -> Self {
                use $from as Old;
                use $to as New;
                match old { $(Old::$old => New::$new),* }
            }
        }
    };
}

pub(crate) use {enumeration, record};

fn all<A, B: From<A>>(list: Vec<A>) -> Vec<B> {
    list.into_iter().map(B::from).collect()
}

fn pairs(list: Vec<wit::KeyValue>) -> Vec<(String, String)> {
    list.into_iter().map(|pair| (pair.key, pair.value)).collect()
}

fn key_values(list: Vec<(String, String)>) -> Vec<wit::KeyValue> {
    list.into_iter()
        .map(|(key, value)| wit::KeyValue { key, value })
        .collect()
}
