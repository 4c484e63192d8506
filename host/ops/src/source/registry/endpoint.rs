//! Which hosts are asked for an image, in which order, with which client and credentials.
//! Knows nothing of what they are asked.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lapstrake_llb::Digest;
use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use oci_client::token_cache::{RegistryToken, RegistryTokenType};
use oci_client::{Client, Reference, RegistryOperation};

use super::token::{self, Refusal};
use super::{RegistryConfig, RegistryHost, failure};
use crate::error::{Error, Result};
use crate::source::credentials::{Credential, Credentials, Found};

pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest silence of a host that has begun to answer.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// How long it is remembered that a registry wants no token.
const FOREVER: Duration = Duration::from_secs(24 * 3600);
pub(super) const USER_AGENT: &str = concat!("lapstrake/", env!("CARGO_PKG_VERSION"));

/// One host that may have an image.
pub(super) struct Endpoint<'a> {
    /// The host, for people.
    pub(super) host: String,
    /// The image, as this host is asked for it.
    pub(super) reference: Reference,
    /// The client for this host.
    pub(super) client: Client,
    /// What the client logs in with.
    pub(super) auth: RegistryAuth,
    /// Where that comes from.
    pub(super) found: Arc<Found>,
    settings: Settings,
    tokens: &'a Mutex<Tokens>,
}

/// Host and repository, and until when an access token for them is good.
type Tokens = HashMap<(String, String), Instant>;

impl Endpoint<'_> {
    /// The same repository's manifest or index of a digest.
    pub(super) fn with_digest(&self, digest: &Digest) -> Reference {
        self.reference.clone_with_digest(digest.to_string())
    }

    /// Whether the credential is one that has to be exchanged for a token.
    pub(super) fn has_identity_token(&self) -> bool {
        matches!(self.found.credential, Credential::IdentityToken(_))
    }

    /// Tells the client what to log in with.
    pub(super) async fn authenticate(&self) -> Result<()> {
        self.client
            .store_auth_if_needed(self.reference.resolve_registry(), &self.auth)
            .await;
        let known = || {
            let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
            tokens.get(&self.scope()).is_some_and(|end| *end > Instant::now())
        };
        if self.has_identity_token() && !known() {
            self.renew_token().await?;
        }
        Ok(())
    }

    /// Tells the client what to log in with, also for writing.
    pub(super) async fn authenticate_to_push(&self) -> Result<()> {
        self.authenticate().await?;
        if self.has_identity_token() {
            self.exchange(RegistryOperation::Push).await?;
        }
        Ok(())
    }

    /// Exchanges an identity token for one that this repository takes, and gives that to the client.
    pub(super) async fn renew_token(&self) -> Result<()> {
        let life = self.exchange(RegistryOperation::Pull).await?;
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(self.scope(), Instant::now() + life);
        Ok(())
    }

    /// The same for one operation; says how long the token is good.
    async fn exchange(&self, operation: RegistryOperation) -> Result<Duration> {
        let Credential::IdentityToken(identity) = &self.found.credential else {
            return Ok(FOREVER);
        };
        let what = || format!("{}/{}", self.host, self.reference.repository());
        let actions = match operation {
            RegistryOperation::Push => "pull,push",
            RegistryOperation::Pull => "pull",
        };
        Ok(
            match token::exchange(&self.reference, identity, actions, &self.settings).await {
                Ok(Some(access)) => {
                    let token = RegistryToken::AccessToken {
                        access_token: access.token,
                    };
                    let token = RegistryTokenType::Bearer(token);
                    self.client.tokens.insert(&self.reference, operation, token).await;
                    access.life
                }
                Ok(None) => FOREVER,
                Err(Refusal::Refused(message)) => return Err(failure::unauthorized(self, &what(), message)),
                Err(Refusal::Unreachable(source)) => {
                    let host = self.host.clone();
                    return Err(Error::Unreachable {
                        host,
                        what: what(),
                        source: Box::new(source),
                    });
                }
            },
        )
    }

    fn scope(&self) -> (String, String) {
        (
            self.reference.resolve_registry().to_owned(),
            self.reference.repository().to_owned(),
        )
    }
}

/// What a connection to a host needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Settings {
    /// Plain HTTP.
    pub(super) plain: bool,
    /// The certificate is not checked.
    pub(super) insecure: bool,
    /// Certificates of authorities, each in PEM.
    pub(super) authorities: Vec<Vec<u8>>,
}

/// The clients, one for all hosts with equal settings, and what is known of their tokens.
#[derive(Default)]
pub(super) struct Clients {
    clients: Mutex<HashMap<Settings, Client>>,
    tokens: Mutex<Tokens>,
}

impl Clients {
    fn get(&self, settings: &Settings, host: &str) -> Result<Client> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(settings) {
            return Ok(client.clone());
        }
        // The library builds a client with the system's certificates in any case, and panics where there are none.
        if rustls_native_certs::load_native_certs().certs.is_empty() {
            return Err(Error::NoSystemCertificates);
        }
        let authorities = settings
            .authorities
            .iter()
            .map(|data| Certificate {
                encoding: CertificateEncoding::Pem,
                data: data.clone(),
            })
            .collect();
        let config = ClientConfig {
            protocol: if settings.plain {
                ClientProtocol::Http
            } else {
                ClientProtocol::Https
            },
            accept_invalid_certificates: settings.insecure,
            extra_root_certificates: authorities,
            platform_resolver: None,
            connect_timeout: Some(CONNECT_TIMEOUT),
            read_timeout: Some(READ_TIMEOUT),
            user_agent: USER_AGENT,
            ..ClientConfig::default()
        };
        let client = Client::try_from(config).map_err(|source| Error::ConnectionSetup {
            host: host.to_owned(),
            source: Box::new(source),
        })?;
        clients.insert(settings.clone(), client.clone());
        Ok(client)
    }
}

