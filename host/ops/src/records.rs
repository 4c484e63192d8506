//! The solver's records in the store. A record's payload is the trees that a step made; the store is told their layers,
//! so that neither outlives the other.
//! Knows nothing of cache keys.

use lapstrake_llb::Digest;
use lapstrake_solver::{Record, Records};
use lapstrake_store::{LayerId, Store, Tree};

/// Keeps the solver's records in a store.
#[derive(Debug, Clone)]
pub struct StoreRecords(Store);

impl StoreRecords {
    /// Records in `store`.
    pub fn new(store: Store) -> Self {
        Self(store)
    }
}

impl Records for StoreRecords {
    type Error = lapstrake_store::Error;

    fn find(&self, keys: &[Digest]) -> Result<Vec<Option<Record>>, Self::Error> {
        let found = self.0.find_records(keys)?.into_iter();
        Ok(found
            .map(|record| {
                record.map(|record| Record {
                    id: record.id,
                    payload: record.payload,
                })
            })
            .collect())
    }

    fn save(&self, keys: &[Digest], record: &Record, description: &str) -> Result<(), Self::Error> {
        let trees = decode(&record.payload).unwrap_or_default();
        let mut layers: Vec<LayerId> = trees.into_iter().flatten().flat_map(|tree| tree.layers).collect();
        layers.sort_unstable();
        layers.dedup();
        self.0
            .save_record(keys, &record.id, &record.payload, &layers, description)
    }

    fn alias(&self, pairs: &[(Digest, Digest)]) -> Result<(), Self::Error> {
        pairs
            .iter()
            .try_for_each(|(id, key)| self.0.add_record_keys(id, std::slice::from_ref(key)))
    }

    fn remove(&self, id: &Digest) -> Result<(), Self::Error> {
        self.0.remove_record(id)
    }
}

/// The payload for trees. `None`: they cannot be written down.
pub(crate) fn encode(trees: &[Option<Tree>]) -> Option<Vec<u8>> {
    postcard::to_allocvec(trees).ok()
}

/// The trees of a payload. `None`: it is of another version, or damaged.
pub(crate) fn decode(payload: &[u8]) -> Option<Vec<Option<Tree>>> {
    match postcard::take_from_bytes(payload) {
        Ok((trees, [])) => Some(trees),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use lapstrake_store::LayerMeta;

    use super::*;

    #[test]
    fn trees_survive_and_damage_is_seen() {
        let layer = |text: &str| text.parse::<LayerId>().unwrap();
        let trees = vec![
            Some(Tree {
                layers: vec![layer("1"), layer("zz")],
            }),
            None,
            Some(Tree::default()),
        ];
        let payload = encode(&trees).unwrap();
        assert_eq!(decode(&payload), Some(trees));
        assert_eq!(decode(&payload[1..]), None);
        assert_eq!(decode(&[payload, vec![0]].concat()), None);
    }

    #[test]
    fn a_record_goes_with_its_layer() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let layer = store.new_layer().unwrap().commit(&LayerMeta::default()).unwrap();
        let records = StoreRecords::new(store.clone());
        let key = |text: &str| Digest::of(text.as_bytes());
        let payload = encode(&[Some(Tree {
            layers: vec![layer, layer],
        })])
        .unwrap();
        let record = Record {
            id: key("a"),
            payload,
        };
        records.save(&[key("a"), key("b")], &record, "a step").unwrap();
        records.alias(&[(key("a"), key("c"))]).unwrap();
        let keys = [key("c"), key("x"), key("b")];
        assert_eq!(
            records.find(&keys).unwrap(),
            [Some(record.clone()), None, Some(record)]
        );
        store.remove_layer(layer).unwrap();
        assert_eq!(records.find(&keys).unwrap(), [None, None, None]);
    }
}
