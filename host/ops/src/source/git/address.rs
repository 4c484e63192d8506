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
    /// In full, with a password that may be in it: what tells one repository from another.
    pub(super) url: String,
    /// As git gets it, on a command line that all users can read: without passwords.
    pub(super) given: String,
    /// User and password by HTTP, `user:password`.
    pub(super) login: Option<Vec<u8>>,
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
        let (given, login) = without_password(text, protocol);
        Ok(Self {
            url: text.to_owned(),
            given,
            login,
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

/// An address without its password, and what was taken out, decoded: by HTTP the user too, as it may be a token. A user alone
/// is not a login: git would ask for the password.
fn without_password(text: &str, protocol: Protocol) -> (String, Option<Vec<u8>>) {
    let found = text.split_once("://").and_then(|(scheme, rest)| {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (login, _) = rest[..end].rsplit_once('@')?;
        Some((scheme, login, &rest[login.len() + 1..]))
    });
    let Some((scheme, login, rest)) = found else {
        return (text.to_owned(), None);
    };
    let (user, password) = match login.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (login, None),
    };
    match protocol {
        // No password is ever given to ssh.
        Protocol::Ssh => (format!("{scheme}://{user}@{rest}"), None),
        Protocol::Git => (format!("{scheme}://{rest}"), None),
        Protocol::Http => {
            let login = password.map(|password| [&decoded(user)[..], b":", &decoded(password)].concat());
            (format!("{scheme}://{rest}"), login)
        }
    }
}

/// Reads `%41` as `A`.
fn decoded(text: &str) -> Vec<u8> {
    let digit = |at: usize| {
        let byte = text.as_bytes().get(at)?;
        u8::try_from(char::from(*byte).to_digit(16)?).ok()
    };
    let mut bytes = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at) {
        match (*byte == b'%')
            .then(|| digit(at + 1).zip(digit(at + 2)))
            .flatten()
        {
            Some((high, low)) => {
                bytes.push(high << 4 | low);
                at += 3;
            }
            None => {
                bytes.push(*byte);
                at += 1;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_gets_no_password() {
        let read = |text: &str| {
            let address = Address::parse(text).unwrap();
            let login = address.login.map(|login| String::from_utf8(login).unwrap());
            (address.given, login)
        };
        let plain = |text: &str| (text.to_owned(), None);
        assert_eq!(
            read("https://me:p%40w%3a%zz@h:8/a@b.git"),
            ("https://h:8/a@b.git".into(), Some("me:p@w:%zz".into()))
        );
        assert_eq!(
            read("http://token:@h/a"),
            ("http://h/a".into(), Some("token:".into()))
        );
        assert_eq!(
            read("https://a@b:c@h"),
            ("https://h".into(), Some("a@b:c".into()))
        );
        assert_eq!(read("https://token@h/a"), plain("https://h/a"));
        assert_eq!(read("https://h/a@b"), plain("https://h/a@b"));
        assert_eq!(read("ssh://git@h:22/a"), plain("ssh://git@h:22/a"));
        assert_eq!(read("ssh://git:pw@h:22/a"), plain("ssh://git@h:22/a"));
        assert_eq!(read("git@h:a/b.git"), plain("git@h:a/b.git"));
        assert_eq!(read("git://me:pw@h/a"), plain("git://h/a"));
    }

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
