//! Environments: names and values in an order that counts.
//! Knows nothing of where they come from.

use std::collections::HashMap;
use std::rc::Rc;

use lapstrake_sdk::types::KeyValue;

use crate::expand::Variables;

/// Variables in order. Stages share the texts. The hash map finds them and is never iterated, so no order depends on it.
#[derive(Debug, Clone, Default)]
pub struct Env {
    entries: Vec<Option<(Rc<str>, Rc<str>)>>,
    index: HashMap<Rc<str>, usize>,
}

impl Env {
    /// Sets a variable; one that is set already loses its place and becomes the last.
    ///
    /// This is how the environment of a command comes about in BuildKit.
    pub fn set_last(&mut self, key: &str, value: &str) {
        self.push(key.into(), value.into());
    }

    /// Sets every variable of another environment, in its order.
    pub fn set_all_last(&mut self, other: &Env) {
        for (key, value) in other.entries.iter().flatten() {
            self.push(key.clone(), value.clone());
        }
    }

    fn push(&mut self, key: Rc<str>, value: Rc<str>) {
        if let Some(old) = self.index.remove(&key) {
            self.entries[old] = None;
        }
        if self.entries.len() > 32 && self.entries.len() > 2 * self.index.len() {
            self.entries.retain(Option::is_some);
            self.index.clear();
            for (at, entry) in self.entries.iter().enumerate() {
                if let Some((key, _)) = entry {
                    self.index.insert(key.clone(), at);
                }
            }
        }
        self.index.insert(key.clone(), self.entries.len());
        self.entries.push(Some((key, value)));
    }

    /// Sets a variable; one that is set already keeps its place.
    ///
    /// This is how the environment in an image's configuration comes about in BuildKit.
    pub fn set_in_place(&mut self, key: &str, value: &str) {
        match self.index.get(key).and_then(|at| self.entries[*at].as_mut()) {
            Some(entry) => entry.1 = value.into(),
            None => self.set_last(key, value),
        }
    }

    /// Returns names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries
            .iter()
            .flatten()
            .map(|(key, value)| (&**key, &**value))
    }

    /// Returns the names in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(key, _)| key)
    }

    /// Returns the variables in the contract's form.
    pub fn to_pairs(&self) -> Vec<KeyValue> {
        self.iter().map(KeyValue::from).collect()
    }

    /// Makes an environment of the contract's form; the first of several equal names keeps its place.
    pub fn from_pairs(pairs: &[KeyValue]) -> Self {
        let mut env = Env::default();
        for pair in pairs {
            env.set_in_place(&pair.key, &pair.value);
        }
        env
    }
}

impl Variables for Env {
    fn get(&self, name: &str) -> Option<&str> {
        let at = self.index.get(name)?;
        self.entries[*at].as_ref().map(|(_, value)| &**value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(env: &Env) -> String {
        env.iter().map(|(k, v)| format!("{k}={v} ")).collect()
    }

    #[test]
    fn the_last_one_set_is_last() {
        let mut env = Env::default();
        for (key, value) in [("A", "1"), ("B", "2"), ("A", "3")] {
            env.set_last(key, value);
        }
        assert_eq!(text(&env), "B=2 A=3 ");
        assert_eq!(env.get("A"), Some("3"));
        assert_eq!(env.get("C"), None);
    }

    #[test]
    fn places_are_kept() {
        let mut env = Env::default();
        for (key, value) in [("A", "1"), ("B", "2"), ("A", "3")] {
            env.set_in_place(key, value);
        }
        assert_eq!(text(&env), "A=3 B=2 ");
    }

    #[test]
    fn setting_again_and_again_does_not_grow_it() {
        let mut env = Env::default();
        for i in 0..10_000 {
            env.set_last(if i % 3 == 0 { "A" } else { "B" }, &i.to_string());
        }
        assert!(env.entries.len() < 100);
        assert_eq!(text(&env), "B=9998 A=9999 ");
    }
}
