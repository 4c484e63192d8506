//! Which store paths of an image share a layer. Paths that many others refer to are likely to be in other images too, so
//! they get layers of their own first. Knows nothing of trees.

use std::collections::{BTreeMap, BTreeSet};

use super::store_path::StorePath;

/// Divides paths into at most `most` layers, lowest first. `references` MUST be closed: what it refers to is in it.
pub fn plan(references: &BTreeMap<StorePath, BTreeSet<StorePath>>, most: usize) -> Vec<Vec<StorePath>> {
    let mut users: BTreeMap<&StorePath, usize> = references.keys().map(|path| (path, 0)).collect();
    for path in references.keys() {
        for reached in reached(path, references) {
            *users.entry(reached).or_default() += 1;
        }
    }
    let mut order: Vec<&StorePath> = references.keys().collect();
    order.sort_by(|a, b| users[b].cmp(&users[a]).then_with(|| a.cmp(b)));
    let alone = if order.len() <= most {
        order.len()
    } else {
        most.saturating_sub(1)
    };
    let mut layers: Vec<Vec<StorePath>> = order[..alone].iter().map(|path| vec![(*path).clone()]).collect();
    let rest: Vec<StorePath> = order[alone..].iter().map(|path| (*path).clone()).collect();
    if !rest.is_empty() {
        layers.push(rest);
    }
    layers
}

/// What a path refers to, directly or not, without itself.
fn reached<'a>(
    path: &'a StorePath,
    references: &'a BTreeMap<StorePath, BTreeSet<StorePath>>,
) -> BTreeSet<&'a StorePath> {
    let mut found = BTreeSet::new();
    let mut next = vec![path];
    while let Some(path) = next.pop() {
        for reference in references.get(path).into_iter().flatten() {
            if found.insert(reference) {
                next.push(reference);
            }
        }
    }
    found.remove(path);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> StorePath {
        StorePath::text(b"", &[], name).unwrap()
    }

    /// app -> web -> libc, app -> libc, tool -> libc
    fn example() -> BTreeMap<StorePath, BTreeSet<StorePath>> {
        let uses = |names: &[&str]| names.iter().map(|name| path(name)).collect();
        BTreeMap::from([
            (path("app"), uses(&["web", "libc"])),
            (path("web"), uses(&["libc"])),
            (path("tool"), uses(&["libc"])),
            (path("libc"), uses(&[])),
        ])
    }

    fn names(layers: &[Vec<StorePath>]) -> Vec<Vec<String>> {
        let sorted = |layer: &Vec<StorePath>| {
            let mut names: Vec<String> = layer.iter().map(|path| path.name().to_owned()).collect();
            names.sort();
            names
        };
        layers.iter().map(sorted).collect()
    }

    #[test]
    fn what_many_use_is_lowest() {
        let layers = plan(&example(), 10);
        assert_eq!(names(&layers)[..2], [["libc"], ["web"]]);
        assert_eq!(layers.len(), 4);
    }

    #[test]
    fn what_is_too_much_shares_the_last_layer() {
        let layers = plan(&example(), 3);
        assert_eq!(names(&layers), [vec!["libc"], vec!["web"], vec!["app", "tool"]]);
        assert_eq!(names(&plan(&example(), 1)), [vec!["app", "libc", "tool", "web"]]);
        assert_eq!(plan(&BTreeMap::new(), 3), Vec::<Vec<StorePath>>::new());
    }

    #[test]
    fn what_refers_to_itself_does_not_count_for_itself() {
        let mut references = example();
        references.get_mut(&path("tool")).unwrap().insert(path("tool"));
        assert_eq!(plan(&references, 10), plan(&example(), 10));
    }
}
