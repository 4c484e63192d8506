//! The configuration file: TOML with the words of BuildKit's `buildkitd.toml` where it has them.
//! Knows nothing of the command line, which overrides it.

use std::path::{Path, PathBuf};

use lapstrake_ops::source::component::PublicKey;
use lapstrake_ops::source::registry::RegistryConfig;
use serde::Deserialize;

use crate::gc::GcConfig;
use crate::history::Limits;
use crate::policy::GraphPolicy;
use crate::spec::{self, SpecError};
use crate::trust::Trust;

/// The whole file. Everything may be missing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Steps that run at once; none: the number of cores.
    pub jobs: Option<usize>,
    /// Registries by host, such as `[registry."localhost:5000"]`.
    pub registry: RegistryConfig,
    /// Frontends.
    pub frontend: Frontend,
    /// Rules over what frontends want done.
    pub policy: GraphPolicy,
    /// Containers.
    pub oci_runtime: Option<PathBuf>,
    /// Whether set-user-ID programs and file capabilities are without effect in commands.
    pub no_new_privileges: bool,
    /// Networks of commands.
    pub network: Network,
    /// Devices of commands.
    pub cdi: Cdi,
    /// Garbage collection.
    pub gc: GcConfig,
    /// Records of builds.
    pub history: HistoryLimits,
}

/// How many records of builds are kept. `0` or `"0"`: no such limit.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct HistoryLimits {
    /// Records.
    pub max_entries: Option<usize>,
    /// Time since a build began, such as `48h`.
    pub max_age: Option<String>,
    /// Bytes of all records, such as `256m`.
    pub max_size: Option<String>,
}

impl HistoryLimits {
    /// As the history takes them.
    ///
    /// # Errors
    /// A word that has no meaning.
    pub fn limits(&self) -> Result<Limits, SpecError> {
        let default = Limits::default();
        let said = |key: &'static str| {
            move |SpecError(text)| SpecError(format!("history.{key} of the configuration: {text}"))
        };
        let age = self.max_age.as_deref().map(spec::length_of_time).transpose();
        let size = self.max_size.as_deref().map(spec::size).transpose();
        Ok(Limits {
            max_entries: match self.max_entries {
                Some(entries) => Some(entries).filter(|entries| *entries > 0),
                None => default.max_entries,
            },
            max_age: match age.map_err(said("max-age"))? {
                Some(age) => Some(age).filter(|age| !age.is_zero()),
                None => default.max_age,
            },
            max_size: match size.map_err(said("max-size"))? {
                Some(size) => Some(size).filter(|size| *size > 0),
                None => default.max_size,
            },
        })
    }
}

/// Limits of frontends, and which of them may run.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Frontend {
    /// Memory, such as `1g`.
    pub memory: Option<String>,
    /// Wasm instructions, about.
    pub fuel: Option<u64>,
    /// Seconds.
    pub timeout: Option<u64>,
    /// One answer, such as `128m`.
    pub output: Option<String>,
    /// Which may run: `embedded`, `locked` or `any`.
    pub policy: Option<String>,
    /// Registries that they may come from, such as `ghcr.io/me`; none: any.
    pub registries: Option<Vec<String>>,
    /// Files of public keys, of which one must have signed a frontend from a registry.
    pub keys: Vec<PathBuf>,
}

impl Frontend {
    /// What is trusted. Reads the keys.
    ///
    /// # Errors
    /// A word that has no meaning, or a file that is no key.
    pub fn trust(&self) -> Result<Trust, SpecError> {
        let said =
            |key: &str, text: String| SpecError(format!("frontend.{key} of the configuration: {text}"));
        let policy = self.policy.as_deref().map(str::parse).transpose();
        let key = |path: &PathBuf| {
            let name = path.display().to_string();
            let text =
                std::fs::read_to_string(path).map_err(|error| said("keys", format!("{name}: {error}")))?;
            let key = PublicKey::from_pem(&text).map_err(|error| said("keys", format!("{name}: {error}")))?;
            Ok((name, key))
        };
        Ok(Trust {
            policy: policy.map_err(|text| said("policy", text))?.unwrap_or_default(),
            registries: self.registries.clone(),
            keys: self.keys.iter().map(key).collect::<Result<_, _>>()?,
        })
    }
}

