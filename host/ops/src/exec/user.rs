//! Who a command runs as: `user[:group]` with names or numbers, looked up in the text of /etc/passwd and
//! /etc/group of the tree it runs in. Pure. Knows nothing of where the texts come from, or of this machine's
//! own users.

use serde::{Deserialize, Serialize};

/// Identity of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedUser {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Home directory, `/` where none is known.
    pub home: String,
}

/// Why a user or group is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum UserError {
    /// No such name in /etc/passwd.
    #[error("no user `{0}` in /etc/passwd of the image")]
    UnknownUser(String),
    /// No such name in /etc/group.
    #[error("no group `{0}` in /etc/group of the image")]
    UnknownGroup(String),
    /// Nothing before the colon, or after it.
    #[error("user and group must not be empty in `{0}`")]
    Empty(String),
}

struct PasswdEntry<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

struct GroupEntry<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

/// Resolves `spec`, `user[:group]`. None, or an empty one, is user 0.
///
/// As Docker and BuildKit do: a name must exist; a number need not, and has group 0 when /etc/passwd does not
/// know it. Supplementary groups are those of /etc/group that list the user's name, and there are none when a
/// group is given. Two numbers are taken as they are. Lines that make no sense are passed over.
pub fn resolve_user(spec: Option<&str>, passwd: &str, group: &str) -> Result<ResolvedUser, UserError> {
    let spec = spec.unwrap_or_default();
    let (user_part, group_part) = match spec.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (if spec.is_empty() { "0" } else { spec }, None),
    };
    if user_part.is_empty() || group_part.is_some_and(str::is_empty) {
        return Err(UserError::Empty(spec.to_owned()));
    }
    // Digits are always a number, unlike in chown(1).
    let number = user_part.parse::<u32>().ok();
    let entry = passwd_entries(passwd).find(|e| number.map_or(e.name == user_part, |uid| e.uid == uid));
    let uid = match (&entry, number) {
        (Some(entry), _) => entry.uid,
        (None, Some(uid)) => uid,
        (None, None) => return Err(UserError::UnknownUser(user_part.to_owned())),
    };
    let gid = match group_part {
        Some(name) => resolve_group(name, group)?,
        None => entry.as_ref().map_or(0, |e| e.gid),
    };
    let groups = match (&entry, group_part) {
        (Some(entry), None) => group_entries(group)
            .filter(|g| g.members.split(',').any(|m| m.trim() == entry.name))
            .map(|g| g.gid)
            .collect(),
        _ => Vec::new(),
    };
    let home = entry
        .map(|e| e.home)
        .filter(|h| !h.is_empty())
        .unwrap_or("/")
        .to_owned();
    Ok(ResolvedUser {
        uid,
        gid,
        groups,
        home,
    })
}

/// Resolves a group by name or number. A number need not exist.
fn resolve_group(name: &str, group: &str) -> Result<u32, UserError> {
    if let Ok(gid) = name.parse() {
        return Ok(gid);
    }
    group_entries(group)
        .find(|g| g.name == name)
        .map(|g| g.gid)
        .ok_or_else(|| UserError::UnknownGroup(name.to_owned()))
}

/// Lines of passwd(5): `name:password:uid:gid:comment:home:shell`.
fn passwd_entries(text: &str) -> impl Iterator<Item = PasswdEntry<'_>> {
    lines(text).filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?.trim().parse().ok()?;
        let gid = fields.next()?.trim().parse().ok()?;
        let home = fields.nth(1).unwrap_or_default();
        Some(PasswdEntry { name, uid, gid, home })
    })
}

/// Lines of group(5): `name:password:gid:member,member`.
fn group_entries(text: &str) -> impl Iterator<Item = GroupEntry<'_>> {
    lines(text).filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let gid = fields.nth(1)?.trim().parse().ok()?;
        Some(GroupEntry {
            name,
            gid,
            members: fields.next().unwrap_or_default(),
        })
    })
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
        # a comment\n\
        broken line\n\
        app:x:1000:1001:App:/home/app:/bin/sh\n\
        1234:x:77:78::/home/digits:\n\
        nohome:x:5:6\n\
        huge:x:99999999999:0::/:\n";
    const GROUP: &str = "root:x:0:\nwheel:x:10:root, app\napp:x:1001:\nvideo:x:44:app,other\nbad:x:x:app\n";

    fn user(spec: &str) -> Result<(u32, u32, Vec<u32>, String), UserError> {
        resolve_user(Some(spec), PASSWD, GROUP).map(|u| (u.uid, u.gid, u.groups, u.home))
    }

    #[test]
    fn names_numbers_and_groups() {
        assert_eq!(user("app"), Ok((1000, 1001, vec![10, 44], "/home/app".into())));
        assert_eq!(user("1000"), Ok((1000, 1001, vec![10, 44], "/home/app".into())));
        assert_eq!(user("app:video"), Ok((1000, 44, vec![], "/home/app".into())));
        assert_eq!(user("app:4242"), Ok((1000, 4242, vec![], "/home/app".into())));
        assert_eq!(user("4000"), Ok((4000, 0, vec![], "/".into())));
        assert_eq!(user("4000:50"), Ok((4000, 50, vec![], "/".into())));
        assert_eq!(
            user("1234"),
            Ok((1234, 0, vec![], "/".into())),
            "digits are a number, whatever names there are"
        );
        assert_eq!(user("nohome"), Ok((5, 6, vec![], "/".into())));
    }

    #[test]
    fn nobody_asked_for_is_root() {
        let root = resolve_user(None, PASSWD, GROUP).unwrap();
        assert_eq!(
            (root.uid, root.gid, root.groups.as_slice(), root.home.as_str()),
            (0, 0, &[10][..], "/root")
        );
        assert_eq!(
            resolve_user(Some(""), "", "").unwrap(),
            resolve_user(None, "", "").unwrap()
        );
        assert_eq!(resolve_user(None, "", "").unwrap().home, "/");
    }

    #[test]
    fn unknown_ones_are_named() {
        assert_eq!(user("ghost"), Err(UserError::UnknownUser("ghost".into())));
        assert_eq!(user("huge"), Err(UserError::UnknownUser("huge".into())));
        assert_eq!(user("app:ghosts"), Err(UserError::UnknownGroup("ghosts".into())));
        assert_eq!(user(":app"), Err(UserError::Empty(":app".into())));
        assert_eq!(user("app:"), Err(UserError::Empty("app:".into())));
        assert_eq!(user("-1"), Err(UserError::UnknownUser("-1".into())));
        assert_eq!(
            user("4294967296"),
            Err(UserError::UnknownUser("4294967296".into()))
        );
    }
}
