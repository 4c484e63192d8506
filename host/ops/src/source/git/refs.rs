//! What a server lists: which of its refs a name means, and which ones a wrong name is like.
//! Knows nothing of how the list comes.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

/// One line of `git ls-remote`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) object: String,
    pub(super) name: String,
}

/// What a name means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// The commit, in full.
    pub id: String,
    /// The tag's own object, of an annotated tag.
    pub tag: Option<String>,
    /// The whole name of the ref, such as `refs/heads/main`; none: it was named by its id.
    pub name: Option<String>,
}

/// Whether a text is a whole id, SHA-1 or SHA-256.
pub(super) fn is_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// How a repository names its objects. Those of one are nothing to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Sha1,
    Sha256,
}

impl Format {
    /// That of a whole id.
    pub(super) fn of(id: &str) -> Self {
        match id.len() {
            64 => Self::Sha256,
            _ => Self::Sha1,
        }
    }

    /// Git's word for it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }
}

/// Whether a text is the whole name of a ref, by the rules of `git check-ref-format`. Names become paths: what a server says
/// is one MUST pass this before it is used. A part may begin with a dash: a whole name never does, so that none is an option.
pub(super) fn is_name(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("refs/") else {
        return false;
    };
    let good_part = |part: &str| !(part.is_empty() || part.starts_with('.') || part.ends_with(".lock"));
    let bad_letter = |c: char| c.is_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\');
    rest.split('/').all(good_part)
        && !matches!(rest, "heads" | "tags")
        && !text.contains(bad_letter)
        && !text.contains("..")
        && !text.contains("@{")
        && !text.ends_with('.')
}

/// Reads the output of `git ls-remote`. Lines of other forms are left out, and names that no ref can have.
pub(super) fn read(output: &str) -> Vec<Listed> {
    let lines = output.lines().filter_map(|line| line.split_once('\t'));
    let good = |name: &str| name == "HEAD" || is_name(name.strip_suffix("^{}").unwrap_or(name));
    let listed = lines.filter(|(object, name)| is_id(object) && good(name));
    listed
        .map(|(object, name)| Listed {
            object: object.to_owned(),
            name: name.to_owned(),
        })
        .collect()
}

/// The branch that `HEAD` is, by `git ls-remote --symref`.
pub(super) fn head_branch(output: &str) -> Option<String> {
    let lines = output.lines().filter_map(|line| line.strip_prefix("ref: "));
    let names = lines.filter_map(|line| line.strip_suffix("\tHEAD"));
    names.map(str::to_owned).next().filter(|name| is_name(name))
}

/// The patterns with which a server is asked for a name.
pub(super) fn patterns(name: &str) -> Vec<String> {
    if name.is_empty() || name == "HEAD" {
        return vec!["HEAD".to_owned()];
    }
    let mut all: Vec<String> = candidates(name);
    let peeled: Vec<String> = all.iter().map(|name| format!("{name}^{{}}")).collect();
    all.extend(peeled);
    all
}

/// The refs that a name may mean, the best first: a branch before a tag, as `git checkout` has it.
fn candidates(name: &str) -> Vec<String> {
    let mut all = vec![
        format!("refs/heads/{name}"),
        format!("refs/tags/{name}"),
        format!("refs/{name}"),
    ];
    if name.starts_with("refs/") {
        all.insert(0, name.to_owned());
    }
    all
}

/// Chooses what a name means. None: the server has no such ref.
pub(super) fn choose(name: &str, output: &str) -> Option<Commit> {
    let list = read(output);
    let find = |name: &str| {
        list.iter()
            .find(|one| one.name == name)
            .map(|one| one.object.clone())
    };
    if name.is_empty() || name == "HEAD" {
        return find("HEAD").map(|id| Commit {
            id,
            tag: None,
            name: Some(head_branch(output).unwrap_or_else(|| "HEAD".to_owned())),
        });
    }
    candidates(name).into_iter().find_map(|name| {
        let object = find(&name)?;
        let (id, tag) = match find(&format!("{name}^{{}}")) {
            Some(commit) => (commit, Some(object)),
            None => (object, None),
        };
        Some(Commit {
            id,
            tag,
            name: Some(name),
        })
    })
}

/// Names in a list that a wrong one is like, the nearest first, at most three.
pub(super) fn near(name: &str, output: &str) -> Vec<String> {
    let short = |name: &str| {
        let name = name.strip_prefix("refs/").unwrap_or(name);
        let name = name
            .strip_prefix("heads/")
            .or(name.strip_prefix("tags/"))
            .unwrap_or(name);
        name.to_owned()
    };
    let wanted = short(name);
    let least = wanted.chars().count() / 3 + 1;
    let mut all: Vec<(usize, String)> = read(output)
        .into_iter()
        .filter(|one| !one.name.ends_with("^{}") && one.name != "HEAD")
        .map(|one| short(&one.name))
        .map(|known| (distance(&wanted, &known), known))
        .filter(|(far, known)| *far <= least || (wanted.len() > 2 && known.contains(&wanted)))
        .collect();
    // Of equally near tags the later one, as versions count up.
    all.sort_by_key(|(far, known)| (*far, Reverse(known.clone())));
    all.dedup();
    all.into_iter().map(|(_, known)| known).take(3).collect()
}

