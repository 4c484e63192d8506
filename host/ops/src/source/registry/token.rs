//! Identity tokens: OAuth2 refresh tokens that are exchanged for an access token before a registry takes them
//! (distribution project, "OAuth2 Token Authentication"). Names and passwords are `oci-client`'s own affair.
//! Knows nothing of what the token is used for.

use std::time::Duration;

use oci_client::Reference;
use reqwest::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use serde::Deserialize;

use super::endpoint::Settings;
use super::failure::excerpt;

const CLIENT_ID: &str = "lapstrake";
/// How long a token is good if the registry does not say (OAuth2 Token Authentication, `expires_in`).
const DEFAULT_LIFE: Duration = Duration::from_secs(60);
/// A token that ends this soon is taken as ended.
const MARGIN: Duration = Duration::from_secs(5);

/// What an identity token was exchanged for.
pub(super) struct Access {
    pub(super) token: String,
    pub(super) life: Duration,
}

/// Why there is no access token.
pub(super) enum Refusal {
    /// Somebody could not be reached.
    Unreachable(reqwest::Error),
    /// The registry, or its token service, does not want it.
    Refused(String),
}

impl From<reqwest::Error> for Refusal {
    fn from(error: reqwest::Error) -> Self {
        Refusal::Unreachable(error)
    }
}

/// Where a registry wants its tokens to be had.
#[derive(Debug, PartialEq, Eq)]
struct Challenge {
    realm: String,
    service: Option<String>,
}

/// Gets an access token for a repository; `actions` are the distribution project's, such as `pull`. `None`: the registry
/// wants no token at all.
pub(super) async fn exchange(
    reference: &Reference,
    identity: &str,
    actions: &str,
    settings: &Settings,
) -> Result<Option<Access>, Refusal> {
    let client = client(settings)?;
    let scheme = if settings.plain { "http" } else { "https" };
    let ping = client
        .get(format!("{scheme}://{}/v2/", reference.resolve_registry()))
        .send()
        .await?;
    let challenges = ping.headers().get_all(WWW_AUTHENTICATE);
    let mut texts = challenges
        .iter()
        .filter_map(|value| value.to_str().ok())
        .peekable();
    if texts.peek().is_none() {
        return Ok(None);
    }
    let Some(challenge) = texts.find_map(bearer_challenge) else {
        return Err(Refusal::Refused(
            "it takes a name and a password, not an identity token".to_owned(),
        ));
    };
    if !settings.plain && !challenge.realm.starts_with("https://") {
        return Err(Refusal::Refused(format!(
            "its token service {} is not secure",
            challenge.realm
        )));
    }
    let mut fields = vec![
        ("grant_type", "refresh_token".to_owned()),
        ("client_id", CLIENT_ID.to_owned()),
        ("refresh_token", identity.to_owned()),
        (
            "scope",
            format!("repository:{}:{actions}", reference.repository()),
        ),
    ];
    fields.extend(challenge.service.map(|service| ("service", service)));
    let answer = client
        .post(&challenge.realm)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form(&fields))
        .send()
        .await?;
    let status = answer.status();
    let text = answer.text().await?;
    if !status.is_success() {
        let message = excerpt(&text);
        return Err(Refusal::Refused(if message.is_empty() {
            status.to_string()
        } else {
            message
        }));
    }
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        access_token: String,
        #[serde(default)]
        token: String,
        #[serde(default)]
        expires_in: Option<u64>,
    }
    let Ok(answer) = serde_json::from_str::<Answer>(&text) else {
        return Err(Refusal::Refused(
            "its token service does not answer with JSON".to_owned(),
        ));
    };
    let token = if answer.access_token.is_empty() {
        answer.token
    } else {
        answer.access_token
    };
    if token.is_empty() {
        return Err(Refusal::Refused("its token service gives no token".to_owned()));
    }
    let life = answer.expires_in.map_or(DEFAULT_LIFE, Duration::from_secs);
    Ok(Some(Access {
        token,
        life: life.saturating_sub(MARGIN),
    }))
}

fn client(settings: &Settings) -> Result<reqwest::Client, reqwest::Error> {
    let authorities = settings
        .authorities
        .iter()
        .map(|pem| reqwest::Certificate::from_pem(pem));
    reqwest::Client::builder()
        .danger_accept_invalid_certs(settings.insecure)
        .tls_certs_merge(authorities.collect::<Result<Vec<_>, _>>()?)
        .connect_timeout(super::endpoint::CONNECT_TIMEOUT)
        .read_timeout(super::endpoint::READ_TIMEOUT)
        .user_agent(super::endpoint::USER_AGENT)
        .build()
}

/// Reads `Bearer realm="…",service="…"` (RFC 9110, section 11.6.1).
fn bearer_challenge(text: &str) -> Option<Challenge> {
    let (scheme, mut rest) = text.trim_start().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let (mut realm, mut service) = (None, None);
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([' ', ',']).to_ascii_lowercase();
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted_text(quoted)?,
            None => {
                let end = after.find(',').unwrap_or(after.len());
                (after[..end].trim().to_owned(), &after[end..])
            }
        };
        match name.as_str() {
            "realm" => realm = Some(value),
            "service" => service = Some(value),
            _ => {}
        }
        rest = after;
    }
    Some(Challenge {
        realm: realm?,
        service,
    })
}

/// A quoted string after its opening quote, and what follows the closing one.
fn quoted_text(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

/// `application/x-www-form-urlencoded`, every byte escaped that is not certainly safe.
fn form(fields: &[(&str, String)]) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for (name, value) in fields {
        if !out.is_empty() {
            out.push('&');
        }
        let _ = write!(out, "{name}=");
        for byte in value.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    out.push(char::from(byte))
                }
                _ => {
                    let _ = write!(out, "%{byte:02X}");
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_challenges() {
        let read = |text| bearer_challenge(text).map(|c| (c.realm, c.service));
        let both = Some(("https://a/t".to_owned(), Some("a, b".to_owned())));
        assert_eq!(
            read(r#"Bearer realm="https://a/t",service="a, b",scope="x""#),
            both
        );
        assert_eq!(
            read(r#"bearer error="e\"x", service="a, b" , realm="https://a/t""#),
            both
        );
        assert_eq!(
            read("Bearer realm=https://a/t"),
            Some(("https://a/t".to_owned(), None))
        );
        assert_eq!(read(r#"Basic realm="x""#), None);
        assert_eq!(read(r#"Bearer service="x""#), None);
        assert_eq!(read(r#"Bearer realm="x"#), None);
    }

    #[test]
    fn escapes_form_values() {
        assert_eq!(
            form(&[("a", "x y&z".to_owned()), ("b", "ü~".to_owned())]),
            "a=x%20y%26z&b=%C3%BC~"
        );
    }
}
