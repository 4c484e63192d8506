//! What a user can do about an error, and on whose side it is.
//! Knows nothing of exit codes and of how hints are shown.

use crate::error::Error;
use crate::exec::{ExecError, SetupError};
use crate::worker::NestedError;

impl Error {
    /// Whether a registry, the network or the store failed, and not what a build says or does.
    pub fn is_environment(&self) -> bool {
        use Error::*;
        match self {
            Cancelled
            | Unsupported { .. }
            | NotAllowed { .. }
            | NoSuchContext { .. }
            | ReadTree(_)
            | Local(_)
            | NoRoot
            | Exec(_)
            | Command { .. }
            | NoDevice { .. }
            | Devices(_)
            | NoSecret { .. }
            | ReadSecret { .. }
            | SecretNotText { .. }
            | NoSshAgent { .. }
            | BadReference { .. } => false,
            File(error) => error.is_environment(),
            Http(error) => error.is_environment(),
            Git(error) => error.is_environment(),
            Nested(error) => matches!(
                error,
                NestedError::Failed {
                    environment: true,
                    ..
                } | NestedError::Read { .. }
            ),
            _ => true,
        }
    }

    /// What can be done about it, where the message itself does not say.
    pub fn hint(&self) -> Option<&'static str> {
        use Error::*;
        Some(match self {
            Http(error) => return error.hint(),
            Git(error) => return error.hint(),
            Unreachable { .. } => {
                "check the name and the network; a registry that speaks plain HTTP needs `http = true` under \
                 [registry.\"HOST\"] in the configuration file, one with its own certificate authority `ca`"
            }
            Unauthorized { .. } => {
                "log in again with `docker login HOST`, or correct the entry that is named"
            }
            CredentialsNeeded { .. } => "log in with `docker login HOST`, or check the name of the image",
            NotFound { .. } => "check the name and the tag of the image",
            RateLimited { .. } => {
                "wait, log in with `docker login HOST`, or name a mirror under [registry.\"HOST\"] in the configuration file"
            }
            NoPlatform { .. } | WrongPlatform { .. } => {
                "choose a platform that the image has with --platform, or for one stage with FROM --platform"
            }
            Offline { .. } => {
                "build once without --offline, so that it is fetched; or name an image that the store has by its digest"
            }
            NoSystemCertificates => "install the package ca-certificates, or name a file in SSL_CERT_FILE",
            ForeignLayer { .. } => {
                "push the image again with the layer in it (`--allow-nondistributable-artifacts`)"
            }
            Schema1 { .. } => {
                "push the image again with a tool of this decade, such as skopeo copy --format oci"
            }
            NotAnImage { .. } => "this is another kind of artifact; check the name of the image",
            DigestMismatch { .. } | BlobSize { .. } | DiffIdMismatch { .. } => {
                "the content is damaged where it comes from: push the image, or write the layout, again"
            }
            NotALayout { .. } => "a layout has the files oci-layout and index.json and the folder blobs",
            NotAllowed {
                entitlement: "network.host",
            } => "allow it with --allow network.host",
            NotAllowed {
                entitlement: "security.insecure",
            } => "allow it with --allow security.insecure",
            Exec(ExecError::NoNetworkTool { .. }) => {
                "install it (pasta is in the package passt), or write sandbox = \"auto\" under [network] in the \
                 configuration file"
            }
            NotAllowed {
                entitlement: "device",
            } => "allow it with --allow device, or --allow device=NAME",
            NoDevice { .. } => {
                "devices are those of the specifications in /etc/cdi, /var/run/cdi and /etc/buildkit/cdi; leave out \
                 `required` to go on without"
            }
            NoSecret { .. } => "give it with --secret id=ID,src=FILE or --secret id=ID,env=VARIABLE",
            Exec(ExecError::Setup { source }) => return setup_hint(source),
            NoSshAgent { .. } => "give it with --ssh ID, or --ssh ID=SOCKET",
            _ => return None,
        })
    }
}

/// What can be done where a container cannot be set up.
fn setup_hint(error: &SetupError) -> Option<&'static str> {
    match error {
        SetupError::Namespaces { .. } => Some(
            "this machine does not let this user run commands in containers: `lapstrake doctor` says what to change",
        ),
        SetupError::Unmapped { .. } => Some(
            "give this user subordinate ids in /etc/subuid and /etc/subgid and install newuidmap (package uidmap); \
             `lapstrake doctor` says how",
        ),
        SetupError::Overlay { .. } | SetupError::Mount { .. } => {
            Some("`lapstrake doctor` says what this machine can mount, and what to change")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_side_is_told() {
        let text = || "x".to_owned();
        assert!(
            Error::NotFound {
                what: text(),
                host: text()
            }
            .is_environment()
        );
        assert!(!Error::NoRoot.is_environment());
        assert!(!Error::NoSecret { id: text() }.is_environment());
        let denied = Error::NotAllowed {
            entitlement: "network.host",
        };
        assert!(denied.hint().unwrap().contains("--allow network.host"));
        assert_eq!(Error::Cancelled.hint(), None);
    }
}
