//! Merge: trees stacked on each other, without copying a file.

use lapstrake_store::Tree;

/// Stacks trees, the lowest first.
pub(crate) fn merge<'a>(trees: impl IntoIterator<Item = &'a Tree>) -> Tree {
    Tree {
        layers: trees
            .into_iter()
            .flat_map(|tree| tree.layers.iter().copied())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_trees_are_on_top() {
        let tree = |names: &[&str]| Tree {
            layers: names.iter().map(|name| name.parse().unwrap()).collect(),
        };
        let merged = merge([&tree(&["1", "2"]), &tree(&[]), &tree(&["3"])]);
        assert_eq!(merged, tree(&["1", "2", "3"]));
        assert_eq!(merge([]), Tree::default());
    }
}
