//! Credentials in URLs, wherever a URL stands in a text: what of it people, logs and records may see.
//!
//! The rule. Before the host nothing is shown: a user may be a token. Only SSH's user without a password is. Of a query (and
//! a fragment that has `=`) the names are shown; a value is shown where it is short, no URL, and its name does not sound like a
//! secret, as signatures and tokens are long or named so. What an address of a git repository says in its query is shown.
//! Knows nothing of who shows what.

/// Stands in place of what is hidden.
const HIDDEN: &str = "xxxxx";
/// Longer values are hidden, bytes.
const SHORT: usize = 16;
/// Values with one of these in their names are hidden, however short.
const SECRET: [&str; 14] = [
    "sig", "token", "secret", "pass", "pwd", "pw", "auth", "cred", "key", "jwt", "session", "code", "otp",
    "hmac",
];
/// What the query of a git repository's address may say. BuildKit's.
const GIT: [&str; 9] = [
    "ref",
    "tag",
    "branch",
    "subdir",
    "checksum",
    "commit",
    "keep-git-dir",
    "submodules",
    "mtime",
];

/// A text without the credentials of the URLs in it.
pub fn redact(text: &str) -> String {
    replace(text, |_| HIDDEN.to_owned())
}

/// As [`redact`], with an `x` for every byte: places in the text stay what they are.
pub fn mask(text: &str) -> String {
    replace(text, |hidden| "x".repeat(hidden.len()))
}

/// As [`redact`], but different credentials stay different.
pub fn tell_apart(text: &str) -> String {
    replace(text, |hidden| {
        let digest = crate::Digest::of(hidden.as_bytes());
        format!("{HIDDEN}-{}", &digest.hex()[..8])
    })
}

/// Whether there is something to hide.
pub fn are_in(text: &str) -> bool {
    let mut found = false;
    let _ = replace(text, |_| {
        found = true;
        String::new()
    });
    found
}

fn replace(text: &str, mut with: impl FnMut(&str) -> String) -> String {
    if !text.contains("://") {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for word in text.split_inclusive(ends_url) {
        let (word, end) = match word.chars().next_back() {
            Some(last) if ends_url(last) => word.split_at(word.len() - last.len_utf8()),
            _ => (word, ""),
        };
        match word.find("://") {
            Some(at) => url(word, at, &mut out, &mut with),
            None => out.push_str(word),
        }
        out.push_str(end);
    }
    out
}

/// What no URL has in it: it would be encoded.
fn ends_url(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '`' | '<' | '>' | '\\')
}

/// A word with a URL in it, whose `://` is `at` some place. Others may be in its path.
fn url(word: &str, at: usize, out: &mut String, with: &mut dyn FnMut(&str) -> String) {
    let query = word[at + 3..]
        .find(['?', '#'])
        .map_or(word.len(), |found| at + 3 + found);
    let mut rest = &word[..query];
    while let Some(at) = rest.find("://") {
        let (scheme, after) = rest.split_at(at + 3);
        out.push_str(scheme);
        let end = after.find('/').unwrap_or(after.len());
        let (authority, path) = after.split_at(end);
        match authority.rsplit_once('@') {
            Some((user, host)) if is_secret_user(scheme, user) => {
                out.push_str(&with(user));
                out.push('@');
                out.push_str(host);
            }
            _ => out.push_str(authority),
        }
        rest = path;
    }
    out.push_str(rest);
    let mut fragment = false;
    for part in word[query..].split_inclusive(['?', '#', '&', ';']) {
        let separator = part.len() - usize::from(part.ends_with(['?', '#', '&', ';']));
        parameter(&part[..separator], fragment, out, with);
        out.push_str(&part[separator..]);
        fragment |= part.ends_with('#');
    }
}

/// The user of an SSH address is no secret; and what was hidden once stays as it is.
fn is_secret_user(scheme: &str, user: &str) -> bool {
    (user.contains(':') || !scheme.ends_with("ssh://")) && !is_hidden(user)
}

fn parameter(text: &str, fragment: bool, out: &mut String, with: &mut dyn FnMut(&str) -> String) {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => {
            out.push_str(name);
            out.push('=');
            (name, value)
        }
        // In a fragment it is a place: a ref of a repository, an anchor.
        None if fragment => ("ref", text),
        None => ("", text),
    };
    match is_secret_value(&name.to_ascii_lowercase(), value) {
        true => out.push_str(&with(value)),
        false => out.push_str(value),
    }
}

