//! Images in registries (OCI distribution specification), over `oci-client`: what a tag means, manifests, blobs.
//!
//! Nothing is set up, no thread, no TLS, before the first question. Mirrors are asked first, the registry itself last;
//! what may pass by itself is tried again, and a download goes on where it broke off.
//! Knows nothing of the store or of what the bytes mean; digests of blobs are the caller's to check.

mod endpoint;
mod failure;
mod push;
mod token;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use lapstrake_llb::Digest;
use oci_client::Reference;
use oci_client::client::BlobResponse;
use serde::Deserialize;

use self::endpoint::{Clients, Endpoint};
use self::failure::Failure;
use super::credentials::{CredentialOptions, Credentials};
use super::manifest::{ACCEPTED, Descriptor, MANIFEST_LIMIT};
use super::progress::Progress;
use super::runtime::{Cancelled, Runtime};
use crate::error::{Error, Result};

/// Pauses before the second, third … attempt.
const PAUSES: &[Duration] = &[
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_millis(1500),
];

/// What is known of registries beforehand.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct RegistryConfig {
    /// By host, as it stands in a reference, such as `docker.io` or `localhost:5000`.
    pub hosts: BTreeMap<String, RegistryHost>,
}

/// What is known of one registry beforehand. The names are those of BuildKit's `buildkitd.toml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistryHost {
    /// Hosts that are asked first, in this order; `host/prefix` puts a prefix before the repository.
    pub mirrors: Vec<String>,
    /// Whether it speaks plain HTTP; none: only if it is on this machine (`localhost`, 127.0.0.0/8, ::1).
    pub http: Option<bool>,
    /// Whether its certificate is not checked.
    pub insecure: bool,
    /// PEM files with certificate authorities that are trusted beside the system's.
    pub ca: Vec<PathBuf>,
}

/// Asks registries.
pub struct Registry {
    config: RegistryConfig,
    credentials: Credentials,
    live: OnceLock<Live>,
    starting: Mutex<()>,
}

/// What exists once a registry has been asked.
struct Live {
    runtime: Runtime,
    clients: Clients,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// Makes a client; no work is done yet.
    pub fn new(config: RegistryConfig, credentials: CredentialOptions) -> Self {
        Self {
            config,
            credentials: Credentials::new(credentials),
            live: OnceLock::new(),
            starting: Mutex::new(()),
        }
    }

    /// Whether a mirror is asked before a registry.
    pub fn has_mirrors(&self, reference: &Reference) -> bool {
        self.config
            .hosts
            .get(reference.registry())
            .is_some_and(|host| !host.mirrors.is_empty())
    }

    /// What a tag means now: one HEAD request. It may be an image or an index.
    ///
    /// # Errors
    /// As every question here: the registry cannot be reached, wants other credentials, has no such thing, limits the
    /// rate, or answers what nobody understands.
    pub fn resolve(&self, reference: &Reference, progress: &dyn Progress) -> Result<Digest> {
        let endpoints = self.endpoints(reference, true)?;
        let text = self.wait(progress, async {
            let mut last = None;
            for endpoint in &endpoints {
                let attempt = || {
                    endpoint
                        .client
                        .fetch_manifest_digest(&endpoint.reference, &endpoint.auth)
                };
                match self.retry(endpoint, &reference.whole(), attempt).await {
                    Ok(text) => return Ok(text),
                    Err(error) => last = Some(error),
                }
            }
            Err(last.unwrap_or_else(|| no_endpoint(reference)))
        })?;
        text.parse().map_err(|source| Error::UnsupportedDigest {
            image: reference.whole(),
            source,
        })
    }

    /// The bytes of a manifest or index, checked against their digest.
    ///
    /// # Errors
    /// As of [`Registry::resolve`]; also a digest that does not fit, and a manifest of more than 4 MiB.
    pub fn manifest(
        &self,
        reference: &Reference,
        digest: &Digest,
        progress: &dyn Progress,
    ) -> Result<Vec<u8>> {
        let endpoints = self.endpoints(reference, true)?;
        let what = format!("{}/{}@{digest}", reference.registry(), reference.repository());
        self.wait(progress, async {
            let mut last = None;
            for endpoint in &endpoints {
                let by_digest = endpoint.with_digest(digest);
                let attempt = || {
                    endpoint
                        .client
                        .pull_manifest_raw(&by_digest, &endpoint.auth, ACCEPTED)
                };
                let answer = self.retry(endpoint, &what, attempt).await;
                match answer.and_then(|(bytes, _)| check(bytes.to_vec(), digest, MANIFEST_LIMIT, endpoint)) {
                    Ok(bytes) => return Ok(bytes),
                    Err(error) => last = Some(error),
                }
            }
            Err(last.unwrap_or_else(|| no_endpoint(reference)))
        })
    }

    /// Downloads a blob and gives it to `sink` piece by piece, in order. With `mirrors` false, only from the registry
    /// itself. The digest is NOT checked: only the caller sees all the bytes.
    ///
    /// # Errors
    /// As of [`Registry::resolve`]; also more bytes than the descriptor says; and what `sink` says.
    pub fn blob(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        mirrors: bool,
        progress: &dyn Progress,
        sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        if descriptor.size == 0 {
            return Ok(());
        }
        let endpoints = self.endpoints(reference, mirrors)?;
        let what = format!(
            "blob {} of {}/{}",
            descriptor.digest,
            reference.registry(),
            reference.repository()
        );
        self.wait(progress, async {
            let mut received = 0;
            let mut last = None;
            for endpoint in &endpoints {
                match download(endpoint, descriptor, &what, &mut received, sink).await {
                    Ok(()) => return Ok(()),
                    // What the caller's own side cannot take, another host's bytes do not cure.
                    Err(error) if error.is_of_registry() => last = Some(error),
                    Err(error) => return Err(error),
                }
            }
            Err(last.unwrap_or_else(|| no_endpoint(reference)))
        })
    }