/// Devices of commands.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Cdi {
    /// Directories of specifications, the weakest first.
    #[serde(alias = "specDirs")]
    pub spec_dirs: Vec<PathBuf>,
}

impl Default for Cdi {
    fn default() -> Self {
        let spec_dirs = lapstrake_ops::cdi::SPEC_DIRS.map(PathBuf::from).to_vec();
        Self { spec_dirs }
    }
}

/// Networks of commands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Network {
    /// What a command without wishes is in.
    pub sandbox: Sandbox,
    /// What `host-gateway` of `--add-host` means; none: the address that this machine reaches others from.
    pub host_gateway_ip: Option<std::net::IpAddr>,
}

/// What a command without wishes is in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sandbox {
    /// A network of its own by pasta or slirp4netns, whichever is there; where neither is, this machine's, with a
    /// warning.
    #[default]
    Auto,
    /// A network of its own by pasta.
    Pasta,
    /// A network of its own by slirp4netns.
    Slirp4netns,
    /// This machine's.
    Host,
    /// Loopback only.
    None,
}

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read the configuration file {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It says something that has no meaning.
    #[error("the configuration file {path} is not right")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
}

impl Config {
    /// Reads a file. A missing one is no error unless it `must_exist`.
    ///
    /// # Errors
    /// It cannot be read, is not TOML, or has a key that is not known.
    pub fn load(path: &Path, must_exist: bool) -> Result<Self, ConfigError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => {
                return Ok(Self::default());
            }
            Err(source) => {
                return Err(ConfigError::Read {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        toml::from_str(&text).map_err(|source| ConfigError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_registries() {
        let config: Config =
            toml::from_str("jobs = 3\n[registry.\"localhost:5000\"]\nhttp = true\nmirrors = [\"m:1\"]\n")
                .unwrap();
        assert_eq!(config.jobs, Some(3));
        assert_eq!(config.registry.hosts["localhost:5000"].http, Some(true));
    }

    #[test]
    fn history_has_limits_of_its_own() {
        let config: Config = toml::from_str("[history]\nmax-entries = 7\nmax-age = \"0\"\n").unwrap();
        let limits = config.history.limits().unwrap();
        assert_eq!((limits.max_entries, limits.max_age), (Some(7), None));
        assert_eq!(limits.max_size, Limits::default().max_size);
        let config: Config = toml::from_str("[history]\nmax-size = \"big\"\n").unwrap();
        let message = config.history.limits().unwrap_err().0;
        assert!(message.contains("history.max-size"), "{message}");
    }

    #[test]
    fn reads_networks() {
        let read = |text: &str| toml::from_str::<Config>(text).map(|config| config.network);
        assert_eq!(read("").unwrap().sandbox, Sandbox::Auto);
        let network = read("[network]\nsandbox = \"slirp4netns\"\nhost-gateway-ip = \"fd00::1\"\n").unwrap();
        assert_eq!(network.sandbox, Sandbox::Slirp4netns);
        assert!(network.host_gateway_ip.is_some_and(|ip| ip.is_ipv6()));
        assert!(read("[network]\nsandbox = \"bridge\"\n").is_err());
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lapstrake.toml");
        std::fs::write(&path, "job = 3\n").unwrap();
        assert!(matches!(
            Config::load(&path, true),
            Err(ConfigError::Parse { .. })
        ));
        let missing = directory.path().join("no.toml");
        assert!(Config::load(&missing, false).is_ok());
        assert!(matches!(
            Config::load(&missing, true),
            Err(ConfigError::Read { .. })
        ));
    }
}
