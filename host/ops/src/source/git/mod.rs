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
use self::mirror::Mirror;
use self::refs::Format;
use super::progress::Progress;
use super::remote::{Reach, is_confidential, kept_back};
use crate::error::{Error, Result};
use crate::locks::Locks;
use crate::secret;

/// Kind of the store's values that hold what a name meant when it was last asked for.
const NAMES: &str = "git-ref";
/// The store's folder for copies of repositories.
const FOLDER: &str = "git";
/// Submodules may be in submodules so often.
const MAX_DEPTH: usize = 16;
/// Submodules of one commit, all in all.
const MAX_MODULES: usize = 1000;

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
        let mut checkout = Checkout {
            repositories: self,
            source,
            progress,
            host: address.host.clone(),
            modules: 0,
        };
        let subdir = subdir(source);
        let seconds = checkout.one(address, commit, &subdir, draft.dir(), 0)?;
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

/// The checkout of a commit and its submodules.
struct Checkout<'a> {
    repositories: &'a Repositories,
    source: &'a GitSource,
    progress: &'a dyn Progress,
    /// The host of the repository itself.
    host: String,
    modules: usize,
}

impl Checkout<'_> {
    /// Writes the files of a commit into a directory. Returns when it was made.
    fn one(
        &mut self,
        address: Address,
        commit: &Commit,
        subdir: &str,
        to: &Path,
        depth: usize,
    ) -> Result<i64> {
        let host = (depth > 0).then_some(self.host.as_str());
        let repositories = self.repositories;
        let surroundings = repositories.surroundings(self.source, address, host, self.progress)?;
        let (modules, described, seconds) = {
            // Not held while submodules are fetched: two processes could wait for each other.
            let format = Format::of(&commit.id);
            let lock = format!("git-{}", mirror::name(&surroundings.address.url, format));
            let _guard = repositories.locks.lock(&lock, &|| self.progress.cancelled())?;
            match self.attempt(&surroundings, commit, subdir, to, depth == 0) {
                Err(Error::Git(GitError::Copy { .. })) if !repositories.reach.offline => {
                    // The copy is damaged: once more with a new one.
                    self.mirror(&surroundings, format)?.remove()?;
                    empty(to)?;
                    self.attempt(&surroundings, commit, subdir, to, depth == 0)?
                }
                other => other?,
            }
        };
        let wanted = modules.into_iter().filter(|_| !self.source.skip_submodules);
        for module in wanted {
            let Some(found) = described.iter().find(|one| one.path == module.whole_path) else {
                let path = module.whole_path.display();
                self.progress.log(&format!(
                    "no address is known of the submodule {path}: it stays empty"
                ));
                continue;
            };
            self.modules += 1;
            if depth >= MAX_DEPTH || self.modules > MAX_MODULES {
                return Err(GitError::TooManyModules {
                    remote: surroundings.address.shown,
                    path: module.whole_path.display().to_string(),
                }
                .into());
            }
            let address = surroundings.address.submodule(&found.url)?;
            let commit = Commit {
                id: module.commit,
                tag: None,
                name: None,
            };
            let to = to.join(&module.path);
            // An empty directory, which git has made; it does not follow links on the way.
            self.one(address, &commit, "", &to, depth + 1)?;
        }
        Ok(seconds)
    }

    fn mirror<'s>(&'s self, surroundings: &'s Surroundings, format: Format) -> Result<Mirror<'s>> {
        let git = self.repositories.git(surroundings, self.progress);
        let folder = self.repositories.store.root().join(FOLDER);
        Mirror::open(&folder, &surroundings.home.path().join("new"), format, git)
    }

    #[allow(clippy::type_complexity)]
    fn attempt(
        &self,
        surroundings: &Surroundings,
        commit: &Commit,
        subdir: &str,
        to: &Path,
        top: bool,
    ) -> Result<(Vec<checkout::Module>, Vec<checkout::Described>, i64)> {
        let mirror = self.mirror(surroundings, Format::of(&commit.id))?;
        if !mirror.has(&commit.id)? {
            if self.repositories.reach.offline {
                return Err(Error::Offline {
                    what: format!("the commit {} of {}", commit.id, surroundings.address.shown),
                });
            }
            mirror.fetch(commit)?;
        }
        let index = surroundings.home.path().join("index");
        let modules = mirror.check_out(&commit.id, subdir, to, &index)?;
        let described = match modules.is_empty() || self.source.skip_submodules {
            true => Vec::new(),
            false => mirror.modules(&commit.id)?,
        };
        if top && keeps_git_dir(self.source) {
            mirror.keep_git_dir(commit, to)?;
        }
        Ok((modules, described, mirror.commit_time(&commit.id)?))
    }
}

