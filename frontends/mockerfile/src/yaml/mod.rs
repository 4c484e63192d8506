//! YAML as nodes with their places. Knows nothing of what a file may say.

mod load;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use crate::findings::Span;

pub use load::load;

/// A value and where it is. What an alias stands for is where its anchor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it is.
    pub span: Span,
    /// What it is.
    pub value: Value,
    /// How many nodes it is, aliases expanded.
    weight: usize,
    /// How deep lists and mappings are in it, itself included.
    depth: usize,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing: `key:`, `~` or `null`.
    Null,
    /// A text, number or truth value, as it is written.
    Scalar {
        /// Without quotes and escapes.
        text: String,
        /// Whether it has quotes, or is a block.
        quoted: bool,
    },
    /// A list.
    List(Vec<Rc<Node>>),
    /// A mapping; no key is there twice.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key is.
    pub key_span: Span,
    /// The value.
    pub value: Rc<Node>,
}

impl Node {
    fn new(span: Span, value: Value) -> Self {
        let (mut weight, mut depth) = (0, 0);
        let mut hold = |node: &Node| {
            weight += node.weight;
            depth = depth.max(node.depth);
        };
        let is_leaf = match &value {
            Value::List(items) => {
                items.iter().for_each(|item| hold(item));
                false
            }
            Value::Map(entries) => {
                entries.iter().for_each(|entry| hold(&entry.value));
                false
            }
            Value::Null | Value::Scalar { .. } => true,
        };
        Self {
            span,
            value,
            weight: weight + 1,
            depth: depth + usize::from(!is_leaf),
        }
    }

    /// What people call such a value.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar { .. } => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// What became of a text.
#[derive(Debug, Clone)]
pub struct Document {
    /// The first document; none: there is none.
    pub root: Option<Rc<Node>>,
    /// Whether reading stopped before its end, so that the rest is missing.
    pub is_cut: bool,
}
