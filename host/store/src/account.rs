//! Accounts: what records were made of, kept so that a later build can say what differs.
//!
//! They outlive their records, so that one that was removed can be told from one that never was; there is room for so
//! many bytes, and the oldest go first.
//! Knows nothing of what is in an account.

use lapstrake_llb::Digest;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::db::{self, now};
use crate::error::Result;
use crate::store::Store;

/// Bytes of all accounts, and at most one more.
const ROOM: i64 = 16 << 20;
/// An account that is longer is not kept.
const LONGEST: usize = 1 << 20;
/// Shorter ones are not compressed.
const SHORT: usize = 256;
/// What an account may hold uncompressed.
const UNPACKED: usize = 64 << 20;

/// What an account is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject<'a> {
    /// What was built, such as a digest of the path of its files.
    pub scope: &'a Digest,
    /// Kind of the op.
    pub kind: &'a str,
    /// Place of the step, such as `build 2`; may be empty.
    pub label: &'a str,
    /// What the step is called, without its place.
    pub name: &'a str,
}

/// An account, found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Id of the record.
    pub record: Digest,
    /// When it was made, Unix seconds.
    pub created: i64,
    /// In the caller's own encoding.
    pub bytes: Vec<u8>,
}

impl Store {
    /// Keeps accounts, each over the one that its record had. One that is too long is left out.
    pub fn keep_accounts(&self, accounts: &[(Digest, Subject<'_>, Vec<u8>)]) -> Result<()> {
        let packed: Vec<_> = accounts
            .iter()
            .map(|(record, subject, bytes)| (record, subject, pack(bytes)))
            .filter(|(_, _, bytes)| bytes.len() <= LONGEST)
            .collect();
        if packed.is_empty() {
            return Ok(());
        }
        self.db().write("keep what records are made of", |work| {
            let last: Option<i64> = work.query_row("SELECT max(position) FROM accounts", [], |row| row.get(0))?;
            let mut position = last.unwrap_or(0);
            let mut insert = work.prepare_cached(
                "INSERT OR REPLACE INTO accounts (position, record, scope, kind, label, name, created, account)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?;
            for (record, subject, bytes) in &packed {
                position += i64::try_from(bytes.len()).unwrap_or(i64::MAX).max(1);
                let Subject { scope, kind, label, name } = subject;
                insert.execute((position, record.as_bytes(), scope.as_bytes(), kind, label, name, now(), bytes))?;
            }
            work.prepare_cached("DELETE FROM accounts WHERE position <= ?1")?
                .execute([position - ROOM])?;
            Ok(())
        })
    }

    /// Finds the account of a record.
    pub fn account(&self, record: &Digest) -> Result<Option<Account>> {
        self.db().read("look for what a record is made of", |db| {
            let sql = "SELECT record, created, account FROM accounts WHERE record = ?1";
            let found = db
                .prepare_cached(sql)?
                .query_row([record.as_bytes()], read)
                .optional()?;
            Ok(found.flatten())
        })
    }

    /// Finds accounts for a subject, in groups of at most `limit`, the newest first: the same step of what was built; the
    /// same step elsewhere; steps of this kind.
    pub fn near_accounts(&self, subject: Subject<'_>, limit: u32) -> Result<[Vec<Account>; 3]> {
        let Subject {
            scope,
            kind,
            label,
            name,
        } = subject;
        self.db().read("look for what records are made of", |db| {
            let scope = scope.as_bytes();
            let same = find(
                db,
                "scope = ?1 AND kind = ?2 AND (name = ?4 OR (label = ?3 AND label <> '')) ORDER BY position DESC LIMIT ?5",
                (scope, kind, label, name, limit),
            )?;
            let elsewhere = find(
                db,
                "scope <> ?1 AND kind = ?2 AND name = ?4 AND label = ?3 ORDER BY position DESC LIMIT ?5",
                (scope, kind, label, name, limit),
            )?;
            let kind = find(
                db,
                "scope = ?1 AND kind = ?2 AND name <> ?4 AND (label <> ?3 OR label = '') ORDER BY position DESC LIMIT ?5",
                (scope, kind, label, name, limit),
            )?;
            Ok([same, elsewhere, kind])
        })
    }

    /// Finds when a record was made, Unix seconds, and its description.
    pub fn record_made(&self, id: &Digest) -> Result<Option<(i64, String)>> {
        self.db().read("look for a record", |db| {
            db.prepare_cached("SELECT created, description FROM records WHERE id = ?1")?
                .query_row([id.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
        })
    }
}

fn find(db: &Connection, which: &str, values: impl rusqlite::Params) -> rusqlite::Result<Vec<Account>> {
    let sql = format!("SELECT record, created, account FROM accounts WHERE {which}");
    let mut statement = db.prepare(&sql)?;
    let rows = statement.query_map(values, read)?;
    // What cannot be read is left out.
    rows.filter_map(rusqlite::Result::transpose).collect()
}

/// A row; none: it is damaged.
fn read(row: &Row<'_>) -> rusqlite::Result<Option<Account>> {
    let Some(record) = db::digest(row.get_ref(0)?.as_blob()?) else {
        return Ok(None);
    };
    let Some(bytes) = unpack(row.get_ref(2)?.as_blob()?) else {
        return Ok(None);
    };
    let created = row.get(1)?;
    Ok(Some(Account {
        record,
        created,
        bytes,
    }))
}

/// A byte that says how the rest is written, and the rest.
fn pack(bytes: &[u8]) -> Vec<u8> {
    let packed = (bytes.len() > SHORT)
        .then(|| zstd::bulk::compress(bytes, 1).ok())
        .flatten();
    match packed {
        Some(packed) => [&[1], packed.as_slice()].concat(),
        None => [&[0], bytes].concat(),
    }
}

fn unpack(bytes: &[u8]) -> Option<Vec<u8>> {
    match bytes.split_first()? {
        (0, bytes) => Some(bytes.to_vec()),
        (1, packed) => zstd::bulk::decompress(packed, UNPACKED).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    fn subject<'a>(scope: &'a Digest, label: &'a str, name: &'a str) -> Subject<'a> {
        let kind = "exec";
        Subject {
            scope,
            kind,
            label,
            name,
        }
    }

    #[test]
    fn accounts_are_found_by_place_by_name_and_by_kind() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let (here, there) = (digest("here"), digest("there"));
        let long = vec![7; 100_000];
        let rows = [
            (digest("1"), subject(&here, "a 1", "make"), b"1".to_vec()),
            (digest("2"), subject(&here, "a 1", "test"), b"2".to_vec()),
            (digest("3"), subject(&here, "b 9", "make"), long.clone()),
            (digest("4"), subject(&here, "b 7", "other"), b"4".to_vec()),
            (digest("5"), subject(&there, "a 1", "make"), b"5".to_vec()),
            (digest("6"), subject(&there, "a 2", "make"), b"6".to_vec()),
        ];
        store.keep_accounts(&rows).unwrap();
        let records = |list: &[Account]| list.iter().map(|account| account.record).collect::<Vec<_>>();
        let found = store.near_accounts(subject(&here, "a 1", "make"), 9).unwrap();
        assert_eq!(records(&found[0]), [digest("3"), digest("2"), digest("1")]);
        assert_eq!(records(&found[1]), [digest("5")]);
        assert_eq!(records(&found[2]), [digest("4")]);
        assert_eq!(found[0][0].bytes, long);
        let found = store.near_accounts(subject(&here, "", "x"), 2).unwrap();
        assert_eq!(records(&found[0]), []);
        assert_eq!(
            records(&found[2]),
            [digest("4"), digest("3")],
            "no more than asked for"
        );
        store
            .keep_accounts(&[(digest("1"), subject(&here, "", "new"), b"new".to_vec())])
            .unwrap();
        assert_eq!(store.account(&digest("1")).unwrap().unwrap().bytes, b"new");
        assert_eq!(store.account(&digest("none")).unwrap(), None);
    }

    #[test]
    fn the_oldest_make_room() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let here = digest("here");
        // What does not compress.
        let noise = |seed: u64| -> Vec<u8> {
            (0..30_000u64)
                .flat_map(|n| *digest(&format!("{seed} {n}")).as_bytes())
                .collect()
        };
        for n in 0..20 {
            let row = (digest(&n.to_string()), subject(&here, "", "x"), noise(n));
            store.keep_accounts(&[row]).unwrap();
        }
        assert!(store.account(&digest("19")).unwrap().is_some());
        assert!(store.account(&digest("0")).unwrap().is_none());
        let kept = store.near_accounts(subject(&here, "", "x"), 100).unwrap();
        let bytes: usize = kept[0].iter().map(|account| account.bytes.len()).sum();
        assert!(
            bytes <= ROOM as usize + LONGEST && bytes > ROOM as usize / 2,
            "{bytes}"
        );
        let longer = [noise(1), noise(2)].concat();
        store
            .keep_accounts(&[(digest("long"), subject(&here, "", "x"), longer)])
            .unwrap();
        assert_eq!(store.account(&digest("long")).unwrap(), None);
    }
}
