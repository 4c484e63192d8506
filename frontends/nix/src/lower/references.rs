//! What a built path refers to: the store paths whose hashes are in its files, as Nix finds them. So an image has what
//! its programs load, and not what they were compiled with. Knows nothing of images.

use std::collections::{BTreeMap, BTreeSet};

use lapstrake_sdk::Reference;
use lapstrake_sdk::types::*;

use super::error::LowerError;
use super::item::Item;
use super::lowering::Lowering;
use super::nar::{contents, unreadable};
use super::store_path::{HASH_LENGTH, StorePath};

/// Some paths with all that they refer to, directly or not: what each refers to.
pub type References = BTreeMap<StorePath, BTreeSet<StorePath>>;

impl Lowering<'_> {
    /// Finds what some paths refer to, directly or not. What may refer to something is built for that.
    pub(super) fn references(&self, roots: &BTreeSet<StorePath>) -> Result<References, LowerError> {
        let mut found = References::new();
        let mut next: BTreeSet<StorePath> = roots.clone();
        while !next.is_empty() {
            let mut unknown = Vec::new();
            for path in std::mem::take(&mut next) {
                let mut candidates = self.store.closure([&path])?;
                candidates.remove(&path);
                match self.store.item(&path)? {
                    _ if candidates.is_empty() => {
                        found.insert(path, BTreeSet::new());
                    }
                    Item::Text(text) => {
                        let mut scan = Scan::new(&candidates);
                        scan.add(&text.contents);
                        found.insert(path, scan.found);
                    }
                    _ => unknown.push((path, candidates)),
                }
            }
            let trees = unknown
                .iter()
                .map(|(path, _)| Ok((path.clone(), self.tree(path)?)))
                .collect::<Result<Vec<_>, LowerError>>()?;
            for ((path, candidates), reference) in unknown.into_iter().zip(self.solve(&trees)?) {
                let mut scan = Scan::new(&candidates);
                scan.tree(reference.as_ref(), &path.to_string())?;
                found.insert(path, scan.found);
            }
            let all: BTreeSet<&StorePath> = found.values().flatten().collect();
            next = all
                .into_iter()
                .filter(|path| !found.contains_key(*path))
                .cloned()
                .collect();
        }
        Ok(found)
    }
}

/// A search for hashes.
struct Scan<'a> {
    candidates: BTreeMap<&'a [u8], &'a StorePath>,
    found: BTreeSet<StorePath>,
    /// The end of what was searched: a hash may begin there.
    rest: Vec<u8>,
}

impl<'a> Scan<'a> {
    fn new(candidates: &'a BTreeSet<StorePath>) -> Self {
        Self {
            candidates: candidates
                .iter()
                .map(|path| (path.hash().as_bytes(), path))
                .collect(),
            found: BTreeSet::new(),
            rest: Vec::new(),
        }
    }

    fn tree(&mut self, reference: &dyn Reference, path: &str) -> Result<(), LowerError> {
        let info = reference.stat(path).map_err(|error| unreadable(path, &error))?;
        let mut next = vec![(path.to_owned(), info)];
        while let Some((path, info)) = next.pop() {
            self.rest.clear();
            match info.kind {
                FileKind::Regular => contents(reference, &path, info.size, |data| self.add(data))?,
                FileKind::Symlink => self.add(info.link_target.unwrap_or_default().as_bytes()),
                FileKind::Directory => {
                    let entries = reference
                        .read_dir(&path, None)
                        .map_err(|error| unreadable(&path, &error))?;
                    next.extend(
                        entries
                            .into_iter()
                            .map(|info| (format!("{path}/{}", info.name), info)),
                    );
                }
                FileKind::Device | FileKind::Fifo | FileKind::Socket => {}
            }
        }
        Ok(())
    }

    /// Searches the next bytes of a file.
    fn add(&mut self, data: &[u8]) {
        let mut joint = std::mem::take(&mut self.rest);
        let begin = &data[..data.len().min(HASH_LENGTH - 1)];
        joint.extend_from_slice(begin);
        self.search(&joint);
        self.search(data);
        let tail = if data.len() >= HASH_LENGTH - 1 {
            data
        } else {
            &joint
        };
        self.rest = tail[tail.len().saturating_sub(HASH_LENGTH - 1)..].to_vec();
    }

    fn search(&mut self, data: &[u8]) {
        let mut start = 0;
        while let Some(window) = data.get(start..start + HASH_LENGTH) {
            // From its end: of most windows one byte is read.
            match window.iter().rposition(|byte| !is_digit(*byte)) {
                Some(last) => start += last + 1,
                None => {
                    if let Some(path) = self.candidates.get(window) {
                        self.found.insert((*path).clone());
                    }
                    start += 1;
                }
            }
        }
    }
}

fn is_digit(byte: u8) -> bool {
    (byte.is_ascii_digit() || byte.is_ascii_lowercase()) && !b"eotu".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> StorePath {
        StorePath::text(b"", &[], name).unwrap()
    }

    #[test]
    fn hashes_are_found_wherever_they_are() {
        let paths = BTreeSet::from([path("a"), path("b"), path("c")]);
        let (a, b) = (path("a"), path("b"));
        let data = format!("\0\0RPATH{a}/lib:0{}zz", b.hash());
        for split in 0..data.len() {
            let mut scan = Scan::new(&paths);
            scan.add(&data.as_bytes()[..split]);
            scan.add(&data.as_bytes()[split..]);
            assert_eq!(
                scan.found,
                BTreeSet::from([a.clone(), b.clone()]),
                "split at {split}"
            );
        }
        let mut scan = Scan::new(&paths);
        data.bytes().for_each(|byte| scan.add(&[byte]));
        assert_eq!(scan.found.len(), 2);
    }

    #[test]
    fn a_part_of_a_hash_is_none() {
        let paths = BTreeSet::from([path("a")]);
        let mut scan = Scan::new(&paths);
        scan.add(&path("a").hash().as_bytes()[1..]);
        assert_eq!(scan.found, BTreeSet::new());
    }
}
