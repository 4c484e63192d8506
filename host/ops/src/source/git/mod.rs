//! Git repositories: which commit a name means, and a layer with its files. Git itself does the work, as the program.
//!
//! The store keeps one bare copy of each repository, so that a commit is fetched once, alone where the server does that.
//! A commit that is named in full costs no request where it is here, any other name one. Submodules are repositories like
//! all others, of which the commit is known: `git submodule` is not used.
//! Knows nothing of the graph but the op's fields.

mod address;
mod checkout;
mod command;
mod error;
mod mirror;
mod modules;
mod refs;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use lapstrake_llb::{Digest, GitSource, Hasher};
use lapstrake_store::{LayerMeta, Store, TempDir, Tree};

pub use self::error::GitError;
pub use self::refs::Commit;

use self::address::{Address, Protocol};
use self::command::{Access, Git, Run, explain};
use super::progress::Progress;
use super::remote::{Reach, is_confidential, kept_back};
use crate::error::{Error, Result};
use crate::locks::Locks;
use crate::secret;

/// Kind of the store's values that hold what a name meant when it was last asked for.
const NAMES: &str = "git-ref";
/// The store's folder for copies of repositories.
const FOLDER: &str = "git";

/// Fetches repositories. What a name meant is remembered as long as it lives: make one for a build.
pub struct Repositories {
    store: Store,
    reach: Reach,
    locks: Locks,
    found: Mutex<HashMap<Digest, Arc<Slot>>>,
}

/// A name that may still be being asked for: who wants it meanwhile waits.
type Slot = Mutex<Option<Commit>>;

/// What a run of git needs beside its arguments, until it is dropped.
struct Surroundings {
    address: Address,
    access: Access,
    home: TempDir,
}

impl Repositories {
    /// Makes it; nothing is done yet.
    pub fn new(store: Store, reach: Reach) -> Self {
        let locks = Locks::new(store.root().join("locks"));
        Self {
            store,
            reach,
            locks,
            found: Mutex::default(),
        }
    }

    /// Which commit a source means. Nobody is asked for one that is named in full.
    ///
    /// # Errors
    /// The server cannot be reached, has no such ref, or another commit than the op's checksum.
    pub fn find(&self, source: &GitSource, progress: &dyn Progress) -> Result<Commit> {
        let address = Address::parse(&source.remote)?;
        let commit = if refs::is_id(&source.git_ref) {
            Commit {
                id: source.git_ref.clone(),
                tag: None,
                name: None,
            }
        } else {
            self.ask_once(source, &address, progress)?
        };
        if let Some(expected) = &source.checksum {
            // An annotated tag may be pinned by the tag's own id too.
            let good = commit.id.starts_with(expected)
                || commit.tag.as_ref().is_some_and(|tag| tag.starts_with(expected));
            if !good {
                let reference = match source.git_ref.as_str() {
                    "" => "the default branch",
                    name => name,
                };
                return Err(GitError::Checksum {
                    remote: address.shown,
                    reference: reference.to_owned(),
                    expected: expected.clone(),
                    actual: commit.id,
                }
                .into());
            }
        }
        Ok(commit)
    }

