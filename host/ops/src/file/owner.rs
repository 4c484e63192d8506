//! New owners: numbers, or names of the tree that is changed.
//! Knows nothing of what is owned.

use std::io::Read;
use std::path::Path;

use lapstrake_llb::{Chown, UserRef};
use lapstrake_store::tree::FileTree;

use super::FileError;

/// Larger files of users and groups are not read, bytes.
const LARGEST: u64 = 16 << 20;

/// A new owner in numbers; none: as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
}

impl Owner {
    /// Resolves an owner in a tree. A user without a group brings the group along: a name its own, a number the same
    /// number.
    pub(super) fn resolve(chown: Option<&Chown>, tree: &dyn FileTree) -> Result<Self, FileError> {
        let Some(chown) = chown else {
            return Ok(Self::default());
        };
        let mut owner = Self::default();
        match &chown.user {
            None => {}
            Some(UserRef::Id(id)) => {
                owner = Self {
                    uid: Some(*id),
                    gid: Some(*id),
                }
            }
            Some(UserRef::Name(name)) => {
                let text = read(tree, "etc/passwd")?;
                let (uid, gid) = user(&text, name).ok_or_else(|| FileError::UnknownOwner {
                    what: "user",
                    name: name.clone(),
                    file: "/etc/passwd",
                })?;
                owner = Self {
                    uid: Some(uid),
                    gid: Some(gid),
                };
            }
        }
        match &chown.group {
            None => {}
            Some(UserRef::Id(id)) => owner.gid = Some(*id),
            Some(UserRef::Name(name)) => {
                let text = read(tree, "etc/group")?;
                let gid = group(&text, name).ok_or_else(|| FileError::UnknownOwner {
                    what: "group",
                    name: name.clone(),
                    file: "/etc/group",
                })?;
                owner.gid = Some(gid);
            }
        }
        Ok(owner)
    }
}

/// Lines of colon-separated fields, as passwd(5) and group(5) have them.
fn lines<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = Vec<&'a str>> {
    text.lines()
        .map(|line| line.trim().split(':').collect::<Vec<_>>())
        .filter(move |fields| fields[0] == name)
}

fn user(text: &str, name: &str) -> Option<(u32, u32)> {
    lines(text, name).find_map(|fields| Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?)))
}

fn group(text: &str, name: &str) -> Option<u32> {
    lines(text, name).find_map(|fields| fields.get(2)?.parse().ok())
}

/// The text of a file; of one that is not there: nothing.
fn read(tree: &dyn FileTree, path: &str) -> Result<String, FileError> {
    let Some(entry) = tree.follow(Path::new(path))?.filter(|entry| entry.is_file()) else {
        return Ok(String::new());
    };
    let mut bytes = Vec::new();
    let file = tree.open(&entry)?;
    let read = file.take(LARGEST).read_to_end(&mut bytes);
    read.map_err(|source| FileError::Copy {
        path: entry.path,
        source,
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use lapstrake_store::tree::{MemoryNode, MemoryTree};

    use super::*;

    #[test]
    fn names_are_looked_up_and_numbers_are_not() {
        let mut tree = MemoryTree::default();
        tree.insert(
            "etc/passwd",
            MemoryNode::file("root:x:0:0::/:\nweb:x:33:44::/:/bin/sh\n"),
        );
        tree.insert("etc/group", MemoryNode::file("www:x:55:\n"));
        let name = |name: &str| Some(UserRef::Name(name.to_owned()));
        let resolve = |user, group| Owner::resolve(Some(&Chown { user, group }), &tree);
        let owner = |uid: u32, gid: u32| Owner {
            uid: Some(uid),
            gid: Some(gid),
        };
        assert_eq!(resolve(name("web"), None).unwrap(), owner(33, 44));
        assert_eq!(resolve(name("web"), name("www")).unwrap(), owner(33, 55));
        assert_eq!(resolve(Some(UserRef::Id(7)), None).unwrap(), owner(7, 7));
        assert_eq!(
            resolve(Some(UserRef::Id(7)), Some(UserRef::Id(8))).unwrap(),
            owner(7, 8)
        );
        assert_eq!(
            resolve(None, Some(UserRef::Id(8))).unwrap(),
            Owner {
                uid: None,
                gid: Some(8)
            }
        );
        assert_eq!(Owner::resolve(None, &tree).unwrap(), Owner::default());
        assert!(matches!(
            resolve(name("nobody"), None),
            Err(FileError::UnknownOwner { what: "user", .. })
        ));
        assert!(matches!(
            resolve(None, name("none")),
            Err(FileError::UnknownOwner { what: "group", .. })
        ));
    }
}