fn empty(directory: &Path) -> Result<(), GitError> {
    let failed = |source| GitError::Io {
        path: directory.to_owned(),
        source,
    };
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        lapstrake_store::remove_tree(&entry.map_err(failed)?.path()).map_err(failed)?;
    }
    Ok(())
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
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::secret::KnownSecrets;
    use crate::source::progress::Quiet;
    use crate::source::remote::RemoteOptions;

    /// A server that gives everybody the same answer, and what it was sent.
    fn server(answer: &str) -> (String, Arc<Mutex<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let sent = Arc::new(Mutex::new(String::new()));
        let (answer, kept) = (answer.to_owned(), Arc::clone(&sent));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let lines = BufReader::new(&stream).lines().map_while(|line| line.ok());
                for line in lines.take_while(|line| !line.is_empty()) {
                    kept.lock().unwrap().push_str(&format!("{line}\n"));
                }
                let _ = write!(
                    &stream,
                    "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                );
            }
        });
        (host, sent)
    }

    /// Asks for the default branch, with a token. Returns the error and the command lines of git. None: there is no git.
    fn ask(remote: &str, token: Option<&str>) -> Option<(GitError, String)> {
        let path = std::env::var_os("PATH")?;
        let git = std::env::split_paths(&path)
            .map(|folder| folder.join("git"))
            .find(|path| path.is_file())?;
        let directory = tempfile::tempdir().unwrap();
        // A git that writes down how it was called.
        let (bin, log) = (directory.path().join("bin"), directory.path().join("log"));
        std::fs::create_dir(&bin).unwrap();
        let script = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$*\" >>'{}'\nexec '{}' \"$@\"\n",
            log.display(),
            git.display()
        );
        std::fs::write(bin.join("git"), script).unwrap();
        std::fs::set_permissions(bin.join("git"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let folders = std::iter::once(bin).chain(std::env::split_paths(&path));
        let mut secrets = KnownSecrets::default();
        if let Some(token) = token {
            secrets.secrets.insert("TOKEN".to_owned(), token.into());
        }
        let reach = Reach {
            options: RemoteOptions {
                search_path: Some(std::env::join_paths(folders).unwrap()),
                ..RemoteOptions::default()
            },
            offline: false,
            secrets: Arc::new(secrets),
        };
        let store = Store::open(&directory.path().join("store")).unwrap();
        let source = GitSource {
            remote: remote.to_owned(),
            auth_token_secret: Some("TOKEN".to_owned()),
            ..GitSource::default()
        };
        match Repositories::new(store, reach).find(&source, &Quiet) {
            Err(Error::Git(error)) => Some((error, std::fs::read_to_string(log).unwrap())),
            other => panic!("{other:?}"),
        }
    }

    fn taken(sent: &Mutex<String>) -> String {
        sent.lock().unwrap().clone()
    }

    #[test]
    fn no_token_goes_to_where_a_server_leads() {
        let (elsewhere, leaked) = server("404 Not Found");
        let (host, sent) = server(&format!(
            "302 Found\r\nLocation: http://{elsewhere}/r.git/info/refs"
        ));
        for (login, token) in [("", Some("hidden")), ("me:hidden@", None)] {
            let Some((error, _)) = ask(&format!("http://{login}{host}/r.git"), token) else {
                return eprintln!("skipped: git is not installed");
            };
            assert!(matches!(error, GitError::Redirected { .. }), "{error}");
            assert!(taken(&sent).contains("Authorization: "), "{}", taken(&sent));
            assert_eq!(taken(&leaked), "");
            sent.lock().unwrap().clear();
        }
        // Who has nothing to hide is led there.
        let (error, _) = ask(&format!("http://{host}/r.git"), None).unwrap();
        assert!(matches!(error, GitError::NoRepository { .. }), "{error}");
        assert!(!taken(&sent).contains("Authorization"), "{}", taken(&sent));
        assert!(taken(&leaked).contains("GET /r.git/info/refs"));
    }

    #[test]
    fn a_password_in_an_address_is_on_no_command_line() {
        let (host, sent) = server("404 Not Found");
        let remote = format!("http://me:hid%2Dden@{host}/r.git");
        let Some((error, lines)) = ask(&remote, None) else {
            return eprintln!("skipped: git is not installed");
        };
        assert!(matches!(error, GitError::NoRepository { .. }), "{error}");
        assert!(lines.contains(&format!(" http://{host}/r.git")), "{lines}");
        assert!(!lines.contains("hid") && !lines.contains("me:"), "{lines}");
        // me:hid-den
        let header = "Authorization: Basic bWU6aGlkLWRlbg==\n";
        assert!(taken(&sent).contains(header), "{}", taken(&sent));
        // A secret comes before it: x-access-token:other
        sent.lock().unwrap().clear();
        ask(&remote, Some("other")).unwrap();
        let header = "Authorization: basic eC1hY2Nlc3MtdG9rZW46b3RoZXI=\n";
        assert!(taken(&sent).contains(header), "{}", taken(&sent));
    }
}
