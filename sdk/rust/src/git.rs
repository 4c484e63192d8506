//! Addresses of git repositories: which texts are one, and what their fragment and query say.
//! Knows nothing of fetching.

use crate::types::GitSource;

/// A repository and what of it is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GitRef {
    /// Address without fragment and query.
    pub remote: String,
    /// Branch, tag or commit; empty: the default branch.
    pub reference: String,
    /// A directory in it; empty: all of it.
    pub subdir: String,
    /// `keep-git-dir` of the query.
    pub keep_git_dir: Option<bool>,
    /// `checksum` or `commit` of the query.
    pub checksum: Option<String>,
    /// `submodules=false` in the query.
    pub skip_submodules: bool,
}

/// Reads an address; none: it is no repository's. The error says what is wrong with one that is.
pub fn parse(text: &str) -> Option<Result<GitRef, String>> {
    let (address, fragment) = match text.split_once('#') {
        Some((address, fragment)) => (address, Some(fragment)),
        None => (text, None),
    };
    let (address, query) = match address.split_once('?') {
        Some((address, query)) => (address, Some(query)),
        None => (address, None),
    };
    if !is_repository(address) {
        return None;
    }
    let mut git = GitRef {
        remote: address.to_owned(),
        ..GitRef::default()
    };
    if let Some(fragment) = fragment {
        let (reference, subdir) = fragment.split_once(':').unwrap_or((fragment, ""));
        git.reference = reference.to_owned();
        git.subdir = subdir.trim_start_matches('/').to_owned();
    }
    for pair in query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter(|pair| !pair.is_empty())
    {
        if let Err(problem) = git.set(pair) {
            return Some(Err(problem));
        }
    }
    if !is_reference(&git.reference) {
        return Some(Err(format!(
            "{:?} is no name of a branch, a tag or a commit",
            git.reference
        )));
    }
    if git.subdir.split('/').any(|part| part == "..") {
        return Some(Err(format!("{:?} leads out of the repository", git.subdir)));
    }
    if let Some(commit) = &git.checksum
        && !((7..=64).contains(&commit.len())
            && commit.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
    {
        return Some(Err(format!(
            "`{commit}` is no commit: 7 to 64 lower-case hexadecimal digits"
        )));
    }
    Some(Ok(git))
}

/// Whether git takes a name (git-check-ref-format(1)); an empty one is the default branch.
fn is_reference(name: &str) -> bool {
    let good = |c: char| !c.is_whitespace() && !c.is_control() && !"~^:?*[\\".contains(c);
    !name.starts_with('-') && !name.contains("..") && name.chars().all(good)
}

fn is_repository(address: &str) -> bool {
    match address.split_once("://") {
        Some(("git" | "ssh", rest)) => !rest.is_empty(),
        Some(("http" | "https", rest)) => rest.contains('/') && rest.ends_with(".git"),
        Some(_) => false,
        // user@host:path
        None => address.split_once('@').is_some_and(|(user, rest)| {
            let name = |text: &str| !text.is_empty() && !text.contains(['/', ':', ' ']);
            name(user)
                && rest
                    .split_once(':')
                    .is_some_and(|(host, path)| name(host) && !path.is_empty())
        }),
    }
}

impl GitRef {
    fn set(&mut self, pair: &str) -> Result<(), String> {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        match key {
            "ref" | "tag" | "branch" => {
                let prefix = match key {
                    "tag" => "refs/tags/",
                    "branch" => "refs/heads/",
                    _ => "",
                };
                if !self.reference.is_empty() {
                    return Err("the address says twice which ref is wanted".to_owned());
                }
                self.reference = format!("{prefix}{value}");
            }
            "subdir" => {
                if !self.subdir.is_empty() {
                    return Err("the address says twice which directory is wanted".to_owned());
                }
                self.subdir = value.trim_start_matches('/').to_owned();
            }
            "checksum" | "commit" => self.checksum = Some(value.to_owned()),
            "keep-git-dir" => match crate::options::parse_bool(if value.is_empty() { "true" } else { value })
            {
                Some(value) => self.keep_git_dir = Some(value),
                None => return Err(format!("`{value}` is not true or false")),
            },
            "submodules" => match crate::options::parse_bool(if value.is_empty() { "true" } else { value }) {
                Some(value) => self.skip_submodules = !value,
                None => return Err(format!("`{value}` is not true or false")),
            },
            other => {
                return Err(format!(
                    "`{other}` is nothing that an address of a repository can say"
                ));
            }
        }
        Ok(())
    }

    /// Makes the source op, with the names of secrets that BuildKit gives it.
    pub fn into_source(self) -> GitSource {
        let ssh = self.remote.starts_with("ssh://") || !self.remote.contains("://");
        GitSource {
            remote: self.remote,
            git_ref: self.reference,
            subdir: self.subdir,
            keep_git_dir: self.keep_git_dir.unwrap_or(false),
            checksum: self.checksum,
            auth_token_secret: Some("GIT_AUTH_TOKEN".to_owned()),
            auth_header_secret: Some("GIT_AUTH_HEADER".to_owned()),
            mount_ssh_sock: ssh.then(|| "default".to_owned()),
            known_hosts: None,
            skip_submodules: self.skip_submodules,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories() {
        let git = parse("https://example.com/a/b.git#v1:dir").unwrap().unwrap();
        assert_eq!((git.reference.as_str(), git.subdir.as_str()), ("v1", "dir"));
        assert_eq!(git.remote, "https://example.com/a/b.git");
        let git = parse("https://example.com/b.git?tag=v2&subdir=x&keep-git-dir=1&commit=abcdef0")
            .unwrap()
            .unwrap();
        assert_eq!(git.reference, "refs/tags/v2");
        assert_eq!(
            (git.keep_git_dir, git.checksum.as_deref()),
            (Some(true), Some("abcdef0"))
        );
        let source = parse("git@example.com:a/b.git").unwrap().unwrap().into_source();
        assert_eq!(source.mount_ssh_sock.as_deref(), Some("default"));
        assert!(parse("git://example.com/x").is_some());
    }

    #[test]
    fn other_texts() {
        for text in [
            "https://example.com/a.tar",
            "a/b.git",
            "./x",
            "a@b",
            "dir",
            "https://x.git",
            "",
            "a b@c:d",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
        for (query, skip) in [
            ("", false),
            ("?submodules", false),
            ("?submodules=true", false),
            ("?submodules=0", true),
        ] {
            let git = parse(&format!("https://example.com/a.git{query}"));
            assert_eq!(
                git.unwrap().unwrap().into_source().skip_submodules,
                skip,
                "{query}"
            );
        }
        assert!(
            parse("https://example.com/a.git?submodules=some")
                .unwrap()
                .is_err()
        );
        assert!(parse("https://example.com/a.git?what=1").unwrap().is_err());
        assert!(parse("https://example.com/a.git?ref=x#y").unwrap().is_err());
        for address in ["#*.c", "#a..b", "#-x", "#v1:../x", "?commit=main"] {
            assert!(
                parse(&format!("https://example.com/a.git{address}"))
                    .unwrap()
                    .is_err(),
                "{address}"
            );
        }
    }
}
