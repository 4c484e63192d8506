//! Credentials for registries, from Docker's `config.json` and its credential helpers.
//! Reads no environment: the directory and the helpers' search path are given. Knows nothing of HTTP.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use docker_credential::DockerCredential;
use serde::Deserialize;

use crate::error::{Error, Result};

/// The name under which Docker keeps the credentials of its hub.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";
/// Other names of the same registry.
const DOCKER_HUB_HOSTS: &[&str] = &["docker.io", "index.docker.io", "registry-1.docker.io"];
/// A helper's answer when it has no credentials. That is no failure.
const NOT_FOUND: &[&str] = &["credentials not found", "no credentials", "could not find"];

/// Where credentials are looked for.
#[derive(Debug, Clone, Default)]
pub struct CredentialOptions {
    /// The directory of `config.json`; none: every registry is asked anonymously.
    pub config_dir: Option<PathBuf>,
    /// Directories with `docker-credential-*` programs, in the form of `PATH`; none: the process's own.
    pub helper_path: Option<OsString>,
}

/// Credentials for one registry.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// None are known.
    Anonymous,
    /// A name and a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// An OAuth2 refresh token.
    IdentityToken(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credential::Anonymous => f.write_str("Anonymous"),
            Credential::Password { user, .. } => write!(f, "Password({user}, …)"),
            Credential::IdentityToken(_) => f.write_str("IdentityToken(…)"),
        }
    }
}

/// Where credentials come from, for error messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialOrigin {
    /// There are none.
    Nowhere,
    /// The `auths` of a file.
    Config(PathBuf),
    /// A helper that a file names.
    Helper {
        /// The program.
        program: String,
        /// The file.
        config: PathBuf,
    },
}

impl fmt::Display for CredentialOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CredentialOrigin::Nowhere => f.write_str("no credentials"),
            CredentialOrigin::Config(path) => write!(f, "the credentials in {}", path.display()),
            CredentialOrigin::Helper { program, config } => {
                write!(
                    f,
                    "the credentials of {program}, which {} names",
                    config.display()
                )
            }
        }
    }
}

/// Credentials and where they come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The credentials.
    pub credential: Credential,
    /// Where they come from.
    pub origin: CredentialOrigin,
}

/// Finds credentials. Reads the file and calls a helper once for a registry.
#[derive(Debug, Default)]
pub struct Credentials {
    options: CredentialOptions,
    file: OnceLock<Option<DockerConfig>>,
    known: Mutex<HashMap<String, Arc<Found>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct DockerConfig {
    auths: Option<BTreeMap<String, AuthEntry>>,
    creds_store: Option<String>,
    cred_helpers: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AuthEntry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

impl fmt::Debug for AuthEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthEntry(…)")
    }
}

impl Credentials {
    /// Makes a finder; nothing is read before the first question.
    pub fn new(options: CredentialOptions) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    /// Credentials for a registry's host.
    ///
    /// As Docker does: a helper for this host, else the helper for all hosts, else what the file itself has.
    ///
    /// # Errors
    /// The file cannot be read or understood, a helper cannot be started, fails, or says what nobody understands.
    pub fn find(&self, host: &str) -> Result<Arc<Found>> {
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = lock().get(host) {
            return Ok(Arc::clone(found));
        }
        let found = Arc::new(self.look_up(host)?);
        lock().insert(host.to_owned(), Arc::clone(&found));
        Ok(found)
    }

    fn look_up(&self, host: &str) -> Result<Found> {
        let nothing = Found {
            credential: Credential::Anonymous,
            origin: CredentialOrigin::Nowhere,
        };
        let Some(directory) = &self.options.config_dir else {
            return Ok(nothing);
        };
        let path = directory.join("config.json");
        let Some(config) = self.config(&path)? else {
            return Ok(nothing);
        };

        let hub = DOCKER_HUB_HOSTS.contains(&host);
        let server = if hub { DOCKER_HUB } else { host };
        let mut helpers = config.cred_helpers.iter().flatten();
        let own = helpers.find(|(key, name)| !name.is_empty() && same_registry(key, host));
        let helper = own
            .map(|(_, name)| name)
            .or(config.creds_store.as_ref())
            .filter(|name| !name.is_empty());
        if let Some(name) = helper {
            let credential = self.ask_helper(name, server, &path)?;
            if credential != Credential::Anonymous {
                let origin = CredentialOrigin::Helper {
                    program: program_name(name),
                    config: path,
                };
                return Ok(Found { credential, origin });
            }
        }
        let exact = config.auths.as_ref().and_then(|auths| auths.get(server));
        let similar = || {
            config
                .auths
                .iter()
                .flatten()
                .find(|(key, _)| same_registry(key, host))
        };
        match exact.or_else(|| similar().map(|(_, entry)| entry)) {
            Some(entry) => match entry.read(host, &path)? {
                Credential::Anonymous => Ok(nothing),
                credential => Ok(Found {
                    credential,
                    origin: CredentialOrigin::Config(path),
                }),
            },
            None => Ok(nothing),
        }
    }

