//! Addresses of git repositories as people write contexts: which words are one, and what their fragment and query say.
//! The forms are BuildKit's. Knows nothing of fetching.

use lapstrake_llb::GitSource;

/// The address in the form that frontends take; none: the word is no repository's.
pub fn normalise(text: &str) -> Option<String> {
    if let Some(rest) = text.strip_prefix("github.com/") {
        let end = rest.find(['?', '#']).unwrap_or(rest.len());
        let (path, more) = rest.split_at(end);
        let path = path.trim_end_matches('/').trim_end_matches(".git");
        return (!path.is_empty()).then(|| format!("https://github.com/{path}.git{more}"));
    }
    is_repository(text.split(['?', '#']).next().unwrap_or(text)).then(|| text.to_owned())
}

fn is_repository(address: &str) -> bool {
    match address.split_once("://") {
        Some(("git" | "ssh", rest)) => !rest.is_empty(),
        Some(("http" | "https", rest)) => rest.contains('/') && rest.ends_with(".git"),
        Some(_) => false,
        // user@host:path
        None => address.split_once('@').is_some_and(|(user, rest)| {
            let name = |text: &str| !text.is_empty() && !text.contains(['/', ':', ' ']);
            let host = rest.split_once(':');
            name(user) && host.is_some_and(|(host, path)| name(host) && !path.is_empty())
        }),
    }
}

/// Whether a repository is reached by SSH.
pub fn is_ssh(address: &str) -> bool {
    address.starts_with("ssh://") || !address.contains("://")
}

/// Reads an address of the normal form.
///
/// # Errors
/// What of it has no meaning.
pub fn parse(text: &str) -> Result<GitSource, String> {
    let (address, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (address, query) = address.split_once('?').unwrap_or((address, ""));
    let (git_ref, subdir) = fragment.split_once(':').unwrap_or((fragment, ""));
    let mut source = GitSource {
        remote: address.to_owned(),
        git_ref: git_ref.to_owned(),
        subdir: subdir.trim_start_matches('/').to_owned(),
        auth_token_secret: Some("GIT_AUTH_TOKEN".to_owned()),
        auth_header_secret: Some("GIT_AUTH_HEADER".to_owned()),
        mount_ssh_sock: is_ssh(address).then(|| "default".to_owned()),
        ..GitSource::default()
    };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        set(&mut source, pair)?;
    }
    Ok(source)
}

fn set(source: &mut GitSource, pair: &str) -> Result<(), String> {
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    match key {
        "ref" | "tag" | "branch" => {
            if !source.git_ref.is_empty() {
                return Err("the address says twice which ref is wanted".to_owned());
            }
            let prefix = match key {
                "tag" => "refs/tags/",
                "branch" => "refs/heads/",
                _ => "",
            };
            source.git_ref = format!("{prefix}{value}");
        }
        "subdir" => {
            if !source.subdir.is_empty() {
                return Err("the address says twice which directory is wanted".to_owned());
            }
            source.subdir = value.trim_start_matches('/').to_owned();
        }
        "checksum" | "commit" => source.checksum = Some(value.to_owned()),
        "keep-git-dir" => source.keep_git_dir = boolean(value, true)?,
        "submodules" => source.skip_submodules = !boolean(value, true)?,
        other => {
            return Err(format!(
                "{other:?} is nothing that an address of a repository can say; it is ref, tag, branch, subdir, \
                 checksum, keep-git-dir or submodules"
            ));
        }
    }
    Ok(())
}

fn boolean(value: &str, empty: bool) -> Result<bool, String> {
    match value {
        "" => Ok(empty),
        "1" | "t" | "T" | "true" | "True" | "TRUE" => Ok(true),
        "0" | "f" | "F" | "false" | "False" | "FALSE" => Ok(false),
        _ => Err(format!("{value:?} is not true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_words_are_repositories() {
        for text in [
            "git://h/x",
            "ssh://git@h/x",
            "git@h:x/y",
            "https://h/x.git",
            "https://h/x.git?ref=a#",
            "http://h/x.git#a",
        ] {
            assert_eq!(normalise(text).as_deref(), Some(text));
        }
        for text in [
            "https://h/x",
            "./x",
            "x.git",
            "https://h.git",
            "a@b",
            "dir/github.com/x",
            "github.com/",
            "C:x",
        ] {
            assert_eq!(normalise(text), None, "{text}");
        }
        assert_eq!(
            normalise("github.com/a/b?ref=c").as_deref(),
            Some("https://github.com/a/b.git?ref=c")
        );
        assert_eq!(
            normalise("github.com/a/b.git/").as_deref(),
            Some("https://github.com/a/b.git")
        );
    }

    #[test]
    fn fragments_and_queries() {
        let git = parse("https://h/x.git#v1:/dir").unwrap();
        assert_eq!((git.git_ref.as_str(), git.subdir.as_str()), ("v1", "dir"));
        let git = parse("https://h/x.git?tag=v1&subdir=d&checksum=abcdef1&keep-git-dir").unwrap();
        assert_eq!((git.git_ref.as_str(), git.subdir.as_str()), ("refs/tags/v1", "d"));
        assert_eq!(
            (git.checksum.as_deref(), git.keep_git_dir),
            (Some("abcdef1"), true)
        );
        assert_eq!(git.mount_ssh_sock, None);
        assert_eq!(
            parse("git@h:x").unwrap().mount_ssh_sock.as_deref(),
            Some("default")
        );
        for (text, skip) in [
            ("", false),
            ("?submodules", false),
            ("?submodules=1", false),
            ("?submodules=0", true),
        ] {
            let git = parse(&format!("https://h/x.git{text}")).unwrap();
            assert_eq!(git.skip_submodules, skip, "{text}");
        }
        for text in ["?what=1", "?ref=a#b", "?keep-git-dir=maybe", "?submodules=some"] {
            assert!(parse(&format!("https://h/x.git{text}")).is_err(), "{text}");
        }
    }
}