    fn ask_once(&self, source: &GitSource, address: &Address, progress: &dyn Progress) -> Result<Commit> {
        let mut hasher = Hasher::new("lapstrake.git-question.1");
        hasher
            .field(address.url.as_bytes())
            .field(source.git_ref.as_bytes());
        let question = hasher.finish();
        let slot = {
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(found.entry(question).or_default())
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(commit) = &*slot {
            return Ok(commit.clone());
        }
        let key = question.hex();
        let commit = if self.reach.offline {
            self.recall(&key)?.ok_or_else(|| Error::Offline {
                what: format!("the ref {:?} of {}", source.git_ref, address.shown),
            })?
        } else {
            self.ask(source, address, progress)?
        };
        if let (false, Ok(bytes)) = (self.reach.offline, serde_json::to_vec(&commit)) {
            self.store.set_value(NAMES, &key, &bytes)?;
        }
        Ok(slot.insert(commit).clone())
    }

    fn recall(&self, key: &str) -> Result<Option<Commit>> {
        let bytes = self.store.get_value(NAMES, key)?;
        let commit: Option<Commit> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        // What an older version has written was not checked.
        let good = |name: &str| name == "HEAD" || refs::is_name(name);
        Ok(commit.filter(|commit| commit.name.as_deref().is_none_or(good)))
    }

    /// One question to the server; a second one only to say what a wrong name is like.
    fn ask(&self, source: &GitSource, address: &Address, progress: &dyn Progress) -> Result<Commit> {
        let surroundings = self.surroundings(source, address.clone(), None, progress)?;
        let git = self.git(&surroundings, progress);
        let list = |patterns: &[String]| {
            let start = ["ls-remote", "--symref", "--", &address.given].map(str::to_owned);
            let ran = git.run(&Run::of(start.iter().chain(patterns)))?;
            if ran.status.success() {
                return Ok(ran.text());
            }
            Err(Error::Git(explain(address, &ran.message)))
        };
        let name = &source.git_ref;
        let answer = list(&refs::patterns(name))?;
        if let Some(commit) = refs::choose(name, &answer) {
            return Ok(commit);
        }
        let remote = address.shown.clone();
        let all = list(&[])?;
        Err(match all.trim().is_empty() {
            true => GitError::Empty { remote },
            false => GitError::NoRef {
                remote,
                reference: name.clone(),
                close: refs::near(name, &all),
            },
        }
        .into())
    }

    /// The files of a commit, with those of its submodules.
    ///
    /// # Errors
    /// It cannot be fetched, or has no such directory.
    pub fn tree(&self, source: &GitSource, commit: &Commit, progress: &dyn Progress) -> Result<Tree> {
        let address = Address::parse(&source.remote)?;
        let draft = self.store.new_layer()?;
        let seconds = modules::check_out(self, source, address, commit, draft.dir(), progress)?;
        checkout::settle(draft.dir(), seconds)?;
        let id = draft.commit(&LayerMeta {
            description: format!("git {}", super::remote::redact(&source.remote)),
            kind: lapstrake_store::Kind::SourceGit,
            ..LayerMeta::default()
        })?;
        Ok(Tree { layers: vec![id] })
    }

    fn git<'a>(&'a self, surroundings: &'a Surroundings, progress: &'a dyn Progress) -> Git<'a> {
        Git {
            options: &self.reach.options,
            progress,
            address: &surroundings.address,
            home: surroundings.home.path(),
            access: &surroundings.access,
        }
    }

    /// Prepares access to a repository. `host`: that of the repository which this one is a submodule of.
    fn surroundings(
        &self,
        source: &GitSource,
        address: Address,
        host: Option<&str>,
        progress: &dyn Progress,
    ) -> Result<Surroundings> {
        let home = self.store.temp_dir()?;
        let mut access = Access::default();
        match address.protocol {
            Protocol::Http => {
                // What the address says itself is for its own host, whatever led to it.
                let login = || {
                    let login = address.login.as_ref()?;
                    Some(format!("Basic {}", STANDARD.encode(login)))
                };
                let header = match self.header(source, &address, host)? {
                    Some((id, _)) if !is_confidential(&address.url) => {
                        progress.log(&kept_back(&id, &address.shown));
                        None
                    }
                    found => found.map(|(_, header)| header),
                };
                access.header = address.scope().zip(header.or_else(login));
            }
            Protocol::Ssh => self.ssh_access(source, home.path(), &mut access)?,
            Protocol::Git => {}
        }
        Ok(Surroundings {
            address,
            access,
            home,
        })
    }

    /// The Authorization header for a repository, after the secret that it is of, which the op names: one for the host first.
    /// What is meant for the repository itself does not go to other hosts of its submodules.
    fn header(
        &self,
        source: &GitSource,
        address: &Address,
        host: Option<&str>,
    ) -> Result<Option<(String, String)>> {
        let same_host = host.is_none_or(|host| host == address.host);
        let names = [&source.auth_header_secret, &source.auth_token_secret];
        for for_host in [true, false] {
            for (name, is_token) in names.into_iter().zip([false, true]) {
                let Some(name) = name.as_deref().filter(|name| !name.is_empty()) else {
                    continue;
                };
                let id = match for_host {
                    true => format!("{name}.{}", address.host),
                    false if same_host => name.to_owned(),
                    false => continue,
                };
                let Some(value) = secret::text(&*self.reach.secrets, &id)? else {
                    continue;
                };
                let header = match is_token {
                    true => format!("basic {}", STANDARD.encode(format!("x-access-token:{value}"))),
                    false => value,
                };
                return Ok(Some((id, header)));
            }
        }
        Ok(None)
    }

    fn ssh_access(&self, source: &GitSource, home: &Path, access: &mut Access) -> Result<()> {
        if let Some(id) = source.mount_ssh_sock.as_deref().filter(|id| !id.is_empty()) {
            let found = self
                .reach
                .secrets
                .ssh_agent(id)
                .map_err(|source| Error::ReadSecret {
                    id: id.to_owned(),
                    source,
                })?;
            access.agent = Some(found.ok_or_else(|| Error::NoSshAgent { id: id.to_owned() })?);
        }
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| GitError::Io { path, source }
        };
        match source.known_hosts.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => {
                let path = home.join("known_hosts");
                std::fs::write(&path, text).map_err(failed(&path))?;
                access.known_hosts = vec![path];
                access.strict = true;
            }
            None => {
                // A host's first key is taken and kept: another one later is an error.
                access.known_hosts = vec![self.store.root().join("known_hosts")];
                access
                    .known_hosts
                    .extend(self.reach.options.known_hosts.iter().cloned());
            }
        }
        Ok(())
    }
}

/// The wanted directory without slashes around it; empty: all.
pub(crate) fn subdir(source: &GitSource) -> String {
    let parts = source.subdir.split('/').filter(|part| !matches!(*part, "" | "."));
    parts.collect::<Vec<_>>().join("/")
}

/// Whether the result has a `.git`: that of a directory would not fit it.
pub(crate) fn keeps_git_dir(source: &GitSource) -> bool {
    source.keep_git_dir && subdir(source).is_empty()
}

#[cfg(test)]
mod tests;
