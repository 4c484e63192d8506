//! The files of a commit in a directory, with times and modes that depend on the commit alone.
//! Knows nothing of servers.

use std::fs::{self, FileTimes};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};

use super::GitError;
use super::command::Run;
use super::mirror::Mirror;
use super::refs::Commit;
use crate::error::Result;

/// A place in the files where a commit of another repository belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Module {
    /// In the directory that was checked out.
    pub(super) path: PathBuf,
    /// From the top of the repository.
    pub(super) whole_path: PathBuf,
    pub(super) commit: String,
}

/// What a repository says of a submodule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) path: PathBuf,
    pub(super) url: String,
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> GitError {
    let path = path.to_owned();
    move |source| GitError::Io { path, source }
}

impl Mirror<'_> {
    /// When a commit was made, seconds since 1970.
    pub(super) fn commit_time(&self, id: &str) -> Result<i64> {
        let output = self.read(["log", "-1", "--no-show-signature", "--format=%ct", id])?;
        let text = String::from_utf8_lossy(&output);
        Ok(text.trim().parse().unwrap_or(0))
    }

    /// Writes the files of a directory of a commit into an existing one. `index` is a path at which nothing is. Returns the
    /// submodules among them.
    pub(super) fn check_out(&self, id: &str, subdir: &str, to: &Path, index: &Path) -> Result<Vec<Module>> {
        let tree = format!("{id}:{subdir}");
        let kind = self
            .git
            .run(&Run::of(["cat-file", "-t", &tree]).within(&self.path))?;
        if !kind.status.success() || kind.text().trim() != "tree" {
            return Err(GitError::NoDirectory {
                remote: self.git.address.shown.clone(),
                path: subdir.to_owned(),
                commit: id.to_owned(),
            }
            .into());
        }
        let run = |arguments: &[&str]| {
            self.git.local(&Run {
                git_dir: Some(&self.path),
                work_tree: Some(to),
                index: Some(index),
                ..Run::of(arguments)
            })
        };
        run(&["read-tree", &tree])?;
        run(&["checkout-index", "--all", "--force", "--quiet"])?;
        let listed = run(&["ls-files", "--stage", "-z"])?;
        let modules = listed.stdout.split(|byte| *byte == 0).filter_map(|line| {
            let (path, commit) = gitlink(line)?;
            Some(Module {
                whole_path: Path::new(subdir).join(&path),
                path,
                commit,
            })
        });
        Ok(modules.collect())
    }

    /// What the commit says of its submodules.
    pub(super) fn modules(&self, id: &str) -> Result<Vec<Described>> {
        let blob = format!("{id}:.gitmodules");
        let kind = self
            .git
            .run(&Run::of(["cat-file", "-t", &blob]).within(&self.path))?;
        // As a link it would lead to a file of this machine.
        let file = self
            .git
            .run(&Run::of(["ls-tree", id, "--", ".gitmodules"]).within(&self.path))?;
        if kind.text().trim() != "blob" || !file.text().starts_with("100") {
            return Ok(Vec::new());
        }
        let listed = self.read(["config", "--null", "--no-includes", "--blob", &blob, "--list"])?;
        Ok(described(&listed))
    }

    /// Makes a repository of a directory that a commit was checked out to: with that commit and nothing before it.
    pub(super) fn keep_git_dir(&self, commit: &Commit, directory: &Path) -> Result<()> {
        let git_dir = directory.join(".git");
        // Before anything is written.
        let name = match commit.name.as_deref().filter(|name| name.starts_with("refs/")) {
            Some(name) => Some(inside(name, &self.git.address.shown)?),
            None => None,
        };
        let make = |name: &str| {
            let path = git_dir.join(name);
            fs::create_dir_all(&path).map_err(failed(&path))
        };
        for name in ["objects/pack", "objects/info", "refs/heads", "refs/tags"] {
            make(name)?;
        }
        let listed = self.read(["rev-list", "--objects", "--no-walk", &commit.id])?;
        let mut objects = listed;
        if let Some(tag) = &commit.tag {
            objects.extend_from_slice(format!("{tag}\n").as_bytes());
        }
        let pack = git_dir.join("objects/pack/pack");
        let mut run = Run::of([
            "pack-objects",
            "--quiet",
            "--no-reuse-delta",
            "--delta-base-offset",
        ]);
        run.arguments.push(pack.into());
        run.input = objects;
        self.git.local(&run.within(&self.path))?;
        let write = |name: &str, text: &str| {
            let name = inside(name, &self.git.address.shown)?;
            let path = git_dir.join(name);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(failed(parent))?;
            }
            fs::write(&path, text).map_err(failed(&path))
        };
        let id = &commit.id;
        write("HEAD", &format!("{id}\n"))?;
        write("shallow", &format!("{id}\n"))?;
        write("config", &config(&self.git.address.shown, id))?;
        if let Some(name) = name {
            write(name, &format!("{}\n", commit.tag.as_ref().unwrap_or(id)))?;
        }
        // Without what `stat` says of the files, which is another thing every time.
        let index = git_dir.join("index");
        self.git.local(&Run {
            git_dir: Some(&git_dir),
            work_tree: Some(directory),
            index: Some(&index),
            ..Run::of(["read-tree", id])
        })?;
        Ok(())
    }
}