/// The hosts to ask for an image: mirrors first, the registry itself last.
pub(super) fn endpoints<'a>(
    config: &RegistryConfig,
    credentials: &Credentials,
    clients: &'a Clients,
    reference: &Reference,
    mirrors: bool,
) -> Result<Vec<Endpoint<'a>>> {
    let registry = reference.registry();
    let names = config
        .hosts
        .get(registry)
        .map(|host| host.mirrors.as_slice())
        .unwrap_or_default();
    let mut list = Vec::with_capacity(names.len() + 1);
    for name in names.iter().filter(|_| mirrors) {
        list.push((
            mirrored(reference, name)?,
            name.split('/').next().unwrap_or(name).to_owned(),
        ));
    }
    list.push((reference.clone(), registry.to_owned()));
    list.into_iter()
        .map(|(reference, host)| endpoint(config, credentials, clients, reference, host))
        .collect()
}

fn endpoint<'a>(
    config: &RegistryConfig,
    credentials: &Credentials,
    clients: &'a Clients,
    reference: Reference,
    host: String,
) -> Result<Endpoint<'a>> {
    let settings = settings(config.hosts.get(&host), &host)?;
    let client = clients.get(&settings, &host)?;
    let found = credentials.find(&host)?;
    let auth = match &found.credential {
        Credential::Password { user, password } => RegistryAuth::Basic(user.clone(), password.clone()),
        // The token that an identity token is exchanged for goes into the client's cache.
        Credential::Anonymous | Credential::IdentityToken(_) => RegistryAuth::Anonymous,
    };
    Ok(Endpoint {
        host,
        reference,
        client,
        auth,
        found,
        settings,
        tokens: &clients.tokens,
    })
}

/// The image as a mirror knows it: at `host` the same repository, at `host/prefix` with the prefix before it.
fn mirrored(reference: &Reference, mirror: &str) -> Result<Reference> {
    let Some((host, prefix)) = mirror.split_once('/') else {
        let mut mirrored = reference.clone();
        mirrored.set_mirror_registry(mirror.to_owned());
        return Ok(mirrored);
    };
    let prefix = prefix.trim_matches('/');
    let repository = match prefix.is_empty() {
        true => reference.repository().to_owned(),
        false => format!("{prefix}/{}", reference.repository()),
    };
    let tail = match (reference.tag(), reference.digest()) {
        (_, Some(digest)) => format!("@{digest}"),
        (Some(tag), None) => format!(":{tag}"),
        (None, None) => String::new(),
    };
    crate::source::reference::parse(&format!("{host}/{repository}{tail}"))
}

fn settings(known: Option<&RegistryHost>, host: &str) -> Result<Settings> {
    let plain = known
        .and_then(|known| known.http)
        .unwrap_or_else(|| is_loopback(host));
    let mut authorities = Vec::new();
    for path in known.map(|known| known.ca.as_slice()).unwrap_or_default() {
        let text = std::fs::read_to_string(path).map_err(|source| Error::ReadCertificate {
            path: path.clone(),
            source,
        })?;
        authorities.extend(certificates(&text, path)?);
    }
    Ok(Settings {
        plain,
        insecure: known.is_some_and(|known| known.insecure),
        authorities,
    })
}

/// The certificates of a PEM file, each by itself.
fn certificates(text: &str, path: &Path) -> Result<Vec<Vec<u8>>> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let mut list = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find(BEGIN) {
        let Some(end) = rest[begin..].find(END) else { break };
        let end = begin + end + END.len();
        list.push(format!("{}\n", &rest[begin..end]).into_bytes());
        rest = &rest[end..];
    }
    if list.is_empty() {
        return Err(Error::NoCertificate {
            path: path.to_owned(),
        });
    }
    Ok(list)
}

/// Whether a host is on this machine, as Docker sees it.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::reference::parse;

    #[test]
    fn a_mirror_is_asked_for_the_same_repository() {
        let reference = parse("alpine:3").unwrap();
        let mirror = mirrored(&reference, "mirror.example:5000").unwrap();
        assert_eq!(mirror.resolve_registry(), "mirror.example:5000");
        assert_eq!(mirror.repository(), "library/alpine");
        assert_eq!(mirror.namespace(), Some("docker.io"));
        let below = mirrored(&reference, "mirror.example/hub/").unwrap();
        assert_eq!(below.whole(), "mirror.example/hub/library/alpine:3");
    }

    #[test]
    fn only_this_machine_speaks_plain_http_by_itself() {
        for host in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:5000",
            "127.8.8.8",
            "[::1]:5000",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "example.com",
            "localhost.example.com:80",
            "10.0.0.1",
            "[::2]:5000",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
        let https = RegistryHost {
            http: Some(false),
            ..RegistryHost::default()
        };
        assert!(!settings(Some(&https), "localhost").unwrap().plain);
    }

    #[test]
    fn certificates_are_split_and_text_around_them_is_ignored() {
        let one = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
        let list = certificates(&format!("# a\n{one}\n# b\n{one}\n"), Path::new("x")).unwrap();
        assert_eq!(
            list,
            [format!("{one}\n").into_bytes(), format!("{one}\n").into_bytes()]
        );
        assert!(matches!(
            certificates("nothing", Path::new("x")),
            Err(Error::NoCertificate { .. })
        ));
        assert!(matches!(
            settings(
                Some(&RegistryHost {
                    ca: vec!["/no/such/file".into()],
                    ..Default::default()
                }),
                "h"
            ),
            Err(Error::ReadCertificate { .. })
        ));
    }
}
