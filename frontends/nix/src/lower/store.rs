//! What every store path of a build stands for, and in which order things depend on each other.
//! Knows nothing of graphs; nothing is built here.

use std::collections::{BTreeMap, BTreeSet};

use lapstrake_sdk::types::SourceRange;

use super::derivation::{Definition, Derivation, Derivations};
use super::error::LowerError;
use super::item::{ImageDefinition, Item};
use super::store_path::StorePath;

/// The store paths of a build. They only become more.
#[derive(Debug, Default)]
pub struct Store {
    items: BTreeMap<StorePath, Item>,
    derivations: BTreeMap<StorePath, Derivation>,
    /// Where the build file says so; ranges of the evaluation's files.
    places: BTreeMap<StorePath, SourceRange>,
}

impl Derivations for Store {
    fn derivation(&self, path: &StorePath) -> Option<&Derivation> {
        self.derivations.get(path)
    }
}

impl Store {
    /// Adds a derivation and its outputs; its path.
    ///
    /// # Errors
    /// See [`Definition::finish`].
    pub fn add_derivation(&mut self, definition: Definition) -> Result<StorePath, LowerError> {
        let derivation = definition.finish(self)?;
        let path = derivation.path.clone();
        for (output, out) in &derivation.outputs {
            let item = Item::Output {
                derivation: path.clone(),
                output: output.clone(),
            };
            self.items.insert(out.clone(), item);
        }
        self.derivations.insert(path.clone(), derivation);
        Ok(path)
    }

    /// Adds anything else. What is there already stays.
    pub fn add(&mut self, path: StorePath, item: Item) {
        self.items.entry(path).or_insert(item);
    }

    /// Says where in the build file a path comes from. The first place stays.
    pub fn place(&mut self, path: &StorePath, range: SourceRange) {
        self.places.entry(path.clone()).or_insert(range);
    }

    /// Where in the build file a path comes from.
    pub fn place_of(&self, path: &StorePath) -> Option<SourceRange> {
        self.places.get(path).cloned()
    }

    /// What a path stands for.
    ///
    /// # Errors
    /// Nobody made it.
    pub fn item(&self, path: &StorePath) -> Result<&Item, LowerError> {
        let item = self.items.get(path);
        item.ok_or_else(|| LowerError::UnknownPath(path.to_string()))
    }

    /// The derivation of a path that is one's own path.
    ///
    /// # Errors
    /// It is not.
    pub fn get_derivation(&self, path: &StorePath) -> Result<&Derivation, LowerError> {
        let derivation = self.derivations.get(path);
        derivation.ok_or_else(|| LowerError::UnknownPath(path.to_string()))
    }

    /// What has to be there before a path is, the images included.
    ///
    /// # Errors
    /// Nobody made the path or something that it uses.
    pub fn inputs(&self, path: &StorePath) -> Result<BTreeSet<StorePath>, LowerError> {
        Ok(match self.item(path)? {
            Item::Output { derivation, .. } => {
                let definition = &self.get_derivation(derivation)?.definition;
                let mut inputs = self.used(definition)?;
                inputs.extend(definition.image.clone());
                inputs
            }
            Item::Text(text) => text.references.clone(),
            Item::Source(_) | Item::Image(_) => BTreeSet::new(),
            Item::Join(paths) => paths.iter().cloned().collect(),
            Item::Built(image) => of_image(image),
        })
    }

    /// What is there beside a builder, without the image.
    fn used(&self, definition: &Definition) -> Result<BTreeSet<StorePath>, LowerError> {
        let mut used = definition.sources.clone();
        for (path, outputs) in &definition.inputs {
            let input = self.get_derivation(path)?;
            for output in outputs {
                used.insert(input.output(output)?.clone());
            }
        }
        Ok(used)
    }

    /// What a path may refer to: the paths that its files can have been made from. A fixed output and a source refer to
    /// nothing.
    fn candidates(&self, path: &StorePath) -> Result<BTreeSet<StorePath>, LowerError> {
        Ok(match self.item(path)? {
            Item::Output { derivation, .. } => {
                let derivation = self.get_derivation(derivation)?;
                if derivation.is_fixed() {
                    return Ok(BTreeSet::new());
                }
                let mut candidates = self.used(&derivation.definition)?;
                let others = derivation.outputs.values().filter(|other| *other != path);
                candidates.extend(others.cloned());
                candidates
            }
            Item::Built(_) => BTreeSet::new(),
            _ => self.inputs(path)?,
        })
    }