/// A name that is also a path below the directory that it is joined to, else an error.
fn inside<'n>(name: &'n str, remote: &str) -> Result<&'n str, GitError> {
    let normal = |part| matches!(part, Component::Normal(_));
    let safe = !name.is_empty() && !name.contains('\0') && Path::new(name).components().all(normal);
    safe.then_some(name).ok_or_else(|| GitError::BadName {
        remote: remote.to_owned(),
        name: name.to_owned(),
    })
}

fn config(remote: &str, id: &str) -> String {
    let mut text = String::from("[core]\n");
    if id.len() > 40 {
        text.push_str("\trepositoryformatversion = 1\n");
    } else {
        text.push_str("\trepositoryformatversion = 0\n");
    }
    text.push_str("\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n");
    if id.len() > 40 {
        text.push_str("[extensions]\n\tobjectformat = sha256\n");
    }
    let quoted = remote.replace('\\', "\\\\").replace('"', "\\\"");
    text.push_str(&format!(
        "[remote \"origin\"]\n\turl = \"{quoted}\"\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n"
    ));
    text
}

/// A line of `ls-files --stage` that is a commit: `160000 <id> 0\t<path>`.
fn gitlink(line: &[u8]) -> Option<(PathBuf, String)> {
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    let (words, path) = (std::str::from_utf8(&line[..tab]).ok()?, &line[tab + 1..]);
    let mut words = words.split(' ');
    if words.next() != Some("160000") {
        return None;
    }
    let path = PathBuf::from(std::ffi::OsStr::from_bytes(path));
    Some((path, words.next()?.to_owned()))
}

/// Reads `git config --null --list` of a `.gitmodules`. Those that are not to be updated are left out.
fn described(listed: &[u8]) -> Vec<Described> {
    let mut modules: Vec<(String, Option<String>, Option<String>, bool)> = Vec::new();
    for item in listed.split(|byte| *byte == 0) {
        let text = String::from_utf8_lossy(item);
        let (key, value) = text.split_once('\n').unwrap_or((&text, ""));
        let Some(rest) = key.strip_prefix("submodule.") else {
            continue;
        };
        let Some((name, field)) = rest.rsplit_once('.') else {
            continue;
        };
        let at = modules
            .iter()
            .position(|(known, ..)| known == name)
            .unwrap_or_else(|| {
                modules.push((name.to_owned(), None, None, true));
                modules.len() - 1
            });
        match field {
            "path" => modules[at].1 = Some(value.to_owned()),
            "url" => modules[at].2 = Some(value.to_owned()),
            "update" => modules[at].3 = value != "none",
            _ => {}
        }
    }
    let wanted = modules.into_iter().filter(|(.., wanted)| *wanted);
    wanted
        .filter_map(|(_, path, url, _)| {
            Some(Described {
                path: PathBuf::from(path?.trim_end_matches('/')),
                url: url?,
            })
        })
        .collect()
}