fn is_secret_value(name: &str, value: &str) -> bool {
    if value.is_empty() || is_hidden(value) || GIT.contains(&name) {
        return false;
    }
    value.len() > SHORT || value.contains("://") || SECRET.iter().any(|word| name.contains(word))
}

fn is_hidden(text: &str) -> bool {
    let digits = |rest: &str| rest.len() == 8 && rest.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.bytes().all(|byte| byte == b'x') || text.strip_prefix("xxxxx-").is_some_and(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_passwords_are_not_shown() {
        for (text, shown) in [
            (
                "https://me:secret@example.com/a@b",
                "https://xxxxx@example.com/a@b",
            ),
            ("https://example.com/a@b", "https://example.com/a@b"),
            ("https://token@h?x", "https://xxxxx@h?x"),
            ("ssh://git@h/x", "ssh://git@h/x"),
            ("git+ssh://git@h/x", "git+ssh://git@h/x"),
            ("ssh://git:pw@h/x", "ssh://xxxxx@h/x"),
            ("git@h:x", "git@h:x"),
            ("a://b@c and d://token@e", "a://xxxxx@c and d://xxxxx@e"),
            ("https://a@b:c@h/x", "https://xxxxx@h/x"),
            (
                "https://proxy/https://me:pw@h/x",
                "https://proxy/https://xxxxx@h/x",
            ),
            (
                "RUN curl \"https://a:b@h/x\" 'http://c@d'",
                "RUN curl \"https://xxxxx@h/x\" 'http://xxxxx@d'",
            ),
        ] {
            assert_eq!(redact(text), shown);
        }
    }

    #[test]
    fn values_of_queries_that_may_be_secrets_are_not_shown() {
        for (text, shown) in [
            ("https://h/f?version=1.2&raw", "https://h/f?version=1.2&raw"),
            (
                "https://h/f?X-Amz-Signature=ab&x=1",
                "https://h/f?X-Amz-Signature=xxxxx&x=1",
            ),
            (
                "https://h/f?sv=2024&sig=a%2Fb%3D#top",
                "https://h/f?sv=2024&sig=xxxxx#top",
            ),
            ("https://h/f?q=abcdefghijklmnopq", "https://h/f?q=xxxxx"),
            ("https://h/f?abcdefghijklmnopq", "https://h/f?xxxxx"),
            ("https://h/f?u=https://a:b@c/d", "https://h/f?u=xxxxx"),
            (
                "https://h/f?a=b?token=c;key=d",
                "https://h/f?a=b?token=xxxxx;key=xxxxx",
            ),
            ("https://h/#access_token=abc", "https://h/#access_token=xxxxx"),
            ("https://h/f?token=", "https://h/f?token="),
            (
                "https://h/x.git?ref=feature/with-a-long-name&checksum=0123456789abcdef0123#x",
                "https://h/x.git?ref=feature/with-a-long-name&checksum=0123456789abcdef0123#x",
            ),
            (
                "https://h/x.git#feature/with-a-long-name:a/dir",
                "https://h/x.git#feature/with-a-long-name:a/dir",
            ),
            (
                "ADD https://h/f?sig=a\\\n  /x",
                "ADD https://h/f?sig=xxxxx\\\n  /x",
            ),
        ] {
            assert_eq!(redact(text), shown);
            assert_eq!(are_in(text), text != shown, "{text}");
        }
    }

    #[test]
    fn what_is_hidden_stays_hidden_as_it_is() {
        for text in ["https://me:pw@h/f?sig=abc&q=0123456789abcdefg", "x https://t@h y"] {
            for hidden in [redact(text), mask(text), tell_apart(text)] {
                assert!(!are_in(&hidden), "{hidden}");
                assert_eq!(redact(&hidden), hidden);
            }
            assert_eq!(mask(text).len(), text.len());
        }
        assert_eq!(
            mask("https://tokens@h/ä?sig=abcdé"),
            "https://xxxxxx@h/ä?sig=xxxxxx"
        );
        assert_ne!(tell_apart("https://h/?sig=a"), tell_apart("https://h/?sig=b"));
    }

    #[test]
    fn no_text_is_too_strange() {
        for text in [
            "",
            "://",
            "://@",
            "a://?",
            "a://#?&=;",
            "://://@@??==",
            "é://ü@ö?ß=ä",
            "a://b?=",
        ] {
            let hidden = redact(text);
            assert_eq!(redact(&hidden), hidden, "{text}");
        }
    }
}
