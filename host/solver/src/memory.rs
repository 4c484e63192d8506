//! Records in memory: for tests, and for whoever wants no cache beyond the process.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lapstrake_llb::Digest;

use crate::{Record, Records};

/// Records in memory.
#[derive(Debug, Default)]
pub struct MemoryRecords(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    keys: HashMap<Digest, Digest>,
    records: HashMap<Digest, Vec<u8>>,
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
}