    /// Some paths, and all that they may refer to, directly or not.
    ///
    /// # Errors
    /// Nobody made one of the paths.
    pub fn closure<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a StorePath>,
    ) -> Result<BTreeSet<StorePath>, LowerError> {
        let mut found = BTreeSet::new();
        let mut next: Vec<StorePath> = paths.into_iter().cloned().collect();
        while let Some(path) = next.pop() {
            if found.contains(&path) {
                continue;
            }
            next.extend(self.candidates(&path)?);
            found.insert(path);
        }
        Ok(found)
    }

    /// What a derivation's builder can see: its inputs, and all that these may refer to.
    ///
    /// # Errors
    /// Nobody made one of the paths.
    pub fn visible(&self, definition: &Definition) -> Result<BTreeSet<StorePath>, LowerError> {
        self.closure(&self.used(definition)?)
    }

    /// All that has to be there for some paths, in an order in which everything comes after what it needs.
    ///
    /// # Errors
    /// Nobody made one of the paths.
    pub fn order<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a StorePath>,
    ) -> Result<Vec<StorePath>, LowerError> {
        enum Visit {
            Enter(StorePath),
            Leave(StorePath),
        }
        let mut order = Vec::new();
        let mut seen = BTreeSet::new();
        let mut next: Vec<Visit> = paths.into_iter().cloned().map(Visit::Enter).collect();
        next.reverse();
        while let Some(visit) = next.pop() {
            match visit {
                Visit::Leave(path) => order.push(path),
                Visit::Enter(path) => {
                    if !seen.insert(path.clone()) {
                        continue;
                    }
                    let inputs = self.inputs(&path)?;
                    next.push(Visit::Leave(path));
                    next.extend(inputs.into_iter().rev().map(Visit::Enter));
                }
            }
        }
        Ok(order)
    }
}

fn of_image(image: &ImageDefinition) -> BTreeSet<StorePath> {
    let paths = image.contents.iter().chain(&image.references);
    let paths = paths.chain(&image.script_references);
    paths.chain(&image.base).chain(&image.shell).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::super::item::Text;
    use super::*;

    fn text(store: &mut Store, name: &str, references: &[&StorePath]) -> StorePath {
        let path = StorePath::text(name.as_bytes(), references, name).unwrap();
        let item = Text {
            contents: name.as_bytes().to_vec(),
            executable: false,
            destination: String::new(),
            references: references.iter().map(|path| (*path).clone()).collect(),
        };
        store.add(path.clone(), Item::Text(item));
        path
    }

    fn derivation(store: &mut Store, name: &str, uses: &[&StorePath]) -> StorePath {
        let mut definition = Definition {
            name: name.to_owned(),
            outputs: vec!["out".to_owned()],
            ..Definition::default()
        };
        for path in uses {
            match store.item(path).unwrap() {
                Item::Output { derivation, output } => {
                    let outputs = definition.inputs.entry(derivation.clone()).or_default();
                    outputs.insert(output.clone());
                }
                _ => {
                    definition.sources.insert((*path).clone());
                }
            }
        }
        let drv = store.add_derivation(definition).unwrap();
        store.get_derivation(&drv).unwrap().output("out").unwrap().clone()
    }

    #[test]
    fn everything_comes_after_what_it_needs() {
        let mut store = Store::default();
        let source = text(&mut store, "source", &[]);
        let low = derivation(&mut store, "low", &[&source]);
        let high = derivation(&mut store, "high", &[&low, &source]);
        assert_eq!(
            store.order([&high]).unwrap(),
            [source.clone(), low.clone(), high.clone()]
        );
        let all = BTreeSet::from([source, low.clone(), high.clone()]);
        assert_eq!(store.closure([&high]).unwrap(), all);
        let other = derivation(&mut store, "other", &[&low]);
        assert!(!store.closure([&other]).unwrap().contains(&high));
    }

    #[test]
    fn a_path_that_nobody_made_is_an_error() {
        let path = StorePath::text(b"", &[], "x").unwrap();
        let store = Store::default();
        let error = LowerError::UnknownPath(path.to_string());
        assert_eq!(store.order([&path]).unwrap_err(), error);
        assert_eq!(store.closure([&path]).unwrap_err(), error);
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let mut store = Store::default();
        let mut last = derivation(&mut store, "first", &[]);
        for index in 0..2000 {
            last = derivation(&mut store, &format!("n{index}"), &[&last]);
        }
        assert_eq!(store.order([&last]).unwrap().len(), 2001);
    }
}
