//! Where the secrets and SSH agents of a build come from: the caller knows.
//! Values are given to the command that asked for them and to nobody else: not to logs, records, keys or the store.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::error::{Error, Result};

/// Gives secrets and SSH agents by their ids.
pub trait SecretSource: Send + Sync {
    /// The value of a secret; `None`: there is no such secret.
    ///
    /// # Errors
    /// There is one, but it cannot be read.
    fn secret(&self, id: &str) -> std::io::Result<Option<Vec<u8>>>;

    /// The socket of an SSH agent; `None`: there is no such agent.
    ///
    /// # Errors
    /// There is one, but it cannot be reached.
    fn ssh_agent(&self, id: &str) -> std::io::Result<Option<PathBuf>>;
}

/// The value of a secret that goes into a header or a variable, without the line end of the file it may come from.
/// None: there is no such secret.
pub(crate) fn text(secrets: &dyn SecretSource, id: &str) -> Result<Option<String>> {
    let found = secrets.secret(id).map_err(|source| Error::ReadSecret {
        id: id.to_owned(),
        source,
    })?;
    let Some(bytes) = found else { return Ok(None) };
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned())),
        Err(_) => Err(Error::SecretNotText { id: id.to_owned() }),
    }
}

/// Secrets and agents that are known beforehand.
#[derive(Default)]
pub struct KnownSecrets {
    /// Values by id.
    pub secrets: BTreeMap<String, Vec<u8>>,
    /// Sockets by id.
    pub ssh_agents: BTreeMap<String, PathBuf>,
}

impl fmt::Debug for KnownSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.secrets.keys().collect();
        f.debug_struct("KnownSecrets")
            .field("secrets", &ids)
            .field("ssh_agents", &self.ssh_agents)
            .finish()
    }
}

impl SecretSource for KnownSecrets {
    fn secret(&self, id: &str) -> std::io::Result<Option<Vec<u8>>> {
        Ok(self.secrets.get(id).cloned())
    }

    fn ssh_agent(&self, id: &str) -> std::io::Result<Option<PathBuf>> {
        Ok(self.ssh_agents.get(id).cloned())
    }
}
