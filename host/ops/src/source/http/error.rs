//! What can go wrong with a file by HTTP. Addresses are shown without passwords.
//! Knows nothing of ops.

use std::io;

use lapstrake_llb::Digest;

use crate::source::remote::is_confidential;

/// What can go wrong with a file by HTTP.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The client cannot be set up.
    #[error("cannot set up the HTTP client")]
    Setup {
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The address or a header cannot be sent.
    #[error("cannot ask for {url}")]
    BadRequest {
        /// The address.
        url: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server cannot be reached.
    #[error("cannot reach {url}")]
    Unreachable {
        /// The address.
        url: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server leads from address to address.
    #[error("{url} leads to more than {} other addresses", super::client::MAX_REDIRECTS)]
    Redirects {
        /// The first address.
        url: String,
    },
    /// The download broke off, more often than it is tried again.
    #[error("the download of {url} broke off after {received} bytes")]
    Interrupted {
        /// The address.
        url: String,
        /// What had come.
        received: u64,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server wants somebody else, or nobody.
    #[error("{url} may not be read: the server says {status}")]
    Unauthorized {
        /// The address.
        url: String,
        /// The server's answer.
        status: String,
    },
    /// The server has no such file, or is in trouble.
    #[error("{url} cannot be read: the server says {status}")]
    Status {
        /// The address.
        url: String,
        /// The server's answer.
        status: String,
    },
    /// More data than anybody wants.
    #[error("{url} is larger than {limit} bytes")]
    TooLarge {
        /// The address.
        url: String,
        /// The limit.
        limit: u64,
    },
    /// The content is not what the build expects.
    #[error("{url} has the checksum {actual}, and {expected} is expected")]
    Checksum {
        /// The address.
        url: String,
        /// What is expected.
        expected: Digest,
        /// What came.
        actual: Digest,
    },
    /// The content is no longer what it was when this build began.
    #[error("{url} has changed during the build: it was {before}, it is {now}")]
    Changed {
        /// The address.
        url: String,
        /// What it was.
        before: Digest,
        /// What it is.
        now: Digest,
    },
    /// The file cannot be written into the store.
    #[error("cannot write what comes from {url}")]
    Write {
        /// The address.
        url: String,
        /// Why not.
        source: io::Error,
    },
}

impl HttpError {
    /// Whether the network or the store failed, and not what the build says.
    pub fn is_environment(&self) -> bool {
        !matches!(self, Self::BadRequest { .. } | Self::Checksum { .. })
    }

    /// What can be done about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Unreachable { .. } => {
                "check the address and the network; a proxy is taken from HTTP_PROXY, HTTPS_PROXY and NO_PROXY"
            }
            Self::Unauthorized { url, .. } if !is_confidential(url) => {
                "secrets are sent by https only, but on this machine: write https"
            }
            Self::Unauthorized { .. } => {
                "give a token with --secret id=HTTP_AUTH_TOKEN_<host>, or a whole header with \
                 --secret id=HTTP_AUTH_HEADER_<host>"
            }
            Self::Checksum { .. } => {
                "if the file was meant to change, write its new checksum; else somebody has changed it"
            }
            _ => return None,
        })
    }
}