/// Number of letters to insert, remove or replace (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let replaced = corner + usize::from(a != *b);
            corner = row[j + 1];
            row[j + 1] = replaced.min(corner + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(letter: char) -> String {
        letter.to_string().repeat(40)
    }

    fn list(names: &[(char, &str)]) -> String {
        names
            .iter()
            .map(|(c, name)| format!("{}\t{name}\n", id(*c)))
            .collect()
    }

    #[test]
    fn a_branch_comes_before_a_tag_and_a_tag_is_followed() {
        let output = list(&[
            ('a', "refs/heads/x/v1"),
            ('b', "refs/heads/v1"),
            ('c', "refs/tags/v1"),
            ('d', "refs/tags/v2"),
            ('e', "refs/tags/v2^{}"),
            ('f', "refs/pull/1/head"),
        ]);
        let chosen = |name: &str| choose(name, &output);
        assert_eq!(chosen("v1").unwrap().id, id('b'));
        assert_eq!(chosen("refs/tags/v1").unwrap().id, id('c'));
        assert_eq!(chosen("tags/v1").unwrap().id, id('c'));
        let tag = chosen("v2").unwrap();
        assert_eq!((tag.id, tag.tag), (id('e'), Some(id('d'))));
        assert_eq!(tag.name.as_deref(), Some("refs/tags/v2"));
        assert_eq!(chosen("refs/pull/1/head").unwrap().id, id('f'));
        assert_eq!(chosen("pull/1/head").unwrap().id, id('f'));
        assert_eq!(chosen("v3"), None);
    }

    #[test]
    fn the_default_branch() {
        let output = format!("ref: refs/heads/trunk\tHEAD\n{}\tHEAD\n", id('a'));
        let head = choose("", &output).unwrap();
        assert_eq!(
            (head.id, head.name.as_deref()),
            (id('a'), Some("refs/heads/trunk"))
        );
        assert_eq!(choose("", ""), None);
    }

    #[test]
    fn names_that_no_ref_can_have_are_not_there() {
        for good in [
            "refs/heads/main",
            "refs/tags/v1.2.3",
            "refs/pull/1/head",
            "refs/heads/a-b/ü@c",
            "refs/x",
            "refs/heads/a/-x",
            "refs/tags/--upload-pack=x",
        ] {
            assert!(is_name(good), "{good}");
        }
        for bad in [
            "",
            "HEAD",
            "main",
            "refs",
            "refs/",
            "refs/heads",
            "refs/heads/",
            "/refs/heads/x",
            "refs//x",
            "refs/heads//x",
            "refs/../../../../etc/passwd",
            "refs/heads/../../config",
            "refs/heads/a..b",
            "refs/heads/.",
            "refs/heads/.x",
            "refs/heads/x.",
            "refs/heads/x.lock",
            "refs/heads/x.lock/y",
            "refs/heads/x\ry",
            "refs/heads/x\u{7f}",
            "refs/heads/x\0",
            "refs/heads/x y",
            "refs/heads/x~1",
            "refs/heads/x^",
            "refs/heads/x:y",
            "refs/heads/x?",
            "refs/heads/*",
            "refs/heads/x[",
            "refs/heads/x\\y",
            "refs/heads/@{1}",
        ] {
            assert!(!is_name(bad), "{bad:?}");
            let output = format!("ref: {bad}\tHEAD\n{}\tHEAD\n{0}\t{bad}\n", id('a'));
            assert_eq!(head_branch(&output), None, "{bad:?}");
            // It stands for no branch; the commit is that of HEAD.
            assert_eq!(
                choose("", &output).unwrap().name.as_deref(),
                Some("HEAD"),
                "{bad:?}"
            );
            if !matches!(bad, "" | "HEAD") {
                assert_eq!(choose(bad, &output), None, "{bad:?}");
            }
        }
    }

    #[test]
    fn near_names() {
        let output = list(&[
            ('a', "HEAD"),
            ('b', "refs/heads/main"),
            ('c', "refs/tags/v1.2.3"),
            ('d', "refs/tags/v1.2.3^{}"),
            ('e', "refs/heads/release"),
        ]);
        assert_eq!(near("mian", &output), ["main"]);
        assert_eq!(near("1.2.3", &output), ["v1.2.3"]);
        assert_eq!(near("refs/heads/relase", &output), ["release"]);
        assert_eq!(near("something-else", &output), Vec::<String>::new());
    }

    #[test]
    fn ids() {
        assert!(is_id(&id('a')) && is_id(&"0".repeat(64)));
        assert!(!is_id("abc1234") && !is_id(&id('A')) && !is_id(&id('g')));
        let word = |length: usize| Format::of(&"0".repeat(length)).word();
        assert_eq!((word(40), word(64)), ("sha1", "sha256"));
    }
}
