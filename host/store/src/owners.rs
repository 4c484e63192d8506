//! Whose files a store's layers are. A store that root made, one made in a user namespace with subordinate ids and one
//! made by a single user hold the same files with different owners, so that each MUST be used as it was made.
//! Knows nothing of how a process came to its user namespace.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::error::{Error, Result};
use crate::tree::Powers;

/// File in the store's folder. Root's stores have none.
const FILE: &str = "owners";
/// Files belong to one user, and the others' owners are written beside them.
const SINGLE: &str = "one user\n";

/// How the owners of a store's files are kept; empty: as they are.
fn of_this_process() -> String {
    if Powers::current().is_full() {
        return String::new();
    }
    let lines = |path: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().map(line).collect::<Vec<_>>().join(", ")
    };
    let (users, groups) = (lines("/proc/self/uid_map"), lines("/proc/self/gid_map"));
    // Without a user namespace of its own this process cannot give files away, whatever numbers there are.
    let several = |map: &str| map.contains(',') || !map.ends_with(" 1");
    let inside = matches!(Powers::current(), Powers::Limited { uid: 0, .. });
    if inside && several(&users) {
        format!("users {users}\ngroups {groups}\n")
    } else {
        SINGLE.to_owned()
    }
}

/// Writes down how the owners are kept in a store that is being made.
pub(crate) fn begin(root: &Path) -> Result<()> {
    match of_this_process() {
        own if own.is_empty() => Ok(()),
        own => write(root, &own),
    }
}

fn write(root: &Path, own: &str) -> Result<()> {
    let path = root.join(FILE);
    let fresh = root.join("owners.new");
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options
        .open(&fresh)
        .and_then(|mut file| file.write_all(own.as_bytes()));
    written.map_err(Error::io("write", &fresh))?;
    fs::rename(&fresh, &path).map_err(Error::io("rename", &fresh))
}

/// Makes sure that this process sees the owners of a store's files as they were meant.
pub(crate) fn check(root: &Path) -> Result<()> {
    let path = root.join(FILE);
    let found = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Error::io("read", &path)(error)),
    };
    let own = of_this_process();
    if found == own {
        return Ok(());
    }
    // What one user wrote is read by the same user in a larger namespace; from then on others have files in it.
    if found == SINGLE && !own.is_empty() && is_own(root)? {
        return write(root, &own);
    }
    // Nobody's files are there yet: it was only begun.
    if is_without_layers(root) {
        return match own.is_empty() {
            true => fs::remove_file(&path).map_err(Error::io("remove", &path)),
            false => write(root, &own),
        };
    }
    Err(Error::OtherOwners {
        path: root.to_owned(),
        found: describe(&found),
        own: describe(&own),
    })
}

fn is_without_layers(root: &Path) -> bool {
    match fs::read_dir(root.join("layers")) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn is_own(root: &Path) -> Result<bool> {
    let meta = fs::metadata(root).map_err(Error::io("read", root))?;
    Ok(meta.uid() == rustix::process::geteuid().as_raw())
}

fn describe(owners: &str) -> String {
    match owners {
        "" => "root".to_owned(),
        SINGLE => "one user".to_owned(),
        ids => format!("the {}", ids.trim_end().replace('\n', ", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_used_as_it_was_made() {
        let dir = tempfile::tempdir().unwrap();
        begin(dir.path()).unwrap();
        check(dir.path()).unwrap();
        write(dir.path(), "users 0 7 1, 1 70000 9\ngroups 0 7 1, 1 70000 9\n").unwrap();
        fs::create_dir_all(dir.path().join("layers/1")).unwrap();
        let error = check(dir.path()).unwrap_err().to_string();
        assert!(error.contains("belong to the users 0 7 1, 1 70000 9"), "{error}");
        // Nobody's files are in it.
        fs::remove_dir(dir.path().join("layers/1")).unwrap();
        check(dir.path()).unwrap();
        check(dir.path()).unwrap();
    }
}
