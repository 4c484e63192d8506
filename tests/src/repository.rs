//! A git repository that a test makes, with commits of a fixed author and time, so that ids are the same in every run.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A repository with a working tree.
pub struct Repository {
    folder: PathBuf,
}

impl Repository {
    /// Makes one. Its branch is `main`. The last part of the path is its name with `.git`.
    pub fn new(folder: &Path) -> Self {
        Self::with_format(folder, "sha1")
    }

    /// Makes one with ids of a format.
    pub fn with_format(folder: &Path, format: &str) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let repository = Self {
            folder: folder.to_owned(),
        };
        let format = format!("--object-format={format}");
        repository.git(&["init", "--quiet", "--initial-branch=main", &format]);
        repository
    }

    /// Runs git in it.
    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "protocol.file.allow=always"])
            .args(arguments)
            .current_dir(&self.folder)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "A")
            .env("GIT_AUTHOR_EMAIL", "a@example.com")
            .env("GIT_COMMITTER_NAME", "A")
            .env("GIT_COMMITTER_EMAIL", "a@example.com")
            .env("GIT_AUTHOR_DATE", "1600000000 +0000")
            .env("GIT_COMMITTER_DATE", "1600000000 +0000")
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {stderr}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Writes a file in the working tree.
    pub fn file(&self, name: &str, text: &str) -> &Self {
        let path = self.folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// Commits the whole working tree and returns the commit's id.
    pub fn commit(&self) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "a commit"]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Adds a submodule with an address as it is to stand in `.gitmodules`, at a commit of another repository.
    pub fn submodule(&self, path: &str, url: &str, commit: &str) -> &Self {
        let section = format!("[submodule \"{path}\"]\n\tpath = {path}\n\turl = {url}\n");
        let place = self.folder.join(".gitmodules");
        let before = std::fs::read_to_string(&place).unwrap_or_default();
        std::fs::write(place, before + &section).unwrap();
        self.git(&["add", ".gitmodules"]);
        self.git(&[
            "update-index",
            "--add",
            "--cacheinfo",
            &format!("160000,{commit},{path}"),
        ]);
        self.git(&["commit", "--quiet", "--message", "a submodule"]);
        self
    }
}
