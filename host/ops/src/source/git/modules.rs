//! The files of a commit together with those of its submodules, each a repository of its own.
//! Knows nothing of what a name means: commits are known by their ids here.

use std::path::Path;

use lapstrake_llb::GitSource;

use super::address::Address;
use super::checkout::{Described, Module};
use super::error::GitError;
use super::mirror::{self, Mirror};
use super::refs::{Commit, Format};
use super::{FOLDER, Repositories, Surroundings, keeps_git_dir, subdir};
use crate::error::{Error, Result};
use crate::source::progress::Progress;

/// Submodules may be in submodules so often.
const MAX_DEPTH: usize = 16;
/// Submodules of one commit, all in all.
const MAX_MODULES: usize = 1000;

/// Writes the files of a commit and its submodules into a directory. Returns when the commit was made.
pub(super) fn check_out(
    repositories: &Repositories,
    source: &GitSource,
    address: Address,
    commit: &Commit,
    to: &Path,
    progress: &dyn Progress,
) -> Result<i64> {
    let mut checkout = Checkout {
        repositories,
        source,
        progress,
        host: address.host.clone(),
        modules: 0,
    };
    checkout.one(address, commit, &subdir(source), to, 0)
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
    ) -> Result<(Vec<Module>, Vec<Described>, i64)> {
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
