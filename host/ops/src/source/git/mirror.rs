//! The store's copies of repositories: one bare repository for an address and format of ids, used by all builds, one at a
//! time.
//! Knows nothing of working trees.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use lapstrake_llb::Digest;

use super::GitError;
use super::command::{Git, Run, explain, last_lines};
use super::refs::{Commit, Format};
use crate::error::{Error, Result};

/// Refs that keep what was fetched from being collected.
const KEPT: &str = "refs/lapstrake/";

/// The copy of one repository. Whoever uses it MUST hold its lock.
pub(super) struct Mirror<'a> {
    pub(super) path: PathBuf,
    pub(super) git: Git<'a>,
}

/// Folder and lock of the copy of a repository that has ids of a format. A server may have another repository there tomorrow.
pub(super) fn name(url: &str, format: Format) -> String {
    let name = Digest::of(url.as_bytes()).hex();
    match format {
        Format::Sha1 => name,
        Format::Sha256 => format!("{name}-{}", format.word()),
    }
}

impl<'a> Mirror<'a> {
    /// Opens the copy, and makes it where there is none. `fresh` is a path on the same file system at which nothing is.
    pub(super) fn open(folder: &Path, fresh: &Path, format: Format, git: Git<'a>) -> Result<Self> {
        let path = folder.join(name(&git.address.url, format));
        let mirror = Self { path, git };
        if mirror.path.join("HEAD").is_file() {
            mirror.tidy();
            // The time of the last use. Without it, the copy goes earlier.
            let _ = fs::File::open(&mirror.path).and_then(|folder| folder.set_modified(SystemTime::now()));
            return Ok(mirror);
        }
        let failed = |path: &Path, source| GitError::Io {
            path: path.to_owned(),
            source,
        };
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(folder).map_err(|source| failed(folder, source))?;
        let mut init = Run::of(["init", "--quiet", "--bare", "--template="]);
        if format != Format::Sha1 {
            // What old versions of git do not know is left out where it is not needed.
            init.arguments
                .push(format!("--object-format={}", format.word()).into());
        }
        init.arguments.push(fresh.into());
        mirror.git.local(&init)?;
        // Half a copy that somebody left cannot be used.
        mirror.remove()?;
        fs::rename(fresh, &mirror.path).map_err(|source| failed(&mirror.path, source))?;
        Ok(mirror)
    }

    /// Removes the copy.
    pub(super) fn remove(&self) -> Result<()> {
        match lapstrake_store::remove_tree(&self.path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(GitError::Io {
                path: self.path.clone(),
                source,
            }
            .into()),
            _ => Ok(()),
        }
    }

    /// Removes what a killed git has left: its locks, and what it was about to receive.
    fn tidy(&self) {
        for name in ["shallow.lock", "packed-refs.lock", "HEAD.lock", "config.lock"] {
            let _ = fs::remove_file(self.path.join(name));
        }
        remove_where(&self.path.join("refs/lapstrake"), |name| name.ends_with(".lock"));
        remove_where(&self.path.join("objects"), |name| {
            name.starts_with("tmp_objdir") || name.starts_with("incoming-")
        });
        remove_where(&self.path.join("objects/pack"), |name| name.starts_with("tmp_"));
    }

    /// Whether a commit is here.
    pub(super) fn has(&self, id: &str) -> Result<bool> {
        // Without the name that is made last, what it leads to may not be whole.
        let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options"].map(str::to_owned);
        let ran = self.git.run(
            &Run::of(arguments.into_iter().chain([format!("{KEPT}{id}^{{commit}}")])).within(&self.path),
        )?;
        Ok(ran.status.success() && ran.text().trim() == id)
    }

    /// Fetches a commit that is not here: alone if the server does that, else with its history.
    pub(super) fn fetch(&self, commit: &Commit) -> Result<()> {
        let object = commit.tag.as_ref().unwrap_or(&commit.id);
        let kept = format!("{KEPT}{}", commit.id);
        let alone = self.try_fetch(&["--depth=1"], &[format!("{object}:{kept}")])?;
        let Err(first) = alone else { return Ok(()) };
        match explain(self.git.address, &first) {
            error @ (GitError::Unauthorized { .. }
            | GitError::Unreachable { .. }
            | GitError::HostKey { .. }
            | GitError::Redirected { .. }
            | GitError::NoRepository { .. })
                if !says_nothing_of_repository(&first) =>
            {
                return Err(error.into());
            }
            _ => {}
        }
        // The server gives nothing but what it lists: the ref, or all of them, with what led there.
        let shallow = self.path.join("shallow").exists();
        let options: &[&str] = if shallow { &["--unshallow"] } else { &[] };
        let specs = match &commit.name {
            Some(name) if name != "HEAD" => vec![format!("{name}:refs/remote/{name}")],
            _ => ["heads", "tags"]
                .map(|kind| format!("refs/{kind}/*:refs/remote/refs/{kind}/*"))
                .to_vec(),
        };
        let whole = self.try_fetch(options, &specs)?;
        let message = whole.err().unwrap_or_default();
        let exists = self
            .git
            .run(&Run::of(["cat-file", "-e", &format!("{}^{{commit}}", commit.id)]).within(&self.path))?;
        if exists.status.success() {
            let here = commit.tag.clone().filter(|tag| self.has_object(tag));
            let object = here.unwrap_or_else(|| commit.id.clone());
            self.git
                .local(&Run::of(["update-ref", &kept, &object]).within(&self.path))?;
            return Ok(());
        }
        // Of a repository with ids of the other format nothing can be fetched.
        let explained = !message.is_empty() && !first.contains("mismatched algorithms");
        Err(match explained {
            true => explain(self.git.address, &message),
            false => GitError::NoCommit {
                remote: self.git.address.shown.clone(),
                commit: commit.id.clone(),
                message: last_lines(&first),
            },
        }
        .into())
    }

    fn has_object(&self, id: &str) -> bool {
        let ran = self.git.run(&Run::of(["cat-file", "-e", id]).within(&self.path));
        ran.is_ok_and(|ran| ran.status.success())
    }

    /// The inner error is what git said.
    fn try_fetch(&self, options: &[&str], specs: &[String]) -> Result<Result<(), String>> {
        let start = [
            "fetch",
            "--progress",
            "--no-tags",
            "--force",
            "--no-write-fetch-head",
        ];
        let end = ["--", &self.git.address.given];
        let arguments = start.iter().chain(options).chain(end.iter()).copied();
        let specs = specs.iter().map(String::as_str);
        let mut run = Run::of(arguments.chain(specs)).within(&self.path);
        run.talk = true;
        let ran = self.git.run(&run)?;
        Ok(if ran.status.success() {
            Ok(())
        } else {
            Err(ran.message)
        })
    }

    /// Reads something of a commit that is here.
    pub(super) fn read<S: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<Vec<u8>, Error> {
        Ok(self.git.local(&Run::of(arguments).within(&self.path))?.stdout)
    }
}

/// Whether a server refused a shallow fetch or an id, in words that elsewhere mean that there is no repository.
fn says_nothing_of_repository(message: &str) -> bool {
    [
        "not our ref",
        "dumb http",
        "shallow",
        "unadvertised object",
        "remote ref",
    ]
    .iter()
    .any(|text| message.contains(text))
}

fn remove_where(folder: &Path, matches: impl Fn(&str) -> bool) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(&matches) {
            let _ = lapstrake_store::remove_tree(&entry.path());
        }
    }
}