/// Gives all files below a directory modes and times that depend on the commit alone: 0644, or 0755 for directories and
/// what can be executed.
pub(super) fn settle(directory: &Path, seconds: i64) -> Result<(), GitError> {
    for entry in fs::read_dir(directory).map_err(failed(directory))? {
        let entry = entry.map_err(failed(directory))?;
        let path = entry.path();
        let metadata = fs::symlink_metadata(&path).map_err(failed(&path))?;
        if metadata.is_dir() {
            settle(&path, seconds)?;
            set(&path, 0o755, seconds)?;
        } else if metadata.is_symlink() {
            let time = Timespec {
                tv_sec: seconds,
                tv_nsec: 0,
            };
            let times = Timestamps {
                last_access: time,
                last_modification: time,
            };
            rustix::fs::utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|error| failed(&path)(error.into()))?;
        } else {
            let executable = metadata.permissions().mode() & 0o111 != 0;
            set(&path, if executable { 0o755 } else { 0o644 }, seconds)?;
        }
    }
    set(directory, 0o755, seconds)
}

fn set(path: &Path, mode: u32, seconds: i64) -> Result<(), GitError> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed(path))?;
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 {
        SystemTime::UNIX_EPOCH - distance
    } else {
        SystemTime::UNIX_EPOCH + distance
    };
    let file = fs::File::open(path).map_err(failed(path))?;
    file.set_times(FileTimes::new().set_accessed(time).set_modified(time))
        .map_err(failed(path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::address::Address;
    use super::super::command::{Access, Git};
    use super::*;
    use crate::error::Error;
    use crate::source::progress::Quiet;
    use crate::source::remote::RemoteOptions;

    #[test]
    fn gitlinks() {
        let line = format!("160000 {} 0\ta b/c", "a".repeat(40));
        assert_eq!(
            gitlink(line.as_bytes()),
            Some((PathBuf::from("a b/c"), "a".repeat(40)))
        );
        assert_eq!(gitlink(b"100644 abc 0\tx"), None);
        assert_eq!(gitlink(b""), None);
    }

    #[test]
    fn names_stay_inside() {
        for good in ["HEAD", "refs/heads/main", "refs/heads/a..b"] {
            assert_eq!(inside(good, "r").unwrap(), good);
        }
        for bad in [
            "",
            "/etc/passwd",
            "../x",
            "refs/../../../../etc/passwd",
            "refs/heads/..",
            "./x",
            "refs/a\0b",
        ] {
            let error = inside(bad, "r").unwrap_err();
            assert!(
                matches!(&error, GitError::BadName { name, .. } if name == bad),
                "{bad}"
            );
        }
    }

    #[test]
    fn nothing_is_written_for_a_name_that_leads_out() {
        let (directory, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let address = Address::parse("https://h/x.git").unwrap();
        let git = Git {
            options: &RemoteOptions::default(),
            progress: &Quiet,
            address: &address,
            home: home.path(),
            access: &Access::default(),
        };
        let mirror = Mirror {
            path: home.path().join("none"),
            git,
        };
        let commit = Commit {
            id: "a".repeat(40),
            tag: None,
            name: Some("refs/../../../x".to_owned()),
        };
        let error = mirror.keep_git_dir(&commit, directory.path()).unwrap_err();
        assert!(matches!(error, Error::Git(GitError::BadName { .. })), "{error}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn descriptions_of_submodules() {
        let listed = b"submodule.a.b.path\na/b\0submodule.a.b.url\n../b.git\0submodule.c.path\nc\0\
                       submodule.c.url\nx\0submodule.c.update\nnone\0submodule.d.path\nd\0other.x\n1\0";
        let expected = Described {
            path: "a/b".into(),
            url: "../b.git".into(),
        };
        assert_eq!(described(listed), [expected]);
    }

    #[test]
    fn modes_and_times_are_the_same_everywhere() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir(path("d")).unwrap();
        fs::write(path("d/f"), "x").unwrap();
        fs::set_permissions(path("d/f"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(path("run"), "x").unwrap();
        fs::set_permissions(path("run"), fs::Permissions::from_mode(0o700)).unwrap();
        symlink("/nowhere", path("l")).unwrap();
        settle(directory.path(), 1_600_000_000).unwrap();
        for (name, mode) in [("d", 0o755), ("d/f", 0o644), ("run", 0o755), ("l", 0o777)] {
            let metadata = fs::symlink_metadata(path(name)).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o777, mode, "{name}");
            let modified = metadata.modified().unwrap();
            assert_eq!(
                modified.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs(),
                1_600_000_000,
                "{name}"
            );
        }
    }
}