    fn config(&self, path: &Path) -> Result<Option<&DockerConfig>> {
        if self.file.get().is_none() {
            let config = match std::fs::read(path) {
                Ok(bytes) => {
                    let parsed = serde_json::from_slice(&bytes);
                    Some(parsed.map_err(|source| Error::BadCredentialFile {
                        path: path.to_owned(),
                        source,
                    })?)
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
                Err(source) => {
                    return Err(Error::ReadCredentialFile {
                        path: path.to_owned(),
                        source,
                    });
                }
            };
            // Another thread may have been faster; both have read the same file.
            let _ = self.file.set(config);
        }
        Ok(self.file.get().and_then(Option::as_ref))
    }

    /// Runs `docker-credential-NAME get` (docker/docker-credential-helpers, README).
    fn ask_helper(&self, name: &str, server: &str, config: &Path) -> Result<Credential> {
        let program = program_name(name);
        if name.contains('/') {
            return Err(Error::CredentialHelperName {
                name: name.to_owned(),
                config: config.to_owned(),
            });
        }
        let started = |source| Error::StartCredentialHelper {
            program: program.clone(),
            config: config.to_owned(),
            source,
        };
        let mut child = Command::new(self.helper_program(&program))
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(started)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A helper that does not read is judged by its answer.
            let _ = stdin.write_all(server.as_bytes());
        }
        let output = child.wait_with_output().map_err(started)?;
        let refused = |message: String| Error::CredentialHelper {
            program: program.clone(),
            server: server.to_owned(),
            message,
        };
        if !output.status.success() {
            // By the protocol, a helper writes its error to stdout; secrets are there only after success.
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
            let (out, err) = (text(&output.stdout), text(&output.stderr));
            let message = if out.is_empty() { err } else { out };
            let lower = message.to_ascii_lowercase();
            if NOT_FOUND.iter().any(|known| lower.contains(known)) {
                return Ok(Credential::Anonymous);
            }
            let message = if message.is_empty() {
                output.status.to_string()
            } else {
                message
            };
            return Err(refused(message));
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            #[serde(default)]
            username: String,
            #[serde(default)]
            secret: String,
        }
        let answer: Answer = serde_json::from_slice(&output.stdout)
            .map_err(|_| refused("its answer is not the JSON object with Username and Secret".to_owned()))?;
        Ok(match (answer.username, answer.secret) {
            (_, secret) if secret.is_empty() => Credential::Anonymous,
            (user, token) if user == "<token>" => Credential::IdentityToken(token),
            (user, password) => Credential::Password { user, password },
        })
    }

    fn helper_program(&self, program: &str) -> PathBuf {
        let given = self.options.helper_path.iter().flat_map(std::env::split_paths);
        given
            .map(|directory| directory.join(program))
            .find(|path| path.is_file())
            .unwrap_or_else(|| program.into())
    }
}

fn program_name(name: &str) -> String {
    format!("docker-credential-{name}")
}

impl AuthEntry {
    fn read(&self, host: &str, path: &Path) -> Result<Credential> {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = filled(&self.identitytoken) {
            return Ok(Credential::IdentityToken(token));
        }
        if let Some(auth) = filled(&self.auth) {
            // One entry in a file of its own: the crate then decodes it and asks no helper.
            let single = serde_json::json!({ "auths": { host: { "auth": auth } } }).to_string();
            return match docker_credential::get_credential_from_reader(single.as_bytes(), host) {
                Ok(DockerCredential::UsernamePassword(user, password)) => {
                    // Docker pads what is shorter than its encoder's block with NUL.
                    let password = password.trim_end_matches('\0').to_owned();
                    Ok(Credential::Password { user, password })
                }
                Ok(DockerCredential::IdentityToken(token)) => Ok(Credential::IdentityToken(token)),
                Err(source) => Err(Error::BadCredential {
                    host: host.to_owned(),
                    path: path.to_owned(),
                    source,
                }),
            };
        }
        Ok(match (filled(&self.username), filled(&self.password)) {
            (Some(user), Some(password)) => Credential::Password { user, password },
            _ => Credential::Anonymous,
        })
    }
}

/// Whether a key of the file means a registry: `host`, or a URL as older versions wrote it.
fn same_registry(key: &str, host: &str) -> bool {
    let bare = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"))
        .unwrap_or(key);
    let bare = bare.split('/').next().unwrap_or(bare);
    bare == host || (DOCKER_HUB_HOSTS.contains(&bare) && DOCKER_HUB_HOSTS.contains(&host))
}

#[cfg(test)]
mod tests;
