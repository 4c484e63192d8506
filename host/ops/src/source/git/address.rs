//! Addresses of repositories: what they are reached by, which host that is, and what a relative one means.
//! Knows nothing of git's commands.

use super::GitError;
use crate::source::remote::redact;

/// How a repository is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http,
    Ssh,
    Git,
}

/// The address of a repository on another machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// As git takes it.
    pub(super) url: String,
    /// As it may be shown.
    pub(super) shown: String,
    pub(super) protocol: Protocol,
    /// With the port, where there is one.
    pub(super) host: String,
}

impl Address {
    /// Reads an address. Files of this machine, and protocols that run commands, are none.
    pub(super) fn parse(text: &str) -> Result<Self, GitError> {
        let refused = || GitError::Protocol { remote: redact(text) };
        if text.starts_with('-') || text.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(refused());
        }
        let (protocol, authority) = match text.split_once("://") {
            Some((scheme, rest)) => {
                let protocol = match scheme.to_ascii_lowercase().as_str() {
                    "http" | "https" => Protocol::Http,
                    "ssh" | "git+ssh" => Protocol::Ssh,
                    "git" => Protocol::Git,
                    _ => return Err(refused()),
                };
                (protocol, rest.split(['/', '?', '#']).next().unwrap_or(rest))
            }
            // scp's form, [user@]host:path. git takes it for a path if a slash comes first, and `::` for a program.
            None => {
                let (authority, path) = text.split_once(':').ok_or_else(refused)?;
                if authority.contains('/') || path.starts_with(':') || path.is_empty() {
                    return Err(refused());
                }
                (Protocol::Ssh, authority)
            }
        };
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        // A host that begins with a dash would be an option of ssh.
        if host.is_empty() || host.starts_with('-') || authority.starts_with('-') {
            return Err(refused());
        }
        Ok(Self {
            url: text.to_owned(),
            shown: redact(text),
            protocol,
            host: host.to_ascii_lowercase(),
        })
    }

    /// What of the address a header with a token is good for, in the form of git's `http.<url>.*` settings.
    pub(super) fn scope(&self) -> Option<String> {
        let (scheme, _) = self.url.split_once("://")?;
        (self.protocol == Protocol::Http).then(|| format!("{scheme}://{}/", self.host))
    }

    /// The address of a submodule: `./` and `../` are relative to this one.
    pub(super) fn submodule(&self, text: &str) -> Result<Self, GitError> {
        if !text.starts_with("./") && !text.starts_with("../") {
            return Self::parse(text);
        }
        let refused = || GitError::Protocol {
            remote: text.to_owned(),
        };
        let mut base = self.url.trim_end_matches('/').to_owned();
        let mut rest = text;
        let mut separator = '/';
        // What stands before the path never goes away.
        let least = base.find("://").map_or(0, |at| {
            let start = at + 3;
            base[start..].find('/').map_or(base.len(), |slash| start + slash)
        });
        loop {
            if let Some(after) = rest.strip_prefix("./") {
                rest = after;
            } else if let Some(after) = rest.strip_prefix("../") {
                rest = after;
                let cut = base.rfind('/').filter(|at| *at >= least);
                let cut = match (cut, base.contains("://")) {
                    (Some(at), _) => at,
                    (None, true) => return Err(refused()),
                    // In scp's form the path begins after the colon.
                    (None, false) => {
                        separator = ':';
                        base.rfind(':').ok_or_else(refused)?
                    }
                };
                base.truncate(cut);
            } else {
                break;
            }
        }
        Self::parse(&format!("{base}{separator}{}", rest.trim_end_matches('/')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_and_hosts() {
        let read = |text: &str| {
            let address = Address::parse(text).unwrap();
            (address.protocol, address.host)
        };
        assert_eq!(
            read("https://me:pw@Example.com:8/a.git"),
            (Protocol::Http, "example.com:8".into())
        );
        assert_eq!(
            read("git@example.com:a/b.git"),
            (Protocol::Ssh, "example.com".into())
        );
        assert_eq!(read("ssh://git@h:22/a"), (Protocol::Ssh, "h:22".into()));
        assert_eq!(read("git://h/a"), (Protocol::Git, "h".into()));
    }

    #[test]
    fn what_is_on_this_machine_or_runs_commands_is_refused() {
        for text in [
            "file:///etc",
            "/srv/repo.git",
            "./repo",
            "ext::sh -c id",
            "ext::sh",
            "fd::17",
            "https:///x",
            "-oProxyCommand=x",
            "ssh://-oProxyCommand=x/y",
            "-oX:y",
            "a/b:c",
            "",
            "https://h/a\nb",
            "ftp://h/x",
        ] {
            assert!(
                matches!(Address::parse(text), Err(GitError::Protocol { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn relative_addresses() {
        let resolve = |base: &str, text: &str| {
            let address = Address::parse(base).unwrap().submodule(text);
            address.map(|address| address.url).unwrap_or_default()
        };
        assert_eq!(resolve("https://h/a/b.git", "../c.git"), "https://h/a/c.git");
        assert_eq!(resolve("https://h/a/b.git/", "./c"), "https://h/a/b.git/c");
        assert_eq!(resolve("https://h/a/b", "../../x/y"), "https://h/x/y");
        assert_eq!(resolve("git@h:a/b.git", "../c.git"), "git@h:a/c.git");
        assert_eq!(resolve("git@h:b.git", "../c.git"), "git@h:c.git");
        assert_eq!(resolve("https://h/a", "../../../etc"), "");
        assert_eq!(resolve("https://h/a", "file:///etc"), "");
        assert_eq!(resolve("https://h/a", "/etc"), "");
    }

    #[test]
    fn the_scope_of_a_token_is_its_host() {
        let scope = |text: &str| Address::parse(text).unwrap().scope();
        assert_eq!(scope("https://u@h:1/a").as_deref(), Some("https://h:1/"));
        assert_eq!(scope("git@h:a"), None);
    }
}