    fn wait<T>(&self, progress: &dyn Progress, work: impl Future<Output = Result<T>>) -> Result<T> {
        let cancelled = || progress.cancelled();
        match self.live()?.runtime.wait(&cancelled, work) {
            Ok(result) => result,
            Err(Cancelled) => Err(Error::Cancelled),
        }
    }

    fn live(&self) -> Result<&Live> {
        let _one_at_a_time = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(live) = self.live.get() {
            return Ok(live);
        }
        // An error says that another part of the process has chosen a provider before; that one serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Runtime::start().map_err(|source| Error::StartRegistryThread { source })?;
        Ok(self.live.get_or_init(|| Live {
            runtime,
            clients: Clients::default(),
        }))
    }

    fn endpoints(&self, reference: &Reference, mirrors: bool) -> Result<Vec<Endpoint<'_>>> {
        let clients = &self.live()?.clients;
        endpoint::endpoints(&self.config, &self.credentials, clients, reference, mirrors)
    }

    /// Tries again what may pass by itself.
    async fn retry<T, F>(&self, endpoint: &Endpoint<'_>, what: &str, attempt: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = oci_client::errors::Result<T>>,
    {
        let mut tried = 0;
        let mut renewed = false;
        endpoint.authenticate().await?;
        loop {
            let error = match attempt().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let Failure { error, retries } = failure::classify(error, endpoint, what).await;
            if !renewed && matches!(error, Error::Unauthorized { .. }) && endpoint.has_identity_token() {
                renewed = true;
                endpoint.renew_token().await?;
                continue;
            }
            if tried >= retries {
                return Err(error);
            }
            tokio::time::sleep(PAUSES[tried]).await;
            tried += 1;
        }
    }
}

async fn download(
    endpoint: &Endpoint<'_>,
    descriptor: &Descriptor,
    what: &str,
    received: &mut u64,
    sink: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    endpoint.authenticate().await?;
    let mut tried = 0;
    let mut renewed = false;
    while *received < descriptor.size {
        let before = *received;
        let Failure { error, retries } = match stream(endpoint, descriptor, what, received, sink).await {
            Ok(()) => continue,
            Err(failure) => failure,
        };
        if !renewed && matches!(error, Error::Unauthorized { .. }) && endpoint.has_identity_token() {
            renewed = true;
            endpoint.renew_token().await?;
            continue;
        }
        if *received > before {
            // It moves: only a standstill uses up the attempts.
            tried = 0;
        }
        if tried >= retries {
            return Err(error);
        }
        tokio::time::sleep(PAUSES[tried]).await;
        tried += 1;
    }
    Ok(())
}

/// One request for what is missing of a blob.
async fn stream(
    endpoint: &Endpoint<'_>,
    descriptor: &Descriptor,
    what: &str,
    received: &mut u64,
    sink: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<(), Failure> {
    let digest = descriptor.digest.to_string();
    let answer = endpoint
        .client
        .pull_blob_stream_partial(&endpoint.reference, &digest.as_str(), *received, None)
        .await;
    let (mut skip, mut stream) = match answer {
        Ok(BlobResponse::Partial(stream)) => (0, stream),
        // The registry does not do ranges and starts from the beginning.
        Ok(BlobResponse::Full(stream)) => (*received, stream),
        Err(error) => return Err(failure::classify(error, endpoint, what).await),
    };
    while let Some(chunk) = stream.next().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            // The last chunk has been taken: the digest is for the caller to judge.
            Err(_) if *received == descriptor.size => return Ok(()),
            Err(source) => {
                let error = Error::Interrupted {
                    host: endpoint.host.clone(),
                    what: what.to_owned(),
                    source,
                };
                return Err(Failure::passing(error));
            }
        };
        let skipped = skip.min(chunk.len() as u64);
        skip -= skipped;
        let data = &chunk[usize::try_from(skipped).unwrap_or(chunk.len())..];
        if *received + data.len() as u64 > descriptor.size {
            let origin = format!("registry {}", endpoint.host);
            return Err(Failure::last(Error::BlobSize {
                digest: descriptor.digest,
                origin,
                expected: descriptor.size,
            }));
        }
        sink(data).map_err(Failure::last)?;
        *received += data.len() as u64;
    }
    if *received < descriptor.size {
        let source = std::io::ErrorKind::UnexpectedEof.into();
        let error = Error::Interrupted {
            host: endpoint.host.clone(),
            what: what.to_owned(),
            source,
        };
        return Err(Failure::passing(error));
    }
    Ok(())
}

fn check(bytes: Vec<u8>, digest: &Digest, limit: u64, endpoint: &Endpoint<'_>) -> Result<Vec<u8>> {
    let origin = || format!("registry {}", endpoint.host);
    if bytes.len() as u64 > limit {
        return Err(Error::TooLarge {
            digest: *digest,
            origin: origin(),
            limit,
        });
    }
    let actual = Digest::of(&bytes);
    if actual != *digest {
        return Err(Error::DigestMismatch {
            digest: *digest,
            actual,
            origin: origin(),
        });
    }
    Ok(bytes)
}

fn no_endpoint(reference: &Reference) -> Error {
    Error::NotFound {
        what: reference.whole(),
        host: reference.registry().to_owned(),
    }
}
