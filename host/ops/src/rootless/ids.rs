//! The subordinate ids of a user, subuid(5) and subgid(5), and maps of them, user_namespaces(7).
//! Knows nothing of how a map is put into force.

use std::fs;

use super::NoIds;

/// Ids that follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub start: u32,
    /// How many.
    pub count: u32,
}

/// The subordinate ids of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranges {
    /// Users.
    pub users: Vec<Range>,
    /// Groups.
    pub groups: Vec<Range>,
}

impl Ranges {
    /// Those of a user of this machine. `name` is for one that /etc/passwd does not know.
    ///
    /// # Errors
    /// There are none.
    pub fn of(uid: u32, name: Option<&str>) -> Result<Self, NoIds> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let known = name_of(uid, &read("/etc/passwd"));
        let name = known.as_deref().or(name);
        let ranges = |path: &'static str| match parse(&read(path), uid, name) {
            none if none.is_empty() => Err(NoIds::NoRange(path)),
            some => Ok(some),
        };
        Ok(Self {
            users: ranges("/etc/subuid")?,
            groups: ranges("/etc/subgid")?,
        })
    }
}

fn name_of(uid: u32, passwd: &str) -> Option<String> {
    let line = passwd
        .lines()
        .find(|line| line.split(':').nth(2).and_then(|field| field.parse().ok()) == Some(uid))?;
    line.split(':').next().map(str::to_owned)
}

/// Lines `user:start:count`, the user as a name or a number. Lines that make no sense are passed over.
fn parse(text: &str, uid: u32, name: Option<&str>) -> Vec<Range> {
    let line = |line: &str| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        let start = fields.next()?.parse().ok()?;
        let count = fields.next()?.parse().ok().filter(|count| *count > 0)?;
        let ours = Some(owner) == name || owner.parse() == Ok(uid);
        ours.then_some(Range { start, count })
    };
    text.lines().filter_map(line).collect()
}

/// Triples `inside outside count`: the user is root, and the others follow.
pub(super) fn with_own(own: u32, ranges: &[Range]) -> Vec<[u32; 3]> {
    let mut next: u32 = 1;
    let mut map = vec![[0, own, 1]];
    for range in ranges {
        let count = range.count.min(u32::MAX - next);
        if count > 0 {
            map.push([next, range.start, count]);
        }
        next += count;
    }
    map
}

/// The map under which all ids that the map `outer` has mean the same.
///
/// The last one is left out where all are there: a map of all looks like that of the machine itself.
pub(super) fn identity(outer: &str) -> Vec<[u32; 3]> {
    let line = |line: &str| {
        let mut fields = line.split_whitespace().map(str::parse::<u32>);
        let (inside, _, count) = (fields.next()?.ok()?, fields.next()?.ok()?, fields.next()?.ok()?);
        Some([inside, inside, count.min(u32::MAX - 1)])
    };
    outer.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_lines_are_found_by_name_and_by_number() {
        let text = "me:100000:65536\nother:200000:65536\n1000:300000:10\nme:x:1\nme:5\nme:7:0\n";
        let ranges = parse(text, 1000, Some("me"));
        let expected = [(100_000, 65_536), (300_000, 10)];
        assert_eq!(ranges, expected.map(|(start, count)| Range { start, count }));
        assert_eq!(parse(text, 7, None), []);
        assert_eq!(name_of(3, "a:x:2:2::/:\nb:x:3:2::/:\n").as_deref(), Some("b"));
        assert_eq!(name_of(4, "a:x:2:2::/:\n"), None);
    }

    #[test]
    fn a_user_is_root_and_the_others_follow() {
        let ranges = [(100_000, 65_536), (300_000, 10)].map(|(start, count)| Range { start, count });
        assert_eq!(
            with_own(1000, &ranges),
            [[0, 1000, 1], [1, 100_000, 65_536], [65_537, 300_000, 10]]
        );
    }

    #[test]
    fn a_map_of_all_is_never_made() {
        assert_eq!(
            identity("         0          0 4294967295\n"),
            [[0, 0, u32::MAX - 1]]
        );
        assert_eq!(
            identity("0 1000 1\n1 100000 65536\n"),
            [[0, 0, 1], [1, 1, 65_536]]
        );
    }
}
