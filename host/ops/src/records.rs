//! The solver's records in the store. A record's payload is the trees that a step made; the store is told their layers,
//! so that neither outlives the other.
//! Knows nothing of cache keys.

use std::time::{Duration, SystemTime};

use lapstrake_llb::Digest;
use lapstrake_solver::{Account, Known, Made, Record, Records, split_name};
use lapstrake_store::{LayerId, Store, Subject, Tree};

/// Accounts of one group that are compared.
const NEAR: u32 = 24;
/// Version of the encoding of accounts; those of another one are not read.
const ACCOUNT: u8 = 1;

/// Keeps the solver's records in a store.
#[derive(Debug, Clone)]
pub struct StoreRecords {
    store: Store,
    /// What is built.
    scope: Digest,
}

impl StoreRecords {
    /// Records in `store`.
    pub fn new(store: Store) -> Self {
        let scope = Digest::of(b"");
        Self { store, scope }
    }

    /// Says what is built, such as by a digest of where the build file is: explanations compare with earlier steps of the
    /// same scope before others. It has no part in what is found.
    #[must_use]
    pub fn in_scope(self, scope: Digest) -> Self {
        Self { scope, ..self }
    }
}

impl Records for StoreRecords {
    type Error = lapstrake_store::Error;

    fn find(&self, keys: &[Digest]) -> Result<Vec<Option<Record>>, Self::Error> {
        let found = self.store.find_records(keys)?.into_iter();
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
        self.store
            .save_record(keys, &record.id, &record.payload, &layers, description)
    }

    fn alias(&self, pairs: &[(Digest, Digest)]) -> Result<(), Self::Error> {
        pairs
            .iter()
            .try_for_each(|(id, key)| self.store.add_record_keys(id, std::slice::from_ref(key)))
    }

    fn remove(&self, id: &Digest) -> Result<(), Self::Error> {
        self.store.remove_record(id)
    }

    fn keep(&self, accounts: &[(Digest, Account)]) -> Result<(), Self::Error> {
        let rows: Vec<_> = accounts
            .iter()
            .filter_map(|(id, account)| {
                let (label, name) = split_name(&account.name);
                let (scope, kind) = (&self.scope, account.kind.as_str());
                let subject = Subject {
                    scope,
                    kind,
                    label,
                    name,
                };
                let bytes = postcard::to_extend(account, vec![ACCOUNT]).ok()?;
                Some((*id, subject, bytes))
            })
            .collect();
        self.store.keep_accounts(&rows)
    }

    fn account(&self, id: &Digest) -> Result<Option<Known>, Self::Error> {
        Ok(self.store.account(id)?.and_then(known))
    }

    fn near(&self, kind: &str, name: &str) -> Result<Vec<Vec<Known>>, Self::Error> {
        let (label, name) = split_name(name);
        let scope = &self.scope;
        let subject = Subject {
            scope,
            kind,
            label,
            name,
        };
        let groups = self.store.near_accounts(subject, NEAR)?;
        let read = |group: Vec<lapstrake_store::Account>| group.into_iter().filter_map(known).collect();
        Ok(groups.into_iter().map(read).collect())
    }

    fn made(&self, id: &Digest) -> Result<Option<Made>, Self::Error> {
        let made = self.store.record_made(id)?;
        Ok(made.map(|(seconds, by)| Made {
            id: *id,
            at: time(seconds),
            by,
        }))
    }
}

/// An account of the store's, read. `None`: it is of another version, or damaged.
fn known(stored: lapstrake_store::Account) -> Option<Known> {
    let (ACCOUNT, bytes) = stored
        .bytes
        .split_first()
        .map(|(version, bytes)| (*version, bytes))?
    else {
        return None;
    };
    Some(Known {
        id: stored.record,
        at: time(stored.created),
        account: postcard::from_bytes(bytes).ok()?,
    })
}

fn time(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
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

    #[test]
    fn accounts_outlive_their_records_and_damage_is_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let key = |text: &str| Digest::of(text.as_bytes());
        let part = lapstrake_solver::Part {
            role: lapstrake_solver::Role::Key,
            name: "ENV".to_owned(),
            of: "A".to_owned(),
            value: "1".to_owned(),
        };
        let account = |name: &str| Account {
            kind: "exec".to_owned(),
            name: name.to_owned(),
            definition: key("definition"),
            digest: key("op"),
            inputs: vec![lapstrake_solver::AccountInput {
                name: "below".to_owned(),
                id: Some(key("below")),
                output: 0,
                selector: None,
                content: Some(key("content")),
            }],
            told: lapstrake_solver::Told {
                op: vec![part.clone()],
                inputs: Vec::new(),
            },
        };
        let records = StoreRecords::new(store.clone()).in_scope(key("here"));
        let record = Record {
            id: key("a"),
            payload: encode(&[]).unwrap(),
        };
        records.save(&[key("a")], &record, "[2/3] RUN a").unwrap();
        assert_eq!(records.made(&key("a")).unwrap().unwrap().by, "[2/3] RUN a");
        records.keep(&[(key("a"), account("[2/3] RUN a"))]).unwrap();
        records.remove(&key("a")).unwrap();
        assert_eq!(records.made(&key("a")).unwrap(), None);
        let known = records.account(&key("a")).unwrap().unwrap();
        assert_eq!(known.account, account("[2/3] RUN a"));
        let names = |records: &StoreRecords, name: &str| {
            let groups = records.near("exec", name).unwrap().into_iter();
            groups.map(|group| group.len()).collect::<Vec<_>>()
        };
        assert_eq!(names(&records, "[2/9] RUN b"), [1, 0, 0], "the same place");
        assert_eq!(names(&records, "[7/9] RUN a"), [1, 0, 0], "the same name");
        assert_eq!(names(&records, "[7/9] RUN b"), [0, 0, 1], "the same kind");
        let elsewhere = StoreRecords::new(store.clone()).in_scope(key("there"));
        assert_eq!(names(&elsewhere, "[2/3] RUN a"), [0, 1, 0]);
        assert_eq!(names(&elsewhere, "[2/3] RUN b"), [0, 0, 0]);
        let scope = key("here");
        let subject = Subject {
            scope: &scope,
            kind: "exec",
            label: "2",
            name: "RUN a",
        };
        for damaged in [vec![], vec![ACCOUNT], vec![ACCOUNT + 1, 1, 2]] {
            store.keep_accounts(&[(key("a"), subject, damaged)]).unwrap();
            assert_eq!(records.account(&key("a")).unwrap(), None);
        }
    }
}
