//! Records in memory: for tests, and for whoever wants no cache beyond the process.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use lapstrake_llb::Digest;

use crate::account::{Account, split_name};
use crate::{Known, Made, Record, Records};

/// Records in memory.
#[derive(Debug, Default)]
pub struct MemoryRecords(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    keys: HashMap<Digest, Digest>,
    records: HashMap<Digest, Vec<u8>>,
    /// In the order in which they came.
    accounts: Vec<Known>,
}

impl MemoryRecords {
    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Records for MemoryRecords {
    type Error = Infallible;

    fn find(&self, keys: &[Digest]) -> Result<Vec<Option<Record>>, Infallible> {
        let tables = self.lock();
        let find = |key| {
            let id = *tables.keys.get(key)?;
            Some(Record {
                id,
                payload: tables.records.get(&id)?.clone(),
            })
        };
        Ok(keys.iter().map(find).collect())
    }

    fn save(&self, keys: &[Digest], record: &Record, _: &str) -> Result<(), Infallible> {
        let mut tables = self.lock();
        tables.records.insert(record.id, record.payload.clone());
        for key in keys {
            tables.keys.insert(*key, record.id);
        }
        Ok(())
    }

    fn alias(&self, pairs: &[(Digest, Digest)]) -> Result<(), Infallible> {
        let mut tables = self.lock();
        for (id, key) in pairs {
            tables.keys.insert(*key, *id);
        }
        Ok(())
    }

    fn remove(&self, id: &Digest) -> Result<(), Infallible> {
        self.lock().records.remove(id);
        Ok(())
    }

    fn keep(&self, accounts: &[(Digest, Account)]) -> Result<(), Infallible> {
        let mut tables = self.lock();
        for (id, account) in accounts {
            tables.accounts.retain(|known| known.id != *id);
            let (id, at, account) = (*id, SystemTime::now(), account.clone());
            tables.accounts.push(Known { id, at, account });
        }
        Ok(())
    }

    fn account(&self, id: &Digest) -> Result<Option<Known>, Infallible> {
        let tables = self.lock();
        Ok(tables.accounts.iter().find(|known| known.id == *id).cloned())
    }

    fn near(&self, kind: &str, name: &str) -> Result<Vec<Vec<Known>>, Infallible> {
        let tables = self.lock();
        let (label, rest) = split_name(name);
        let same = |known: &&Known| {
            let (known_label, known_rest) = split_name(&known.account.name);
            known_rest == rest || (!label.is_empty() && known_label == label)
        };
        let all = || {
            tables
                .accounts
                .iter()
                .rev()
                .filter(|known| known.account.kind == kind)
        };
        Ok(vec![
            all().filter(same).cloned().collect(),
            all().filter(|known| !same(known)).cloned().collect(),
        ])
    }

    fn made(&self, id: &Digest) -> Result<Option<Made>, Infallible> {
        let known = self.account(id)?;
        Ok(known.map(|known| Made {
            id: known.id,
            at: known.at,
            by: known.account.name,
        }))
    }
}
