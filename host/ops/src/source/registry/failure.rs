//! What a registry's refusal means: which error it is, and whether another attempt may help.
//! Knows nothing of what is done about it.

use oci_client::RegistryOperation;
use oci_client::errors::{OciDistributionError, OciEnvelope, OciErrorCode};

use super::PAUSES;
use super::endpoint::Endpoint;
use crate::error::Error;
use crate::source::credentials::CredentialOrigin;

/// An error, and how often it is worth trying again.
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) retries: usize,
}

impl Failure {
    /// One that stays.
    pub(super) fn last(error: Error) -> Self {
        Self { error, retries: 0 }
    }

    /// One that may pass by itself.
    pub(super) fn passing(error: Error) -> Self {
        Self {
            error,
            retries: PAUSES.len(),
        }
    }
}

/// Finds out what an error of the client means. `what` is what was asked for.
pub(super) async fn classify(error: OciDistributionError, endpoint: &Endpoint<'_>, what: &str) -> Failure {
    match error {
        OciDistributionError::UnauthorizedError { .. } => {
            Failure::last(unauthorized(endpoint, what, why_unauthorized(endpoint).await))
        }
        OciDistributionError::AuthenticationFailure(message) => {
            Failure::last(unauthorized(endpoint, what, excerpt(&message)))
        }
        OciDistributionError::RegistryError { envelope, .. } => {
            Failure::last(refused(endpoint, what, &envelope))
        }
        OciDistributionError::ImageManifestNotFoundError(_) => Failure::last(not_found(endpoint, what)),
        OciDistributionError::ServerError { code, message, .. } => {
            status(endpoint, what, code, excerpt(&message))
        }
        OciDistributionError::RequestError(error) => match error.status() {
            Some(code) => status(endpoint, what, code.as_u16(), String::new()),
            None => {
                // Nobody listens, or nobody has that name: that seldom passes within seconds.
                let retries = if error.is_connect() { 1 } else { PAUSES.len() };
                let (host, what) = (endpoint.host.clone(), what.to_owned());
                Failure {
                    error: Error::Unreachable {
                        host,
                        what,
                        source: Box::new(error),
                    },
                    retries,
                }
            }
        },
        OciDistributionError::IoError(source) => Failure::passing(Error::Interrupted {
            host: endpoint.host.clone(),
            what: what.to_owned(),
            source,
        }),
        OciDistributionError::DigestError(source) => Failure::last(Error::WrongContent {
            host: endpoint.host.clone(),
            what: what.to_owned(),
            source: Box::new(source),
        }),
        other => Failure::last(Error::RegistryProtocol {
            host: endpoint.host.clone(),
            what: what.to_owned(),
            source: Box::new(other),
        }),
    }
}

fn status(endpoint: &Endpoint<'_>, what: &str, code: u16, message: String) -> Failure {
    match code {
        401 | 403 => Failure::last(unauthorized(endpoint, what, message)),
        404 => Failure::last(not_found(endpoint, what)),
        429 => Failure::passing(rate_limit(endpoint, what, message)),
        _ => {
            let (host, what) = (endpoint.host.clone(), what.to_owned());
            let error = Error::RegistryStatus {
                host,
                what,
                code,
                message,
            };
            if code >= 500 || code == 408 {
                Failure::passing(error)
            } else {
                Failure::last(error)
            }
        }
    }
}

/// An error in the form of the distribution specification. It comes without the HTTP status.
fn refused(endpoint: &Endpoint<'_>, what: &str, envelope: &OciEnvelope) -> Error {
    let message = excerpt(
        &envelope
            .errors
            .iter()
            .map(|error| error.message.as_str())
            .collect::<Vec<_>>()
            .join("; "),
    );
    match envelope.errors.first().map(|error| &error.code) {
        Some(
            OciErrorCode::ManifestUnknown
            | OciErrorCode::NameUnknown
            | OciErrorCode::NameInvalid
            | OciErrorCode::BlobUnknown
            | OciErrorCode::ManifestBlobUnknown
            | OciErrorCode::NotFound,
        ) => not_found(endpoint, what),
        Some(OciErrorCode::Unauthorized | OciErrorCode::Denied) => unauthorized(endpoint, what, message),
        Some(OciErrorCode::Toomanyrequests) => rate_limit(endpoint, what, message),
        _ => Error::RegistryRefused {
            host: endpoint.host.clone(),
            what: what.to_owned(),
            message,
        },
    }
}

/// The client tries without a token when it gets none, and then only hears 401: asks again for the reason.
async fn why_unauthorized(endpoint: &Endpoint<'_>) -> String {
    match endpoint
        .client
        .auth(&endpoint.reference, &endpoint.auth, RegistryOperation::Pull)
        .await
    {
        Err(OciDistributionError::AuthenticationFailure(message)) => excerpt(&message),
        _ => String::new(),
    }
}

pub(super) fn unauthorized(endpoint: &Endpoint<'_>, what: &str, message: String) -> Error {
    let (host, what) = (endpoint.host.clone(), what.to_owned());
    match &endpoint.found.origin {
        CredentialOrigin::Nowhere => Error::CredentialsNeeded { host, what, message },
        origin => Error::Unauthorized {
            host,
            what,
            credentials: Box::new(origin.clone()),
            message,
        },
    }
}

fn not_found(endpoint: &Endpoint<'_>, what: &str) -> Error {
    Error::NotFound {
        what: what.to_owned(),
        host: endpoint.host.clone(),
    }
}

fn rate_limit(endpoint: &Endpoint<'_>, what: &str, message: String) -> Error {
    Error::RateLimited {
        host: endpoint.host.clone(),
        what: what.to_owned(),
        message,
    }
}

/// What a registry says, in one line that fits into a message: some answer with whole HTML pages.
pub(super) fn excerpt(text: &str) -> String {
    if let Ok(envelope) = serde_json::from_str::<OciEnvelope>(text) {
        let messages: Vec<_> = envelope.errors.into_iter().map(|error| error.message).collect();
        return messages.join("; ");
    }
    let details = serde_json::from_str::<serde_json::Value>(text).ok();
    let details = details
        .as_ref()
        .and_then(|value| value.get("details").or_else(|| value.get("message")));
    let text = details.and_then(|value| value.as_str()).unwrap_or(text);
    let mut line = String::new();
    for character in text.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        if line.len() > 200 {
            line.push('…');
            break;
        }
        line.push(character);
    }
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::excerpt;

    #[test]
    fn an_excerpt_is_one_short_line() {
        assert_eq!(excerpt(r#"{"errors":[{"code":"DENIED","message":"no"}]}"#), "no");
        assert_eq!(
            excerpt(r#"{"details":"incorrect username or password"}"#),
            "incorrect username or password"
        );
        assert_eq!(excerpt("a\nb\x1b[31m"), "a b [31m");
        let long = excerpt(&"x".repeat(10_000));
        assert!(long.len() < 250 && long.ends_with('…'));
    }
}
